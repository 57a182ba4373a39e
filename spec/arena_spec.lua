-- Arenas: memory that programs and this process share, at the same addresses, so that pointers in it are good for both.
local ebpf = require "ebpf"
local support = require "spec.support"

local errno = ebpf.errno
local PAGE, MMAPABLE, SEGV_ON_FAULT = 4096, 1024, 131072

local function keep(handle, message)
  return support.closing(assert(handle, message))
end

local function load()
  return keep(ebpf.load(support.fixture("arena")))
end

local function new_arena(fields)
  local spec = { name = "arena", type = "arena", max_entries = 4, flags = MMAPABLE }
  for name, value in pairs(fields or {}) do
    spec[name] = value
  end
  local map, message, code = ebpf.new_map(spec)
  return map and keep(map), message, code
end

local node = ebpf.type "struct { u64 next; u64 number; }"

local function run(program)
  return assert(program:run { context = "" }).retval
end

describe("an arena", support.since("6.9", "an arena", function()
  it("has what programs put into it, and pointers that can be followed", function()
    local collection = load()
    local memory = assert(collection.maps.arena:memory())
    local start = memory:address()
    assert.equal(0, run(collection.programs.make_list))
    assert.truthy(collection.variables.head:get() ~= start)
    local at, numbers = collection.variables.head:get(), {}
    while tonumber(at) ~= 0 do
      local offset = tonumber(at - start)
      local value = node:unpack(memory:bytes(offset, node:size()))
      numbers[#numbers + 1] = tonumber(value.number)
      at = value.next
    end
    assert.same({ 234, 1000 }, numbers)
  end)

  it("is written from here, and read by programs", function()
    local collection = load()
    local memory = assert(collection.maps.arena:memory())
    assert.equal(0, run(collection.programs.make_list))
    assert.equal(1234, run(collection.programs.add_up))
    local start, head = memory:address(), collection.variables.head:get()
    -- A third one in the last page, which nobody has asked for before.
    local last = 7 * PAGE
    assert(memory:write(last, node:pack { next = head, number = 4000 }))
    collection.variables.head:set(start + last)
    assert.equal(5234, run(collection.programs.add_up))
  end)

  it("has global variables, before and after loading", function()
    local spec = assert(ebpf.load_spec(support.fixture("arena")))
    assert.equal(5, tonumber(spec.variables.step:get()))
    assert.equal(12000, spec.variables.zeroes:size())
    assert.is_false(spec.variables.step:is_constant())
    assert.equal("arena", spec.variables.step:section())
    spec.variables.step:set(7)
    local collection = keep(spec:load())
    assert.equal(107, run(collection.programs.count_up))
    collection.variables.step:set(20)
    assert.equal(127, run(collection.programs.count_up))
    assert.equal(127, tonumber(collection.variables.first_node:get().number))
    -- Pages that a program asks for are others.
    assert.equal(0, run(collection.programs.make_list))
    local start = collection.maps.arena:memory():address()
    assert.truthy(tonumber(collection.variables.allocated:get() - start) >= 12288)
    spec.maps.arena.max_entries = 2
    local none, message, code = spec:load()
    assert.same({ nil, errno.E2BIG }, { none, code })
    assert.truthy(message:find("its contents are larger than its 8192 bytes", 1, true), message)
  end)

  it("is memory of pages", function()
    local map = assert(new_arena())
    local memory = assert(map:memory())
    assert.equal('memory of "arena" (16384 bytes)', tostring(memory))
    assert.equal(4 * PAGE, memory:size())
    assert.is_false(memory:is_read_only())
    assert.equal(("\0"):rep(PAGE), memory:get(3))
    assert.is_nil(memory:get(4))
    assert(memory:put(1, ("x"):rep(PAGE)))
    assert.equal("\0x", memory:bytes(PAGE - 1, 2))
    assert.has_error(function() memory:put(1, "short") end)
    assert(memory:write(4 * PAGE - 3, "end"))
    assert.equal("end", memory:bytes(4 * PAGE - 3))
    for _, wrong in ipairs { { 4 * PAGE - 2, "end" }, { 4 * PAGE + 1, "" }, { -1, "x" }, { 0 }, { "x", "x" } } do
      assert.is_false(pcall(memory.write, memory, wrong[1], wrong[2]))
    end
    memory:close()
    assert.equal(errno.EBADF, (select(3, memory:write(0, "x"))))
    assert.equal(errno.EBADF, (select(3, memory:address())))
  end)

  it("is mapped once, where it stays", function()
    local map = assert(new_arena())
    local memory = assert(map:memory())
    assert.equal(memory, map:memory())
    local other = keep(map:clone())
    local none, message, code = other:memory()
    assert.is_nil(none)
    assert.truthy(code == errno.EINVAL or code == errno.EBUSY, message)
    memory:write(5, "kept")
    map:close()
    assert.equal("kept", memory:bytes(5, 4))
  end)

  it("lies where the spec says", function()
    local free = assert(new_arena())
    local address = assert(free:memory()):address()
    free:memory():close()
    free:close()
    local map = assert(new_arena { map_extra = address, contents = { { 8, "hello" } } })
    local memory = assert(map:memory())
    assert.equal(address, memory:address())
    assert.equal("hello", memory:bytes(8, 5))
    assert.equal(address, map:info().map_extra)
    memory:close()
    memory = assert(keep(ebpf.map_from_id(map:info().id)):memory())
    assert.equal(address, memory:address())
    assert.equal("hello", memory:bytes(8, 5))
    -- The place is taken.
    local none, message, code = new_arena { map_extra = address }
    assert.same({ nil, errno.EEXIST }, { none, code }, message)
  end)

  it("that ends the process where it has no page is not looked into", function()
    local map, message = new_arena { flags = MMAPABLE + SEGV_ON_FAULT }
    assert(map, message)
    assert.equal(errno.EOPNOTSUPP, (select(3, map:memory())))
  end)

  it("has sizes and flags that fit", function()
    for _, wrong in ipairs { { flags = 0 }, { key_size = 4 }, { value_size = 8 }, { max_entries = 0 } } do
      local map, message = new_arena(wrong)
      assert.is_nil(map)
      assert.truthy(message:find("EINVAL", 1, true), message)
    end
  end)
end))
