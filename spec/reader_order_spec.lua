local ebpf = require "ebpf"
local perf = require "spec.support.perf"
local process = require "spec.support.process"
local ring = require "spec.support.ring"
local support = require "spec.support"

local cpus = support.online_cpus()
local on_cpu = perf.on_cpu

-- An ordered reader of events that are numbered across the CPUs.
local function new(options)
  local given = { order_by = "number", int64 = "number" }
  for name, value in pairs(options or {}) do
    given[name] = value
  end
  return ring.new_perf(given)
end

local function numbers(reader)
  local list = {}
  for number in reader:available("number") do
    list[#list + 1] = number
  end
  return list
end

-- Numbers from `first` on.
local function count(first, last)
  local list = {}
  for n = first, last do
    list[#list + 1] = n
  end
  return list
end

describe("order_by", function()
  it("refuses what makes no sense", function()
    local spec, event = ring.spec()
    local coll = support.closing(assert(ebpf.load(spec)))
    local function refused(words, options)
      local ok, message = pcall(ebpf.new_perf_reader, coll.maps.perf_events, options)
      assert.is_false(ok)
      assert.matches(words, message, 1, true)
    end
    refused("field 'order_by': no field 'nope'", { type = event, order_by = "nope" })
    refused("samples have no struct type", { order_by = "number" })
    refused("samples have no struct type", { order_by = "number", type = "u64" })
    refused("an integer expected", { type = event, order_by = "comm" })
    refused("an integer expected", { type = event, order_by = "three" })
    refused("string expected", { type = event, order_by = 1 })
    refused("'window': goes with 'order_by'", { type = event, window = 1 })
    refused("'window': seconds expected", { type = event, order_by = "number", window = -1 })
    refused("'window': seconds expected", { type = event, order_by = "number", window = "1" })
    refused("'window': seconds expected", { type = event, order_by = "number", window = 0 / 0 })
    refused("not both", { type = event, order_by = "number", overwritable = true })
  end)

  it("merges the samples of several CPUs", function()
    if #cpus < 2 then
      return
    end
    local reader, emit = new { window = 30 }
    for round = 1, 20 do
      on_cpu(cpus[round % #cpus + 1], function()
        emit(round)
      end)
    end
    -- The last CPU's samples but one are certain: the others have none that is older.
    assert.same(count(1, 190), numbers(reader))
    assert.is_nil((reader:read()))
    assert.is_false(reader:poll(0.01))
    on_cpu(cpus[1], emit)
    on_cpu(cpus[2], emit)
    assert.same(count(191, 211), numbers(reader))
    reader:pause() -- nothing more can come
    assert.same(count(212, 212), numbers(reader))
  end)

  it("orders by signed fields too", function()
    if #cpus < 2 then
      return
    end
    local reader, emit = new { order_by = "negative", window = 30 }
    on_cpu(cpus[1], emit)
    on_cpu(cpus[2], emit)
    assert.equal(2, reader:read().number)
    reader:pause()
    assert.equal(1, reader:read().number)
    assert.is_nil((reader:read()))
  end)

  it("holds back no longer than the window, and wakes who waits then", function()
    if #cpus < 2 then
      return
    end
    local reader, emit = new { window = 0.2 }
    local edge = process.watch_edges(reader:fd())
    on_cpu(cpus[1], function()
      emit(3)
    end)
    local start = support.now()
    assert.is_nil((reader:read()))
    assert.is_false(reader:dirty())
    assert.is_false(reader:poll(0.05))
    assert.is_true(reader:poll(10))
    assert.is_true(support.now() - start >= 0.19)
    assert.same({ 1, 2, 3 }, numbers(reader))
    assert.is_false(reader:poll(0.01))
    while process.wait_edge(edge, 0) do
      assert.is_nil((reader:read()))
    end
    on_cpu(cpus[1], emit)
    assert.is_true(process.wait_edge(edge, 10)) -- the sample
    assert.is_nil((reader:read()))
    assert.is_true(process.wait_edge(edge, 10)) -- its time
    assert.same({ 4 }, numbers(reader))
    process.close(edge)
  end)

  it("waits in samples()", function()
    local reader, emit = new { window = 0.05 }
    emit(3)
    local list = {}
    for event in reader:samples() do
      list[#list + 1] = event.number
      if #list == 3 then
        break
      end
    end
    assert.same({ 1, 2, 3 }, list)
  end)

  it("gives all at once after flush(), and when it closes", function()
    local reader, emit = new { window = 30 }
    on_cpu(cpus[1], function()
      emit(3)
    end)
    if #cpus > 1 then
      assert.is_nil((reader:read()))
    end
    reader:flush()
    assert.is_true(reader:poll(5))
    assert.same({ 1, 2, 3 }, numbers(reader))
    on_cpu(cpus[1], function()
      emit(2)
    end)
    local list = {}
    for event in reader:flush_and_close() do
      list[#list + 1] = event.number
    end
    assert.same({ 4, 5 }, list)
  end)

  it("keeps the order while all CPUs send", function()
    local reader, _, coll = new { window = 30, per_cpu_buffer = 4 * 1024 * 1024 }
    local children = {}
    for i, cpu in ipairs(cpus) do
      children[i] = process.fork(function()
        process.pin(cpu)
        for _ = 1, 100 do
          coll.programs.emit_timed:run { data = ring.packet, times = 200 }
        end
        return 0
      end)
    end
    local last, n = 0, 0
    local running = #children
    while running > 0 do
      reader:poll(0.01)
      for time in reader:available("number") do
        assert(time >= last, "out of order")
        last, n = time, n + 1
      end
      for i = #children, 1, -1 do
        if process.has_ended(children[i]) then
          assert.equal(0, process.wait(table.remove(children, i)))
          running = running - 1
        end
      end
    end
    reader:pause()
    for time in reader:available("number") do
      assert(time >= last, "out of order")
      last, n = time, n + 1
    end
    assert.equal(20000 * #cpus, n)
    assert.equal(0, (reader:lost_samples()))
  end)
end)
