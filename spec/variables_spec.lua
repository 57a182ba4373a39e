-- Global variables on the real kernel: their initial values in a spec, and live in memory shared with programs.
local ebpf = require "ebpf"
local process = require "spec.support.process"
local support = require "spec.support"

local errno = ebpf.errno
local packet = ("\0"):rep(64)

-- 64-bit values, whatever the Lua has for them.
local function same64(expected, value)
  assert.equal(expected, (tostring(value):gsub("U?LL$", "")))
end

local function load_spec(variant)
  return assert(ebpf.load_spec(support.fixture("variables", variant)))
end

local function load(spec, options)
  return support.closing(assert(ebpf.load(spec or load_spec(), options)))
end

-- A spec whose constants let every program load.
local function loadable(variant)
  local spec = load_spec(variant)
  spec.variables.broken:set(variant and 0 or false)
  return spec
end

local function names(t)
  local list = {}
  for name in pairs(t) do
    list[#list + 1] = name
  end
  table.sort(list)
  return table.concat(list, " ")
end

local all = "array broken color constant constants large own own_constant own_zero padded raw runs s16 s32 s64 s8 seen "
  .. "structs text u16 u32 u64 u8 weak yes"

-- Exact on each Lua: PUC 5.1 has no integers that large.
local wide = support.lua_name ~= "lua5.1"

describe("variables of a spec", function()
  it("are those with global names that are not hidden", function()
    local spec = load_spec()
    assert.equal(all, names(spec.variables))
    assert.equal(all, names(load_spec("nodebug").variables))
    assert.equal(all, names(load_spec("bigendian").variables))
    for name, section in pairs { u8 = ".data", runs = ".bss", constant = ".rodata", own = ".data.own",
      own_zero = ".bss.own", own_constant = ".rodata.own", weak = ".data", large = ".bss" } do
      assert.equal(section, spec.variables[name]:section())
      assert.equal(name, spec.variables[name]:name())
      assert.equal(section:find("rodata") ~= nil, spec.variables[name]:is_constant())
    end
    for name, size in pairs { u8 = 1, s16 = 2, u32 = 4, s64 = 8, yes = 1, text = 16, raw = 5, padded = 24, array = 12,
      structs = 48, large = 8192, color = 4 } do
      assert.equal(size, spec.variables[name]:size())
    end
  end)

  it("begin with what C gives them", function()
    local v = load_spec().variables
    for name, value in pairs { u8 = 200, s8 = -100, u16 = 60000, s16 = -30000, u32 = 4000000000, s32 = -2000000000,
      weak = 7, own = 41, own_constant = 51, constant = 61, color = 5 } do
      assert.equal(value, v[name]:get())
    end
    if wide then
      same64("-9000000000000000000", v.s64:get())
      assert.equal(ebpf.type("u64"):pack("18000000000000000000"), ebpf.type("u64"):pack(v.u64:get()))
    end
    same64("0", v.runs:get())
    assert.is_true(v.yes:get())
    assert.equal("hello", v.text:get())
    assert.equal("\1\2\3\0\5", v.raw:get())
    assert.same({ 10, 20, 30 }, v.array:get())
    assert.equal(1, v.padded:get().small)
    same64("2", v.padded:get().large)
    assert.equal(6, v.structs:get()[2].last)
    assert.equal(2048, #v.large:get())
    assert.equal(0, v.large:get()[2048])
    assert.equal(9, v.constants:get().last)
  end)

  it("take values that fit, and nothing else changes", function()
    local spec = load_spec()
    local v = spec.variables
    local before = spec.maps[".data"].contents[1][2]
    assert.is_true(v.s16:set(-2))
    assert.equal(-2, v.s16:get())
    assert.is_true(v.s16:set(-30000))
    assert.equal(before, spec.maps[".data"].contents[1][2])
    v.text:set("0123456789abcdef")
    assert.equal("0123456789abcdef", v.text:get())
    v.text:set("x")
    assert.equal("x", v.text:get())
    v.structs:set({ { small = 9 }, { last = 8 } })
    assert.equal(9, v.structs:get()[1].small)
    assert.equal(8, v.structs:get()[2].last)
    v.large:set({ [2048] = 77 }) -- in .bss, which has no contents before
    assert.equal(77, v.large:get()[2048])
    same64("0", v.runs:get())
    v.u64:set("18446744073709551615")
    if wide then
      assert.equal(("\255"):rep(8), ebpf.type("u64"):pack(v.u64:get()))
    end
  end)

  it("refuse what does not fit, and point at it", function()
    local v = load_spec().variables
    for _, case in ipairs {
      { "u8", 256, "bad argument #1 to 'set' %(value: unsigned integer of 8 bits expected, got 256%)" },
      { "s8", 128, "signed integer of 8 bits" }, { "u32", -1, "unsigned integer of 32 bits" }, { "u32", 1.5, "value" },
      { "yes", 1, "true or false expected" }, { "text", ("x"):rep(17), "string of 17 bytes, at most 16 expected" },
      { "raw", "abc", "5" }, { "array", { 1, 2, 3, 4 }, "more than the elements 1 to 3" },
      { "padded", { medium = 1 }, "unknown field 'medium'" }, { "structs", { { large = {} } }, "large" },
      { "u8", nil, "got nil" },
    } do
      local name, value, wrong = case[1], case[2], case[3]
      if name == "u8" and value == nil then
        wrong = "value"
      end
      local before = v[name]:get()
      local ok, message = pcall(v[name].set, v[name], value)
      assert.is_false(ok)
      assert.truthy(message:find(wrong), message)
      assert.same(before, v[name]:get())
    end
  end)

  it("say where a mistake was made", function()
    local v = load_spec().variables
    local _, message = pcall(function()
      v.u8:set("many")
    end)
    assert.truthy(message:find("^spec/variables_spec.lua:%d+: bad argument #1 to 'set'"), message)
  end)

  it("are copied with their spec, which keeps its own", function()
    local spec = load_spec()
    spec.variables.constant:set(100)
    local copy = spec:copy()
    assert.equal(100, copy.variables.constant:get())
    copy.variables.constant:set(200)
    copy.variables.runs:set(3)
    assert.equal(100, spec.variables.constant:get())
    same64("0", spec.variables.runs:get())
    assert.is_nil(spec.maps[".bss"].contents)
  end)

  it("follow the contents of their maps", function()
    local spec = load_spec()
    local contents = spec.maps[".data.own"].contents
    spec.maps[".data.own"].contents = nil
    assert.equal(0, spec.variables.own:get())
    spec.maps[".data.own"] = spec.maps[".data.own"]:copy()
    spec.maps[".data.own"].contents = contents
    assert.equal(41, spec.variables.own:get())
    spec.maps[".data.own"].contents = { { 0, "abc" } }
    assert.has_error(function()
      spec.variables.own:get()
    end)
    spec.maps[".data.own"] = nil
    local ok, message = pcall(spec.variables.own.set, spec.variables.own, 1)
    assert.is_false(ok)
    assert.truthy(message:find('the spec has no map ".data.own" any more', 1, true), message)
  end)

  it("are integers and strings by their size without BTF", function()
    local v = load_spec("nodebug").variables
    assert.equal(200, v.u8:get())
    assert.equal(156, v.s8:get()) -- nobody knows of the sign
    assert.equal(1, v.yes:get())
    assert.equal("hello" .. ("\0"):rep(11), v.text:get())
    assert.equal("\1\2\3\0\5", v.raw:get())
    assert.equal(12, #v.array:get())
    v.u32:set("\1\1\1\1") -- a string of the size stands for its bytes
    assert.equal(0x01010101, v.u32:get())
    assert.has_error(function()
      v.text:set("short")
    end)
  end)

  it("print what they are", function()
    local spec = load_spec()
    assert.equal('variable "runs" (section=".bss", size=8)', tostring(spec.variables.runs))
    assert.equal('constant "constant" (section=".rodata", size=4)', tostring(spec.variables.constant))
    assert.truthy(tostring(spec):find('\n  variable "weak" (section=".data", size=4)\n', 1, true))
  end)
end)

describe("constants", function()
  it("are known to the verifier once they are set", function()
    local spec = load_spec()
    local collection, message, code = ebpf.load(spec)
    assert.is_nil(collection)
    assert.equal(errno.EACCES, code, message)
    spec.variables.broken:set(false)
    assert.equal(2, load(spec).programs.pruned:test(packet))
  end)

  it("cannot be set after", function()
    local collection = load(loadable())
    local v = collection.variables
    for _, name in ipairs { "constant", "own_constant", "constants", "broken" } do
      assert.is_true(v[name]:is_constant())
      local ok, message, code = v[name]:set(name == "constants" and {} or 1)
      assert.is_nil(ok)
      assert.equal(errno.EPERM, code)
      assert.truthy(message:find(('^set variable "%s": operation not permitted %%(EPERM%%): '):format(name)), message)
    end
    assert.equal(61, v.constant:get())
    assert.equal(9, v.constants:get().last)
    assert.is_false(v.broken:get())
  end)
end)

describe("variables of a collection", function()
  it("are what the programs have", function()
    local spec = loadable()
    spec.variables.u32:set(4294967295)
    spec.variables.constant:set(1000)
    local collection = load(spec)
    local v = collection.variables
    assert.equal(all, names(v))
    assert.equal(4294967295, v.u32:get())
    assert.equal(1000, v.constant:get())

    assert.equal(17, collection.programs.change:test(packet))
    same64("1", v.runs:get())
    for name, value in pairs { u8 = 201, s8 = -101, u16 = 60001, s16 = -30001, u32 = 0, s32 = -2000000001, weak = 8,
      own = 42, color = 6, yes = false, text = "jello", raw = "\1\2\3\0\6" } do
      assert.equal(value, v[name]:get(), name)
    end
    same64("2", v.own_zero:get())
    same64("42", v.padded:get().large)
    assert.same({ 10, 21, 30 }, v.array:get())
    assert.equal(4, v.structs:get()[1].last)
    assert.equal(1, v.large:get()[2048])
    if wide then
      same64("-9000000000000000001", v.s64:get())
    end
    -- The specs that were loaded stay as they are.
    assert.equal(200, spec.variables.u8:get())
  end)

  it("are what the programs see at once", function()
    local collection = load(loadable())
    local v = collection.variables
    for name, value in pairs { u8 = 1, s8 = -1, u16 = 100, s16 = -50, u32 = 7, s32 = -3, u64 = 123, s64 = 456,
      yes = false, text = "A", raw = "\0\0\0\0\9", color = 0, padded = { small = 1, large = 20, last = 300 },
      array = { [3] = 1000 },
      structs = { [2] = { large = 5 } }, weak = 100, own = 1000,
      large = { [2048] = 9 } } do
      assert.is_true(v[name]:set(value), name)
    end
    assert.equal(0, collection.programs.look:test(packet))
    local seen = v.seen:get()
    for i, value in ipairs { "50", "4", "123", "456", tostring(65 + 9), tostring(321 + 1000 + 5),
      tostring(100 + 8 + 9 + 1000 + 51 + 3), tostring(61 + 8 + 9) } do
      same64(value, seen[i])
    end
  end)

  it("are the map's contents, too", function()
    local collection = load(loadable())
    collection.variables.own:set(5)
    assert.equal("\5\0\0\0", collection.maps[".data.own"]:get_bytes(0))
    assert(collection.maps[".data.own"]:put_bytes(0, "\6\0\0\0"))
    assert.equal(6, collection.variables.own:get())
  end)

  it("refuse what does not fit", function()
    local v = load(loadable()).variables
    local ok, message = pcall(v.u8.set, v.u8, 256)
    assert.is_false(ok)
    assert.truthy(message:find("unsigned integer of 8 bits expected, got 256", 1, true), message)
    ok, message = pcall(v.padded.set, v.padded, { other = 1 })
    assert.is_false(ok)
    assert.truthy(message:find("unknown field 'other'", 1, true), message)
    assert.equal(200, v.u8:get())
    assert.has_error(function()
      v.u8.get({})
    end)
    assert.has_error(function()
      v.u8.get(io.stdout)
    end)
  end)

  it("go by size without BTF", function()
    local collection = load(loadable("nodebug"))
    collection.variables.u16:set(5)
    assert.equal(17, collection.programs.change:test(packet))
    assert.equal(6, collection.variables.u16:get())
    assert.equal("jello", collection.variables.text:get():match("^%Z+"))
  end)

  it("are closed with the collection", function()
    local collection = load(loadable())
    local v = collection.variables
    collection:close()
    for _, method in ipairs { "get", "set" } do
      local value, message, code = v.u8[method](v.u8, 1)
      assert.is_nil(value)
      assert.equal("variable is closed", message)
      assert.equal(errno.EBADF, code)
    end
    assert.equal(1, v.u8:size())
    assert.equal('variable "u8" (1 bytes, closed)', tostring(v.u8))
    -- Asked for only when it is too late.
    collection = load(loadable())
    collection:close()
    local value, message, code = collection.variables.u8:get()
    assert.is_nil(value)
    assert.truthy(message:find("map is closed", 1, true), message)
    assert.equal(errno.EBADF, code)
  end)

  it("outlive the collection and the maps as long as they are held", function()
    local v = assert(ebpf.load(loadable())).variables
    collectgarbage()
    collectgarbage()
    assert.equal(200, v.u8:get())
    assert.is_true(v.u8:set(1))
    assert.equal(1, v.u8:get())
  end)

  it("stay when their map is taken", function()
    local collection = load(loadable())
    local map = collection:take_map(".data")
    assert.equal(200, collection.variables.u8:get())
    map:close()
    assert.equal(200, collection.variables.u8:get())
  end)

  it("are those of the maps that are loaded", function()
    local spec = loadable()
    assert.equal("broken constant constants", names(load(spec, { programs = { "pruned" } }).variables))
    spec.variables.u8 = nil
    assert.is_nil(load(spec).variables.u8)
    local by_hand = { maps = { m = { type = "array", key_size = 4, value_size = 4, max_entries = 1 } } }
    assert.same({}, load(by_hand).variables)
  end)

  it("are shared with a child, too", function()
    local collection = load(loadable())
    local u32, structs = collection.variables.u32, collection.variables.structs
    local pid = process.fork(function()
      for i = 1, 1000 do
        u32:set(i)
        assert(u32:get() == i)
        structs:set({ { small = i % 256 } })
        assert(structs:get()[1].small == i % 256)
      end
      return 0
    end)
    assert.equal(0, process.wait(pid))
    assert.equal(1000, u32:get())
  end)

  it("are mapped when they are asked for, not before", function()
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
    local collection = load(loadable())
    assert.equal(before, mapped())
    assert.is_true(collection.maps[".data.own"]:freeze())
    assert.is_table(collection.variables)
    assert.equal(before + 6, mapped())
    local ok, message, code = collection.maps[".data"]:freeze()
    assert.is_nil(ok)
    assert.equal(errno.EBUSY, code)
    assert.truthy(message:find("mapped writable", 1, true), message)
    assert.is_true(collection.variables.own:is_constant()) -- it was frozen
    collection:close()
    assert.equal(before, mapped())
  end)
end)

describe("maps of variables", function()
  it("can be mapped, unless nothing in them is for us", function()
    local collection = load(loadable())
    for name, flags in pairs { [".data"] = 1024, [".bss"] = 1024, [".rodata"] = 1024 + 128, [".data.own"] = 1024,
      [".data.alone"] = 0 } do
      assert.equal(flags, collection.maps[name]:abi().flags, name)
    end
    assert.equal(0, load_spec().maps[".data"].flags) -- asked for when it is loaded
  end)

  it("may be replaced by others, with the flag or without", function()
    for flags = 0, 1024, 1024 do
      local mine = support.closing(assert(ebpf.new_map { name = "mine", type = "array", key_size = 4, value_size = 4,
        max_entries = 1, flags = flags }))
      mine:put(0, 12)
      local collection = load(loadable(), { maps = { [".data.own"] = mine } })
      assert.equal(17, collection.programs.change:test(packet))
      assert.equal(13, mine:get(0))
      local own = collection.variables.own
      assert.equal(201, collection.variables.u8:get())
      if flags == 1024 then
        assert.equal(13, own:get())
        assert.is_true(own:set(14))
        assert.equal(14, mine:get(0))
      else
        for _, method in ipairs { "get", "set" } do
          local value, message, code = own[method](own, 1)
          assert.is_nil(value)
          assert.equal(errno.EOPNOTSUPP, code)
          assert.truthy(message:find('variable "own": map the memory of map "mine": operation not supported '
            .. "(EOPNOTSUPP): only arrays made with BPF_F_MMAPABLE (flags = 1024, since Linux 5.5)", 1, true), message)
        end
        assert.equal(4, own:size())
        assert.is_false(own:is_constant())
        assert.equal("own", own:name())
        assert.equal('variable "own" (4 bytes, not mapped)', tostring(own))
      end
    end
  end)

  it("may be shared by pins that were made without the flag", function()
    local directory = support.bpffs()
    local function pinned(change)
      local spec = loadable()
      spec.maps[".data.own"].pinning = "by_name"
      if change then
        change(spec.maps[".data.own"])
      end
      return load(spec, { pin_path = directory })
    end
    local old = pinned(function(map)
      map.mmapable = nil
    end)
    assert.equal(0, old.maps[".data.own"]:abi().flags)
    local new = pinned()
    assert.equal(0, new.maps[".data.own"]:abi().flags)
    assert.equal(17, new.programs.change:test(packet))
    assert.equal("\42\0\0\0", old.maps[".data.own"]:get_bytes(0))
    assert(old.maps[".data.own"]:unpin())

    local first, second = pinned(), pinned()
    first.variables.own:set(99)
    assert.equal(99, second.variables.own:get())
    assert(first.maps[".data.own"]:unpin())
  end)
end)
