--- Links of programs that trace: the functions of `ebpf.link` for them, and how prog:attach() calls those.
local core = require "ebpf.core"

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

-- How a program is attached by what its section names, by type of program. `fields` makes options of the section's
-- target; `needs` are those that must be there in the end, or lists of which one must be; `hint` says so. Where the
-- type alone does not tell, a function of the program gives such a table.
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
}

return { functions = link, attachers = attachers }
