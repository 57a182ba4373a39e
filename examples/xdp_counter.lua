-- Counts the packets and bytes that arrive at a network interface, by protocol.
--
--   lua xdp_counter.lua                      in a network namespace of its own, with packets of its own
--   lua xdp_counter.lua eth0 [seconds]       on a real interface, 10 seconds by default
--
-- OBJECT in the environment is xdp_counter.bpf.c, compiled by clang -O2 -g -target bpf.
local ebpf = require "ebpf"

local object = os.getenv("OBJECT") or "build/examples/xdp_counter.bpf.o"
local protocols = { [0] = "hopopt", [1] = "icmp", [6] = "tcp", [17] = "udp", [58] = "icmpv6" }
local datagrams = 5

-- Whether the command succeeded: Lua 5.1 answers a number, later ones true or nil.
local function run(command)
  local result = os.execute(command)
  return result == true or result == 0
end

local function sleep(seconds)
  run("sleep " .. seconds)
end

local function quote(word)
  return "'" .. word:gsub("'", "'\\''") .. "'"
end

-- Runs this script again in a new network namespace. That one, its interfaces and what is attached to them are gone
-- when the script has ended, however it does.
local function run_in_own_namespace()
  return run(("unshare --net %s %s right 0"):format(quote(arg[-1]), quote(arg[0])))
end

-- Two interfaces with a cable between them: what leaves "left" arrives at "right".
local function make_interfaces()
  return run [[
    ip link add left type veth peer name right &&
    ip address add 10.9.8.1/24 dev left &&
    ip link set left up &&
    ip link set right up &&
    ip neighbour add 10.9.8.2 lladdr ff:ff:ff:ff:ff:ff dev left
  ]]
end

local function send()
  return run(([[
    for i in $(seq %d); do bash -c 'echo hello >/dev/udp/10.9.8.2/9' || exit 1; done
  ]]):format(datagrams))
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
  os.exit(run_in_own_namespace() and 0 or 1)
end

local own = seconds == 0
if own then
  check(make_interfaces())
end

local collection = check(ebpf.load(object))
local packets, bytes = collection.maps.packets, collection.maps.bytes
local link = check(collection.programs.count_packets:attach { interface = interface })
print(("counting on %s, in %s mode"):format(interface, link:info().mode or "some"))

if own then
  check(send())
  -- They are counted a moment after they were sent.
  for _ = 1, 50 do
    if tonumber(packets:get_sum(17)) >= datagrams then
      break
    end
    sleep(0.1)
  end
else
  sleep(seconds)
end
link:close()

-- Each CPU has counted for itself; get_sum() adds up.
print(("%-10s %10s %12s"):format("PROTOCOL", "PACKETS", "BYTES"))
for protocol = 0, 255 do
  local count = tonumber(packets:get_sum(protocol))
  if count > 0 then
    local size = tonumber(bytes:get_sum(protocol))
    print(("%-10s %10d %12d"):format(protocols[protocol] or protocol, count, size))
  end
end
collection:close()
