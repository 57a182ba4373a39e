-- What keys and values may be: types, their ranges, 64-bit numbers on each Lua, and codecs of the caller's own.
local ebpf = require "ebpf"
local support = require "spec.support"

local closing = support.closing
local jit = rawget(_G, "jit")
local integer_type = rawget(math, "type") -- Lua 5.3 and later
local least, most = rawget(math, "mininteger"), rawget(math, "maxinteger")
local ffi = jit and require "ffi"

-- A map of four values of some type; its default type when that is nil.
local function map_of(type, size, int64)
  return closing(assert(ebpf.new_map {
    name = "values", type = "array", key_size = 4, value_size = size, max_entries = 4, value = type, int64 = int64,
  }))
end

-- The eight bytes of a little-endian number given in hex, on a machine of either order.
local function bytes(hex)
  local s = hex:gsub("%x%x", function(digits)
    return string.char(tonumber(digits, 16))
  end)
  return require("ebpf.core").little_endian and s:reverse() or s
end

local function raises(words, call, ...)
  local ok, message = pcall(call, ...)
  assert.is_false(ok)
  assert.truthy(tostring(message):find(words, 1, true), message)
end

local function refuses(map, value, words)
  raises(words, map.put, map, 0, value)
end

-- That a value comes back as it is put, and what its bytes are.
local function keeps(map, value, hex, comes_back)
  assert.is_true(map:put(0, value))
  assert.equal(bytes(hex), map:get_bytes(0))
  assert.equal(comes_back == nil and value or comes_back, map:get(0))
end

describe("an integer", function()
  for _, case in ipairs {
    { "u8", 1, 0, 255, "ff", -1, 256 },
    { "u16", 2, 0, 65535, "ffff", -1, 65536 },
    { "u32", 4, 0, 4294967295, "ffffffff", -1, 4294967296 },
    { "i8", 1, -128, 127, "7f", -129, 128 },
    { "i16", 2, -32768, 32767, "7fff", -32769, 32768 },
    { "i32", 4, -2147483648, 2147483647, "7fffffff", -2147483649, 2147483648 },
  } do
    local name, size, lowest, highest, hex, below, above = (rawget(table, "unpack") or rawget(_G, "unpack"))(case)

    it("of type " .. name .. " has its range", function()
      local map = map_of(name)
      assert.equal(size, map:abi().value_size)
      keeps(map, highest, hex)
      map:put(0, lowest)
      assert.equal(lowest, map:get(0))
      assert.equal(name:sub(1, 1) == "u" and ("\0"):rep(size) or bytes("80" .. ("00"):rep(size - 1)), map:get_bytes(0))
      local words = ("value: %s integer of %d bits expected, got "):format(
        name:sub(1, 1) == "u" and "unsigned" or "signed", size * 8)
      refuses(map, below, words .. below)
      refuses(map, above, words .. above)
      refuses(map, ("%d"):format(above), words .. ('"%d"'):format(above))
      assert.equal(lowest, map:get(0))
    end)

    it("of type " .. name .. " may be written in digits", function()
      local map = map_of(name)
      map:put(0, ("%d"):format(highest))
      assert.equal(highest, map:get(0))
      map:put(0, ("0x%x"):format(highest))
      assert.equal(highest, map:get(0))
      map:put(0, ("%d"):format(lowest))
      assert.equal(lowest, map:get(0))
      if jit then
        map:put(0, ffi.new("uint64_t", highest))
        assert.equal(highest, map:get(0))
        map:put(0, ffi.new("int64_t", lowest))
        assert.equal(lowest, map:get(0))
      end
    end)
  end

  it("is whole and finite", function()
    for _, name in ipairs { "u8", "i16", "u32", "i32", "u64", "i64" } do
      local map = map_of(name)
      for _, value in ipairs { 1.7, 0 / 0, 1 / 0, -1 / 0, 0.5, 1e-300 } do
        refuses(map, value, "value: number has no integer representation, got ")
      end
      for _, text in ipairs { "", "-", "0x", "1.0", "1e3", " 1", "1 ", "ten", "+1", "--1", "0xg", "1\0", "0b1" } do
        refuses(map, text, "value: string is not an integer, got ")
      end
      for _, value in ipairs { true, {}, print, io.stdout } do
        refuses(map, value, "value: integer expected, got " .. type(value))
      end
      refuses(map, nil, "value: integer expected, got nil")
      refuses(map, "18446744073709551616", "value: integer needs more than 64 bits, got ")
      refuses(map, "-9223372036854775809", "value: integer needs more than 64 bits, got ")
      refuses(map, "0x10000000000000000", "value: integer needs more than 64 bits, got ")
    end
  end)

  it("may be a number with a fraction of zero", function()
    local map = map_of("i16")
    map:put(0, 5.0)
    assert.equal(5, map:get(0))
    map:put(0, -0.0)
    assert.equal(0, map:get(0))
  end)

  it("is no double beyond 2^53", function()
    local words = "number beyond 2^53 is not exact; give a string of digits or a 64-bit integer"
    for _, name in ipairs { "u64", "i64" } do
      local map = map_of(name)
      map:put(0, 2 ^ 53)
      assert.equal(bytes("0020000000000000"), map:get_bytes(0))
      refuses(map, 2 ^ 53 + 2, words)
      refuses(map, 2 ^ 60, words)
      refuses(map, -2 ^ 60, words)
      refuses(map, 1e300, words)
    end
    local map = map_of("i64")
    map:put(0, -2 ^ 53)
    assert.equal(bytes("ffe0000000000000"), map:get_bytes(0))
  end)
end)

describe("a 64-bit integer", function()
  local highest, lowest = "18446744073709551615", "-9223372036854775808"

  it("is written exactly as a string of digits", function()
    local map = map_of("u64")
    map:put(0, highest)
    assert.equal(("\255"):rep(8), map:get_bytes(0))
    map:put(0, "0xfedcba9876543210")
    assert.equal(bytes("fedcba9876543210"), map:get_bytes(0))
    map:put(0, "0XABCDEF")
    assert.equal(bytes("0000000000abcdef"), map:get_bytes(0))
    map:put(0, "-0")
    assert.equal(("\0"):rep(8), map:get_bytes(0))
    refuses(map, "-1", 'value: unsigned integer of 64 bits expected, got "-1"')
    map = map_of("i64")
    map:put(0, lowest)
    assert.equal(bytes("8000000000000000"), map:get_bytes(0))
    map:put(0, "-0x10")
    assert.equal(bytes("fffffffffffffff0"), map:get_bytes(0))
    refuses(map, "9223372036854775808", "value: signed integer of 64 bits expected, got ")
    refuses(map, highest, "value: signed integer of 64 bits expected, got ")
  end)

  if integer_type then
    it("is a Lua integer in two's complement", function()
      local map = map_of("u64")
      keeps(map, least, "8000000000000000")
      keeps(map, -1, "ffffffffffffffff")
      keeps(map, most, "7fffffffffffffff")
      refuses(map, -1.0, "value: unsigned integer of 64 bits expected, got -1.0")
      map:put(0, highest)
      assert.equal(-1, map:get(0))
      assert.equal("integer", integer_type(map:get(0)))
      map = map_of("i64")
      keeps(map, least, "8000000000000000")
      keeps(map, -1, "ffffffffffffffff")
      keeps(map, most, "7fffffffffffffff")
      keeps(map, 2 ^ 53, "0020000000000000", rawget(math, "tointeger")(2 ^ 53))
      for _, mode in ipairs { "exact", "number", "double" } do
        map = map_of("u64", nil, mode)
        map:put(0, highest)
        assert.equal(-1, map:get(0))
      end
    end)
  end

  if jit then
    it("is cdata, always", function()
      local map = map_of("u64")
      for _, text in ipairs { "0", "1", "9007199254740993", highest } do
        map:put(0, text)
        local value = map:get(0)
        assert.is_true(ffi.istype("uint64_t", value))
        assert.equal(text .. "ULL", tostring(value))
        map:put(1, value)
        assert.equal(map:get_bytes(0), map:get_bytes(1))
      end
      map = map_of("i64")
      for _, text in ipairs { "0", "-1", "-9007199254740993", lowest } do
        map:put(0, text)
        local value = map:get(0)
        assert.is_true(ffi.istype("int64_t", value))
        assert.equal(text .. "LL", tostring(value))
        map:put(1, value)
        assert.equal(map:get_bytes(0), map:get_bytes(1))
      end
    end)

    it("is checked when it is cdata, too", function()
      refuses(map_of("u64"), ffi.new("int64_t", -1), "value: unsigned integer of 64 bits expected, got cdata")
      refuses(map_of("i64"), ffi.new("uint64_t", -1), "value: signed integer of 64 bits expected, got cdata")
      refuses(map_of("u8"), ffi.new("uint64_t", 256), "value: unsigned integer of 8 bits expected, got cdata")
      for _, kind in ipairs { "int32_t", "double", "char[8]", "void *", "struct { uint64_t x; }", "uint64_t[1]" } do
        refuses(map_of("u64"), ffi.new(kind), "value: cdata is neither uint64_t nor int64_t, got cdata")
      end
    end)

    it("may be a number where it is asked for", function()
      local map = map_of("u64", nil, "number")
      for _, text in ipairs { "0", "9007199254740991", "9007199254740992", "18446744073709549568" } do
        map:put(0, text)
        assert.equal("number", type(map:get(0)))
        assert.equal(tonumber(text), map:get(0))
      end
      map:put(0, "9007199254740993")
      raises("value 9007199254740993 is not exact as a Lua number", map.get, map, 0)
      map = map_of("i64", nil, "number")
      map:put(0, "-9007199254740993")
      raises("value -9007199254740993 is not exact as a Lua number", map.get, map, 0)
      map:put(0, lowest)
      assert.equal(-2 ^ 63, map:get(0))

      map = map_of("u64", nil, "double")
      map:put(0, highest)
      assert.equal(2 ^ 64, map:get(0))
      map = map_of("i64", nil, "double")
      map:put(0, "-9007199254740993")
      assert.equal(-9007199254740992, map:get(0))
    end)
  end

  it("is a number on PUC 5.1, or an error", function()
    if support.run("command -v lua5.1") == "" then
      return
    end
    local script = support.tmpdir() .. "/script.lua"
    support.write_file(script, [[
      assert(_VERSION == "Lua 5.1" and not jit)
      local ebpf = require "ebpf"
      local function map_of(type, int64)
        return assert(ebpf.new_map { type = "array", key_size = 4, max_entries = 1, value = type, int64 = int64 })
      end
      local map = map_of("u64")
      for _, text in ipairs { "0", "4294967296", "9007199254740992", "18446744073709549568" } do
        assert(map:put(0, text))
        assert(type(map:get(0)) == "number" and map:get(0) == tonumber(text))
        assert(map:put(0, tonumber("9007199254740991")))
      end
      assert(map:put(0, "9007199254740993"))
      local ok, message = pcall(map.get, map, 0)
      assert(not ok and message:find("value 9007199254740993 is not exact as a Lua number", 1, true), message)
      assert(#map:get_bytes(0) == 8)
      ok, message = pcall(map.put, map, 0, 2 ^ 60)
      assert(not ok and message:find("number beyond 2^53 is not exact", 1, true), message)
      ok, message = pcall(map.put, map, 0, -1)
      assert(not ok and message:find("unsigned integer of 64 bits expected, got -1", 1, true), message)
      map = map_of("i64")
      assert(map:put(0, "-9223372036854775808") and map:get(0) == -2 ^ 63)
      assert(map:put(0, -5) and map:get(0) == -5)
      map = map_of("u64", "double")
      assert(map:put(0, "18446744073709551615") and map:get(0) == 2 ^ 64)
      map = map_of("u32")
      assert(map:put(0, 4294967295) and map:get(0) == 4294967295)
      map = map_of("i32")
      assert(map:put(0, -2147483648) and map:get(0) == -2147483648)
      map = map_of({ size = 2, encode = tostring, decode = string.upper })
      assert(map:put(0, 77) and map:get(0) == "77")
      print(tostring(map), map:close(), select(2, map:get(0)))]])
    local build = os.getenv("EBPF_BUILD") or "build"
    local output, status = support.run(("LUA_CPATH='%s/luajit/?.so;;' lua5.1 %s"):format(build, script))
    if output:find("module 'ebpf.core' not found", 1, true) then
      return -- only the module of another Lua was built
    end
    assert.equal(0, status, output)
    assert.truthy(output:find('array "" #%d+\ttrue\tmap is closed'), output)
  end)
end)

describe("with no type", function()
  it("1, 2, 4 and 8 bytes are an unsigned integer, or a string of that size", function()
    for _, size in ipairs { 1, 2, 4, 8 } do
      local map = map_of(nil, size)
      map:put(0, 200)
      assert.equal(200, tonumber(map:get(0)))
      map:put(0, ("7"):rep(size))
      assert.equal(("7"):rep(size), map:get_bytes(0))
      refuses(map, ("7"):rep(size + 1), ("value has %d bytes, %d expected"):format(size + 1, size))
      refuses(map, -1.0, ("value: unsigned integer of %d bits expected, got -1"):format(size * 8))
    end
  end)

  it("any other size is a string", function()
    for _, size in ipairs { 3, 5, 16, 1024, 1025, 70000 } do
      local map = map_of(nil, size)
      local value = ("ab\0"):rep(size):sub(1, size)
      assert.is_true(map:put(0, value))
      assert.equal(value, map:get(0))
      refuses(map, value .. "c", ("value has %d bytes, %d expected"):format(size + 1, size))
      refuses(map, "", ("value has 0 bytes, %d expected"):format(size))
      refuses(map, 5, ("value: string of %d bytes expected, got number"):format(size))
      refuses(map, nil, ("value: string of %d bytes expected, got nil"):format(size))
    end
  end)

  it("keys of any size work", function()
    for _, size in ipairs { 1, 3, 8, 100, 512 } do
      local map = closing(assert(ebpf.new_map { type = "hash", key_size = size, value_size = 4, max_entries = 4 }))
      local key = ("k"):rep(size)
      assert.is_true(map:put(key, 5))
      assert.equal(5, map:get(key))
      assert.equal(key, map:next_key_bytes())
      raises(("key has %d bytes, %d expected"):format(size + 1, size), map.get, map, key .. "k")
    end
  end)
end)

describe("a type", function()
  it("gives the sizes a spec leaves out", function()
    local map = closing(assert(ebpf.new_map { type = "hash", key = "u16", value = "i64", max_entries = 1 }))
    assert.equal(2, map:abi().key_size)
    assert.equal(8, map:abi().value_size)
  end)

  it("of bytes is a string of any size", function()
    local map = map_of("bytes", 4)
    map:put(0, "abcd")
    assert.equal("abcd", map:get(0))
    refuses(map, 5, "value: string of 4 bytes expected, got number")
    refuses(map, "abc", "value has 3 bytes, 4 expected")
  end)

  it("must suit the size", function()
    raises("type of the value has 4 bytes, the value has 8", map_of, "u32", 8)
    raises("type of the value has 5 bytes, the value has 4", map_of,
      { size = 5, encode = tostring, decode = tostring }, 4)
    raises("unknown type 'u33' for the value", map_of, "u33", 4)
    raises("type of the value: C declaration, ebpf.type() or table {size=, encode=, decode=} expected, got number",
      map_of, 4, 4)
    raises("type of the value: size is not a number of bytes", map_of, { encode = tostring, decode = tostring }, 4)
    raises("type of the value: size is not a number of bytes", map_of,
      { size = -1, encode = tostring, decode = tostring }, 4)
    raises("type of the value: decode is not a function", map_of, { size = 4, encode = tostring }, 4)
    raises("type of the value: encode is not a function", map_of, { size = 4, encode = 1, decode = tostring }, 4)
    raises("int64 must be 'exact', 'number' or 'double'", map_of, "u64", 8, "float")
    raises("int64 must be 'exact', 'number' or 'double'", map_of, "u64", 8, 5)
  end)
end)

describe("a codec of one's own", function()
  local function point(fields)
    local codec = {
      size = 2,
      encode = function(p) return string.char(p.x, p.y) end,
      decode = function(s) return { x = s:byte(1), y = s:byte(2) } end,
    }
    for name, value in pairs(fields or {}) do
      codec[name] = value
    end
    return codec
  end

  local function pointed(fields, kind)
    return closing(assert(ebpf.new_map { name = "points", type = kind or "hash", key = point(fields),
      value = point(fields), max_entries = 10 }))
  end

  it("makes values of bytes, and bytes of values", function()
    local map = pointed()
    assert.is_true(map:put({ x = 1, y = 2 }, { x = 3, y = 4 }))
    assert.same({ x = 3, y = 4 }, map:get({ x = 1, y = 2 }))
    assert.equal("\3\4", map:get_bytes({ x = 1, y = 2 }))
    assert.same({ x = 1, y = 2 }, map:next_key())
    for key, value in map:iterate() do
      assert.same({ x = 1, y = 2 }, key)
      assert.same({ x = 3, y = 4 }, value)
    end
    assert.is_true(map:delete_strict({ x = 1, y = 2 }))
    assert.equal(2, map:put_batch({ { x = 1, y = 1 }, { x = 2, y = 2 } }, { { x = 5, y = 5 }, { x = 6, y = 6 } }))
    assert.same({ { x = 6, y = 6 } }, (map:get_batch({ { x = 2, y = 2 } })))
    assert.equal(2, select(3, map:drain()))
  end)

  it("may raise, in either direction", function()
    local map = pointed()
    raises("attempt to index", map.put, map, 5, { x = 1, y = 1 })
    raises("attempt to index", map.put, map, { x = 1, y = 1 }, 5)
    local broken = pointed { decode = function() error("broken") end, encode = function() return "ab" end }
    assert.is_true(broken:put(1, 2))
    raises("broken", broken.get, broken, 1)
    raises("broken", broken.next_key, broken)
    raises("broken", broken.drain, broken)
    local thrown = { "a table" }
    broken = pointed { encode = function() error(thrown) end }
    local ok, message = pcall(broken.put, broken, 1, 1)
    assert.is_false(ok)
    assert.equal(thrown, message)
  end)

  it("must give strings of the right size", function()
    for result, words in pairs {
      abc = "value has 3 bytes, 2 expected", [""] = "value has 0 bytes, 2 expected",
      [5] = "value: encode returned no string but a number",
    } do
      local map = map_of(point { encode = function() return result end })
      raises(words, map.put, map, 0, 1)
    end
    local map = map_of(point { encode = function() end })
    raises("value: encode returned no string but a nil", map.put, map, 0, 1)
    map = map_of({ size = 2, decode = tostring })
    raises("value: its type has no encode", map.put, map, 0, "ab")
    assert.equal("\0\0", map:get(0))
  end)

  it("encodes each value of a per-CPU map", function()
    local map = closing(assert(ebpf.new_map { type = "percpu_array", key_size = 4, value = point(), max_entries = 1 }))
    local values = {}
    for i = 1, #support.possible_cpus() do
      values[i] = { x = i, y = i + 1 }
    end
    assert.is_true(map:put(0, values))
    assert.same(values, map:get(0))
    assert.same({ x = 1, y = 2 }, values[1]) -- the argument stays as it is
    raises("attempt to index", map.put, map, 0, { 5 })
  end)

  it("may use the map it is of", function()
    local map
    map = closing(assert(ebpf.new_map { type = "hash", key_size = 4, max_entries = 100, value = {
      size = 4,
      encode = function(v)
        if v > 0 then
          assert(map:put(v - 1, v - 1))
          collectgarbage()
        end
        return ("%04d"):format(v)
      end,
      decode = function(s)
        local v = tonumber(s)
        return v > 0 and v + map:get(v - 1) or 0
      end,
    } }))
    assert.is_true(map:put(20, 20))
    assert.equal(210, map:get(20))
    local count = 0
    for _ in map:iterate() do
      count = count + 1
    end
    assert.equal(21, count)
  end)

  it("may close the map it is of", function()
    for _, call in ipairs {
      function(m) return m:put(1, 1) end,
      function(m) return m:create(1, 1) end,
      function(m) return m:get(1) end,
      function(m) return m:get_bytes(1) end,
      function(m) return m:delete(1) end,
      function(m) return m:next_key(1) end,
      function(m) return m:put_bytes(1, "abcd") end,
      function(m) return m:get_batch({ 1 }) end,
      function(m) return m:put_batch({ 1 }, { 1 }) end,
      function(m) return m:put_batch({ 1 }) end,
      function(m) return m:delete_batch({ 1 }) end,
    } do
      local map
      map = assert(ebpf.new_map { type = "hash", max_entries = 100, value_size = 4, key = {
        size = 4,
        encode = function()
          map:close()
          return "abcd"
        end,
        decode = tostring,
      } })
      local result, message, code = call(map)
      assert.is_nil(result)
      assert.equal("map is closed", message)
      assert.equal(ebpf.errno.EBADF, code)
    end
    local map
    map = assert(ebpf.new_map { type = "hash", max_entries = 100, key_size = 4, value = {
      size = 4,
      encode = tostring,
      decode = function(s)
        map:close()
        collectgarbage()
        return s
      end,
    } })
    map:put(1, "abcd")
    assert.equal("abcd", map:get(1))
    assert.is_true(map:is_closed())
  end)

  it("may be part of garbage that is collected under way", function()
    local map = closing(assert(ebpf.new_map { type = "hash", max_entries = 5000, key_size = 4, value = {
      size = 2000, -- more than the C stack is used for
      encode = function(v) collectgarbage("step") return ("%4d"):format(v) .. (" "):rep(1996) end,
      decode = function(s) collectgarbage("step") return tonumber(s:sub(1, 4)) end,
    } }))
    for i = 1, 300 do
      assert(map:put(i, i))
      assert.equal(i, map:get(i))
    end
    local sum = 0
    for _, value in map:iterate() do
      sum = sum + value
    end
    assert.equal(300 * 301 / 2, sum)
  end)
end)
