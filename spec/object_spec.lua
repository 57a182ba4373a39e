local core = require "ebpf.core"
local ebpf = require "ebpf"
local spec = require "ebpf.spec"
local support = require "spec.support"

local HEADERS = "#include <linux/bpf.h>\n#include <bpf/bpf_helpers.h>\n"
local PROGRAM = '\nSEC("socket") int prog(void *ctx) { return 0; }\n'

-- Compiles C as users do, for what is too small for a file of its own.
local function compile(source, flags)
  local path = support.tmpdir()
  support.write_file(path .. "/x.c", HEADERS .. source)
  local machine = support.check_run("uname -m"):match("%S+")
  support.check_run(("clang -O2 -mcpu=v3 -target bpf -I/usr/include/%s-linux-gnu %s -c %s/x.c -o %s/x.o")
    :format(machine, flags or "-g", path, path))
  return path .. "/x.o"
end

-- What the instructions of a program refer to, as {["kind name"] = {offsets or true}}.
local function references(program)
  local set = {}
  for _, ref in ipairs(program.instructions:references()) do
    local key = ref.kind .. " " .. ref.name
    set[key] = set[key] or {}
    table.insert(set[key], ref.offset or true)
  end
  return set
end

-- All fields but the types, which spec/btf_load_spec.lua looks at.
local function plain(map)
  local copy = {}
  for key, value in pairs(map) do
    copy[key] = type(value) == "cdata" and tonumber(value) or type(value) == "userdata" and tostring(value) or value
  end
  copy.btf = nil
  return copy
end

local function integers(...)
  local bytes = {}
  for i, value in ipairs { ... } do
    bytes[i] = string.char(value, 0, 0, 0)
  end
  return table.concat(bytes)
end

local function refused(source, flags, ...)
  local result, message, errno = spec.load(compile(source .. PROGRAM, flags))
  assert.is_nil(result)
  for _, words in ipairs { ... } do
    assert.truthy(message:find(words, 1, true), message)
  end
  assert.equal(core.errno.ENOEXEC, errno)
end

describe("a spec loaded from an object file", function()
  local object = assert(spec.load(support.fixture("object")))

  it("has the license, the kernel version and the byte order", function()
    assert.equal("Dual MIT/GPL", object.license)
    assert.equal(0x051234, object.kernel_version)
    assert.equal("little", object.byte_order)
  end)

  it("has maps defined by types", function()
    assert.same({ name = "by_type", type = "hash", key_size = 8, value_size = 32, max_entries = 1000, flags = 5,
      numa_node = 3, map_extra = 0, pinning = "by_name", key = "struct key { u32 a; u16 b; }",
      value = "struct value { u64 packets; u64 bytes; char name[13]; }" }, plain(object.maps.by_type))
  end)

  it("has maps defined by sizes", function()
    assert.same({ name = "by_size", type = "lru_hash", key_size = 6, value_size = 12345, max_entries = 2 ^ 20,
      flags = 0, numa_node = 0, map_extra = 0, pinning = "none" }, plain(object.maps.by_size))
  end)

  it("reads map_extra from an enum", function()
    assert.equal(0xc0ffee, tonumber(object.maps.bloom.map_extra))
    assert.equal(12, object.maps.bloom.value_size)
  end)

  it("takes no size from types that stand there for the reader only", function()
    assert.equal(0, object.maps.ring.value_size)
    assert.equal(0, object.maps.events.value_size)
    assert.equal("perf_event_array", object.maps.events.type)
  end)

  it("keeps the number of a map type it does not know", function()
    assert.equal(4242, object.maps.unknown.type)
  end)

  it("has a map for each section of data", function()
    assert.same({ name = ".data", type = "array", key_size = 4, value_size = 8, max_entries = 1,
      flags = 0, mmapable = true, numa_node = 0, map_extra = 0, pinning = "none",
      contents = { { 0, integers(7, 8) } } }, plain(object.maps[".data"]))
    assert.same({ { 0, integers(1, 2, 3) } }, object.maps[".data.own"].contents)
  end)

  it("keeps data the programs must not write in frozen maps", function()
    for name, value in pairs { [".rodata"] = 9, [".rodata.own"] = 4 } do
      local map = object.maps[name]
      assert.equal(0x80, map.flags) -- BPF_F_RDONLY_PROG
      assert.is_true(map.freeze)
      assert.same({ { 0, integers(value) } }, map.contents)
    end
  end)

  it("gives data that is all zero a size but no contents", function()
    assert.equal(4, object.maps[".bss.own"].value_size)
    assert.is_nil(object.maps[".bss"].contents)
    assert.is_nil(object.maps[".bss"].freeze)
  end)

  it("has the programs of each section, with what the section's name says", function()
    local seen = {}
    for name, program in pairs(object.programs) do
      assert.equal(name, program.name)
      assert.equal("Dual MIT/GPL", program.license)
      assert.equal(0x051234, program.kernel_version)
      seen[name] = { program.section, program.type, program.attach_type, program.flags, program.autoload,
        program.attach_to }
    end
    assert.same({
      first = { "xdp", "xdp", "xdp", 0, true },
      second = { "xdp", "xdp", "xdp", 0, true },
      optional = { "?fentry.s/bpf_fentry_test1", "tracing", "trace_fentry", 16, false, "bpf_fentry_test1" },
      cgroup = { "cgroup_skb/ingress", "cgroup_skb", "cgroup_inet_ingress", 0, true },
      unspecified = { "nonsense/name", "unspec", nil, 0, false },
      frags = { "xdp.frags/cpumap", "xdp", "xdp_cpumap", 32, true },
    }, seen)
  end)

  it("comes with every function a program calls, once, and no other", function()
    local function functions(name)
      local names = {}
      for symbol in pairs(object.programs[name].instructions:symbols()) do
        names[#names + 1] = symbol
      end
      table.sort(names)
      return names
    end
    assert.same({ "callback", "first", "helper", "in_library", "shared" }, functions("first"))
    assert.same({ "second" }, functions("second"))
    assert.same({ "helper", "unspecified" }, functions("unspecified"))
    assert.same({ "callback", "cgroup", "first", "helper", "in_library", "shared" }, functions("cgroup"))
    assert.equal(1, object.programs.first.instructions:symbols().first)
  end)

  it("refers to maps, values, functions and externals by name", function()
    local first = references(object.programs.first)
    assert.same({ true }, first["map by_type"])
    assert.same({ true }, first["func callback"])
    assert.same({ 4, 0 }, first["map_value .data"])
    assert.same({ 0, 24 }, first["map_value .bss"])
    assert.same({ 0 }, first["map_value .data.own"])
    assert.same({ 0 }, first["map_value .rodata.own"])
    assert.same({ true }, first["call in_library"])
    assert.same({ true, true }, first["call shared"])
    assert.same({ true, true }, first["call helper"])
    assert.same({ ["map ring"] = { true }, ["extern CONSTANT"] = { true }, ["extern symbol"] = { true } },
      references(object.programs.second))
    assert.same({ ["extern elsewhere"] = { true } }, references(object.programs.optional))
  end)

  it("is the same when the object has the other byte order, but for the bytes", function()
    local big = assert(spec.load(support.fixture("object", "bigendian")))
    assert.equal("big", big.byte_order)
    assert.equal("Dual MIT/GPL", big.license)
    assert.equal(0x051234, big.kernel_version)
    for name, map in pairs(object.maps) do
      local other = big.maps[name]
      for _, field in ipairs { "type", "key_size", "value_size", "max_entries", "flags", "numa_node", "pinning" } do
        assert.equal(map[field], other[field], name .. "." .. field)
      end
      assert.equal(tonumber(map.map_extra), tonumber(other.map_extra))
    end
    for name, program in pairs(object.programs) do
      assert.same(references(program), references(big.programs[name]), name)
      assert.same(program.instructions:symbols(), big.programs[name].instructions:symbols())
      assert.equal(program.attach_type, big.programs[name].attach_type)
    end
    assert.equal("\0\0\0\7\0\0\0\8", big.maps[".data"].contents[1][2])
  end)

  it("is the same from a string", function()
    local parsed = assert(spec.parse(support.read_file(support.fixture("object"))))
    assert.equal(tostring(object), tostring(parsed))
    assert.same(references(object.programs.first), references(parsed.programs.first))
  end)

  it("is read without privilege", function()
    local output, status = support.as_unprivileged(("%s -e %s"):format(support.lua,
      support.quote(("print(assert(require('ebpf.spec').load('%s')).license)"):format(support.fixture("object")))))
    assert.same({ "Dual MIT/GPL\n", 0 }, { output, status })
  end)
end)

describe("maps of maps and program arrays", function()
  for _, variant in ipairs { "little", "bigendian" } do
    local object = assert(spec.load(support.fixture("values", variant == "bigendian" and variant or nil)))

    it("have a template and initial maps: " .. variant, function()
      local outer = object.maps.outer
      assert.equal("array_of_maps", outer.type)
      assert.equal(4, outer.value_size)
      assert.same({ { 1, "inner_b" }, { 4, "inner_a" } }, outer.contents)
      assert.equal('array "outer_inner" (key_size=4, value_size=8, max_entries=3, flags=0)', tostring(outer.inner_map))
      assert.equal(3, object.maps.inner_a.max_entries)
    end)

    it("may define the template in place: " .. variant, function()
      local map = object.maps.anonymous
      assert.is_nil(map.contents)
      assert.same({ "anonymous_inner", "hash", 2, 4, 9 }, { map.inner_map.name, map.inner_map.type,
        map.inner_map.key_size, map.inner_map.value_size, map.inner_map.max_entries })
    end)

    it("have initial programs: " .. variant, function()
      local map = object.maps.programs
      assert.equal("prog_array", map.type)
      assert.equal(4, map.value_size)
      assert.is_nil(map.inner_map)
      assert.same({ { 0, "main_program" }, { 2, "called" } }, map.contents)
    end)
  end
end)

describe("objects from before BTF", function()
  for _, variant in ipairs { "debug", "nodebug", "bigendian" } do
    local object = assert(spec.load(support.fixture("legacy", variant ~= "debug" and variant or nil)))

    it("define maps as structs: " .. variant, function()
      assert.same({ name = "table", type = "hash", key_size = 4, value_size = 8, max_entries = 100, flags = 1,
        numa_node = 0, map_extra = 0, pinning = "none" }, plain(object.maps.table))
      assert.equal("element", object.maps.outer.inner_map.name)
      assert.equal(16, object.maps.outer.inner_map.value_size)
      assert.equal("hash_of_maps", object.maps.outer.type)
    end)

    it("refer to maps, data and functions: " .. variant, function()
      local enter = references(object.programs.on_enter)
      assert.same({ true }, enter["map table"])
      assert.same({ true }, enter["call count"])
      assert.same({ 0 }, enter["map_value .rodata"])
      assert.same({ 0 }, enter["map_value .data"])
      assert.equal("raw_syscalls/sys_enter", object.programs.on_enter.attach_to)
      assert.equal("legacy\0", object.maps[".rodata"].contents[1][2])
    end)
  end

  it("may leave out the flags, and add what is zero", function()
    local object = assert(spec.load(compile([[
      struct { int type, key_size, value_size, max_entries; } a SEC("maps") = {2, 4, 4, 1};
      struct { int type, key_size, value_size, max_entries, flags, x[20]; } b SEC("maps/more") = {1, 4, 4, 1, 1};
      ]] .. PROGRAM, "")))
    assert.equal(0, object.maps.a.flags)
    assert.equal(1, object.maps.b.flags)
  end)

  it("must not fill fields nobody knows", function()
    refused('struct { int type, key, value, entries, flags, x, y; } m SEC("maps") = {1, 4, 4, 1, 0, 0, 5};', "",
      'section "maps"', 'map "m"', "byte 24")
  end)

  it("must not define an inner map later", function()
    refused('struct { int type, key, value, entries, flags, inner; } m SEC("maps") = {12, 4, 4, 1, 0, 0};', "",
      'map "m"', "inner map 0 is not one of the 0 definitions before")
  end)

  it("must not mix definitions of different size", function()
    refused([[
      struct { int type, key_size, value_size, max_entries; } a SEC("maps") = {2, 4, 4, 1};
      struct { int type, key_size, value_size, max_entries, flags; } b SEC("maps") = {1, 4, 4, 1, 1};]], "",
      'section "maps": map "b" is not at byte 18: the definitions differ in size')
  end)
end)

describe("an object with a mistake", function()
  local function map(fields)
    return ("struct { %s } m SEC(\".maps\");"):format(fields)
  end

  it("has a static map, which is named with what to do", function()
    local use = '\nSEC("xdp") int user(void *ctx) { int k = 0; return !!bpf_map_lookup_elem(&hidden, &k); }'
    refused("static " .. map("__uint(type, 2); __uint(key_size, 4);"):gsub(" m ", " hidden ") .. use, "-g",
      'section ".maps"', 'map "hidden" is static', "drop the static")
    refused('static struct { int a, b, c, d, e; } hidden SEC("maps") = {1, 4, 4, 1, 0};' .. use, "",
      'section "maps"', 'map "hidden" is static', "drop the static")
  end)

  it("defines maps by types, but has none without -g", function()
    refused(map("__uint(type, 2);"), "", 'section ".maps"', "compile with -g")
  end)

  it("gives a size twice", function()
    refused(map("__uint(type, 1); __type(key, int); __uint(key_size, 4);"), "-g",
      'section ".maps": map "m": key and key_size are both given')
    refused(map("__uint(type, 1); __uint(value_size, 4); __type(value, int);"), "-g",
      'map "m": value and value_size are both given')
  end)

  it("has a field nobody knows", function()
    refused(map("__uint(type, 1); __uint(colour, 4);"), "-g", 'map "m": unknown field colour')
  end)

  it("gives no type of map", function()
    refused(map("__uint(max_entries, 1);"), "-g", 'map "m": no type is given')
  end)

  it("has a field that is no number, or a type without a size", function()
    refused(map("__uint(type, 1); int max_entries;"), "-g", 'map "m": max_entries is no number')
    refused(map("__uint(type, 1); __type(key, void);"), "-g", 'map "m": the type of key has no size')
  end)

  it("pins in a way nobody knows", function()
    refused(map("__uint(type, 1); __uint(pinning, 2);"), "-g", 'map "m": pinning 2 is not supported')
  end)

  it("has values where the type of map holds none", function()
    refused("struct inner { __uint(type, 1); }; " .. map("__uint(type, 1); __array(values, struct inner);"), "-g",
      'map "m": values are maps, which this type of map does not hold')
    refused(map("__uint(type, 12); __array(values, int (void *));"), "-g", 'map "m": values are programs')
  end)

  it("nests maps of maps", function()
    refused("struct inner { __uint(type, 1); }; struct middle { __uint(type, 12); __array(values, struct inner); }; "
      .. map("__uint(type, 12); __array(values, struct middle);"), "-g", 'map "m": inner map: an inner map cannot')
  end)

  it("refers to sections that are for something else", function()
    refused('int odd[4] SEC("strange"); SEC("xdp") int user(void *ctx) { return odd[1]; }', "-g",
      'section "xdp": function "user": instruction 0', '"odd" in section "strange" cannot be referred to')
  end)

  it("has variables without a section", function()
    refused('int tentative; SEC("xdp") int user(void *ctx) { return tentative; }', "-g -fcommon",
      'variable "tentative" has no section: compile with -fno-common')
  end)

  it("is for another machine, or not relocatable", function()
    local path = compile(PROGRAM, "-target x86_64-linux-gnu")
    local _, message = spec.load(path)
    assert.truthy(message:find("compile with -target bpf", 1, true), message)
    _, message = spec.load(support.lua)
    assert.truthy(message:find("not a relocatable object", 1, true), message)
  end)

  it("has compressed sections", function()
    local path = compile(PROGRAM)
    support.check_run { "llvm-objcopy", "--compress-debug-sections=zlib", path, path .. ".z" }
    assert(spec.load(path .. ".z")) -- of these it needs none
  end)

  it("has lost its symbols", function()
    local bytes = support.read_file(compile(PROGRAM))
    local _, message = spec.parse((bytes:gsub("prog%z", "\0\0\0\0\0")), "nameless")
    assert.equal('parse spec "nameless": section "socket": function "": it has no name', message)
  end)
end)

describe("functions of an object", function()
  it("may be called relatively within their section, as LLVM did up to 9", function()
    -- r1 = 1; call +1; exit; second: r0 = r1; exit
    local object = assert(spec.load(compile([[
      asm(".section socket,\"ax\"; .globl old; .type old,@function; old: r1 = 1; .byte 0x85, 0x10, 0, 0, 1, 0, 0, 0;"
        "exit; .size old, .-old; .type sub,@function; sub: r0 = r1; exit; .size sub, .-sub;");]], "")))
    assert.same({ ["call sub"] = { true } }, references(object.programs.old))
    assert.same({ old = 1, sub = 4 }, object.programs.old.instructions:symbols())
  end)

  it("need neither type nor size, as LLVM did before that", function()
    local object = assert(spec.load(compile([[
      asm(".section socket,\"ax\"; .globl one; one: r0 = 1; exit; .globl two; two: r0 = 2; if r0 == 2 goto Lx;"
        "r0 = 3; Lx: exit;");]], "")))
    assert.equal(2, #object.programs.one.instructions)
    assert.equal(4, #object.programs.two.instructions)
  end)

  it("may have several names", function()
    local object = assert(spec.load(compile([[
      SEC("xdp") int one(void *ctx) { return 1; }
      int two(void *ctx) __attribute__((alias("one")));]])))
    assert.equal(object.programs.one.instructions:bytes(), object.programs.two.instructions:bytes())
  end)

  it("are told apart when static ones of two sources have one name", function()
    local call = '__attribute__((noinline)) static int same(int x) { return x * %d + bpf_get_prandom_u32(); }'
      .. 'SEC("xdp") int p%d(void *ctx) { return same(bpf_get_prandom_u32()); }'
    local a, b = compile(call:format(3, 3)), compile(call:format(5, 5))
    local both = support.tmpdir() .. "/both.o"
    support.check_run { "bpftool", "gen", "object", both, a, b }
    local object = assert(spec.load(both))
    for name, factor in pairs { p3 = 3, p5 = 5 } do
      local bytes = object.programs[name].instructions:bytes()
      assert.truthy(bytes:find("\36.%z%z" .. string.char(factor) .. "%z%z%z"), name) -- w0 *= factor
      assert.truthy(next(references(object.programs[name])):find("^call same"))
    end
  end)
end)

describe("what was read", function()
  local packet = ("\0"):rep(64)

  for _, variant in ipairs { "debug", "nodebug" } do
    it("calls the functions and finds the variables that were meant: " .. variant, function()
      local path = support.fixture("calls", variant ~= "debug" and variant or nil)
      local collection = support.closing(assert(ebpf.load(path)))
      assert.equal(21073, collection.programs.inner:test(packet))
      assert.equal(221076, collection.programs.outer:test(packet))
    end)
  end

  it("finds the maps and programs it begins with", function()
    local collection = support.closing(assert(ebpf.load(support.fixture("values"))))
    assert.equal(7, collection.programs.main_program:test(packet))
  end)

  it("is loaded from legacy definitions", function()
    for _, variant in ipairs { "debug", "nodebug" } do
      support.closing(assert(ebpf.load(support.fixture("legacy", variant ~= "debug" and variant or nil))))
    end
  end)

  it("is refused by a machine of the other byte order", function()
    local collection, message = ebpf.load(support.fixture("legacy", "bigendian"))
    assert.is_nil(collection)
    assert.truthy(message:find("big-endian", 1, true), message)
  end)
end)

describe("sections of data", function()
  it("become maps only when something is in them or leads there", function()
    local object = assert(spec.load(compile([[
      asm(".section .rodata.str1.1,\"aMS\",@progbits,1; .asciz \"nobody\"; .section .rodata.cst16,\"aM\",@progbits,16;"
        ".quad 1, 2; .text; .section socket,\"ax\"; .globl p; .type p,@function; p: r1 = .rodata.cst16 + 8 ll;"
        "r0 = *(u32*)(r1 + 0); exit; .size p, .-p;");]], "")))
    assert.is_nil(object.maps[".rodata.str1.1"])
    assert.same({ ["map_value .rodata.cst16"] = { 8 } }, references(object.programs.p))
    assert.equal(16, object.maps[".rodata.cst16"].value_size)
    assert.is_true(object.maps[".rodata.cst16"].freeze)
  end)

  it("of any size take no memory while they are zero", function()
    local object = assert(spec.load(compile('char huge[1 << 30]; SEC("xdp") int p(void *ctx) { return huge[5]; }')))
    assert.equal(2 ^ 30, object.maps[".bss"].value_size)
  end)

  it("of an arena belong to the one that there is", function()
    local variable = 'int v SEC(".addr_space.1") = 5; SEC("xdp") int p(void *ctx) { return 0; }\n'
    local arena = "struct { __uint(type, 33); __uint(max_entries, 1); __uint(map_flags, 1024); } %s SEC(\".maps\");\n"
    local object = assert(spec.load(compile(arena:format("one") .. variable)))
    assert.same({ { 0, "\5\0\0\0" } }, object.maps.one.contents)
    assert.equal("one", object.variables.v:section())
    for words, source in pairs {
      ["no map is an arena"] = variable,
      ["there is more than one arena"] = arena:format("one") .. arena:format("other") .. variable,
    } do
      local none, message, code = spec.load(compile(source))
      assert.same({ nil, core.errno.ENOEXEC }, { none, code })
      assert.truthy(message:find('section ".addr_space.1": ' .. words, 1, true), message)
    end
  end)

  it("of struct_ops are maps of the structs in them", function()
    local object = assert(spec.load(compile([[
      struct ops { int (*init)(void *); } ;
      SEC("struct_ops/init") int init_it(void *ctx) { return 0; }
      SEC(".struct_ops") struct ops my_ops = { .init = init_it };]])))
    assert.equal("struct_ops", object.programs.init_it.type)
    assert.equal("ops:init", object.programs.init_it.attach_to)
    local map = object.maps.my_ops
    assert.same({ "struct_ops", "ops", 8, 0, true },
      { map.type, map.struct, map.value_size, map.flags, map.autocreate })
    assert.same({ init = "init_it" }, map.members)
  end)
end)

describe("a spec", function()
  local object = assert(spec.load(support.fixture("values")))

  it("is copied all the way down", function()
    local copy = object:copy()
    assert.equal(tostring(object), tostring(copy))
    copy.maps.outer.inner_map.max_entries = 99
    copy.maps.outer.contents[1][2] = "other"
    copy.programs.called.flags = 1
    copy.maps.programs = nil
    assert(copy.programs.called.instructions:copy())
    assert.equal(3, object.maps.outer.inner_map.max_entries)
    assert.equal("inner_b", object.maps.outer.contents[1][2])
    assert.equal(0, object.programs.called.flags)
    assert.truthy(object.maps.programs)
    assert.is_false(rawequal(copy.programs.called.instructions, object.programs.called.instructions))
    assert.equal(99, copy.maps.outer:copy().inner_map:copy().max_entries)
    assert.equal("called", copy.programs.called:copy().name)
  end)

  it("keeps instructions apart from those of its copy", function()
    local original = assert(spec.load(support.fixture("object"))).programs.second
    local copy = original:copy()
    assert(copy.instructions:rewrite_constant("CONSTANT", 5))
    assert.are_not.equal(original.instructions:bytes(), copy.instructions:bytes())
  end)

  it("prints what matters", function()
    assert.equal('array_of_maps "outer" (key_size=4, value_size=4, max_entries=8, flags=0)',
      tostring(object.maps.outer))
    assert.equal('socket_filter "called" (section="socket", 2 instructions)', tostring(object.programs.called))
    assert.truthy(tostring(object):find('^collection spec %(license="GPL", little%-endian%)\n  map hash_of_maps'))
    object.maps.outer.type = 4242
    assert.truthy(tostring(object.maps.outer):find('^4242 "outer"'))
  end)
end)

describe("what cannot be read", function()
  it("is told by the errno of the file", function()
    local cases = { ["/nonexistent/x.o"] = "ENOENT", ["/tmp"] = "EISDIR", ["/dev/zero"] = "EINVAL" }
    for path, name in pairs(cases) do
      local result, message, errno = spec.load(path)
      assert.is_nil(result)
      assert.truthy(message:find(('load spec "%s": '):format(path), 1, true), message)
      assert.equal(core.errno[name], errno)
    end
  end)

  it("raises for what is no path at all", function()
    assert.has_error(function() spec.load(nil) end)
    assert.has_error(function() spec.parse({}) end)
  end)
end)
