--- What the specs share: fixtures, commands, and things borrowed from the system that go back by themselves.
-- Everything borrowed (directories, mounts, network namespaces, control groups) is given back when the spec
-- file ends, also when a test failed; spec/support/leaks.lua sees to it and then looks for what was left.
local lfs = require "lfs"
local system = require "system"

local support = {}

local pid = assert(lfs.symlinkattributes("/proc/self")).target
local counter = 0
local borrowed = {} -- functions that give back what the file borrowed, oldest first
local handles = {} -- what `support.closing` was told to close

--- The command of the Lua that runs this, for starting another.
support.lua = assert(lfs.symlinkattributes("/proc/self/exe")).target

--- Its name as the Makefile has it: "lua5.4", "lua5.3", "lua5.1" or "luajit".
support.lua_name = rawget(_G, "jit") and "luajit" or "lua" .. _VERSION:match("%d%.%d")

--- Whether what no Lua has a part in, and takes long, is to be tested here: it is under one of the Luas.
support.once = os.getenv("EBPF_ONCE") ~= "no"

--- The prefix of every name the specs give to something system-wide.
support.prefix = "ebpf-spec-" .. pid

local function unique()
  counter = counter + 1
  return support.prefix .. "-" .. counter
end

local function giving_back(action)
  borrowed[#borrowed + 1] = action
end

--- Gives back what was borrowed, the newest first.
-- @return the errors met, as an array of strings
function support.give_back()
  local errors = {}
  while #borrowed > 0 do
    local ok, message = pcall(table.remove(borrowed))
    if not ok then
      errors[#errors + 1] = message
    end
  end
  return errors
end

--- One word for the shell.
function support.quote(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

--- Runs a shell command without input and waits for it.
-- @param command string or array of words, which are quoted
-- @return its output, standard error included; its exit status (128 + n when signal n killed it)
function support.run(command)
  if type(command) == "table" then
    local words = {}
    for i, word in ipairs(command) do
      words[i] = support.quote(word)
    end
    command = table.concat(words, " ")
  end
  -- Lua 5.1 does not tell the exit status of a pipe, so the shell does. `make asan` looks for leaks in this process,
  -- not in the tools it starts.
  local pipe = assert(io.popen("export ASAN_OPTIONS=detect_leaks=0; (" .. command
    .. "\n) </dev/null 2>&1; printf '\\n%d' $?"))
  local text = pipe:read("*a")
  pipe:close()
  local output, status = text:match("^(.*)\n(%d+)$")
  return output, tonumber(status)
end

--- The same for a command that must succeed.
-- @return its output
function support.check_run(command)
  local output, status = support.run(command)
  if status ~= 0 then
    if type(command) == "table" then
      command = table.concat(command, " ")
    end
    error(("%s: exit status %d: %s"):format(command, status, output), 2)
  end
  return output
end

--- Runs a script in a new process of the same Lua, with the same module paths.
-- @param script the Lua text
-- @param wrap nil or a function that turns the command into another one, for instance support.unprivileged
-- @return its output, its exit status
function support.run_lua(script, wrap)
  local path = support.tmpdir() .. "/script.lua"
  support.write_file(path, script)
  local command = support.quote(support.lua) .. " " .. support.quote(path)
  return support.run(wrap and wrap(command) or command)
end

--- The command without any capability. The user stays, so files stay readable; the kernel's checks of
-- bpf(2) and perf_event_open(2) look at capabilities alone.
-- @param keep nil or an array of capabilities to leave, as {"bpf"}
function support.unprivileged(command, keep)
  local caps = "-all"
  for _, name in ipairs(keep or {}) do
    caps = caps .. ",+" .. name
  end
  return ("setpriv --no-new-privs --inh-caps=-all --bounding-set=%s -- sh -c %s")
    :format(caps, support.quote(command))
end

--- Runs a shell command without any capability.
-- @return its output, its exit status
function support.as_unprivileged(command, keep)
  return support.run(support.unprivileged(command, keep))
end

function support.is_root()
  return support.check_run("id -u") == "0\n"
end

function support.sleep(seconds)
  system.sleep(seconds)
end

--- Seconds of a clock that never goes back.
function support.now()
  return system.monotime()
end

--- Calls `condition` until it is true.
-- @param seconds how long to go on, 5 by default
-- @return what it returned last
function support.wait_until(condition, seconds)
  local deadline = support.now() + (seconds or 5)
  local result = condition()
  while not result and support.now() < deadline do
    support.sleep(0.01)
    result = condition()
  end
  return result
end

function support.read_file(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("*a")
  file:close()
  return text
end

function support.write_file(path, text)
  local file = assert(io.open(path, "wb"))
  assert(file:write(text))
  file:close()
end

function support.exists(path)
  return lfs.symlinkattributes(path) ~= nil
end

--- The path of an object built from spec/bpf/<name>.bpf.c.
-- @param variant nil, "nodebug" (compiled without -g) or "bigendian", for the sources that ask for it
-- in a comment: /* variants: nodebug bigendian */
function support.fixture(name, variant)
  local path = ("%s/bpf/%s%s.bpf.o"):format(os.getenv("EBPF_BUILD") or "build", name, variant and "." .. variant or "")
  if not support.exists(path) then
    error(path .. " is missing: run `make fixtures`", 2)
  end
  return path
end

--- The path of a program built from spec/fuzz/<name>.c, with the engine under AddressSanitizer.
function support.harness(name)
  local path = ("%s/fuzz/%s"):format(os.getenv("EBPF_BUILD") or "build", name)
  if not support.exists(path) then
    error(path .. " is missing: run `make harnesses`", 2)
  end
  return path
end

--- A new empty directory, removed with all its contents at the end of the file.
function support.tmpdir()
  local path = (os.getenv("TMPDIR") or "/tmp") .. "/" .. unique()
  assert(lfs.mkdir(path))
  giving_back(function()
    support.check_run { "rm", "-rf", "--one-file-system", path }
  end)
  return path
end

--- Where a file system of this type is mounted, or nil.
-- @param kind as in /proc/self/mountinfo: "bpf", "tracefs", "cgroup2"
function support.mounted(kind)
  for line in support.read_file("/proc/self/mountinfo"):gmatch("[^\n]+") do
    local point, fstype = line:match("^%d+ %d+ %S+ %S+ (%S+) .- %- (%S+) ")
    if fstype == kind then
      return (point:gsub("\\(%d%d%d)", function(octal)
        return string.char(tonumber(octal, 8))
      end))
    end
  end
end

-- A file system that is not mounted yet, mounted for the time of this file.
local function mount(kind)
  local path = support.tmpdir()
  support.check_run { "mount", "-t", kind, kind, path }
  giving_back(function()
    support.check_run { "umount", path }
  end)
  return path
end

--- A new empty directory in a BPF file system. What is pinned there must be gone at the end of the file.
function support.bpffs()
  local path = (support.mounted("bpf") or mount("bpf")) .. "/" .. unique()
  assert(lfs.mkdir(path))
  giving_back(function()
    local left = support.run { "find", path, "-mindepth", "1" }
    support.check_run { "rm", "-r", path }
    if left ~= "" then
      error("still pinned: " .. left:gsub("\n", " "), 0)
    end
  end)
  return path
end

--- The tracing file system, mounted if it is not.
function support.tracefs()
  return support.mounted("tracefs") or mount("tracefs")
end

--- A new control group (version 2).
function support.cgroup()
  local path = (support.mounted("cgroup2") or mount("cgroup2")) .. "/" .. unique()
  assert(lfs.mkdir(path))
  giving_back(function()
    assert(lfs.rmdir(path))
  end)
  return path
end

--- A new network namespace with its loopback up.
-- @return its name
function support.netns()
  local name = unique()
  support.check_run { "ip", "netns", "add", name }
  giving_back(function()
    support.check_run { "ip", "netns", "delete", name }
  end)
  support.check_run(support.in_netns(name, "ip link set lo up"))
  return name
end

--- A shell command as one that runs in a network namespace. Unlike `ip netns exec` this mounts nothing, which is
-- refused to a chroot that is no mount point.
function support.in_netns(name, command)
  return ("nsenter --net=/run/netns/%s sh -c %s"):format(name, support.quote(command))
end

--- Runs a shell command in a network namespace.
-- @return its output, its exit status
function support.run_in_netns(name, command)
  return support.run(support.in_netns(name, command))
end

--- All processes: {[id] = {parent = id, state = letter, comm = name}}.
function support.processes()
  local found = {}
  for name in lfs.dir("/proc") do
    local file = name:find("^%d+$") and io.open("/proc/" .. name .. "/stat", "rb")
    local text = file and file:read("*a")
    if file then
      file:close()
    end
    -- The name may have blanks and parentheses itself. A process that has just ended has no text.
    local comm, state, parent = (text or ""):match("^%d+ %((.*)%) (%a) (%d+)")
    if comm then
      found[tonumber(name)] = { parent = tonumber(parent), state = state, comm = comm }
    end
  end
  return found
end

-- The process and those it started, as far as those between are still there.
local function tree(root)
  local processes, members = support.processes(), {}
  for id in pairs(processes) do
    local at = id
    while at ~= root and processes[at] do
      at = processes[at].parent
    end
    if at == root then
      members[#members + 1] = id
    end
  end
  return members
end

-- Those of the list that still run.
local function running(members)
  local processes, left = support.processes(), {}
  for _, id in ipairs(members) do
    if processes[id] and processes[id].state ~= "Z" then
      left[#left + 1] = id
    end
  end
  return left
end

local function signal(name, members)
  if #members > 0 then
    support.run(("kill -%s %s"):format(name, table.concat(members, " ")))
  end
end

--- Ends a process with all that it started, which a signal to the process alone would leave: a shell in front of a
-- server dies by itself. Those that do not go in time are killed.
-- @param root its id as support.start() gave it; nil: it never started
-- @param seconds how long they may take, 5 by default
function support.stop(root, seconds)
  local members = root and tree(root) or {}
  signal("TERM", members)
  support.wait_until(function()
    return #running(members) == 0
  end, seconds)
  signal("KILL", running(members))
end

--- A command in the background, killed with all that it started at the end of the file if it is still there.
-- @return its process id
function support.start(command)
  local output = support.tmpdir() .. "/output"
  -- The shell in between is replaced, so that the number is the command's own.
  local text = support.check_run(("sh -c %s </dev/null >%s 2>&1 & echo $!")
    :format(support.quote("exec " .. command), output))
  local child = tonumber(text)
  giving_back(function()
    signal("KILL", tree(child))
  end)
  return child, output
end

-- "0-3,8" as an array of numbers.
local function cpu_list(path)
  local cpus = {}
  for first, last in support.read_file(path):gmatch("(%d+)%-?(%d*)") do
    for cpu = tonumber(first), tonumber(last) or tonumber(first) do
      cpus[#cpus + 1] = cpu
    end
  end
  return cpus
end

--- The numbers of the CPUs that may ever be there, as an array.
function support.possible_cpus()
  return cpu_list("/sys/devices/system/cpu/possible")
end

--- The numbers of the CPUs that run now, as an array.
function support.online_cpus()
  return cpu_list("/sys/devices/system/cpu/online")
end

--- The open files of this process: {[fd] = what it is}, for instance {[5] = "anon_inode:bpf-map"}.
function support.fds()
  local fds = {}
  for name in lfs.dir("/proc/self/fd") do
    local fd = tonumber(name)
    local target = fd and (lfs.symlinkattributes("/proc/self/fd/" .. name) or {}).target
    if target and not target:find("^/proc/%d+/fd$") then -- what lists the directory
      fds[fd] = target
    end
  end
  return fds
end

--- Registers a handle to be closed at the end of the file, in the half of the files that close; in the other
-- half the garbage collector is the only cleaner, which must do as well.
-- @return the handle
function support.closing(handle)
  handles[#handles + 1] = handle
  return handle
end

--- Closes (or forgets) what was registered.
function support.close_handles(closes)
  local list = handles
  handles = {}
  for i = #list, 1, -1 do
    if closes then
      list[i]:close()
    end
  end
end

--- The release of the running kernel, as `uname -r` prints it.
support.kernel = support.read_file("/proc/sys/kernel/osrelease"):match("%S+")
--- A value that calls `finalizer` when it is collected.
function support.finalizing(finalizer)
  if newproxy then -- luacheck: ignore 113
    local proxy = newproxy(true) -- luacheck: ignore 113
    getmetatable(proxy).__gc = finalizer
    return proxy
  end
  return setmetatable({}, { __gc = finalizer })
end

--- Whether the running kernel is at least of this version, as "5.15".
function support.kernel_is(version)
  local function number(text)
    local major, minor = text:match("^(%d+)%.(%d+)")
    return major * 1000 + minor
  end
  return number(support.kernel) >= number(version)
end

-- What a kernel of any age may have been built without, or be locked down against. Debian's kernels in the virtual
-- machines of `make vm` have all of it.
local optional = {}
for name in ([[fentry fexit fmod_ret lsm lsm_cgroup freplace kprobe kretprobe kprobe_multi kprobe_session ksyscall
    kretsyscall netkit hardware_event probe_write_user stream_pages]]):gmatch("%S+") do
  optional[name] = true
end

--- What an older kernel says to an attempt: nil when it takes it, as one that has the feature from later ones does.
local function refusal_of(feature, attempt)
  attempt = attempt or require("spec.support.attempts")[feature]
    or error("nobody knows how to try whether this kernel has: " .. feature, 3)
  local ok, result, message = pcall(attempt)
  if ok and result then
    if type(result) == "userdata" or type(result) == "table" and result.close then
      result:close()
    end
    return nil
  end
  return tostring(ok and message or result)
end

--- Skips the test when the running kernel is older than the feature, and refuses it. When it is not older, there is no
--- excuse: the refusal, if it is told, fails the test, unless this is another kernel than Debian's and the feature one
--- that kernels may lack.
-- @param since the Linux that has it first, as "5.15"
-- @param feature what was tried; its first word may be a name of the list above
-- @param refusal the error message, with the kernel's words; or a function that tries it, when the kernel is older, and
-- returns what came of it; nil: the function of that name in spec/support/attempts.lua
function support.needs(since, feature, refusal)
  local is_newer, words = support.kernel_is(since), refusal
  if type(refusal) ~= "string" then
    words = not is_newer and refusal_of(feature, refusal) or nil
  end
  if not words then
    return
  elseif not is_newer then
    support.pending(("%s needs Linux %s, this is %s: %s"):format(feature, since, support.kernel, words))
  elseif optional[feature:match("^[%w_]+")] and os.getenv("EBPF_STRICT_SKIPS") ~= "1" then
    support.pending(("%s is not in this kernel: %s"):format(feature, words))
  else
    error(("%s is refused by Linux %s, which is new enough for it: %s"):format(feature, support.kernel, words), 2)
  end
end

--- The body of a `describe`, or one with nothing but a skipped test when the running kernel is older than the feature.
-- @param attempt as of support.needs
-- @usage describe("an arena", support.since("6.9", "an arena", function() ... end))
function support.since(version, feature, body, attempt)
  if support.kernel_is(version) then
    return body
  end
  return function()
    require("busted").it("is not in this kernel", function()
      support.needs(version, feature, attempt)
      error(("this kernel is older than Linux %s, and takes it: %s"):format(version, feature), 0)
    end)
  end
end

--- Hands through what a call returned, like assert, but when it was refused asks `support.needs` whether it may be.
-- @usage local link = support.granted("6.6", "tcx", ebpf.link.tcx(options))
function support.granted(since, feature, result, message, ...)
  if result == nil or result == false then
    support.needs(since, feature, tostring(message))
  end
  return result, message, ...
end

--- Takes the maps and programs out of a spec that the running kernel is too old for.
-- @param since {[name] = "5.15"}
-- @return the spec
function support.drop_newer(spec, since)
  for name, version in pairs(since) do
    if not support.kernel_is(version) then
      spec.maps[name], spec.programs[name] = nil, nil
    end
  end
  return spec
end

--- Skips the test when a command that prepares it is refused, in the kernel's words: a chroot, for instance, has no
-- user namespaces.
function support.skip_unless_runs(command, feature)
  local output, status = support.run(command)
  if status ~= 0 then
    support.pending(feature .. ": " .. output)
  end
end

return support
