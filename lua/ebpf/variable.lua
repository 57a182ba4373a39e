--- Global variables of programs: their initial values in a spec, and live in a collection.
local core = require "ebpf.core"

local variable = {}

local RDONLY_PROG = 128 -- BPF_F_RDONLY_PROG

--- Where a variable lies. Its type is nil in an object without BTF: then the size says what it is, 1, 2, 4 and 8 bytes
--- an unsigned integer, any other a string of that size.
---@class ebpf.VariablePlace
---@field name string
---@field section string
---@field offset integer bytes into the section
---@field size integer bytes
---@field type ebpf.CType?
---@field kconfig string? of section .kconfig: what the kernel's configuration has to have: "bool", "tristate", "char",
---"int" or "string". Loading gives the variable its value
---@field signed boolean? the number is; of .kconfig, as the next two
---@field weak boolean? 0 where the kernel has no such option; else that is an error
---@field given boolean? set() has given it a value, which stays

--- A variable of an object file: its initial value, which lies in the contents of the map of its section. Listed are
--- those with global names, neither static nor hidden, of the sections .data*, .rodata* and .bss*, and those of
--- .kconfig, which are 0 until they are set here or loaded.
---@class ebpf.VariableSpec
---@field place ebpf.VariablePlace
---@field maps table<string, ebpf.MapSpec> those of the collection spec
local VariableSpec = {}
local spec_mt = { __index = VariableSpec, __name = "ebpf.VariableSpec" }

--- The map spec of the section, and the bytes in it.
local function section_of(self)
  local place = self.place
  local map = self.maps[place.section]
  if not map then
    core.raise(('variable "%s": the spec has no map "%s" any more'):format(place.name, place.section))
  end
  local entry = map.contents and map.contents[1]
  local bytes = entry and entry[2] or ("\0"):rep(map.value_size)
  if type(bytes) ~= "string" or place.offset + place.size > #bytes then
    core.raise(('variable "%s": the contents of map "%s" are not the bytes of the section'):format(place.name,
      place.section))
  end
  return map, bytes
end

--- The initial value.
---@return any
function VariableSpec:get()
  core.check_self(self, spec_mt)
  local _, bytes = section_of(self)
  local place = self.place
  return (core.unpack_variable(bytes:sub(place.offset + 1, place.offset + place.size), place.size, place.type))
end

--- Sets the initial value, of constants too: the verifier then knows it, and prunes code by it.
---@param value any raises when it does not fit the type
---@return true
function VariableSpec:set(value)
  core.check_self(self, spec_mt)
  local map, bytes = section_of(self)
  local place = self.place
  local new = core.pack_variable(value, place.size, place.type)
  map.contents = { { 0, bytes:sub(1, place.offset) .. new .. bytes:sub(place.offset + place.size + 1) } }
  if place.kconfig then
    place.given = true
  end
  return true
end

--- In bytes.
---@return integer
function VariableSpec:size()
  core.check_self(self, spec_mt)
  return self.place.size
end

---@return string
function VariableSpec:name()
  core.check_self(self, spec_mt)
  return self.place.name
end

--- The section, which is also the name of its map: ".data", ".rodata.own".
---@return string
function VariableSpec:section()
  core.check_self(self, spec_mt)
  return self.place.section
end

--- Whether it can be set only here, before loading.
---@return boolean
function VariableSpec:is_constant()
  core.check_self(self, spec_mt)
  local map = self.maps[self.place.section]
  return map ~= nil and (map.freeze == true or (map.flags or 0) % (2 * RDONLY_PROG) >= RDONLY_PROG)
end

table.insert(core.public, VariableSpec)

-- variable "count" (section=".bss", size=8)
function spec_mt:__tostring()
  return ('%s "%s" (section="%s", size=%d)'):format(self:is_constant() and "constant" or "variable", self.place.name,
    self.place.section, self.place.size)
end

--- The values of the section .kconfig: those set in the spec, by the text that is given, and by the kernel.
---@param specs table<string, ebpf.VariableSpec>
---@param map ebpf.MapSpec the section's
---@param text string? lines as of a kernel's configuration file
---@return any[][]? contents for the map, or nil
---@return string[]|string missing names of options that the kernel does not have, or a message
---@return integer? errno
function variable.read_kconfig(specs, map, text)
  local places = {}
  for _, each in pairs(specs) do
    if each.place.kconfig and not each.place.given then
      places[#places + 1] = each.place
    end
  end
  local entry = map.contents and map.contents[1]
  local bytes, missing, errno = core.read_kconfig(places, entry and entry[2] or ("\0"):rep(map.value_size), text)
  if not bytes then
    return nil, missing, errno
  end
  table.sort(missing)
  return { { 0, bytes } }, missing
end

--- The variables of a collection spec, from where they lie.
---@param places table<string, ebpf.VariablePlace>
---@param maps table<string, ebpf.MapSpec>
---@return table<string, ebpf.VariableSpec>
function variable.specs(places, maps)
  local specs = {}
  for name, place in pairs(places) do
    specs[name] = setmetatable({ place = place, maps = maps }, spec_mt)
  end
  return specs
end

--- A variable in the kernel, in memory that this process shares with the programs: no system call is made. Of 1, 2, 4
--- and 8 bytes it is read and written in one piece; a larger one may be seen half written.
---@class ebpf.Variable
---@field get fun(self: ebpf.Variable): any, string?, integer? EBADF: the collection is closed; EOPNOTSUPP: this kernel
--- cannot map arrays (before Linux 5.5), or a map was put in place of the section's that cannot be
---@field set fun(self: ebpf.Variable, value: any): true?, string?, integer? EPERM: it is a constant; else as get()
---@field size fun(self: ebpf.Variable): integer bytes
---@field is_constant fun(self: ebpf.Variable): boolean
---@field name fun(self: ebpf.Variable): string

--- What stands for a variable whose map cannot be mapped: it has the same methods and tells why.
local Unmapped = {}
local unmapped_mt = { __index = Unmapped, __name = "ebpf.Variable" }

function Unmapped:get()
  core.check_self(self, unmapped_mt)
  return nil, ('get variable "%s": %s'):format(self.place.name, self.message), self.errno
end

function Unmapped:set()
  core.check_self(self, unmapped_mt)
  return nil, ('set variable "%s": %s'):format(self.place.name, self.message), self.errno
end

function Unmapped:size()
  core.check_self(self, unmapped_mt)
  return self.place.size
end

function Unmapped:name()
  core.check_self(self, unmapped_mt)
  return self.place.name
end

function Unmapped:is_constant()
  core.check_self(self, unmapped_mt)
  return self.constant
end

table.insert(core.public, Unmapped)

function unmapped_mt:__tostring()
  return ('%s "%s" (%d bytes, not mapped)'):format(self.constant and "constant" or "variable", self.place.name,
    self.place.size)
end

local function unmapped(place, map, message, errno)
  local flags = map:abi().flags
  return setmetatable({ place = place, message = message, errno = errno,
    constant = flags % (2 * RDONLY_PROG) >= RDONLY_PROG }, unmapped_mt)
end

--- Variables come to life when they are first asked for: each section is mapped once.
---@param places table<string, ebpf.VariablePlace>
---@param maps table<string, ebpf.Map> those of the sections; variables of others are left out
---@return table<string, ebpf.Variable> variables
---@return table<string, userdata> memories by section, to be closed with the collection
function variable.live(places, maps)
  local variables, memories, wrong = {}, {}, {}
  for name, place in pairs(places) do
    local section = place.section
    local map = maps[section]
    if map then
      if not (memories[section] or wrong[section]) then
        local memory, message, errno = map:memory()
        memories[section] = memory
        wrong[section] = not memory and { message, errno } or nil
      end
      local live, message, errno
      if memories[section] then
        live, message, errno = core.new_variable(memories[section], name, place.offset, place.size, place.type)
      else
        message, errno = wrong[section][1], wrong[section][2]
      end
      variables[name] = live or unmapped(place, map, message, errno)
    end
  end
  return variables, memories
end

return variable
