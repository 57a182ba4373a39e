-- Per-CPU maps: the value of one CPU, and one value for all.
local ebpf = require "ebpf"
local support = require "spec.support"

local errno = ebpf.errno
local cpus = #support.possible_cpus()

local function new_map(fields)
  local spec = { name = "counts", type = "percpu_array", key = "u32", value = "u32", max_entries = 4 }
  for field, value in pairs(fields or {}) do
    spec[field] = value
  end
  return support.closing(assert(ebpf.new_map(spec)))
end

-- As many values as there are CPUs: `others`, but `value` for one of them.
local function values(others, cpu, value)
  local list = {}
  for i = 1, cpus do
    list[i] = i == cpu + 1 and value or others
  end
  return list
end

local function raised(message, ...)
  local ok, error_message = pcall(...)
  assert.is_false(ok)
  assert.truthy(error_message:find(message, 1, true), error_message)
end

describe("flags for CPUs", function()
  it("are checked", function()
    local map = new_map()
    raised("flags must be nil, 'lock' or {cpu = n}", map.get, map, 0, "all_cpus")
    raised("flags must be nil, 'lock' or {cpu = n}", map.get, map, 0, 1)
    raised("flags must be nil, 'lock', {cpu = n} or 'all_cpus'", map.put, map, 0, 1, "everywhere")
    raised("flags must be nil or 'lock'", map.get_and_delete, map, 0, { cpu = 0 })
    raised("flags must be nil or 'lock'", map.create, map, 0, 1, { cpu = 0 })
    raised("flags must be nil or 'lock'", map.replace, map, 0, 1, "all_cpus")
    raised("unknown flag field 'cpus'", map.get, map, 0, { cpus = 0 })
    raised("field 'cpu': missing", map.get, map, 0, {})
    raised("field 'cpu': ", map.get, map, 0, { cpu = "first" })
    raised("field 'cpu': ", map.get, map, 0, { cpu = -1 })
    raised("field 'cpu': ", map.get, map, 0, { cpu = 0.5 })
    raised("field 'cpu': ", map.put, map, 0, 1, { cpu = 2 ^ 32 })
    raised(("field 'cpu': there are %d possible CPUs, counted from 0"):format(cpus), map.get, map, 0, { cpu = cpus })
    raised("value: ", map.put, map, 0, { 1 }, { cpu = 0 })
    raised("value: ", map.put, map, 0, 2 ^ 32, "all_cpus")
  end)

  it("are for per-CPU maps", function()
    local map = new_map { type = "array" }
    raised("per-CPU map expected", map.get, map, 0, { cpu = 0 })
    raised("per-CPU map expected", map.put, map, 0, 1, { cpu = 0 })
    raised("per-CPU map expected", map.put, map, 0, 1, "all_cpus")
    raised("flags must be nil or 'lock'", map.put, map, 0, 1, "everywhere")
    assert.equal(0, map:get(0))
  end)

  it("need Linux 7.0, and say so", function()
    local map = new_map()
    local value, message, code = map:get(0, { cpu = 0 })
    if value then
      assert.equal(0, value)
      return
    end
    assert.equal(errno.EINVAL, code)
    assert.equal("access one CPU's value of map \"counts\": invalid argument (EINVAL): needs Linux 7.0", message)
    assert.same({ nil, message, errno.EINVAL }, { map:put(0, 1, { cpu = 0 }) })
    assert.same({ nil, "put a value for all CPUs into map \"counts\": invalid argument (EINVAL): needs Linux 7.0",
      errno.EINVAL }, { map:put(0, 1, "all_cpus") })
    assert.same(values(0, 0, 0), map:get(0))
    support.needs("7.0", "values of one CPU", message)
  end)

  it("are nothing for a closed map", function()
    local map = new_map()
    map:close()
    assert.same({ nil, "map is closed", errno.EBADF }, { map:get(0, { cpu = 0 }) })
    assert.same({ nil, "map is closed", errno.EBADF }, { map:put(0, 1, "all_cpus") })
  end)
end)

describe("per-CPU values one by one", support.since("7.0", "values of one CPU", function()
  for _, kind in ipairs { "percpu_array", "percpu_hash", "lru_percpu_hash" } do
    it("are those of the arrays of a " .. kind, function()
      local map = new_map { type = kind }
      local last = cpus - 1
      assert.is_true(map:put(1, 7, { cpu = last }))
      assert.same(values(0, last, 7), map:get(1))
      assert.is_true(map:put(1, 5, "all_cpus"))
      assert.same(values(5, 0, 5), map:get(1))
      assert.is_true(map:put(1, 9, { cpu = 0 }))
      assert.same(values(5, 0, 9), map:get(1))
      for cpu = 0, last do
        assert.equal(cpu == 0 and 9 or 5, map:get(1, { cpu = cpu }))
      end
      assert.equal(9 + 5 * last, map:get_sum(1))
    end)
  end

  it("of a key that is not there are nil", function()
    local map = new_map { type = "percpu_hash" }
    assert.equal(1, select("#", map:get(1, { cpu = 0 })))
    assert.is_nil(map:get(1, { cpu = 0 }))
    assert.is_true(map:put(1, 4, { cpu = 0 }))
    assert.same(values(0, 0, 4), map:get(1))
    assert.equal(4, map:get(1, { cpu = 0 }))
  end)

  it("are of any type, and of sizes that are no multiples of eight", function()
    local map = new_map { value = "struct { u64 packets; char name[5]; }" }
    assert.is_true(map:put(0, { packets = 1, name = "all" }, "all_cpus"))
    assert.is_true(map:put(0, { packets = 2, name = "one" }, { cpu = 0 }))
    local one = map:get(0, { cpu = 0 })
    assert.equal("one", one.name)
    assert.equal(2, tonumber(one.packets))
    assert.equal("one", map:get(0)[1].name)
    for i = 2, cpus do
      assert.equal("all", map:get(0)[i].name)
    end
    local odd = new_map { value = "u8[3]" }
    assert.is_true(odd:put(0, "abc", "all_cpus"))
    assert.equal("abc", odd:get(0, { cpu = cpus - 1 }))
    assert.same(values("abc", 0, "abc"), odd:get(0))
  end)
end))
