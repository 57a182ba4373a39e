--- Metrics of the TCP connections that servers on this machine accept.
--
--   lua5.4 tcp_metrics.lua             as root: prints them after a second, and ends
--
-- Servers: see nginx.conf and haproxy.cfg beside this file.
local ebpf = require "ebpf"
local exporter = require "exporter"

local tcp_metrics = {}

local FAMILIES = { [2] = "ipv4", [10] = "ipv6" }

local function default_object()
  return (debug.getinfo(1, "S").source:match("^@(.*)[/\\]") or ".") .. "/tcp_metrics.bpf.o"
end

-- The program stays attached across reloads by its pin, and the maps keep their counts.
local function attach(collection, pin_path)
  local path = pin_path and pin_path .. "/tcp_state_link"
  local link = path and ebpf.load_pinned_link(path)
  if link then
    return link
  end
  local message, code
  link, message, code = collection.programs.tcp_state:attach()
  if not link then
    return nil, message, code
  end
  if path then
    local ok
    ok, message, code = link:pin(path)
    if not ok then
      link:close()
      return nil, message, code
    end
  end
  return link
end

local function family(key)
  return FAMILIES[key.family] or key.family
end

--- Loads and attaches the program, and declares its metrics. As root.
---@param options? {pin_path?: string, object?: string}
---@return table? exporter has render(); keep it, or the program is detached
---@return string? message
---@return integer? errno
function tcp_metrics.open(options)
  options = options or {}
  local spec, message, code = ebpf.load_spec(options.object or default_object())
  if not spec then
    return nil, message, code
  end
  for _, map in pairs(spec.maps) do
    map.pinning = options.pin_path and map.pinning or "none"
  end
  local collection
  collection, message, code = ebpf.load(spec, { pin_path = options.pin_path })
  if not collection then
    return nil, message, code
  end
  local link
  link, message, code = attach(collection, options.pin_path)
  if not link then
    collection:close()
    return nil, message, code
  end
  local labels = { port = "key.number", family = family }
  local metrics = exporter.new()
  metrics.collection, metrics.link = collection, link
  return metrics
    :add { map = collection.maps.connections, name = "tcp_accepted_total", help = "Connections accepted.",
      type = "counter", labels = labels, value = "value.accepted" }
    :add { map = collection.maps.connections, name = "tcp_closed_total", help = "Accepted connections that have ended.",
      type = "counter", labels = labels, value = "value.closed" }
    :add { map = collection.maps.durations, name = "tcp_connection_duration_seconds",
      help = "How long accepted connections lasted.", type = "histogram", labels = labels,
      buckets = "value.buckets", sum = "value.sum", scale = 1e-6 }
end

if arg and arg[0] and arg[0]:find("tcp_metrics%.lua$") then
  local metrics, message = tcp_metrics.open { object = arg[1] }
  if not metrics then
    io.stderr:write(message, "\n")
    os.exit(1)
  end
  os.execute("sleep " .. (arg[2] or 1))
  io.write((metrics:render()))
end

return tcp_metrics
