-- Runs the suite: each spec file in a process of its own, under each Lua, one after the other.
--
--   lua5.4 spec/support/run.lua lua5.4 luajit [-- spec/map_spec.lua ...]
--
-- Under all Luas but the first EBPF_ONCE is "no": what no Lua has a part in is not tested again.
-- EBPF_BUILD is the directory of the build (default "build"), EBPF_WRAP goes before the command of the Lua (valgrind).
-- EBPF_WITHOUT names a tag: tests with it are left out. "host" have those whose result no kernel changes, and that take
-- long: fuzzers of parsers, and what compiles much.
-- With EBPF_STRICT_SKIPS=1, for kernels known to be complete, a test may be skipped only because the kernel is older
-- than what it needs (support.needs), else it counts as failed.
-- What each file printed is kept in <build>/test/<lua>/. The last line, also in <build>/test/total, is the sum.
-- A file that crashes, ends early (os.exit in a test), hangs or tests nothing counts as one failure more.
local build = os.getenv("EBPF_BUILD") or "build"
local wrap = os.getenv("EBPF_WRAP") or ""
local without = os.getenv("EBPF_WITHOUT")
without = without and "--exclude-tags=" .. without or ""
local strict_skips = os.getenv("EBPF_STRICT_SKIPS") == "1"
local time_limit = os.getenv("EBPF_TIME_LIMIT") or "600"

-- Mounts, network namespaces and temporary files of the specs are their own and vanish with the process, however
-- it ends. In a chroot "/" is no mount point, so it cannot be made private: there the root becomes a copy of itself,
-- mounted where nothing shows outside, below /proc, which always is a mount point with a directory to spare. Temporary
-- files are where specs that give up being root can reach them, whoever owns the directories around this tree.
local in_use = (os.getenv("PWD") or ""):find("^/mnt/") or os.getenv("EBPF_SPEC_ISOLATED") -- by a run around this one
local isolation = ([[unshare --mount --propagation unchanged sh -c '
  enter="mkdir -p /run/netns %s && mount -t tmpfs ebpf-spec /run/netns && mount -t tmpfs ebpf-spec %s &&
    export EBPF_SPEC_ISOLATED=1 TMPDIR=\$(realpath %s)"
  if mount --make-rprivate / 2>/dev/null; then
    eval "$enter" && exec "$@"
  else
    mount --make-private /proc && mount --rbind / /proc/fs && mount --make-rprivate /proc/fs &&
      exec chroot /proc/fs sh -c "cd \"$PWD\" && $enter && exec \"\$@\"" sh "$@"
  fi' sh ]]):gsub("%%s", in_use and build .. "/test/tmp" or "/mnt")

local function execute(command)
  local result, _, status = os.execute(command)
  if type(result) == "number" then -- Lua 5.1: the status of wait(2)
    return result % 256 == 0 and result / 256 or 128 + result % 128
  end
  return status
end

local function shell(command)
  local pipe = assert(io.popen(command))
  local text = pipe:read("*a")
  pipe:close()
  return text
end

local function spec_files()
  local files = {}
  for path in shell("ls spec/*_spec.lua spec/embed/*_spec.lua"):gmatch("[^\n]+") do
    files[#files + 1] = path
  end
  return files
end

local function parse_arguments()
  local luas, files = {}, {}
  local target = luas
  for _, word in ipairs(arg) do
    if word == "--" then
      target = files
    else
      target[#target + 1] = word
    end
  end
  return luas, #files > 0 and files or spec_files()
end

-- What the output in TAP says: how many passed, failed and were skipped, and the lines worth showing.
local function parse_tap(path)
  local sum = { passed = 0, failed = 0, skipped = 0 }
  local shown, plan, in_failure = {}, nil, false
  for line in io.lines(path) do
    plan = tonumber(line:match("^1%.%.(%d+)$")) or plan
    if line:find("^ok %d+ %- # SKIP ") then
      local excused = not strict_skips or line:find(" needs Linux %d+%.%d+, this is ")
      local kind = excused and "skipped" or "failed"
      sum[kind] = sum[kind] + 1
      shown[#shown + 1] = excused and line or "not " .. line
      in_failure = false
    elseif line:find("^ok %d+ %- ") then
      sum.passed = sum.passed + 1
      in_failure = false
    elseif line:find("^not ok %d+ %- ") then
      sum.failed = sum.failed + 1
      shown[#shown + 1] = line
      in_failure = true
    elseif in_failure and line:find("^#") then
      shown[#shown + 1] = line
    end
  end
  return sum, plan, shown
end

local function last_lines(path, n)
  return shell(("tail -n %d %s"):format(n, path))
end

-- Many systems allow 1024 open files, and a spec file that leaves closing to the collector may have more.
local more_files = "ulimit -S -n 16384 2>/dev/null || ulimit -S -n $(ulimit -H -n); "

local function run_file(lua, file, once)
  local log = ("%s/test/%s/%s.log"):format(build, lua, file:match("([^/]*)%.lua$"))
  local command = ("%s env EBPF_ONCE=%s LUA_PATH='lua/?.lua;lua/?/init.lua;./?.lua;./?/init.lua;;' "
    .. "LUA_CPATH='%s/%s/?.so;;' timeout -k 10 %s %s %s "
    .. "/usr/bin/busted --ignore-lua --output=TAP --helper=spec/support/leaks.lua "
    .. "%s %s </dev/null >%s 2>&1")
    :format(isolation, once and "yes" or "no", build, lua, time_limit, wrap, lua, without, file, log)
  local started = os.time()
  local status = execute(more_files .. command)
  local sum, plan, shown = parse_tap(log)
  local tests = sum.passed + sum.failed + sum.skipped
  if plan ~= tests or tests == 0 or (status ~= 0 and sum.failed == 0) then
    sum.failed = sum.failed + 1
    local _, syntax_error = loadfile(file)
    shown[#shown + 1] = syntax_error -- which busted's TAP output trips over
    shown[#shown + 1] = ("not ok - %s: ended with status %d after %d tests, plan %s; its last words:\n%s")
      :format(file, status, tests, plan or "missing", last_lines(log, 15))
  end
  print(("%-7s %-32s %4d passed %3d failed %3d skipped %4d s")
    :format(lua, file:match("[^/]*$"), sum.passed, sum.failed, sum.skipped, os.difftime(os.time(), started)))
  for _, line in ipairs(shown) do
    print("    " .. line:gsub("\n", "\n    "))
  end
  io.stdout:flush()
  return sum
end

-- Whether the file is for that Lua: one may begin with the line "-- luas: luajit lua5.3", of hosts that have these.
local function is_for(lua, file)
  local only = shell("head -n 1 " .. file):match("^%-%- luas: (.*)\n")
  return not only or (" " .. only .. " "):find(" " .. lua .. " ", 1, true)
end

local function add(total, sum)
  for key, value in pairs(sum) do
    total[key] = total[key] + value
  end
end

local function describe(sum)
  return ("%d passed, %d failed, %d skipped"):format(sum.passed, sum.failed, sum.skipped)
end

local function write_total(total)
  local file = assert(io.open(build .. "/test/total", "w"))
  file:write(describe(total), "\n")
  file:close()
end

local luas, files = parse_arguments()
if execute(isolation .. "true 2>/dev/null") ~= 0 then
  isolation = ""
end
local total = { passed = 0, failed = 0, skipped = 0 }
for _, lua in ipairs(luas) do
  assert(execute(("mkdir -p %s/test/%s"):format(build, lua)) == 0)
  local sum = { passed = 0, failed = 0, skipped = 0 }
  for _, file in ipairs(files) do
    if is_for(lua, file) then
      add(sum, run_file(lua, file, lua == luas[1]))
    end
  end
  print(("%-7s %s"):format(lua, describe(sum)))
  add(total, sum)
end
write_total(total)
print(describe(total))
os.exit(total.failed == 0 and total.passed > 0 and 0 or 1)
