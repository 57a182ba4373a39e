--- BPF tokens: what a BPF file system delegates to a user namespace, as that of a container.
local core = require "ebpf.core"

local token = {}

--- What a token delegates: "any", or a list of names; of numbers where the library has no name.
---@class ebpf.TokenInfo
---@field commands "any"|string[] "map_create", "prog_load", "btf_load", ...
---@field maps "any"|string[] their types
---@field programs "any"|string[] their types
---@field attach_types "any"|string[] those of programs

--- The right to create maps and load programs in a user namespace, as an option of ebpf.new_map, ebpf.new_program and
--- ebpf.load; what is loaded keeps it, for attaching. `tostring(t)` gives `token #7`, where 7 is the fd.
---@class ebpf.Token
---@field info fun(self: ebpf.Token): ebpf.TokenInfo?, string?, integer? what it delegates
---@field close fun(self: ebpf.Token): true
---@field is_closed fun(self: ebpf.Token): boolean
---@field fd fun(self: ebpf.Token): integer?, string?, integer?

--- Asks for what the BPF file system mounted there delegates, which it does by the mount options delegate_cmds,
--- delegate_maps, delegate_progs and delegate_attachs; nil: the one that is mounted at the usual place. The process has
--- to be in the user namespace which that file system is for, with CAP_BPF there. ENOENT: it delegates nothing;
--- EOPNOTSUPP: the process is in the first user namespace, and needs no token. From Linux 6.9.
---@type fun(path?: string): ebpf.Token?, string?, integer?
token.new_token = core.new_token

return token
