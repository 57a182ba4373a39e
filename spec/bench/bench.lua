-- Prints what the module costs next to a C loop of raw bpf(2) calls (spec/bench/raw.c), and next to the goals.
--
--   taskset -c 0 lua5.4 spec/bench/bench.lua <build directory>
--
-- C and Lua take turns on the same map. All times are CPU time of the process, so what else runs on the machine
-- matters little; each figure is the median over the rounds (of the ratio: of the rounds' ratios).
local ebpf = require "ebpf"

local build = assert(arg[1], "the build directory?")
local jit = rawget(_G, "jit")
local name = jit and "luajit" or "lua" .. _VERSION:match("%d%.%d")
local goal = jit and 1.10 or 1.15 -- of one call, to one bpf(2)

local function median(values)
  table.sort(values)
  return values[math.floor(#values / 2) + 1]
end

local function raw(mode, map, entries, times)
  local pipe = assert(io.popen(("%s/bench/raw %s %d %d %d"):format(build, mode, map:info().id, entries, times)))
  local text = pipe:read("*a")
  pipe:close()
  return assert(tonumber(text), "the C loop failed")
end

-- CPU time of `action` in nanoseconds per entry.
local function measure(action, entries, times)
  collectgarbage()
  local start = os.clock()
  for _ = 1, times do
    action()
  end
  return (os.clock() - start) * 1e9 / (entries * times)
end

local function verdict(figure, most)
  return figure <= most and "met" or "missed"
end

local function compare(mode, title, most, setup, int64)
  local map, entries, times, rounds, action = setup(int64)
  local ratios, c_times, lua_times = {}, {}, {}
  action()
  for i = 1, rounds do
    c_times[i] = raw(mode, map, entries, times)
    lua_times[i] = measure(action, entries, times)
    ratios[i] = lua_times[i] / c_times[i]
  end
  local ratio = median(ratios)
  print(("%-7s %-36s C %7.1f ns   Lua %7.1f ns   ratio %.3f   goal %.2f   %s")
    :format(name, title, median(c_times), median(lua_times), ratio, most, verdict(ratio, most)))
  map:close()
end

local function new_hash(entries, int64)
  local map = assert(ebpf.new_map {
    type = "hash", key_size = 4, value_size = 8, max_entries = entries, int64 = int64,
  })
  for key = 0, entries - 1 do
    assert(map:put(key, key))
  end
  return map
end

local function setup_get(int64)
  local entries = 1000
  local map = new_hash(entries, int64)
  return map, entries, 200, 15, function()
    for key = 0, entries - 1 do
      map:get(key)
    end
  end
end

local function setup_put(int64)
  local entries = 1000
  local map = new_hash(entries, int64)
  return map, entries, 200, 15, function()
    for key = 0, entries - 1 do
      map:put(key, 1)
    end
  end
end

local function setup_walk(int64)
  local entries = 100000
  local map = new_hash(entries, int64)
  return map, entries, 2, 11, function()
    local seen = 0
    for _ in map:iterate() do
      seen = seen + 1
    end
    assert(seen == entries)
  end
end

local function drain_samples(title, program_name)
  local samples, rounds, most = 40000, 11, 70
  local collection = assert(ebpf.load(build .. "/bpf/bench.bpf.o"))
  local program = collection.programs[program_name]
  local reader = assert(ebpf.new_perf_reader(collection:take_map("events"), { per_cpu_buffer = 4 * 1024 * 1024 }))
  local packet = ("\0"):rep(64)
  local figures = {}
  for i = 1, rounds do
    assert(program:benchmark(packet, samples))
    local seen, size = 0, 0
    figures[i] = measure(function()
      for sample in reader:available() do
        seen = seen + 1
        size = #sample
      end
    end, samples, 1)
    assert(seen == samples and size >= 64, "samples were lost")
  end
  local figure = median(figures)
  print(("%-7s %-36s %40.1f ns   goal %.0f ns   %s")
    :format(name, title, figure, most, verdict(figure, most)))
  reader:close()
  collection:close()
end

-- What a struct costs more than its bytes, under the same system call.
local function struct_get()
  local entries, times, rounds, most = 1000, 200, 15, 250
  local map = assert(ebpf.new_map { type = "hash", key = "u32", max_entries = entries,
    value = "struct { u64 packets; u64 bytes; u32 last; u32 flags; }" })
  for key = 0, entries - 1 do
    assert(map:put(key, { packets = key, bytes = 64 * key, last = key }))
  end
  local figures = {}
  for i = 1, rounds do
    local bytes = measure(function()
      for key = 0, entries - 1 do
        map:get_bytes(key)
      end
    end, entries, times)
    figures[i] = measure(function()
      for key = 0, entries - 1 do
        map:get(key)
      end
    end, entries, times) - bytes
  end
  local figure = median(figures)
  print(("%-7s %-36s %40.1f ns   goal %.0f ns   %s")
    :format(name, "get a struct of 4 fields, to get_bytes", figure, most, verdict(figure, most)))
  map:close()
end

compare("get", "hash get, u32 -> u64", goal, setup_get)
struct_get()
compare("put", "hash put, u32 -> u64", goal, setup_put)
compare("walk", "iterate 100 000, to next_key+lookup", 0.30, setup_walk)
if jit then -- where a 64-bit value is a cdata by default, which costs an allocation the JIT cannot sink
  compare("get", "hash get, int64 = \"number\"", goal, setup_get, "number")
  compare("walk", "iterate 100 000, int64 = \"number\"", 0.30, setup_walk, "number")
end
drain_samples("drain 64-byte samples, all the same", "send_same")
drain_samples("drain 64-byte samples, all different", "send_different")
