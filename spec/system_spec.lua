-- The BPF of the whole system: owners, pins, ids of BTF, statistics; and the doctor.
local ebpf = require "ebpf"
local insn = require "spec.support.insn"
local support = require "spec.support"

local errno = ebpf.errno

local function plain(value)
  return type(value) == "cdata" and tonumber(value) or value
end

local own_pid = tonumber(support.read_file("/proc/self/stat"):match("^%d+"))

local function new_map(name)
  return support.closing(assert(ebpf.new_map {
    type = "array", name = name, key_size = 4, value_size = 4, max_entries = 1 }))
end

local function new_program()
  return support.closing(assert(ebpf.new_program {
    type = "xdp", name = "owned", license = "GPL", instructions = insn.returning(2) }))
end

-- The entry of this process among the holders of an object.
local function mine(processes)
  for _, process in ipairs(processes or {}) do
    if process.pid == own_pid then
      return process
    end
  end
end

describe("ebpf.owners", function()
  it("finds the processes that hold maps, programs, links and BTF", function()
    local m, p = new_map "owned", new_program()
    local clone = support.closing(assert(m:clone()))
    local traced = support.closing(assert(ebpf.new_program {
      type = "raw_tracepoint", license = "GPL", instructions = insn.returning(0) }))
    local link = support.closing(assert(traced:attach { name = "task_rename" }))
    local owners = assert(ebpf.owners())
    local process = mine(owners.maps[m:info().id])
    local fds = { m:fd(), clone:fd() }
    table.sort(fds)
    table.sort(process.fds)
    assert.same(fds, process.fds)
    assert.equal(support.read_file("/proc/self/comm"):match("[^\n]*"), process.comm)
    assert.same({ p:fd() }, mine(owners.programs[p:info().id]).fds)
    assert.same({ link:fd() }, mine(owners.links[link:info().id]).fds)
    assert.equal("number", type(owners.unreadable))
    local id = m:info().id
    m:close()
    clone:close()
    assert.is_nil(mine(assert(ebpf.owners()).maps[id]))
  end)

  it("finds other processes", function()
    local path = support.tmpdir() .. "/id"
    local script = support.tmpdir() .. "/holder.lua"
    support.write_file(script, ([[
      local ebpf = require "ebpf"
      local m = assert(ebpf.new_map { type = "array", key_size = 4, value_size = 4, max_entries = 1 })
      local file = io.open(%q, "w")
      file:write(m:info().id, "\n")
      file:close()
      os.execute "exec sleep 60"
    ]]):format(path))
    local child = support.start(support.quote(support.lua) .. " " .. support.quote(script))
    assert.is_true(support.wait_until(function()
      return support.exists(path) and support.read_file(path):find("\n", 1, true) ~= nil
    end, 30))
    local processes = assert(ebpf.owners()).maps[tonumber(support.read_file(path))]
    local pids = {}
    for _, process in ipairs(processes or {}) do
      pids[process.pid] = true
    end
    assert.is_true(pids[child])
  end)

  it("finds programs that run for a perf event without a link", function()
    support.tracefs()
    local launcher = support.tmpdir() .. "/without_links"
    support.check_run { "cc", "-Wall", "-o", launcher, "spec/support/without_links.c" }
    local output, status = support.run_lua([[
      local ebpf = require "ebpf"
      local p = assert(ebpf.new_program { type = "tracepoint", license = "GPL",
        instructions = ebpf.asm.parse "r0 = 0; exit" })
      local id = p:info().id
      local link = assert(p:attach { group = "task", name = "task_rename" })
      p:close()
      local processes = assert(ebpf.owners()).programs[id]
      assert(#processes == 1 and processes[1].perf_event)
      assert(#processes[1].fds == 1 and processes[1].fds[1] == link:fd())
      print "well"
    ]], function(command)
      return launcher .. " " .. command
    end)
    assert.same({ "well\n", 0 }, { output, status })
  end)

  it("looks at no more than it may", function()
    local output = support.run_lua([[
      local owners = assert(require("ebpf").owners())
      assert(owners.unreadable > 0)
      print "well"
    ]], function(command)
      return support.unprivileged("setpriv --reuid=65534 --clear-groups " .. command, { "setuid", "setgid" })
    end)
    if output:find("module 'ebpf' not found", 1, true) or output:find("ermission denied", 1, true) then
      return pending "the module cannot be read by others than root here"
    end
    assert.equal("well\n", output)
  end)
end)

describe("ebpf.pins", function()
  it("finds what is pinned, wherever it is in the file system", function()
    local directory = support.bpffs()
    local m, p = new_map "pinned", new_program()
    support.check_run { "mkdir", "-p", directory .. "/deep/er" }
    assert(m:pin(directory .. "/deep/er/map"))
    assert(p:pin(directory .. "/program"))
    support.check_run { "ln", "-s", directory, directory .. "/deep/loop" }
    for _, root in ipairs { directory, false } do
      local pins = assert(ebpf.pins(root or nil))
      assert.same({ directory .. "/deep/er/map" }, pins.maps[m:info().id])
      assert.same({ directory .. "/program" }, pins.programs[p:info().id])
    end
    assert.equal(0, ebpf.pins(directory).unreadable)
    assert.same(ebpf.pins(directory), ebpf.pins(directory .. "//"))
    support.check_run { "rm", directory .. "/deep/loop" }
    assert(m:unpin())
    assert(p:unpin())
    support.check_run { "rm", "-r", directory .. "/deep" }
  end)

  it("says what directory there is not", function()
    local pins, message, code = ebpf.pins "/nowhere"
    assert.is_nil(pins)
    assert.equal(errno.ENOENT, code)
    assert.truthy(message:find('list pins below "/nowhere"', 1, true), message)
    assert.is_false(pcall(ebpf.pins, {}))
  end)
end)

describe("statistics of programs", function()
  it("count while they are enabled", function()
    local p = new_program()
    local stats = support.closing(assert(ebpf.enable_stats()))
    assert.truthy(tostring(stats):find("^stats #%d+$"))
    for _ = 1, 5 do
      assert(p:test(("x"):rep(64)))
    end
    local counted = assert(p:stats())
    assert.is_true(plain(counted.run_cnt) >= 5 and plain(counted.run_time_ns) > 0)
    assert.equal(0, plain(counted.recursion_misses) or 0) -- Linux 5.12
    assert.is_true(stats:close())
    assert.is_true(stats:is_closed())
    assert.equal("stats (closed)", tostring(stats))
    assert.same({ nil, errno.EBADF }, { stats:fd(), (select(3, stats:fd())) })
  end)

  it("need a capability", function()
    local output = support.run_lua([[
      local ebpf = require "ebpf"
      local stats, message, code = ebpf.enable_stats()
      assert(stats == nil and code == ebpf.errno.EPERM)
      print(message)
    ]], support.unprivileged)
    assert.truthy(output:find("enable statistics of programs: operation not permitted (EPERM): needs CAP_SYS_ADMIN", 1,
      true), output)
  end)
end)

describe("BTF in the kernel", function()
  it("has ids, and names", function()
    local c = support.closing(assert(ebpf.load(support.fixture("calls"))))
    local _, p = next(c.programs)
    local id, found, kernel = p:info().btf_id, false, false
    for each in ebpf.btf_ids() do
      found = found or each == id
      local info = ebpf.btf_info(each)
      kernel = kernel or info and (info.kernel == nil or info.kernel and info.name == "vmlinux") -- Linux 5.11
    end
    assert.is_true(found)
    assert.is_true(kernel)
    local info = assert(ebpf.btf_info(id))
    assert.same({ id, false, "" }, { info.id, info.kernel or false, info.name or "" })
    assert.is_true(info.size > 100)
    local none, message, code = ebpf.btf_info(0x7fffffff)
    assert.is_nil(none)
    assert.equal(errno.ENOENT, code)
    assert.truthy(message:find("open BTF by id 2147483647", 1, true))
  end)

  it("may not be listed by everybody", function()
    local output = support.run_lua([[
      local ebpf = require "ebpf"
      for _, ids in ipairs { ebpf.btf_ids, ebpf.map_ids, ebpf.program_ids, ebpf.link_ids } do
        local ok, message = pcall(ids())
        assert(not ok and message:find("EPERM", 1, true) and message:find("CAP_SYS_ADMIN", 1, true), message)
      end
      print "well"
    ]], support.unprivileged)
    assert.equal("well\n", output)
  end)
end)

describe("ebpf.doctor", function()
  local states = { ok = true, note = true, warning = true, problem = true, unknown = true }

  it("reports on the machine, as a table and as text", function()
    local report = ebpf.doctor()
    assert.is_true(#report > 20)
    local text = tostring(report)
    for _, finding in ipairs(report) do
      assert.is_true(states[finding.state], finding.name)
      assert.equal("string", type(finding.value))
      assert.equal(report[finding.name], finding)
      assert.truthy(text:find(finding.name, 1, true) and text:find(finding.value, 1, true))
      if finding.state == "warning" or finding.state == "problem" then
        assert.equal("string", type(finding.meaning), finding.name)
        assert.is_false(report.healthy)
      end
    end
    assert.truthy(report.kernel.value:find("^%d+%.%d+"))
    assert.equal("ok", report.bpf.state)
    local possible, online = #ebpf.possible_cpus(), #ebpf.online_cpus()
    assert.equal(("%d possible, %d online"):format(possible, online), report.cpus.value)
    for name, kind in pairs { bpffs = "bpf", tracefs = "tracefs", cgroup2 = "cgroup2" } do
      assert.equal(support.mounted(kind) ~= nil, report[name].state == "ok", name)
    end
  end)

  it("says what a process without capabilities lacks", function()
    local output, status = support.run_lua([[
      local report = require("ebpf").doctor()
      assert(not report.healthy)
      assert(report.bpf.state == "problem" and report.capabilities.state == "problem")
      assert(report.capabilities.value == "none")
      print(report)
    ]], support.unprivileged)
    assert.equal(0, status, output)
    assert.truthy(output:find("problem capabilities +none\n"), output)
    assert.truthy(output:find("CAP_PERFMON for tracing", 1, true), output)
  end)

  it("tells which capabilities are there", function()
    local output, status = support.run_lua([[
      local report = require("ebpf").doctor()
      print(report.capabilities.state, report.capabilities.value)
      print(report.capabilities.meaning)
    ]], function(command)
      return support.unprivileged(command, { "bpf" })
    end)
    assert.equal(0, status, output)
    assert.truthy(output:find("^note\tCAP_BPF\n"), output)
    assert.truthy(output:find("Without CAP_PERFMON tracing programs cannot be loaded", 1, true), output)
  end)

  it("runs as a command", function()
    local output, status = support.run { support.lua, "-l", "ebpf", "-e", 'print(require("ebpf").doctor())' }
    assert.equal(0, status, output)
    assert.truthy(output:find("^%a+%s+kernel%s+%d"), output)
  end)

  it("knows user namespaces and filters", function()
    local probe = "unshare --user --map-root-user true"
    support.skip_unless_runs(probe, "user namespaces")
    local output, status = support.run_lua([[
      local report = require("ebpf").doctor()
      print(report.user_namespace.state, report.bpf.state)
    ]], function(command)
      return "unshare --user --map-root-user " .. command
    end)
    assert.same({ "problem\tproblem\n", 0 }, { output, status })
  end)
end)
