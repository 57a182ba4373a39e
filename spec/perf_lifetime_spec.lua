local ebpf = require "ebpf"
local perf = require "spec.support.perf"
local process = require "spec.support.process"
local support = require "spec.support"

local errno = ebpf.errno
local cpus = support.online_cpus()
local load = perf.load
local new = perf.new
local number_at = perf.number_at
local drain = perf.drain
local count_fds = perf.count_fds
local packet = perf.packet

describe("closing a perf reader", function()
  it("closes the map that it owns", function()
    local map = load():take_map("events")
    local reader = assert(ebpf.new_perf_reader(map))
    assert.is_false(map:is_closed())
    reader:close()
    assert.is_true(map:is_closed())
  end)

  it("leaves the map that it does not own, without its buffers", function()
    local coll = load()
    local map = coll.maps.events
    local function emit()
      return coll.programs.emit_packet:run({ data = packet }).retval
    end
    assert.equal(errno.ENOENT, emit())
    local first = assert(ebpf.new_perf_reader(map, { own = false }))
    assert.equal(0, emit())
    first:close()
    assert.is_false(map:is_closed())
    assert.equal(errno.ENOENT, emit())
    local second = assert(ebpf.new_perf_reader(map, { own = false }))
    local third = assert(ebpf.new_perf_reader(map, { own = false }))
    second:close() -- must not take away what replaced its buffers
    assert.equal(0, emit())
    assert.equal(1, drain(third))
    third:close()
  end)

  it("reads on when somebody else closes the map", function()
    local coll = load()
    local map = coll:take_map("events")
    local reader = support.closing(assert(ebpf.new_perf_reader(map)))
    map:close()
    coll.programs.emit_numbered:run { data = packet }
    assert.equal(1, drain(reader))
  end)

  it("ends loops", function()
    local reader, emit = new()
    emit(10)
    local n = 0
    for _ in reader:available() do
      n = n + 1
      reader:close()
    end
    assert.equal(1, n)
    reader, emit = new()
    emit(10)
    n = 0
    for _ in reader:samples() do
      n = n + 1
      if n == 10 then
        reader:close()
      end
    end
    assert.equal(10, n)
  end)

  it("may happen in a finalizer, within any allocation", function()
    local pause = collectgarbage("setpause", 50)
    for trigger = 1, 60 do
      local reader, emit = new { per_cpu_buffer = 1 }
      emit(40)
      local n, closed = 0, false
      local function close()
        reader:close()
        closed = true
      end
      for sample in reader:available() do
        assert.equal(68, #sample)
        n = n + 1
        if n == trigger then
          support.finalizing(close)
          collectgarbage("step", 0)
        end
      end
      assert.is_true(n == 40 or closed)
    end
    collectgarbage("setpause", pause)
  end)

  it("and reading in a finalizer deliver no sample twice", function()
    local reader, emit = new()
    local seen = {}
    local function see(sample)
      local n = number_at(sample, 0, 8)
      assert(not seen[n], "seen twice")
      seen[n] = true
    end
    process.pin(cpus[1])
    emit(400)
    process.pin()
    local function read()
      local sample = reader:read()
      if sample then
        see(sample)
      end
    end
    for sample in reader:available() do
      see(sample)
      support.finalizing(read)
    end
    collectgarbage()
    for n = 1, 400 do
      assert.is_true(seen[n])
    end
  end)

  it("happens by itself when it is collected", function()
    local coll = load()
    local before = count_fds()
    for _ = 1, 20 do
      local reader = assert(ebpf.new_perf_reader(coll.maps.events, { own = false }))
      coll.programs.emit_numbered:run { data = packet }
      assert.is_string((reader:available()()))
    end
    collectgarbage()
    collectgarbage()
    assert.equal(before, count_fds())
  end)
end)

describe("flush_and_close", function()
  it("gives what was left, and what comes later to nobody", function()
    local reader, emit = new()
    local map_open = count_fds()
    emit(5)
    local n = 0
    for sample, cpu in reader:flush_and_close() do
      n = n + 1
      assert.equal(n, number_at(sample, 0, 8))
      assert.equal("number", type(cpu))
      assert.is_true(reader:is_closed())
      emit()
    end
    assert.equal(5, n)
    assert.is_true(count_fds() < map_open)
    assert.is_nil((reader:flush_and_close()))
    assert.is_true(reader:close())
  end)

  it("frees everything when its loop is left", function()
    local reader, emit, coll = new()
    emit(5)
    local before = count_fds()
    for _ in reader:flush_and_close() do -- luacheck: ignore 512
      break
    end
    if _VERSION ~= "Lua 5.4" then
      collectgarbage()
    end
    assert.is_true(count_fds() < before)
    assert.equal(errno.ENOENT, coll.programs.emit_packet:run({ data = packet }).retval)
    reader = new()
    before = count_fds()
    reader:flush_and_close()
    collectgarbage()
    collectgarbage()
    assert.is_true(count_fds() < before)
  end)

  it("decodes by the type, and ends a step that was begun", function()
    local reader, emit = new { type = "u32" }
    emit(3)
    local step = reader:available()
    assert.equal(1, (step()))
    local rest = reader:flush_and_close()
    assert.is_nil(step())
    assert.equal(2, (rest()))
    assert.equal(3, (rest()))
    assert.is_nil(rest())
    assert.is_nil(rest())
  end)
end)

describe("after a fork", function()
  it("the child reads on where the parent stopped", function()
    local reader, emit = new { per_cpu_buffer = 4096 }
    process.pin(cpus[1])
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
      local batch, got = reader:read_batch(100)
      assert(got == 20 and number_at(batch[20], 0, 8) == 30)
      -- What the kernel maps now may lie where the parent's buffers were; closing must not unmap that.
      local others = {}
      for i = 1, 8 do
        others[i] = { new { per_cpu_buffer = 4096 } }
      end
      reader:close()
      for i = 1, 8 do
        others[i][2](1)
        assert(drain(others[i][1]) == 1)
      end
      return 7
    end)
    assert.equal(7, process.wait(child))
    process.pin()
  end)

  it("the child may collect what the parent reads", function()
    local reader, emit = new()
    emit(1)
    local child = process.fork(function()
      reader = nil
      collectgarbage()
      collectgarbage()
      return 0
    end)
    assert.equal(0, process.wait(child))
    emit(1)
    assert.equal(2, drain(reader))
    assert.is_false(reader:poll(0.01))
    emit(1)
    assert.is_true(reader:poll(5))
    assert.equal(1, drain(reader))
  end)

  it("the child may read when nobody has the buffers mapped", function()
    local reader, emit = new()
    local closed = support.tmpdir() .. "/closed"
    process.pin(cpus[1])
    emit(100)
    assert.is_string((reader:read()))
    local child = process.fork(function()
      assert(support.wait_until(function()
        return support.exists(closed)
      end))
      assert(drain(reader) == 0) -- the kernel makes new buffers
      emit(3)
      assert(drain(reader) == 3)
      emit(200)
      assert(reader:poll(5))
      assert(drain(reader) == 200)
      return 5
    end)
    reader:close()
    support.write_file(closed, "")
    assert.equal(5, process.wait(child))
    process.pin()
  end)

  it("both sides' overwritable buffers read well", function()
    local reader, emit = new { overwritable = true, per_cpu_buffer = 4096 }
    process.pin(cpus[1])
    emit(3)
    local child = process.fork(function()
      reader:pause()
      return drain(reader)
    end)
    assert.equal(3, process.wait(child))
    process.pin()
  end)
end)

