--- Servers in a network namespace of their own, and clients with several addresses in another.
local support = require "spec.support"

local server = {}

local build = os.getenv("EBPF_BUILD") or "build"

--- A directory with the module and files beside it, as users install them.
-- @param lua whose C part: "luajit", "lua5.3"
-- @param files paths to be there under their last names
function server.lua_directory(lua, files)
  local directory = support.tmpdir() .. "/lua"
  support.check_run(("mkdir -p %s/ebpf && cp -r lua/ebpf %s && cp %s/%s/ebpf/core.so %s/ebpf && cp %s %s")
    :format(directory, directory, build, lua, directory, table.concat(files, " "), directory))
  support.check_run { "chmod", "-R", "a+rX", directory:match("^(.*)/lua$") }
  return directory
end

--- Two namespaces with a cable.
-- @param clients how many addresses the other end has
-- @param interface the name of the server's end, "web" by default
-- @return {server = name, client = name, address = string, clients = array of addresses}
function server.network(clients, interface)
  interface = interface or "web"
  local network = { server = support.netns(), client = support.netns(), address = "10.87.0.1", clients = {} }
  support.check_run(("ip link add %s netns %s type veth peer name out netns %s")
    :format(interface, network.server, network.client))
  support.check_run(support.in_netns(network.server,
    ("ip address add 10.87.0.1/24 dev %s; ip link set %s up"):format(interface, interface)))
  support.check_run(support.in_netns(network.client, "ip link set out up"))
  for i = 1, clients do
    network.clients[i] = "10.87.0." .. (i + 1)
    support.check_run(support.in_netns(network.client, ("ip address add %s/24 dev out"):format(network.clients[i])))
  end
  return network
end

--- One request from one of the addresses, in a connection of its own.
-- @return the text and the status of the answer; nil when there was none in time
function server.get(network, client, path, seconds)
  local command = ("curl -s -m %g -w '\\n%%{http_code}' --interface %s http://%s:8080%s")
    :format(seconds or 5, client, network.address, path)
  local output, status = support.run_in_netns(network.client, command)
  if status ~= 0 then
    return nil, status
  end
  local text, code = output:match("^(.*)\n(%d+)$")
  return text, tonumber(code)
end

--- Requests as fast as can be from the first address, each in a connection of its own, in the background.
-- @param path what is asked for, "/" by default
-- @return a function that waits for the end: how many requests there were, and how many failed
function server.load(network, seconds, path)
  local child, output = support.start(support.in_netns(network.client,
    ("wrk -t 1 -c 8 -d %ds -H 'Connection: close' http://%s:8080%s"):format(seconds, network.address, path or "/")))
  return function()
    support.wait_until(function()
      return not support.exists(("/proc/%d"):format(child))
    end, seconds + 20)
    local text = support.read_file(output)
    local requests = tonumber(text:match("(%d+) requests in"))
    assert(requests, text)
    local failed = tonumber(text:match("Non%-2xx or 3xx responses: (%d+)") or 0)
    for n in (text:match("Socket errors: (.-)\n") or ""):gmatch("%d+") do
      failed = failed + tonumber(n)
    end
    return requests, failed
  end
end

--- Waits until something is found in a file.
function server.logged(path, words, seconds)
  return support.wait_until(function()
    return support.exists(path) and support.read_file(path):find(words, 1, true)
  end, seconds)
end

return server
