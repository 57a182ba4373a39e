--- Maps as Prometheus metrics, by declarations. Copy this file into your own project.
--
--     local metrics = require("exporter").new()
--     metrics:add {
--       map = collection.maps.packets, name = "packets_total", help = "Packets by protocol.", type = "counter",
--       labels = { protocol = "key" }, value = "value.packets",
--     }
--     print(metrics:render())
--
-- Values of per-CPU maps are added up. Rendering reads the maps and does nothing else, so any process that has them
-- open may do it, in a request as well: one system call for some hundred entries.
local exporter = {}

local Exporter = {}
Exporter.__index = Exporter

local function fail(metric, words)
  error(("metric '%s': %s"):format(tostring(metric.name), words), 3)
end

-- Sums of numbers, and of tables field by field.
local function add(a, b)
  if type(a) ~= "table" then
    return a + b
  end
  local sum = {}
  for field, value in pairs(a) do
    local is_text = type(value) == "string" or type(value) == "boolean"
    sum[field] = is_text and value or add(value, b[field])
  end
  return sum
end

local function add_up(values)
  local sum = values[1]
  for i = 2, #values do
    sum = add(sum, values[i])
  end
  return sum
end

-- A function(key, value) for "key", "value.packets", "key.port": what is found on that path; functions are themselves.
local function compile(metric, path, what)
  if type(path) == "function" then
    return path
  elseif type(path) ~= "string" then
    fail(metric, what .. " must be a path or a function")
  end
  local root, rest = path:match("^(%a+)(.*)$")
  if (root ~= "key" and root ~= "value") or not (rest == "" or rest:find("^%.")) then
    fail(metric, ("%s '%s' does not begin with 'key' or 'value'"):format(what, path))
  end
  local fields = {}
  for field in rest:gmatch("[^.]+") do
    fields[#fields + 1] = tonumber(field) or field
  end
  return function(key, value)
    local at = root == "key" and key or value
    for _, field in ipairs(fields) do
      at = at[field]
    end
    return at
  end
end

-- 64-bit integers of LuaJIT are cdata that print as "5ULL".
local function number(value)
  if type(value) == "boolean" then
    return value and "1" or "0"
  elseif type(value) == "number" and value ~= math.floor(value) then
    return ("%.17g"):format(value)
  elseif type(value) == "number" and value > 2 ^ 53 or value == math.huge then
    return tostring(value)
  end
  return (tostring(value):gsub("U?LL$", ""):gsub("%.0$", ""))
end

local ESCAPES = { ["\\"] = "\\\\", ["\n"] = "\\n", ['"'] = '\\"' }

local function escape(text)
  return (tostring(text):gsub('[\\\n"]', ESCAPES))
end

-- `{port="80",state="closed"}`, in the order of the names; `more` is one that is there already, rendered.
local function label_text(metric, key, value, more)
  local parts = {}
  for _, label in ipairs(metric.sorted) do
    local text = label.get(key, value)
    parts[#parts + 1] = ('%s="%s"'):format(label.name, escape(type(text) == "string" and text or number(text)))
  end
  parts[#parts + 1] = more
  return #parts > 0 and "{" .. table.concat(parts, ",") .. "}" or ""
end

local function render_plain(metric, key, value, lines)
  lines[#lines + 1] = ("%s%s %s"):format(metric.name, label_text(metric, key, value), number(metric.get(key, value)))
end

-- Counts of buckets become sums of all up to the bound, as Prometheus wants them.
local function render_histogram(metric, key, value, lines)
  local buckets, sum = metric.get_buckets(key, value), 0
  for i, count in ipairs(buckets) do
    sum = sum + count
    if i < #buckets then
      local bound = ('le="%s"'):format(number(metric.bound(i)))
      lines[#lines + 1] = ("%s_bucket%s %s"):format(metric.name, label_text(metric, key, value, bound), number(sum))
    end
  end
  lines[#lines + 1] = ("%s_bucket%s %s"):format(metric.name, label_text(metric, key, value, 'le="+Inf"'), number(sum))
  local labels = label_text(metric, key, value)
  if metric.get_sum then
    lines[#lines + 1] = ("%s_sum%s %s"):format(metric.name, labels, number(tonumber(metric.get_sum(key, value))
      * metric.scale))
  end
  lines[#lines + 1] = ("%s_count%s %s"):format(metric.name, labels, number(sum))
end

local RENDER = { counter = render_plain, gauge = render_plain, histogram = render_histogram }
local FIELDS = {
  map = true, name = true, help = true, type = true, labels = true, value = true, buckets = true, bound = true,
  sum = true, scale = true, keep = true,
}

--- Declares a metric.
--
-- Paths are "key", "value" and fields behind them ("key.port", "value.bytes"); instead of a path a function(key, value)
-- may tell. `type` is "counter", "gauge" or "histogram". The buckets of a histogram are an array of counts, each of
-- those not in an earlier one; the last has no bound. Those by powers of two need no `bound`: the first holds what is
-- less than 2, the next what is less than 4, and so on. `scale` turns bounds and the sum into the unit of the metric.
---@param metric {map: ebpf.Map, name: string, help: string, type: "counter"|"gauge"|"histogram",
--- labels?: table<string, string|fun(key: any, value: any): any>, value?: string|function, buckets?: string|function,
--- bound?: fun(bucket: integer): number, sum?: string|function, scale?: number,
--- keep?: fun(key: any, value: any): boolean} keep: which elements of the map count; nil: all
---@return table exporter
function Exporter:add(metric)
  local copy = {}
  for field, value in pairs(metric) do
    if not FIELDS[field] then
      fail(metric, ("unknown field '%s'"):format(tostring(field)))
    end
    copy[field] = value
  end
  if type(copy.name) ~= "string" or not copy.name:find("^[%a_:][%w_:]*$") then
    fail(metric, "this is no name of a metric")
  elseif not RENDER[copy.type] then
    fail(metric, "type must be 'counter', 'gauge' or 'histogram'")
  elseif not copy.map then
    fail(metric, "map is missing")
  end
  copy.sorted, copy.scale = {}, copy.scale or 1
  for name, path in pairs(copy.labels or {}) do
    copy.sorted[#copy.sorted + 1] = { name = name, get = compile(metric, path, "label " .. name) }
  end
  table.sort(copy.sorted, function(a, b)
    return a.name < b.name
  end)
  if copy.type == "histogram" then
    copy.get_buckets = compile(metric, copy.buckets or "value", "buckets")
    copy.get_sum = copy.sum and compile(metric, copy.sum, "sum")
    copy.bound = copy.bound or function(bucket)
      return 2 ^ bucket * copy.scale
    end
  else
    copy.get = compile(metric, copy.value or "value", "value")
  end
  self[#self + 1] = copy
  return self
end

local function render_metric(metric, lines)
  lines[#lines + 1] = ("# HELP %s %s"):format(metric.name, (metric.help or ""):gsub("[\\\n]", ESCAPES))
  lines[#lines + 1] = ("# TYPE %s %s"):format(metric.name, metric.type)
  local per_cpu = metric.map:abi().type:find("percpu", 1, true)
  for key, value in metric.map:iterate() do
    if per_cpu then
      value = add_up(value)
    end
    if not metric.keep or metric.keep(key, value) then
      RENDER[metric.type](metric, key, value, lines)
    end
  end
end

--- All metrics in Prometheus' text format. Raises when a map cannot be read.
---@return string text
---@return string content_type
function Exporter:render()
  local lines = {}
  for _, metric in ipairs(self) do
    render_metric(metric, lines)
  end
  lines[#lines + 1] = ""
  return table.concat(lines, "\n"), "text/plain; version=0.0.4"
end

--- An exporter without metrics.
---@return table
function exporter.new()
  return setmetatable({}, Exporter)
end

return exporter
