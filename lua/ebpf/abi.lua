--- What a program relies on in a map or program that somebody else made: checked before it is used.
local abi = {}

local EINVAL = 22

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

local function check_fields(what, wanted, allowed)
  if type(wanted) ~= "table" then
    error(("%s: table expected, got %s"):format(what, type(wanted)), 3)
  end
  for field in pairs(wanted) do
    if not allowed[field] then
      error(("%s: unknown field '%s'"):format(what, tostring(field)), 3)
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

--- Whether the map is what is relied on. A map of maps is judged by the first map in it.
---@param map ebpf.Map
---@return true? ok
---@return string? message all differences
---@return integer? errno EINVAL
function MapABI:check(map)
  local fd, message, errno = map:fd() -- abi() answers from memory
  if not fd then
    return nil, message, errno
  end
  local have = map:abi()
  local ok, differences = compare(self, have, map_fields)
  if not ok then
    return nil, ("map \"%s\": %s"):format(map:name(), differences), EINVAL
  end
  if self.inner_map and not holds_maps[have.type] then
    return nil, ("map \"%s\": %s holds no maps"):format(map:name(), have.type), EINVAL
  end
  local inner
  if self.inner_map then
    ok, inner = pcall(some_inner, map)
    if not ok then
      return nil, inner
    end
  end
  if inner then
    ok, message, errno = self.inner_map:check(inner)
    inner:close()
    if not ok then
      return nil, ("map \"%s\": inner %s"):format(map:name(), message), errno
    end
  end
  return true
end

--- Whether a spec would make such a map.
---@param spec ebpf.MapSpec
---@return true? ok
---@return string? message all differences
---@return integer? errno EINVAL
function MapABI:check_spec(spec)
  local ok, differences = compare(self, spec, map_fields)
  if ok and self.inner_map then
    if not spec.inner_map then
      ok, differences = nil, "inner_map is missing"
    else
      ok, differences = self.inner_map:check_spec(spec.inner_map)
    end
  end
  if not ok then
    return nil, ("map \"%s\": %s"):format(tostring(spec.name), differences), EINVAL
  end
  return true
end

local map_abi_fields = set("type", "key_size", "value_size", "max_entries", "flags", "inner_map")

--- What is relied on in a map; fields left out are not checked.
---@param wanted ebpf.MapABI
---@return ebpf.MapABI
function abi.map(wanted)
  check_fields("map abi", wanted, map_abi_fields)
  local self = setmetatable({}, MapABI)
  for field, value in pairs(wanted) do
    self[field] = value
  end
  if self.inner_map then
    self.inner_map = abi.map(self.inner_map)
  end
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
  local have, message, errno = program:abi()
  if not have then
    return nil, message, errno
  end
  local ok, differences = compare(self, have, { "type" })
  if not ok then
    return nil, ("program \"%s\": %s"):format(program:name(), differences), EINVAL
  end
  return true
end

--- Whether a spec would make such a program.
---@param spec ebpf.ProgramSpec
---@return true? ok
---@return string? message
---@return integer? errno EINVAL
function ProgramABI:check_spec(spec)
  local ok, differences = compare(self, spec, { "type" })
  if not ok then
    return nil, ("program \"%s\": %s"):format(tostring(spec.name), differences), EINVAL
  end
  return true
end

--- What is relied on in a program.
---@param wanted ebpf.ProgramABI
---@return ebpf.ProgramABI
function abi.program(wanted)
  check_fields("program abi", wanted, program_abi_fields)
  return setmetatable({ type = wanted.type }, ProgramABI)
end

---@class ebpf.CollectionABI
---@field maps? table<string, ebpf.MapABI>
---@field programs? table<string, ebpf.ProgramABI>
local CollectionABI = {}
CollectionABI.__index = CollectionABI

--- Checks each thing that `wanted` names by `method` of its abi.
local function check_all(kind, wanted, have, method)
  for name, expected in pairs(wanted) do
    if have[name] == nil then
      return nil, ("%s \"%s\" is missing"):format(kind, name), EINVAL
    end
    local ok, message, errno = expected[method](expected, have[name])
    if not ok then
      return nil, message, errno
    end
  end
  return true
end

local function check_both(self, have, method)
  local ok, message, errno = check_all("map", self.maps, have.maps, method)
  if not ok then
    return nil, message, errno
  end
  return check_all("program", self.programs, have.programs, method)
end

--- Whether a loaded collection has all maps and programs that are relied on.
---@param collection ebpf.Collection
---@return true? ok
---@return string? message
---@return integer? errno EINVAL
function CollectionABI:check(collection)
  return check_both(self, collection, "check")
end

--- The same for a spec, before anything is loaded.
---@param spec ebpf.CollectionSpec
---@return true? ok
---@return string? message
---@return integer? errno EINVAL
function CollectionABI:check_spec(spec)
  return check_both(self, spec, "check_spec")
end

local collection_abi_fields = set("maps", "programs")

--- What is relied on in a collection, by name; the values are what map and program abis are made of.
---@param wanted ebpf.CollectionABI
---@return ebpf.CollectionABI
function abi.collection(wanted)
  check_fields("collection abi", wanted, collection_abi_fields)
  local self = { maps = {}, programs = {} }
  for name, expected in pairs(wanted.maps or {}) do
    self.maps[name] = abi.map(expected)
  end
  for name, expected in pairs(wanted.programs or {}) do
    self.programs[name] = abi.program(expected)
  end
  return setmetatable(self, CollectionABI)
end

return abi
