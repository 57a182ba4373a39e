-- Programs on the real kernel: loading and its failures, test runs, pins, ids, and what closed ones answer.
local ebpf = require "ebpf"
local insn = require "spec.support.insn"
local process = require "spec.support.process"
local support = require "spec.support"

local errno = ebpf.errno

local packet = ("\0"):rep(64)

local function keep(handle, message)
  return support.closing(assert(handle, message))
end

-- A spec of a program that returns 2, with the fields of `fields` in place of the usual.
local function spec_of(fields)
  local spec = { name = "two", type = "xdp", instructions = insn.returning(2), license = "GPL" }
  for name, value in pairs(fields or {}) do
    spec[name] = value
  end
  return spec
end

local function new_program(fields, options)
  return keep(ebpf.new_program(spec_of(fields), options))
end

-- Reads a register that was never written.
local broken = insn.exit

-- 900 000 steps of the verifier, which take it a good part of a second.
local slow = insn.mov(0, 0) .. insn.add(0, 1) .. insn.slot(0xa5, 0, 0, -2, 300000) .. insn.exit

describe("loading a program", function()
  it("gives one that works", function()
    local p = new_program { section = "xdp", attach_type = "xdp", attach_to = "eth0" }
    assert.equal("two", p:name())
    assert.equal("xdp", p:type())
    assert.equal("xdp", p:section())
    assert.equal("xdp", p:attach_type())
    assert.equal("eth0", p:attach_to())
    assert.same({ type = "xdp" }, p:abi())
    assert.equal(("xdp \"two\" #%d"):format(p:fd()), tostring(p))
    assert.is_false(p:is_closed())
    assert.is_nil(p:verifier_log())
    assert.equal(2, (assert(p:test(packet))))
  end)

  it("takes numbers for names of types, also of types nobody knows yet", function()
    assert.equal("xdp", new_program({ type = 6, attach_type = 37 }):type())
    local p, message, code = ebpf.new_program(spec_of { type = 99 })
    assert.same({ nil, errno.EINVAL }, { p, code })
    assert.truthy(message:find("this kernel may not know programs of type 99", 1, true))
    assert.is_nil(new_program():attach_type())
  end)

  it("takes instructions, and leaves the spec as it is", function()
    local spec = assert(ebpf.load_spec(support.fixture("program_basic"))).programs.mark
    local before = spec.instructions:bytes()
    local p = keep(ebpf.new_program(spec))
    assert.equal("sched_cls \"mark\" #" .. p:fd(), tostring(p))
    assert.equal(before, spec.instructions:bytes())
    spec.instructions = spec.instructions:copy()
    assert(keep(ebpf.new_program(spec)):test(packet))
  end)

  it("raises on wrong specs", function()
    for message, fields in pairs {
      ["unknown program spec field 'licence'"] = { licence = "GPL" },
      ["field 'license': missing"] = { license = "" },
      ["field 'instructions': empty"] = { instructions = "" },
      ["field 'instructions': instructions or a string expected"] = { instructions = 5 },
      ["unknown program type 'xpd'"] = { type = "xpd" },
      ["field 'type': missing"] = { type = "unspec" },
      ["unknown attach type 'here'"] = { attach_type = "here" },
      ["invalid character '-' in the name \"a-b\""] = { name = "a-b" },
      ["invalid character \\x0a in the name"] = { name = "a\nb" },
      ["field 'name': contains a NUL byte"] = { name = "a\0b" },
      ["field 'flags': integer out of range"] = { flags = 2 ^ 32 },
    } do
      local ok, raised = pcall(ebpf.new_program, spec_of(fields))
      assert.is_false(ok)
      assert.truthy(raised:find(message, 1, true), raised)
    end
    for _, name in ipairs { "type", "license", "instructions" } do
      local spec = spec_of()
      spec[name] = nil
      local ok, raised = pcall(ebpf.new_program, spec)
      assert.is_false(ok)
      assert.truthy(raised:find(("field '%s': missing"):format(name), 1, true), raised)
    end
    assert.has_error(function() ebpf.new_program() end)
    assert.has_error(function() ebpf.new_program(spec_of(), { log_sise = 1 }) end)
    assert.has_error(function() ebpf.new_program(spec_of(), { log_size = 127 }) end)
    assert.has_error(function() ebpf.new_program(spec_of(), { log_size = 2 ^ 30 }) end)
  end)

  -- What a program of each type that needs no more than two instructions may return, and attach to.
  local kinds = {
    socket_filter = {}, kprobe = {}, sched_cls = {}, sched_act = {}, tracepoint = {}, xdp = {}, perf_event = {},
    cgroup_skb = {}, cgroup_sock = { returns = 1 }, lwt_in = {}, lwt_out = {}, lwt_xmit = {},
    sock_ops = { returns = 1 }, sk_skb = {},
    cgroup_device = { returns = 1 }, sk_msg = { returns = 1 }, raw_tracepoint = {},
    cgroup_sock_addr = { returns = 1, attach_type = "cgroup_inet4_bind" }, lwt_seg6local = {},
    sk_reuseport = { returns = 1, attach_type = "sk_reuseport_select" }, flow_dissector = {},
    cgroup_sysctl = { returns = 1 }, raw_tracepoint_writable = {},
    syscall = { flags = 16, since = "5.14" }, -- BPF_F_SLEEPABLE
    cgroup_sockopt = { returns = 1, attach_type = "cgroup_setsockopt" }, netfilter = { returns = 1,
      attach_type = "netfilter", since = "6.4" }, sk_lookup = { returns = 1, attach_type = "sk_lookup" },
  }
  for kind, needs in pairs(kinds) do
    it("can be of type " .. kind, function()
      local p = support.granted(needs.since or "5.10", kind, ebpf.new_program(spec_of {
        type = kind, instructions = insn.returning(needs.returns or 0), attach_type = needs.attach_type,
        flags = needs.flags }))
      assert.equal(kind, p:type())
      assert.equal(kind, assert(p:info()).type)
      p:close()
    end)
  end

  it("takes the addresses of functions, wherever the instructions come from", function()
    support.needs("5.17", "bpf_loop")
    -- r1 = 3; r2 = callback; r3 = r4 = 0; call bpf_loop; exit; callback: r0 = 0; exit
    local function calling_back(distance)
      return insn.mov(1, 3) .. insn.slot(0x18, 2, 4, 0, distance) .. insn.slot(0, 0, 0, 0, 0) .. insn.mov(3, 0)
        .. insn.mov(4, 0) .. insn.slot(0x85, 0, 0, 0, 181) .. insn.exit .. insn.mov(0, 0) .. insn.exit
    end
    for _, name in ipairs { "", "loops", "a.b", "7up", "_x", ("long"):rep(30) } do
      local p = new_program { name = name, instructions = calling_back(5) }
      assert.equal(3, (assert(p:test(packet))))
      local before = support.fds()
      p:close()
      for fd, what in pairs(before) do
        assert.is_nil(what:find("btf"), fd .. " " .. what)
      end
    end
    for _, distance in ipairs { -100, 100, 2 ^ 31 - 1, -2 ^ 31, 0, -2 } do
      local p, message, code = ebpf.new_program(spec_of { instructions = calling_back(distance) })
      assert.is_nil(p)
      assert.equal("number", type(code))
      assert.truthy(message:find('^load program "two": '), message)
    end
  end)

  it("tells the kernel the first 15 bytes of the name", function()
    local p = new_program { name = "a.name_that_is_rather_long" }
    assert.equal("a.name_that_is_rather_long", p:name())
    assert.equal("a.name_that_is_", p:info().name)
    assert.equal("", new_program({ name = "" }):name())
  end)

  it("never drops an attach type that the section does not imply", function()
    local p, message, code = ebpf.new_program(spec_of {
      type = "cgroup_skb", section = "cgroup_skb/ingress", attach_type = "netfilter" })
    assert.same({ nil, errno.EINVAL }, { p, code }, message)
  end)

  it("passes flags and the kernel's version on", function()
    new_program { flags = 2, kernel_version = 0x061200 }
    local p, _, code = ebpf.new_program(spec_of { flags = 0x80000000 })
    assert.same({ nil, errno.EINVAL }, { p, code })
  end)

  it("refuses bytes that are no instructions", function()
    local p, message, code = ebpf.new_program(spec_of { instructions = "abc" })
    assert.same({ nil, errno.EINVAL }, { p, code })
    assert.truthy(message:find("3 bytes", 1, true))
  end)

  it("refuses the other byte order", function()
    local spec = assert(ebpf.load_spec(support.fixture("program_basic", "bigendian"))).programs.mark
    local p, message, code = ebpf.new_program(spec)
    assert.same({ nil, errno.ENOEXEC }, { p, code })
    assert.truthy(message:find("^load program \"mark\": the instructions are in the byte order of another machine"))
  end)

  it("names references that are not satisfied", function()
    local programs = assert(ebpf.load_spec(support.fixture("program_basic"))).programs
    local p, message, code = ebpf.new_program(programs.count_packets)
    assert.same({ nil, errno.ENOENT }, { p, code })
    assert.truthy(message:find("^load program \"count_packets\": reference to \"counters\" is not satisfied: "))
    message = select(2, ebpf.new_program(programs.store_constant))
    assert.truthy(message:find("reference to \"MY_CONSTANT\" is not satisfied", 1, true))
  end)

  it("collects unreachable programs when descriptors run out", function()
    support.needs("5.13", "the address of a function")
    local output, status = support.run_lua([[
      local ebpf = require "ebpf"
      local process = require "spec.support.process"
      local insn = require "spec.support.insn"
      process.limit_files(40)
      collectgarbage "stop"
      for _ = 1, 200 do
        local p = assert(ebpf.new_program {
          type = "xdp", instructions = insn.returning(0), license = "GPL" })
        assert(ebpf.program_from_id(assert(p:clone()):info().id))
        -- This one takes the address of a function, of which the kernel has to be told by another file.
        assert(ebpf.new_program { type = "xdp", license = "GPL",
          instructions = insn.slot(0x18, 2, 4, 0, 3) .. insn.slot(0, 0, 0, 0, 0) .. insn.returning(0):rep(2) })
      end]])
    assert.same({ "", 0 }, { output, status })
  end)
end)

describe("the verifier's log", function()
  it("comes with a failure, its last words in the message", function()
    local p, message, code, log = ebpf.new_program(spec_of { name = "broken", instructions = broken })
    assert.is_nil(p)
    -- Linux 7.3 gives a reason of its own.
    assert.matches('^load program "broken": permission denied %(EACCES%): R0 !read_ok, at instruction 0 %(exit%): ',
      message)
    assert.truthy(message:find(": the register has no value on this path", 1, true)
      or message:find(": R0 has never been initialized on this path", 1, true), message)
    assert.equal(errno.EACCES, code)
    assert.truthy(log:find("R0 !read_ok\n", 1, true))
    assert.truthy(log:find("processed 1 insns", 1, true))
  end)

  it("comes whole, megabytes of it", function()
    local long = insn.mov(0, 0) .. insn.add(0, 1):rep(60000) .. insn.mov(10, 0) .. insn.exit
    for _, options in ipairs { {}, { log_size = 128 }, { log_size = 2 ^ 24 } } do
      local p, message, code, log = ebpf.new_program(spec_of { instructions = long }, options)
      assert.same({ nil, errno.EACCES }, { p, code })
      assert.truthy(message:find(": frame pointer is read only, at instruction 60001 (r10 = 0): ", 1, true), message)
      assert.is_true(#log > 1e6)
      for _, line in ipairs { "\n1: (07) r0 += 1", "\n30000: (07) r0 += 1", "\n60001: (b7) r10 = 0", "\nprocessed" } do
        assert.truthy(log:find(line, 1, true), line)
      end
    end
  end)

  it("is there after success when asked for", function()
    local p = new_program({}, { log_level = 2, log_size = 128 })
    assert.truthy(p:verifier_log():find("1: (95) exit\n", 1, true))
    assert.truthy(p:verifier_log():find("processed 2 insns", 1, true))
    assert.equal(p:verifier_log(), keep(p:clone()):verifier_log())
    p = new_program({}, { log_level = 4 })
    assert.truthy(p:verifier_log():find("processed 2 insns", 1, true))
    assert.is_nil(p:verifier_log():find("exit", 1, true))
  end)

  it("is in the level asked for after a failure", function()
    local log = select(4, ebpf.new_program(spec_of { instructions = broken }, { log_level = 4 }))
    assert.truthy(log:find("processed 1 insns", 1, true))
    assert.is_nil(log:find("(95) exit", 1, true))
  end)

  it("is summed up from the instruction that it is about", function()
    for expected, instructions in pairs {
      ["invalid access to packet, off=0 size=4, R0(id=0,off=0,r=0); R0 offset is outside of the packet, at instruction "
        .. "1 (r0 = *(u32 *)(r0 +0))"] =
        insn.slot(0x61, 0, 1, 0, 0) .. insn.slot(0x61, 0, 0, 0, 0) .. insn.exit,
      ["unreachable insn 2, at instruction 2 (exit)"] = insn.mov(0, 0) .. insn.slot(0x05, 0, 0, -2, 0) .. insn.exit,
    } do
      local message = select(2, ebpf.new_program { type = "xdp", instructions = instructions, license = "GPL" })
      local said = message:match("^load unnamed program of type xdp: [a-z ]+ %(E%u+%): (.*%)): ")
      -- What Linux 7.3 says.
      said = said:gsub("R0 min value is outside of the allowed memory range", "R0 offset is outside of the packet")
      assert.equal(expected, said)
    end
  end)

  it("is absent where the kernel had nothing to say", function()
    assert.equal(3, select("#", ebpf.new_program(spec_of { type = 99 })))
  end)

  it("is not hurt by a storm of signals, and neither is loading", function()
    finally(function() process.interrupt(0) end)
    process.interrupt(0.001)
    new_program { type = "socket_filter", instructions = slow }
    local p, message = ebpf.new_program(spec_of { type = "socket_filter",
      instructions = slow:sub(1, -9) .. insn.mov(10, 0) .. insn.exit })
    assert.is_nil(p)
    assert.truthy(message:find("frame pointer is read only", 1, true), message)
  end)
end)

describe("an unprivileged user", function()
  -- What loading prints with these capabilities left.
  local function try(fields, keep_caps)
    local text = ([[
      local ebpf = require "ebpf"
      local insn = require "spec.support.insn"
      local p, message, code = ebpf.new_program {
        name = "mine", type = "%s", instructions = insn.returning(0), license = "GPL" }
      print(p and "loaded" or message)
      print(code)]]):format(fields)
    return (support.run_lua(text, function(command)
      return support.unprivileged(command, keep_caps)
    end))
  end

  it("is told which capability is missing", function()
    assert.equal("load program \"mine\": operation not permitted (EPERM): needs CAP_BPF and CAP_NET_ADMIN, "
      .. "or CAP_SYS_ADMIN before Linux 5.8; this process lacks CAP_BPF and CAP_NET_ADMIN\n1\n", try("xdp"))
    assert.truthy(try("kprobe"):find("needs CAP_BPF and CAP_PERFMON,", 1, true))
    assert.truthy(try("socket_filter"):find("needs CAP_BPF, or CAP_SYS_ADMIN before Linux 5.8; this process lacks "
      .. "CAP_BPF\n", 1, true))
    assert.truthy(try("xdp", { "bpf" }):find("lacks CAP_NET_ADMIN\n", 1, true))
    assert.truthy(try("tracepoint", { "bpf" }):find("lacks CAP_PERFMON\n", 1, true))
  end)

  it("loads with the capabilities that do it", function()
    assert.equal("loaded\nnil\n", try("socket_filter", { "bpf" }))
    assert.equal("loaded\nnil\n", try("xdp", { "bpf", "net_admin" }))
    assert.equal("loaded\nnil\n", try("tracepoint", { "bpf", "perfmon" }))
    assert.equal("loaded\nnil\n", try("xdp", { "sys_admin" }))
  end)

  it("is told that a user namespace does not help", function()
    support.skip_unless_runs("unshare --user --map-root-user true", "user namespaces")
    local output = support.run_lua([[
      local ebpf = require "ebpf"
      local insn = require "spec.support.insn"
      print(select(2, ebpf.new_program { type = "xdp", instructions = insn.returning(0), license = "GPL" }))]],
      function(command)
        return "unshare --user --map-root-user " .. command
      end)
    assert.truthy(output:find("capabilities of a user namespace do not count", 1, true), output)
  end)

  it("cannot open programs by id", function()
    local output = support.run_lua([[
      local ebpf = require "ebpf"
      print(select(2, ebpf.program_from_id(1)))
      print(pcall(function() for _ in ebpf.program_ids() do end end))]],
      support.unprivileged)
    assert.truthy(output:find("^open program with id 1: operation not permitted %(EPERM%): needs CAP_SYS_ADMIN;"))
    assert.truthy(output:find("\nfalse\t.*list programs: operation not permitted %(EPERM%)"), output)
  end)
end)

describe("running a program", function()
  local programs, counters

  before_each(function()
    local collection = support.drop_newer(assert(ebpf.load_spec(support.fixture("program_basic"))), { add = "5.14" })
    counters = keep(ebpf.new_map(collection.maps.counters))
    programs = setmetatable({}, { __index = function(_, name)
      local spec = collection.programs[name]
      spec.instructions:rewrite_map("counters", counters)
      spec.instructions:rewrite_constant("MY_CONSTANT", 1)
      return keep(ebpf.new_program(spec))
    end })
  end)

  it("gives the result and the packet", function()
    local sent = "0123456789abcdef" .. packet
    local retval, out = programs.count_packets:test(sent)
    assert.same({ 2, sent }, { retval, out })
    assert.equal(1, tonumber(counters:get(0)))
    -- Results are unsigned.
    assert.equal(4294967295, (assert(programs.mark:test(packet))))
  end)

  it("gives packets that grew, at the head and far beyond the end", function()
    local retval, out = programs.grow_head:test(packet)
    assert.same({ 2, #packet + 200 }, { retval, #out })
    retval, out = programs.grow_tail:test(packet)
    assert.same({ 0, 2000 }, { retval, #out })
  end)

  it("needs input", function()
    local p = programs.count_packets
    assert.error_matches(function() p:test("") end, "missing input")
    assert.error_matches(function() p:benchmark("", 1) end, "missing input")
    assert.has_error(function() p:test() end)
    local retval, message, code = p:test("short")
    if retval and not support.kernel_is("5.18") then
      return -- no frame is too short
    end
    assert.same({ nil, errno.EINVAL }, { retval, code })
    assert.equal("test-run program \"count_packets\": invalid argument (EINVAL): "
      .. "the data has to begin with an Ethernet header, 14 bytes", message)
  end)

  it("measures the time of a run", function()
    local retval, duration = programs.mark:benchmark(packet, 1000)
    assert.equal(4294967295, retval)
    assert.is_true(duration >= 0 and duration < 1e6)
    assert(programs.count_packets:benchmark(packet, 50))
    assert.equal(50, tonumber(counters:get(0)))
    for _, times in ipairs { 0, -1, 1.5, 2 ^ 32 } do
      assert.has_error(function() programs.mark:benchmark(packet, times) end)
    end
    assert.has_error(function() programs.mark:benchmark(packet) end)
  end)

  it("survives a storm of signals", function()
    finally(function() process.interrupt(0) end)
    local p = programs.mark
    process.interrupt(0.001)
    local retval, duration = p:benchmark(packet, 3000000)
    assert.equal(4294967295, retval, duration)
    for _ = 1, 1000 do
      assert(p:test(packet))
    end
  end)

  it("takes and gives a context", function()
    local context = ("\0"):rep(8) .. "\41\0\0\0" .. ("\0"):rep(180)
    local result = assert(programs.mark:run { data = packet, context = context })
    assert.equal(4294967295, result.retval)
    assert.equal(packet, result.data)
    assert.equal("\42\0\0\0", result.context:sub(9, 12))
    assert.is_true(#result.context >= (support.kernel_is("5.16") and #context or 184))
    assert.is_nil(programs.mark:run({ data = packet }).context)
  end)

  it("repeats, and gives no more room than it is told to", function()
    assert.equal(2, assert(programs.count_packets:run { data = packet, times = 10 }).retval)
    assert.equal(10, tonumber(counters:get(0)))
    local result, message, code = programs.grow_tail:run { data = packet, data_out_size = 100 }
    assert.same({ nil, errno.ENOSPC }, { result, code })
    assert.truthy(message:find("2000 bytes of data come out", 1, true), message)
    assert.equal(2000, #assert(programs.grow_tail:run { data = packet, data_out_size = 2000 }).data)
    assert.equal(2000, #assert(programs.grow_tail:run { data = packet }).data)
  end)

  it("sends XDP frames for real", function()
    -- 1: XDP_DROP, so that they go nowhere.
    local p = new_program { instructions = insn.returning(1) }
    local result = support.granted("5.18", "sending XDP frames",
      p:run { data = packet, flags = 2, times = 100, batch_size = 8 })
    assert.equal(packet, result.data)
    local _, message = p:run { data = packet, cpu = 0 }
    assert.truthy(message:find("only raw tracepoint programs can be run on a cpu of choice", 1, true))
  end)

  it("runs raw tracepoint programs on the CPU asked for", function()
    local p = programs.sum_arguments
    for _, cpu in ipairs(support.online_cpus()) do
      local result = assert(p:run { context = "\40\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0", cpu = cpu, times = 1 })
      assert.same({ retval = 0, duration = 0 }, result)
      assert.equal(42, tonumber(counters:get(2)))
      assert.equal(cpu, tonumber(counters:get(3)))
    end
    local result, message, code = p:test(packet)
    assert.same({ nil, errno.EINVAL }, { result, code })
    assert.truthy(message:find("take a context, a cpu and flags", 1, true))
    assert.is_nil((p:run { context = ("\0"):rep(16), cpu = 100000 }))
  end)

  it("runs syscall programs, whose context comes back", function()
    support.needs("5.14", "syscall programs")
    local context = "\1\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0" .. ("\255"):rep(8)
    local result = assert(programs.add:run { context = context })
    assert.equal(7, result.retval)
    assert.equal(context:sub(1, 16) .. "\3\0\0\0\0\0\0\0", result.context)
    assert.equal(("\255"):rep(8), context:sub(17))
    local message = select(2, programs.add:run { context = context, data = packet })
    assert.truthy(message:find("take a context of at most 65535 bytes, and nothing else", 1, true))
  end)

  it("says when the kernel cannot", function()
    local result, message, code = programs.trace:test(packet)
    assert.same({ nil, 524 }, { result, code })
    assert.truthy(message:find("this kernel cannot test-run programs of type tracepoint", 1, true))
  end)

  it("refuses unknown options", function()
    local p = programs.mark
    assert.has_error(function() p:run { repeats = 5 } end)
    assert.has_error(function() p:run { data = 5 } end)
    assert.has_error(function() p:run { times = -1 } end)
    assert.has_error(function() p:run { data = packet, data_out_size = 2 ^ 31 } end)
    assert.has_error(function() p:run(5) end)
    local result, _, code = p:run()
    assert.same({ nil, errno.EINVAL }, { result, code })
  end)
end)

describe("information", function()
  it("tells what the kernel knows", function()
    local collection = support.drop_newer(assert(ebpf.load_spec(support.fixture("program_basic"))), { add = "5.14" })
    local counters = keep(ebpf.new_map(collection.maps.counters))
    local spec = collection.programs.count_packets
    assert(spec.instructions:rewrite_map("counters", counters))
    local p = keep(ebpf.new_program(spec))
    local info = assert(p:info())
    assert.equal("xdp", info.type)
    assert.equal("count_packets", info.name)
    assert.truthy(info.tag:find("^%x+$") and #info.tag == 16)
    assert.is_true(info.id > 0)
    assert.is_true(info.gpl_compatible)
    assert.same({ counters:info().id }, info.map_ids)
    assert.equal(0, info.created_by_uid)
    assert.is_true(info.xlated_prog_len > 0)
    assert.equal(support.kernel_is("5.16"), (info.verified_insns or 0) > 0)
    assert.is_true(tonumber(info.load_time) > 0)
    assert.same({}, new_program():info().map_ids)
    assert.is_false(new_program({ license = "Proprietary" }):info().gpl_compatible)
    -- bpftool tells the same.
    local shown = support.check_run { "bpftool", "prog", "show", "id", tostring(info.id) }
    assert.truthy(shown:find(("%d: xdp  name count_packets  tag %s  gpl"):format(info.id, info.tag), 1, true), shown)
  end)

  it("counts runs when the kernel is told to", function()
    local switch = "/proc/sys/kernel/bpf_stats_enabled"
    local before = support.read_file(switch)
    finally(function() support.write_file(switch, before) end)
    local p = new_program { type = "sched_cls" }
    support.write_file(switch, "1")
    assert(p:benchmark(packet, 1000))
    local stats = assert(p:stats())
    assert.equal(1000, tonumber(stats.run_cnt))
    assert.equal(support.kernel_is("5.12") and 0 or nil, tonumber(stats.recursion_misses))
    assert.is_true(tonumber(stats.run_time_ns) > 0)
    assert.is_true(p:info().run_cnt == stats.run_cnt)
  end)

  it("finds programs by id", function()
    local p = new_program { name = "findable" }
    local id = p:info().id
    local same = keep(ebpf.program_from_id(id))
    assert.equal(("xdp \"findable\" #%d"):format(same:fd()), tostring(same))
    assert.same({ id, "findable", "xdp" }, { same:info().id, same:name(), same:type() })
    assert.is_nil(same:section())

    local seen, before = false, 0
    for other in ebpf.program_ids() do
      assert.is_true(other > before)
      before, seen = other, seen or other == id
    end
    assert.is_true(seen)

    same:close()
    p:close()
    local missing, message, code = ebpf.program_from_id(id)
    assert.same({ nil, errno.ENOENT }, { missing, code })
    assert.truthy(message:find(("^open program with id %d: "):format(id)))
    assert.has_error(function() ebpf.program_from_id(-1) end)
    assert.has_error(function() ebpf.program_from_id() end)
  end)

  it("is checked by an abi", function()
    local p = new_program()
    assert.is_true(ebpf.program_abi({ type = "xdp" }):check(p))
    assert.is_true(ebpf.program_abi({}):check(p))
    assert.is_true(ebpf.program_abi({ type = "xdp" }):check_spec(spec_of()))
    local ok, message, code = ebpf.program_abi({ type = "sched_cls" }):check(p)
    assert.same({ nil, errno.EINVAL }, { ok, code })
    assert.truthy(message:find("sched_cls", 1, true) and message:find("xdp", 1, true))
    assert.is_nil((ebpf.program_abi({ type = "sched_cls" }):check_spec(spec_of())))
    assert.has_error(function() ebpf.program_abi { tipe = "xdp" } end)
    p:close()
    assert.equal(errno.EBADF, select(3, ebpf.program_abi({}):check(p)))
  end)
end)

describe("a pin", function()
  local directory

  before_each(function()
    directory = support.bpffs()
  end)

  it("keeps the program, and opens it", function()
    local path = directory .. "/kept"
    local p = new_program { name = "pinned_program_name" }
    local id = p:info().id
    assert.same({ false }, { p:is_pinned() })
    assert.is_true(p:pin(path))
    assert.is_true(p:is_pinned())
    assert.is_true(p:pin(path)) -- once more: nothing to do
    p:close()

    p = keep(ebpf.load_pinned_program(path))
    assert.same({ id, "xdp", "pinned_program_", true, path }, { p:info().id, p:type(), p:name(), p:is_pinned() })
    assert.is_true(p:unpin())
    assert.is_true(p:unpin())
    assert.is_false(p:is_pinned())
    assert.is_false(support.exists(path))
  end)

  it("moves, and replaces nothing", function()
    local p, other = new_program(), new_program { name = "other" }
    assert(p:pin(directory .. "/a"))
    assert(p:pin(directory .. "/b"))
    assert.is_false(support.exists(directory .. "/a"))
    assert(other:pin(directory .. "/a"))
    local ok, message, code = p:pin(directory .. "/a")
    assert.same({ nil, errno.EEXIST }, { ok, code })
    assert.truthy(message:find("^pin program \"two\": \".*/a\": file exists"))
    assert.is_true(p:is_pinned() and support.exists(directory .. "/b"))
    -- Somebody removed it: pinning makes a new one.
    os.remove(directory .. "/b")
    assert(p:pin(directory .. "/c"))
    assert.is_true(support.exists(directory .. "/c"))
    -- Somebody removed it: unpinning has nothing to do.
    os.remove(directory .. "/c")
    assert.is_true(p:unpin())
    assert(other:unpin())
  end)

  it("is not inherited by a clone", function()
    local p = new_program { section = "xdp" }
    assert(p:pin(directory .. "/a"))
    local clone = keep(p:clone())
    assert.is_false(clone:is_pinned())
    assert.same({ p:info().id, "two", "xdp", "xdp" },
      { clone:info().id, clone:name(), clone:type(), clone:section() })
    assert.not_equal(p:fd(), clone:fd())
    assert(clone:unpin())
    assert.is_true(support.exists(directory .. "/a"))
    assert(p:unpin())
    p:close()
    assert.equal(2, (assert(clone:test(packet))))
  end)

  it("stays in bpf file systems", function()
    local p = new_program()
    local path = support.tmpdir()
    local ok, message, code = p:pin(path .. "/x")
    assert.same({ nil, errno.EINVAL }, { ok, code })
    assert.equal(("pin program \"two\": \"%s\" is not on a bpf filesystem: "
      .. "mount one with `mount -t bpf bpf /sys/fs/bpf`"):format(path), message)
    ok, message, code = p:pin(directory .. "/no/x")
    assert.same({ nil, errno.ENOENT }, { ok, code })
    assert.truthy(message:find("directory \".*/no\": no such file"))
    ok, message, code = p:pin(directory .. "/a.b")
    assert.same({ nil, errno.EPERM }, { ok, code })
    assert.truthy(message:find("cannot have a dot", 1, true))
    assert.is_false(p:is_pinned())
    assert.has_error(function() p:pin("") end)
    assert.has_error(function() p:pin(directory .. "/a\0b") end)
    assert.has_error(function() p:pin() end)
  end)

  it("is opened only as what it is", function()
    local p = new_program()
    local map = keep(ebpf.new_map { type = "array", key_size = 4, value_size = 4, max_entries = 1 })
    assert(p:pin(directory .. "/program"))
    assert(map:pin(directory .. "/map"))
    assert.is_nil((ebpf.load_pinned_map(directory .. "/program")))
    local wrong, message, code = ebpf.load_pinned_program(directory .. "/map")
    assert.same({ nil, errno.EINVAL }, { wrong, code })
    assert.equal(("open pinned program \"%s/map\": it is a map, not a program"):format(directory), message)

    assert.equal("xdp", keep(ebpf.load_pinned_program(directory .. "/program", { type = "xdp" })):type())
    wrong, message, code = ebpf.load_pinned_program(directory .. "/program", ebpf.program_abi { type = "kprobe" })
    assert.same({ nil, errno.EINVAL }, { wrong, code })
    assert.truthy(message:find("its type is xdp, not kprobe", 1, true))
    assert.has_error(function() ebpf.load_pinned_program(directory .. "/program", { type = "none" }) end)
    assert.has_error(function() ebpf.load_pinned_program(directory .. "/program", { kind = "xdp" }) end)
    assert.has_error(function() ebpf.load_pinned_program(directory .. "/program\0") end)
    assert(p:unpin())
    assert(map:unpin())

    assert.equal(errno.ENOENT, select(3, ebpf.load_pinned_program(directory .. "/program")))
    message = select(2, ebpf.load_pinned_program("/etc/passwd"))
    assert.truthy(message:find("\"/etc\" is not on a bpf filesystem", 1, true), message)
  end)
end)

describe("a closed program", function()
  local calls = {
    test = { packet }, benchmark = { packet, 1 }, run = { {} }, info = {}, stats = {}, clone = {}, pin = { "/x" },
    unpin = {}, is_pinned = {}, name = {}, type = {}, attach_type = {}, attach_to = {}, section = {},
    verifier_log = {}, abi = {}, fd = {}, instructions = {}, lines = {}, jited = {}, read_stream = { "stdout" },
  }

  local function check(p)
    local unpack = rawget(_G, "unpack") or rawget(table, "unpack")
    for method, arguments in pairs(calls) do
      local result, message, code = p[method](p, unpack(arguments))
      assert.same({ nil, errno.EBADF }, { result, code }, method)
      assert.equal("string", type(message), method)
    end
  end

  it("answers EBADF, also when its number is somebody else's", function()
    local p = new_program()
    local fd = p:fd()
    assert.is_true(p:close())
    check(p)
    local other = new_program { name = "other", instructions = insn.returning(1) }
    assert.equal(fd, other:fd())
    check(p)
    assert.is_true(p:close())
    assert.is_true(p:is_closed())
    assert.equal("xdp \"two\" (closed)", tostring(p))
    assert.equal(1, (assert(other:test(packet))))
    assert.is_false(other:is_closed())
  end)

  it("has every method looked at here", function()
    for name in pairs(require("ebpf.core").methods.program) do
      assert.is_true(calls[name] ~= nil or name == "close" or name == "is_closed" or name == "attach", name)
    end
  end)
end)
