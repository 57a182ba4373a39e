-- Runs a command that may connect to some networks only (IPv4), then tells what it was refused.
--
--   lua connect_policy.lua 10.0.0.0/8,127.0.0.1 COMMAND...
--   lua connect_policy.lua                                   two commands of its own, in a network namespace of its own
--
-- The command runs in a cgroup made for it, and so do the processes it starts. OBJECT in the environment is
-- connect_policy.bpf.c, compiled by clang -O2 -g -target bpf.
local ebpf = require "ebpf"

local object = os.getenv("OBJECT") or "build/examples/connect_policy.bpf.o"

-- Whether the command succeeded: Lua 5.1 answers a number, later ones true or nil.
local function run(command)
  local result = os.execute(command)
  return result == true or result == 0
end

local function quote(word)
  return "'" .. word:gsub("'", "'\\''") .. "'"
end

-- Failures of the library come as nil and a message that says what to do.
local function check(result, message)
  if not result then
    io.stderr:write(message or "a command failed", "\n")
    os.exit(1)
  end
  return result
end

-- Two connections over the loopback, one to each address.
local demonstration = [[
  for address in 127.0.0.1 127.0.0.2; do
    if echo hello 2>/dev/null >/dev/udp/$address/9; then echo "$address: connected"; else echo "$address: refused"; fi
  done
]]

if not arg[1] then
  local words = { "unshare --net sh -c 'ip link set lo up && exec \"$@\"' sh", quote(arg[-1]), quote(arg[0]),
    "127.0.0.1 bash -c", quote(demonstration) }
  os.exit(run(table.concat(words, " ")) and 0 or 1)
end

-- Where cgroups of version 2 are mounted.
local function find_cgroups()
  for line in io.lines("/proc/self/mountinfo") do
    local point, kind = line:match("^%d+ %d+ %S+ %S+ (%S+) .- %- (%S+) ")
    if kind == "cgroup2" then
      return point
    end
  end
  return nil, "no cgroups of version 2 are mounted: mount -t cgroup2 none /sys/fs/cgroup"
end

local collection = check(ebpf.load(object))
for network in arg[1]:gmatch("[^,]+") do
  local a, b, c, d, length = network:match("^(%d+)%.(%d+)%.(%d+)%.(%d+)/?(%d*)$")
  check(a, "no network: " .. network)
  local address = string.char(a, b, c, d)
  check(collection.maps.allowed:put({ prefix_length = tonumber(length) or 32, address = address }, 1))
end

local cgroup = ("%s/connect_policy-%s"):format(check(find_cgroups()), tostring({}):match("%w+$"))
check(run("mkdir " .. cgroup))
local link, message = collection.programs.connect_policy:attach { cgroup = cgroup }
if link then
  local words = {}
  for i = 2, #arg do
    words[#words + 1] = quote(arg[i])
  end
  run(("echo $$ >%s/cgroup.procs; exec %s"):format(cgroup, table.concat(words, " ")))
  link:close()
end
run("rmdir " .. cgroup)
check(link, message)

print(("%-16s %s"):format("REFUSED", "TIMES"))
for address, times in collection.maps.refused:iterate() do
  print(("%-16s %d"):format(table.concat({ address:byte(1, 4) }, "."), tonumber(times)))
end
collection:close()
