-- luas: lua5.3
-- The exporter in a real HAProxy.
local exporter = require "spec.support.exporter"
local server = require "spec.support.server"
local support = require "spec.support"

describe("the exporter in HAProxy", function()
  local network, pins, pid

  setup(function()
    network = server.network(1)
    pins = support.bpffs() .. "/pins"
    pid = support.start(support.in_netns(network.server, ("exec env METRICS_PINS=%s METRICS_LUA=%s haproxy -W "
      .. "-f examples/exporter/haproxy.cfg"):format(pins, exporter.directory("lua5.3"))))
    assert(support.wait_until(function()
      return server.get(network, network.clients[1], "/", 1)
    end, 20), "HAProxy does not answer")
  end)

  teardown(function()
    support.stop(pid)
    support.run { "rm", "-r", pins }
  end)

  it("counts connections, also across a reload", function()
    local accepted = 'tcp_accepted_total{family="ipv4",port="8080"}'
    local before = exporter.value(exporter.scrape(network), accepted)
    for _ = 1, 10 do
      assert.equal(200, select(2, server.get(network, network.clients[1], "/")))
    end
    local after = exporter.value(exporter.scrape(network), accepted)
    assert.is_true(after - before >= 10, after - before)
    support.check_run { "kill", "-USR2", tostring(pid) }
    support.sleep(0.5)
    assert.is_true(exporter.value(exporter.scrape(network), accepted) > after)
  end)
end)
