-- Arrays mapped into memory, on the real kernel.
local ebpf = require "ebpf"
local process = require "spec.support.process"
local support = require "spec.support"

local errno = ebpf.errno

local MMAPABLE, RDONLY_PROG = 1024, 128

local function new_map(fields)
  local spec = { name = "numbers", type = "array", key_size = 4, value_size = 4, max_entries = 10, flags = MMAPABLE }
  for field, value in pairs(fields or {}) do
    spec[field] = value
  end
  return support.closing(assert(ebpf.new_map(spec)))
end

local function new(fields)
  local map = new_map(fields)
  return support.closing(assert(map:memory())), map
end

local function same64(expected, value)
  assert.equal(expected, (tostring(value):gsub("U?LL$", "")))
end

describe("the memory of an array", function()
  it("has its elements, both ways", function()
    for _, size in ipairs { 1, 2, 4 } do
      local memory, map = new { value_size = size }
      for i = 0, 9 do
        assert.is_true(memory:put(i, 10 + i))
        assert.equal(10 + i, map:get(i))
        assert.is_true(map:put(i, 100 + i))
        assert.equal(100 + i, memory:get(i))
      end
    end
    local memory, map = new { value = "u64", value_size = 8 }
    memory:put(9, "1234567890123")
    same64("1234567890123", map:get(9))
    same64("1234567890123", memory:get(9))
  end)

  it("ends where the array ends", function()
    local memory = new()
    assert.same({ n = 1 }, { n = select("#", memory:get(10)), (memory:get(10)) })
    local ok, message, code = memory:put(10, 1)
    assert.is_nil(ok)
    assert.equal(errno.E2BIG, code)
    assert.truthy(message:find('^put into the memory of map "numbers": '), message)
    for _, index in ipairs { -1, 1.5, 2 ^ 32, "x", {} } do
      assert.has_error(function()
        memory:get(index)
      end)
      assert.has_error(function()
        memory:put(index, 1)
      end)
    end
  end)

  it("has values of the map's type", function()
    local memory, map = new { value = "struct { u16 a; char name[11]; s64 b; }", value_size = 24 }
    assert.is_true(memory:put(3, { a = 7, name = "seven", b = -7 }))
    assert.equal("seven", map:get(3).name)
    assert.equal(7, memory:get(3).a)
    same64("-7", memory:get(3).b)
    assert.equal("", memory:get(2).name)
    local ok, message = pcall(memory.put, memory, 3, { c = 1 })
    assert.is_false(ok)
    assert.truthy(message:find("unknown field 'c'", 1, true), message)

    memory, map = new { value_size = 5 } -- a string, and the next begins 8 bytes on
    memory:put(1, "12345")
    assert.equal("12345", map:get(1))
    assert.equal(("\0"):rep(8) .. "12345\0\0\0", memory:bytes(0, 16))
    assert.has_error(function()
      memory:put(1, "1234")
    end)

    memory, map = new { value_size = 3, value = { size = 3,
      encode = function(value)
        return ("%03d"):format(value)
      end,
      decode = function(bytes)
        return tonumber(bytes)
      end } }
    memory:put(0, 42)
    assert.equal("042", map:get_bytes(0))
    assert.equal(42, memory:get(0))
  end)

  it("has large values", function()
    local memory, map = new { value_size = 100000, max_entries = 3 }
    memory:put(2, ("ab"):rep(50000))
    assert.equal(("ab"):rep(50000), map:get(2))
    assert.equal(("ab"):rep(50000), memory:get(2))
    assert.equal(("\0"):rep(100000), memory:get(1))
    assert.equal(303104, memory:size())
    assert.equal(303104, #memory:bytes())
  end)

  it("gives its bytes", function()
    local memory, map = new()
    assert.equal(4096, memory:size())
    map:put(0, 0x01020304)
    map:put(1, 5)
    assert.equal("\4\3\2\1\0\0\0\0\5", memory:bytes(0, 9))
    assert.equal("\3\2", memory:bytes(1, 2))
    assert.equal(4096 - 8, #memory:bytes(8))
    assert.equal("", memory:bytes(4096))
    for _, wrong in ipairs { { 4097 }, { 4096, 1 }, { 0, 4097 }, { -1 }, { 0, -1 }, { 2 ^ 53 } } do
      assert.has_error(function()
        memory:bytes(wrong[1], wrong[2])
      end)
    end
  end)

  it("is read-only when the map is", function()
    local frozen, by_program = new_map(), new_map { flags = MMAPABLE + RDONLY_PROG }
    frozen:put(1, 11)
    by_program:put(1, 11)
    assert(frozen:freeze())
    for _, map in ipairs { frozen, by_program } do
      local memory = support.closing(assert(map:memory()))
      assert.is_true(memory:is_read_only())
      assert.equal(11, memory:get(1))
      local ok, message, code = memory:put(1, 2)
      assert.is_nil(ok)
      assert.equal(errno.EPERM, code)
      assert.truthy(message:find("it is read-only", 1, true), message)
      assert.equal(11, memory:get(1))
    end
    assert(by_program:put(1, 12)) -- a system call may
  end)

  it("is had by handles that may read and write", function()
    local path = support.bpffs() .. "/numbers"
    local map = new_map()
    assert(map:pin(path))
    for option, expected in pairs { read_only = { errno.EINVAL, "opened read%-only" },
      write_only = { errno.EACCES, "opened write%-only" } } do
      local opened = support.closing(assert(ebpf.load_pinned_map(path, { [option] = true })))
      local memory, message, code = opened:memory()
      assert.is_nil(memory)
      assert.equal(expected[1], code, message)
      assert.truthy(message:find(expected[2]), message)
    end
    assert.is_true(support.closing(assert(assert(ebpf.load_pinned_map(path)):memory())):put(0, 1))
    assert.equal(1, map:get(0))
    assert(map:unpin())
  end)

  it("keeps the map from being frozen while it is writable", function()
    local memory, map = new()
    local ok, message, code = map:freeze()
    assert.is_nil(ok)
    assert.equal(errno.EBUSY, code)
    assert.truthy(message:find("mapped writable: close its memory()", 1, true), message)
    memory:close()
    assert.is_true(map:freeze())
  end)

  it("is had of arrays with the flag alone", function()
    local memory, message, code = new_map({ flags = 0 }):memory()
    assert.is_nil(memory)
    assert.equal(errno.EOPNOTSUPP, code)
    assert.equal('map the memory of map "numbers": operation not supported (EOPNOTSUPP): only arrays made with '
      .. "BPF_F_MMAPABLE (flags = 1024, since Linux 5.5) can be mapped", message)
    local hash = new_map { type = "hash", flags = 0 }
    assert.has_error(function()
      hash:memory()
    end)
    assert.is_true(new({ flags = 0, mmapable = true }):put(0, 1))
    assert.has_error(function()
      new_map { mmapable = 1 }
    end)
  end)

  it("stays when the map is closed, and says when it is closed itself", function()
    local memory, map = new()
    assert.equal('memory of "numbers" (4096 bytes)', tostring(memory))
    map:close()
    assert.is_true(memory:put(0, 4))
    assert.equal(4, memory:get(0))
    assert.is_false(memory:is_closed())
    assert.is_true(memory:close())
    assert.is_true(memory:close())
    assert.is_true(memory:is_closed())
    for _, call in ipairs { { "get", 0 }, { "put", 0, 1 }, { "bytes" }, { "size" }, { "is_read_only" } } do
      local value, message, code = memory[call[1]](memory, call[2], call[3])
      assert.is_nil(value)
      assert.equal("memory is closed", message)
      assert.equal(errno.EBADF, code)
    end
    assert.equal('memory of "numbers" (closed)', tostring(memory))
    local value, message, code = map:memory()
    assert.is_nil(value)
    assert.equal("map is closed", message)
    assert.equal(errno.EBADF, code)
  end)

  it("may be closed by what a value's own functions do", function()
    local memory
    local closing = { size = 4,
      encode = function(value)
        memory:close()
        return value
      end,
      decode = function(bytes)
        memory:close()
        return bytes
      end }
    memory = new { value = closing }
    local ok, message, code = memory:put(0, "abcd")
    assert.is_nil(ok)
    assert.equal("memory is closed", message)
    assert.equal(errno.EBADF, code)
    memory = new { value = closing }
    assert.equal("\0\0\0\0", memory:get(0))
    assert.is_true(memory:is_closed())
  end)

  it("is unmapped by the collector, in whatever order", function()
    local function mapped()
      local n = 0
      for line in io.lines("/proc/self/maps") do
        n = n + (line:find("bpf-map", 1, true) and 1 or 0)
      end
      return n
    end
    collectgarbage()
    collectgarbage()
    local before = mapped()
    for _ = 1, 50 do
      local map = assert(ebpf.new_map { name = "gone", type = "array", key_size = 4, value_size = 8, max_entries = 600,
        flags = MMAPABLE })
      local memory = assert(map:memory())
      memory:put(599, 1)
    end
    collectgarbage()
    collectgarbage()
    assert.equal(before, mapped())
  end)

  it("is inherited by a child, which may close its own", function()
    local memory, map = new()
    memory:put(0, 1)
    local child = process.fork(function()
      assert(memory:get(0) == 1)
      assert(memory:put(1, 2))
      memory:close()
      assert(map:get(1) == 2)
      return 3
    end)
    assert.equal(3, process.wait(child))
    assert.equal(2, memory:get(1))
    assert.is_true(memory:put(2, 3))
  end)

  it("takes no other userdata for its own", function()
    local memory = new()
    for _, other in ipairs { io.stdout, new_map(), "memory", {} } do
      assert.has_error(function()
        memory.get(other, 0)
      end)
    end
  end)

  it("runs out of address space in words", function()
    local map = new_map { value_size = 8, max_entries = 2 ^ 20 }
    local child = process.fork(function()
      local memories = {}
      for i = 1, 100 do
        memories[i] = assert(map:memory())
      end
      return #memories
    end)
    assert.equal(100, process.wait(child))
  end)
end)
