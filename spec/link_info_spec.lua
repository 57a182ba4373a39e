-- What links of each type tell of themselves, next to what bpftool prints, where it knows the type.
local ebpf = require "ebpf"
local insn = require "spec.support.insn"
local json = require "dkjson"
local lfs = require "lfs"
local support = require "spec.support"

local function plain(value)
  return type(value) == "cdata" and tonumber(value) or value
end

local function program(spec, value)
  spec.license = "GPL"
  spec.name = spec.name or "told"
  spec.instructions = insn.returning(value or 0)
  return support.closing(assert(ebpf.new_program(spec)))
end

-- Compares with bpftool, and each field of `expected` with what the link tells; a field that this kernel, whose version
-- says so, is too old for is nil.
local function check(link, p, expected)
  support.closing(link)
  local info = assert(link:info())
  assert.equal(p:info().id, info.prog_id)
  assert.is_true(info.id > 0)
  for field, value in pairs(expected) do
    assert.same(value, plain(info[field]), field)
  end
  local text = support.check_run(("env -u LD_PRELOAD bpftool -j link show id %d"):format(info.id))
  local shown = assert(json.decode(text))
  for field, value in pairs(shown) do
    if field ~= "pids" and field ~= "pinned" and not (field == "type" and type(value) == "number") then
      assert.same(value, plain(info[field]), field)
    end
  end
  local again = support.closing(assert(ebpf.link_from_id(info.id)))
  local same = again:info()
  for field, value in pairs(info) do
    if type(value) ~= "table" then
      assert.equal(plain(value), plain(same[field]), field)
    end
  end
  link:close()
  again:close()
  return info
end

local function attached(link, message, feature)
  if not link then
    support.skip_if_unsupported(message, feature)
    error(message, 0)
  end
  return link
end

describe("a link", function()
  it("to a control group tells which", function()
    local path = support.cgroup()
    local p = program({ type = "cgroup_skb", attach_type = "cgroup_inet_egress" }, 1)
    check(assert(ebpf.link.cgroup { program = p, cgroup = path }), p,
      { type = "cgroup", cgroup_id = lfs.attributes(path, "ino"), attach_type = "cgroup_inet_egress" })
  end)

  it("to a network namespace tells which", function()
    local path = "/run/netns/" .. support.netns()
    local p = program({ type = "sk_lookup", attach_type = "sk_lookup" }, 1)
    check(assert(ebpf.link.netns { program = p, netns = path }), p,
      { type = "netns", netns_ino = lfs.attributes(path, "ino"), attach_type = "sk_lookup" })
  end)

  it("of netfilter tells the hook", function()
    local p = program({ type = "netfilter", attach_type = "netfilter" }, 1)
    local link, message = ebpf.link.netfilter { program = p, pf = "ipv6", hook = "local_out", priority = -4711 }
    check(attached(link, message, "netfilter links"), p,
      { type = "netfilter", pf = 10, hook = 3, prio = -4711, flags = 0 })
  end)

  it("to an interface tells which", function()
    local lo = { ifindex = 1, devname = "lo" }
    local p = program({ type = "sched_cls", attach_type = "tcx_egress" }, -1)
    local link, message = ebpf.link.tcx { program = p, interface = "lo" }
    check(attached(link, message, "tcx"), p,
      { type = "tcx", ifindex = lo.ifindex, devname = lo.devname, attach_type = "tcx_egress" })
    p = program({ type = "xdp" }, 2)
    check(assert(ebpf.link.xdp { program = p, interface = "lo", mode = "generic" }), p,
      { type = "xdp", ifindex = lo.ifindex, devname = lo.devname, mode = "generic" })
  end)

  it("to the sockets of a map tells which", function()
    local p = program({ type = "sk_msg", attach_type = "sk_msg_verdict" }, 1)
    local map = support.closing(assert(ebpf.new_map {
      type = "sockmap", key_size = 4, value_size = 8, max_entries = 1 }))
    local link, message = ebpf.link.sockmap { program = p, map = map }
    check(attached(link, message, "sockmap links"), p,
      { type = "sockmap", map_id = map:info().id, attach_type = "sk_msg_verdict" })
  end)

  it("to a tracepoint tells its name, and the cookie", function()
    local p = program { type = "raw_tracepoint" }
    local info = check(assert(ebpf.link.raw_tracepoint { program = p, name = "task_rename", cookie = 4711 }), p,
      { type = "raw_tracepoint", tp_name = "task_rename" })
    assert.is_true(info.cookie == nil or plain(info.cookie) == 4711) -- Linux 6.17
    support.tracefs()
    p = program { type = "tracepoint" }
    info = check(assert(ebpf.link.tracepoint { program = p, group = "task", name = "task_rename", cookie = 4712 }), p,
      { type = "perf_event" })
    assert.is_true(info.tracepoint == nil or info.tracepoint == "task_rename" and plain(info.cookie) == 4712) -- 6.6
  end)
end)
