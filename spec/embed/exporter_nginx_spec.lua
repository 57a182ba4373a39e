-- luas: luajit
-- The exporter in a real nginx, scraped by a real Prometheus.
local exporter = require "spec.support.exporter"
local server = require "spec.support.server"
local support = require "spec.support"

describe("the exporter in nginx", function()
  local network, pins, pid

  local function requests(n)
    for _ = 1, n do
      assert.equal(200, select(2, server.get(network, network.clients[1], "/")))
    end
  end

  setup(function()
    network = server.network(1)
    pins = support.bpffs() .. "/pins"
    local prefix = exporter.directory("luajit"):match("^(.*)/lua$")
    pid = support.start(support.in_netns(network.server, ("exec env METRICS_PINS=%s nginx -p %s "
      .. "-c $PWD/examples/exporter/nginx.conf -g 'daemon off;'"):format(pins, prefix)))
    assert(support.wait_until(function()
      return server.get(network, network.clients[1], "/", 1)
    end, 20), "nginx does not answer")
  end)

  teardown(function()
    support.stop(pid)
    support.run { "rm", "-r", pins }
  end)

  it("counts connections, also across a reload", function()
    local accepted = 'tcp_accepted_total{family="ipv4",port="8080"}'
    local before = exporter.value(exporter.scrape(network), accepted)
    requests(10)
    local after = exporter.value(exporter.scrape(network), accepted)
    assert.is_true(after - before >= 10, after - before)
    support.check_run { "kill", "-HUP", tostring(pid) }
    support.sleep(0.5)
    local text = exporter.scrape(network)
    assert.is_true(exporter.value(text, accepted) > after)
    local count = exporter.value(text, 'tcp_connection_duration_seconds_count{family="ipv4",port="8080"}')
    assert.is_true(count >= 10, count)
    assert.is_true(exporter.value(text, 'tcp_connection_duration_seconds_sum{family="ipv4",port="8080"}') > 0)
  end)

  it("is scraped by Prometheus", function()
    requests(5)
    assert.is_true((exporter.prometheus_sees(network, 15) or 0) >= 15)
  end)
end)
