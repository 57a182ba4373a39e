-- Instructions: reading, editing and linking them, and what the kernel makes of the result.
local ebpf = require "ebpf"
local insn = require "spec.support.insn"
local support = require "spec.support"

local asm, errno = ebpf.asm, ebpf.errno

-- A 64-bit integer as the Lua that runs has it; PUC Lua 5.1 has none, there the text serves.
local function integer(text)
  if support.lua_name == "lua5.1" then
    return text
  elseif support.lua_name ~= "luajit" then
    return assert(load("return " .. text))()
  end
  return assert(rawget(_G, "loadstring")("return " .. text .. (text:find("^%-") and "LL" or "ULL")))()
end

local function objects(name)
  return assert(ebpf.load_spec(support.fixture("program_" .. name))).programs
end

local function new_counters()
  return support.closing(assert(ebpf.new_map {
    name = "counters", type = "array", key_size = 4, value_size = 8, max_entries = 4,
  }))
end

local function load_program(type, instructions)
  local p, message = ebpf.new_program { type = type, instructions = instructions, license = "GPL" }
  return support.closing(assert(p, message))
end

local packet = ("\0"):rep(64)

describe("instructions", function()
  local sample = insn.slot(0x18, 1, 2, 0, -1) .. insn.slot(0, 0, 0, 0, 1) .. insn.slot(0x61, 3, 4, -8, 5) .. insn.exit

  it("are made from bytes and give them back", function()
    local list = assert(asm.from_bytes(sample))
    assert.equal(4, #list)
    assert.equal(sample, list:bytes())
    assert.equal("", assert(asm.from_bytes("")):bytes())
    assert.equal(0, #asm.from_bytes(""))
  end)

  it("are made from bytes of either order", function()
    local swapped = assert(ebpf.load_spec(support.fixture("program_basic", "bigendian"))).programs
    assert.equal(ebpf.load_spec(support.fixture("program_basic")).byte_order, asm.from_bytes(sample):byte_order())
    for _, name in ipairs { "store_constant", "add", "mark" } do
      local one = swapped[name].instructions
      assert.equal("big", one:byte_order())
      local again = assert(asm.from_bytes(one:bytes(), { byte_order = one:byte_order() }))
      assert.equal("big", again:byte_order())
      assert.equal(one:bytes(), again:bytes())
      for i = 1, #one do
        for _, field in ipairs { "code", "dst", "src", "off", "imm" } do
          assert.is_true(one[i][field] == again[i][field])
        end
      end
      assert.equal(again:bytes(), again:copy():bytes())
      assert.equal("big", again:copy():byte_order())
    end
    local text = "r1 = 70000; if r1 > r2 goto +1; r0 = 258; exit"
    for _, order in ipairs { "little", "big" } do
      local parsed = assert(asm.parse(text, { byte_order = order }))
      local again = assert(asm.from_bytes(parsed:bytes(), { byte_order = order }))
      assert.equal(order, again:byte_order())
      assert.equal(tostring(parsed), tostring(again))
      assert(again:append "r0 = 1")
      assert.equal(order, again:byte_order())
      assert.equal(order, assert(asm.from_bytes("", { byte_order = order })):byte_order())
    end
    local p, message, code = ebpf.new_program { type = "xdp", license = "GPL",
      instructions = asm.from_bytes(swapped.mark.instructions:bytes(), { byte_order = "big" }) }
    assert.same({ nil, errno.ENOEXEC }, { p, code })
    assert.truthy(message:find("in the byte order of another machine", 1, true))
  end)

  it("refuse part of a slot", function()
    local list, message, code = asm.from_bytes("1234567")
    assert.same({ nil, errno.EINVAL }, { list, code })
    assert.equal("read instructions: 7 bytes are no whole number of instructions of 8", message)
  end)

  it("describe each slot", function()
    local list = assert(asm.from_bytes(sample))
    assert.same({ code = 0x61, dst = 3, src = 4, off = -8, imm = 5, class = "ldx", op = "mem", size = 4,
      text = ".insn 0x61, 3, 4, -8, 5" }, list[3])
    assert.same({ code = 0x95, dst = 0, src = 0, off = 0, imm = 0, class = "jmp", op = "exit", text = "exit" }, list[4])
    assert.same({ 0x18, 1, 2 }, { list[1].code, list[1].dst, list[1].src })
    assert.equal(0x1ffffffff, tonumber(list[1].imm))
    assert.same({ code = 0, dst = 0, src = 0, off = 0, imm = 1 }, list[2])
    for _, index in ipairs { 0, 5, -1, 1.5, 2 ^ 53, 1 / 0 } do
      assert.is_nil(list[index])
    end
    assert.is_nil(list.no_such_method)
  end)

  it("understand the other byte order", function()
    local swapped = assert(ebpf.load_spec(support.fixture("program_basic", "bigendian"))).programs
    local mine = objects("basic")
    for _, name in ipairs { "store_constant", "add", "mark" } do
      local one, other = swapped[name].instructions, mine[name].instructions
      assert.equal(#other, #one)
      assert.same(other:references(), one:references())
      assert.equal(tostring(other), tostring(one))
      assert.not_equal(other:bytes(), one:bytes())
    end
    local list = swapped.store_constant.instructions
    assert(list:rewrite_constant("MY_CONSTANT", integer("0x1234567890abcdef")))
    assert.equal("\144\171\205\239", list:bytes():sub(5, 8))
    assert.equal("\18\52\86\120", list:bytes():sub(13, 16))
    assert.has_error(function() assert(list:link(mine.mark.instructions, mine)) end)
  end)

  it("survive a 64-bit load cut in half", function()
    local list = assert(asm.from_bytes(insn.slot(0x18, 1, 0, 0, -1)))
    assert.equal(-1, list[1].imm)
  end)

  it("print a line for each instruction, with names", function()
    local text = tostring(objects("basic").count_packets.instructions)
    assert.truthy(text:find("^count_packets:\n"))
    assert.truthy(text:find("\n    4: r1 = map counters ll\n", 1, true))
    assert.truthy(text:find("\n   11: exit\n$"))
  end)

  it("list references and symbols", function()
    local list = objects("basic").store_constant.instructions
    assert.same({ store_constant = 1 }, list:symbols())
    assert.same({
      { index = 1, name = "MY_CONSTANT", kind = "extern" },
      { index = 10, name = "counters", kind = "map" },
    }, list:references())
    assert.equal("extern", objects("caller").call_one.instructions:references()[1].kind)
  end)

  it("copy themselves", function()
    local list = objects("basic").store_constant.instructions
    local copy = list:copy()
    assert(copy:rewrite_constant("MY_CONSTANT", 5))
    assert.same({ index = 1, name = "MY_CONSTANT", kind = "extern" }, list:references()[1])
    assert.same({ index = 1, name = "MY_CONSTANT", kind = "extern", resolved = true }, copy:references()[1])
    assert.same(list:references()[2], copy:references()[2])
    assert.same(list:symbols(), copy:symbols())
    assert.equal(5, tonumber(copy[1].imm))
    assert.equal(0, tonumber(list[1].imm))
  end)

  it("refuse wrong arguments", function()
    local list = assert(asm.from_bytes(sample))
    assert.has_error(function() asm.from_bytes({}) end)
    assert.has_error(function() asm.from_bytes(sample, { byte_order = "middle" }) end)
    assert.has_error(function() asm.from_bytes(sample, { order = "big" }) end)
    assert.has_error(function() asm.from_bytes(sample, "big") end)
    assert.has_error(function() list:rewrite_map("x", list) end)
    assert.has_error(function() list:rewrite_map("x", io.stdout) end)
    assert.has_error(function() list:rewrite_map({}, new_counters()) end)
    assert.has_error(function() list:rewrite_constant("x", "many") end)
    assert.has_error(function() list:rewrite_constant("x", 1.5) end)
    assert.has_error(function() list:rewrite_constant("x") end)
    assert.has_error(function() list:link(5) end)
    assert.has_error(function() list:link { 5 } end)
    assert.has_error(function() list:link { main = "exit" } end)
    assert.has_error(function() list.x = 1 end)
    assert.has_error(function() list.copy(io.stdout) end)
  end)
end)

describe("rewriting", function()
  it("gives references a map", function()
    local counters = new_counters()
    local list = objects("basic").count_packets.instructions
    assert.is_true(list:rewrite_map("counters", counters))
    assert.same({ 1, counters:fd() }, { list[5].src, tonumber(list[5].imm) })
    local p = load_program("xdp", list)
    assert.equal(2, (assert(p:test(packet))))
    assert.equal(1, tonumber(counters:get(0)))
  end)

  it("gives references a constant, all 64 bits of it", function()
    local counters = new_counters()
    local list = objects("basic").store_constant.instructions
    assert(list:rewrite_map("counters", counters))
    for text, bytes in pairs {
      ["0xffffffffffffffff"] = "\255\255\255\255\255\255\255\255",
      ["0x8000000000000000"] = "\0\0\0\0\0\0\0\128",
      ["0x123456789abcdef0"] = "\240\222\188\154\120\86\52\18",
      ["0x100000000"] = "\0\0\0\0\1\0\0\0",
      ["-2"] = "\254\255\255\255\255\255\255\255",
      ["0"] = "\0\0\0\0\0\0\0\0",
    } do
      for _, value in ipairs { text, integer(text) } do
        assert.is_true(list:rewrite_constant("MY_CONSTANT", value))
        assert.equal(0, (assert(load_program("sched_cls", list):test(packet))))
        assert.equal(bytes, counters:get_bytes(1))
      end
    end
    assert.is_true(list:rewrite_constant("MY_CONSTANT", "18446744073709551615"))
    assert.equal(-1, tonumber(list[1].imm))
  end)

  it("tells an unreferenced symbol from other errors", function()
    local list = objects("basic").count_packets.instructions
    local unreferenced = { nil, "symbol \"nothing\" is not referenced", errno.ENOENT }
    assert.same(unreferenced, { list:rewrite_constant("nothing", 1) })
    assert.same(unreferenced, { list:rewrite_map("nothing", new_counters()) })
    -- A symbol that is defined is not thereby referenced.
    assert.equal(errno.ENOENT, select(3, list:rewrite_constant("count_packets", 1)))
  end)

  it("refuses references that are no 64-bit load, and changes nothing", function()
    local list = objects("caller").call_one.instructions
    local before = list:bytes()
    local ok, message, code = list:rewrite_map("add_one", new_counters())
    assert.same({ nil, errno.EINVAL }, { ok, code })
    assert.truthy(message:find("missing load instruction", 1, true))
    assert.equal(errno.EINVAL, select(3, list:rewrite_constant("add_one", 1)))
    assert.equal(before, list:bytes())
    assert.equal(errno.ENOENT, select(3, ebpf.new_program {
      type = "sched_cls", instructions = list, license = "GPL",
    }))
  end)

  it("refuses a closed map", function()
    local list = objects("basic").count_packets.instructions
    local counters = new_counters()
    counters:close()
    assert.same({ nil, "rewrite \"counters\": the map is closed", errno.EBADF },
      { list:rewrite_map("counters", counters) })
    assert.equal(errno.ENOENT, select(3, ebpf.new_program { type = "xdp", instructions = list, license = "GPL" }))
  end)

  it("keeps the map from being collected", function()
    local list = objects("basic").count_packets.instructions:copy()
    assert(list:rewrite_map("counters", (assert(ebpf.new_map {
      type = "array", key_size = 4, value_size = 8, max_entries = 1,
    }))))
    list = list:copy()
    collectgarbage()
    collectgarbage()
    assert.equal(2, (assert(load_program("xdp", list):test(packet))))
  end)

  it("never loads a closed map's number, which may be somebody else's by now", function()
    local list = objects("basic").count_packets.instructions
    local counters = new_counters()
    assert(list:rewrite_map("counters", counters))
    local fd = counters:fd()
    counters:close()
    local other = new_counters()
    assert.equal(fd, other:fd())
    local p, message, code = ebpf.new_program { name = "late", type = "xdp", instructions = list, license = "GPL" }
    assert.same({ nil, errno.EBADF }, { p, code })
    assert.equal("load program \"late\": the map given for \"counters\" is closed", message)
    -- Another map may take its place.
    assert(list:rewrite_map("counters", other))
    assert(load_program("xdp", list):test(packet))
    assert.equal(1, tonumber(other:get(0)))
  end)

  it("forgets the map of a reference that became a constant", function()
    local list = objects("basic").store_constant.instructions
    local counters = new_counters()
    assert(list:rewrite_map("MY_CONSTANT", counters))
    assert(list:rewrite_map("counters", new_counters()))
    assert(list:rewrite_constant("MY_CONSTANT", 7))
    counters:close()
    assert(load_program("sched_cls", list))
  end)
end)

describe("linking", function()
  local caller, library, leaf

  before_each(function()
    caller, library, leaf = objects("caller"), objects("library"), objects("leaf")
  end)

  it("appends a function once, whoever calls it", function()
    local list = caller.call_one.instructions
    assert.is_true(list:link(leaf.add_one.instructions))
    assert.equal(#caller.call_one.instructions, #objects("caller").call_one.instructions + 3)
    assert.same({ call_one = 1, add_one = 8 }, list:symbols())
    assert.equal("call", list:references()[1].kind)
    assert.equal(42, (assert(load_program("sched_cls", list):test(packet))))
    -- Nothing is missing any more, so nothing changes.
    local before = list:bytes()
    assert.is_true(list:link(leaf.add_one.instructions))
    assert.equal(before, list:bytes())
  end)

  it("appends what the appended functions call", function()
    local list = caller.call_many.instructions
    assert.is_true(list:link(library.add_many.instructions, leaf.add_one.instructions))
    assert.equal(82, (assert(load_program("sched_cls", list):test(packet))))
  end)

  it("names a missing function, and changes nothing", function()
    local list = caller.call_many.instructions
    local before = list:bytes()
    assert.same({ nil, "link instructions: missing symbol \"add_one\"", errno.ENOENT },
      { list:link(library.add_many.instructions) })
    assert.same({ nil, "link instructions: missing symbol \"add_many\"", errno.ENOENT }, { list:link() })
    assert.equal(before, list:bytes())
    assert.same({ call_many = 1 }, list:symbols())
  end)

  it("refuses a function defined twice", function()
    local list = caller.call_one.instructions
    assert.same({ nil, "link instructions: duplicate symbol \"add_one\"", errno.EEXIST },
      { list:link(leaf.add_one.instructions, leaf.add_one.instructions:copy()) })
  end)

  it("brings the maps of what it appends", function()
    local list = caller.call_one.instructions
    local counters = new_counters()
    local copy = objects("basic").count_packets.instructions
    assert(copy:rewrite_map("counters", counters))
    assert.is_true(list:link(leaf.add_one.instructions, copy))
    local mine = objects("basic").count_packets.instructions
    assert(mine:rewrite_map("counters", new_counters()))
    assert.same({ nil, "link instructions: \"counters\" has been given two different maps", errno.EEXIST },
      { mine:link(copy) })
  end)

  it("takes functions of another object that are no programs", function()
    local other = assert(ebpf.load_spec(support.fixture("object")))
    local list = assert(asm.parse "main: r1 = 5; call in_library; r6 = r0; r0 = 7; exit")
    assert.is_true(list:link(other.functions))
    assert.same({ main = 1, in_library = 6, shared = 13, helper = 16 }, list:symbols())
    assert.equal(7, (assert(load_program("sched_cls", list):test(packet))))
    -- They stay as they are, and copies have their own.
    local copy = other:copy()
    assert.same({ shared = 1 }, other.functions.shared:symbols())
    assert(copy.functions.shared:insert(1, "r2 = 1"))
    assert.equal(3, #other.functions.shared)
    assert.is_nil(other.functions.first)
    -- A function is a program's own first.
    assert.same({ nil, "link instructions: duplicate symbol \"helper\"", errno.EEXIST },
      { caller.call_one.instructions:link(other.functions, { other.functions.helper:copy() }) })
  end)

  it("is demanded before loading", function()
    local p, message, code = ebpf.new_program {
      name = "unlinked", type = "sched_cls", instructions = caller.call_one.instructions, license = "GPL",
    }
    assert.same({ nil, errno.ENOENT }, { p, code })
    assert.truthy(message:find("^load program \"unlinked\": reference to \"add_one\" is not satisfied: "))
  end)
end)
