local core = require "ebpf.core"

local SLEEPABLE, FRAGS = 16, 32

-- pattern; program type; attach type, "-" for none; flags
local expected = [[
socket socket_filter - 0
sk_reuseport/migrate sk_reuseport sk_reuseport_select_or_migrate 0
sk_reuseport sk_reuseport sk_reuseport_select 0
kprobe+ kprobe - 0
uprobe+ kprobe - 0
kretprobe+ kprobe - 0
uretprobe+ kprobe - 0
ksyscall+ kprobe - 0
kretsyscall+ kprobe - 0
uprobe.s+ kprobe - 16
uretprobe.s+ kprobe - 16
kprobe.multi+ kprobe trace_kprobe_multi 0
kretprobe.multi+ kprobe trace_kprobe_multi 0
kprobe.session+ kprobe trace_kprobe_session 0
uprobe.multi+ kprobe trace_uprobe_multi 0
uretprobe.multi+ kprobe trace_uprobe_multi 0
uprobe.multi.s+ kprobe trace_uprobe_multi 16
uretprobe.multi.s+ kprobe trace_uprobe_multi 16
uprobe.session+ kprobe trace_uprobe_session 0
uprobe.session.s+ kprobe trace_uprobe_session 16
usdt+ kprobe - 0
usdt.s+ kprobe - 16
tc/ingress sched_cls tcx_ingress 0
tcx/ingress sched_cls tcx_ingress 0
tc/egress sched_cls tcx_egress 0
tcx/egress sched_cls tcx_egress 0
tc sched_cls - 0
classifier sched_cls - 0
action sched_act - 0
netkit/primary sched_cls netkit_primary 0
netkit/peer sched_cls netkit_peer 0
tracepoint+ tracepoint - 0
tp+ tracepoint - 0
raw_tracepoint+ raw_tracepoint - 0
raw_tp+ raw_tracepoint - 0
raw_tracepoint.w+ raw_tracepoint_writable - 0
raw_tp.w+ raw_tracepoint_writable - 0
tp_btf+ tracing trace_raw_tp 0
fentry+ tracing trace_fentry 0
fentry.s+ tracing trace_fentry 16
fmod_ret+ tracing modify_return 0
fmod_ret.s+ tracing modify_return 16
fexit+ tracing trace_fexit 0
fexit.s+ tracing trace_fexit 16
fsession+ tracing trace_fsession 0
fsession.s+ tracing trace_fsession 16
freplace+ ext - 0
lsm+ lsm lsm_mac 0
lsm.s+ lsm lsm_mac 16
lsm_cgroup+ lsm lsm_cgroup 0
iter+ tracing trace_iter 0
iter.s+ tracing trace_iter 16
syscall syscall - 16
xdp.frags/devmap xdp xdp_devmap 32
xdp/devmap xdp xdp_devmap 0
xdp.frags/cpumap xdp xdp_cpumap 32
xdp/cpumap xdp xdp_cpumap 0
xdp.frags xdp xdp 32
xdp xdp xdp 0
perf_event perf_event - 0
lwt_in lwt_in - 0
lwt_out lwt_out - 0
lwt_xmit lwt_xmit - 0
lwt_seg6local lwt_seg6local - 0
sockops sock_ops cgroup_sock_ops 0
sk_skb/stream_parser sk_skb sk_skb_stream_parser 0
sk_skb/stream_verdict sk_skb sk_skb_stream_verdict 0
sk_skb/verdict sk_skb sk_skb_verdict 0
sk_skb sk_skb - 0
sk_msg sk_msg sk_msg_verdict 0
lirc_mode2 lirc_mode2 lirc_mode2 0
flow_dissector flow_dissector flow_dissector 0
cgroup_skb/ingress cgroup_skb cgroup_inet_ingress 0
cgroup_skb/egress cgroup_skb cgroup_inet_egress 0
cgroup/skb cgroup_skb - 0
cgroup/sock_create cgroup_sock cgroup_inet_sock_create 0
cgroup/sock_release cgroup_sock cgroup_inet_sock_release 0
cgroup/sock cgroup_sock cgroup_inet_sock_create 0
cgroup/post_bind4 cgroup_sock cgroup_inet4_post_bind 0
cgroup/post_bind6 cgroup_sock cgroup_inet6_post_bind 0
cgroup/bind4 cgroup_sock_addr cgroup_inet4_bind 0
cgroup/bind6 cgroup_sock_addr cgroup_inet6_bind 0
cgroup/connect4 cgroup_sock_addr cgroup_inet4_connect 0
cgroup/connect6 cgroup_sock_addr cgroup_inet6_connect 0
cgroup/connect_unix cgroup_sock_addr cgroup_unix_connect 0
cgroup/sendmsg4 cgroup_sock_addr cgroup_udp4_sendmsg 0
cgroup/sendmsg6 cgroup_sock_addr cgroup_udp6_sendmsg 0
cgroup/sendmsg_unix cgroup_sock_addr cgroup_unix_sendmsg 0
cgroup/recvmsg4 cgroup_sock_addr cgroup_udp4_recvmsg 0
cgroup/recvmsg6 cgroup_sock_addr cgroup_udp6_recvmsg 0
cgroup/recvmsg_unix cgroup_sock_addr cgroup_unix_recvmsg 0
cgroup/getpeername4 cgroup_sock_addr cgroup_inet4_getpeername 0
cgroup/getpeername6 cgroup_sock_addr cgroup_inet6_getpeername 0
cgroup/getpeername_unix cgroup_sock_addr cgroup_unix_getpeername 0
cgroup/getsockname4 cgroup_sock_addr cgroup_inet4_getsockname 0
cgroup/getsockname6 cgroup_sock_addr cgroup_inet6_getsockname 0
cgroup/getsockname_unix cgroup_sock_addr cgroup_unix_getsockname 0
cgroup/sysctl cgroup_sysctl cgroup_sysctl 0
cgroup/getsockopt cgroup_sockopt cgroup_getsockopt 0
cgroup/setsockopt cgroup_sockopt cgroup_setsockopt 0
cgroup/dev cgroup_device cgroup_device 0
struct_ops+ struct_ops - 0
struct_ops.s+ struct_ops - 16
sk_lookup sk_lookup sk_lookup 0
netfilter netfilter netfilter 0
tracepoint.s+ tracepoint - 16
tp.s+ tracepoint - 16
raw_tracepoint.s+ raw_tracepoint - 16
raw_tp.s+ raw_tracepoint - 16
tp_btf.s+ tracing trace_raw_tp 16
fentry.multi+ tracing trace_fentry_multi 0
fentry.multi.s+ tracing trace_fentry_multi 16
fexit.multi+ tracing trace_fexit_multi 0
fexit.multi.s+ tracing trace_fexit_multi 16
fsession.multi+ tracing trace_fsession_multi 0
fsession.multi.s+ tracing trace_fsession_multi 16
]]

describe("the names of program sections", function()
  local patterns = core.section_patterns()

  it("are the 116 of libbpf", function()
    local known, count = {}, 0
    for pattern in expected:gmatch("(%S+) [^\n]+\n") do
      known[pattern] = true
      count = count + 1
    end
    assert.equal(116, count)
    assert.equal(116, #patterns)
    for _, pattern in ipairs(patterns) do
      assert.is_true(known[pattern], pattern)
      known[pattern] = nil
    end
    assert.is_nil(next(known))
  end)

  for pattern, kind, attach, flags in expected:gmatch("(%S+) (%S+) (%S+) (%d+)\n") do
    local wanted = {
      type = kind, attach_type = attach ~= "-" and attach or nil, flags = tonumber(flags), autoload = true,
    }

    it(("say what the program is: %s"):format(pattern), function()
      local name = pattern:gsub("%+$", "")
      assert.same(wanted, core.match_section(name))
      wanted.autoload = false
      assert.same(wanted, core.match_section("?" .. name))
      wanted.autoload = true
      if pattern:find("%+$") then
        wanted.attach_to = kind ~= "struct_ops" and "some/target" or nil
        assert.same(wanted, core.match_section(name .. "/some/target"))
      end
    end)
  end

  it("match by libbpf's rules", function()
    local unknown = { type = "unspec", flags = 0, autoload = false }
    local names = { "", "?", "/", "+", "socket2", "socket/2", "xdp_foo", "xdp/foo", "xdp/", "kprobes", "kprobe_x",
      "kprobe.", "kprobe.s/x", "tpx/y", "tcp", "Socket", " socket", "??socket", "sk_lookup/", "fentry.s.x/y", ".text",
      "struct_ops.link", "kprobe+", "kprobe+/x" }
    for _, name in ipairs(names) do
      assert.same(unknown, core.match_section(name), name)
    end
    assert.equal("a/b", core.match_section("tp/a/b").attach_to)
    assert.equal("/", core.match_section("kprobe//").attach_to)
    assert.is_nil(core.match_section("kprobe/").attach_to)
    assert.equal("kprobe", core.match_section("kprobe/").type)
    assert.equal(SLEEPABLE, core.match_section("?lsm.s/file_open").flags)
    assert.equal(FRAGS, core.match_section("xdp.frags").flags)
  end)
end)
