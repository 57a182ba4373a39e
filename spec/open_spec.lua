-- Handles of what this process has open otherwise: by file descriptors.
local ebpf = require "ebpf"
local insn = require "spec.support.insn"
local process = require "spec.support.process"
local support = require "spec.support"

local errno = ebpf.errno
local closing = support.closing

local function new_map(fields)
  local spec = { name = "events", type = "hash", key_size = 4, value_size = 8, max_entries = 16, int64 = "number" }
  for field, value in pairs(fields or {}) do
    spec[field] = value
  end
  return closing(assert(ebpf.new_map(spec)))
end

local function new_program(kind)
  return closing(assert(ebpf.new_program { name = "two", type = kind or "xdp", license = "GPL",
    instructions = insn.returning(2) }))
end

local function refused(message, code, ...)
  assert.same({ nil, message, code }, { ... })
end

local function raises(words, ...)
  local ok, message = pcall(...)
  assert.is_false(ok)
  assert.truthy(tostring(message):find(words, 1, true), message)
end

-- Some fd that is not open.
local function closed_fd()
  local fd = process.inherit(0)
  process.close(fd)
  return fd
end

-- Each way of opening, with what of and what it wants.
local openers = {
  map = { ebpf.map_from_fd, new_map },
  program = { ebpf.program_from_fd, new_program },
  link = { ebpf.link_from_fd, function()
    return closing(assert(ebpf.link.raw_tracepoint { program = new_program "raw_tracepoint", name = "task_rename" }))
  end },
}

describe("a file descriptor", function()
  for kind, pair in pairs(openers) do
    local open, new = pair[1], pair[2]

    it("of a " .. kind .. " opens it once more, and stays the caller's", function()
      local first = new()
      local fd = process.inherit(first:fd())
      local second = closing(assert(open(fd)))
      assert.is_true(second:fd() ~= fd and second:fd() ~= first:fd())
      assert.equal(tostring(first):gsub("#.*", ""), (tostring(second):gsub("#.*", "")))
      assert.equal(first:info().id, second:info().id)
      assert.is_false(second:is_pinned())
      second:close()
      assert.is_truthy(support.fds()[fd])
      local third = closing(assert(open(fd)))
      process.close(fd)
      first:close()
      assert.is_truthy(third:info())
    end)

    it("of something else is no " .. kind, function()
      local start = "open " .. kind .. " from fd "
      for other, others in pairs(openers) do
        if other ~= kind then
          local handle = others[2]()
          local before = support.fds()
          refused(("%s%d: it is a %s, not a %s"):format(start, handle:fd(), other, kind), errno.EINVAL,
            open(handle:fd()))
          assert.same(before, support.fds())
        end
      end
      -- A file with the kernel's word for it in its name.
      local path = support.tmpdir() .. "/bpf-" .. kind
      support.write_file(path, "")
      local file = assert(io.open(path))
      local fd
      for number, target in pairs(support.fds()) do
        fd = target == path and number or fd
      end
      refused(('%s%d: it is no %s, but "%s"'):format(start, fd, kind, path), errno.EINVAL, open(fd))
      file:close()
      fd = closed_fd()
      refused(("%s%d: bad file descriptor (EBADF)"):format(start, fd), errno.EBADF, open(fd))
    end)

    it("of a " .. kind .. " is a number", function()
      raises("integer out of range, 0 to 2147483647 expected", open, -1)
      raises("integer out of range, 0 to 2147483647 expected", open, 2 ^ 31)
      for _, wrong in ipairs { "map", 1.5, {} } do
        raises("integer", open, wrong)
      end
      raises("integer expected", open)
    end)
  end

  it("gives types to a map, and checks it", function()
    local map = new_map()
    assert(map:put(1, 5))
    local fd = map:fd()
    local bytes = closing(assert(ebpf.map_from_fd(fd, { type = "hash", value_size = 8, value = "bytes" })))
    assert.equal("\5\0\0\0\0\0\0\0", bytes:get(1))
    refused('map "events": type is hash instead of array', errno.EINVAL, ebpf.map_from_fd(fd, { type = "array" }))
    raises("unknown map_from_fd option field 'read_only'", ebpf.map_from_fd, fd, { read_only = true })
    raises("table expected", ebpf.map_from_fd, fd, "hash")
    raises("type of the value has 4 bytes", ebpf.map_from_fd, fd, { value = "u32" })
  end)

  it("checks the type of a program", function()
    local program = new_program()
    local fd = program:fd()
    assert.equal("xdp", closing(assert(ebpf.program_from_fd(fd, { type = "xdp" }))):type())
    refused(("open program from fd %d: its type is xdp, not kprobe"):format(fd), errno.EINVAL,
      ebpf.program_from_fd(fd, ebpf.program_abi { type = "kprobe" }))
    raises("kind", ebpf.program_from_fd, fd, { kind = "xdp" })
    assert.equal(2, (closing(assert(ebpf.program_from_fd(fd))):test(("x"):rep(64))))
  end)

  it("may do what it may, and no more", function()
    local map = new_map()
    local reading = closing(assert(ebpf.map_from_id(map:info().id, { read_only = true })))
    local same = closing(assert(ebpf.map_from_fd(reading:fd())))
    assert.is_nil(same:get(1))
    assert.equal(errno.EPERM, select(3, same:put(1, 2)))
  end)

  it("serves a forked child, which has the same ones", function()
    local map = new_map()
    local fd = map:fd()
    local child = process.fork(function()
      return ebpf.map_from_fd(fd):put(7, 8) and 0 or 1
    end)
    assert.equal(0, process.wait(child))
    assert.equal(8, map:get(7))
  end)

  it("collects garbage when files run out, and says so when that does not help", function()
    local map = new_map()
    local fd = map:fd()
    collectgarbage("stop")
    for _ = 1, 3 do
      assert(ebpf.map_from_fd(fd))
    end
    local highest = 0
    for number in pairs(support.fds()) do
      highest = math.max(highest, number)
    end
    local limit = process.limit_files(highest + 1)
    local ok, again = pcall(ebpf.map_from_fd, fd)
    process.limit_files(4)
    local _, none, message, code = pcall(ebpf.map_from_fd, fd)
    process.limit_files(limit)
    collectgarbage("restart")
    assert.is_true(ok)
    assert.is_truthy(again)
    assert.is_nil(none)
    assert.equal(errno.EMFILE, code)
    assert.matches("^open map from fd %d+: .*EMFILE", message)
  end)
end)
