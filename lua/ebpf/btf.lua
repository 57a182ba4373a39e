--- Types at run time: BTF of the kernel, of its modules, of object files, of what is loaded.
local core = require "ebpf.core"

--- A type as `b:type(id)` and `b:find(name)` describe it: a new plain table. Other types are told by their ids; 0 is
--- void. Fields that say nothing are absent: no name, not signed, no bits.
---@class ebpf.Type
---@field id integer
---@field kind string as bpftool calls it: "void", "int", "ptr", "array", "struct", "union", "enum", "fwd", "typedef",
--- "volatile", "const", "restrict", "func", "func_proto", "var", "datasec", "float", "decl_tag", "type_tag", "enum64"
---@field name string? decl_tag, type_tag: the tag
---@field size integer? bytes: int, struct, union, enum, enum64, float, datasec
---@field type integer? the type referred to: ptr, typedef, const, ...; func_proto: what is returned; array: an element
---@field members ebpf.TypeMember[]? struct, union
---@field values ebpf.TypeValue[]? enum, enum64
---@field params ebpf.TypeParam[]? func_proto
---@field variadic true? func_proto: ends in "..."
---@field variables ebpf.TypeVariable[]? datasec
---@field count integer? array: its elements
---@field index_type integer? array
---@field bits integer? int: of the value
---@field signed true? int, enum, enum64
---@field char true? int
---@field bool true? int
---@field of "struct"|"union"|nil fwd
---@field linkage "static"|"global"|"extern"|nil func, var
---@field component integer? decl_tag: the number of the member or parameter tagged, from 0; absent: the whole type

---@class ebpf.TypeMember
---@field name string? absent: an anonymous struct or union
---@field type integer
---@field offset integer bits from the start
---@field bits integer? of a bitfield

---@class ebpf.TypeValue
---@field name string
---@field value integer exact; enum64 on LuaJIT: cdata

---@class ebpf.TypeParam
---@field name string?
---@field type integer

---@class ebpf.TypeVariable
---@field type integer of a var
---@field offset integer bytes into the section
---@field size integer bytes

--- A set of types. `#b` is the highest id, and `tostring(b)` gives `btf "vmlinux" (126585 types)`. Each method of a
--- closed one returns nil, message, EBADF.
---@class ebpf.Btf
---@field find fun(self: ebpf.Btf, name: string, kind: string?): integer?, ebpf.Type|string, integer? the id and the
--- type of that name; without a kind any but tags, and forward declarations only where there is nothing else. ENOENT:
--- there is none; ENOTUNIQ: several, which the message lists
---@field find_all fun(self: ebpf.Btf, name: string, kind: string?): integer[]?, string?, integer? the ids of all types
--- of that name, ascending, none too; without a kind: of all kinds
---@field type fun(self: ebpf.Btf, id: integer): ebpf.Type?, string?, integer? ENOENT: there is no such id
---@field size_of fun(self: ebpf.Btf, id: integer): integer?, string?, integer? bytes; nil alone: a type without a size
---@field c_dump fun(self: ebpf.Btf, name: string?): string?, string?, integer? a C header that clang compiles to the
--- same layout, of all types (of split BTF: those that it adds) or of those of that name, with what they need; the
--- kernel's is fit to be a vmlinux.h. Names used twice get suffixes; functions and variables are left out. ENOENT: no
--- struct, union, enum or typedef has that name; ENOEXEC: malformed types that contain themselves
---@field close fun(self: ebpf.Btf): true frees the memory, unless others hold the same types
---@field is_closed fun(self: ebpf.Btf): boolean

local btf = {}

--- The types of the running kernel (Linux 5.4, CONFIG_DEBUG_INFO_BTF), or of a module (Linux 5.11), whose ids go on
--- where the kernel's end. The kernel's are mapped from /sys/kernel/btf/vmlinux (since Linux 6.16; read before), and
--- all of a Lua state share them while one is open. ENOENT: the kernel has none, or no such module is loaded.
---@type fun(module: string?): ebpf.Btf?, string?, integer?
btf.load_kernel = core.load_kernel_btf

--- Types out of a string of raw BTF, in either byte order; `base` is what split BTF continues. ENOEXEC: malformed, and
--- everything is checked.
---@type fun(bytes: string, base: ebpf.Btf?): ebpf.Btf?, string?, integer?
btf.parse = core.parse_btf

--- Types out of a file of raw BTF, or out of the section .BTF of an ELF file, as `clang -g` makes it.
---@type fun(path: string, base: ebpf.Btf?): ebpf.Btf?, string?, integer?
btf.load = core.load_btf

--- Types the kernel holds under that id, which is `btf_id` in `info()` of a map or a program. Needs CAP_SYS_ADMIN.
---@type fun(id: integer): ebpf.Btf?, string?, integer?
btf.from_id = core.btf_from_id

return btf
