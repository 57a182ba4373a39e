-- What links of each type tell of themselves, next to what bpftool prints, where it knows the type.
local ebpf = require "ebpf"
local insn = require "spec.support.insn"
local json = require "dkjson"
local lfs = require "lfs"
local support = require "spec.support"
local trace = require "spec.support.trace"

local own_pid = trace.process

-- Where in the file of the library a function is, as nm(1) and readelf(1) say.
local function offset_of(symbol)
  local address = tonumber(support.check_run { "nm", "-D", trace.library }:match("(%x+) T " .. symbol .. "[@\n]"), 16)
  for offset, virtual, size in support.check_run { "readelf", "-lW", trace.library }
    :gmatch("LOAD%s+0x(%x+)%s+0x(%x+)%s+0x%x+%s+0x(%x+)") do
    offset, virtual, size = tonumber(offset, 16), tonumber(virtual, 16), tonumber(size, 16)
    if address >= virtual and address < virtual + size then
      return address - virtual + offset
    end
  end
end

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
  assert.equal(p and p:info().id or 0, info.prog_id)
  assert.is_true(info.id > 0)
  for field, value in pairs(expected) do
    assert.same(value, plain(info[field]), field)
  end
  -- Whatever its exit status: version 7.5 fails after it has told all.
  local text = support.run(("env -u LD_PRELOAD bpftool -j link show id %d"):format(info.id))
  local shown = assert(json.decode(text), text)
  for field, value in pairs(shown) do
    if field ~= "pids" and field ~= "pinned" and not (field == "type" and type(value) == "number") then
      if not (value == 0 and info[field] == nil) then -- see link:info()
        assert.same(value, plain(info[field]), field)
      end
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

-- With a cookie where the kernel takes one.
local function with_cookie(attach, options, cookie)
  options.cookie = cookie
  local link, _, code = attach(options)
  if code == ebpf.errno.EINVAL then
    options.cookie = nil
  end
  return link or assert(attach(options))
end

-- A field that kernels before some version say nothing of.
local function equals_if_told(expected, value)
  assert.is_true(value == nil or plain(value) == expected, tostring(value))
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
    support.needs("6.4", "netfilter")
    local p = program({ type = "netfilter", attach_type = "netfilter" }, 1)
    check(assert(ebpf.link.netfilter { program = p, pf = "ipv6", hook = "local_out", priority = -4711 }), p,
      { type = "netfilter", pf = 10, hook = 3, prio = -4711, flags = 0 })
  end)

  it("to an interface tells which", function()
    local lo = { ifindex = 1, devname = "lo" }
    local p = program({ type = "xdp" }, 2)
    check(assert(ebpf.link.xdp { program = p, interface = "lo", mode = "generic" }), p,
      { type = "xdp", ifindex = lo.ifindex, devname = lo.devname, mode = "generic" })
    support.needs("6.6", "tcx")
    p = program({ type = "sched_cls", attach_type = "tcx_egress" }, -1)
    check(assert(ebpf.link.tcx { program = p, interface = "lo" }), p,
      { type = "tcx", ifindex = lo.ifindex, devname = lo.devname, attach_type = "tcx_egress" })
  end)

  it("to the sockets of a map tells which", function()
    support.needs("6.10", "links of sockmaps")
    local p = program({ type = "sk_msg", attach_type = "sk_msg_verdict" }, 1)
    local map = support.closing(assert(ebpf.new_map {
      type = "sockmap", key_size = 4, value_size = 8, max_entries = 1 }))
    check(assert(ebpf.link.sockmap { program = p, map = map }), p,
      { type = "sockmap", map_id = map:info().id, attach_type = "sk_msg_verdict" })
  end)

  it("to a tracepoint tells its name, and the cookie", function()
    local p = program { type = "raw_tracepoint" }
    local info = check(with_cookie(ebpf.link.raw_tracepoint, { program = p, name = "task_rename" }, 4711), p,
      { type = "raw_tracepoint", tp_name = "task_rename" })
    equals_if_told(4711, info.cookie)
    support.tracefs()
    support.needs("5.15", "links of perf events")
    p = program { type = "tracepoint" }
    info = check(assert(ebpf.link.tracepoint { program = p, group = "task", name = "task_rename", cookie = 4712 }), p,
      { type = "perf_event" })
    assert.is_true(info.tracepoint == nil or info.tracepoint == "task_rename") -- Linux 6.6
    equals_if_told(4712, info.cookie)
  end)

  it("to what the kernel's types name tells it", function()
    local p = program { type = "tracing", attach_type = "trace_raw_tp", attach_to = "task_rename" }
    local info = check(with_cookie(ebpf.link.tracing, { program = p }, 4713), p,
      { type = "raw_tracepoint", tp_name = "task_rename" })
    equals_if_told(4713, info.cookie)

    p = support.closing(support.granted("5.5", "fentry", ebpf.new_program { type = "tracing",
      attach_type = "trace_fentry", attach_to = "bpf_fentry_test1", license = "GPL",
      instructions = insn.returning(0) }))
    info = check(assert(ebpf.link.tracing { program = p }), p,
      { type = "tracing", attach_type = "trace_fentry", prog_type = "tracing" })
    if support.kernel_is("5.17") then
      assert.equal(p:info().attach_btf_id, info.target_btf_id)
      assert.equal(p:info().attach_btf_obj_id, info.target_obj_id)
      assert.is_true(info.target_btf_id > 0)
    end
  end)

  it("to user space tells the file and the place", function()
    support.needs("5.15", "links of perf events")
    local p = program { type = "kprobe" }
    for _, kind in ipairs { "uprobe", "uretprobe" } do
      local info = check(assert(ebpf.link[kind] { program = p, path = trace.library, symbol = "traced_add",
        cookie = 4714 }), p, { type = "perf_event" })
      if info.file then -- Linux 6.6
        assert.truthy(info.file:find("traced.so", 1, true))
        assert.same({ kind == "uretprobe", offset_of("traced_add") }, { info.retprobe, info.offset })
        equals_if_told(4714, info.cookie)
      end
    end
  end)

  it("to many places tells each of them", function()
    support.needs("6.6", "uprobe_multi")
    local p = program { type = "kprobe", attach_type = "trace_uprobe_multi" }
    local info = check(assert(ebpf.link.uprobe_multi { program = p, path = trace.library, pid = 0,
      symbols = { "traced_add", "traced_fire" }, cookies = { 4715, 4716 } }), p, { type = "uprobe_multi" })
    if info.func_cnt then -- Linux 6.8
      assert.same({ 2, false, own_pid }, { info.func_cnt, info.retprobe, info.pid })
      assert.truthy(info.path:find("traced.so", 1, true))
      local places = {}
      for _, place in ipairs(info.funcs) do
        places[plain(place.offset)] = { plain(place.cookie), plain(place.ref_ctr_offset) }
      end
      assert.same({ [offset_of("traced_add")] = { 4715, 0 }, [offset_of("traced_fire")] = { 4716, 0 } }, places)
    end
  end)

  it("to many functions of the kernel tells each of them", function()
    local p = program { type = "kprobe", attach_type = "trace_kprobe_multi" }
    local link = support.granted("6.2", "kprobe_multi", ebpf.link.kprobe_multi { program = p,
      symbols = { "vfs_read", "vfs_write" }, cookies = { 4717, 4718 } })
    local info = check(link, p, { type = "kprobe_multi" })
    if info.func_cnt then -- Linux 6.6
      assert.same({ 2, false }, { info.func_cnt, info.retprobe })
      local cookies = {}
      for _, place in ipairs(info.funcs) do
        assert.is_true(plain(place.addr) ~= 0)
        cookies[place.func] = place.cookie or false
      end
      equals_if_told(4717, cookies.vfs_read or nil)
      equals_if_told(4718, cookies.vfs_write or nil)
      assert.is_true(cookies.vfs_read ~= nil and cookies.vfs_write ~= nil)
    end
  end)

  it("to a function of the kernel tells it", function()
    local p = program { type = "kprobe" }
    local link = support.granted("5.15", "kretprobe",
      ebpf.link.kretprobe { program = p, symbol = "vfs_read", cookie = 4719 })
    local info = check(link, p, { type = "perf_event" })
    if info.func then
      assert.same({ "vfs_read", true, 0 }, { info.func, info.retprobe, info.offset })
      assert.is_true(plain(info.addr) ~= 0)
      equals_if_told(4719, info.cookie)
    end
  end)

  it("to a perf event tells its kind", function()
    support.needs("5.15", "links of perf events")
    local p = program { type = "perf_event" }
    local info = check(assert(ebpf.link.perf_event { program = p, event = "page-faults", period = 1000000, pid = 0,
      cookie = 4720 }), p, { type = "perf_event" })
    if info.event_type then
      assert.same({ "software", "page-faults" }, { info.event_type, info.event_config })
      equals_if_told(4720, info.cookie)
    end
  end)

  it("of an iterator tells what it is over", function()
    local map = support.closing(assert(ebpf.new_map { type = "hash", key_size = 4, value_size = 4, max_entries = 1 }))
    local p = program { type = "tracing", attach_type = "trace_iter", attach_to = "bpf_map_elem" }
    check(assert(ebpf.link.iter { program = p, map = map }), p,
      { type = "iter", target_name = "bpf_map_elem", map_id = map:info().id })
    if not support.kernel_is "6.2" then
      return -- links over chosen tasks and cgroups came with Linux 6.1, and tell of them since then
    end
    p = program { type = "tracing", attach_type = "trace_iter", attach_to = "task" }
    check(assert(ebpf.link.iter { program = p, pid = own_pid }), p,
      { type = "iter", target_name = "task", pid = own_pid, tid = 0 })
    p = program { type = "tracing", attach_type = "trace_iter", attach_to = "cgroup" }
    local path = support.cgroup()
    check(assert(ebpf.link.iter { program = p, cgroup = path, order = "ancestors_up" }), p,
      { type = "iter", target_name = "cgroup", cgroup_id = lfs.attributes(path, "ino"), order = "ancestors_up" })
    p = program { type = "tracing", attach_type = "trace_iter", attach_to = "bpf_link" }
    check(assert(ebpf.link.iter { program = p }), p, { type = "iter", target_name = "bpf_link" })
  end)

  it("of a struct of programs tells its map", function()
    support.needs("6.4", "links of struct_ops")
    local spec = assert(ebpf.load_spec(support.fixture "struct_ops"))
    for name, map in pairs(spec.maps) do
      map.autocreate = map.struct == nil or name == "counting"
    end
    spec.maps.counting.members.name = ("ebpf%di"):format(own_pid) -- everybody's on the machine
    local c = assert(spec:load())
    local link = assert(ebpf.link.struct_ops { map = c.maps.counting })
    check(link, nil, { type = "struct_ops", map_id = c.maps.counting:info().id })
    c:close()
  end)
end)
