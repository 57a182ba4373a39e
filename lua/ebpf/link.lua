--- Attaching programs: each function gives a Link, which keeps the program attached.
-- A Link that is collected detaches, so keep it, or pin it.
local core = require "ebpf.core"
local link_net = require "ebpf.link_net"
local link_struct_ops = require "ebpf.link_struct_ops"
local link_trace = require "ebpf.link_trace"
local link_user = require "ebpf.link_user"
local map = require "ebpf.map"

--- What keeps a program attached. `tostring(l)` gives `xdp link "eth0" #7`, where 7 is the fd. Each method of a closed
--- one returns nil, message, EBADF.
---@class ebpf.Link
---@field update fun(self: ebpf.Link, program: ebpf.Program|ebpf.Map): true?, string?, integer? puts another program of
--- the same type in the place of the present one, in one step: links of the network and of cgroups can, and those of
--- struct_ops with another map; EINVAL: those of tracepoints cannot
---@field detach fun(self: ebpf.Link): true?, string?, integer? now, whoever else holds the link: links of the
--- network and of cgroups can; EOPNOTSUPP: those of tracepoints detach when they are closed and not pinned
---@field lines fun(self: ebpf.Link): (fun(): string?)?, string?, integer? of an iterator: runs it, and gives the lines
--- of its output in a loop
---@field read_all fun(self: ebpf.Link): string?, string?, integer? of an iterator: runs it, and gives its output
---@field info fun(self: ebpf.Link): table?, string?, integer? {type=, id=, prog_id=} and what the type has besides,
--- named as bpftool does: tp_name, cookie; ifindex, devname, ...: above link_get_info in src/binding/link.c
---@field pin fun(self: ebpf.Link, path: string): true?, string?, integer? in a bpf file system: keeps the program
--- attached without this process
---@field unpin fun(self: ebpf.Link): true?, string?, integer? does nothing when it is not pinned
---@field is_pinned fun(self: ebpf.Link): boolean, string? whether it was pinned, or opened from a pin,
--- and the path of that pin
---@field close fun(self: ebpf.Link): true?, string?, integer? detaches, unless it is pinned or open elsewhere; nil when
--- what the kernel has no link for could not be detached (see ebpf.link_net): it is closed all the same
---@field is_closed fun(self: ebpf.Link): boolean
---@field fd fun(self: ebpf.Link): integer?, string?, integer?

local link = {}

--- Opens a pinned link.
---@type fun(path: string): ebpf.Link?, string?, integer?
link.load_pinned = core.load_pinned_link

--- Opens the link with that id, which needs CAP_SYS_ADMIN. From Linux 5.8.
---@type fun(id: integer): ebpf.Link?, string?, integer?
link.from_id = core.link_from_id

--- A handle of the link of a file descriptor that this process has otherwise, as by map_from_fd(): the program stays
--- attached until both are closed. EBADF: it is closed; EINVAL: it is of something else. From Linux 5.8 on it knows
--- its kind.
---@type fun(fd: integer): ebpf.Link?, string?, integer?
link.from_fd = core.link_from_fd

--- Iterates over the ids of all links of the system: `for id in ebpf.link_ids() do`. Needs CAP_SYS_ADMIN.
---@return fun(): integer?
function link.ids()
  return map.ids_by(core.next_link_id)
end

-- How a program is attached by what its section names, by type of program: see ebpf.link_trace.
local attachers = {}
for _, room in ipairs { link_trace, link_user, link_net, link_struct_ops } do
  for name, attach in pairs(room.functions) do
    link[name] = attach
  end
  for kind, attacher in pairs(room.attachers) do
    attachers[kind] = attacher
  end
end

--- The options of the function that attaches programs of that section: see ebpf.KprobeOptions and so on. The most used:
---@class ebpf.AttachOptions
---@field symbol string? kprobe, uprobe: the function
---@field path string? uprobe, usdt: the file
---@field pid integer? uprobe, usdt, perf_event, iter: one process; 0: this one
---@field pattern string? kprobe.multi, uprobe.multi: the functions
---@field event string? perf_event: what to count
---@field frequency integer? perf_event: times a second
---@field name string? raw_tracepoint, tracepoint: instead of the section's
---@field group string? tracepoint: instead of the section's
---@field interface string|integer|nil xdp, tcx, netkit: always needed, as sections do not name it
---@field cgroup string|integer|nil programs for cgroups, lsm_cgroup: always needed; iter
---@field netns string|integer|nil sk_lookup, flow_dissector: always needed
---@field map ebpf.Map? sk_msg, sk_skb: always needed; iter
---@field socket integer|table|userdata|nil socket_filter, sk_reuseport: always needed
---@field mode? "native"|"generic"|"offload" xdp
---@field cookie integer? raw_tracepoint, tracepoint

-- Whether a field is there, or one of several of which any will do.
local function is_there(fields, key)
  for _, name in ipairs(type(key) == "table" and key or { key }) do
    if fields[name] ~= nil then
      return true
    end
  end
  return false
end

-- What the section says gives way to options that say the same by other fields.
local function forget_overridden(fields, overrides, options)
  for key, others in pairs(overrides) do
    if options[key] == nil and is_there(options, others) then
      fields[key] = nil
    end
  end
end

local type_of = core.methods.program.type

--- program:attach([options]): attaches the program to what its section names, as libbpf does: "raw_tp/NAME",
--- "tp/GROUP/NAME", "xdp". What the section leaves open is told by the options, which also override it; they are
--- those of the function in this module that attaches programs of this type.
---@param program ebpf.Program
---@param options? ebpf.AttachOptions
---@return ebpf.Link? link nil when it fails: EINVAL when something is left open, EOPNOTSUPP for other program types
---@return string? message
---@return integer? errno
local function attach(program, options)
  if options ~= nil and type(options) ~= "table" then
    core.refuse(1, ("table expected, got %s"):format(type(options)))
  end
  local kind, message, errno = type_of(program)
  if not kind then
    return nil, message, errno
  end
  local name, target = program:name(), program:attach_to()
  local attacher = attachers[kind]
  if type(attacher) == "function" then
    attacher = attacher(program)
  end
  if not attacher then
    local words = 'attach "%s": no attachment is known for programs of type "%s"'
    return nil, words:format(name, kind), core.errno.EOPNOTSUPP
  end
  local fields = target and attacher.fields and attacher.fields(target) or {}
  for _, more in ipairs { attacher.defaults or {}, options or {} } do
    for key, value in pairs(more) do
      fields[key] = value
    end
  end
  forget_overridden(fields, attacher.overrides or {}, options or {})
  for _, key in ipairs(attacher.needs) do
    if not is_there(fields, key) then
      return nil, ('attach "%s": %s'):format(name, attacher.hint), core.errno.EINVAL
    end
  end
  if fields.program ~= nil then
    core.refuse(1, "the program is the one attached, not an option")
  end
  fields.program = program
  local attached
  attached, message, errno = attacher.open(fields)
  return attached, message, errno
end

core.methods.program.attach = attach

return link
