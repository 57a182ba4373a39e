--- Programs in the kernel: loading, opening by pin or id, finding out which there are.
local core = require "ebpf.core"
local map = require "ebpf.map"

--- A program in the kernel. It stays there as long as something holds it: this userdata, a link, a pin, a program
--- array.
-- `tostring(p)` gives `xdp "name" #7`, where 7 is the fd. Each method of a closed one returns nil, message, EBADF.
---@class ebpf.Program
---@field attach fun(self: ebpf.Program, options?: ebpf.AttachOptions): ebpf.Link?, string?, integer? to what its
--- section names; options say what that leaves open
---@field test fun(self: ebpf.Program, data: string): integer?, string, integer? runs it once on a packet: its
--- result, an
--- unsigned 32-bit integer, and the packet as it left it. ENOTSUPP (524): the kernel cannot do that for its type
---@field benchmark fun(self: ebpf.Program, data: string, times: integer): integer?, integer|string, integer? result
--- of the
--- last run and nanoseconds per run, an average
---@field run fun(self: ebpf.Program, options: ebpf.RunOptions): ebpf.RunResult?, string?, integer?
---@field info fun(self: ebpf.Program): table?, string?, integer? the fields of the kernel's struct bpf_prog_info, and
--- by the names of bpftool what that calls otherwise; see src/binding/program_info.c
---@field stats fun(self: ebpf.Program): table?, string?, integer? {run_time_ns=, run_cnt=, recursion_misses=}; the
--- kernel counts while ebpf.enable_stats() is in force, or the sysctl kernel.bpf_stats_enabled is 1
---@field read_stream fun(self: ebpf.Program, stream: "stdout"|"stderr", max?: integer): string?, string?, integer?
--- takes what is there, at most `max` bytes (by default all, of which the kernel keeps 100 000); "" when there is
--- nothing. Programs write by bpf_stream_vprintk(); to stderr the kernel writes what they do wrong while they run, as
--- loops that take too long. It never waits. EINVAL: before Linux 6.17
---@field instructions fun(self: ebpf.Program): ebpf.Instructions?, string?, integer? as the verifier left them, with
--- names of functions, of the kernel's too, and lines of source, as far as they are known
---@field lines fun(self: ebpf.Program): ebpf.Line[]?, string?, integer? where lines of source begin
---@field jited fun(self: ebpf.Program): ebpf.Jited[]?, string?, integer? the machine code, function by function
---@field clone fun(self: ebpf.Program): ebpf.Program?, string?, integer? another for the same program; not pinned
---@field pin fun(self: ebpf.Program, path: string): true?, string?, integer? in a bpf file system. Another path
--- moves the
--- pin. EEXIST: something is there; EINVAL: it is no bpf file system
---@field unpin fun(self: ebpf.Program): true?, string?, integer? does nothing when it is not pinned
---@field is_pinned fun(self: ebpf.Program): boolean, string? whether it was pinned, or opened from a pin,
--- and the path of that pin
---@field close fun(self: ebpf.Program): true
---@field is_closed fun(self: ebpf.Program): boolean
---@field fd fun(self: ebpf.Program): integer?, string?, integer?
---@field name fun(self: ebpf.Program): string whole when it was loaded here, else the 15 bytes that the kernel keeps
---@field type fun(self: ebpf.Program): string|integer as bpftool prints it: "xdp"
---@field attach_type fun(self: ebpf.Program): string|integer|nil what its spec said, as the next two
---@field attach_to fun(self: ebpf.Program): string?
---@field section fun(self: ebpf.Program): string?
---@field abi fun(self: ebpf.Program): {type: string|integer}
---@field verifier_log fun(self: ebpf.Program): string? of loading, when a log_level was given

---@class ebpf.Line
---@field index integer into the instructions, from 1 on
---@field file string
---@field line integer
---@field column integer
---@field source string the text of the line
---@field address integer? of the machine code, where the kernel tells

---@class ebpf.Jited
---@field name string
---@field bytes string
---@field address integer? where the kernel tells

---@class ebpf.RunOptions
---@field data string? the packet
---@field context string? struct __sk_buff and so on; the arguments of a raw tracepoint, 64 bits each
---@field times integer? how often, 1 by default
---@field cpu integer? where a raw tracepoint program runs
---@field flags integer? BPF_F_TEST_*
---@field batch_size integer? of XDP frames sent for real
---@field data_out_size integer? room for the packet that comes out, when it may be no larger

---@class ebpf.RunResult
---@field retval integer unsigned, 32 bits
---@field duration integer nanoseconds per run, an average
---@field data string? the packet that came out, when one went in
---@field context string? likewise, for the types that give it back

local program = {}

---@class ebpf.LoadOptions
---@field log_level integer? 1: branches, 2: every instruction, 4: statistics; added up. 0: no log unless loading fails
---@field log_size integer? bytes of log to begin with (64 KiB by default); grows until the log fits
---@field kernel_btf ebpf.Btf|string|nil the types that CO-RE relocations go by, as of ebpf.CollectionOptions
---@field token ebpf.Token? loads it with what that delegates

--- Loads a program into the kernel. The spec is not changed.
---@type fun(spec: ebpf.ProgramSpec, options?: ebpf.LoadOptions): ebpf.Program?, string?, integer?, string?
--- the program, or nil, message, errno and the whole log of the verifier, when it had something to say
program.new_program = core.new_program

--- Opens a pinned program; with an abi, only if it is of that type.
---@type fun(path: string, abi?: ebpf.ProgramABI): ebpf.Program?, string?, integer?
program.load_pinned_program = core.load_pinned_program

--- Opens the program with that id, which needs CAP_SYS_ADMIN.
---@type fun(id: integer): ebpf.Program?, string?, integer?
program.program_from_id = core.program_from_id

--- A handle of the program of a file descriptor that this process has otherwise, as by map_from_fd(): it has one of its
--- own. With an abi, only if it is of that type. EBADF: it is closed; EINVAL: it is of something else.
---@type fun(fd: integer, abi?: ebpf.ProgramABI): ebpf.Program?, string?, integer?
program.program_from_fd = core.program_from_fd

--- Iterates over the ids of all programs in the kernel, ascending. Programs come and go meanwhile, so program_from_id()
-- of one may fail with ENOENT. Raises when the kernel refuses, which it does without CAP_SYS_ADMIN.
--     for id in ebpf.program_ids() do ... end
---@return fun(): integer?
function program.program_ids()
  return map.ids_by(core.next_program_id)
end

return program
