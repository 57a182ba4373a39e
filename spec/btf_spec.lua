-- Types at run time, against the BTF of this kernel, of what clang makes, and what bpftool says about both.
local ebpf = require "ebpf"
local support = require "spec.support"

local btf, errno = ebpf.btf, ebpf.errno

local function close(b)
  return support.closing(b)
end

-- What bpftool lists, by id: {kind, name, size}.
local function bpftool(source)
  local types = {}
  for line in support.check_run("bpftool btf dump " .. source):gmatch("[^\n]+") do
    local id, kind, name, rest = line:match("^%[(%d+)%] (%S+) '(.-)'(.*)")
    if id then
      types[tonumber(id)] = {
        kind = kind:lower(), name = name ~= "(anon)" and name or nil, size = tonumber(rest:match(" size=(%d+)")),
        type = tonumber(rest:match(" type_id=(%d+)")), last = tonumber(rest:match(" vlen=(%d+)")),
      }
    end
  end
  return types
end

local function member(type, name)
  for _, each in ipairs(type.members) do
    if each.name == name then
      return each
    end
  end
end

local function check_like(expected, b, id)
  local type = assert(b:type(id))
  assert.same({ id, expected.kind, expected.name, expected.size }, { type.id, type.kind, type.name, type.size })
  if expected.type and type.kind ~= "array" then
    assert.equal(expected.type, type.type)
  end
  local list = type.members or type.values or type.variables
  if list then
    assert.equal(expected.last, #list)
  end
end

-- 32-bit words in the order of this machine's BTF.
local function words(...)
  local bytes = {}
  for i, n in ipairs { ... } do
    bytes[i] = string.char(n % 256, math.floor(n / 256) % 256, math.floor(n / 65536) % 256, math.floor(n / 2 ^ 24))
  end
  return table.concat(bytes)
end

describe("BTF of the kernel", function()
  local kernel

  setup(function()
    kernel = assert(btf.load_kernel())
  end)

  teardown(function()
    kernel:close()
  end)

  it("has the ids, kinds, names and sizes that bpftool tells", function()
    local known = bpftool("file /sys/kernel/btf/vmlinux")
    assert.equal(#known, #kernel)
    for id = 1, #known, 7 do
      check_like(known[id], kernel, id)
    end
    check_like(known[#known], kernel, #known)
  end)

  it("is one for all who have it open", function()
    local again = close(assert(btf.load_kernel()))
    local id = kernel:find("task_struct")
    again:close()
    assert.equal(id, kernel:find("task_struct"))
    assert.equal(('btf "vmlinux" (%d types)'):format(#kernel), tostring(kernel))
  end)

  it("tells types by name", function()
    local id, list_head = kernel:find("list_head", "struct")
    assert.equal("struct", list_head.kind)
    assert.equal(16, list_head.size)
    assert.same({ "next", "prev" }, { list_head.members[1].name, list_head.members[2].name })
    assert.same({ 0, 64 }, { list_head.members[1].offset, list_head.members[2].offset })
    local pointer = kernel:type(list_head.members[1].type)
    assert.same({ "ptr", id }, { pointer.kind, pointer.type })
    local _, func = kernel:find("vfs_read", "func")
    assert.equal("func_proto", kernel:type(func.type).kind)
    assert.equal(4, #kernel:type(func.type).params)
    assert.equal(8, kernel:size_of(list_head.members[1].type))
    assert.equal(nil, (kernel:size_of(func.type)))
  end)

  it("finds every name it has, and all of the same name", function()
    for id = 1, #kernel, 211 do
      local type = kernel:type(id)
      if type.name then
        local ids = kernel:find_all(type.name, type.kind)
        local found = false
        for i, each in ipairs(ids) do
          found = found or each == id
          assert.equal(type.name, kernel:type(each).name)
          assert.is_true(i == 1 or each > ids[i - 1])
        end
        assert.is_true(found, type.name)
      end
    end
    assert.same({}, kernel:find_all("no such name"))
  end)

  it("tells when a name is missing or ambiguous", function()
    local id, message, code = kernel:find("no_such_type")
    assert.same({ nil, 'find "no_such_type" in BTF "vmlinux": no type of that name', errno.ENOENT },
      { id, message, code })
    id, message, code = kernel:find("list_head", "union")
    assert.same({ nil, 'find "list_head" in BTF "vmlinux": no union of that name', errno.ENOENT },
      { id, message, code })
    -- Whichever name is there twice in this kernel.
    local seen, twice = {}, nil
    for each = 1, #kernel do
      local type = kernel:type(each)
      if type.kind == "struct" and type.name then
        twice = seen[type.name] and type.name or twice
        seen[type.name] = true
      end
    end
    if twice then
      id, message, code = kernel:find(twice)
      assert.is_nil(id)
      assert.equal(errno.ENOTUNIQ, code)
      assert.matches("several types have that name: struct %d+, struct %d+", message)
      assert.is_true(#kernel:find_all(twice, "struct") >= 2)
    end
  end)

  it("has no type beyond the last", function()
    assert.equal("void", kernel:type(0).kind)
    local type, message, code = kernel:type(#kernel + 1)
    assert.same({ nil, ('BTF "vmlinux" has no type %d: ids end at %d'):format(#kernel + 1, #kernel), errno.ENOENT },
      { type, message, code })
  end)

  it("raises for wrong arguments", function()
    assert.error_matches(function() kernel:find("x", "record") end, "unknown kind of type 'record'")
    assert.error_matches(function() kernel:find() end, "string expected")
    assert.error_matches(function() kernel:type(-1) end, "bad argument")
    assert.error_matches(function() kernel:type("x") end, "bad argument")
    assert.error_matches(function() btf.parse(7, "base") end, "ebpf.btf expected")
  end)

  it("is the same by id, from a file and from bytes", function()
    local id = support.check_run("bpftool btf list"):match("(%d+): name %[vmlinux%]") -- Linux 5.11
    assert.is_true(id ~= nil or not support.kernel_is("5.11"))
    for _, other in ipairs {
      close(assert(id and btf.from_id(tonumber(id)) or btf.load_kernel())),
      close(assert(btf.load("/sys/kernel/btf/vmlinux"))),
      close(assert(btf.parse(support.read_file("/sys/kernel/btf/vmlinux")))),
    } do
      assert.equal(#kernel, #other)
      assert.equal(kernel:find("task_struct"), (other:find("task_struct")))
      other:close()
    end
  end)

  it("tells which module or id is missing", function()
    local b, message, code = btf.load_kernel("no_such_module")
    assert.is_nil(b)
    assert.equal(errno.ENOENT, code)
    assert.matches('^load the BTF of module "no_such_module": no /sys/kernel/btf/no_such_module: ', message)
    b, message, code = btf.load_kernel("../../etc/passwd")
    assert.same({ nil, 'load the BTF of module "../../etc/passwd": no such module', errno.ENOENT },
      { b, message, code })
    b, message, code = btf.from_id(2 ^ 31)
    assert.same({ nil, "open BTF by id 2147483648: no such file or directory (ENOENT)", errno.ENOENT },
      { b, message, code })
  end)

  it("needs no privilege, unlike ids", function()
    local output = support.run_lua([[
      local btf = require "ebpf".btf
      print(btf.load_kernel():find("task_struct") > 0)
      print(select(2, btf.from_id(1)))
    ]], support.unprivileged)
    assert.matches("^true\nopen BTF by id 1: operation not permitted %(EPERM%).*CAP_SYS_ADMIN", output)
  end)
end)

describe("BTF that is closed", function()
  it("says so", function()
    local b = assert(btf.load(support.fixture("btf")))
    assert.is_false(b:is_closed())
    assert.is_true(b:close())
    assert.is_true(b:close())
    assert.is_true(b:is_closed())
    assert.equal(0, #b)
    for _, method in ipairs { "find", "find_all" } do
      assert.same({ nil, "btf is closed", errno.EBADF }, { b[method](b, "x") })
    end
    for _, method in ipairs { "type", "size_of" } do
      assert.same({ nil, "btf is closed", errno.EBADF }, { b[method](b, 1) })
    end
    assert.matches('^btf ".*btf.bpf.o" %(closed%)$', tostring(b))
    assert.error_matches(function() btf.parse("", b) end, "the base is closed")
  end)

  it("may be closed by a finalizer in the middle of anything", function()
    local function finally(action)
      local proxy = rawget(_G, "newproxy") and newproxy(true) or setmetatable({}, {}) -- luacheck: ignore newproxy
      getmetatable(proxy).__gc = action
      if type(proxy) == "table" then
        setmetatable(proxy, getmetatable(proxy))
      end
    end
    collectgarbage("setpause", 50)
    local cut = 0
    for _ = 1, 300 do
      local b = assert(btf.load(support.fixture("btf")))
      local id = b:find("outer", "struct")
      finally(function() b:close() end)
      for _ = 1, 50 do
        local type = b:type(id)
        if not type then
          cut = cut + 1
          break
        end
        assert.equal("outer", type.name)
        assert.equal("tail", type.members[#type.members].name)
        assert.is_true(b:c_dump("outer") ~= "")
      end
      b:close()
    end
    collectgarbage("setpause", 200)
    assert.is_true(cut > 0)
  end)

  it("gives its memory back, the kernel's too", function()
    local function resident()
      return tonumber(support.read_file("/proc/self/status"):match("VmData:%s*(%d+)"))
    end
    local bytes = support.read_file(support.fixture("btf"))
    for round = 1, 2 do
      local before
      for i = 1, 60 do
        local kernel = assert(btf.load_kernel())
        kernel:find_all("no such name")
        kernel:find_all("no such name")
        kernel:find_all("no such name", "struct")
        kernel:close()
        assert.is_nil((btf.parse(bytes)))
        before = i == 10 and resident() or before
      end
      if round == 2 then
        collectgarbage()
        -- What looks for leaks by itself keeps freed memory for a while.
        assert.is_true(os.getenv("EBPF_WRAP") ~= nil or resident() - before < 4096)
        assert.is_nil(support.read_file("/proc/self/maps"):find("btf/vmlinux", 1, true))
      end
    end
  end)
end)

for _, variant in ipairs { "little", "bigendian" } do
  describe("BTF that clang makes, " .. variant, function()
    local path, b

    setup(function()
      path = support.fixture("btf", variant == "bigendian" and variant or nil)
      b = assert(btf.load(path))
    end)

    teardown(function()
      b:close()
    end)

    it("has the ids, kinds, names and sizes that bpftool tells", function()
      -- bpftool takes no foreign byte order; both variants have the same types.
      local known = bpftool("file " .. support.fixture("btf"))
      assert.equal(#known, #b)
      local kinds, count = {}, 0
      for id, expected in ipairs(known) do
        check_like(expected, b, id)
        count = count + (kinds[expected.kind] and 0 or 1)
        kinds[expected.kind] = true
      end
      assert.equal(17, count) -- all but enum64 and type_tag, which clang 14 does not know
    end)

    it("tells members, their offsets and bits", function()
      local _, outer = assert(b:find("outer", "struct"))
      assert.is_nil(outer.members[1].name)
      assert.equal("struct", b:type(outer.members[1].type).kind)
      local _, bits = assert(b:find("bits"))
      local places = {}
      for i, each in ipairs(bits.members) do
        places[i] = { each.name, each.offset, each.bits or false }
      end
      assert.same({ { "a", 0, 3 }, { "b", 3, 5 }, { "c", 12, 40 }, { "d", 56, false }, { "e", 64, 9 } }, places)
      local matrix = b:type(member(outer, "matrix").type)
      assert.same({ "array", 3 }, { matrix.kind, matrix.count })
      assert.equal(60, b:size_of(matrix.id))
      local callback = b:type(b:type(member(outer, "callback").type).type)
      assert.same({ "func_proto", 2, true }, { callback.kind, #callback.params, callback.variadic })
      assert.equal("struct", select(2, b:find("announced")).of)
      assert.equal("union", select(2, b:find("announced_union")).of)
    end)

    it("tells values, signs and linkage", function()
      local _, color = assert(b:find("color"))
      -- clang before 15 does not tell that an enum is signed.
      assert.same({
        { name = "RED", value = 0 }, { name = "GREEN", value = 7 },
        { name = "BLUE", value = color.signed and -3 or 4294967293 },
      }, color.values)
      assert.equal(4294967295, select(2, b:find("plain")).values[2].value)
      assert.equal(1, select(2, b:find("tiny", "enum")).size)
      local _, counter = assert(b:find("counter"))
      assert.same({ "var", "global" }, { counter.kind, counter.linkage })
      assert.equal("static", select(2, b:find("hidden")).linkage)
      local int = b:type(counter.type)
      assert.same({ "int", 4, 32, true }, { int.kind, int.size, int.bits, int.signed })
      assert.is_true(select(2, b:find("_Bool")).bool)
      assert.equal(128, select(2, b:find("unsigned __int128")).bits)
      local _, bss = assert(b:find(".data", "datasec"))
      assert.equal(1, #bss.variables)
      assert.equal("counter", b:type(bss.variables[1].type).name)
      local _, tag = assert(b:find("argument", "decl_tag"))
      assert.same({ "twice", 0 }, { b:type(tag.type).name, tag.component })
      assert.is_nil(select(2, b:find("typedef", "decl_tag")).component)
    end)

    it("tells that a name alone may be ambiguous", function()
      local id, message, code = b:find("tiny")
      assert.is_nil(id)
      assert.equal(errno.ENOTUNIQ, code)
      assert.matches("several types have that name: %w+ %d+, %w+ %d+: tell the kind", message)
      assert.equal("enum", select(2, b:find("tiny", "enum")).kind)
      assert.equal("var", select(2, b:find("tiny", "var")).kind)
      assert.equal(2, #b:find_all("tiny"))
    end)
  end)
end

describe("BTF of an object file", function()
  it("stays with its spec and copies of that", function()
    local object = assert(ebpf.load_spec(support.fixture("values")))
    local copy = object:copy()
    local id, type = assert(object.types:find("int"))
    assert.equal(4, type.size)
    object = nil -- luacheck: ignore
    collectgarbage()
    assert.equal(id, (copy.types:find("int")))
    assert.matches("values.bpf.o", tostring(copy.types))
    assert.is_nil(assert(ebpf.load_spec(support.fixture("legacy", "nodebug"))).types)
  end)
end)

describe("split BTF", function()
  -- A pointer to type `id` and a typedef of that pointer, whose name is at `name` among all strings.
  local function split(id, name, pointer, strings)
    local types = words(0, 2 * 2 ^ 24, id) .. words(name, 8 * 2 ^ 24, pointer)
    return "\159\235\1\0" .. words(24, 0, #types, #types, #strings) .. types .. strings
  end

  it("goes on where its base ends", function()
    local bytes = support.read_file("/sys/kernel/btf/vmlinux")
    local size = bytes:byte(21) + bytes:byte(22) * 2 ^ 8 + bytes:byte(23) * 2 ^ 16 + bytes:byte(24) * 2 ^ 24
    local kernel = close(assert(btf.load_kernel()))
    local last, task = #kernel, kernel:find("task_struct")
    local b = close(assert(btf.parse(split(task, size, last + 1, "task_p\0"), kernel)))
    kernel:close() -- the base lives on in what needs it
    assert.equal(last + 2, #b)
    assert.equal(task, (b:find("task_struct")))
    local id, type = b:find("task_p")
    assert.same({ last + 2, "typedef", last + 1 }, { id, type.kind, type.type })
    assert.equal(task, b:type(type.type).type)
    assert.equal("task_struct", b:type(task).name)
    assert.equal(8, b:size_of(id))
    assert.equal("base", b:type(assert(btf.load_kernel()):find("task_struct")).name and "base")
    local nested, message, code = btf.parse(split(1, 0, 1, ""), b)
    assert.same({ nil, "parse BTF: the base of split BTF is split itself", errno.EINVAL }, { nested, message, code })
    local bad
    bad, message, code = btf.parse(split(last + 9, size, last + 1, "x\0"), assert(btf.load_kernel()))
    assert.is_nil(bad)
    assert.equal(errno.ENOEXEC, code)
    assert.equal(("parse BTF: BTF type %d: type %d is out of range"):format(last + 1, last + 9), message)
  end)
end)

describe("BTF that is malformed or missing", function()
  it("is refused with what is wrong", function()
    local good = support.read_file("/sys/kernel/btf/vmlinux"):sub(1, 24)
    for bytes, wrong in pairs {
      [""] = "BTF of 0 bytes has no whole header",
      ["abc"] = "BTF of 3 bytes has no whole header",
      [("x"):rep(100)] = "BTF magic is 0x7878, not 0xeb9f",
      [good] = "BTF types lie outside the BTF",
    } do
      local b, message, code = btf.parse(bytes)
      assert.same({ nil, "parse BTF: " .. wrong, errno.ENOEXEC }, { b, message, code })
    end
  end)

  it("is refused for sizes that cannot be", function()
    local function check(wrong, ...)
      local types = words(...)
      local b, message, code = btf.parse("\159\235\1\0" .. words(24, 0, #types, #types, 3) .. types .. "\0x\0")
      assert.same({ nil, "parse BTF: BTF type 1" .. wrong, errno.ENOEXEC }, { b, message, code })
    end
    check(": member 0 lies outside its 8 bytes", 1, 4 * 2 ^ 24 + 1, 8, 1, 0, 65)
    check(": member 0 lies outside its 8 bytes", 1, 4 * 2 ^ 24 + 1 + 2 ^ 31, 8, 1, 0, 61 + 4 * 2 ^ 24)
    check(": an integer of 33 bits in 4 bytes", 1, 2 ^ 24, 4, 33)
    check(": an integer of 0 bits in 17 bytes", 1, 2 ^ 24, 17, 0)
    check(": name 3 is out of range", 3, 2 ^ 24, 4, 32)
    check(" is of the unknown kind 20", 1, 20 * 2 ^ 24, 4)
    check(" is cut off", 1, 4 * 2 ^ 24 + 2, 8, 1, 0, 0)
  end)

  it("has types in a circle", function()
    -- typedef 2 of const 1 of typedef 2, and a pointer to it
    local types = words(0, 10 * 2 ^ 24, 2, 1, 8 * 2 ^ 24, 1, 0, 2 * 2 ^ 24, 2)
    local b = close(assert(btf.parse("\159\235\1\0" .. words(24, 0, #types, #types, 3) .. types .. "\0x\0")))
    assert.same({ nil, 8 }, { b:size_of(2), b:size_of(3) })
    assert.equal(errno.ENOEXEC, select(3, b:c_dump()))
  end)

  it("is told by the errno of the file", function()
    local directory = support.tmpdir()
    local b, message, code = btf.load(directory .. "/missing")
    assert.same({ nil, ('load BTF "%s/missing": no such file or directory (ENOENT)'):format(directory), errno.ENOENT },
      { b, message, code })
    b, message, code = btf.load(directory)
    assert.same({ nil, errno.EISDIR }, { b, code })
    assert.matches("is a directory", message)
    b, message, code = btf.load(support.fixture("legacy", "nodebug"))
    assert.same({ nil, errno.ENOEXEC }, { b, code })
    assert.matches("no section .BTF: compile with %-g$", message)
  end)
end)

describe("C made of BTF", function()
  local header -- of the kernel
  local directory

  setup(function()
    directory = support.tmpdir()
    local kernel = assert(btf.load_kernel())
    header = assert(kernel:c_dump())
    kernel:close()
    support.write_file(directory .. "/vmlinux.h", header)
  end)

  local function compile(source, target)
    support.write_file(directory .. "/source.bpf.c", source)
    support.check_run { "clang", "-Wall", "-Werror", "-O2", "-g", "-target", target or "bpf", "-I", directory,
      "-c", directory .. "/source.bpf.c", "-o", directory .. "/object.bpf.o" }
    return close(assert(btf.load(directory .. "/object.bpf.o")))
  end

  local transparent = { typedef = true, const = true, volatile = true, restrict = true, type_tag = true }

  local function behind(b, id)
    local type = b:type(id)
    while transparent[type.kind] do
      type = b:type(type.type)
    end
    return type
  end

  -- What differs between two types that should be one, member by member down to the named structs; nil: nothing.
  local function difference(b, b_id, c, c_id, inner)
    local x, y = behind(b, b_id), behind(c, c_id)
    if x.size ~= y.size or x.count ~= y.count or x.kind:match("^[a-z]+") ~= y.kind:match("^[a-z]+") then
      return ("%s of %s, %s of %s"):format(x.kind, x.size or x.count, y.kind, y.size or y.count)
    elseif x.kind == "array" then
      return difference(b, x.type, c, y.type, true)
    elseif not x.members or (inner and x.name) then
      return nil
    end
    for i, ours in ipairs(x.members) do
      local theirs = y.members[i] or {}
      if ours.name ~= theirs.name or ours.offset ~= theirs.offset or ours.bits ~= theirs.bits then
        return ("%s at %s: %s, %s at %s: %s"):format(ours.name, ours.offset, ours.bits, theirs.name, theirs.offset,
          theirs.bits)
      end
      local found = difference(b, ours.type, c, theirs.type, true)
      if found then
        return (ours.name or "?") .. ": " .. found
      end
    end
  end

  -- Compiles the header with a variable of each type, and compares what the compiler made of it.
  -- @param ids of structs, unions and typedefs with names that no other type has
  local function check_layout(b, text, ids, target)
    local lines = { text, "union every_type {" }
    for _, id in ipairs(ids) do
      local type = b:type(id)
      lines[#lines + 1] = ("%s %s m%d;"):format(type.kind == "typedef" and "" or type.kind, type.name, id)
    end
    lines[#lines + 1] = "} every_variable;"
    local c = compile(table.concat(lines, "\n"):gsub("^#pragma once", ""), target)
    for _, each in ipairs(select(2, assert(c:find("every_type", "union"))).members) do
      local id = tonumber(each.name:match("^m(%d+)$"))
      if id then
        local found = difference(b, id, c, each.type)
        assert.is_nil(found and b:type(id).name .. ": " .. found)
      end
    end
    c:close()
  end

  local tags = { "struct", "union", "enum", "enum64", "fwd" }

  local function is_unique(b, type)
    local count = 0
    for _, kind in ipairs(type.kind == "typedef" and { "typedef" } or tags) do
      count = count + #b:find_all(type.name, kind)
    end
    return count == 1
  end

  local function records(b, step)
    local ids = {}
    for id = 1, #b, step do
      local type = b:type(id)
      if type.name and (type.members or (type.kind == "typedef" and behind(b, id).members)) and is_unique(b, type) then
        ids[#ids + 1] = id
      end
    end
    return ids
  end

  for variant, target in pairs { little = "bpfel", bigendian = "bpfeb" } do
    it("has the layout it came from, " .. variant, function()
      local b = close(assert(btf.load(support.fixture("btf", variant == "bigendian" and variant or nil))))
      local ids = records(b, 1)
      assert.is_true(#ids >= 9)
      check_layout(b, assert(b:c_dump()), ids, target)
    end)
  end

  it("writes out structs that are embedded by their names, and gives enums without values one", function()
    support.write_file(directory .. "/embedding.c", [[
      struct named { int a; union { long b; char c; }; };
      typedef struct { short d; } typed;
      enum declared;
      enum declared *pointer;
      struct whole { char first; struct named; typed; enum declared *of; char last; } whole;
    ]])
    support.check_run { "clang", "-O2", "-g", "-fms-extensions", "-w", "-target", "bpf", "-c",
      directory .. "/embedding.c", "-o", directory .. "/embedding.o" }
    local b = close(assert(btf.load(directory .. "/embedding.o")))
    local text = assert(b:c_dump())
    assert.matches("char first;\n\tstruct {\n\t\tint a;\n\t\tunion {", text)
    assert.matches("enum declared {\n\tno_value = 0,\n}", text)
    check_layout(b, text, records(b, 1))
  end)

  it("has the layout of the kernel's types", function()
    local kernel = close(assert(btf.load_kernel()))
    local ids = records(kernel, 13)
    assert.is_true(#ids > 100)
    check_layout(kernel, header, ids)
  end)

  it("can be the vmlinux.h of programs", function()
    -- In the place of the headers that the fixtures include.
    assert(require("lfs").mkdir(directory .. "/linux"))
    support.write_file(directory .. "/linux/bpf.h", '#include "vmlinux.h"\n')
    support.write_file(directory .. "/linux/types.h", '#include "vmlinux.h"\n')
    for _, name in ipairs { "values", "link", "bench" } do
      local object = ("%s/%s.bpf.o"):format(directory, name)
      support.check_run { "clang", "-Wall", "-O2", "-g", "-mcpu=v3", "-target", "bpf", "-I", directory, "-c",
        ("spec/bpf/%s.bpf.c"):format(name), "-o", object }
      local ours, theirs = assert(ebpf.load_spec(object)), assert(ebpf.load_spec(support.fixture(name)))
      for program, spec in pairs(theirs.programs) do
        assert.equal(#spec.instructions, #ours.programs[program].instructions)
      end
      for map, spec in pairs(theirs.maps) do
        assert.same({ spec.key_size, spec.value_size }, { ours.maps[map].key_size, ours.maps[map].value_size })
      end
    end
  end)

  it("has each name once", function()
    assert.matches("\nstruct list_head {\n\tstruct list_head %*next;\n\tstruct list_head %*prev;\n};\n", header)
    assert.matches("^#ifndef __VMLINUX_H__\n#define __VMLINUX_H__\n", header)
    assert.matches("___2", header)
  end)

  it("can be of one type, with what it needs", function()
    local kernel = close(assert(btf.load_kernel()))
    local text = assert(kernel:c_dump("hlist_node"))
    local body = text:match("apply_to = record%)\n#endif\n\n(.-)\n#ifndef")
    assert.equal("struct hlist_node;\n\n"
      .. "struct hlist_node {\n\tstruct hlist_node *next;\n\tstruct hlist_node **pprev;\n};\n", body)
    compile((assert(kernel:c_dump("task_struct")):gsub("^#pragma once", "")) .. "\nstruct task_struct task;")
    local none, message, code = kernel:c_dump("no_such_type")
    assert.same({ nil, 'dump BTF "vmlinux" as C: no struct, union, enum or typedef is called "no_such_type"',
      errno.ENOENT }, { none, message, code })
  end)

  it("is refused for types that contain themselves", function()
    local types = words(1, 4 * 2 ^ 24 + 1, 8, 1, 1, 0)
    local b = close(assert(btf.parse("\159\235\1\0" .. words(24, 0, #types, #types, 3) .. types .. "\0x\0")))
    local none, message, code = b:c_dump()
    assert.same({ nil, 'dump BTF "bytes" as C: BTF type 1 contains itself', errno.ENOEXEC }, { none, message, code })
  end)

  it("is C only, whatever names are", function()
    local strings = "\0int\0a{};*/\0008 x\0"
    local types = words(1, 1 * 2 ^ 24, 4, 0x01000020) .. words(5, 4 * 2 ^ 24 + 1, 4, 12, 1, 0)
    local b = close(assert(btf.parse("\159\235\1\0" .. words(24, 0, #types, #types, #strings) .. types .. strings)))
    assert.matches("struct a_____ {\n\tint _8_x;\n};\n", (b:c_dump()))
  end)
end)

describe("BTF that is damaged in any way", function()
  local it_once = support.once and it or function() end

  it_once("is never unsafe, endless or greedy #host", function()
    local path = support.harness "btf_fuzz"
    local output, status = support.run(("%s %s 15000 1"):format(path, support.fixture("btf")))
    assert.equal(0, status, output)
    local tried, parsed = output:match("^(%d+) tried, (%d+) parsed\n$")
    assert.is_true(tonumber(tried) > 20000, output)
    assert.is_true(tonumber(parsed) > 1000, output)
  end)
end)
