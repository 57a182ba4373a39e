--- Instructions: the code of a program as it is before loading, with the names of what it refers to.
-- Those of an object file are in its specs: spec.programs.name.instructions.
local core = require "ebpf.core"

--- A list of instructions. Indices count slots of 8 bytes from 1; a 64-bit load takes two.
-- `#insns` is the number of slots. `insns[i]` describes slot i as a table, and cannot be assigned to. `tostring(insns)`
-- has a line for each slot, numbered from 0 as the verifier does.
---@class ebpf.Instructions
---@field [integer] ebpf.Instruction
---@operator len: integer
---@field copy fun(self: ebpf.Instructions): ebpf.Instructions an independent list
---@field bytes fun(self: ebpf.Instructions): string the slots as the kernel and object files hold them
---@field references fun(self: ebpf.Instructions): ebpf.Reference[] what is referred to by name, ascending
---@field symbols fun(self: ebpf.Instructions): table<string, integer> the first slot of each function, by its name
---@field rewrite_map fun(self: ebpf.Instructions, symbol: string, map: ebpf.Map): true?, string?, integer?
--- every reference to `symbol` becomes one to the map, which is kept from being collected. ENOENT: nothing refers to
--- the symbol; EINVAL: a reference is no 64-bit load ("missing load instruction"); EBADF: the map is closed
---@field rewrite_constant fun(self: ebpf.Instructions, symbol: string, value: any): true?, string?, integer?
--- every 64-bit load that refers to `symbol` loads the integer, from -2^63 to 2^64-1, exactly. Errors as above
---@field link fun(self: ebpf.Instructions, ...: ebpf.Instructions): true?, string?, integer?
--- appends, whole and once, those of the given lists that define functions which are called and not there yet. ENOENT:
--- a function is missing; EEXIST: one is defined twice. After a failure nothing has changed

--- One slot.
---@class ebpf.Instruction
---@field code integer the opcode
---@field dst integer register
---@field src integer register, or what kind of pseudo instruction it is
---@field off integer
---@field imm any signed; of a 64-bit load all 64 bits (on LuaJIT int64_t cdata), else a number

--- An instruction that waits for something with a name.
---@class ebpf.Reference
---@field index integer the slot
---@field name string
---@field kind "map"|"map_value"|"call"|"func"|"extern" "func": the address of a function is loaded; "extern": the
--- object
--- does not define the symbol
---@field offset? integer of a "map_value": bytes into the value
---@field resolved? true the instruction has been given what it refers to

local asm = {}

--- Instructions from their bytes in the byte order of this machine, without any names.
---@param bytes string a whole number of 8-byte slots
---@return ebpf.Instructions? # nil, message, EINVAL when there is a rest
---@return string? message
---@return integer? errno
function asm.from_bytes(bytes)
  return core.insns_from_bytes(bytes)
end

return asm
