-- Counts the packets and bytes that arrive at and leave a network interface.
--
--   lua tcx_counter.lua                      on the loopback of a network namespace of its own, with packets of its own
--   lua tcx_counter.lua eth0 [seconds]       on a real interface, 10 seconds by default
--
-- OBJECT in the environment is tcx_counter.bpf.c, compiled by clang -O2 -g -target bpf.
local ebpf = require "ebpf"

local object = os.getenv("OBJECT") or "build/examples/tcx_counter.bpf.o"
local datagrams = 5

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

local interface, seconds = arg[1], tonumber(arg[2] or 10)
if not interface then
  -- Once more, in a new network namespace, which is gone with what is attached there when the script has ended.
  local again = ("unshare --net %s %s lo 0"):format(quote(arg[-1]), quote(arg[0]))
  os.exit(run(again) and 0 or 1)
end

local collection = check(ebpf.load(object))

-- By links where there are such: Linux 6.6. Before, by filters of tc, which are to be closed.
local links = {}
for _, name in ipairs { "count_ingress", "count_egress" } do
  local options = { program = collection.programs[name], interface = interface }
  local link, message, errno = ebpf.link.tcx(options)
  if not link and errno == ebpf.errno.EINVAL then
    link, message = ebpf.link.tc(options)
  end
  links[#links + 1] = check(link, message)
end
print(("counting on %s, by %s"):format(interface, links[1]:info().type))

if seconds == 0 then
  check(run "ip link set lo up")
  -- Nobody listens there, so each is answered by ICMP: as much again.
  for _ = 1, datagrams do
    check(run "bash -c 'echo hello >/dev/udp/127.0.0.1/9'")
  end
else
  run("sleep " .. seconds)
end
for _, link in ipairs(links) do
  check(link:close())
end

-- Each CPU has counted for itself; get_sum() adds up.
print(("%-10s %10s %12s"):format("DIRECTION", "PACKETS", "BYTES"))
for i, direction in ipairs { "ingress", "egress" } do
  local sum = check(collection.maps.traffic:get_sum(i - 1))
  print(("%-10s %10d %12d"):format(direction, tonumber(sum.packets), tonumber(sum.bytes)))
end
collection:close()
