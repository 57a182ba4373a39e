--- Links of programs of the network and of cgroups: the functions of `ebpf.link` for them, and how prog:attach() calls
-- those.
--
-- For what the kernel has no link for (`by = "netlink"`, `by = "attach"`, tc, sockets) the Link remembers how it was
-- attached: it cannot be pinned, and detaches by detach() and close() in the process that made it. When it is collected
-- or the process ends, the program stays attached.
local core = require "ebpf.core"
local pass = require("ebpf.argument").pass

local link = {}

--- Runs the program on each packet that arrives at a network interface.
---@class ebpf.XdpOptions
---@field program ebpf.Program of type xdp
---@field interface string|integer name or index, in the network namespace of the caller
---@field mode? "native"|"generic"|"offload" in the driver, in the network stack, in the card; nil: native where the
---driver can, else generic; info().mode tells which it was
---@field by? "link"|"netlink" a link, from Linux 5.9; or none, from Linux 4.8
---@field replace? ebpf.Program|boolean by netlink: takes the place of that program only, or of any; nil: of none
---@type fun(options: ebpf.XdpOptions): ebpf.Link?, string?, integer?
link.xdp = core.attach_xdp

--- A place among other programs of the same hook; without any the program runs behind them.
---@class ebpf.LinkPlace
---@field before? ebpf.Program|ebpf.Link|{program_id: integer}|{link_id: integer}
---@field after? ebpf.Program|ebpf.Link|{program_id: integer}|{link_id: integer}
---@field first? boolean
---@field last? boolean
---@field expected_revision? integer of the list of programs, as `ebpf.link.query` tells it; ESTALE when it is another
---@field by? "link"|"attach" BPF_PROG_ATTACH makes no link
---@field replace? ebpf.Program by attach: whose place it takes

--- Runs the program on each packet that arrives at or leaves a network interface. From Linux 6.6; before: `tc`.
---@class ebpf.TcxOptions: ebpf.LinkPlace
---@field program ebpf.Program of type sched_cls
---@field interface string|integer name or index, in the network namespace of the caller
---@field hook? "ingress"|"egress" nil: what the section says, "tcx/ingress"
---@type fun(options: ebpf.TcxOptions): ebpf.Link?, string?, integer?
link.tcx = core.attach_tcx

--- Runs the program on what is sent by one end of a pair of netkit devices. From Linux 6.7.
---@class ebpf.NetkitOptions: ebpf.LinkPlace
---@field program ebpf.Program of type sched_cls
---@field interface string|integer the primary device of the pair
---@field hook? "primary"|"peer" the end that sends; nil: what the section says, "netkit/peer"
---@type fun(options: ebpf.NetkitOptions): ebpf.Link?, string?, integer?
link.netkit = core.attach_netkit

--- Makes the program a filter of traffic control. From Linux 4.5; makes the qdisc clsact where there is none, and
-- removes it with the last filter if it made it.
---@class ebpf.TcOptions
---@field program ebpf.Program of type sched_cls
---@field interface string|integer name or index, in the network namespace of the caller
---@field hook? "ingress"|"egress" nil: what the section says, or `parent`
---@field parent? integer a class of a qdisc instead: 0x10001 for "1:1"
---@field priority? integer lower ones run first; nil: the kernel chooses
---@field handle? integer among those of the priority; nil: the kernel chooses
---@field chain? integer 0 by default
---@field class_id? integer that packets get
---@field direct_action? boolean what the program returns is what becomes of the packet (true, by default) or its class
---@field name? string in the listings of tc; nil: the program's
---@field skip_hw? boolean not in the card
---@field skip_sw? boolean only in the card
---@field replace? ebpf.Program|boolean takes the place of the filter that has this program, or (true) of the one of
---that priority and handle
---@type fun(options: ebpf.TcOptions): ebpf.Link?, string?, integer?
link.tc = core.attach_tc

--- Runs the program for what the processes of a cgroup (version 2), and of those below, do.
---@class ebpf.CgroupOptions: ebpf.LinkPlace Places from Linux 6.17
---@field program ebpf.Program of one of the types for cgroups, or lsm loaded as lsm_cgroup
---@field cgroup string|integer path or fd of its directory
---@field attach_type? string "cgroup_inet4_connect"; nil: what the section says
---@field preorder? boolean before those of cgroups below; from Linux 6.15
---@field by? "link"|"attach" a link, from Linux 5.7; or none, from Linux 4.10
---@field allow? "multi"|"override"|"none" by attach: other programs beside it, instead of it below, or none
---@type fun(options: ebpf.CgroupOptions): ebpf.Link?, string?, integer?
link.cgroup = core.attach_cgroup

--- Runs a program that chooses sockets for a network namespace (sk_lookup, from Linux 5.9) or dissects its packets
-- (flow_dissector, from Linux 5.8).
---@class ebpf.NetnsOptions
---@field program ebpf.Program of type sk_lookup or flow_dissector
---@field netns string|integer|nil path ("/run/netns/NAME", "/proc/PID/ns/net") or fd; nil: the caller's
---@type fun(options: ebpf.NetnsOptions): ebpf.Link?, string?, integer?
link.netns = core.attach_netns

--- Runs the program where netfilter runs rules, in the network namespace of the caller. From Linux 6.4.
---@class ebpf.NetfilterOptions
---@field program ebpf.Program of type netfilter
---@field pf "ipv4"|"ipv6"
---@field hook "pre_routing"|"local_in"|"forward"|"local_out"|"post_routing"
---@field priority? integer lower ones run first; 0 by default; may be negative
---@field defrag? boolean fragments are put together before; from Linux 6.6
---@type fun(options: ebpf.NetfilterOptions): ebpf.Link?, string?, integer?
link.netfilter = core.attach_netfilter

--- Runs the program for the sockets in a map: for those that are put into it from then on.
---@class ebpf.SockmapOptions
---@field program ebpf.Program of type sk_msg or sk_skb
---@field map ebpf.Map of type sockmap or sockhash
---@field attach_type? string "sk_skb_stream_verdict"; nil: what the section says
---@field by? "link"|"attach" a link, from Linux 6.10; or none, which replaces what is there
---@type fun(options: ebpf.SockmapOptions): ebpf.Link?, string?, integer?
link.sockmap = core.attach_sockmap

-- A socket by its fd, or an object that has one: of luasocket, cqueues, luv, luaposix.
local function with_socket(attach)
  return function(options)
    local socket = type(options) == "table" and options.socket
    if type(socket) ~= "userdata" and type(socket) ~= "table" then
      return pass(attach(options))
    end
    local copy = {}
    for key, value in pairs(options) do
      copy[key] = value
    end
    for _, method in ipairs { "getfd", "pollfd", "fileno", "fd" } do
      local ok, call = pcall(function()
        return socket[method]
      end)
      if ok and type(call) == "function" then
        copy.socket = call(socket)
        break
      end
    end
    return pass(attach(copy))
  end
end

--- Runs the program on each packet that a socket receives: it says how many bytes are kept. It takes the place of a
-- filter that is there, and goes with the socket.
---@class ebpf.SocketOptions
---@field program ebpf.Program of type socket_filter; reuseport: or sk_reuseport
---@field socket integer|table|userdata its fd, or an object with the method getfd, pollfd, fileno or fd
---@type fun(options: ebpf.SocketOptions): ebpf.Link?, string?, integer?
link.socket_filter = with_socket(core.attach_socket_filter)

--- The program chooses among the sockets that share an address by SO_REUSEPORT: `socket` is any of them. Detaching
-- needs Linux 5.3.
---@type fun(options: ebpf.SocketOptions): ebpf.Link?, string?, integer?
link.reuseport = with_socket(core.attach_reuseport)

--- What programs are attached somewhere, in the order in which they run.
---@class ebpf.LinkQuery
---@field attach_type string "cgroup_inet4_connect", "tcx_ingress", "netkit_peer", "sk_lookup", "sk_msg_verdict", ...;
---of interfaces also "xdp", "tc_ingress", "tc_egress"
---@field cgroup string|integer|nil one of these four says where
---@field interface string|integer|nil
---@field netns string|integer|nil
---@field map ebpf.Map?
---@field effective? boolean of a cgroup: with those attached to the ones above, which run as well
---@class ebpf.LinkQueryResult
---@field programs table[] {id=}, and what there is of link_id (tcx, netkit), preorder, mode (xdp), priority, handle,
---chain, name, direct_action (tc)
---@field revision integer? of the list; from Linux 6.6, cgroups 6.17
---@field allow string? of a cgroup: "multi", "override" or "none"
---@type fun(query: ebpf.LinkQuery): ebpf.LinkQueryResult?, string?, integer?
link.query = core.query_programs

local cgroup = {
  open = link.cgroup,
  needs = { "cgroup" },
  hint = 'a program for cgroups needs a cgroup: attach{cgroup = "/sys/fs/cgroup/..."}',
}

local netns = {
  open = link.netns,
  needs = { "netns" },
  hint = 'it needs a network namespace: attach{netns = "/run/netns/NAME"}, or "/proc/self/ns/net"',
}

local sockmap = {
  open = link.sockmap,
  needs = { "map" },
  hint = "it needs a map of sockets: attach{map = collection.maps.NAME}",
}

local interfaces = {
  tcx = {
    open = link.tcx,
    needs = { "interface" },
    hint = 'a tcx program needs an interface: attach{interface = "eth0"}',
  },
  netkit = {
    open = link.netkit,
    needs = { "interface" },
    hint = 'a netkit program needs an interface, the primary of its pair: attach{interface = "nk0"}',
  },
}

-- Sections "tc" and "classifier" say nothing of how and where.
local undecided = {
  open = function(options)
    local words = 'attach "%s": its section does not say to what: use ebpf.link.tcx{program = p, interface = "eth0", '
      .. 'hook = "ingress"}, or ebpf.link.tc before Linux 6.6'
    return nil, words:format(options.program:name()), core.errno.EINVAL
  end,
  needs = {},
}

local xdp = {
  open = link.xdp,
  needs = { "interface" },
  hint = 'an xdp program needs an interface: attach{interface = "eth0"}',
}

-- Of sections "xdp/devmap" and "xdp/cpumap".
local run_by_map = {
  open = function(options)
    local words = 'attach "%s": it is run by a devmap or cpumap: put it into the value of such a map (bpf_prog.fd)'
    return nil, words:format(options.program:name()), core.errno.EINVAL
  end,
  needs = {},
}

-- See ebpf.link_trace.
local attachers = {
  xdp = function(program)
    local attach_type = program:attach_type()
    return (attach_type == "xdp_devmap" or attach_type == "xdp_cpumap") and run_by_map or xdp
  end,
  sched_cls = function(program)
    local attach_type = program:attach_type()
    return interfaces[type(attach_type) == "string" and attach_type:match("^[^_]+")] or undecided
  end,
  cgroup_skb = cgroup,
  cgroup_sock = cgroup,
  cgroup_sock_addr = cgroup,
  cgroup_device = cgroup,
  cgroup_sysctl = cgroup,
  cgroup_sockopt = cgroup,
  sock_ops = cgroup,
  sk_lookup = netns,
  flow_dissector = netns,
  netfilter = {
    open = link.netfilter,
    needs = { "pf", "hook" },
    hint = 'a netfilter program needs a family and a hook: attach{pf = "ipv4", hook = "local_in"}',
  },
  sk_msg = sockmap,
  sk_skb = sockmap,
  socket_filter = {
    open = link.socket_filter,
    needs = { "socket" },
    hint = "a socket filter needs a socket: attach{socket = fd}",
  },
  sk_reuseport = {
    open = link.reuseport,
    needs = { "socket" },
    hint = "an sk_reuseport program needs one of the sockets: attach{socket = fd}",
  },
}

return { functions = link, attachers = attachers }
