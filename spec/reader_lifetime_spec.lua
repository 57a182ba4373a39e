local ebpf = require "ebpf"
local perf = require "spec.support.perf"
local process = require "spec.support.process"
local ring = require "spec.support.ring"
local support = require "spec.support"

local errno = ebpf.errno
local cpus = support.online_cpus()
local drain = perf.drain
local number_at = perf.number_at
local count_fds = perf.count_fds
local packet = ring.packet
local new = ring.new

-- What reads events one after the other: each takes a reader and gives a step, which returns nil at the end.
local ways = {
  available = function(reader)
    return reader:available()
  end,
  fields = function(reader)
    return reader:available("number", "cpu")
  end,
  ["fields that allocate"] = function(reader)
    return reader:available("comm", "key", "number")
  end,
  read = function(reader)
    return function()
      return (reader:read())
    end
  end,
  samples = function(reader)
    return reader:samples { wait = function() return false end }
  end,
}

local kinds = {
  ring = function(options)
    local given = { type = "event", int64 = "number" }
    for name, value in pairs(options or {}) do
      given[name] = value
    end
    return new(given)
  end,
  perf = function(options)
    return ring.new_perf(options or { int64 = "number" })
  end,
}

for kind, make in pairs(kinds) do
  describe("from inside the loop that reads it, a " .. kind .. " reader", function()
    for way, start in pairs(ways) do
      it("may be closed: " .. way, function()
        local reader, emit = make()
        emit(50)
        local n = 0
        for _ in start(reader) do
          n = n + 1
          if n == 10 then
            reader:close()
          end
        end
        assert.equal(10, n)
        assert.is_true(reader:is_closed())
      end)

      it("may be closed by a coroutine: " .. way, function()
        local reader, emit = make()
        emit(50)
        local closer = coroutine.wrap(function()
          for _ = 1, 4 do
            coroutine.yield()
          end
          reader:close()
        end)
        local n = 0
        for _ in start(reader) do
          n = n + 1
          closer()
        end
        assert.equal(5, n)
      end)

      it("may be read and closed in coroutines: " .. way, function()
        local reader, emit = make()
        emit(50)
        local step = start(reader)
        local co = coroutine.wrap(function()
          while step() do
            coroutine.yield(true)
          end
          return false
        end)
        assert.is_true(co())
        assert.is_true(co())
        reader:close()
        assert.is_false(co())
      end)

      it("may be closed by a finalizer, within any allocation: " .. way, function()
        local pause = collectgarbage("setpause", 50)
        for trigger = 1, 40, 3 do
          local reader, emit = make()
          emit(50)
          local n, closed = 0, false
          for _ in start(reader) do
            n = n + 1
            if n == trigger then
              support.finalizing(function()
                reader:close()
                closed = true
              end)
              collectgarbage("step", 0)
            end
          end
          assert.is_true(n == 50 or closed)
        end
        collectgarbage("setpause", pause)
      end)

      it("may lose its collection, its map and its reference: " .. way, function()
        local step = (function()
          local reader, emit, coll = make()
          emit(50)
          coll:close()
          return start(reader)
        end)()
        local n = 0
        while step() do
          n = n + 1
          if n % 10 == 0 then
            collectgarbage()
          end
        end
        assert.equal(50, n)
      end)
    end

    it("may be closed by its waiter", function()
      local reader, emit = make()
      emit(3)
      local n, waits = 0, 0
      local function waiter(r)
        waits = waits + 1
        if waits == 3 then
          r:close()
          return true
        end
        emit(1)
        return true
      end
      for _ in reader:samples { wait = waiter } do
        n = n + 1
      end
      assert.same({ 5, 3 }, { n, waits })
    end)

    it("may be emptied by another loop", function()
      local reader, emit = make()
      emit(50)
      local n = 0
      for _ in reader:available() do
        n = n + 1
        if n == 10 then
          n = n + drain(reader)
        end
      end
      assert.equal(50, n)
    end)

    it("may be emptied by flush_and_close()", function()
      local reader, emit = make()
      emit(50)
      local n = 0
      for _ in reader:available("number") do
        n = n + 1
        if n == 10 then
          for _ in reader:flush_and_close() do
            n = n + 1
          end
        end
      end
      assert.equal(50, n)
    end)
  end)
end

describe("a link, from inside the loop that reads what its program sends,", function()
  it("may be closed", function()
    local spec = ring.spec()
    local coll = support.closing(assert(ebpf.load(spec)))
    local reader = support.closing(assert(ebpf.new_ring_reader(coll.maps.events, { own = false })))
    local link = assert(coll.programs.emit_traced:attach())
    os.execute(":")
    local n = 0
    for _ in reader:samples { wait = function() return false end } do
      n = n + 1
      if n == 1 then
        link:close()
        coll.maps.events:close()
        coll.programs.emit_traced:close()
      end
    end
    assert.is_true(n >= 1)
    os.execute(":")
    assert.is_nil((reader:read()))
  end)
end)

local methods = { "read", "read_batch", "available", "samples", "poll", "fd", "pollfd", "getfd", "events", "timeout",
  "dirty", "buffer_size", "flush", "flush_and_close" }
local own_methods = { ring = { "available_bytes", "discarded_samples" }, perf = { "lost_samples", "pause", "resume" } }

for kind, make in pairs { ring = ring.new, perf = perf.new } do
  local function each_method(visit)
    for _, names in ipairs { methods, own_methods[kind] } do
      for _, name in ipairs(names) do
        visit(name)
      end
    end
  end

  describe("a closed " .. kind .. " reader", function()
    it("answers EBADF to every method, also when the fd is in use again", function()
      local reader = make()
      assert.matches("^" .. kind .. " reader #%d+$", tostring(reader))
      assert.is_false(reader:is_closed())
      assert.is_true(reader:close())
      assert.is_true(reader:close())
      assert.is_true(reader:is_closed())
      assert.equal(kind .. " reader (closed)", tostring(reader))
      local other, emit = make()
      each_method(function(name)
        local result, message, code = reader[name](reader, name == "read_batch" and 1 or nil)
        assert.is_nil(result)
        assert.equal(kind .. " reader is closed", message)
        assert.equal(errno.EBADF, code)
      end)
      assert.is_true(reader:close())
      emit()
      assert.is_string((other:read()))
    end)
  end)

  it("the methods of a " .. kind .. " reader refuse other values", function()
    local reader = make()
    local other = (kind == "ring" and perf or ring).new()
    each_method(function(name)
      assert.is_false((pcall(reader[name], {})))
      assert.is_false((pcall(reader[name], io.stdout)))
      if name ~= "samples" then -- which is Lua, and the same for both
        assert.is_false((pcall(reader[name], other)))
      end
    end)
  end)
end

describe("closing a ring reader", function()
  it("closes the maps that it owns, and no others", function()
    local spec = ring.spec()
    local coll = support.closing(assert(ebpf.load(spec)))
    local first, second = coll:take_map("events"), coll:take_map("others")
    local reader = assert(ebpf.new_ring_reader({ first, second }, { own = false }))
    reader:close()
    assert.is_false(first:is_closed())
    reader = assert(ebpf.new_ring_reader { first, second })
    reader:close()
    assert.is_true(first:is_closed())
    assert.is_true(second:is_closed())
  end)

  it("reads on when somebody else closes the map", function()
    local coll = support.closing(assert(ebpf.load((ring.spec()))))
    local map = coll:take_map("events")
    local reader = support.closing(assert(ebpf.new_ring_reader(map)))
    map:close()
    coll.programs.emit_event:run { data = packet }
    assert.is_true(reader:poll(5))
    assert.equal(1, drain(reader))
  end)

  it("leaves what is unread to the next reader", function()
    local coll = support.closing(assert(ebpf.load((ring.spec()))))
    local reader = assert(ebpf.new_ring_reader(coll.maps.events, { own = false }))
    coll.programs.emit_event:run { data = packet, times = 5 }
    assert.equal(1, number_at(reader:read(), 0, 8))
    reader:close()
    reader = support.closing(assert(ebpf.new_ring_reader(coll.maps.events, { own = false })))
    assert.is_true(reader:poll(5))
    assert.equal(2, number_at(reader:read(), 0, 8))
  end)

  it("happens by itself when it is collected", function()
    local coll = support.closing(assert(ebpf.load((ring.spec()))))
    local before = count_fds()
    for _ = 1, 20 do
      local reader = assert(ebpf.new_ring_reader(coll.maps.events, { own = false }))
      coll.programs.emit_event:run { data = packet }
      assert.is_string((reader:available()()))
    end
    collectgarbage()
    collectgarbage()
    assert.equal(before, count_fds())
  end)
end)

describe("flush_and_close of a ring reader", function()
  it("gives what was left, and what comes later to the next reader", function()
    local coll = support.closing(assert(ebpf.load((ring.spec()))))
    local reader = assert(ebpf.new_ring_reader(coll.maps.events, { own = false }))
    coll.programs.emit_event:run { data = packet, times = 5 }
    local n = 0
    for sample in reader:flush_and_close() do
      n = n + 1
      assert.equal(n, number_at(sample, 0, 8))
      assert.is_true(reader:is_closed())
      coll.programs.emit_event:run { data = packet }
    end
    assert.equal(5, n)
    assert.is_nil((reader:flush_and_close()))
    assert.is_true(reader:close())
    reader = support.closing(assert(ebpf.new_ring_reader(coll.maps.events, { own = false })))
    assert.equal(5, drain(reader))
  end)

  it("frees everything when its loop is left", function()
    local reader, emit = new()
    emit(5)
    local before = count_fds()
    for _ in reader:flush_and_close() do -- luacheck: ignore 512
      break
    end
    if _VERSION ~= "Lua 5.4" then
      collectgarbage()
    end
    assert.is_true(count_fds() < before)
  end)
end)

describe("after a fork, a ring reader", function()
  it("goes on in the child where the parent stopped", function()
    local reader, emit = new({}, 4096)
    emit(10)
    for n = 1, 3 do
      assert.equal(n, number_at(reader:read(), 0, 8))
    end
    local child = process.fork(function()
      local n = 3
      for sample in reader:available() do
        n = n + 1
        assert(number_at(sample, 0, 8) == n, "out of order")
      end
      assert(n == 10)
      emit(20)
      assert(reader:poll(5))
      assert(drain(reader) == 20)
      reader:close()
      return 7
    end)
    assert.equal(7, process.wait(child))
  end)

  it("finds gone what the child has read", function()
    local reader, emit = new()
    emit(10)
    assert.equal(10, drain(reader))
    local child = process.fork(function()
      emit(20)
      return drain(reader)
    end)
    assert.equal(20, process.wait(child))
    emit(2)
    assert.is_true(reader:poll(5))
    assert.equal(31, number_at(reader:read(), 0, 8))
    assert.equal(1, drain(reader))
  end)

  it("is left alone by a child that only closes it", function()
    local reader, emit = new()
    emit(10)
    assert.is_string((reader:read()))
    local child = process.fork(function()
      reader:close()
      collectgarbage()
      return 0
    end)
    assert.equal(0, process.wait(child))
    emit(1)
    assert.equal(10, drain(reader))
    assert.is_false(reader:poll(0.01))
    emit(1)
    assert.is_true(reader:poll(5))
  end)

  it("goes on in the middle of a loop", function()
    local reader, emit = kinds.ring()
    emit(10)
    local step = reader:available("number")
    assert.equal(1, (step()))
    local child = process.fork(function()
      assert(step() == 2)
      return 3
    end)
    assert.equal(3, process.wait(child))
    assert.equal(2, (step()))
  end)
end)

describe("a ring buffer under edge-triggered epoll", function()
  it("leaves no record unread, and loses none without the producer knowing", function()
    -- The number to be sure of is 20 000 000: EBPF_RECORDS=20000000 make test SPECS=spec/reader_lifetime_spec.lua
    local total = tonumber(os.getenv("EBPF_RECORDS")) or 500000
    local reader, _, coll = new({ type = "event", int64 = "number" }, 8 * 1024 * 1024)
    local child = process.fork(function()
      process.pin(cpus[#cpus])
      for i = 1, total / 100 do
        coll.programs.emit_event:run { data = packet, times = 100 }
        if i % 1000 == 0 then
          support.sleep(0.0001)
        end
      end
      return 0
    end)
    process.pin(cpus[1])
    local edge = process.watch_edges(reader:fd())
    local refused, sent = coll.variables.refused, coll.variables.sent
    local received, last, waits = 0, 0, 0
    local function read()
      for number in reader:available("number") do
        if number <= last then
          error(("%d after %d"):format(number, last))
        end
        last = number
        received = received + 1
      end
    end
    read()
    -- Each wait ends by a new edge, for the one before was answered by reading to the end.
    while received + tonumber(refused:get()) < total and process.wait_edge(edge, 10) do
      waits = waits + 1
      read()
    end
    process.pin()
    process.close(edge)
    assert.equal(0, process.wait(child))
    assert.equal(total, tonumber(sent:get()))
    assert.equal(total, received + tonumber(refused:get()))
    assert.is_true(waits > 0)
    assert.is_false(reader:dirty())
    assert.equal(0, (reader:available_bytes()))
  end)
end)
