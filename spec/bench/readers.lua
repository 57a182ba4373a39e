-- Prints what readers cost next to libbpf's consumers (spec/bench/readers.c), and next to the goals.
--
--   taskset -c 0 lua5.4 spec/bench/readers.lua <build directory>
--
-- Records have 64 bytes. All times are CPU time of the process, per record; each figure is the median over the rounds
-- (of a ratio: of the rounds' ratios). C and Lua take turns on the same map.
local ebpf = require "ebpf"

local build = assert(arg[1], "the build directory?")
local name = rawget(_G, "jit") and "luajit" or "lua" .. _VERSION:match("%d%.%d")
local QUEUED, TIMES, ROUNDS = 40000, 3, 11
local PACED, PACED_ROUNDS, PACED_MOST = 200000, 5, 1.3
local BUFFER = 4 * 1024 * 1024

local function median(values)
  table.sort(values)
  return values[math.floor(#values / 2) + 1]
end

local function verdict(figure, most)
  if name ~= "lua5.4" then
    return ""
  end
  return figure <= most and "met" or "missed"
end

local spec = assert(ebpf.load_spec(build .. "/bpf/ring.bpf.o"))
spec.maps.events.max_entries = BUFFER
local event = assert(ebpf.type("struct event", spec))
local collection = assert(ebpf.load(spec))

local kinds = {
  {
    name = "perf", map = collection.maps.perf_events, program = collection.programs.emit_perf,
    strings = 65, fields = 28,
    open = function(map, options)
      options.per_cpu_buffer, options.wakeup_events = BUFFER, 50
      return assert(ebpf.new_perf_reader(map, options))
    end,
  },
  {
    name = "ring", map = collection.maps.events, program = collection.programs.emit_event,
    strings = 60, fields = 24,
    open = function(map, options)
      return assert(ebpf.new_ring_reader(map, options))
    end,
  },
}

local function in_c(mode, kind, records)
  local pipe = assert(io.popen(("%s/bench/readers %s %s %d %d %d"):format(build, mode, kind.name, kind.map:info().id,
    kind.program:info().id, records)))
  local text = pipe:read("*a")
  pipe:close()
  return assert(tonumber(text), "the C program failed")
end

local ways = {
  {
    name = "as strings", goal = "strings", options = {},
    go = function(reader)
      local n, size = 0, 0
      for sample in reader:available() do
        n = n + 1
        size = #sample
      end
      assert(size >= 64)
      return n
    end,
  },
  {
    name = "two fields", goal = "fields", options = { type = event, int64 = "number" },
    go = function(reader)
      local n = 0
      for _, _ in reader:available("number", "cpu") do
        n = n + 1
      end
      return n
    end,
  },
}

local function drain(kind, way)
  local c_times, lua_times, garbage = {}, {}, 0
  local packet = ("\0"):rep(64)
  for i = 1, ROUNDS do
    c_times[i] = in_c("drain", kind, QUEUED)
    local options = { own = false }
    for key, value in pairs(way.options) do
      options[key] = value
    end
    local reader = kind.open(kind.map, options)
    for _ = 1, TIMES do -- the last counts, when caches and page tables are warm
      assert(kind.program:benchmark(packet, QUEUED))
      collectgarbage()
      local before, start = collectgarbage("count"), os.clock()
      local n = way.go(reader)
      lua_times[i] = (os.clock() - start) * 1e9 / QUEUED
      garbage = collectgarbage("count") - before
      assert(n == QUEUED, "records were lost")
    end
    reader:close()
  end
  local figure, most = median(lua_times), kind[way.goal]
  print(("%-7s drain %s, %-22s C %7.1f ns   Lua %7.1f ns %24s %3.0f ns   %s"):format(name, kind.name, way.name,
    median(c_times), figure, "goal", most, verdict(figure, most)))
  if way.goal == "fields" then
    print(("%-7s drain %s, %-22s %46.1f KiB in all"):format(name, kind.name, way.name .. ", garbage", garbage))
  end
end

local function pace(kind)
  local ratios, c_times, lua_times = {}, {}, {}
  for i = 1, PACED_ROUNDS do
    c_times[i] = in_c("pace", kind, PACED)
    local reader = kind.open(kind.map, { own = false, type = event, int64 = "number" })
    local producer = assert(io.popen(("%s/bench/readers produce %d %d"):format(build, kind.program:info().id, PACED)))
    local n, start = 0, os.clock()
    while n < PACED and reader:poll(2) do
      for _, _ in reader:available("number", "cpu") do
        n = n + 1
      end
    end
    lua_times[i] = (os.clock() - start) * 1e9 / n
    ratios[i] = lua_times[i] / c_times[i]
    producer:close()
    reader:close()
  end
  local ratio = median(ratios)
  print(("%-7s 200 000/s %s, %-18s C %7.1f ns   Lua %7.1f ns   ratio %.3f   goal %.2f   %s"):format(name, kind.name,
    "two fields", median(c_times), median(lua_times), ratio, PACED_MOST, verdict(ratio, PACED_MOST)))
end

for _, kind in ipairs(kinds) do
  for _, way in ipairs(ways) do
    drain(kind, way)
  end
  pace(kind)
end
