--- Instructions: the code of a program as it is before loading, with the names of what it refers to, and as text.
-- Those of an object file are in its specs: spec.programs.name.instructions.
local core = require "ebpf.core"
local pass = require("ebpf.argument").pass

--- A list of instructions. Indices count slots of 8 bytes from 1; a 64-bit load takes two.
-- `#insns` is the number of slots. `insns[i]` describes slot i as a table, and cannot be assigned to. `tostring(insns)`
-- has a line for each instruction, numbered from 0 as llvm-objdump and the verifier do, with functions, labels and, of
-- objects with BTF, lines of source. asm.parse() reads it.
---@class ebpf.Instructions
---@field [integer] ebpf.Instruction
---@operator len: integer
---@field copy fun(self: ebpf.Instructions): ebpf.Instructions an independent list
---@field bytes fun(self: ebpf.Instructions): string the slots as the kernel and object files hold them
---@field byte_order fun(self: ebpf.Instructions): "little"|"big" what they are for, and that of bytes()
---@field references fun(self: ebpf.Instructions): ebpf.Reference[] what is referred to by name, ascending
---@field symbols fun(self: ebpf.Instructions): table<string, integer> the first slot of each function, by its name
---@field rewrite_map fun(self: ebpf.Instructions, symbol: string, map: ebpf.Map): true?, string?, integer?
--- every reference to `symbol` becomes one to the map, which is kept from being collected. ENOENT: nothing refers to
--- the symbol; EINVAL: a reference is no 64-bit load ("missing load instruction"); EBADF: the map is closed
---@field rewrite_constant fun(self: ebpf.Instructions, symbol: string, value: any): true?, string?, integer?
--- every 64-bit load that refers to `symbol` loads the integer, from -2^63 to 2^64-1, exactly. Errors as above
---@field link fun(self: ebpf.Instructions, ...: ebpf.Instructions|table<string, ebpf.Instructions>): true?, string?,
--- integer? appends, whole and once, those of the given lists and tables of lists, such as spec.functions, that define
--- functions which are called and not there yet. ENOENT: a function is missing; EEXIST: one is defined twice. After a
--- failure nothing has changed
---@field insert fun(self: ebpf.Instructions, index: integer, code: ebpf.Code): true?, string?, integer? puts
--- instructions in front of slot `index`; #insns + 1 is behind the last one. What led there leads to them: they are run
--- before what was there. Jumps, calls, functions, references, relocations and lines of source stay right. EINVAL: text
--- that is wrong, or a place inside a 64-bit load; ERANGE: a jump becomes too long; EEXIST: a function or a map of
--- another list has a name that is taken. After a failure nothing has changed, as with the next three
---@field append fun(self: ebpf.Instructions, code: ebpf.Code): true?, string?, integer?
---@field replace fun(self: ebpf.Instructions, index: integer, code: ebpf.Code, slots?: integer): true?, string?,
--- integer? puts them in the place of that many slots, or of the instruction there
---@field remove fun(self: ebpf.Instructions, index: integer, slots?: integer): true?, string?, integer? takes away so
--- many slots, or the instruction there. A jump to them leads to what follows; EINVAL: nothing does

--- Instructions, text as asm.parse() reads it, or a table that describes one instruction as insns[i] does.
---@alias ebpf.Code ebpf.Instructions|string|ebpf.Instruction

--- One slot.
---@class ebpf.Instruction
---@field code integer the opcode
---@field dst integer register
---@field src integer register, or what kind of pseudo instruction it is
---@field off integer
---@field imm any signed; of a 64-bit load all 64 bits (on LuaJIT int64_t cdata), else a number
---@field text? string as tostring() has it. The second slot of a 64-bit load has none of this and what follows
---@field class? "ld"|"ldx"|"st"|"stx"|"alu"|"jmp"|"jmp32"|"alu64"
---@field op? string of alu and jmp the operation ("add", "mov", "jeq", "call"), of others the mode ("mem", "atomic")
---@field size? integer bytes that a load or store moves
---@field source? "reg"|"imm" the second operand of arithmetic and comparisons
---@field symbol? string the function that begins there
---@field reference? ebpf.Reference
---@field line? {text: string, file: string, line: integer, column: integer} the source it was compiled from

--- An instruction that waits for something with a name.
---@class ebpf.Reference
---@field index integer the slot
---@field name string
---@field kind "map"|"map_value"|"call"|"func"|"extern"|"kernel" "func": the address of a function is loaded; "extern":
--- the object does not define the symbol; "kernel": a loaded program calls this function of the kernel
---@field offset? integer of a "map_value": bytes into the value
---@field resolved? true the instruction has been given what it refers to

---@class ebpf.ParseOptions
---@field constants table<string, integer>? numbers that the text calls by name; see also its ".equ NAME, 5"
---@field byte_order "little"|"big"|nil what the instructions are for; this machine by default
---@field types ebpf.Btf? of the object that the text was printed from: CO-RE relocations in the text are about these.
--- Without it such instructions are not loaded

local asm = {}

--- Instructions from their bytes, without any names: what `insns:bytes()` gave, or a section of an object file.
---     asm.from_bytes(insns:bytes(), { byte_order = insns:byte_order() })
---@param bytes string a whole number of 8-byte slots
---@param options? {byte_order?: "little"|"big"} what the instructions are for; this machine by default. Those for
--- another are printed, edited and taken apart, and cannot be loaded here
---@return ebpf.Instructions? # nil, message, EINVAL when there is a rest
---@return string? message
---@return integer? errno
function asm.from_bytes(bytes, options)
  return pass(core.insns_from_bytes(bytes, options))
end

--- Instructions from text. Everything that `tostring(insns)` writes is understood, and what llvm-objdump, bpftool and
--- the verifier write.
---     asm.parse "r0 = 2; exit"
---@param text string
---@param options? ebpf.ParseOptions
---@return ebpf.Instructions? # nil, message, EINVAL when the text is wrong; the message begins with "line:column"
---@return string? message
---@return integer? errno
function asm.parse(text, options)
  return pass(core.insns_parse(text, options))
end

return asm
