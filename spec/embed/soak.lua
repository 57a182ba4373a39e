-- Lets nginx and HAProxy with the blocklist serve for a while, and watches their memory and files: soak.lua [seconds]
--
-- Requests come as fast as two CPUs allow, among them some that ban an address and some that are dropped; bans expire
-- and are thrown out meanwhile. After a fifth of the time, no process may grow by more than 5 % and 1 MiB, or have more
-- files open.
local server = require "spec.support.server"
local support = require "spec.support"

local build = os.getenv("EBPF_BUILD") or "build"
local seconds = tonumber(arg[1] or 300)
local files = { "examples/blocklist/*.lua", build .. "/examples/blocklist/blocklist.bpf.o" }

-- The processes of a server: its own and its children.
local function processes(pid)
  local list = { pid }
  for child in support.run(("pgrep -P %d"):format(pid)):gmatch("%d+") do
    list[#list + 1] = tonumber(child)
  end
  return list
end

local function measure(pid)
  local memory, fds = 0, 0
  for _, process in ipairs(processes(pid)) do
    local status = support.read_file(("/proc/%d/status"):format(process))
    memory = memory + tonumber(status:match("VmRSS:%s*(%d+)"))
    -- Connections come and go; what is ours are anonymous inodes.
    local _, n = support.run(("ls -l /proc/%d/fd"):format(process)):gsub("anon_inode", "")
    fds = fds + n
  end
  return memory, fds
end

local function soak(name, lua, command)
  local network = server.network(3)
  local pins = support.bpffs() .. "/pins"
  local directory = server.lua_directory(lua, files)
  local pid = support.start(support.in_netns(network.server, command(directory, pins)))
  local good, bad = network.clients[1], network.clients[2]
  assert(support.wait_until(function()
    return server.get(network, good, "/", 1)
  end, 20), name .. " does not answer")
  local finish = server.load(network, seconds)
  local start, first_memory, first_fds = support.now(), nil, nil
  local memory, fds
  while support.now() - start < seconds - 2 do
    support.sleep(1)
    for _ = 1, 3 do
      server.get(network, bad, "/x.php", 0.2)
    end
    memory, fds = measure(pid)
    if not first_memory and support.now() - start > seconds / 5 then
      first_memory, first_fds = memory, fds
    end
  end
  local requests, failed = finish()
  support.stop(pid)
  support.run { "rm", "-r", pins }
  local flat = memory <= first_memory * 1.05 + 1024 and fds <= first_fds and failed == 0
  print(("%-8s %9d requests, %d failed; memory %d KiB, then %d KiB; files %d, then %d: %s")
    :format(name, requests, failed, first_memory, memory, first_fds, fds, flat and "flat" or "NOT flat"))
  return flat
end

local environment = "exec env BLOCKLIST_INTERFACE=web BLOCKLIST_SECONDS=1 BLOCKLIST_PINS=%s BLOCKLIST_LUA=%s "
local ok, flat = pcall(function()
  local nginx = soak("nginx", "luajit", function(directory, pins)
    return (environment .. "nginx -p %s -c $PWD/examples/blocklist/nginx.conf -g 'daemon off;'")
      :format(pins, directory, directory:match("^(.*)/lua$"))
  end)
  local haproxy = soak("HAProxy", "lua5.3", function(directory, pins)
    return (environment .. "haproxy -W -f examples/blocklist/haproxy.cfg"):format(pins, directory)
  end)
  return nginx and haproxy
end)
for _, message in ipairs(support.give_back()) do
  print(message)
end
if not ok then
  print(flat)
end
os.exit(ok and flat and 0 or 1)
