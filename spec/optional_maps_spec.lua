-- Maps that are not created, and programs that refer to them.
local ebpf = require "ebpf"
local support = require "spec.support"

local errno = ebpf.errno
local path = support.fixture "optional_maps"
local packet = ("\0"):rep(64)

-- The object with some of its maps left out.
local function spec_without(...)
  local spec = assert(ebpf.load_spec(path))
  for _, name in ipairs { ... } do
    spec.maps[name].autocreate = false
  end
  return spec
end

local function load(spec, ...)
  local collection, message = spec:load { programs = { ... } }
  return support.closing(assert(collection, message))
end

describe("a map with autocreate = false", function()
  it("is not created, though programs refer to it where they do not come", function()
    local spec = spec_without("details", ".data.details")
    local collection = load(spec, "by_constant", "by_type")
    assert.is_nil(collection.maps.details)
    assert.is_nil(collection.maps[".data.details"])
    assert.is_nil(collection.variables.detail)
    assert.equal(1, (assert(collection.programs.by_constant:test(packet))))
    assert.equal(10, (assert(collection.programs.by_type:test(packet))))
    assert.equal(1, tonumber(collection.maps.counts:get(0)))
  end)

  it("is created as soon as it is to be", function()
    local spec = spec_without("details", ".data.details")
    spec.maps.details.autocreate, spec.maps[".data.details"].autocreate = true, nil
    spec.variables.detailed:set(1)
    local collection = load(spec, "by_constant")
    assert.equal(2, (assert(collection.programs.by_constant:test(packet))))
    assert.equal(6, tonumber(collection.maps.details:get(0)))
    assert.equal(6, tonumber(collection.variables.detail:get()))
  end)

  it("may be replaced", function()
    local mine = support.closing(assert(ebpf.new_map { type = "array", key_size = 4, value_size = 8, max_entries = 1 }))
    local spec = spec_without("details", ".data.details")
    local collection = support.closing(assert(spec:load { programs = { "unguarded" }, maps = { details = mine } }))
    assert.equal(1, (assert(collection.programs.unguarded:test(packet))))
    assert.equal(1, tonumber(mine:get(0)))
  end)

  it("leaves the spec as it is", function()
    local spec = spec_without("details", ".data.details")
    local before = tostring(spec.programs.by_constant.instructions)
    load(spec, "by_constant")
    assert.equal(before, tostring(spec.programs.by_constant.instructions))
    for _, reference in ipairs(spec.programs.by_constant.instructions:references()) do
      assert.is_true(reference.kind == "call" or not reference.resolved)
    end
  end)

  it("is named when the verifier comes to a program's use of it", function()
    local function refused(name, map, place)
      local spec = spec_without("details", ".data.details")
      local collection, message, code, log = spec:load { programs = { name } }
      assert.same({ nil, errno.EINVAL }, { collection, code })
      local expected = ('load program "%s": invalid argument (EINVAL): map "%s" is not created: set autocreate of its '
        .. "spec to true, or guard what needs the map by a constant, at instruction "):format(name, map)
      assert.equal(expected, message:sub(1, #expected))
      assert.truthy(message:find(place, 1, true), message)
      assert.truthy(log:find("invalid func unknown#2001000000", 1, true), log)
    end
    refused("unguarded", "details", "of unguarded(), optional_maps.bpf.c")
    refused("unguarded_data", ".data.details", "of unguarded_data(), optional_maps.bpf.c")
  end)

  it("is named also when a constant turns its use on", function()
    local spec = spec_without("details")
    spec.variables.detailed:set(1)
    local collection, message = spec:load { programs = { "by_constant" } }
    assert.is_nil(collection)
    assert.truthy(message:find('map "details" is not created', 1, true), message)
    assert.truthy(message:find("of add_detail()", 1, true), message)
  end)

  it("is in no map of maps", function()
    local collection, message, code = spec_without("details"):load { programs = { "nested" } }
    assert.same({ nil, errno.ENOENT }, { collection, code })
    assert.equal('map "outer": map "details", which is to be in it, is not created: set autocreate of its spec to true',
      message)
    assert.equal(1, (assert(load(spec_without(), "nested").programs.nested:test(packet))))
  end)

  it("is what the whole object is loaded without", function()
    local spec = spec_without("details", "outer", ".data.details")
    spec.programs.unguarded, spec.programs.unguarded_data = nil, nil
    local collection = support.closing(assert(spec:load()))
    local names = {}
    for name in pairs(collection.maps) do
      names[#names + 1] = name
    end
    table.sort(names)
    assert.same({ ".rodata", "counts" }, names)
  end)
end)

describe("a reference to a map", function()
  it("of a program that is loaded alone is not satisfied by nothing", function()
    local p, message, code = ebpf.new_program(assert(ebpf.load_spec(path)).programs.unguarded)
    assert.same({ nil, errno.ENOENT }, { p, code })
    assert.truthy(message:find('reference to "details" is not satisfied: it needs a map', 1, true), message)
  end)
end)
