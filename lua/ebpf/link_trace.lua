--- Links of programs that trace the kernel: the functions of `ebpf.link` for them, and how prog:attach() calls those.
local core = require "ebpf.core"
local pass = require("ebpf.argument").pass

local link = {}

--- Runs the program at each pass of a tracepoint of the kernel, with the tracepoint's own arguments.
-- From Linux 4.17; needs no tracefs.
---@class ebpf.RawTracepointOptions
---@field program ebpf.Program of type raw_tracepoint or raw_tracepoint_writable
---@field name string the tracepoint, without a group: "sched_process_exec"
---@field cookie integer? what bpf_get_attach_cookie() tells the program; from Linux 6.10
---@type fun(options: ebpf.RawTracepointOptions): ebpf.Link?, string?, integer?
link.raw_tracepoint = core.attach_raw_tracepoint

--- Runs the program at each event that tracefs lists as events/<group>/<name>, with the event's record.
-- tracefs has to be mounted, wherever it is.
---@class ebpf.TracepointOptions
---@field program ebpf.Program of type tracepoint
---@field group string "sched"
---@field name string "sched_process_exec"
---@field cookie integer? what bpf_get_attach_cookie() tells the program; from Linux 5.15
---@type fun(options: ebpf.TracepointOptions): ebpf.Link?, string?, integer?
link.tracepoint = core.attach_tracepoint

--- Runs the program where a function of the kernel begins, or at an instruction within it.
---@class ebpf.KprobeOptions
---@field program ebpf.Program of type kprobe
---@field symbol string? the function: "do_unlinkat"; or else the address
---@field offset integer? bytes from there
---@field address integer|string|nil of the instruction, as /proc/kallsyms has it: "0xffffffff81234560"
---@field cookie integer? what bpf_get_attach_cookie() tells the program; from Linux 5.15
---@field retprobe boolean? where the function returns instead
---@field maxactive integer? of kretprobes: how many calls may be under way; goes by tracefs
---@field mode? "perf"|"tracefs" nil: by the perf PMU, or where the kernel has none (before Linux 4.17) by tracefs

-- A copy of the options with some fields set.
local function with(options, fields)
  if type(options) ~= "table" then
    core.refuse(1, ("table expected, got %s"):format(type(options)))
  end
  local copy = {}
  for key, value in pairs(options) do
    copy[key] = value
  end
  for key, value in pairs(fields) do
    copy[key] = value
  end
  return copy
end

---@type fun(options: ebpf.KprobeOptions): ebpf.Link?, string?, integer?
link.kprobe = core.attach_kprobe

--- Runs the program where a function of the kernel returns.
---@param options ebpf.KprobeOptions
---@return ebpf.Link?, string?, integer?
function link.kretprobe(options)
  return pass(core.attach_kprobe(with(options, { retprobe = true })))
end

--- Runs the program where a system call begins, or with `retprobe` ends: a kprobe on the function that the kernel of
-- this architecture has for it.
---@class ebpf.KsyscallOptions
---@field program ebpf.Program of type kprobe
---@field name string the system call: "openat"
---@field cookie integer?
---@field retprobe boolean?
---@field maxactive integer?
---@field mode? "perf"|"tracefs"

local found_by_name = { "symbol", "address", "offset" } -- what a kprobe has in the place of the name

---@param options ebpf.KsyscallOptions
---@return ebpf.Link? link
---@return string? message
---@return integer? errno
function link.ksyscall(options)
  local fields = with(options, { name = false })
  for _, field in ipairs(found_by_name) do
    if fields[field] ~= nil then
      core.refuse(1, ("unknown ksyscall field '%s'"):format(field))
    end
  end
  local name = options.name
  if type(name) ~= "string" then
    core.refuse(1, "field 'name': string expected")
  end
  fields.name = nil
  -- Since Linux 4.17 most architectures have functions of their own; others, and older kernels, sys_NAME.
  fields.symbol = core.syscall_prefix .. name
  local attached, message, errno = core.attach_kprobe(fields)
  if not attached and errno == core.errno.ENOENT then
    fields.symbol = "sys_" .. name
    local other = core.attach_kprobe(fields)
    if other then
      return other
    end
  end
  return attached, message, errno
end

--- Runs the program where a system call ends.
---@param options ebpf.KsyscallOptions
---@return ebpf.Link?, string?, integer?
function link.kretsyscall(options)
  return pass(link.ksyscall(with(options, { retprobe = true })))
end

--- Runs the program where any of many functions of the kernel begins or, with `retprobe`, returns; both when its
-- section is kprobe.session. One link, which is much faster to attach than as many kprobes. From Linux 5.18.
---@class ebpf.KprobeMultiOptions
---@field program ebpf.Program of type kprobe, of the section kprobe.multi, kretprobe.multi or kprobe.session
---@field symbols string[]? the functions
---@field addresses (integer|string)[]? or their addresses
---@field pattern string? or all whose names match: "tcp_*", "?size", among those that tracefs lists
---@field cookies integer[]? for each symbol or address, what bpf_get_attach_cookie() tells the program there
---@field retprobe boolean?
---@type fun(options: ebpf.KprobeMultiOptions): ebpf.Link?, string?, integer?
link.kprobe_multi = core.attach_kprobe_multi

--- Runs the program at what it was loaded for: the sections fentry, fexit, fmod_ret, fsession and tp_btf, and lsm.
---@class ebpf.TracingOptions
---@field program ebpf.Program of type tracing or lsm
---@field cookie integer? what bpf_get_attach_cookie() tells the program; from Linux 5.19, for tp_btf 6.10
---@type fun(options: ebpf.TracingOptions): ebpf.Link?, string?, integer?
link.tracing = core.attach_tracing

---@type fun(options: ebpf.TracingOptions): ebpf.Link?, string?, integer?
link.lsm = core.attach_tracing

--- Runs the program at an LSM hook for the processes of a control group and of those below it. From Linux 6.0.
---@class ebpf.LsmCgroupOptions
---@field program ebpf.Program of type lsm, of the section lsm_cgroup
---@field cgroup string the directory of the control group (version 2)
---@type fun(options: ebpf.LsmCgroupOptions): ebpf.Link?, string?, integer?
link.lsm_cgroup = core.attach_lsm_cgroup

--- Runs the program in the place of a function of another program. From Linux 5.6.
---@class ebpf.FreplaceOptions
---@field program ebpf.Program of type ext
---@field target ebpf.Program? whose function; nil: the program it was loaded for. From Linux 5.10
---@field symbol string? of the target: the function; nil: of the name it was loaded for
---@field cookie integer?
---@type fun(options: ebpf.FreplaceOptions): ebpf.Link?, string?, integer?
link.freplace = core.attach_freplace

--- Attaches an iterator: a program that the kernel runs for each task, map, socket or the like, whose output
-- link:lines() and link:read_all() give, as often as they are called. From Linux 5.8.
---@class ebpf.IterOptions
---@field program ebpf.Program of type tracing, of the section iter
---@field map ebpf.Map? iter/bpf_map_elem and the like: whose elements
---@field cgroup string|integer|nil iter/cgroup: where to begin, the directory or the id; from Linux 6.1
---@field order? "self"|"descendants_pre"|"descendants_post"|"ancestors_up"|"children" which others to visit, and
---how; "descendants_pre" by default
---@field tid integer? iter/task, iter/task_file, iter/task_vma: of this thread alone; from Linux 6.1
---@field pid integer? of the threads of this process; 0: of the caller
---@field pidfd integer? likewise, by an fd of pidfd_open(2)
---@type fun(options: ebpf.IterOptions): ebpf.Link?, string?, integer?
link.iter = core.attach_iter

--- Runs the program again and again: so many times a second, or each time so many events were counted. Without a
-- process and without a CPU on each CPU that is online; one Link holds all.
---@class ebpf.PerfEventOptions
---@field program ebpf.Program of type perf_event
---@field event string? as perf(1) calls it: "cpu-clock", "page-faults", "cycles", "L1-dcache-load-misses"; "breakpoint"
---@field type string|integer|nil in the place of an event: "raw", "software", a PMU of
---/sys/bus/event_source/devices, or its number, with `config`, and `config1` and `config2` where the PMU has them
---@field config integer?
---@field config1 integer?
---@field config2 integer?
---@field frequency integer? times a second; or else the period
---@field period integer? how many to count
---@field pid integer? a process, by itself on whichever CPU it runs; 0: the caller
---@field cpu integer?
---@field address integer|string|nil of a breakpoint
---@field length integer? of a breakpoint: 1, 2, 4 or 8 bytes
---@field access? "r"|"w"|"rw"|"x" of a breakpoint; "rw" by default
---@field precise integer? 0 to 3: how close to the event the program must run
---@field exclude_kernel boolean?
---@field exclude_user boolean?
---@field exclude_idle boolean?
---@field inherit boolean? also of the processes that the process starts from now on
---@field cookie integer? what bpf_get_attach_cookie() tells the program; from Linux 5.15
---@type fun(options: ebpf.PerfEventOptions): ebpf.Link?, string?, integer?
link.perf_event = core.attach_perf_event

-- How a program is attached by what its section names, by type of program. `fields` makes options of the section's
-- target, `defaults` are more; `needs` are those that must be there in the end, or lists of which one must be; `hint`
-- says so; `overrides` are fields of the section's that give way to others. Where the type alone does not tell, a
-- function of the program gives such a table.
local raw_tracepoint = {
  open = core.attach_raw_tracepoint,
  fields = function(target)
    return { name = target }
  end,
  needs = { "name" },
  hint = 'a raw_tracepoint program needs the name of a tracepoint: attach{name = "sched_process_exec"}',
}

-- "function+0x10"
local function kprobe_fields(target)
  local symbol, offset = target:match("^([^+]+)%+(%w+)$")
  offset = tonumber(offset)
  if not offset then
    return { symbol = target }
  end
  return { symbol = symbol, offset = offset }
end

local kprobe_needs = { { "symbol", "address" } }
local kprobe_hint = 'a kprobe program needs a function: attach{symbol = "do_unlinkat"}'

local function multi(retprobe)
  return {
    open = link.kprobe_multi,
    fields = function(target)
      return { pattern = target }
    end,
    defaults = { retprobe = retprobe },
    overrides = { pattern = { "symbols", "addresses" } },
    needs = { { "pattern", "symbols", "addresses" } },
    hint = 'a kprobe.multi program needs functions: attach{pattern = "tcp_*"} or attach{symbols = {...}}',
  }
end

local function ksyscall(open)
  return {
    open = open,
    fields = function(target)
      return { name = target }
    end,
    needs = { "name" },
    hint = 'a ksyscall program needs the name of a system call: attach{name = "openat"}',
  }
end

--- How programs of type kprobe are attached, by the first part of the section; ebpf.link_user adds to it.
local by_section = {
  kprobe = { open = link.kprobe, fields = kprobe_fields, overrides = { symbol = { "address" } },
    needs = kprobe_needs, hint = kprobe_hint },
  kretprobe = { open = link.kretprobe, fields = kprobe_fields, overrides = { symbol = { "address" } },
    needs = kprobe_needs, hint = kprobe_hint },
  ksyscall = ksyscall(link.ksyscall),
  kretsyscall = ksyscall(link.kretsyscall),
  ["kprobe.multi"] = multi(),
  ["kretprobe.multi"] = multi(true),
  ["kprobe.session"] = multi(),
}

local many_ways = {
  needs = { "nothing" },
  hint = "its section does not tell how: use ebpf.link.kprobe, ksyscall, kprobe_multi, uprobe, uprobe_multi or usdt",
}

local function kprobe(program)
  local section = program:section() or ""
  return by_section[section:match("^%??([^/]*)"):gsub("%.s$", "")] or many_ways
end

local tracing = { open = link.tracing, needs = {}, hint = "" }
local iter = { open = link.iter, needs = {}, hint = "" }
local lsm_cgroup = {
  open = link.lsm_cgroup,
  needs = { "cgroup" },
  hint = 'an lsm_cgroup program needs a control group: attach{cgroup = "/sys/fs/cgroup/x"}',
}

local attachers = {
  raw_tracepoint = raw_tracepoint,
  raw_tracepoint_writable = raw_tracepoint,
  tracepoint = {
    open = core.attach_tracepoint,
    fields = function(target)
      local group, name = target:match("^([^/]*)/(.*)$")
      return { group = group, name = name }
    end,
    needs = { "group", "name" },
    hint = 'a tracepoint program needs a group and a name: attach{group = "sched", name = "sched_process_exec"}',
  },
  kprobe = kprobe,
  tracing = function(program)
    return program:attach_type() == "trace_iter" and iter or tracing
  end,
  lsm = function(program)
    return program:attach_type() == "lsm_cgroup" and lsm_cgroup or tracing
  end,
  ext = { open = link.freplace, needs = {}, hint = "" },
  perf_event = {
    open = link.perf_event,
    needs = { { "event", "type" }, { "frequency", "period" } },
    hint = 'a perf_event program needs an event and how often: attach{event = "cpu-clock", frequency = 99}',
  },
}

-- What a walk of an iterator gives, piece by piece; raises when the kernel fails in the middle.
local function read_on(iterator)
  local chunk, message = iterator:read()
  if message then
    error(message, 0)
  end
  return chunk
end

--- link:lines(): runs the iterator, and gives the lines of its output, without their ends, in a loop:
--     for line in link:lines() do ... end
---@return (fun(): string?)? iterator nil when it cannot be run; it raises when that fails in the middle
---@return string? message
---@return integer? errno
function core.methods.link.lines(self)
  local iterator, message, errno = core.open_iterator(self)
  if not iterator then
    return nil, message, errno
  end
  local pending, at = "", 1
  local function next_line()
    while true do
      local stop = pending:find("\n", at, true)
      if stop then
        local line = pending:sub(at, stop - 1)
        at = stop + 1
        return line
      end
      local chunk = not iterator:is_closed() and read_on(iterator) or nil
      if not chunk then
        iterator:close()
        local rest = pending:sub(at)
        pending, at = "", 1
        return rest ~= "" and rest or nil
      end
      pending, at = pending:sub(at) .. chunk, 1
    end
  end
  -- Lua 5.4 closes the fourth when the loop is left.
  return next_line, nil, nil, iterator
end

--- link:read_all(): runs the iterator, and gives all of its output.
---@return string? output
---@return string? message
---@return integer? errno
function core.methods.link.read_all(self)
  local iterator, message, errno = core.open_iterator(self)
  if not iterator then
    return nil, message, errno
  end
  local chunks = {}
  local chunk
  repeat
    chunk, message, errno = iterator:read()
    chunks[#chunks + 1] = chunk
  until not chunk
  iterator:close()
  if message then
    return nil, message, errno
  end
  return table.concat(chunks)
end

return { functions = link, attachers = attachers, by_section = by_section }
