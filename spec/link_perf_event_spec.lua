-- Programs that run at software counters, breakpoints and clocks, on the real kernel.
local ebpf = require "ebpf"
local support = require "spec.support"
local trace = require "spec.support.trace"

local errno = ebpf.errno

-- Burns CPU time until `condition` holds, for at most some seconds.
local function spin_until(condition)
  local deadline = support.now() + 10
  local n, done = 0, condition()
  while not done and support.now() < deadline do
    for i = 1, 100000 do
      n = n + i
    end
    done = condition()
  end
  return done
end

describe("a link to a perf event", function()
  local collection, program

  setup(function()
    collection = trace.load("sampled")
    program = collection.programs.sampled
  end)

  local function count()
    local hit = trace.seen(collection)
    return hit and hit.count or 0
  end

  local function is_sampled()
    count()
    local total = 0
    return spin_until(function()
      total = total + count()
      return total >= 3
    end)
  end

  -- That nothing runs any more can only be seen by something else that does.
  local function is_quiet()
    local other = trace.load("sampled")
    local link = assert(ebpf.link.perf_event { program = other.programs.sampled, event = "cpu-clock", frequency = 500,
      pid = 0 })
    count()
    local total = 0
    spin_until(function()
      local hit = trace.seen(other)
      total = total + (hit and hit.count or 0)
      return total >= 5
    end)
    link:close()
    return count() == 0
  end

  local function refused(options)
    options.program = program
    local link, message, code = ebpf.link.perf_event(options)
    assert.is_nil(link)
    return message, code
  end

  it("runs the program so many times a second, on all CPUs, until it is closed", function()
    assert.is_true(is_quiet())
    local link = assert(ebpf.link.perf_event { program = program, event = "cpu-clock", frequency = 500 })
    assert.is_true(is_sampled())
    assert.equal(('perf_event link "cpu-clock" #%d'):format(link:fd()), tostring(link))
    local fds = 0
    for _, what in pairs(support.fds()) do
      fds = fds + ((what:find("bpf_link", 1, true) or what:find("[perf_event]", 1, true)) and 1 or 0)
    end
    assert.equal(#support.online_cpus(), fds)
    assert.is_true(link:close())
    assert.is_true(is_quiet())
  end)

  it("ends when it is collected", function()
    do
      local link = assert(ebpf.link.perf_event { program = program, event = "cpu-clock", frequency = 500 })
      assert.is_true(is_sampled())
      assert.is_false(link:is_closed())
    end
    collectgarbage()
    collectgarbage()
    assert.is_true(is_quiet())
  end)

  it("cannot be pinned as a whole when it is of several CPUs", function()
    local several = #support.online_cpus() > 1
    local link = assert(ebpf.link.perf_event { program = program, event = "cpu-clock", frequency = 10 })
    local ok, message, code = link:pin(support.bpffs() .. "/link")
    if several or not ok then -- one of one CPU can be pinned, from Linux 5.15 on
      assert.is_nil(ok)
      assert.truthy(message:find('pin perf_event link "cpu-clock": it is ', 1, true), message)
      assert.equal(errno.EOPNOTSUPP, code)
    else
      assert(link:unpin())
    end
    link:close()
  end)

  it("counts in one process, on one CPU", function()
    local link = assert(ebpf.link.perf_event { program = program, event = "task-clock", period = 1000000, pid = 0 })
    assert.is_true(is_sampled())
    link:close()
    local cpu = support.online_cpus()[1]
    link = assert(ebpf.link.perf_event { program = program, event = "cpu-clock", frequency = 100, cpu = cpu })
    link:close()
    link = assert(ebpf.link.perf_event { program = program, event = "cpu-clock", frequency = 500,
      pid = support.start("sleep 60") })
    assert.is_true(is_quiet())
    link:close()
  end)

  it("runs the program at each event counted", function()
    local link = assert(ebpf.link.perf_event { program = program, event = "page-faults", period = 1, pid = 0 })
    count()
    local kept = {}
    assert.is_true(spin_until(function()
      kept[#kept + 1] = ("x"):rep(300000) .. #kept -- new pages
      return count() > 0
    end))
    link:close()
    link = assert(ebpf.link.perf_event { program = program, type = "software", config = 3, period = 1, pid = 0 })
    count()
    assert.is_true(spin_until(function()
      support.sleep(0.001) -- switches to another task
      return count() > 0
    end))
    link:close()
  end)

  it("runs the program where memory is read or written", function()
    local address = tonumber((support.check_run { "nm", trace.library }:match("(%x+) d traced_semaphore\n")), 16)
    local base
    for line in support.read_file("/proc/self/maps"):gmatch("[^\n]+") do
      local start, offset = line:match("^(%x+)%-%x+ %S+ (%x+) .*traced%.so$")
      if start and tonumber(offset, 16) == 0 then
        base = base or tonumber(start, 16)
      end
    end
    local link, message, code = ebpf.link.perf_event { program = program, event = "breakpoint", pid = 0,
      address = base + address, length = 2, access = "rw" }
    if not link and code ~= errno.EINVAL then
      return support.pending(message)
    end
    assert(link, message)
    count()
    trace.fire()
    assert.equal(1, count())
    link:close()
    trace.fire()
    assert.equal(0, count())
  end)

  it("tells the program its cookie", function()
    local with_cookie = trace.load_granted("5.15", "the cookie of a perf event", "sampled_cookie")
    local link = assert(ebpf.link.perf_event { program = with_cookie.programs.sampled_cookie, event = "cpu-clock",
      frequency = 500, pid = 0, cookie = 99 })
    local hit
    spin_until(function()
      hit = trace.seen(with_cookie)
      return hit
    end)
    assert.equal(99, hit.cookie)
    link:close()
  end)

  it("says why it cannot be", function()
    local message, code = refused { event = "cpu-clock", frequency = 10, pid = 2 ^ 22 + 1 }
    assert.truthy(message:find("there is no process 4194305", 1, true), message)
    assert.equal(errno.ESRCH, code)
    message, code = refused { event = "cpu-clock", frequency = 10, cpu = 8191 }
    assert.truthy(code == errno.ENODEV or code == errno.EINVAL, message)
    message, code = refused { event = "cpu-clock", frequency = 2 ^ 31 }
    assert.truthy(message:find("kernel.perf_event_max_sample_rate", 1, true), message)
    assert.equal(errno.EINVAL, code)
    message, code = refused { type = "no_such_pmu", config = 0, period = 1 }
    assert.truthy(message:find('this machine has no PMU "no_such_pmu"', 1, true), message)
    assert.equal(errno.ENOENT, code)
    message = refused { type = "../x", config = 0, period = 1 }
    assert.truthy(message:find("is no name of a PMU", 1, true), message)
    local link
    link, message, code = ebpf.link.perf_event { program = program, event = "cycles", period = 1000000 }
    if link then
      link:close()
    else
      assert.truthy(message:find("this machine cannot count that", 1, true), message)
      assert.truthy(code == errno.ENOENT or code == errno.EOPNOTSUPP)
    end
    refused { event = "L1-dcache-load-misses", period = 2 ^ 40, pid = 2 ^ 22 + 1 }
    local missing
    missing, message, code = program:attach()
    assert.is_nil(missing)
    assert.equal('attach "sampled": a perf_event program needs an event and how often: '
      .. 'attach{event = "cpu-clock", frequency = 99}', message)
    assert.equal(errno.EINVAL, code)
    link = assert(program:attach { event = "cpu-clock", frequency = 10, pid = 0 })
    link:close()
  end)

  it("raises for wrong options", function()
    local function raises(words, options)
      options.program = options.program or program
      local ok, message = pcall(ebpf.link.perf_event, options)
      assert.is_false(ok)
      assert.truthy(message:find(words, 1, true), message)
    end
    raises("unknown perf_event field 'freq'", { event = "cpu-clock", freq = 1 })
    raises("a frequency or a period expected", { event = "cpu-clock" })
    raises("either a period or a frequency expected", { event = "cpu-clock", frequency = 1, period = 1 })
    raises("perf(1) lists events", { event = "no-such", period = 1 })
    raises("an event or a type expected", { period = 1 })
    raises("a breakpoint needs one", { event = "breakpoint" })
    raises('"r", "w", "rw" or "x" expected', { event = "breakpoint", address = 1, access = "?" })
    raises("field 'precise'", { event = "cpu-clock", period = 1, precise = 4 })
    raises("program of type perf_event expected", { event = "cpu-clock", period = 1,
      program = trace.load("user").programs.user })
  end)

  it("is perf events where the kernel has no links for those, as before Linux 5.15", function()
    local launcher = support.tmpdir() .. "/without_links"
    support.check_run { "cc", "-Wall", "-o", launcher, "spec/support/without_links.c" }
    local output, status = support.run_lua([[
      local ebpf = require "ebpf"
      local support = require "spec.support"
      local trace = require "spec.support.trace"
      local collection = assert(ebpf.load(support.fixture("trace"), { programs = { "sampled", "user" } }))
      local sampled, user = collection.programs.sampled, collection.programs.user

      local function events()
        local n = 0
        for _, what in pairs(support.fds()) do
          n = n + (what == "anon_inode:[perf_event]" and 1 or 0)
        end
        return n
      end

      local link = assert(ebpf.link.perf_event { program = sampled, event = "cpu-clock", frequency = 500 })
      assert(events() == #support.online_cpus())
      local deadline = support.now() + 10
      while not trace.seen(collection) and support.now() < deadline do end
      assert(support.now() < deadline)
      local ok, message = link:pin("/nowhere")
      assert(ok == nil, message)
      local info = link:info()
      assert(info.type == "perf_event" and info.id == nil)
      assert(info.tracepoint == nil and info.name == "cpu-clock")
      assert(link:detach() == true)
      assert(link:is_closed() and events() == 0)
      trace.seen(collection)

      link = assert(ebpf.link.uprobe { program = user, path = trace.library, symbol = "traced_add" })
      assert(events() == 1)
      assert(trace.seen_of(collection, trace.fire).count == 1)
      link:close()
      assert(events() == 0 and not trace.seen_of(collection, trace.fire))
      link, message = ebpf.link.uprobe { program = user, path = trace.library, symbol = "traced_add", cookie = 1 }
      assert(link == nil and message:find("a cookie needs Linux 5.15", 1, true), message)
      print "well"
    ]], function(line)
      return support.quote(launcher) .. " " .. line
    end)
    assert.same({ "well\n", 0 }, { output, status })
  end)
end)
