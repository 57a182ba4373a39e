--- Links of programs of the network: the functions of `ebpf.link` for them, and how prog:attach() calls those.
local core = require "ebpf.core"

local link = {}

--- Runs the program on each packet that arrives at a network interface. From Linux 5.9.
---@class ebpf.XdpOptions
---@field program ebpf.Program of type xdp
---@field interface string|integer name or index, in the network namespace of the caller
---@field mode? "native"|"generic"|"offload" in the driver, in the network stack, in the card; nil: native where the
---driver can, else generic
---@type fun(options: ebpf.XdpOptions): ebpf.Link?, string?, integer?
link.xdp = core.attach_xdp

-- See ebpf.link_trace.
local attachers = {
  xdp = {
    open = core.attach_xdp,
    needs = { "interface" },
    hint = 'an xdp program needs an interface: attach{interface = "eth0"}',
  },
}

return { functions = link, attachers = attachers }
