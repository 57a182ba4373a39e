-- What the kernel can do, next to what bpftool finds out: each difference is explained, or it is a failure.
local core = require "ebpf.core"
local ebpf = require "ebpf"
local insn = require "spec.support.insn"
local json = require "dkjson"
local support = require "spec.support"

local features = ebpf.features
local errno = ebpf.errno

-- Without "full", so that nothing is written into the kernel's log.
local function bpftool_probe()
  local text = support.check_run "env -u LD_PRELOAD bpftool -j feature probe kernel"
  local found, _, message = json.decode(text)
  return assert(found, message)
end

local function bpftool_version()
  local major, minor = support.check_run("bpftool version"):match("v(%d+)%.(%d+)")
  return tonumber(major) * 1000 + tonumber(minor)
end

-- The functions that take one name, with the list of names.
local askers = {
  map_types = features.have_map_type,
  map_flags = features.have_map_flag,
  program_types = features.have_program_type,
  link_kinds = features.have_link_kind,
  isas = features.have_isa,
  btf_kinds = features.have_btf_kind,
  misc = features.have_misc,
}

-- The Linux that has it first, and for some that kernels may be built without it.
local since = {
  link_kinds = {
    cgroup = "5.7", netns = "5.8", iter = "5.8", xdp = "5.9", perf_event = "5.15", struct_ops = "6.4",
    netfilter = "6.4", tcx = "6.6", uprobe_multi = "6.6", sockmap = "6.10", uprobe_session = "6.13",
    kprobe_multi = "5.18?", lsm_cgroup = "6.0?", netkit = "6.7?", kprobe_session = "6.10?",
  },
  map_types = {
    ringbuf = "5.8", task_storage = "5.11", bloom_filter = "5.16", user_ringbuf = "6.1", cgrp_storage = "6.2",
    arena = "6.9", insn_array = "6.19",
  },
  map_flags = {
    rdonly_prog = "5.2", mmapable = "5.5", preserve_elems = "5.10", inner_map = "5.10", link = "6.4", path_fd = "6.5",
    vtype_btf_obj_fd = "6.9", token_fd = "6.9", segv_on_fault = "6.9", no_user_conv = "6.9", rb_overwrite = "6.19",
  },
  isas = { v1 = "4.18", v2 = "4.18", v3 = "5.1", v4 = "6.6" },
  btf_kinds = { func_global = "5.6", float = "5.13", decl_tag = "5.16", type_tag = "5.17", enum64 = "6.0" },
  misc = {
    large_programs = "5.2", bounded_loops = "5.3", batches = "5.6", links = "5.7", link_detach = "5.9",
    prog_bind_map = "5.10", atomic_fetch = "5.12", token = "6.9", may_goto = "6.9", load_acquire = "6.15",
    streams = "6.17",
  },
}

describe("ebpf.features", function()
  it("answers to every name it has: yes, no, or why nobody can say", function()
    for list, ask in pairs(askers) do
      assert.is_true(#features.names[list] > 0)
      for _, name in ipairs(features.names[list]) do
        local has, message, code = ask(name)
        if has == nil then
          assert.truthy(message:find(('probe [%%a ]+ "%s": '):format(name)), message)
          assert.equal("number", type(code))
        else
          assert.equal("boolean", type(has))
        end
      end
    end
  end)

  it("agrees with the version of the kernel", function()
    for list, versions in pairs(since) do
      for name, version in pairs(versions) do
        local has, message = askers[list](name)
        local number, optional = version:match("^([%d.]+)(%??)$")
        if not support.kernel_is(number) then
          assert.is_true(not has, name)
        elseif optional == "" and has ~= true then
          assert.is_nil(has, name)
          assert.truthy(message:find("EPERM", 1, true), message) -- locked memory, before Linux 5.11
        end
      end
    end
  end)

  it("finds what every kernel has", function()
    assert.is_true(features.have_map_type "hash")
    assert.is_true(features.have_map_flag "no_prealloc")
    assert.is_true(features.have_map_flag "BPF_F_NO_PREALLOC")
    assert.is_true(features.have_program_type "socket_filter")
    assert.is_true(features.have_program_helper("socket_filter", "bpf_map_lookup_elem"))
    assert.is_true(features.have_link_kind "raw_tracepoint")
    assert.is_true(features.have_isa "v1")
    assert.is_true(features.have_btf_kind "int")
    assert.is_true(features.have_misc "subprograms")
  end)

  it("tells programs from each other by the helpers they may call", function()
    assert.is_true(features.have_program_helper("xdp", "bpf_xdp_adjust_head"))
    assert.is_false(features.have_program_helper("xdp", "bpf_skb_store_bytes"))
    assert.is_true(features.have_program_helper("sched_cls", "bpf_skb_store_bytes"))
    assert.is_true(features.have_program_helper("tracing", "bpf_get_current_pid_tgid"))
    assert.is_false(features.have_program_helper("tracing", "bpf_xdp_adjust_head"))
    assert.is_true(features.have_program_helper("struct_ops", "bpf_map_lookup_elem"))
    assert.is_false(features.have_program_helper("struct_ops", "bpf_xdp_adjust_head"))
    local has, message, code = features.have_program_helper("ext", "bpf_map_lookup_elem")
    assert.is_nil(has)
    assert.is_true(code == errno.EINVAL or code == errno.EPERM, message)
  end)

  it("leaves no traces unless it is allowed to", function()
    for _, helper in ipairs { "bpf_trace_printk", "bpf_trace_vprintk", "bpf_probe_write_user" } do
      local has, message, code = features.have_program_helper("raw_tracepoint", helper)
      assert.is_nil(has)
      assert.equal(errno.ECANCELED, code)
      assert.truthy(message:find("asking leaves traces", 1, true), message)
    end
    assert.equal("boolean", type(features.have_program_helper("raw_tracepoint", "bpf_trace_printk", { full = true })))
    assert.equal("boolean", type(features.have_program_helper("raw_tracepoint", "bpf_trace_printk")))
  end)

  it("asks once for what the kernel has said", function()
    local probe, calls = core.probe_map_flag, 0
    core.probe_map_flag = function(...)
      calls = calls + 1
      return probe(...)
    end
    for _ = 1, 3 do
      features.have_map_flag "rb_overwrite"
    end
    assert.is_true(calls <= 1)
    local answers, old = { { nil, "no", errno.EPERM }, { true } }, features.have_isa "v1"
    assert.is_true(old)
    core.probe_map_flag = probe

    -- What it did not say is asked again.
    package.loaded["ebpf.features"] = nil
    local fresh = require "ebpf.features"
    package.loaded["ebpf.features"] = features
    calls = 0
    core.probe_map_flag = function()
      calls = calls + 1
      return answers[calls][1], answers[calls][2], answers[calls][3]
    end
    local first, message, code = fresh.have_map_flag "mmapable"
    local second, third = fresh.have_map_flag "mmapable", fresh.have_map_flag "mmapable"
    core.probe_map_flag = probe
    assert.same({ nil, "no", errno.EPERM, true, true, 2 }, { first, message, code, second, third, calls })
  end)

  it("says what is missing to who may not ask", function()
    local output, status = support.run_lua([[
      local features = require("ebpf").features
      local function check(has, message, code)
        assert(has == nil and code == 1, message)
        assert(message:find("this process lacks CAP_", 1, true), message)
      end
      check(features.have_map_type "hash")
      check(features.have_map_flag "mmapable")
      check(features.have_program_type "xdp")
      check(features.have_program_helper("xdp", "bpf_map_lookup_elem"))
      check(features.have_link_kind "xdp")
      check(features.have_isa "v2")
      check(features.have_btf_kind "float")
      check(features.have_misc "bounded_loops")
      print "well"
    ]], support.unprivileged)
    assert.same({ "well\n", 0 }, { output, status })
  end)

  it("takes a no for no answer from who lacks capabilities that helpers need", function()
    local caps = "-all,+bpf,+net_admin"
    local command = ("setpriv --inh-caps=%s --ambient-caps=%s --bounding-set=%s --reuid=65534 --clear-groups %s -e %s")
    local output, status = support.run(command:format(caps, caps, caps, support.lua, support.quote [[
      local ok, features = pcall(function() return require("ebpf").features end)
      if not ok then print "unreadable" return end
      print(features.have_program_helper("xdp", "bpf_map_lookup_elem"))
      print(features.have_program_helper("xdp", "bpf_get_current_task"))
    ]]))
    if output == "unreadable\n" then
      return pending "the module cannot be read by others than root here"
    end
    assert.equal(0, status, output)
    assert.equal('true\nnil\tprobe helper "bpf_get_current_task": refused, maybe for lack of CAP_PERFMON\t1\n', output)
  end)

  it("believes a kernel that refuses", function()
    local launcher = support.tmpdir() .. "/without_links"
    support.check_run { "cc", "-Wall", "-o", launcher, "spec/support/without_links.c" }
    local output, status = support.run_lua([[
      local ebpf = require "ebpf"
      for _, kind in ipairs { "cgroup", "netns", "xdp", "perf_event", "tcx", "netfilter", "uprobe_multi", "sockmap" } do
        assert(ebpf.features.have_link_kind(kind) == false, kind)
      end
      assert(ebpf.features.have_misc "links" == false)
      assert(ebpf.features.have_misc "batches" and ebpf.features.have_link_kind "raw_tracepoint")
      local report = ebpf.doctor()
      assert(report.seccomp.state == "note" and report.bpf.state == "ok")
      print "well"
    ]], function(command)
      return launcher .. " " .. command
    end)
    assert.same({ "well\n", 0 }, { output, status })
  end)

  it("raises for names it does not know", function()
    for _, ask in pairs(askers) do
      for _, name in ipairs { "no_such_thing", "", "unspec" } do
        local ok, message = pcall(ask, name)
        assert.is_false(ok)
        assert.truthy(message:find("unknown", 1, true), message)
      end
      assert.is_false(pcall(ask))
      assert.is_false(pcall(ask, {}))
      assert.is_false(pcall(ask, 1))
    end
    assert.is_false(pcall(features.have_program_helper, "xdp", "no_such_helper"))
    assert.is_false(pcall(features.have_program_helper, "xdp"))
    assert.is_false(pcall(features.have_program_helper, "nothing", "bpf_map_lookup_elem"))
    assert.is_false(pcall(features.have_program_helper, "xdp", "bpf_map_lookup_elem", { fool = true }))
  end)
end)

describe("what bpftool finds out", function()
  local probed

  setup(function()
    probed = bpftool_probe()
  end)

  it("about types of maps is the same", function()
    local count = 0
    for name, has in pairs(probed.map_types) do
      local short = name:match("^have_(.*)_map_type$")
      assert.equal(has, features.have_map_type(short), short)
      count = count + 1
    end
    assert.is_true(count > 25)
  end)

  it("about types of programs is the same, save where it asks for less", function()
    local count = 0
    for name, has in pairs(probed.program_types) do
      local short = name:match("^have_(.*)_prog_type$")
      local mine, message, code = features.have_program_type(short)
      if mine == nil then
        -- bpftool takes every refusal for a no, and this one is none: the kernel forbids such programs.
        assert.same({ false, errno.EPERM }, { has, code }, message)
      elseif short == "tracing" and mine ~= has then
        -- It asks for tracing programs as fentry alone. Where that is forbidden, tp_btf and iterators may be allowed.
        assert.is_true(features.have_link_kind "fentry" == nil and features.have_link_kind "tp_btf")
      else
        assert.equal(has, mine, short)
      end
      count = count + 1
    end
    assert.is_true(count > 25)
  end)

  -- What the verifier says to a call of a helper.
  local function refusal(program_type, helper_number)
    local attach_types = { cgroup_sock_addr = "cgroup_inet4_connect", cgroup_sockopt = "cgroup_getsockopt",
      sk_lookup = "sk_lookup", netfilter = "netfilter" }
    local program, message, _, log = ebpf.new_program({
      type = program_type,
      attach_type = attach_types[program_type],
      flags = program_type == "syscall" and 16 or nil, -- BPF_F_SLEEPABLE
      license = "GPL",
      instructions = insn.slot(0x85, 0, 0, 0, helper_number) .. insn.exit,
    })
    if program then
      program:close()
    end
    return (message or "") .. (log or "")
  end

  it("about helpers is the same, save what it cannot read", function()
    local numbers = {}
    for number, name in ipairs(features.names.helpers) do
      numbers[name] = number
    end
    local old = bpftool_version() < 7005
    local compared, misread = 0, 0
    for key, list in pairs(probed.helpers) do
      local program_type = key:match("^(.*)_available_helpers$")
      local theirs = {}
      for _, helper in ipairs(list) do
        theirs[helper] = true
      end
      for number, helper in ipairs(features.names.helpers) do
        local mine, message, code = features.have_program_helper(program_type, helper)
        local has = theirs[helper] or false
        compared = compared + 1
        if core.helper_is_loud(helper) then
          has = mine -- which bpftool leaves out
        end
        if mine == nil then
          assert.is_true(code == errno.ECANCELED or code == errno.EPERM or code == errno.EINVAL, message)
        elseif mine and not has then
          -- For these it says nothing at all; and it may be older than the helper.
          assert.is_true(#list == 0 or number > 208, program_type .. " " .. helper)
        elseif has and not mine then
          -- Linux 6.12 has new words for this, which bpftool before 7.5 takes for a yes.
          assert.is_true(old, program_type .. " " .. helper)
          local words = refusal(program_type, numbers[helper])
          assert.truthy(words:find("program of this type cannot use helper " .. helper, 1, true)
            or words:find("unknown func", 1, true), words)
          misread = misread + 1
        end
      end
    end
    assert.is_true(compared > 5000)
    if not old then
      assert.equal(0, misread)
    end
  end)

  it("about the rest is the same", function()
    local names = {
      have_large_insn_limit = { features.have_misc, "large_programs" },
      have_bounded_loops = { features.have_misc, "bounded_loops" },
      have_v2_isa_extension = { features.have_isa, "v2" },
      have_v3_isa_extension = { features.have_isa, "v3" },
      have_v4_isa_extension = { features.have_isa, "v4" },
    }
    local count = 0
    for name, has in pairs(probed.misc) do
      assert.equal(has, names[name][1](names[name][2]), name)
      count = count + 1
    end
    assert.is_true(count >= 4)
  end)
end)

describe("kinds of links", function()
  it("are what can be attached", function()
    local function program(kind)
      return support.closing(assert(ebpf.new_program { type = kind, license = "GPL",
        instructions = insn.returning(0) }))
    end
    assert.is_true(features.have_link_kind "raw_tracepoint")
    support.tracefs()
    local link = assert(program("tracepoint"):attach { group = "task", name = "task_rename" })
    assert.equal(features.have_link_kind "perf_event", link:info().id ~= nil)
    link:close()
    link = assert(program("raw_tracepoint"):attach { name = "task_rename" })
    link:close()
  end)
end)
