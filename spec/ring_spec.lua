local ebpf = require "ebpf"
local perf = require "spec.support.perf"
local process = require "spec.support.process"
local ring = require "spec.support.ring"
local support = require "spec.support"

local errno = ebpf.errno
local cpus = support.online_cpus()
local new = ring.new
local number_at = perf.number_at
local drain = perf.drain
local count_fds = perf.count_fds
local packet = ring.packet

local function new_map(size, kind)
  return support.closing(assert(ebpf.new_map { type = kind or "ringbuf", max_entries = size or 4096 }))
end

describe("new_ring_reader", function()
  it("refuses what makes no sense", function()
    local map = new_map()
    local function refused(words, ...)
      local ok, message = pcall(ebpf.new_ring_reader, ...)
      assert.is_false(ok)
      assert.matches(words, message, 1, true)
    end
    refused("unknown ring reader field 'wakeup_events'", map, { wakeup_events = 1 })
    refused("true or false expected", map, { own = 1 })
    refused("unknown type 'u33'", map, { type = "u33" })
    refused("table expected", map, "64")
    refused("ebpf.map expected, got nil", nil)
    refused("ebpf.map expected, got number", 7)
    refused("array of 1 to 1024 maps expected", {})
    refused("ebpf.map in the array expected, got string", { map, "events" })
    local hash = support.closing(assert(ebpf.new_map { type = "hash", key_size = 4, value_size = 4, max_entries = 1 }))
    refused("ringbuf expected, got hash", hash)
    refused("ringbuf expected, got hash", { map, hash })
    assert.is_false(map:is_closed())
  end)

  it("says when a map is closed", function()
    local map, open = new_map(), new_map()
    map:close()
    for _, maps in ipairs { map, { open, map } } do
      local before = count_fds()
      local reader, message, code = ebpf.new_ring_reader(maps)
      assert.is_nil(reader)
      assert.equal("map is closed", message)
      assert.equal(errno.EBADF, code)
      assert.equal(before, count_fds())
    end
    assert.is_false(open:is_closed())
  end)

  it("says when the map can only be read", function()
    local map = new_map()
    local read_only = support.closing(assert(ebpf.map_from_id(map:info().id, { read_only = true })))
    local reader, message, code = ebpf.new_ring_reader(read_only)
    assert.is_nil(reader)
    assert.matches("^create ring reader: map 4 KiB of ring buffer: .-: the map was opened for reading only", message)
    assert.equal(errno.EACCES, code)
  end)

  it("collects garbage when files run out, and says so when that does not help", function()
    local map = new_map()
    collectgarbage("stop") -- so that nothing is collected before
    for _ = 1, 3 do
      assert(ebpf.new_ring_reader(map, { own = false }))
    end
    local limit = process.limit_files(count_fds() + 2)
    local ok, reader = pcall(ebpf.new_ring_reader, map, { own = false })
    process.limit_files(4)
    local _, none, message, code = pcall(ebpf.new_ring_reader, map, { own = false })
    process.limit_files(limit)
    collectgarbage("restart")
    assert.is_true(ok)
    assert.is_truthy(reader)
    assert.is_nil(none)
    assert.equal(errno.EMFILE, code)
    assert.matches("^create ring reader: .*EMFILE", message)
  end)
end)

describe("a ring reader", function()
  it("reads samples in order", function()
    local reader, emit = new()
    emit(3)
    for n = 1, 3 do
      local sample, map = reader:read()
      assert.equal(64, #sample)
      assert.equal(n, number_at(sample, 0, 8))
      assert.equal(1, map)
    end
    assert.is_nil(reader:read())
    assert.equal(1, select("#", reader:read()))
  end)

  it("reads samples of any size, across the end of the buffer", function()
    local reader, _, coll = new({}, 8192)
    local seed = 1
    for i = 1, 500 do
      seed = seed * 16807 % 2147483647
      local data = (string.char(i % 256)):rep(13 + seed % 3000) .. "."
      assert.equal(0, coll.programs.emit_packet:run({ data = data }).retval)
      assert.is_true(data == reader:read())
    end
  end)

  it("decodes samples by their type", function()
    local reader, emit = new { type = "event", int64 = "number" }
    emit(2)
    local event = reader:read()
    assert.equal(1, event.number)
    assert.equal(-1, event.negative)
    assert.same({ addr = 0xfffffff0, port = 443, hops = -3, open = true }, event.key)
    assert.equal("bz", event.comm)
    assert.equal("\2\0\0\0\0\255", event.mac)
    assert.same({ -1, 2, -3 }, event.args)
    assert.equal(5, event.three)
    assert.equal(-7, event.minus)
    assert.equal(1, event.rest)
    for e, map in reader:available() do
      assert.equal(2, e.number)
      assert.equal(1, map)
    end
    reader, emit = new { type = "u64", int64 = "number" }
    emit()
    assert.equal(1, (reader:read()))
    reader, emit = new { type = { size = 12, decode = function(s) return #s end } }
    emit()
    assert.equal(12, (reader:read()))
  end)

  it("goes on after a sample that is too short for its type", function()
    local reader, emit, coll = new { type = "event", int64 = "number" }
    coll.programs.emit_packet:run { data = ("x"):rep(40) }
    emit()
    local sample, message, code = reader:read()
    assert.is_nil(sample)
    assert.equal("sample of 40 bytes is too short for its type of 64", message)
    assert.equal(errno.EMSGSIZE, code)
    assert.equal(1, reader:read().number)
  end)

  it("reads in batches", function()
    local reader, emit = new()
    emit(10)
    local batch, n = reader:read_batch(4)
    assert.equal(4, n)
    assert.equal(4, #batch)
    local same
    same, n = reader:read_batch(100, batch)
    assert.equal(batch, same)
    assert.equal(6, n)
    assert.equal(10, number_at(batch[6], 0, 8))
    assert.equal(0, select(2, reader:read_batch(5)))
  end)

  it("reads many maps, and tells which a sample comes from", function()
    local spec = ring.spec()
    local coll = support.closing(assert(ebpf.load(spec)))
    local maps = { coll.maps.others, coll.maps.events }
    local reader = support.closing(assert(ebpf.new_ring_reader(maps, { own = false })))
    assert.same({ 4096 + 65536, { 4096, 65536 } }, { reader:buffer_size() })
    for _, name in ipairs { "emit_event", "emit_other", "emit_event", "emit_event" } do
      coll.programs[name]:run { data = packet }
    end
    assert.same({ 4 * 72, { 72, 3 * 72 } }, { reader:available_bytes() })
    local seen = { {}, {} }
    for sample, map in reader:available() do
      table.insert(seen[map], number_at(sample, 0, 8))
    end
    assert.same({ { 2 }, { 1, 3, 4 } }, seen)
    assert.same({ 0, { 0, 0 } }, { reader:available_bytes() })
    assert.is_false(reader:poll(0.01))
    coll.programs.emit_other:run { data = packet }
    assert.is_true(reader:poll(5))
    assert.equal(1, select(2, reader:read()))
  end)

  it("skips what programs discarded, and counts it", function()
    local reader, emit = new()
    emit(3, "emit_discarded")
    assert.is_nil((reader:read()))
    assert.is_false(reader:poll(0.01))
    emit(2)
    emit(2, "emit_discarded")
    emit(1)
    assert.equal(3, drain(reader))
    assert.same({ 5, { 5 } }, { reader:discarded_samples() })
    assert.equal(0, (reader:available_bytes()))
  end)

  it("gives the space back", function()
    local reader, emit, coll = new({ type = "event" }, 4096)
    local n = 0
    for _ = 1, 1000 do
      emit(40)
      n = n + drain(reader)
    end
    assert.equal(40000, n)
    assert.equal(0, tonumber(coll.variables.refused:get()))
    emit(100)
    assert.equal(44, tonumber(coll.variables.refused:get())) -- 4096 / 72
    assert.equal(56, drain(reader))
  end)

  it("polls", function()
    local reader, emit = new()
    local start = support.now()
    assert.is_false(reader:poll(0))
    assert.is_false(reader:poll(0.1))
    assert.is_true(support.now() - start >= 0.1)
    assert.is_false(reader:dirty())
    assert.is_nil(reader:timeout())
    emit(2)
    assert.is_true(reader:dirty())
    assert.equal(0, reader:timeout())
    assert.is_true(reader:poll())
    reader:read()
    assert.is_true(reader:poll(10))
    reader:read()
    assert.is_false(reader:poll(0.01))
    assert.is_false((pcall(reader.poll, reader, -1)))
  end)

  it("is woken by samples, and by flush, once", function()
    local reader, emit = new()
    local child = process.fork(function()
      support.sleep(0.1)
      emit()
      return 0
    end)
    assert.is_true(reader:poll())
    assert.is_string((reader:read()))
    assert.equal(0, process.wait(child))
    assert.is_true(reader:flush())
    assert.is_true(reader:poll(5))
    assert.is_false(reader:poll(0.01))
    reader:flush()
    assert.is_nil(reader:read()) -- takes the flush
    assert.is_false(reader:poll(0.01))
  end)

  it("finds samples that woke nobody when it looks", function()
    local reader, emit = new()
    emit(5, "emit_quietly")
    assert.is_true(reader:poll(0))
    assert.equal(5, drain(reader))
  end)

  it("waits in samples(), also in a coroutine", function()
    local reader, emit = new { type = "event", int64 = "number" }
    local numbers = {}
    local co = coroutine.wrap(function()
      local step = reader:samples()
      local event = step()
      while event do -- PUC 5.1 cannot yield in a generic for
        numbers[#numbers + 1] = event.number
        event = step()
      end
      return "ended"
    end)
    assert.equal(reader, co())
    emit(2)
    assert.equal(reader, co())
    emit(1)
    assert.equal(reader, co())
    assert.same({ 1, 2, 3 }, numbers)
    reader:close()
    assert.equal("ended", co())
  end)

  it("speaks the protocols of event loops", function()
    local reader, emit = new()
    assert.equal(reader:fd(), reader:getfd())
    assert.equal(reader:fd(), reader:pollfd())
    assert.equal("r", reader:events())
    assert.same({ nil, "timeout" }, { reader:receive() })
    emit()
    assert.is_string((reader:receive()))
    reader:close()
    assert.same({ nil, "closed" }, { reader:receive() })
  end)

  it("goes on where another reader of the map stopped", function()
    local spec = ring.spec()
    local coll = support.closing(assert(ebpf.load(spec)))
    local map = coll.maps.events
    local first = assert(ebpf.new_ring_reader(map, { own = false }))
    local second = support.closing(assert(ebpf.new_ring_reader(map, { own = false })))
    for round = 1, 5 do
      coll.programs.emit_event:run { data = packet, times = 800 }
      assert.equal(800, drain(round % 2 == 0 and first or second))
    end
    coll.programs.emit_event:run { data = packet, times = 3 }
    assert.equal(4001, number_at(first:read(), 0, 8))
    first:close()
    local third = support.closing(assert(ebpf.new_ring_reader(map, { own = false })))
    assert.equal(2, drain(third))
  end)
end)

local function load_busy(flags)
  local spec = assert(ebpf.load_spec(support.fixture("ring_busy")))
  spec.maps.events.flags = flags or 0
  return support.closing(assert(support.granted("5.17", "bpf_loop", ebpf.load(spec))))
end

-- A child on another CPU reserves a record and waits for `go`.
local function start_busy(coll, program)
  local child = process.fork(function()
    process.pin(cpus[#cpus])
    coll.programs[program]:run { data = packet }
    return 0
  end)
  assert(support.wait_until(function()
    return coll.variables.reserved:get() == 1
  end))
  return child
end

local function new_busy_reader(coll)
  local options = { own = false, type = "u64", int64 = "number" }
  return support.closing(assert(ebpf.new_ring_reader(coll.maps.events, options)))
end

describe("a record that is being written", function()
  it("stops the reader, which does not spin, and wakes it when it is submitted", function()
    if #cpus < 2 then
      return
    end
    local coll = load_busy()
    local reader = new_busy_reader(coll)
    local edge = process.watch_edges(reader:fd())
    local child = start_busy(coll, "submit_late")
    coll.programs.submit:run { data = packet }
    assert.is_nil((reader:read()))
    assert.is_nil((reader:available()()))
    assert.is_false(reader:dirty())
    assert.equal(32, (reader:available_bytes()))
    local clock = os.clock()
    assert.is_false(reader:poll(0.2))
    assert.is_true(os.clock() - clock < 0.1) -- it slept
    -- A loop that watches the fd, by level or by edge, has nothing to do.
    assert.is_nil((reader:read()))
    while process.wait_edge(edge, 0) do
      assert.is_nil((reader:read()))
    end
    local level = process.watch_edges(reader:fd())
    assert.is_false(process.wait_edge(level, 0))
    coll.variables.go:set(1)
    assert.is_true(process.wait_edge(edge, 5))
    assert.equal(1, (reader:read()))
    assert.equal(2, (reader:read()))
    assert.is_nil((reader:read()))
    process.close(edge)
    process.close(level)
    assert.equal(0, process.wait(child))
  end)

  it("ends a wait when it is submitted, also when it is discarded with more behind it", function()
    if #cpus < 2 then
      return
    end
    local coll = load_busy()
    local reader = new_busy_reader(coll)
    for _, case in ipairs { { "submit_late", 1 }, { "discard_late", 2 } } do
      coll.variables.go:set(0)
      coll.variables.reserved:set(0)
      local child = start_busy(coll, case[1])
      coll.programs.submit:run { data = packet }
      local waker = process.fork(function()
        support.sleep(0.1)
        coll.variables.go:set(1)
        return 0
      end)
      assert.is_nil((reader:read()))
      assert.is_true(reader:poll(10))
      assert.equal(case[2], (reader:read()))
      drain(reader)
      assert.equal(0, process.wait(waker))
      assert.equal(0, process.wait(child))
    end
    assert.equal(1, (reader:discarded_samples()))
  end)
end)

describe("a ring buffer that overwrites its oldest records", function()
  local OVERWRITE = 0x80000 -- BPF_F_RB_OVERWRITE
  local record, room = 72, 56 -- a record with its header, and how many of them 4096 bytes hold

  -- Of 4096 bytes.
  local function new_overwriting(options)
    local map = support.granted("6.19", "BPF_F_RB_OVERWRITE of a ring buffer",
      ebpf.new_map { type = "ringbuf", max_entries = 4096, flags = OVERWRITE })
    map:close()
    return new(options, 4096, OVERWRITE)
  end

  local function numbers(reader)
    local list = {}
    for number in reader:available("number") do
      list[#list + 1] = number
    end
    return list
  end

  it("is what a newer kernel has", function()
    local map, message = ebpf.new_map { type = "ringbuf", max_entries = 4096, flags = OVERWRITE }
    if map then
      map:close()
    else
      assert.matches("rings that overwrite .flags = 0x80000, BPF_F_RB_OVERWRITE. need Linux 6.19$", message)
    end
  end)

  it("gives the newest, and tells how much was overwritten", function()
    local reader, emit, coll = new_overwriting { type = "event", int64 = "number" }
    emit(10)
    assert.equal(1, reader:read().number)
    emit(90)
    assert.equal(0, tonumber(coll.variables.refused:get()))
    assert.equal((9 + room) * record, (reader:available_bytes()))
    -- What was copied when the first was read is still there.
    local list = numbers(reader)
    assert.equal(9 + room, #list)
    for i = 1, 9 do
      assert.equal(1 + i, list[i])
    end
    for i = 1, room do
      assert.equal(100 - room + i, list[9 + i])
    end
    local lost = (100 - 10 - room) * record
    assert.same({ lost, { lost } }, { reader:overwritten_bytes() })
    assert.equal(0, (reader:available_bytes()))
    assert.is_false(reader:poll(0.01))
    emit(1)
    assert.is_true(reader:poll(5))
    assert.same({ 101 }, numbers(reader))
  end)

  it("counts nothing that was gone before there was a reader", function()
    local _, emit, coll = new_overwriting()
    local map = support.closing(assert(ebpf.map_from_id(coll.programs.emit_event:info().map_ids[1])))
    emit(1000)
    local reader = support.closing(assert(ebpf.new_ring_reader(map)))
    assert.equal(room * record, (reader:available_bytes()))
    assert.equal(1000 - room + 1, number_at(reader:read(), 0, 8))
    assert.equal(room - 1, drain(reader))
    assert.equal(0, (reader:overwritten_bytes()))
  end)

  it("stops at a record that is being written, which nothing overwrites", function()
    if #cpus < 2 then
      return
    end
    new_overwriting()
    local coll = load_busy(OVERWRITE)
    local reader = new_busy_reader(coll)
    local child = start_busy(coll, "submit_late")
    for _ = 1, 1000 do
      coll.programs.submit:run { data = packet }
    end
    assert.is_nil((reader:read()))
    assert.is_false(reader:poll(0.01))
    assert.is_true((reader:available_bytes()) > 4000)
    coll.variables.go:set(1)
    assert.is_true(reader:poll(10))
    assert.equal(1, (reader:read()))
    assert.equal(2, (reader:read()))
    assert.is_true(drain(reader) > 200)
    assert.equal(0, (reader:overwritten_bytes()))
    assert.equal(0, process.wait(child))
  end)

  it("is read whole while programs write it", function()
    local reader, emit, coll = new_overwriting { type = "event", int64 = "number" }
    local child = process.fork(function()
      process.pin(cpus[#cpus])
      for _ = 1, 200 do
        emit(1000)
      end
      return 0
    end)
    local seen, last = 0, 0
    repeat
      local ended = process.has_ended(child)
      for event in reader:available() do
        assert(event.number > last and event.negative == -event.number and event.comm:sub(2) == "z"
          and event.rest == event.number % 2 ^ 24 and event.key.open == (event.number % 2 == 1))
        seen, last = seen + 1, event.number
      end
    until ended
    assert.equal(0, process.wait(child))
    assert.equal(200000, last)
    assert.equal(0, tonumber(coll.variables.refused:get()))
    assert.equal(200000, seen + reader:overwritten_bytes() / record)
  end)

  it("takes samples of any size, and leaves out what was discarded", function()
    local reader, emit, coll = new_overwriting()
    local seed = 1
    for round = 1, 100 do
      local last
      for i = 1, 5 do
        seed = seed * 16807 % 2147483647
        last = (string.char((round + i) % 256)):rep(13 + seed % 3000) .. "."
        assert.equal(0, coll.programs.emit_packet:run({ data = last }).retval)
      end
      emit(1, "emit_discarded")
      local sample
      for s in reader:available() do
        sample = s
      end
      assert.is_true(sample == last)
    end
    assert.equal(100, (reader:discarded_samples()))
  end)

  it("is read to the end of what is there when the reader is closed", function()
    local reader, emit = new_overwriting { type = "event", int64 = "number" }
    emit(20)
    assert.equal(1, reader:read().number)
    emit(80)
    local list = {}
    for event in reader:flush_and_close() do
      list[#list + 1] = event.number
      emit(1) -- too late
    end
    -- What was copied at first, then what those that came too late have left.
    assert.equal(19 + 100 - (119 - room), #list)
    assert.same({ 2, 20, 119 - room + 1, 100 }, { list[1], list[19], list[20], list[#list] })
  end)

  it("is read on in a forked child", function()
    local reader, emit = new_overwriting { type = "event", int64 = "number" }
    emit(5)
    assert.equal(1, reader:read().number)
    local child = process.fork(function()
      emit(100)
      local list = numbers(reader)
      return #list == 4 + room and list[1] == 2 and list[#list] == 105 and 0 or 1
    end)
    assert.equal(0, process.wait(child))
  end)
end)

describe("a corrupt ring buffer", function()
  -- Where this process has positions of consumers mapped, which it may write.
  local function mappings()
    local list = {}
    for line in support.read_file("/proc/self/maps"):gmatch("[^\n]+") do
      local start = line:match("^(%x+)%-%x+ rw%-s .*anon_inode:bpf%-map")
      if start then
        list[tonumber(start, 16)] = true
      end
    end
    return list
  end

  it("stops reading with an error", function()
    local before = mappings()
    local reader, emit = new()
    emit(3)
    assert.equal(3, drain(reader))
    emit(1)
    local poked = 0
    for start in pairs(mappings()) do
      if not before[start] then
        process.poke(start, "\0\0\0\0\1\0\0\0")
        poked = poked + 1
      end
    end
    assert.equal(1, poked)
    for _ = 1, 3 do
      local sample, message, code = reader:read()
      assert.is_nil(sample)
      assert.matches("^ring buffer 1 is corrupt at position 4294967296: the producer is further ahead than", message)
      assert.equal(errno.EBADMSG, code)
    end
    assert.equal(0, (reader:available_bytes()))
    assert.is_true(reader:poll(1))
    for _, iterate in ipairs { "available", "samples", "flush_and_close" } do
      local ok, message = pcall(function()
        for _ in reader[iterate](reader) do
          error("read something")
        end
      end)
      assert.is_false(ok)
      assert.matches("is corrupt", message, 1, true)
    end
    assert.is_true(reader:close())
  end)

  local it_once = support.once and it or function() end

  it_once("never makes reading unsafe or endless #host", function()
    local path = support.harness "ring_buf_fuzz"
    local output, status = support.run(path .. " 20000")
    assert.equal("", output)
    assert.equal(0, status)
  end)
end)
