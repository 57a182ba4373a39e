-- The helper busted loads (see .busted): compares the process and the system before and after every spec file,
-- and fails the file for what it left behind: open files, pins, mounts, network namespaces, control groups, processes.
--
-- In half of the files, chosen by name, nothing is closed at the end: collectgarbage() alone must clean up.
local busted = require "busted"
local lfs = require "lfs"
local jit = rawget(_G, "jit")

package.path = "./?.lua;./?/init.lua;" .. package.path -- LuaJIT's own path has no ./?/init.lua
local support = require "spec.support"

-- Under spec/support/run.lua the process has its mounts for itself; elsewhere others may mount at any time.
local isolated = os.getenv("EBPF_SPEC_ISOLATED") == "1"

local function count(set, kind)
  set[kind] = (set[kind] or 0) + 1
end

local function list_directory(path, visit)
  if path and lfs.attributes(path, "mode") == "directory" then
    for name in lfs.dir(path) do
      if name ~= "." and name ~= ".." then
        visit(path .. "/" .. name, name)
      end
    end
  end
end

local function list_pins(path, set)
  list_directory(path, function(child)
    count(set, "pin " .. child)
    if lfs.symlinkattributes(child, "mode") == "directory" then
      list_pins(child, set)
    end
  end)
end

-- All that is there now, as {[description] = how many}.
local function snapshot()
  local set = {}
  for _, target in pairs(support.fds()) do
    count(set, "fd " .. target:gsub(":%[%d+%]$", "")) -- the number of a socket or pipe says nothing
  end
  if isolated then
    for line in support.read_file("/proc/self/mountinfo"):gmatch("[^\n]+") do
      count(set, "mount " .. line:match("^%d+ %d+ %S+ %S+ (%S+)"))
    end
    list_directory("/run/netns", function(_, name)
      count(set, "network namespace " .. name)
    end)
    list_pins(support.mounted("bpf"), set)
  end
  count(set, "own network namespace " .. lfs.symlinkattributes("/proc/self/ns/net").target)
  list_directory(support.mounted("cgroup2"), function(_, name)
    if name:find(support.prefix, 1, true) then
      count(set, "control group " .. name)
    end
  end)
  return set
end

-- The processes beside this one and those it is part of that see the mounts of this file: what it has started.
local function companions()
  local found, own = {}, lfs.symlinkattributes("/proc/self/ns/mnt").target
  local processes = support.processes()
  local above = tonumber(lfs.symlinkattributes("/proc/self").target)
  while processes[above] do
    above, processes[above] = processes[above].parent, nil
  end
  for id, process in pairs(processes) do
    local namespace = process.state ~= "Z" and lfs.symlinkattributes(("/proc/%d/ns/mnt"):format(id))
    if namespace and namespace.target == own then
      found[id] = process.comm
    end
  end
  return found
end

-- What of it is still there, which is killed; something that was killed before may take a moment to go.
local function left_running(known)
  local list
  support.wait_until(function()
    list = {}
    for id, comm in pairs(companions()) do
      if known[id] ~= comm then
        list[#list + 1] = ("process %d (%s)"):format(id, comm)
      end
    end
    return #list == 0
  end, 2)
  for id, comm in pairs(#list > 0 and companions() or {}) do
    if known[id] ~= comm then
      support.run(("kill -KILL %d"):format(id))
    end
  end
  return list
end

-- Lets go of the tests' functions, and with them of all handles their upvalues hold.
local function forget(element)
  for _, child in ipairs(busted.children(element)) do
    forget(child)
    child.run, child.env = nil, nil
  end
end

local function closes(name)
  local sum = 0
  for i = 1, #name do
    sum = sum + name:byte(i)
  end
  return sum % 2 == 0
end

-- What skips the running test is in no module, only in the environment of that test.
busted.subscribe({ "test", "start" }, function(element)
  support.pending = element.env and element.env.pending
  return nil, true
end)

local before, known

busted.subscribe({ "file", "start" }, function()
  collectgarbage()
  before, known = snapshot(), isolated and companions()
  return nil, true
end)

busted.subscribe({ "file", "end" }, function(file)
  support.close_handles(closes(file.name:match("[^/]*$")))
  forget(file)
  if jit then
    jit.flush() -- compiled traces keep the objects they were compiled for
  end
  collectgarbage()
  collectgarbage() -- what finalizers let go of
  local left = support.give_back()
  for what, n in pairs(snapshot()) do
    if n > (before[what] or 0) then
      left[#left + 1] = ("%d x %s"):format(n - (before[what] or 0), what)
    end
  end
  for _, process in ipairs(known and left_running(known) or {}) do
    left[#left + 1] = process
  end
  if #left > 0 then
    table.sort(left)
    error(file.name .. " left behind: " .. table.concat(left, "; "), 0)
  end
  return nil, true
end)
