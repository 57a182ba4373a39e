-- examples/exporter: maps as Prometheus' text, looked at by Prometheus' own checker. spec/embed/ has it in servers.
package.path = "examples/exporter/?.lua;" .. package.path
local ebpf = require "ebpf"
local exporter = require "exporter"
local support = require "spec.support"

local build = os.getenv("EBPF_BUILD") or "build"

local function new_map(spec)
  return support.closing(assert(ebpf.new_map(spec)))
end

local function check(text)
  local path = support.tmpdir() .. "/metrics"
  support.write_file(path, text)
  assert.equal("", support.check_run("promtool check metrics <" .. path))
end

local function lines(text)
  local sorted = {}
  for line in text:gmatch("[^\n]+") do
    sorted[#sorted + 1] = line
  end
  table.sort(sorted)
  return sorted
end

describe("the exporter", function()
  it("prints counters and gauges with labels", function()
    local map = new_map { type = "hash", key = "struct { u32 port; char name[8]; }", max_entries = 4,
      value = "struct { u64 packets; u32 open; bool up; }" }
    assert(map:put({ port = 80, name = 'a"b\\c\n' }, { packets = "9007199254740993", open = 3, up = true }))
    assert(map:put({ port = 443, name = "tls" }, { packets = 5, open = 0 }))
    local labels = { port = "key.port", name = "key.name" }
    local metrics = exporter.new()
      :add { map = map, name = "packets_total", help = "All of them.\nReally.", type = "counter", labels = labels,
        value = "value.packets" }
      :add { map = map, name = "connections", help = "Open.", type = "gauge", labels = { port = "key.port" },
        value = "value.open" }
      :add { map = map, name = "up", help = "Of one.", type = "gauge", value = "value.up", keep = function(key)
        return key.port == 80
      end }
      :add { map = map, name = "half_ratio", help = "A function.", type = "gauge",
        labels = { port = function(key)
          return ("p%d"):format(key.port)
        end }, value = function(_, value)
          return value.open / 2
        end }
    local text, content_type = metrics:render()
    assert.equal("text/plain; version=0.0.4", content_type)
    assert.same({
      "# HELP connections Open.", "# HELP half_ratio A function.", "# HELP packets_total All of them.\\nReally.",
      "# HELP up Of one.", "# TYPE connections gauge", "# TYPE half_ratio gauge", "# TYPE packets_total counter",
      "# TYPE up gauge",
      'connections{port="443"} 0', 'connections{port="80"} 3', 'half_ratio{port="p443"} 0',
      'half_ratio{port="p80"} 1.5', 'packets_total{name="a\\"b\\\\c\\n",port="80"} 9007199254740993',
      'packets_total{name="tls",port="443"} 5', "up 1",
    }, lines(text))
    check(text)
  end)

  it("adds up what each CPU has", function()
    local map = new_map { type = "percpu_array", key_size = 4, max_entries = 2, value = "struct { u64 n; u32 m[2]; }" }
    local cpus = #support.possible_cpus()
    local values = {}
    for i = 1, cpus do
      values[i] = { n = i, m = { 1, 10 } }
    end
    assert(map:put(1, values))
    local text = exporter.new()
      :add { map = map, name = "sum_total", help = "x", type = "counter", value = "value.n",
        labels = { index = "key" } }
      :add { map = map, name = "second_total", help = "x", type = "counter", value = "value.m.2",
        labels = { index = "key" } }
      :render()
    assert.truthy(text:find(('sum_total{index="1"} %d\n'):format(cpus * (cpus + 1) / 2), 1, true), text)
    assert.truthy(text:find(('second_total{index="1"} %d\n'):format(cpus * 10), 1, true), text)
    check(text)
  end)

  it("makes histograms of buckets", function()
    local map = new_map { type = "array", key_size = 4, max_entries = 1, value = "struct { u64 sum; u32 buckets[4]; }" }
    assert(map:put(0, { sum = 31, buckets = { 1, 0, 3, 2 } }))
    local text = exporter.new()
      :add { map = map, name = "size_bytes", help = "x", type = "histogram", buckets = "value.buckets",
        sum = "value.sum" }
      :add { map = map, name = "time_seconds", help = "x", type = "histogram", buckets = "value.buckets",
        sum = "value.sum", scale = 0.001, labels = { a = function() return "b" end } }
      :add { map = map, name = "own_bytes", help = "x", type = "histogram", buckets = "value.buckets",
        bound = function(bucket)
          return bucket * 10
        end }
      :render()
    for _, line in ipairs { 'size_bytes_bucket{le="2"} 1', 'size_bytes_bucket{le="4"} 1', 'size_bytes_bucket{le="8"} 4',
      'size_bytes_bucket{le="+Inf"} 6', "size_bytes_sum 31", "size_bytes_count 6",
      'time_seconds_bucket{a="b",le="0.002"} 1', 'time_seconds_sum{a="b"} 0.031', 'own_bytes_bucket{le="10"} 1',
      'own_bytes_bucket{le="+Inf"} 6' } do
      assert.truthy(("\n" .. text):find("\n" .. line .. "\n", 1, true), line .. " is not in\n" .. text)
    end
  end)

  it("refuses declarations that are wrong", function()
    local map = new_map { type = "array", key_size = 4, value_size = 4, max_entries = 1 }
    for message, metric in pairs {
      ["metric 'a b': this is no name of a metric"] = { map = map, name = "a b", type = "gauge" },
      ["metric 'a': type must be 'counter', 'gauge' or 'histogram'"] = { map = map, name = "a", type = "summary" },
      ["metric 'a': map is missing"] = { name = "a", type = "gauge" },
      ["metric 'a': unknown field 'lables'"] = { map = map, name = "a", type = "gauge", lables = {} },
      ["metric 'a': value 'vale' does not begin with 'key' or 'value'"] =
        { map = map, name = "a", type = "gauge", value = "vale" },
      ["metric 'a': label x must be a path or a function"] =
        { map = map, name = "a", type = "gauge", labels = { x = 1 } },
    } do
      assert.has_error(function()
        exporter.new():add(metric)
      end, message)
    end
  end)
end)

describe("examples/exporter/tcp_metrics.lua", function()
  it("prints what it has counted", function()
    local command = ("LUA_PATH='examples/exporter/?.lua;'\"$LUA_PATH\" %s examples/exporter/tcp_metrics.lua "
      .. "%s/examples/exporter/tcp_metrics.bpf.o"):format(support.quote(support.lua), build)
    local output, status = support.run(command .. " 0")
    assert.equal(0, status, output)
    assert.truthy(output:find("# TYPE tcp_connection_duration_seconds histogram\n", 1, true), output)
    check(output)
    output, status = support.as_unprivileged(command .. " 0")
    assert.equal(1, status)
    assert.is_nil(output:find("traceback", 1, true))
  end)
end)
