--- What haproxy.cfg loads: a service that answers with the machine's TCP metrics. METRICS_PINS in the environment is a
-- directory in a BPF file system ("/sys/fs/bpf/metrics").
local tcp_metrics = require "tcp_metrics"

local metrics

-- As root, after the configuration was read, and not under `haproxy -c`.
core.register_init(function()
  metrics = assert(tcp_metrics.open { pin_path = os.getenv "METRICS_PINS" or "/sys/fs/bpf/metrics" })
end)

core.register_service("metrics", "http", function(applet)
  local text, content_type = metrics:render()
  applet:set_status(200)
  applet:add_header("content-type", content_type)
  applet:add_header("content-length", #text)
  applet:start_response()
  applet:send(text)
end)
