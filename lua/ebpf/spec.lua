--- Object files before they meet the kernel: what maps and programs they define, as plain tables that can be edited,
--- copied and printed. Reading them needs no privilege, and any kernel or none.
local core = require "ebpf.core"
local pass = require("ebpf.argument").pass
local sorted_names = require "ebpf.sorted_names"
local struct_ops = require "ebpf.struct_ops"
local variable = require "ebpf.variable"

local spec = {}

---@alias ebpf.map_type string the kernel's name as bpftool prints it ("hash", "lru_percpu_hash")

--- A map to be made. Loading never changes it.
---@class ebpf.MapSpec
---@field name string
---@field type ebpf.map_type|integer a number where this library does not know the type
---@field key_size integer bytes
---@field value_size integer bytes
---@field max_entries integer
---@field flags integer BPF_F_* of BPF_MAP_CREATE
---@field map_extra integer meaning depends on the type
---@field numa_node integer
---@field pinning "none"|"by_name" whether loading shares the map by a pin of its name
---@field inner_map ebpf.MapSpec? maps of maps: what the maps in it are like
---@field contents any[][]? initial elements, {key, value} each. A section of data has one, {0, bytes}; without it, it
--- is all zero. A map of maps or a program array has {index, name}, where the name is that of a map or program.
---@field key ebpf.ValueType? what keys are: of an object with BTF, the type it declares
---@field value ebpf.ValueType? what values are
---@field btf {types: ebpf.Btf, key_type_id: integer, value_type_id: integer}? the types of keys and values in the
--- object's BTF, which the kernel is told; 0: not known. A section of data has a value_type_id only
---@field mmapable boolean? made with BPF_F_MMAPABLE where the kernel has it (Linux 5.5), so that Map:memory() works;
--- sections with variables are
---@field freeze boolean? made read-only for user space once its contents are in
---@field struct string? struct_ops: the name of the struct, with a flavour (___x) or without
---@field members table<string, any>? struct_ops: values of its members, a pointer's being the name of a program or a
---Program. What is left out here is as `contents` has it, the bytes of the struct. A member that the kernel lacks is
---ignored when it is zero or a program, else an error
---@field autocreate boolean? false: created only when this is set to true, or the map is replaced (a section of
---struct_ops that begins with "?"). Programs may refer to it where they never come, as behind a constant that is false
local MapSpec = {}
local map_spec = { __index = MapSpec, __name = "ebpf.MapSpec" }

--- A program to be loaded. Loading never changes it.
---@class ebpf.ProgramSpec
---@field name string
---@field section string the ELF section it came from
---@field type string|integer the kernel's name as bpftool prints it ("xdp", "sched_cls"); "unspec": unknown section
---@field attach_type string|integer? what the program expects to be attached to ("cgroup_inet_ingress")
---@field attach_to string? what follows the slash in the section's name ("sys_enter_openat"). Programs of type tracing,
---lsm, ext and struct_ops are loaded for it: a function ("do_unlinkat", "nf_tables:nft_do_chain" of a module), a
---tracepoint, an LSM hook, an iterator, a function of `attach_target`, or a struct and member
---("tcp_congestion_ops:init")
---@field attach_target ebpf.Program? the program that has the function `attach_to`: type ext replaces it, fentry and
---fexit trace it
---@field instructions ebpf.Instructions with all functions of the object that it calls
---@field license string?
---@field kernel_version integer LINUX_VERSION_CODE, for old kernels' kprobes; 0: not given
---@field flags integer BPF_F_* of BPF_PROG_LOAD
---@field autoload boolean false: loaded only when asked for by name (the section begins with "?" or is unknown)
local ProgramSpec = {}
local program_spec = { __index = ProgramSpec, __name = "ebpf.ProgramSpec" }

--- What an object file defines.
---@class ebpf.CollectionSpec
---@field maps table<string, ebpf.MapSpec> by name, those of global variables by section (".rodata")
---@field programs table<string, ebpf.ProgramSpec> by name
---@field types ebpf.Btf? the types of the object, of one compiled with -g; see ebpf.type()
---@field functions table<string, ebpf.Instructions> those that are no programs (of ".text", and static ones), by name,
--- without what they call: insns:link(spec.functions) lets programs of other objects call them
---@field variables table<string, ebpf.VariableSpec> global variables by name
---@field license string?
---@field kernel_version integer
---@field byte_order "little"|"big"
---@field types ebpf.Btf? of the object, when it was compiled with -g; copies share them
local CollectionSpec = {}
local collection_spec = { __index = CollectionSpec, __name = "ebpf.CollectionSpec" }

spec.MapSpec = MapSpec
spec.ProgramSpec = ProgramSpec
spec.CollectionSpec = CollectionSpec
for _, class in ipairs { MapSpec, ProgramSpec, CollectionSpec } do
  table.insert(core.public, class)
end

-- Tables are copied all the way down; instructions copy themselves; whatever else is a value or a shared object (a map
-- put into contents, functions of a codec). `seen` keeps what is one table one table.
local function deep_copy(value, seen)
  if type(value) ~= "table" then
    return value
  end
  if not seen[value] then
    local copy = {}
    seen[value] = copy
    for k, v in pairs(value) do
      copy[deep_copy(k, seen)] = deep_copy(v, seen)
    end
    if type(value.instructions) == "userdata" then
      copy.instructions = value.instructions:copy()
    end
    setmetatable(copy, getmetatable(value))
  end
  return seen[value]
end

--- A copy that shares nothing with the original, instructions, contents and inner map included. Maps and programs that
--- stand in `contents` as objects stay the same objects.
---@return ebpf.MapSpec
function MapSpec:copy()
  core.check_self(self, map_spec)
  return deep_copy(self, {})
end

--- A copy that shares nothing with the original.
---@return ebpf.ProgramSpec
function ProgramSpec:copy()
  core.check_self(self, program_spec)
  return deep_copy(self, {})
end

--- A copy that shares nothing with the original.
---@return ebpf.CollectionSpec
function CollectionSpec:copy()
  core.check_self(self, collection_spec)
  local copy = deep_copy(self, {})
  for name, instructions in pairs(copy.functions or {}) do
    copy.functions[name] = instructions:copy()
  end
  return copy
end

local function number(value)
  return type(value) == "number" and ("%d"):format(value) or tostring(value)
end

-- hash "events" (key_size=4, value_size=8, max_entries=1024, flags=0)
function map_spec:__tostring()
  return ('%s "%s" (key_size=%s, value_size=%s, max_entries=%s, flags=%s)'):format(self.type, self.name,
    number(self.key_size), number(self.value_size), number(self.max_entries), number(self.flags))
end

-- xdp "count" (section="xdp", 23 instructions)
function program_spec:__tostring()
  return ('%s "%s" (section="%s", %d instructions)'):format(self.type, self.name, tostring(self.section),
    #self.instructions)
end

-- Each spec of a table on a line of its own, in the order of their names.
local function list(lines, kind, specs)
  for _, name in ipairs(sorted_names(specs)) do
    lines[#lines + 1] = "  " .. (kind and kind .. " " or "") .. tostring(specs[name])
  end
end

function collection_spec:__tostring()
  local lines = { ("collection spec (license=%s, %s-endian)"):format(
    self.license and '"' .. self.license .. '"' or "none", self.byte_order) }
  list(lines, "map", self.maps)
  list(lines, "program", self.programs)
  list(lines, nil, self.variables or {})
  return table.concat(lines, "\n")
end

-- Programs that are members of a struct are loaded for that: the first one, should they be several.
local function name_targets(map, programs)
  for member, program in pairs(map.members) do
    local target = ("%s:%s"):format(map.struct, member)
    local known = programs[program].attach_to
    if not known or target < known then
      programs[program].attach_to = target
    end
  end
end

-- Gives the tables that C made their methods.
local function finish(result, message, errno)
  if not result then
    return nil, message, errno
  end
  for _, map in pairs(result.maps) do
    setmetatable(map, map_spec)
    if map.members then
      name_targets(map, result.programs)
      if map.value then -- not in the other byte order
        struct_ops.describe(map)
      end
    end
    if map.inner_map then
      setmetatable(map.inner_map, map_spec)
    end
  end
  for _, program in pairs(result.programs) do
    setmetatable(program, program_spec)
  end
  result.variables = variable.specs(result.variables, result.maps)
  return setmetatable(result, collection_spec)
end

--- Reads an object file compiled by `clang -target bpf -c`, of either byte order, with or without -g.
---
--- Where things come from: programs from the global functions of sections, by libbpf's section names; maps from
--- ".maps" (needs -g) and "maps"; global variables from .data*, .rodata* and .bss*; license and kernel version from
--- "license" and "version".
---@param path string at most 1 GiB
---@return ebpf.CollectionSpec? spec
---@return string? message
---@return integer? errno ENOEXEC for what is no object file this library understands, else of open(2) and read(2)
function spec.load(path)
  return pass(finish(core.load_object(path)))
end

--- The same for an object file in memory.
---@param bytes string
---@param name string? what messages call it
---@return ebpf.CollectionSpec? spec
---@return string? message
---@return integer? errno
function spec.parse(bytes, name)
  return pass(finish(core.parse_object(bytes, name)))
end

return spec
