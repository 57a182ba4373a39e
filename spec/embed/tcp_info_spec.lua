-- luas: luajit
-- Round-trip times, retransmits and the latency of a function, of a real nginx.
package.path = "examples/blocklist/?.lua;" .. package.path
local server = require "spec.support.server"
local support = require "spec.support"

local build = os.getenv("EBPF_BUILD") or "build"

describe("an nginx that is looked at", function()
  local network, prefix, pid, client

  setup(function()
    network = server.network(1)
    client = network.clients[1]
    local cgroup = support.cgroup()
    prefix = server.lua_directory("luajit", {
      "examples/tcp_info/tcp_info.lua", build .. "/examples/tcp_info/tcp_info.bpf.o",
    }):match("^(.*)/lua$")
    pid = support.start(support.in_netns(network.server, ("echo $$ >%s/cgroup.procs; exec env TCP_INFO_CGROUP=%s "
      .. "nginx -p %s -c $PWD/examples/tcp_info/nginx.conf -g 'daemon off;'"):format(cgroup, cgroup, prefix)))
    assert(support.wait_until(function()
      return server.get(network, client, "/", 1)
    end, 20), "nginx does not answer")
  end)

  teardown(function()
    support.stop(pid)
  end)

  local function logged(path)
    local line
    support.wait_until(function()
      line = support.read_file(prefix .. "/access.log"):match("[^\n]*" .. path .. "[^\n]*")
      return line
    end, 20)
    return assert(line, "no request is logged")
  end

  it("logs the round-trip time of each connection", function()
    assert.truthy(server.get(network, client, "/first"))
    local rtt, retransmits = logged("/first"):match(" rtt=(%d+) retransmits=(%d+)$")
    assert.is_true(tonumber(rtt) > 0, logged("/first"))
    assert.equal("0", retransmits)
  end)

  it("logs retransmits", function()
    -- For a moment nothing that the client sends arrives, so what nginx sends all the time is not acknowledged.
    local script, headers = support.tmpdir() .. "/deafen.lua", support.tmpdir() .. "/headers"
    support.write_file(script, ([[
      package.path = %q
      local blocklist = require "blocklist"
      local blocked = assert(blocklist.open { object = %q })
      assert(blocked:attach("web"))
      assert(blocked:ban(%q, { seconds = 1 }))
      os.execute("sleep 2")
    ]]):format(package.path, build .. "/examples/blocklist/blocklist.bpf.o", client))
    support.start(support.in_netns(network.client,
      ("exec curl -s -D %s -o /dev/null 'http://%s:8080/slow?blocks=60000'"):format(headers, network.address)))
    assert(support.wait_until(function()
      return support.exists(headers) and #support.read_file(headers) > 0
    end, 20), "nothing arrives")
    support.check_run(support.in_netns(network.server, ("%s %s"):format(support.quote(support.lua), script)))
    local rtt, retransmits = logged("/slow"):match(" rtt=(%d+) retransmits=(%d+)$")
    assert.is_true(tonumber(rtt) > 0)
    assert.is_true(tonumber(retransmits) > 0, logged("/slow"))
  end)

  it("shows how long a function takes", function()
    local finish = server.load(network, 3)
    local output, status = support.run(("OBJECT=%s/examples/function_latency.bpf.o %s examples/function_latency.lua "
      .. "nginx ngx_http_process_request 1"):format(build, support.quote(support.lua)))
    assert.equal(0, status, output)
    finish()
    local calls = 0
    for n in output:gmatch("\n *%d+ %.%. +%d+ +(%d+)") do
      calls = calls + tonumber(n)
    end
    assert.is_true(calls > 10, output)
    assert.truthy(output:find("#", 1, true))
  end)
end)
