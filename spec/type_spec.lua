-- C types: what their values are in Lua, and where they are used: keys, values, samples, types of objects.
local ebpf = require "ebpf"
local core = require "ebpf.core"
local support = require "spec.support"

local closing = support.closing
local jit = rawget(_G, "jit")
local packet = ("\0"):rep(64)

local function raises(words, call, ...)
  local ok, message = pcall(call, ...)
  assert.is_false(ok)
  assert.truthy(tostring(message):find(words, 1, true), message)
end

-- 64-bit numbers are cdata on LuaJIT: as plain numbers, all the way down.
local function plain(value)
  if type(value) == "cdata" then
    return tonumber(value)
  elseif type(value) ~= "table" then
    return value
  end
  local copy = {}
  for k, v in pairs(value) do
    copy[k] = plain(v)
  end
  return copy
end

-- Little-endian bytes, the other way round where the machine wants them so.
local function native(text)
  return core.little_endian and text or text:reverse()
end

describe("a C type", function()
  it("packs and unpacks each kind of field", function()
    local t = ebpf.type [[struct {
      u8 a; s16 b; u32 c; u64 d; char text[8]; u8 bytes[3]; bool yes; int list[3]; s8 grid[2][2];
      struct { u8 low : 3; s8 high : 5; } bits; enum { RED = 3, GREEN } color; void *where; float f; double g;
      struct { u16 inner; }; long long wide : 40;
    }]]
    local value = { a = 255, b = -32768, c = 4294967295, d = 2 ^ 53, text = "seven77", bytes = "\0\1\2", yes = true,
      list = { 1, -2, 2147483647 }, grid = { { 1, -1 }, { 127, -128 } }, bits = { low = 5, high = -16 }, color = 4,
      where = 0xdeadbeef, f = 0.5, g = -1e300, inner = 65535, wide = -2 ^ 39 }
    local bytes = t:pack(value)
    assert.equal(t:size(), #bytes)
    assert.same(value, plain(t:unpack(bytes)))
    assert.equal(bytes, t:pack(t:unpack(bytes)))
  end)

  it("zeroes what is left out, and padding", function()
    local t = ebpf.type "struct { u8 a; u32 b; char c[3]; struct { u8 d; u16 e; } f; }"
    assert.equal(("\0"):rep(16), t:pack {})
    assert.equal("\1" .. ("\0"):rep(11) .. "\2" .. ("\0"):rep(3), t:pack { a = 1, f = { d = 2 } })
    assert.same({ a = 0, b = 0, c = "", f = { d = 0, e = 0 } }, t:unpack(("\0"):rep(16)))
  end)

  it("ends a string of char at NUL, and one of unsigned bytes not at all", function()
    local t = ebpf.type "struct { char text[4]; u8 raw[4]; }"
    assert.same({ text = "a", raw = "a\0b\0" }, t:unpack("a\0b\0a\0b\0"))
    assert.same({ text = "abcd", raw = "efgh" }, t:unpack("abcdefgh"))
    assert.equal("abcdefgh", t:pack { text = "abcd", raw = "efgh" })
    raises("value: field 'text': string of 5 bytes, at most 4 expected", t.pack, t, { text = "abcde" })
    raises("value: field 'raw': string of 3 bytes, 4 expected", t.pack, t, { raw = "abc" })
    raises("value: field 'text': string of at most 4 bytes expected, got 5", t.pack, t, { text = 5 })
  end)

  it("may be no struct at all", function()
    for text, case in pairs {
      u32 = { 7, 4 }, ["long long"] = { -7, 8 }, bool = { true, 1 }, ["char[4]"] = { "abc", 4 }, double = { 0.25, 8 },
      ["u8[3]"] = { "\0\1\2", 3 }, ["u16[2]"] = { { 1, 65535 }, 4 }, ["void *"] = { 9, 8 },
      ["enum { A, B = -9 }"] = { -9, 4 }, ["union { u32 a; }"] = { { a = 1 }, 4 },
    } do
      local t = ebpf.type(text)
      assert.equal(case[2], t:size(), text)
      assert.same(case[1], plain(t:unpack(t:pack(case[1]))), text)
      assert.equal(t, ebpf.type(t))
    end
  end)

  it("names the field that is wrong", function()
    local t = ebpf.type [[struct { u8 a; struct { s16 b[2]; struct { u32 c : 3; } d[2]; } e; bool f; u8 g[2]; double h;
      u64 i; struct { u8 j; }; }]]
    for _, case in ipairs {
      { { a = 256 }, "field 'a': unsigned integer of 8 bits expected, got 256" },
      { { a = -1.0 }, "field 'a': unsigned integer of 8 bits expected, got -1" },
      { { a = 1.5 }, "field 'a': number has no integer representation, got 1.5" },
      { { a = {} }, "field 'a': integer expected, got table" },
      { { a = "x" }, "field 'a': string is not an integer, got \"x\"" },
      { { e = 1 }, "field 'e': table expected, got 1" },
      { { e = { b = { 0, 40000 } } }, "field 'e.b[2]': signed integer of 16 bits expected, got 40000" },
      { { e = { b = { 0, 1, 2 } } }, "field 'e.b': the table has more than the elements 1 to 2" },
      { { e = { b = { [0] = 1 } } }, "field 'e.b': the table has more than the elements 1 to 2" },
      { { e = { b = { x = 1 } } }, "field 'e.b': the table has more than the elements 1 to 2" },
      { { e = { d = { { c = 7 }, { c = 8 } } } }, "field 'e.d[2].c': unsigned integer of 3 bits expected, got 8" },
      { { e = { z = 1 } }, "field 'e': unknown field 'z'" },
      { { z = 1 }, "unknown field 'z'" },
      { { 1 }, "the table has a key that is no name" },
      { { f = 1 }, "field 'f': true or false expected, got 1" },
      { { g = {} }, "field 'g': string of 2 bytes expected, got table" },
      { { h = "1" }, "field 'h': number expected, got \"1\"" },
      { { i = 2 ^ 60 }, "field 'i': number beyond 2^53 is not exact" },
      { { i = "18446744073709551616" }, "field 'i': integer needs more than 64 bits" },
      { { j = 256 }, "field 'j': unsigned integer of 8 bits expected" },
      { nil, "value: table expected, got nil" },
      { 5, "value: table expected, got 5" },
      { "abc", "value has 3 bytes, 48 expected" },
    } do
      raises("bad argument", t.pack, t, case[1])
      raises(case[2], t.pack, t, case[1])
    end
  end)

  it("decodes all members of a union, and is given one", function()
    local t = ebpf.type [[struct {
      u32 kind; union { u32 number; char name[4]; struct { u16 low, high; }; }; union { u8 x; u16 y; } z;
    }]]
    local bytes = t:pack { kind = 1, name = "abcd", z = { y = 513 } }
    local value = t:unpack(bytes)
    assert.equal("abcd", value.name)
    assert.equal(native("\2\1"):byte(2), value.z.x)
    assert.equal(513, value.z.y)
    assert.equal(value.number, value.low + value.high * 65536)
    assert.equal(t:pack { low = 7, high = 9 }, t:pack { number = 9 * 65536 + 7 })
    raises("'number' and 'name' are members of one union: give one of them", t.pack, t, { number = 1, name = "a" })
    raises("'number' and 'low' are members of one union: give one of them", t.pack, t, { number = 1, high = 1 })
    raises("field 'z': 'x' and 'y' are members of one union", t.pack, t, { z = { x = 1, y = 1 } })
    assert.equal(("\0"):rep(12), t:pack {})
  end)

  it("leaves the kernel's own fields alone", function()
    local t = ebpf.type [[struct {
      u32 a; struct bpf_spin_lock lock; struct bpf_timer timer; struct task_struct __kptr *task; u32 b;
    }]]
    assert.equal(40, t:size())
    local bytes = t:pack { a = 1, b = 2 }
    assert.equal(("\0"):rep(28), bytes:sub(5, 32))
    assert.same({ a = 1, b = 2 }, t:unpack(("\1\0\0\0" .. ("\255"):rep(28) .. "\2\0\0\0"):sub(1, 36) .. ("\0"):rep(4)))
    raises("unknown field 'lock'", t.pack, t, { lock = {} })
    assert.equal(t:size(), ebpf.type(tostring(t)):size())
  end)

  it("takes the bytes of a whole as a string", function()
    local t = ebpf.type "struct { u32 a; }"
    assert.equal("abcd", t:pack("abcd"))
    raises("value has 5 bytes, 4 expected", t.pack, t, "abcde")
  end)

  it("unpacks behind an offset, and needs enough bytes", function()
    local t = ebpf.type "struct { u8 a, b; }"
    assert.same({ a = 1, b = 2 }, t:unpack("\0\0\0\1\2\3", 3))
    assert.same({ a = 2, b = 3 }, t:unpack("\0\0\0\1\2\3", 4))
    raises("string of 6 bytes is too short: 2 expected behind 5", t.unpack, t, "\0\0\0\1\2\3", 5)
    raises("too short", t.unpack, t, "\0", 2 ^ 32 - 1)
    raises("bad argument", t.unpack, t, "\0\0", -1)
    raises("too short", t.unpack, t, "")
  end)

  it("keeps 64 bits exact", function()
    local t = ebpf.type "struct { u64 a; s64 b; u64 c : 60; s64 d : 54; }"
    local bytes = t:pack { a = "18446744073709551615", b = "-9223372036854775808", c = "0xfffffffffffffff", d = "-1" }
    if support.lua_name == "lua5.1" then
      raises("is not exact as a Lua number", t.unpack, t, bytes)
      return
    end
    local value = t:unpack(bytes)
    assert.equal(jit and "18446744073709551615ULL" or "-1", tostring(value.a))
    assert.equal(jit and "-9223372036854775808LL" or "-9223372036854775808", tostring(value.b))
    assert.equal(jit and "1152921504606846975ULL" or "1152921504606846975", tostring(value.c))
    assert.equal(jit and "-1LL" or "-1", tostring(value.d))
    assert.equal(bytes, t:pack(value))
    if not jit then
      value.a = -1 -- as integers of Lua 5.3 are: two's complement
      assert.equal(bytes, t:pack(value))
    end
  end)

  it("runs no metamethods", function()
    local t = ebpf.type "struct { u32 a, b; }"
    local value = setmetatable({ a = 1 }, { __index = function() error("called") end, __len = error, __pairs = error })
    assert.same({ a = 1, b = 0 }, t:unpack(t:pack(value)))
  end)

  it("prints C that it takes again", function()
    local text = "struct key { u32 prefixlen; struct { u8 addr[4]; u16 : 3; u16 port : 4; } at[2]; void *p; }"
    local t = ebpf.type(text)
    local again = ebpf.type(tostring(t))
    assert.equal(tostring(t), tostring(again))
    assert.equal(t:size(), again:size())
    assert.equal("struct s { u8 a; u32 b; } __attribute__((packed))",
      tostring(ebpf.type "struct s { u8 a; u32 b; } __attribute__((packed))"))
    assert.equal("u32", tostring(ebpf.type "unsigned int"))
    assert.equal("char[16]", tostring(ebpf.type "char[16]"))
  end)

  it("is decoded while garbage is collected", function()
    local t = ebpf.type "struct { struct { u32 a; char b[4]; } list[50]; u64 c[50]; }"
    local value = { list = {}, c = {} }
    for i = 1, 50 do
      value.list[i], value.c[i] = { a = i, b = "x" .. i }, i
    end
    local bytes = t:pack(value)
    collectgarbage("setpause", 1)
    collectgarbage("setstepmul", 10000)
    for _ = 1, 20 do
      assert.same(value, plain(t:unpack(bytes)))
      assert.equal(bytes, t:pack(value))
    end
    collectgarbage("setpause", 200)
    collectgarbage("setstepmul", 200)
  end)

  it("is refused as no type", function()
    raises("1:10: a type expected, not 'foo'", ebpf.type, "struct { foo x; }")
    raises("bad argument", ebpf.type, {})
    raises("bad argument", ebpf.type)
    raises("bad argument", ebpf.type("u32").pack, 5)
  end)
end)

describe("the byte order of the network", function()
  it("is one step away", function()
    local swapped = core.little_endian
    assert.equal(swapped and 0x3412 or 0x1234, ebpf.ntoh16(0x1234))
    assert.equal(swapped and 0x78563412 or 0x12345678, ebpf.hton32(0x12345678))
    assert.equal(80, ebpf.ntoh16(ebpf.hton16(80)))
    assert.equal(4294967295, ebpf.ntoh32(4294967295))
    if support.lua_name ~= "lua5.1" then
      local wide = ebpf.hton64("0x0102030405060708")
      assert.equal(swapped and "0807060504030201" or "0102030405060708",
        jit and rawget(_G, "require")("bit").tohex(wide, 16) or ("%016x"):format(wide))
    end
    assert.equal("256", (tostring(ebpf.ntoh64(ebpf.hton64(256))):gsub("ULL", "")))
    raises("bad argument", ebpf.ntoh16, 65536)
    raises("bad argument", ebpf.ntoh32, -1.0)
    raises("bad argument", ebpf.ntoh64, 1.5)
  end)
end)

describe("a map of structs", function()
  local key = "struct { u32 id; char name[4]; }"
  local value = "struct { u64 packets; u32 errors; }"

  local function new(kind, options)
    local spec = { name = "structs", type = kind or "hash", key = key, value = value, max_entries = 10 }
    for name, field in pairs(options or {}) do
      spec[name] = field
    end
    return closing(assert(ebpf.new_map(spec)))
  end

  it("takes and gives tables", function()
    local map = new()
    assert.same({ 8, 16 }, { map:abi().key_size, map:abi().value_size })
    assert.is_true(map:put({ id = 1, name = "one" }, { packets = 5 }))
    assert.same({ packets = 5, errors = 0 }, plain(map:get { id = 1, name = "one" }))
    assert.is_nil(map:get { id = 2 })
    assert.same({ id = 1, name = "one" }, map:next_key())
    assert.is_true(map:replace({ id = 1, name = "one" }, { errors = 2 }))
    assert.equal(("\0"):rep(8) .. native("\2\0\0\0") .. ("\0"):rep(4), map:get_bytes { id = 1, name = "one" })
    for k, v in map:iterate() do
      assert.same({ { id = 1, name = "one" }, { packets = 0, errors = 2 } }, { k, plain(v) })
    end
    if support.kernel_is("5.14") then
      assert.same({ packets = 0, errors = 2 }, plain(map:get_and_delete { id = 1, name = "one" }))
    end
    assert.is_true(map:put(("\0"):rep(8), ("\1"):rep(16)))
    assert.is_true(map:delete_strict {})
    raises("bad argument #2 to", map.put, map, { id = -1.0 }, {})
    raises("key: field 'id'", map.put, map, { id = -1.0 }, {})
    raises("value: unknown field 'bytes'", map.put, map, {}, { bytes = 1 })
    raises("key: unknown field 'x'", map.get, map, { x = 1 })
  end)

  it("goes by batches", function()
    local map = new()
    local keys, values = {}, {}
    for i = 1, 5 do
      keys[i], values[i] = { id = i, name = "n" .. i }, { packets = i, errors = 2 * i }
    end
    assert.equal(5, map:put_batch(keys, values))
    local got, found = map:get_batch(keys)
    assert.same({ values, 5 }, { plain(got), found })
    assert.equal(2, map:delete_batch { keys[1], keys[2] })
    local left, left_values, n = map:drain()
    assert.equal(3, n)
    table.sort(left, function(a, b)
      return a.id < b.id
    end)
    assert.same({ keys[3], keys[4], keys[5] }, left)
    assert.equal(3, #left_values)
    raises("value: field 'packets'", map.put_batch, map, { {} }, { { packets = {} } })
  end)

  it("has one for each CPU", function()
    local map = new("percpu_hash")
    local cpus = #support.possible_cpus()
    local all, packets = {}, 0
    for i = 1, cpus do
      all[i] = { packets = i, errors = 1 }
      packets = packets + i
    end
    assert.is_true(map:put({ id = 1 }, all))
    assert.same(all, plain(map:get { id = 1 }))
    assert.same({ packets = packets, errors = cpus }, plain(map:get_sum { id = 1 }))
    raises("value: unknown field 'x'", map.put, map, {}, { { x = 1 } })
  end)

  it("says which size is wrong", function()
    raises("type of the value has 16 bytes, the value has 8", new, "hash", { value_size = 8 })
    raises("type of the key: 1:8: '{' or a name expected, not the end", new, "hash", { key = "struct " })
    raises("unknown type 'strukt' for the key", new, "hash", { key = "strukt" })
    raises("type of the key has no bytes", new, "hash", { key = "struct {}" })
    raises("type of the key: this userdata is no type", new, "hash", { key = io.stdout })
  end)

  it("keeps the type when it is cloned or pinned", function()
    local path = support.bpffs() .. "/map"
    local map = new("hash", { key = ebpf.type(key), value = ebpf.type(value) })
    assert.is_true(map:put({ id = 7 }, { packets = 7 }))
    assert.equal(7, tonumber(closing(assert(map:clone())):get({ id = 7 }).packets))
    assert(map:pin(path))
    local typed = closing(assert(ebpf.load_pinned_map(path, { key = key, value = value })))
    assert.equal(7, tonumber(typed:get({ id = 7 }).packets))
    assert.equal(16, #closing(assert(ebpf.load_pinned_map(path, { key = key }))):get({ id = 7 }))
    map:unpin()
  end)

  it("decodes 64 bits as it is told", function()
    local map = new("array", { key = "u32", value = "struct { u64 a; }", int64 = "double" })
    assert.is_true(map:put(0, { a = "0xffffffffffffffff" }))
    assert.equal(jit and 2 ^ 64 or (_VERSION == "Lua 5.1" and 2 ^ 64 or -1), map:get(0).a)
  end)

  it("is a queue too", function()
    local map = closing(assert(ebpf.new_map { type = "queue", value = "struct { u8 a; u16 b; }", max_entries = 3 }))
    assert.is_true(map:push { a = 1, b = 2 })
    assert.same({ a = 1, b = 2 }, map:peek())
    assert.same({ a = 1, b = 2 }, map:pop())
  end)

  it("survives a finalizer that closes it under way", function()
    local map = assert(ebpf.new_map { type = "hash", key = key, value = "struct { u32 list[200]; }", max_entries = 10 })
    assert(map:put({ id = 1 }, {}))
    local newproxy = rawget(_G, "newproxy")
    local function dying()
      if newproxy then
        getmetatable(newproxy(true)).__gc = function() map:close() end
      else
        setmetatable({}, { __gc = function() map:close() end })
      end
    end
    for _ = 1, 200 do
      dying()
      local got, _, code = map:get { id = 1 }
      assert.truthy(got or code == ebpf.errno.EBADF)
    end
    collectgarbage()
    collectgarbage()
    assert.same({ nil, ebpf.errno.EBADF }, { (map:get { id = 1 }), (select(3, map:get { id = 1 })) })
  end)
end)

describe("a map that the kernel has types for", function()
  local directory

  -- bpftool loads with BTF, and pins.
  setup(function()
    directory = support.bpffs()
    support.check_run { "bpftool", "prog", "loadall", support.fixture("types"), directory .. "/programs", "type",
      "classifier", "pinmaps", directory .. "/maps" }
  end)

  teardown(function()
    support.check_run { "rm", "-rf", directory .. "/programs", directory .. "/maps" }
  end)

  it("gives tables, opened by path, by id or by fd", function()
    support.needs("5.13", "BTF with floating-point types")
    local map = closing(assert(ebpf.load_pinned_map(directory .. "/maps/stats")))
    local key = { from = { bytes = "\10\0\0\1", port = 0x5000, length = 99 }, number = 5 }
    assert.is_true(map:put(key, { packets = 3, label = "here", times = { last = 9 } }))
    local value = plain(map:get(key))
    assert.same({ 3, "here", 9 }, { value.packets, value.label, value.times.last })
    local by_id = closing(assert(ebpf.map_from_id(map:info().id)))
    assert.same(value, plain(by_id:get(key)))
    local by_fd = closing(assert(ebpf.map_from_fd(map:fd())))
    assert.same(value, plain(by_fd:get(key)))
    assert.equal(#support.possible_cpus(), #closing(assert(ebpf.load_pinned_map(directory .. "/maps/counts"))):get(0))
    assert.same({ packets = 0, errors = 0, label = "" },
      plain(closing(assert(ebpf.load_pinned_map(directory .. "/maps/counts"))):get_sum(0)))
    local dump = support.check_run { "bpftool", "map", "dump", "pinned", directory .. "/maps/stats" }
    assert.truthy(dump:find('"packets": 3', 1, true), dump)
  end)

  it("has the types given instead, one or both", function()
    support.needs("5.13", "BTF with floating-point types")
    local map = closing(assert(ebpf.load_pinned_map(directory .. "/maps/guarded", { value = "bytes" })))
    assert.is_true(map:put(-7, ("\0"):rep(16)))
    assert.equal(("\0"):rep(16), map:get(-7))
    assert.same({ number = 0, total = 0 },
      plain(closing(assert(ebpf.load_pinned_map(directory .. "/maps/guarded", { int64 = "number" }))):get(-7)))
  end)

  it("has no types for who may not know them", function()
    local output = support.run_lua(([[
      local ebpf = require "ebpf"
      local map = assert(ebpf.load_pinned_map(%q))
      assert(map:put(("k"):rep(12), ("v"):rep(56)))
      print(map:get(("k"):rep(12)))
    ]]):format(directory .. "/maps/stats"), function(command)
      return support.unprivileged(command, { "bpf" })
    end)
    assert.equal(("v"):rep(56) .. "\n", output)
  end)
end)

describe("an object with BTF", function()
  local spec, coll

  setup(function()
    spec = assert(ebpf.load_spec(support.fixture("types")))
    coll = assert(spec:load())
  end)

  teardown(function()
    coll:close()
  end)

  it("types its maps", function()
    assert.equal("u32", tostring(spec.maps.counts.key))
    assert.equal("struct counts { u64 packets; u32 errors; char label[4]; }", tostring(spec.maps.counts.value))
    assert.equal("s32", tostring(spec.maps.guarded.key))
    assert.equal(16, spec.maps.guarded.value:size())
    assert.is_nil(spec.maps[".bss"].value)
    assert.is_nil(spec.maps.events.value)
    assert.equal(tostring(spec.maps.stats.value), tostring(spec:copy().maps.stats.value))
  end)

  it("shares structs with its programs", function()
    local key = { from = { bytes = "\10\0\0\1", port = 0x5000, length = 99 }, number = 5 }
    assert.is_true(coll.maps.stats:put(key, { packets = 41, label = "mine", moves = { { 1, 2, 3 } } }))
    assert.equal(0, (assert(coll.programs.emit:test(packet))))
    local value = plain(coll.maps.stats:get(key))
    assert.same({ packets = 42, bytes = #packet, state = 7, fresh = false, label = "mine", moves = { { 1, 2, 3 },
      { 0, 0, -1 } }, times = { first = 0, last = 0 } }, value)
    local sum = plain(coll.maps.counts:get_sum(0))
    assert.same({ 1, 2 }, { sum.packets, sum.errors })
  end)

  it("hides spin locks", function()
    assert.is_true(coll.maps.guarded:put(-1, { number = 1, total = 2 }))
    assert.same({ number = 1, total = 2 }, plain(coll.maps.guarded:get(-1)))
    raises("unknown field 'lock'", coll.maps.guarded.put, coll.maps.guarded, 1, { lock = { val = 1 } })
  end)

  it("has its types by name", function()
    assert.equal("struct event { u32 length; u64 number; char label[5]; }", tostring(ebpf.type("event", spec)))
    assert.equal(tostring(ebpf.type("event", spec)), tostring(ebpf.type("struct event", spec.types)))
    assert.equal(8, ebpf.type("point", spec):size())
    assert.equal(4, ebpf.type("enum state", spec):size())
    assert.equal(24, ebpf.type(spec.types:find("event"), spec):size())
    local found, message, code = ebpf.type("union event", spec)
    assert.same({ nil, ebpf.errno.ENOENT }, { found, code })
    assert.equal('find type "union event": there is none of that name', message)
    found, message, code = ebpf.type("nobody", ebpf.parse_spec(support.read_file(support.fixture("legacy", "nodebug"))))
    assert.same({ nil, ebpf.errno.ENOENT }, { found, code })
    assert.truthy(message:find("compile it with -g", 1, true), message)
    raises("bad argument", ebpf.type, "event", 5)
    raises("bad argument", ebpf.type, {}, spec)
    local types = assert(ebpf.parse_spec(support.read_file(support.fixture("types")))).types
    types:close()
    assert.equal(ebpf.errno.EBADF, (select(3, ebpf.type("event", types))))
  end)

  it("has samples of its types", function()
    local map = closing(assert(coll.maps.events:clone()))
    local reader = closing(assert(ebpf.new_perf_reader(map, { type = ebpf.type("event", spec) })))
    local number
    for _ = 1, 3 do
      assert(coll.programs.emit:test(packet))
      local sample = plain(reader:read())
      assert.equal(number and number + 1 or sample.number, sample.number)
      assert.same({ length = #packet, number = sample.number, label = "hello" }, sample)
      number = sample.number
    end
  end)

  it("has large samples too", function()
    local map = closing(assert(coll.maps.events:clone()))
    local reader = closing(assert(ebpf.new_perf_reader(map, { type = ebpf.type("large", spec), own = false })))
    assert(coll.programs.emit_large:test(packet))
    local sample = plain(reader:read())
    assert.same({ 300, 1, sample.number }, { #sample.filling, sample.filling[1], sample.filling[300] })
    assert.is_nil(reader:read())
    local short = closing(assert(ebpf.new_perf_reader(map, { type = ebpf.type("large", spec), own = false })))
    assert(coll.programs.emit:test(packet))
    local none, message, code = short:read()
    assert.same({ nil, ebpf.errno.EMSGSIZE }, { none, code })
    assert.truthy(message:find("too short for its type of 1208", 1, true), message)
  end)
end)
