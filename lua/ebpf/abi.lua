--- What a program relies on in a map or program that somebody else made: checked before it is used.
local abi = {}

local core = require "ebpf.core"
local pass = require("ebpf.argument").pass
local sorted_names = require "ebpf.sorted_names"

local EINVAL = core.errno.EINVAL

local holds_maps = { array_of_maps = true, hash_of_maps = true }

local map_fields = { "type", "key_size", "value_size", "max_entries", "flags" }

--- Compares the fields that `wanted` has with those of `have`.
-- @return true, or nil and the differences in words
local function compare(wanted, have, fields)
  local differences = {}
  for _, field in ipairs(fields) do
    if wanted[field] ~= nil and wanted[field] ~= have[field] then
      differences[#differences + 1] = ("%s is %s instead of %s"):format(
        field, tostring(have[field]), tostring(wanted[field]))
    end
  end
  if #differences == 0 then
    return true
  end
  return nil, table.concat(differences, ", ")
end

abi.compare = compare

--- Raises when argument `n` has other fields.
local function check_fields(n, what, wanted, allowed)
  if type(wanted) ~= "table" then
    core.refuse(n, ("%s: table expected, got %s"):format(what, type(wanted)))
  end
  for field in pairs(wanted) do
    if not allowed[field] then
      core.refuse(n, ("%s: unknown field '%s'"):format(what, tostring(field)))
    end
  end
end

abi.check_fields = check_fields

local function set(...)
  local result = {}
  for _, name in ipairs({ ... }) do
    result[name] = true
  end
  return result
end

--- The type of a spec or abi, argument `n`, by its name also where it is given as a number.
local function type_name(n, what, of, wanted)
  local ok, name = pcall(of, wanted)
  if not ok then
    core.refuse(n, ("%s: %s"):format(what, name:match("%((.*)%)$") or name))
  end
  return name
end

---@class ebpf.MapABI
---@field type? string as in a MapSpec
---@field key_size? integer bytes
---@field value_size? integer bytes
---@field max_entries? integer
---@field flags? integer
---@field inner_map? ebpf.MapABI of a map of maps: what its maps must be
local MapABI = {}
MapABI.__index = MapABI

--- An inner map of `map`, to see what they are like: nil when there is none yet.
local function some_inner(map)
  local _, inner = map:iterate()()
  return inner
end

--- What is different in the maps that `map` holds, in words; or nil. A map of maps is judged by the first map in it.
-- @return the words; or nil; or false, message, errno when that cannot be told
local function inner_differences(self, map, kind)
  if not holds_maps[kind] then
    return ("%s holds no maps"):format(kind)
  end
  local ok, inner = pcall(some_inner, map)
  if not ok then
    return false, inner, nil
  elseif not inner then
    return nil
  end
  local same, message, errno = self:check(inner)
  inner:close()
  if same then
    return nil
  elseif errno ~= EINVAL then
    return false, message, errno
  end
  return "inner " .. message
end

local function verdict(kind, name, ...)
  local differences = {}
  for i = 1, select("#", ...) do
    differences[#differences + 1] = select(i, ...) or nil
  end
  if #differences == 0 then
    return true
  end
  return nil, ('%s "%s": %s'):format(kind, tostring(name), table.concat(differences, ", ")), EINVAL
end

--- Whether the map is what is relied on. Of the maps in a map of maps the first one is looked at, if there is one.
---@param map ebpf.Map
---@return true? ok
---@return string? message all differences
---@return integer? errno EINVAL; EBADF for a closed map
function MapABI:check(map)
  core.check_self(self, MapABI)
  local fd, message, errno = core.methods.map.fd(map) -- abi() answers from memory
  if not fd then
    return nil, message, errno
  end
  local have = map:abi()
  local _, differences = compare(self, have, map_fields)
  local inner
  if self.inner_map then
    inner, message, errno = inner_differences(self.inner_map, map, have.type)
    if inner == false then
      return nil, message, errno
    end
  end
  return verdict("map", map:name(), differences, inner)
end

--- The bytes that a spec gives to keys or values: by size, or by type.
local function size_in(spec, field)
  local size, codec = spec[field .. "_size"], spec[field]
  if size ~= nil and size ~= 0 or codec == nil then
    return size or 0
  elseif type(codec) == "table" then
    return codec.size
  end
  local bits = type(codec) == "string" and codec:match("^[ui](%d+)$")
  return bits and tonumber(bits) / 8 or 0
end

--- What a map made from the spec would be like; sizes that follow from the type are filled in as new_map does.
local function made_from(spec)
  local have = {
    type = type_name(1, "map spec", core.map_type, spec), key_size = size_in(spec, "key"),
    value_size = size_in(spec, "value"), max_entries = spec.max_entries or 0, flags = spec.flags or 0,
  }
  local is_perf = have.type == "perf_event_array"
  if is_perf and have.key_size == 0 then
    have.key_size = 4
  end
  if (is_perf or holds_maps[have.type]) and have.value_size == 0 then
    have.value_size = 4
  end
  if is_perf or have.type == "cpumap" then
    local cpus = assert(core.possible_cpus())
    local slots = cpus[#cpus] + 1
    have.max_entries = have.max_entries == 0 and slots or math.min(have.max_entries, slots)
  end
  return have
end

--- Whether a spec would make such a map.
---@param spec ebpf.MapSpec
---@return true? ok
---@return string? message all differences
---@return integer? errno EINVAL
function MapABI:check_spec(spec)
  core.check_self(self, MapABI)
  if type(spec) ~= "table" then
    core.refuse(1, ("map spec expected, got %s"):format(type(spec)))
  end
  local _, differences = compare(self, made_from(spec), map_fields)
  local inner
  if self.inner_map and not spec.inner_map then
    inner = "inner_map is missing"
  elseif self.inner_map then
    local _, message = self.inner_map:check_spec(spec.inner_map)
    inner = message and "inner " .. message
  end
  return verdict("map", spec.name, differences, inner)
end

local map_abi_fields = set("type", "key_size", "value_size", "max_entries", "flags", "inner_map")

-- Of argument `n`.
local function new_map_abi(n, wanted)
  check_fields(n, "map abi", wanted, map_abi_fields)
  local self = setmetatable({ type = type_name(n, "map abi", core.map_type, wanted) }, MapABI)
  for _, field in ipairs({ "key_size", "value_size", "max_entries", "flags" }) do
    if wanted[field] ~= nil and type(wanted[field]) ~= "number" then
      core.refuse(n, ("map abi: field '%s': number expected, got %s"):format(field, type(wanted[field])))
    end
    self[field] = wanted[field]
  end
  if wanted.inner_map ~= nil then
    self.inner_map = new_map_abi(n, wanted.inner_map)
  end
  return self
end

abi.map_of_argument = new_map_abi

--- What is relied on in a map; fields left out are not checked.
---@param wanted ebpf.MapABI
---@return ebpf.MapABI
function abi.map(wanted)
  local self = new_map_abi(1, wanted)
  return self
end

---@class ebpf.ProgramABI
---@field type? string as in a ProgramSpec
local ProgramABI = {}
ProgramABI.__index = ProgramABI

local program_abi_fields = set("type")

--- Whether the program is what is relied on.
---@param program ebpf.Program
---@return true? ok
---@return string? message
---@return integer? errno EINVAL
function ProgramABI:check(program)
  core.check_self(self, ProgramABI)
  local have, message, errno = core.methods.program.abi(program)
  if not have then
    return nil, message, errno
  end
  local _, differences = compare(self, have, { "type" })
  return verdict("program", program:name(), differences)
end

--- Whether a spec would make such a program.
---@param spec ebpf.ProgramSpec
---@return true? ok
---@return string? message
---@return integer? errno EINVAL
function ProgramABI:check_spec(spec)
  core.check_self(self, ProgramABI)
  if type(spec) ~= "table" then
    core.refuse(1, ("program spec expected, got %s"):format(type(spec)))
  end
  local have = { type = type_name(1, "program spec", core.program_type, spec) }
  local _, differences = compare(self, have, { "type" })
  return verdict("program", spec.name, differences)
end

--- What is relied on in a program.
---@param wanted ebpf.ProgramABI
---@return ebpf.ProgramABI
function abi.program(wanted)
  check_fields(1, "program abi", wanted, program_abi_fields)
  return setmetatable({ type = type_name(1, "program abi", core.program_type, wanted) }, ProgramABI)
end

---@class ebpf.CollectionABI
---@field maps? table<string, ebpf.MapABI>
---@field programs? table<string, ebpf.ProgramABI>
local CollectionABI = {}
CollectionABI.__index = CollectionABI

--- Checks each thing that `wanted` names by `method` of its abi, and adds to `messages` what is wrong.
-- @return the errno of the first failure, or nil
local function check_all(kind, wanted, have, method, messages)
  local first
  for _, name in ipairs(sorted_names(wanted)) do
    local ok, message, errno
    if have[name] == nil then
      message, errno = ('%s "%s" is missing'):format(kind, name), EINVAL
    else
      ok, message, errno = wanted[name][method](wanted[name], have[name])
    end
    if not ok then
      messages[#messages + 1] = message
      first = first or errno
    end
  end
  return first
end

local function check_both(self, have, method)
  core.check_self(self, CollectionABI)
  if type(have) ~= "table" or type(have.maps) ~= "table" or type(have.programs) ~= "table" then
    core.raise(("%s: maps and programs expected, got %s"):format(method, type(have)))
  end
  local messages = {}
  local of_maps = check_all("map", self.maps, have.maps, method, messages)
  local of_programs = check_all("program", self.programs, have.programs, method, messages)
  if #messages == 0 then
    return true
  end
  return nil, table.concat(messages, "; "), of_maps or of_programs
end

--- Whether a loaded collection has all maps and programs that are relied on.
---@param collection ebpf.Collection
---@return true? ok
---@return string? message all differences
---@return integer? errno EINVAL
function CollectionABI:check(collection)
  return pass(check_both(self, collection, "check"))
end

--- The same for a spec, before anything is loaded.
---@param spec ebpf.CollectionSpec
---@return true? ok
---@return string? message all differences
---@return integer? errno EINVAL
function CollectionABI:check_spec(spec)
  return pass(check_both(self, spec, "check_spec"))
end

local collection_abi_fields = set("maps", "programs")

--- What is relied on in a collection, by name; the values are what map and program abis are made of.
---@param wanted ebpf.CollectionABI
---@return ebpf.CollectionABI
function abi.collection(wanted)
  check_fields(1, "collection abi", wanted, collection_abi_fields)
  for field, value in pairs(wanted) do
    if type(value) ~= "table" then
      core.refuse(1, ("collection abi: field '%s': table expected, got %s"):format(field, type(value)))
    end
  end
  local self = { maps = {}, programs = {} }
  for name, expected in pairs(wanted.maps or {}) do
    self.maps[name] = abi.map(expected)
  end
  for name, expected in pairs(wanted.programs or {}) do
    self.programs[name] = abi.program(expected)
  end
  return setmetatable(self, CollectionABI)
end

for name, class in pairs { MapABI = MapABI, ProgramABI = ProgramABI, CollectionABI = CollectionABI } do
  class.__name = "ebpf." .. name
  table.insert(core.public, class)
end

return abi
