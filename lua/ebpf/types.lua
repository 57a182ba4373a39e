--- C types: what keys, values and samples are made of, with no code generated.
local core = require "ebpf.core"
local pass = require("ebpf.argument").pass

local types = {}

--- What a key, value or sample is: a C declaration, what ebpf.type() returns, "bytes", or functions of the caller's.
---@alias ebpf.ValueType string|ebpf.CType|ebpf.ValueFunctions

---@class ebpf.ValueFunctions
---@field size integer bytes
---@field encode (fun(value: any): string)?
---@field decode fun(bytes: string): any

--- A compiled C type. In Lua its values are: structs and unions tables by field name, the fields of anonymous ones
--- those of the struct around them; arrays tables from 1 on; `char[n]` a string up to NUL; `u8[n]` (unsigned char) a
--- string of exactly n bytes; bool a boolean; enums and pointers integers; bitfields integers, or booleans; float and
--- double numbers. Integers of 64 bits are exact on each Lua, as in maps. Spin locks, timers, kptrs and the like are
--- the kernel's own: absent when read, zero when written. __be16, __be32 and __be64 stay as they lie in memory: see
--- ntoh16().
---
--- A table to write may leave fields out, which are zero then, as padding always is; of a union it gives one member.
--- An unknown field is an error, as is a value that does not fit. A string of the size of the whole struct, union or
--- array stands for its bytes.
---
--- `tostring(t)` is C again, with the kernel's names of the integers, and a declaration of the same layout.
---@class ebpf.CType
---@field pack fun(self: ebpf.CType, value: any): string the bytes of a value; raises, with the name of the field, when
---it does not fit
---@field unpack fun(self: ebpf.CType, bytes: string, offset: integer?): any the value behind `offset` bytes of a
---string, 0 by default; raises when the string is too short
---@field size fun(self: ebpf.CType): integer bytes

--- Compiles a type: out of C, or one of those an object, the kernel or a module has, by name.
---
--- In C: the types of C, of the kernel (u32, __be16) and of stdint.h; struct, union, enum, nested and anonymous;
--- arrays, bitfields, pointers; constant expressions with sizeof; the attributes packed and aligned; comments. Several
--- declarations, typedefs among them, may come before the one that is meant. They are laid out as gcc and clang do.
---     ebpf.type "struct { u32 pid; char comm[16]; }"
---     ebpf.type("struct event", spec)    ebpf.type("event", spec)    ebpf.type("task_struct", ebpf.btf.load_kernel())
---@param declaration string|integer|ebpf.CType C; with `from` a name, alone or behind struct, union or enum, or an id
---@param from ebpf.CollectionSpec|ebpf.Btf|nil where to look for the name
---@return ebpf.CType? type raises, with line and column, when C is wrong
---@return string? message
---@return integer? errno ENOENT: no type of that name; ENOTUNIQ: several; ENOEXEC: a type without values, as void
function types.type(declaration, from)
  if from == nil then
    if core.is_type(declaration) then
      return declaration
    end
    if type(declaration) ~= "string" then
      core.refuse(1, ("C declaration expected, got %s"):format(type(declaration)))
    end
    local compiled, message = core.compile_type(declaration)
    if not compiled then
      core.refuse(1, message)
    end
    return compiled
  end
  local btf = from
  if type(from) == "table" then
    btf = from.types
    if btf == nil then
      return nil, "find a type: the object has no BTF: compile it with -g", core.errno.ENOENT
    end
  end
  return pass(core.find_type(declaration, btf))
end

--- From the byte order of the network to this machine's, and back, which is the same. The number is one of 16, 32 or
--- 64 bits without a sign; of 64 bits it may also be a string of digits or 64-bit cdata, and the result is as 64-bit
--- values always are.
---@type fun(n: integer): integer
types.ntoh16, types.hton16 = core.swap16, core.swap16
---@type fun(n: integer): integer
types.ntoh32, types.hton32 = core.swap32, core.swap32
---@type fun(n: integer|string): integer
types.ntoh64, types.hton64 = core.swap64, core.swap64

return types
