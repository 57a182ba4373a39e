local support = require "spec.support"

describe("spec.support", function()
  it("tells output and exit status of a command", function()
    assert.same({ "one\n", 0 }, { support.run("echo one") })
    assert.same({ "two", 3 }, { support.run("printf two >&2; exit 3") })
    assert.same({ "it's", 0 }, { support.run { "printf", "%s", "it's" } })
    assert.has_error(function()
      support.check_run("exit 1")
    end)
  end)

  it("runs the same Lua again", function()
    local output, status = support.run_lua("io.write(_VERSION); os.exit(7)")
    assert.same({ _VERSION, 7 }, { output, status })
  end)

  it("drops all capabilities but those to keep", function()
    assert.equal("CapEff:\t0000000000000000\n", support.as_unprivileged("grep CapEff /proc/self/status"))
    assert.equal("CapEff:\t0000000000001000\n",
      support.as_unprivileged("grep CapEff /proc/self/status", { "net_admin" }))
  end)

  it("finds or mounts file systems", function()
    assert.equal("bpf_fs\n", support.check_run { "stat", "-f", "-c", "%T", support.bpffs() })
    assert.is_true(support.exists(support.tracefs() .. "/events"))
    assert.is_true(support.exists(support.cgroup() .. "/cgroup.procs"))
  end)

  it("makes network namespaces", function()
    local name = support.netns()
    assert.truthy(support.run_in_netns(name, "ip link show lo"):find("UP"))
  end)

  it("kills what it started", function()
    local child = support.start("sleep 1000")
    assert.is_true(support.wait_until(function()
      return support.read_file(("/proc/%d/comm"):format(child)) == "sleep\n"
    end))
  end)

  it("stops what that started, too", function()
    local pid = support.start("sh -c 'sleep 1000 & sleep 1000; true'")
    local function sleepers()
      local found = {}
      for id, process in pairs(support.processes()) do
        found[#found + 1] = process.parent == pid and process.comm == "sleep" and id or nil
      end
      return found
    end
    assert.is_truthy(support.wait_until(function()
      return #sleepers() == 2
    end))
    local started = sleepers()
    support.stop(pid)
    local left = support.processes()
    for _, id in ipairs { pid, started[1], started[2] } do
      assert.is_true(not left[id] or left[id].state == "Z")
    end
    support.stop(nil)
  end)

  it("counts CPUs as nproc does", function()
    assert.equal(tonumber(support.check_run("nproc --all")), #support.possible_cpus())
    assert.is_true(#support.online_cpus() <= #support.possible_cpus())
  end)

  it("lists the open files", function()
    local before = support.fds()
    local file = assert(io.open("/dev/null"))
    local seen = 0
    for fd, target in pairs(support.fds()) do
      if not before[fd] then
        seen = seen + 1
        assert.equal("/dev/null", target)
      end
    end
    assert.equal(1, seen)
    file:close()
    assert.same(before, support.fds())
  end)
end)

describe("the runner of the suite", function()
  -- Runs a spec of its own in a process of its own, and says what the runner made of it.
  local function verdict(text, environment)
    local dir = support.tmpdir()
    local path = dir .. "/made_spec.lua"
    support.write_file(path, text)
    local build = dir .. "/build"
    local command = ("%s EBPF_BUILD=%s %s spec/support/run.lua %s -- %s")
      :format(environment or "EBPF_STRICT_SKIPS=", build, support.lua, support.lua_name, path)
    local output, status = support.run(command)
    return (support.read_file(build .. "/test/total"):gsub("\n", "")), output, status
  end

  it("adds up what passed, failed and was skipped", function()
    local total, _, status = verdict([[
      it("passes", function() end)
      it("fails", function() assert.equal(1, 2) end)
      it("skips", function() pending("because") end)]])
    assert.same({ "1 passed, 1 failed, 1 skipped", 1 }, { total, status })
  end)

  it("skips what the kernel is too old for, and fails for what it should have", function()
    local text = [[
      local support = require "spec.support"
      it("waits", function() support.needs("99.0", "tomorrow", function() return nil, "no such thing" end) end)
      it("goes on", function() support.needs("99.0", "here already", function() return true end) end)
      it("must be tried", function() support.needs("99.0", "something") end)
      it("waits, and says why", function() support.granted("99.0", "tomorrow", nil, "not supported") end)
      it("has it", function() assert.same({ 1, 2 }, { support.granted("3.0", "yesterday", 1, 2) }) end)
      it("fails", function() support.granted("3.0", "yesterday", nil, "not supported") end)
      it("may lack it", function() support.granted("3.0", "kprobe of a function", nil, "not supported") end)
      it("skips", function() pending("because") end)
      describe("the future", support.since("99.0", "it", function() it("is not yet", function() error() end) end,
        function() return nil, "not yet" end))
      describe("the past", support.since("3.0", "it", function() it("was", function() end) end))]]
    local total, output = verdict(text)
    assert.equal("3 passed, 2 failed, 5 skipped", total)
    for _, words in ipairs { "no such thing", "not supported" } do
      assert.truthy(output:find("tomorrow needs Linux 99.0, this is " .. support.kernel .. ": " .. words, 1, true))
    end
    assert.truthy(output:find("nobody knows how to try whether this kernel has: something", 1, true))
    assert.truthy(output:find("yesterday is refused by Linux " .. support.kernel, 1, true))
    assert.truthy(output:find("kprobe of a function is not in this kernel: not supported", 1, true))
    assert.equal("3 passed, 4 failed, 3 skipped", (verdict(text, "EBPF_STRICT_SKIPS=1")))
  end)

  it("fails when a test ends the process", function()
    local total, output, status = verdict([[
      it("passes", function() end)
      it("ends it all", function() os.exit(0) end)]])
    assert.same({ "1 passed, 1 failed, 0 skipped", 1 }, { total, status })
    assert.truthy(output:find("plan missing", 1, true))
  end)

  it("fails when the process crashes", function()
    local total, output = verdict([[
      it("crashes", function() os.execute("kill -SEGV $PPID") end)]])
    assert.equal("0 passed, 1 failed, 0 skipped", total)
    assert.truthy(output:find("status 139", 1, true))
  end)

  it("fails when a file does not load or tests nothing", function()
    assert.equal("0 passed, 1 failed, 0 skipped", (verdict("error 'at once'")))
    assert.equal("0 passed, 1 failed, 0 skipped", (verdict("")))
  end)

  it("fails for what a file leaves behind", function()
    local total, output = verdict([[
      it("passes", function() debug.getregistry().kept = io.open("/etc/passwd") end)]])
    assert.equal("1 passed, 1 failed, 0 skipped", total)
    assert.truthy(output:find("1 x fd /etc/passwd", 1, true))
  end)

  it("fails for a process that a file leaves behind, and ends it", function()
    local total, output = verdict([[
      it("passes", function() os.execute("sleep 1000 >/dev/null 2>&1 &") end)]])
    assert.equal("1 passed, 1 failed, 0 skipped", total)
    local pid = tonumber(output:match("process (%d+) %(sleep%)"))
    assert.is_truthy(pid, output)
    assert.is_true(support.wait_until(function()
      local process = support.processes()[pid]
      return not process or process.state == "Z"
    end))
  end)

  it("counts on the garbage collector for what only tests can reach", function()
    assert.equal("1 passed, 0 failed, 0 skipped", (verdict([[
      local file = io.open("/etc/passwd")
      it("passes", function() assert.truthy(file) end)]])))
  end)
end)
