-- What a program relies on in maps and programs of others: checked on what is in the kernel, and on specs.
local ebpf = require "ebpf"
local insn = require "spec.support.insn"
local support = require "spec.support"

local errno = ebpf.errno

local function keep(handle, message)
  return support.closing(assert(handle, message))
end

local function new_map(fields)
  local spec = { name = "events", type = "hash", key_size = 4, value_size = 8, max_entries = 16 }
  for name, value in pairs(fields or {}) do
    spec[name] = value
  end
  return keep(ebpf.new_map(spec)), spec
end

local function new_program(type)
  return keep(ebpf.new_program { name = "watch", type = type or "xdp", license = "GPL",
    instructions = insn.returning(0) })
end

local function refused(words, code, ok, message, got)
  assert.is_nil(ok)
  assert.equal(words, message)
  assert.equal(code, got)
end

describe("map_abi", function()
  it("checks the fields that it has, and no others", function()
    local map, spec = new_map()
    for _, wanted in ipairs {
      {}, { type = "hash" }, { type = 1 }, { key_size = 4 }, { value_size = 8 }, { max_entries = 16 }, { flags = 0 },
      { type = "hash", key_size = 4, value_size = 8, max_entries = 16, flags = 0 },
    } do
      local abi = ebpf.map_abi(wanted)
      assert.is_true(abi:check(map))
      assert.is_true(abi:check_spec(spec))
      assert.is_true(abi:check(keep(ebpf.map_from_id(map:info().id))))
    end
    for field, value in pairs { type = "array", key_size = 5, value_size = 0, max_entries = 0, flags = 1 } do
      local abi = ebpf.map_abi { [field] = value }
      local message = ('map "events": %s is %s instead of %s'):format(field, tostring(spec[field] or 0), value)
      refused(message, errno.EINVAL, abi:check(map))
      refused(message, errno.EINVAL, abi:check_spec(spec))
    end
  end)

  it("tells all differences at once", function()
    local map, spec = new_map()
    local abi = ebpf.map_abi { type = "lru_hash", key_size = 8, value_size = 8, max_entries = 1, flags = 1 }
    local message = 'map "events": type is hash instead of lru_hash, key_size is 4 instead of 8, '
      .. "max_entries is 16 instead of 1, flags is 0 instead of 1"
    refused(message, errno.EINVAL, abi:check(map))
    refused(message, errno.EINVAL, abi:check_spec(spec))
  end)

  it("is not changed by the table that it was made of, and changes no spec", function()
    local map, spec = new_map()
    local wanted = { type = "hash", inner_map = nil }
    local abi = ebpf.map_abi(wanted)
    wanted.type = "array"
    assert.is_true(abi:check(map))
    assert.is_true(abi:check_spec(spec))
    assert.same({ name = "events", type = "hash", key_size = 4, value_size = 8, max_entries = 16 }, spec)
  end)

  it("looks into maps of maps", function()
    local inner_spec = { name = "inner", type = "array", key_size = 4, value_size = 8, max_entries = 2 }
    for _, kind in ipairs { "array_of_maps", "hash_of_maps" } do
      local map, spec = new_map { name = "outer", type = kind, value_size = 4, inner_map = inner_spec }
      local right = ebpf.map_abi { type = kind, inner_map = { type = "array", value_size = 8 } }
      local wrong = ebpf.map_abi { key_size = 8, inner_map = { type = "hash", value_size = 8, max_entries = 3 } }
      assert.is_true(right:check_spec(spec))
      assert.is_true(right:check(map)) -- an empty one does not tell
      refused('map "outer": key_size is 4 instead of 8', errno.EINVAL, wrong:check(map))
      assert(map:put(1, keep(ebpf.new_map(inner_spec))))
      assert.is_true(right:check(map))
      local before = support.fds()
      local message = 'map "outer": key_size is 4 instead of 8, inner map "inner": type is array instead of hash, '
        .. "max_entries is 2 instead of 3"
      refused(message, errno.EINVAL, wrong:check(map))
      refused(message, errno.EINVAL, wrong:check_spec(spec))
      assert.same(before, support.fds())
    end
    local map, spec = new_map()
    local abi = ebpf.map_abi { value_size = 4, inner_map = {} }
    refused('map "events": value_size is 8 instead of 4, hash holds no maps', errno.EINVAL, abi:check(map))
    refused('map "events": value_size is 8 instead of 4, inner_map is missing', errno.EINVAL, abi:check_spec(spec))
  end)

  it("knows what new_map fills in", function()
    local slots = support.possible_cpus()
    slots = slots[#slots] + 1
    for _, spec in ipairs {
      { type = "perf_event_array" }, { type = 4 }, { type = "perf_event_array", max_entries = 4096 },
      { type = "cpumap", key_size = 4, value_size = 4 },
    } do
      local abi = ebpf.map_abi { key_size = 4, value_size = 4, max_entries = slots, flags = 0 }
      assert.is_true(abi:check_spec(spec))
      assert.is_true(abi:check(keep(ebpf.new_map(spec))))
    end
    local spec = { type = "hash", key = "u32", value = { size = 3, encode = tostring, decode = tostring },
      max_entries = 1 }
    local abi = ebpf.map_abi { key_size = 4, value_size = 3 }
    assert.is_true(abi:check_spec(spec))
    assert.is_true(abi:check(keep(ebpf.new_map(spec))))
    assert.is_true(ebpf.map_abi({ value_size = 4 }):check_spec { type = "hash_of_maps", key_size = 4 })
    assert.is_true(ebpf.map_abi({ value_size = 4 }):check_spec(
      assert(ebpf.load_spec(support.fixture("values"))).maps.outer))
  end)

  it("guards the opening of pins and ids", function()
    local map = new_map()
    local directory = support.bpffs()
    assert(map:pin(directory .. "/events"))
    assert.is_true(keep(ebpf.load_pinned_map(directory .. "/events", { type = "hash", value_size = 8 })):close())
    local before = support.fds()
    local words = 'map "events": value_size is 8 instead of 4'
    local function tell(opened, message, code)
      assert.is_nil(opened)
      assert.truthy(message:find(words, 1, true), message)
      assert.equal(errno.EINVAL, code)
    end
    tell(ebpf.load_pinned_map(directory .. "/events", { value_size = 4 }))
    tell(ebpf.load_pinned_map(directory .. "/events", ebpf.map_abi { value_size = 4 }))
    tell(ebpf.map_from_id(map:info().id, { value_size = 4 }))
    assert.same(before, support.fds())
    assert(map:unpin())
  end)

  it("says when the map is closed", function()
    local map = new_map()
    map:close()
    assert.equal(errno.EBADF, select(3, ebpf.map_abi({}):check(map)))
    assert.equal(errno.EBADF, select(3, ebpf.map_abi({ type = "array" }):check(map)))
  end)

  it("raises on wrong arguments", function()
    for message, wanted in pairs {
      ["map abi: unknown field 'name'"] = { name = "events" },
      ["map abi: unknown field '1'"] = { "hash" },
      ["map abi: table expected, got string"] = "hash",
      ["unknown map type 'hahs'"] = { type = "hahs" },
      ["map abi: field 'key_size': number expected, got string"] = { key_size = "4" },
      ["map abi: unknown field 'colour'"] = { inner_map = { colour = 1 } },
      ["map abi: table expected, got number"] = { inner_map = 5 },
    } do
      local ok, raised = pcall(ebpf.map_abi, wanted)
      assert.is_false(ok)
      assert.truthy(raised:find(message, 1, true), raised)
    end
    local abi = ebpf.map_abi { type = "hash" }
    for _, wrong in ipairs { 5, "map", {}, new_program() } do
      assert.has_error(function() abi:check(wrong) end)
    end
    assert.has_error(function() abi:check() end)
    assert.error_matches(function() abi:check_spec("hash") end, "map spec expected, got string")
    assert.error_matches(function() abi:check_spec { type = "hahs" } end, "unknown map type 'hahs'")
  end)
end)

describe("program_abi", function()
  it("checks the type, if it has one", function()
    local program = new_program()
    local spec = assert(ebpf.load_spec(support.fixture("program_basic"))).programs.count_packets
    for _, wanted in ipairs { {}, { type = "xdp" }, { type = 6 } } do
      assert.is_true(ebpf.program_abi(wanted):check(program))
      assert.is_true(ebpf.program_abi(wanted):check_spec(spec))
    end
    local abi = ebpf.program_abi { type = "kprobe" }
    refused('program "watch": type is xdp instead of kprobe', errno.EINVAL, abi:check(program))
    refused('program "count_packets": type is xdp instead of kprobe', errno.EINVAL, abi:check_spec(spec))
    program:close()
    assert.equal(errno.EBADF, select(3, abi:check(program)))
  end)

  it("raises on wrong arguments", function()
    assert.error_matches(function() ebpf.program_abi { tipe = "xdp" } end, "unknown field 'tipe'")
    assert.error_matches(function() ebpf.program_abi { type = "xpd" } end, "unknown program type 'xpd'")
    assert.error_matches(function() ebpf.program_abi() end, "table expected, got nil")
    local abi = ebpf.program_abi {}
    assert.has_error(function() abi:check((new_map())) end)
    assert.has_error(function() abi:check {} end)
    assert.error_matches(function() abi:check_spec() end, "program spec expected, got nil")
  end)
end)

describe("collection_abi", function()
  local path = support.fixture("program_basic")

  local function load_all()
    local spec = support.drop_newer(assert(ebpf.load_spec(path)), { add = "5.14" })
    assert(spec.programs.store_constant.instructions:rewrite_constant("MY_CONSTANT", 1))
    return keep(spec:load()), spec
  end

  it("checks maps and programs by name", function()
    local collection, spec = load_all()
    for _, wanted in ipairs {
      {}, { maps = {} }, { programs = { mark = {} } },
      { maps = { counters = { type = "array", max_entries = 4 } }, programs = { mark = { type = "sched_cls" } } },
      { maps = { counters = ebpf.map_abi { type = "array" } }, programs = { mark = ebpf.program_abi {} } },
    } do
      local abi = ebpf.collection_abi(wanted)
      assert.is_true(abi:check(collection))
      assert.is_true(abi:check_spec(spec))
    end
  end)

  it("tells all that is missing or different", function()
    local collection, spec = load_all()
    local abi = ebpf.collection_abi {
      maps = { counters = { type = "hash", max_entries = 5 }, another = {} },
      programs = { mark = { type = "xdp" }, absent = {}, grow_tail = {} },
    }
    local message = 'map "another" is missing; map "counters": type is array instead of hash, max_entries is 4 instead '
      .. 'of 5; program "absent" is missing; program "mark": type is sched_cls instead of xdp'
    refused(message, errno.EINVAL, abi:check(collection))
    refused(message, errno.EINVAL, abi:check_spec(spec))
    collection:close()
    assert.equal(errno.EBADF, select(3, ebpf.collection_abi({ maps = { counters = {} } }):check(collection)))
  end)

  it("raises on wrong arguments", function()
    for message, wanted in pairs {
      ["collection abi: unknown field 'map'"] = { map = {} },
      ["collection abi: field 'maps': table expected, got boolean"] = { maps = true },
      ["map abi: unknown field 'size'"] = { maps = { a = { size = 5 } } },
      ["program abi: table expected, got string"] = { programs = { a = "xdp" } },
      ["collection abi: table expected, got number"] = 5,
    } do
      local ok, raised = pcall(ebpf.collection_abi, wanted)
      assert.is_false(ok)
      assert.truthy(raised:find(message, 1, true), raised)
    end
    local abi = ebpf.collection_abi {}
    for _, wrong in ipairs { 5, "x", {}, { maps = {} } } do
      assert.error_matches(function() abi:check(wrong) end, "check: maps and programs expected")
      assert.error_matches(function() abi:check_spec(wrong) end, "check_spec: maps and programs expected")
    end
  end)
end)
