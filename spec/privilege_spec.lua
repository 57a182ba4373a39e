--- What each call needs: the table of README's section "Privileges", row by row; and what is left to a process that
--- loaded as root and gave everything up. kernel.unprivileged_bpf_disabled is left as it is.
local ebpf = require "ebpf"
local process = require "spec.support.process"
local support = require "spec.support"

local bits = { net_admin = 12, sys_admin = 21, syslog = 34, perfmon = 38, bpf = 39 }
local packet = ("x"):rep(64)
local unpack = table.unpack or unpack -- luacheck: ignore 113 143

local function sysctl(name)
  return tonumber((support.read_file("/proc/sys/kernel/" .. name):gsub("%s", "")))
end

-- When it is not 0, creating maps and loading programs is for CAP_BPF; before Linux 5.19 every call of bpf(2) is.
local restricted = sysctl("unprivileged_bpf_disabled") ~= 0
local everything_restricted = restricted and not support.kernel_is("5.19")

-- Who may count what whole CPUs do, and see where the kernel is.
local paranoid = sysctl("perf_event_paranoid") > 0
local hides_addresses = sysctl("kptr_restrict") > 0 or sysctl("perf_event_paranoid") > 1

--- Has a child of this process give up what `drop` says, and do something then.
-- @param action returns something, or nil and a message
-- @return what came of it: true and "", or false and the message
local function try(drop, action)
  local path = support.tmpdir() .. "/message"
  local file = assert(io.open(path, "wb")) -- opened before privileges go
  local child = process.fork(function()
    drop()
    local called, result, message = pcall(action)
    file:write(tostring(not called and result or result == nil and message or ""))
    file:close()
    return called and result ~= nil and 0 or 1
  end)
  local status = process.wait(child)
  file:close()
  return status == 0, support.read_file(path)
end

local function keeping(capabilities)
  return function()
    local numbers = {}
    for i, name in ipairs(capabilities) do
      numbers[i] = bits[name]
    end
    process.keep_capabilities(unpack(numbers))
  end
end

local function passes(drop, action)
  local ok, message = try(drop, action)
  assert.is_true(ok, message)
end

--- The action is refused, in words that say what is missing.
local function refused(drop, action, ...)
  local ok, message = try(drop, action)
  assert.is_false(ok)
  for _, words in ipairs { ... } do
    assert.truthy(message:find(words, 1, true), message)
  end
end

local function program_spec(kind, fields)
  local spec = { name = "p", type = kind, license = "GPL", instructions = assert(ebpf.asm.parse("r0 = 1\nexit")) }
  for field, value in pairs(fields or {}) do
    spec[field] = value
  end
  return spec
end

--- A program that is there before privileges go.
local function loaded(kind, fields)
  return support.closing(assert(ebpf.new_program(program_spec(kind, fields))))
end

local function new_map(fields)
  return support.closing(assert(ebpf.new_map(fields)))
end

local function load_ring()
  return ebpf.load(support.fixture("ring"), { programs = { "emit_event", "emit_traced", "emit_perf" } })
end

local function create(fields)
  return function()
    return ebpf.new_map(fields)
  end
end

local function load(kind, fields)
  return function()
    return ebpf.new_program(program_spec(kind, fields))
  end
end

-- {what, the capabilities it takes, the call}; `prepares`: the function prepares and returns the call; `bpf`: it uses
-- bpf(2), which before Linux 5.19 may be for CAP_BPF by itself; `since`: the Linux that has it first.
local rows = {
  { "create a hash", restricted and { "bpf" } or {},
    create { type = "hash", key_size = 4, value_size = 4, max_entries = 1 } },
  { "create an lpm_trie", { "bpf" },
    create { type = "lpm_trie", key_size = 8, value_size = 4, max_entries = 1, flags = 1 } },
  { "create a storage", { "bpf" }, create { type = "sk_storage", key_size = 4, value_size = 4, flags = 1 } },
  { "create an arena", { "bpf" }, create { type = "arena", max_entries = 1, flags = 1024 }, since = "6.9" },
  { "create a devmap", { "bpf", "net_admin" },
    create { type = "devmap", key_size = 4, value_size = 4, max_entries = 1 } },
  { "create a sockmap", { "bpf", "net_admin" },
    create { type = "sockmap", key_size = 4, value_size = 4, max_entries = 1 } },

  { "load a socket_filter", restricted and { "bpf" } or {}, load "socket_filter" },
  { "load a sk_lookup", { "bpf" }, load("sk_lookup", { attach_type = "sk_lookup" }) },
  { "load an xdp", { "bpf", "net_admin" }, load "xdp" },
  { "load a sched_cls", { "bpf", "net_admin" }, load "sched_cls" },
  { "load a cgroup_sock_addr", { "bpf", "net_admin" },
    load("cgroup_sock_addr", { attach_type = "cgroup_inet4_connect" }) },
  { "load a sock_ops", { "bpf", "net_admin" }, load "sock_ops" },
  { "load a tracepoint", { "bpf", "perfmon" }, load "tracepoint" },
  { "load a raw_tracepoint", { "bpf", "perfmon" }, load "raw_tracepoint" },
  { "load a kprobe", { "bpf", "perfmon" }, load "kprobe" },
  { "load a perf_event", { "bpf", "perfmon" }, load "perf_event" },
  { "load an iter", { "bpf", "perfmon" }, load("tracing", { attach_type = "trace_iter", attach_to = "bpf_map",
    instructions = assert(ebpf.asm.parse("r0 = 0\nexit")) }), since = "5.8" },

  { "open a perf reader", paranoid and { "perfmon" } or {}, function()
    local map = new_map { type = "perf_event_array" }
    return function() return ebpf.new_perf_reader(map) end
  end, prepares = true, bpf = true },
  { "attach to a tracepoint", paranoid and { "perfmon" } or {}, function()
    support.tracefs()
    local program = loaded "tracepoint"
    return function()
      return ebpf.link.tracepoint { program = program, group = "syscalls", name = "sys_enter_getpid" }
    end
  end, prepares = true, bpf = true },
  { "attach to a clock", paranoid and { "perfmon" } or {}, function()
    local program = loaded "perf_event"
    return function()
      return ebpf.link.perf_event { program = program, type = "software", config = 0, frequency = 100, cpu = 0 }
    end
  end, prepares = true, bpf = true },
  { "attach to users' functions by a link", {}, function()
    local program = loaded("kprobe", { attach_type = "trace_uprobe_multi" })
    return function()
      return ebpf.link.uprobe_multi { program = program, path = "/bin/true", offsets = { 0x2000 } }
    end
  end, prepares = true, since = "6.6" },
  { "attach to a raw tracepoint", {}, function()
    local program = loaded "raw_tracepoint"
    return function() return ebpf.link.raw_tracepoint { program = program, name = "sched_process_fork" } end
  end, prepares = true, bpf = true },
  { "attach to an iterator", {}, function()
    local program = loaded("tracing", { attach_type = "trace_iter", attach_to = "bpf_map",
      instructions = assert(ebpf.asm.parse("r0 = 0\nexit")) })
    return function() return ebpf.link.iter { program = program } end
  end, prepares = true, bpf = true },
  { "attach by a tracepoint's type", {}, function()
    local program = loaded("tracing", { attach_type = "trace_raw_tp", attach_to = "sched_process_fork",
      section = "tp_btf/sched_process_fork", instructions = assert(ebpf.asm.parse("r0 = 0\nexit")) })
    return function() return program:attach() end
  end, prepares = true, bpf = true },
  { "attach cgroup_sock_addr to a cgroup", {}, function()
    local program, cgroup = loaded("cgroup_sock_addr", { attach_type = "cgroup_inet4_connect" }), support.cgroup()
    return function() return ebpf.link.cgroup { program = program, cgroup = cgroup } end
  end, prepares = true, bpf = true },
  { "attach cgroup_skb to a cgroup", { "net_admin" }, function()
    local program, cgroup = loaded("cgroup_skb", { attach_type = "cgroup_inet_ingress" }), support.cgroup()
    return function() return ebpf.link.cgroup { program = program, cgroup = cgroup } end
  end, prepares = true, bpf = true },
  { "query a cgroup", { "net_admin" }, function()
    local cgroup = support.cgroup()
    return function() return ebpf.link.query { attach_type = "cgroup_inet4_connect", cgroup = cgroup } end
  end, prepares = true, bpf = true },

  { "use the elements of a map", {}, function()
    local map = new_map { type = "hash", key_size = 4, value_size = 4, max_entries = 4 }
    return function()
      assert(map:put(1, 2))
      assert(map:get(1) == 2)
      assert(map:put_batch { [3] = 4 })
      for _ in map:iterate() do assert(true) end
      return map:delete(1)
    end
  end, prepares = true, bpf = true },
  { "map an array", {}, function()
    local map = new_map { type = "array", key_size = 4, value_size = 8, max_entries = 4, flags = 1024 }
    return function() return assert(map:memory()):put(1, 7) end
  end, prepares = true },
  { "run a program", {}, function()
    local program = loaded "xdp"
    return function() return program:test(packet) end
  end, prepares = true, bpf = true },
  { "see the instructions of a program", { "bpf" }, function()
    local program = loaded "xdp"
    return function() return program:instructions() end
  end, prepares = true },
  { "see machine code", { "bpf" }, function()
    local program = loaded "xdp"
    return function() return program:jited() end
  end, prepares = true },

  { "open a map by id", { "sys_admin" }, function()
    local id = new_map({ type = "array", key_size = 4, value_size = 4, max_entries = 1 }):info().id
    return function() return ebpf.map_from_id(id) end
  end, prepares = true },
  { "list programs", { "sys_admin" }, function()
    local called, message = pcall(ebpf.program_ids())
    return called and true or nil, message
  end },
  { "open BTF by id", { "sys_admin" }, function()
    return ebpf.btf_info(1)
  end, since = "5.11" },
  { "count runs", { "sys_admin" }, function()
    return ebpf.enable_stats()
  end },
  { "find an address of the kernel's", hides_addresses and { "syslog", "bpf", "net_admin" } or { "bpf", "net_admin" },
    function()
    local path = support.fixture("ksyms")
    return function() return ebpf.load(path, { programs = { "addresses" } }) end
  end, prepares = true, kptr = true, since = "5.11" },
  { "read the kernel's types", {}, function()
    return ebpf.btf.load_kernel()
  end },
}

--- The list without one of its members.
local function except(list, i)
  local rest = {}
  for j, name in ipairs(list) do
    if j ~= i then
      rest[#rest + 1] = name
    end
  end
  return rest
end

describe("to", function()
  for _, row in ipairs(rows) do
    local what, capabilities, action = row[1], row[2], row[3]
    if everything_restricted and row.bpf then
      capabilities = { "bpf", unpack(capabilities) }
    end
    local told = #capabilities == 0 and "no capability" or "CAP_" .. table.concat(capabilities, ", CAP_"):upper()
    it(what .. " takes " .. told, function()
      if row.since then
        support.needs(row.since, what, function()
          return (row.prepares and action() or action)()
        end)
      end
      if row.kptr and sysctl("kptr_restrict") == 2 then
        support.pending("kernel.kptr_restrict is 2, which hides addresses from everybody")
      end
      local call = row.prepares and action() or action
      passes(keeping(capabilities), call)
      for i, name in ipairs(capabilities) do
        refused(keeping(except(capabilities, i)), call, "CAP_" .. name:upper())
      end
    end)
  end
end)

describe("to attach to a user's function", function()
  it("takes CAP_SYS_ADMIN, or before Linux 6.16 CAP_PERFMON", function()
    local program = loaded "kprobe"
    local function attach()
      return ebpf.link.uprobe { program = program, path = "/bin/true", address = 0x2000 }
    end
    local capability = "sys_admin"
    -- Updates of older ones may ask for it, too.
    if not support.kernel_is("6.16") and try(keeping { "bpf", "perfmon" }, attach) then
      capability = "perfmon"
    end
    passes(keeping { "bpf", capability }, attach)
    refused(keeping { "bpf" }, attach, "CAP_" .. capability:upper())
  end)
end)

describe("attaching to the network", function()
  -- In a network of its own, by programs that are there before capabilities go.
  local function run(capabilities, script, prepare)
    local numbers = {}
    for i, name in ipairs(capabilities) do
      numbers[i] = bits[name]
    end
    local output, status = support.run_lua(([[
      local ebpf, process = require "ebpf", require "spec.support.process"
      local function loaded(kind, attach_type)
        return assert(ebpf.new_program { name = "p", type = kind, attach_type = attach_type, license = "GPL",
          instructions = assert(ebpf.asm.parse("r0 = 1\nexit")) })
      end
      local xdp, class, lookup = loaded "xdp", loaded "sched_cls", loaded("sk_lookup", "sk_lookup")
      %s
      process.keep_capabilities(%s)
      local function refused(link, message)
        assert(link == nil and message:find("lacks CAP_NET_ADMIN", 1, true), message)
      end
      %s
      print "passed"
    ]]):format(prepare or "", table.concat(numbers, ", "), script), function(command)
      return "unshare --net " .. command
    end)
    assert.equal("passed\n", output)
    assert.equal(0, status)
  end

  it("takes no capability where there are links, but the program", function()
    support.needs("6.6", "tcx")
    run({}, [[
      assert(ebpf.link.xdp { program = xdp, interface = "lo", mode = "generic" })
      assert(ebpf.link.tcx { program = class, interface = "lo", hook = "ingress" })
      assert(ebpf.link.netns { program = lookup })
    ]])
    support.needs("6.4", "netfilter")
    support.needs("6.10", "links of sockmaps")
    run({}, [[
      assert(ebpf.link.netfilter { program = filter, pf = "ipv4", hook = "local_in", priority = -10 })
      assert(ebpf.link.sockmap { program = verdict, map = sockets })
    ]], [[
      local filter, verdict = loaded("netfilter", "netfilter"), loaded("sk_skb", "sk_skb_stream_verdict")
      local sockets = assert(ebpf.new_map { type = "sockmap", key_size = 4, value_size = 4, max_entries = 4 })
    ]])
  end)

  it("takes CAP_NET_ADMIN by netlink", function()
    local script = [[
      local one = { program = xdp, interface = "lo", mode = "generic", by = "netlink" }
      local other = { program = class, interface = "lo", hook = "ingress" }
    ]]
    local capabilities = everything_restricted and { "bpf" } or {}
    local none = script .. "refused(ebpf.link.xdp(one)) refused(ebpf.link.tc(other))"
    run(capabilities, none)
    run({ "sys_admin" }, none) -- which stands in for it with bpf(2) alone
    capabilities[#capabilities + 1] = "net_admin"
    run(capabilities, script .. "assert(ebpf.link.xdp(one)) assert(ebpf.link.tc(other))")
  end)
end)

describe("CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN", function()
  it("load an object of every kind, attach and read it", function()
    support.needs("5.11", "loading within RLIMIT_MEMLOCK")
    local output, status = support.run_lua(([[
      local ebpf = require "ebpf"
      local collection = assert(ebpf.load(%q, { programs = { "emit_traced", "emit_perf" } }))
      local xdp = assert(ebpf.new_program { type = "xdp", license = "GPL",
        instructions = assert(ebpf.asm.parse("r0 = 2\nexit")) })
      assert(ebpf.link.xdp { program = xdp, interface = "lo", mode = "generic" })
      local ring = assert(ebpf.new_ring_reader(collection.maps.events))
      local perf = assert(ebpf.new_perf_reader(collection.maps.perf_events))
      assert(collection:attach { "emit_traced" })
      os.execute "true" -- a fork
      assert(ring:read())
      assert(collection.programs.emit_perf:test(("x"):rep(64)))
      assert(perf:read())
      print "passed"
    ]]):format(support.fixture("ring")), function(command)
      return "unshare --net sh -c " .. support.quote(
        support.unprivileged(command, { "bpf", "perfmon", "net_admin" }))
    end)
    assert.equal("passed\n", output)
    assert.equal(0, status)
  end)
end)

describe("nobody, who was root", function()
  -- What root leaves behind, in the child that becomes nobody.
  local function become()
    process.become(65534)
  end

  local function with_ring(action)
    local collection = support.closing(assert(load_ring()))
    return function()
      return action(collection)
    end
  end

  --- Loads as root, gives root up and goes on.
  local function goes_on(load_all, action)
    passes(function() end, function()
      local held = load_all()
      become()
      return action(held)
    end)
  end

  it("uses maps, and variables in memory", function()
    support.needs(restricted and "5.19" or "5.10", "maps for everybody")
    goes_on(function()
      local map = assert(ebpf.new_map { name = "m", type = "hash", key_size = 4, value_size = 4, max_entries = 8 })
      local array = assert(ebpf.new_map { type = "array", key_size = 4, value_size = 8, max_entries = 4, flags = 1024 })
      return { map = map, memory = assert(array:memory()), collection = assert(load_ring()) }
    end, function(held)
      assert(held.map:put(1, 2))
      assert(held.map:get(1) == 2)
      assert(held.map:put_batch { [5] = 6 })
      local seen = 0
      for _ in held.map:iterate() do
        seen = seen + 1
      end
      assert(seen == 2)
      assert(held.map:drain())
      assert(held.memory:put(3, 9))
      assert(tonumber(held.memory:get(3)) == 9)
      assert(held.collection.variables.sent:set(41))
      assert(held.collection.programs.emit_event:test(packet))
      assert(tonumber(held.collection.variables.sent:get()) == 42)
      return held.map:info()
    end)
  end)

  it("uses memory and ring buffers where bpf(2) is for CAP_BPF alone", function()
    goes_on(function()
      local array = assert(ebpf.new_map { type = "array", key_size = 4, value_size = 8, max_entries = 4, flags = 1024 })
      local collection = assert(load_ring())
      assert(collection:attach { "emit_traced" })
      return { array = array, ring = assert(ebpf.new_ring_reader(collection.maps.events)), collection = collection }
    end, function(held)
      local memory = assert(held.array:memory())
      assert(memory:put(0, 1))
      os.execute "true"
      assert(held.ring:poll(5))
      return held.ring:read()
    end)
  end)

  it("reads perf buffers that root opened", function()
    goes_on(function()
      local collection = assert(load_ring())
      assert(collection.programs.emit_perf:test(packet))
      return { reader = assert(ebpf.new_perf_reader(collection.maps.perf_events)), collection = collection }
    end, function(held)
      if not everything_restricted then
        assert(held.collection.programs.emit_perf:test(packet))
        assert(held.reader:read())
      end
      return held.reader:poll(0)
    end)
  end)

  it("detaches what root attached", function()
    goes_on(function()
      local collection = assert(load_ring())
      return assert(collection:attach { "emit_traced" })
    end, function(links)
      return links.emit_traced:close()
    end)
  end)

  it("opens pins as the modes of their files allow", function()
    support.needs(restricted and "5.19" or "5.10", "maps for everybody")
    local path = support.bpffs() .. "/map"
    local map = new_map { type = "array", key_size = 4, value_size = 4, max_entries = 1 }
    assert(map:pin(path))
    refused(become, function() return ebpf.load_pinned_map(path) end, "EACCES")
    support.check_run { "chmod", "0644", path }
    passes(become, function()
      local read_only = assert(ebpf.load_pinned_map(path, { read_only = true }))
      assert(read_only:get(0) == 0)
      assert(read_only:put(0, 1) == nil)
      return ebpf.load_pinned_map(path) == nil
    end)
    support.check_run { "chmod", "0666", path }
    passes(become, function() return assert(ebpf.load_pinned_map(path)):put(0, 1) end)
    assert(map:unpin())
  end)

  it("has what another program opened and handed over at exec", function()
    support.needs(restricted and "5.19" or "5.10", "maps for everybody")
    local map = new_map { name = "shared", type = "hash", key_size = 4, value_size = 8, max_entries = 4 }
    local program = loaded("raw_tracepoint", { name = "handed" })
    local link = support.closing(assert(ebpf.link.raw_tracepoint { program = program, name = "task_rename" }))
    assert(map:put(1, 41))
    local fds = {}
    for i, handle in ipairs { map, program, link } do
      fds[i] = process.inherit(handle:fd())
    end
    local output, status = support.run_lua(([[
      local ebpf, process = require "ebpf", require "spec.support.process"
      process.become(65534)
      local map = assert(ebpf.map_from_fd(%d, { type = "hash", int64 = "number" }))
      assert(map:get(1) == 41 and map:put(2, 43))
      local program = assert(ebpf.program_from_fd(%d, { type = "raw_tracepoint" }))
      local link = assert(ebpf.link_from_fd(%d))
      print(map:info().name, program:name(), program:info().id, link:info().prog_id)
      print((select(2, ebpf.program_from_fd(%d))))
    ]]):format(fds[1], fds[2], fds[3], fds[1]))
    for _, fd in ipairs(fds) do
      process.close(fd)
    end
    local id = program:info().id
    assert.equal(("shared\thanded\t%d\t%d\nopen program from fd %d: it is a map, not a program\n")
      :format(id, id, fds[1]), output)
    assert.equal(0, status)
    assert.equal(43, tonumber(map:get(2)))
  end)

  it("is told what it lacks", function()
    if restricted then
      refused(become, create { type = "hash", key_size = 4, value_size = 4, max_entries = 1 }, "create map",
        "needs CAP_BPF", "lacks CAP_BPF")
      refused(become, load "socket_filter", 'load program "p"', "lacks CAP_BPF")
    end
    refused(become, create { type = "lru_hash", key_size = 4, value_size = 4, max_entries = 1 }, "lacks CAP_BPF")
    refused(become, load "xdp", "lacks CAP_BPF and CAP_NET_ADMIN")
    refused(become, load "kprobe", "lacks CAP_BPF and CAP_PERFMON")
    refused(become, function() return load_ring() end, "CAP_BPF")
    refused(become, function() return ebpf.map_from_id(1) end, "open map with id 1", "lacks CAP_SYS_ADMIN")
    refused(become, function() return ebpf.program_from_id(1) end, "lacks CAP_SYS_ADMIN")
    refused(become, function() return ebpf.enable_stats() end, "lacks CAP_SYS_ADMIN")
    if sysctl("perf_event_paranoid") > 0 then
      refused(become, with_ring(function(collection)
        return ebpf.new_perf_reader(collection.maps.perf_events)
      end), "open a perf event", "CAP_PERFMON")
    end
    local class = loaded "sched_cls"
    refused(become, function()
      return ebpf.link.tc { program = class, interface = "lo", hook = "ingress" }
    end, 'interface "lo"', "lacks CAP_NET_ADMIN")
  end)

  it("is told where an old kernel keeps even elements of maps to CAP_BPF", function()
    local map = new_map { type = "array", key_size = 4, value_size = 4, max_entries = 1 }
    if everything_restricted then
      refused(become, function() return map:get(0) end, "lacks CAP_BPF")
      refused(become, function() return ebpf.map_from_fd(map:fd()) end, "open map from fd", "lacks CAP_BPF")
    else
      passes(become, function() return map:get(0) end)
    end
  end)
end)
