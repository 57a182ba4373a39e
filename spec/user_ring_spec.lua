local ebpf = require "ebpf"
local perf = require "spec.support.perf"
local process = require "spec.support.process"
local support = require "spec.support"

local errno = ebpf.errno
local cpus = support.online_cpus()
local count_fds = perf.count_fds

local function load()
  local spec = assert(ebpf.load_spec(support.fixture("user_ring")))
  return support.closing(assert(support.granted("6.1", "user_ringbuf", ebpf.load(spec)))), spec
end

-- A producer, and a function that lets a program drain: it returns how many samples that were.
local function new(options)
  local coll, spec = load()
  local given = { own = false }
  for name, value in pairs(options or {}) do
    given[name] = value == "command" and assert(ebpf.type("struct command", spec)) or value
  end
  local ring = support.closing(assert(ebpf.new_user_ring(coll.maps.commands, given)))
  return ring, function()
    return coll.programs.drain:run({ data = perf.packet }).retval
  end, coll
end

describe("new_user_ring", function()
  it("refuses what makes no sense", function()
    local _, _, coll = new()
    local map = coll.maps.commands
    assert.is_false((pcall(ebpf.new_user_ring, map, { size = 1 })))
    assert.is_false((pcall(ebpf.new_user_ring, map, { type = "u33" })))
    assert.is_false((pcall(ebpf.new_user_ring, map, { own = 1 })))
    assert.is_false((pcall(ebpf.new_user_ring, {})))
    local ringbuf = support.closing(assert(ebpf.new_map { type = "ringbuf", max_entries = 4096 }))
    local ok, message = pcall(ebpf.new_user_ring, ringbuf)
    assert.is_false(ok)
    assert.matches("user_ringbuf expected, got ringbuf", message, 1, true)
    local closed = coll:take_map("commands")
    closed:close()
    assert.same({ nil, "map is closed", errno.EBADF }, { ebpf.new_user_ring(closed) })
  end)

  it("collects garbage when files run out", function()
    local _, _, coll = new()
    collectgarbage("stop") -- so that nothing is collected before
    for _ = 1, 3 do
      assert(ebpf.new_user_ring(coll.maps.commands, { own = false }))
    end
    local limit = process.limit_files(count_fds() + 2)
    local ok, ring = pcall(ebpf.new_user_ring, coll.maps.commands, { own = false })
    process.limit_files(4)
    local _, none, message, code = pcall(ebpf.new_user_ring, coll.maps.commands, { own = false })
    process.limit_files(limit)
    collectgarbage("restart")
    assert.is_true(ok)
    assert.is_truthy(ring)
    assert.is_nil(none)
    assert.equal(errno.EMFILE, code)
    assert.matches("^create user ring: ", message)
  end)
end)

describe("a user ring", function()
  it("sends samples of its type", function()
    local ring, drain, coll = new { type = "command" }
    assert.equal(4096, ring:buffer_size())
    assert.is_true(ring:send { number = 5, name = "five" })
    assert.is_true(ring:send { number = 7, name = "seven" })
    assert.equal(4096 - 2 * 24, ring:free_bytes())
    assert.equal(2, drain())
    assert.equal(12, tonumber(coll.variables.sum:get()))
    assert.equal("seven", coll.variables.last_name:get())
    assert.equal(4096, ring:free_bytes())
    assert.is_false((pcall(ring.send, ring, { size = 1 })))
    assert.is_false((pcall(ring.send, ring, 7)))
    assert.equal(4096, ring:free_bytes())
  end)

  it("sends strings of any size", function()
    local ring, drain, coll = new()
    for size = 0, 200 do
      assert.is_true(ring:send(("x"):rep(size)))
      if size % 10 == 0 then
        drain()
      end
    end
    assert.equal(201, tonumber(coll.variables.samples:get()))
    assert.is_false((pcall(ring.send, ring)))
    assert.is_false((pcall(ring.send, ring, 5)))
  end)

  it("says when there is no room, and when there never is", function()
    local ring, drain = new { type = "command" }
    local n = 0
    local ok, message, code
    repeat
      ok, message, code = ring:send { number = 1 }
      n = n + (ok and 1 or 0)
    until not ok
    assert.equal(170, n) -- 4096 / 24
    assert.equal(errno.ENOSPC, code)
    assert.equal("user ring buffer is full: 16 bytes are free, 24 needed", message)
    assert.equal(errno.ENOSPC, (select(3, ring:reserve())))
    assert.equal(170, drain())
    assert.is_true(ring:send { number = 1 })
    local strings
    strings, drain = new()
    assert.equal(errno.E2BIG, (select(3, strings:send(("x"):rep(4089)))))
    assert.is_true(strings:send(("x"):rep(4088)))
    assert.equal(errno.E2BIG, (select(3, strings:reserve(5000))))
    assert.equal(1, drain())
  end)

  it("reserves, then submits or discards", function()
    local ring, drain, coll = new { type = "command" }
    local first = assert(ring:reserve())
    local second = assert(ring:reserve())
    local third = assert(ring:reserve(16))
    assert.is_true(third:submit { number = 3 })
    assert.equal(0, drain()) -- nothing behind one that is reserved
    assert.is_true(first:submit { number = 1 })
    assert.equal(1, drain())
    assert.is_true(second:discard())
    assert.is_true(second:discard())
    assert.equal(1, drain())
    assert.equal(4, tonumber(coll.variables.sum:get()))
    assert.same({ nil, "reservation has ended", errno.EBADF }, { first:submit { number = 1 } })
    assert.same({ nil, "reservation has ended", errno.EBADF }, { second:submit { number = 1 } })
    assert.is_true(first:discard())
    assert.is_false((pcall(ring.reserve, ring, 8)))
    local fourth = assert(ring:reserve())
    assert.is_false((pcall(fourth.submit, fourth, { nothing = 1 })))
    assert.is_true(fourth:submit { number = 4 }) -- the error did not cost it
    assert.equal(1, drain())
  end)

  it("reserves strings of a size", function()
    local ring, drain, coll = new()
    assert.is_false((pcall(ring.reserve, ring)))
    assert.is_false((pcall(ring.reserve, ring, -1)))
    local slot = assert(ring:reserve(16))
    local ok, message = pcall(slot.submit, slot, "short")
    assert.is_false(ok)
    assert.matches("sample has 5 bytes, 16 are reserved", message, 1, true)
    assert.is_true(slot:submit("\9\0\0\0\0\0\0\0abcdefgh"))
    assert.equal(1, drain())
    assert.equal(9, tonumber(coll.variables.sum:get()))
  end)

  it("discards what is collected, or left reserved", function()
    local ring, drain, coll = new { type = "command" }
    ring:reserve()
    collectgarbage()
    collectgarbage()
    assert.is_true(ring:send { number = 1 })
    assert.equal(1, drain())
    local slot = assert(ring:reserve())
    assert.is_true(ring:send { number = 1 })
    assert.equal(0, drain())
    ring:close()
    assert.equal(1, drain())
    assert.same({ nil, "user ring is closed", errno.EBADF }, { slot:submit { number = 1 } })
    assert.is_true(slot:discard())
    local other = support.closing(assert(ebpf.new_user_ring(coll.maps.commands, { own = false })))
    other:close()
    assert.equal(0, drain())
  end)

  it("leaves alone what another process has reserved", function()
    local ring, drain, coll = new { type = "command" }
    local slot = assert(ring:reserve())
    local child = process.fork(function()
      local _, message = slot:submit { number = 1 }
      assert(message == "reservation has ended")
      slot:discard()
      ring:close()
      assert(ebpf.new_user_ring(coll.maps.commands, { own = false })):close()
      return 0
    end)
    assert.equal(0, process.wait(child))
    assert.is_true(slot:submit { number = 6 })
    assert.equal(1, drain())
    assert.equal(6, tonumber(coll.variables.sum:get()))
  end)

  it("sends from a forked child", function()
    local ring, drain = new { type = "command" }
    assert.is_true(ring:send { number = 1 })
    local child = process.fork(function()
      assert(ring:send { number = 2 })
      return 0
    end)
    assert.equal(0, process.wait(child))
    assert.is_true(ring:send { number = 3 })
    assert.equal(3, drain())
  end)

  local function fill(ring)
    while ring:send { number = 1 } do -- luacheck: ignore 542
    end
  end

  it("waits for room", function()
    local ring, drain, coll = new { type = "command" }
    fill(ring)
    local ok, message, code = ring:send_wait({ number = 1 }, 0.05)
    assert.same({ nil, "user ring is still full: timed out", errno.ETIMEDOUT }, { ok, message, code })
    assert.equal(errno.ETIMEDOUT, (select(3, ring:reserve_wait(0))))
    local clock = os.clock()
    assert.is_nil((ring:send_wait({ number = 1 }, 0.2)))
    assert.is_true(os.clock() - clock < 0.1) -- it slept
    local child = process.fork(function()
      support.sleep(0.1)
      coll.programs.drain:run { data = perf.packet }
      return 0
    end)
    assert.is_true(ring:send_wait { number = 1 })
    assert.equal(0, process.wait(child))
    fill(ring)
    child = process.fork(function()
      support.sleep(0.1)
      coll.programs.drain:run { data = perf.packet }
      return 0
    end)
    local slot = assert(ring:reserve_wait(10))
    assert.equal(0, process.wait(child))
    assert.is_true(slot:submit { number = 1 })
    assert.is_true(drain() > 0)
    assert.is_false((pcall(ring.send_wait, ring, { number = 1 }, -1)))
  end)

  it("tells event loops, by edge and by level, when programs have drained", function()
    local ring, drain = new { type = "command" }
    assert.equal(ring:fd(), ring:pollfd())
    assert.equal(ring:fd(), ring:getfd())
    assert.equal("r", ring:events())
    local edge = process.watch_edges(ring:fd())
    process.wait_edge(edge, 0)
    for _ = 1, 3 do
      fill(ring)
      assert.is_false(ring:poll(0.01))
      process.wait_edge(edge, 0)
      local level = process.watch_edges(ring:fd())
      assert.is_false(process.wait_edge(level, 0))
      process.close(level)
      assert.is_true(drain() > 0)
      assert.is_true(process.wait_edge(edge, 5))
      assert.is_true(ring:poll(5))
      assert.is_true(ring:send { number = 1 })
    end
    process.close(edge)
  end)

  it("loses nothing while a program on another CPU drains", function()
    local ring, drain, coll = new { type = "command" }
    local total = 100000
    local child = process.fork(function()
      process.pin(cpus[#cpus])
      local n = 0
      while n < total do
        n = n + coll.programs.drain:run({ data = perf.packet }).retval
      end
      return 0
    end)
    for _ = 1, total do
      assert(ring:send_wait({ number = 3 }, 30))
    end
    assert.equal(0, process.wait(child))
    assert.equal(0, drain())
    assert.equal(3 * total, tonumber(coll.variables.sum:get()))
  end)

  it("answers EBADF when it is closed, and owns its map", function()
    local coll = load()
    local map = coll:take_map("commands")
    local ring = assert(ebpf.new_user_ring(map))
    assert.matches("^user ring #%d+$", tostring(ring))
    assert.is_false(ring:is_closed())
    assert.is_true(ring:close())
    assert.is_true(ring:close())
    assert.is_true(map:is_closed())
    assert.is_true(ring:is_closed())
    assert.equal("user ring (closed)", tostring(ring))
    for _, name in ipairs { "send", "send_wait", "reserve", "reserve_wait", "poll", "fd", "pollfd", "getfd", "events",
      "free_bytes", "buffer_size" } do
      assert.same({ nil, "user ring is closed", errno.EBADF }, { ring[name](ring) })
      assert.is_false((pcall(ring[name], {})))
      assert.is_false((pcall(ring[name], io.stdout)))
    end
  end)

  it("may be closed by what encodes a sample", function()
    local ring
    local closing = { size = 16, decode = print, encode = function()
      ring:close()
      return ("x"):rep(16)
    end }
    ring = new { type = closing }
    assert.equal(errno.EBADF, (select(3, ring:send(1))))
    ring = new { type = closing }
    local slot = assert(ring:reserve())
    assert.equal(errno.EBADF, (select(3, slot:submit(1))))
  end)
end)
