local ebpf = require "ebpf"
local perf = require "spec.support.perf"
local process = require "spec.support.process"
local support = require "spec.support"

local wait = ebpf.wait
local new = perf.new

local function resume(co, ...)
  local ok, result = coroutine.resume(co, ...)
  if not ok then
    error(result, 0)
  end
  return result
end

-- A child that sends a sample after each of `pauses` seconds.
local function later(emit, ...)
  local pauses = { ... }
  return process.fork(function()
    for _, seconds in ipairs(pauses) do
      support.sleep(seconds)
      emit()
    end
    return 0
  end)
end

-- PUC Lua 5.1 cannot yield from within the iterator of a generic for, so loops are written out here.
local function count_samples(reader, waiter, max)
  local step = assert(reader:samples { wait = waiter })
  local n = 0
  while n < max and step() do
    n = n + 1
  end
  return n
end

describe("samples", function()
  it("refuses other waiters than functions, and unknown options", function()
    local reader = new()
    for _, options in ipairs { { wait = 1 }, { wait = {} }, { waiter = print } } do
      assert.is_false((pcall(reader.samples, reader, options)))
    end
    assert.has_error(function()
      reader:samples(1)
    end, "bad argument #1 to 'samples' (table expected, got number)")
  end)

  it("waits by any function, until that says no", function()
    local reader, emit = new()
    emit(2)
    local waits, n = 0, 0
    local function waiter(waiting)
      assert.equal(reader, waiting)
      assert.is_false(reader:dirty())
      waits = waits + 1
      if waits < 3 then
        emit(1)
        return true
      end
    end
    for sample, cpu in reader:samples { wait = waiter } do
      assert.equal(68, #sample)
      assert.equal("number", type(cpu))
      n = n + 1
    end
    assert.equal(3, waits)
    assert.equal(4, n)
    assert.is_false(reader:is_closed())
    local callable = setmetatable({}, { __call = function() end })
    assert.is_nil(reader:samples { wait = callable }())
  end)

  it("ends when the waiter closes the reader", function()
    local reader = new()
    local step = reader:samples { wait = function()
      return reader:close()
    end }
    assert.is_nil(step())
    assert.is_nil(step())
  end)
end)

describe("wait.block", function()
  it("is the default on the main coroutine", function()
    local reader, emit = new()
    -- busted runs a test on the main coroutine, or this test would hang.
    local child = later(emit, 0.05, 0.05)
    local n = 0
    for _ in reader:samples() do
      n = n + 1
      if n == 2 then
        reader:close()
      end
    end
    assert.equal(2, n)
    assert.equal(0, process.wait(child))
    assert.is_false(wait.block(reader))
  end)

  it("can be asked for in a coroutine", function()
    local reader, emit = new()
    local child = later(emit, 0.05)
    local co = coroutine.create(count_samples)
    assert.equal(1, resume(co, reader, wait.block, 1))
    assert.equal("dead", coroutine.status(co))
    assert.equal(0, process.wait(child))
  end)
end)

describe("wait.yield", function()
  it("is the default in a coroutine: samples arrive in it", function()
    local reader, emit = new()
    local got = {}
    local co = coroutine.create(function()
      local step = reader:samples()
      while #got < 3 do
        got[#got + 1] = step()
      end
      return "done"
    end)
    assert.equal(reader, resume(co))
    assert.equal(reader, resume(co)) -- nothing yet
    emit(2)
    assert.equal(reader, resume(co))
    assert.equal(2, #got)
    local child = later(emit, 0.05)
    assert.is_true(reader:poll(5))
    assert.equal("done", resume(co))
    assert.equal(3, #got)
    assert.equal(0, process.wait(child))
  end)

  it("yields from within a loop, on all but PUC Lua 5.1", function()
    if support.lua_name == "lua5.1" then
      return
    end
    local reader, emit = new()
    local n = 0
    local co = coroutine.create(function()
      for sample in reader:samples() do
        assert.equal(68, #sample)
        n = n + 1
      end
    end)
    for _ = 1, 3 do
      assert.equal(reader, resume(co))
      emit(2)
    end
    assert.equal(reader, resume(co))
    assert.equal(6, n)
    reader:close()
    resume(co)
    assert.equal("dead", coroutine.status(co))
  end)

  it("lets the one who resumes end the loop, by false or by closing", function()
    local reader = new()
    local co = coroutine.create(count_samples)
    assert.equal(reader, resume(co, reader, wait.yield, 1))
    assert.equal(0, resume(co, false))
    co = coroutine.create(count_samples)
    assert.equal(reader, resume(co, reader, nil, 1))
    reader:close()
    assert.equal(0, resume(co))
  end)
end)

describe("wait.cqueues", function()
  local cqueues = require "cqueues"

  local function loop(controller)
    assert(controller:loop(10))
    assert.is_true(controller:empty())
  end

  it("is the default in a coroutine of cqueues, and lets others run", function()
    local reader, emit = new()
    local controller = cqueues.new()
    local received, ticks = 0, 0
    controller:wrap(function()
      received = count_samples(reader, nil, 5)
    end)
    controller:wrap(function()
      while received == 0 do
        cqueues.sleep(0.01)
        ticks = ticks + 1
      end
    end)
    local child = later(emit, 0.1, 0, 0, 0.05, 0.05)
    loop(controller)
    assert.equal(5, received)
    assert.is_true(ticks > 3)
    assert.equal(0, process.wait(child))
  end)

  it("ends when another coroutine closes the reader", function()
    for _, close in ipairs { "close", "flush_and_close" } do
      local reader = new()
      local controller = cqueues.new()
      local received
      controller:wrap(function()
        received = count_samples(reader, wait.cqueues, 1)
      end)
      controller:wrap(function()
        cqueues.sleep(0.02)
        reader[close](reader)
      end)
      loop(controller)
      assert.equal(0, received)
      collectgarbage()
    end
  end)

  it("is woken by a flush, also of another process", function()
    local reader = new()
    local controller = cqueues.new()
    local woken = 0
    controller:wrap(function()
      for _ = 1, 2 do
        assert(wait.cqueues(reader))
        woken = woken + 1
        assert(reader:read() == nil)
      end
    end)
    local child = process.fork(function()
      support.sleep(0.05)
      reader:flush()
      return 0
    end)
    controller:wrap(function()
      while woken < 1 do
        cqueues.sleep(0.01)
      end
      cqueues.sleep(0.02)
      assert(woken == 1) -- a flush wakes once
      reader:flush()
    end)
    loop(controller)
    assert.equal(2, woken)
    assert.equal(0, process.wait(child))
  end)

  it("tells of wakeup_events and watermark on the bare fd", function()
    local function check(options, few, enough)
      local reader, emit = new(options)
      local controller = cqueues.new()
      local before, after
      controller:wrap(function()
        local bare = { pollfd = reader:fd(), events = "r" }
        if few > 0 then
          emit(few)
        end
        before = cqueues.poll(bare, 0.03) == bare
        emit(enough - few)
        after = cqueues.poll(bare, 1) == bare
      end)
      process.pin(support.online_cpus()[1])
      loop(controller)
      process.pin()
      assert.is_false(before)
      assert.is_true(after)
      local n = 0
      for _ in reader:available() do
        n = n + 1
      end
      assert.equal(enough, n)
    end
    check({ wakeup_events = 10 }, 9, 10)
    check({ watermark = 800 }, 10, 11) -- 80 bytes each; more than the watermark must be there
    check({}, 0, 1)
  end)
end)

describe("wait.luv", function()
  -- In a child: what libuv opens for its loop stays open for as long as the process lives.
  local function it_in_child(name, test)
    it(name, function()
      local child = process.fork(function()
        test(require "luv")
        return 0
      end)
      assert.equal(0, process.wait(child))
    end)
  end

  -- Runs the loop until nothing is left in it; fails when that takes long.
  local function run(uv)
    local late
    local timer = uv.new_timer()
    timer:start(10000, 0, function()
      late = true
      uv.stop()
    end)
    timer:unref()
    uv.run()
    timer:close()
    uv.run()
    assert.is_nil(late)
  end

  it_in_child("waits in the loop, which goes on meanwhile", function(uv)
    local reader, emit = new()
    local received, ticks = 0, 0
    local co = coroutine.create(function()
      received = count_samples(reader, wait.luv, 5)
    end)
    resume(co)
    local timer = uv.new_timer()
    timer:start(10, 10, function()
      ticks = ticks + 1
      if received > 0 then
        timer:close()
      end
    end)
    local child = later(emit, 0.1, 0, 0, 0.05, 0.05)
    run(uv)
    assert.equal(5, received)
    assert.is_true(ticks > 3)
    assert.equal(0, process.wait(child))
  end)

  it_in_child("is the default where the loop runs the coroutine", function(uv)
    local reader, emit = new()
    local received
    local timer = uv.new_timer()
    timer:start(1, 0, function()
      timer:close()
      resume(coroutine.create(function()
        received = count_samples(reader, nil, 2)
      end))
    end)
    local child = later(emit, 0.02, 0.02)
    run(uv)
    assert.equal(2, received)
    assert.equal(0, process.wait(child))
  end)

  it_in_child("ends when somebody else closes the reader", function(uv)
    local reader = new()
    local received
    resume(coroutine.create(function()
      received = count_samples(reader, wait.luv, 1)
    end))
    local timer = uv.new_timer()
    timer:start(20, 0, function()
      timer:close()
      reader:close()
      assert.is_nil(received) -- not from within close()
    end)
    run(uv)
    assert.equal(0, received)
  end)

  it_in_child("does not sleep over samples that are there", function(uv)
    local reader, emit = new { wakeup_events = 100 }
    local woken
    emit()
    resume(coroutine.create(function()
      woken = wait.luv(reader)
    end))
    run(uv)
    assert.is_true(woken)
  end)

  it_in_child("works by hand: a poll handle on the fd, all read at each call", function(uv)
    local reader, emit = new()
    local handle = assert(uv.new_poll(reader:fd()))
    local n = 0
    handle:start("r", function(problem)
      assert.is_nil(problem)
      for _ in reader:available() do
        n = n + 1
      end
      if n == 30 then
        handle:close()
      end
    end)
    local child = process.fork(function()
      for _ = 1, 30 do
        support.sleep(0.002)
        emit()
      end
      return 0
    end)
    run(uv)
    assert.equal(30, n)
    assert.equal(0, process.wait(child))
  end)

  it("cannot wait outside of a coroutine", function()
    local reader = new()
    assert.has_error(function()
      wait.luv(reader)
    end, "ebpf.wait.luv must be used in a coroutine")
  end)
end)
