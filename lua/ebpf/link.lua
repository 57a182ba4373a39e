--- Attaching programs: each function gives a Link, which keeps the program attached.
-- A Link that is collected detaches, so keep it, or pin it.
local core = require "ebpf.core"
local map = require "ebpf.map"

--- What keeps a program attached. `tostring(l)` gives `xdp link "eth0" #7`, where 7 is the fd. Each method of a closed
--- one returns nil, message, EBADF.
---@class ebpf.Link
---@field update fun(self: ebpf.Link, program: ebpf.Program): true?, string?, integer? puts another program of the same
--- type in the place of the present one, in one step: xdp links can; EINVAL: those of tracepoints cannot
---@field detach fun(self: ebpf.Link): true?, string?, integer? now, whoever else holds the link: xdp links can;
--- EOPNOTSUPP: those of tracepoints detach when they are closed and not pinned
---@field info fun(self: ebpf.Link): table?, string?, integer? {type=, id=, prog_id=} and what the type has besides,
--- named as bpftool does: tp_name, cookie; tracepoint, cookie; ifindex, devname, mode
---@field pin fun(self: ebpf.Link, path: string): true?, string?, integer? in a bpf file system: keeps the program
--- attached without this process
---@field unpin fun(self: ebpf.Link): true?, string?, integer? does nothing when it is not pinned
---@field is_pinned fun(self: ebpf.Link): boolean, string? whether it was pinned, or opened from a pin,
--- and the path of that pin
---@field close fun(self: ebpf.Link): true
---@field is_closed fun(self: ebpf.Link): boolean
---@field fd fun(self: ebpf.Link): integer?, string?, integer?

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

--- Runs the program on each packet that arrives at a network interface. From Linux 5.9.
---@class ebpf.XdpOptions
---@field program ebpf.Program of type xdp
---@field interface string|integer name or index, in the network namespace of the caller
---@field mode? "native"|"generic"|"offload" in the driver, in the network stack, in the card; nil: native where the
---driver can, else generic
---@type fun(options: ebpf.XdpOptions): ebpf.Link?, string?, integer?
link.xdp = core.attach_xdp

--- Opens a pinned link.
---@type fun(path: string): ebpf.Link?, string?, integer?
link.load_pinned = core.load_pinned_link

--- Opens the link with that id, which needs CAP_SYS_ADMIN. From Linux 5.8.
---@type fun(id: integer): ebpf.Link?, string?, integer?
link.from_id = core.link_from_id

--- Iterates over the ids of all links of the system: `for id in ebpf.link_ids() do`. Needs CAP_SYS_ADMIN.
---@return fun(): integer?
function link.ids()
  return map.ids_by(core.next_link_id)
end

-- How a program is attached by what its section names, by type of program. `fields` makes options of the section's
-- target; `needs` are those that must be there in the end; `hint` says so.
local raw_tracepoint = {
  open = core.attach_raw_tracepoint,
  fields = function(target)
    return { name = target }
  end,
  needs = { "name" },
  hint = 'a raw_tracepoint program needs the name of a tracepoint: attach{name = "sched_process_exec"}',
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
  xdp = {
    open = core.attach_xdp,
    needs = { "interface" },
    hint = 'an xdp program needs an interface: attach{interface = "eth0"}',
  },
}

---@class ebpf.AttachOptions
---@field name string? raw_tracepoint, tracepoint: instead of the section's
---@field group string? tracepoint: instead of the section's
---@field interface string|integer|nil xdp: always needed, as sections do not name it
---@field mode? "native"|"generic"|"offload" xdp
---@field cookie integer? raw_tracepoint, tracepoint

-- Wrong options are the caller's, two functions up.
local function pass_on(ok, ...)
  if not ok then
    error((...), 3)
  end
  return ...
end

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
    error(("bad argument #1 to 'attach' (table expected, got %s)"):format(type(options)), 2)
  end
  local kind, message, errno = program:type()
  if not kind then
    return nil, message, errno
  end
  local name, target = program:name(), program:attach_to()
  local attacher = attachers[kind]
  if not attacher then
    local words = 'attach "%s": no attachment is known for programs of type "%s"'
    return nil, words:format(name, kind), core.errno.EOPNOTSUPP
  end
  local fields = target and attacher.fields and attacher.fields(target) or {}
  for key, value in pairs(options or {}) do
    fields[key] = value
  end
  for _, key in ipairs(attacher.needs) do
    if fields[key] == nil then
      return nil, ('attach "%s": %s'):format(name, attacher.hint), core.errno.EINVAL
    end
  end
  if fields.program ~= nil then
    error("bad argument #1 to 'attach' (the program is the one attached, not an option)", 2)
  end
  fields.program = program
  local attached
  attached, message, errno = pass_on(pcall(attacher.open, fields))
  return attached, message, errno
end

core.methods.program.attach = attach

return link
