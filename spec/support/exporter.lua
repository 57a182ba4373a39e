--- What the specs of the exporter in servers share: traffic, and a real Prometheus that scrapes.
local server = require "spec.support.server"
local support = require "spec.support"

local exporter = {}

local FILES = {
  "examples/exporter/*.lua",
  (os.getenv("EBPF_BUILD") or "build") .. "/examples/exporter/tcp_metrics.bpf.o",
}

--- A directory with all that the servers load.
function exporter.directory(lua)
  return server.lua_directory(lua, FILES)
end

-- The value of a sample in Prometheus' text.
function exporter.value(text, name)
  return tonumber(text:match("\n" .. name:gsub("[%-{}\"]", "%%%0") .. " (%S+)\n"))
end

--- The metrics, as the server's clients see them; checked.
function exporter.scrape(network)
  local text, status = server.get(network, network.clients[1], "/metrics")
  assert(status == 200, text)
  local path = support.tmpdir() .. "/metrics"
  support.write_file(path, text)
  local output, failed = support.run("promtool check metrics <" .. path)
  assert(failed == 0, output)
  return text
end

--- How many connections to the server a Prometheus has seen counted, once that are at least `least`.
function exporter.prometheus_sees(network, least)
  local directory = support.tmpdir()
  support.write_file(directory .. "/prometheus.yml", ([[
global: {scrape_interval: 1s}
scrape_configs:
- job_name: web
  static_configs: [{targets: ["%s:8080"]}]
]]):format(network.address))
  local pid = support.start(support.in_netns(network.client, ("exec prometheus --config.file=%s/prometheus.yml "
    .. "--storage.tsdb.path=%s/data --web.listen-address=127.0.0.1:9090 --log.level=error")
    :format(directory, directory)))
  local seen
  support.wait_until(function()
    local output = support.run_in_netns(network.client,
      "curl -s -m 2 'http://127.0.0.1:9090/api/v1/query?query=tcp_accepted_total%7Bport=%228080%22%7D'")
    seen = tonumber(output:match('"value":%[[%d.]+,"(%d+)"%]'))
    return seen and seen >= least
  end, 60)
  support.stop(pid)
  return seen
end

return exporter
