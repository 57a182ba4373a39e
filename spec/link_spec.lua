-- Links on the real kernel: attach, make the event happen, see the effect, end it, see the effect gone.
local ebpf = require "ebpf"
local support = require "spec.support"

local errno = ebpf.errno

-- What programs count by.
local process = tonumber((support.read_file("/proc/self/stat"):match("^(%d+) ")))

-- An event of this process alone: the tracepoint task_rename.
local function rename()
  local comm = support.read_file("/proc/self/comm"):gsub("\n", "")
  support.write_file("/proc/self/comm", comm)
end

-- 64-bit integers are cdata on LuaJIT.
local function number(value)
  return value and tonumber(value)
end

local function load(...)
  return support.closing(assert(ebpf.load(support.fixture("link"), { programs = { ... } })))
end

describe("a link", function()
  -- How often the programs of `collection` ran for this process since the last call.
  local function runs(collection)
    local count = number(collection.maps.renames:get(process)) or 0
    assert(collection.maps.renames:delete(process))
    return count
  end

  local function fires(collection)
    runs(collection)
    rename()
    rename()
    return runs(collection) == 2
  end

  describe("to a raw tracepoint", function()
    local collection, program

    setup(function()
      collection = load("raw", "raw_anywhere", "event")
      program = collection.programs.raw
    end)

    it("runs the program at each pass, until it is closed", function()
      assert.is_false(fires(collection))
      local link = assert(ebpf.link.raw_tracepoint { program = program, name = "task_rename" })
      assert.is_true(fires(collection))
      assert.equal(('raw_tracepoint link "task_rename" #%d'):format(link:fd()), tostring(link))
      assert.is_true(link:close())
      assert.is_false(fires(collection))
      assert.is_true(link:is_closed())
      assert.equal('raw_tracepoint link "task_rename" (closed)', tostring(link))
    end)

    it("ends when it is collected", function()
      do
        local link = assert(program:attach())
        assert.is_true(fires(collection))
        assert.is_false(link:is_closed())
      end
      collectgarbage()
      collectgarbage()
      assert.is_false(fires(collection))
    end)

    it("needs no program handle to go on", function()
      local own = load("raw")
      local link = assert(own.programs.raw:attach())
      own.programs.raw:close()
      assert.is_true(fires(own))
      link:close()
    end)

    it("tells the program its cookie, where the kernel has them", function()
      local link = support.granted("6.10", "the cookie of a raw tracepoint",
        ebpf.link.raw_tracepoint { program = program, name = "task_rename", cookie = 77 })
      rename()
      local cookie, told = number(collection.maps.cookies:get(process)), number(link:info().cookie)
      link:close()
      assert.equal(77, cookie)
      assert.is_true(told == 77 or told == nil and not support.kernel_is("6.17"), tostring(told))
    end)

    it("is attached by what the section says", function()
      local link = assert(program:attach())
      assert.is_true(fires(collection))
      link:close()

      local missing, message, code = collection.programs.raw_anywhere:attach()
      assert.is_nil(missing)
      assert.equal('attach "raw_anywhere": a raw_tracepoint program needs the name of a tracepoint: '
        .. 'attach{name = "sched_process_exec"}', message)
      assert.equal(errno.EINVAL, code)
      link = assert(collection.programs.raw_anywhere:attach { name = "task_rename" })
      assert.is_true(fires(collection))
      link:close()
    end)

    it("describes itself", function()
      local link = assert(program:attach())
      local info = link:info()
      assert.equal("raw_tracepoint", info.type)
      assert.equal("task_rename", info.tp_name)
      assert.equal(program:info().id, info.prog_id)

      local same = assert(ebpf.link_from_id(info.id))
      assert.same(info.id, same:info().id)
      assert.truthy(tostring(same):find('raw_tracepoint link "task_rename" #', 1, true))
      same:close()
      link:close()
    end)

    it("says why it cannot be", function()
      local link, message, code = ebpf.link.raw_tracepoint { program = program, name = "no_such" }
      assert.is_nil(link)
      assert.equal('attach "raw": raw tracepoint "no_such": no such file or directory (ENOENT): '
        .. 'the kernel has no tracepoint of that name', message)
      assert.equal(errno.ENOENT, code)
    end)

    it("neither updates nor detaches", function()
      local link = assert(program:attach())
      local ok, message, code = link:detach()
      assert.is_nil(ok)
      assert.equal('detach raw_tracepoint link "task_rename": operation not supported (EOPNOTSUPP): '
        .. 'links of this type detach when they are closed and not pinned', message)
      assert.equal(errno.EOPNOTSUPP, code)
      ok, message, code = link:update(collection.programs.raw_anywhere)
      assert.is_nil(ok)
      assert.truthy(message:find("links of this type keep their program", 1, true))
      assert.equal(errno.EINVAL, code)
      assert.is_true(fires(collection))
      link:close()
    end)

    it("outlives its handle when it is pinned", function()
      local path = support.bpffs() .. "/link"
      local link = assert(program:attach())
      assert.is_false(link:is_pinned())
      assert.is_true(link:pin(path))
      assert.is_true(link:is_pinned())
      local id = link:info().id
      link:close()
      assert.is_true(fires(collection))

      local again = assert(ebpf.load_pinned_link(path))
      assert.equal(id, again:info().id)
      assert.is_true(again:is_pinned())
      assert.truthy(tostring(again):find('raw_tracepoint link "task_rename" #', 1, true))
      assert.is_true(again:unpin())
      assert.is_false(again:is_pinned())
      assert.is_true(fires(collection))
      again:close()
      -- The kernel gives up a pin after a grace period.
      assert.is_true(support.wait_until(function()
        return not fires(collection)
      end))
    end)

    it("is no map and no program", function()
      local path = support.bpffs() .. "/map"
      assert(collection.maps.renames:pin(path))
      local link, message = ebpf.load_pinned_link(path)
      assert.is_nil(link)
      assert.truthy(message:find("it is a map, not a link", 1, true))
      assert(collection.maps.renames:unpin())
    end)
  end)

  describe("to a tracepoint", function()
    local collection, program

    setup(function()
      support.tracefs()
      collection = load("event", "event_anywhere", "raw")
      program = collection.programs.event
    end)

    it("runs the program at each event, until it is closed", function()
      assert.is_false(fires(collection))
      local link = assert(ebpf.link.tracepoint { program = program, group = "task", name = "task_rename" })
      assert.is_true(fires(collection))
      assert.equal(('tracepoint link "task/task_rename" #%d'):format(link:fd()), tostring(link))
      link:close()
      assert.is_false(fires(collection))
    end)

    it("ends when it is collected", function()
      do
        local link = assert(program:attach())
        assert.is_true(fires(collection))
        assert.is_false(link:is_closed())
      end
      collectgarbage()
      collectgarbage()
      assert.is_false(fires(collection))
    end)

    it("tells the program its cookie", function()
      local cookie = "0xfedcba9876543210"
      local link = support.granted("5.15", "the cookie of a tracepoint", ebpf.link.tracepoint {
        program = program, group = "task", name = "task_rename", cookie = cookie,
      })
      rename()
      -- The raw bytes, since not every Lua has a number for it.
      local bytes = collection.maps.cookies:get_bytes(process)
      if ("\1\0"):byte() == 1 and bytes:byte(1) == 0x10 then
        bytes = bytes:reverse()
      end
      assert.equal("\254\220\186\152\118\84\50\16", bytes)
      link:close()
    end)

    it("is attached by what the section says", function()
      local link = assert(program:attach())
      assert.is_true(fires(collection))
      link:close()

      local missing, message, code = collection.programs.event_anywhere:attach()
      assert.is_nil(missing)
      assert.equal('attach "event_anywhere": a tracepoint program needs a group and a name: '
        .. 'attach{group = "sched", name = "sched_process_exec"}', message)
      assert.equal(errno.EINVAL, code)
      link = assert(collection.programs.event_anywhere:attach { group = "task", name = "task_rename" })
      assert.is_true(fires(collection))
      link:close()
    end)

    it("describes itself", function()
      local link = assert(program:attach())
      local info = link:info()
      assert.equal("perf_event", info.type)
      if info.id then -- Linux 5.15
        assert.equal(program:info().id, info.prog_id)
      end
      if info.tracepoint then -- Linux 6.6, or no link of the kernel's
        assert.equal(info.id and "task_rename" or "task/task_rename", info.tracepoint)
      end
      link:close()
    end)

    it("says why it cannot be", function()
      local function attach(group, name)
        local link, message, code = ebpf.link.tracepoint { program = program, group = group, name = name }
        assert.is_nil(link)
        return message, code
      end
      local message, code = attach("task", "no_such")
      assert.truthy(message:find('attach "event": find tracepoint task/no_such: no such file or directory (ENOENT): '
        .. 'the kernel has no such event: see ', 1, true))
      assert.equal(errno.ENOENT, code)
      for _, name in ipairs { "..", "a/b", "", "a b", ("x"):rep(200) } do
        message, code = attach("task", name)
        assert.truthy(message:find("group and name are letters, digits, '_' and '-'", 1, true))
        assert.equal(errno.EINVAL, code)
        attach(name, "task_rename")
      end

      local link = assert(program:attach())
      message, code = attach("task", "task_rename")
      assert.truthy(message:find("this program is attached to it already", 1, true))
      assert.equal(errno.EEXIST, code)
      link:close()
    end)

    it("finds tracefs wherever it is mounted, or says how to mount it", function()
      -- Mounts of its own are refused to a chroot that is no mount point.
      local refusal, refused = support.run "unshare --mount true"
      if refused ~= 0 then
        return pending(refusal)
      end
      local script = [[
        local ebpf = require "ebpf"
        local collection = assert(ebpf.load(%q, { programs = { "event" } }))
        print((select(2, collection.programs.event:attach())))
        os.execute(%q)
        print((assert(collection.programs.event:attach())))
      ]]
      local odd = support.tmpdir() .. "/a b\\c"
      local function attach(command)
        return support.run_lua(script:format(support.fixture("link"), command), function(lua)
          return "unshare --mount sh -c " .. support.quote(
            "umount -a -t tracefs; umount -a -t debugfs; mkdir -p " .. support.quote(odd) .. "; " .. lua)
        end)
      end
      for _, command in ipairs { "mount -t tracefs none ", "mount -t debugfs none " } do
        local output, status = attach(command .. support.quote(odd))
        assert.equal(0, status, output)
        assert.truthy(output:find("tracefs is not mounted: mount it by: mount -t tracefs tracefs /sys/kernel/tracing\n",
          1, true), output)
        assert.truthy(output:find('tracepoint link "task/task_rename" #', 1, true), output)
      end
    end)
  end)

  it("to a tracepoint is a perf event where the kernel has no links for those", function()
    support.tracefs()
    local launcher = support.tmpdir() .. "/without_links"
    support.check_run { "cc", "-Wall", "-o", launcher, "spec/support/without_links.c" }
    local script = [[
      local ebpf = require "ebpf"
      local support = require "spec.support"
      local collection = assert(ebpf.load(%q, { programs = { "event" } }))
      local program = collection.programs.event
      local process = tonumber((support.read_file("/proc/self/stat"):match("^(%%d+) ")))
      local function fires()
        assert(collection.maps.renames:delete(process))
        support.write_file("/proc/self/comm", "spec")
        return collection.maps.renames:get(process) ~= nil
      end

      local link, message = program:attach { cookie = 1 }
      assert(link == nil and message:find("a cookie needs Linux 5.15", 1, true), message)
      link = assert(program:attach())
      assert(fires())
      assert(tostring(link) == ('tracepoint link "task/task_rename" #%%d'):format(link:fd()))
      local info = link:info()
      assert(info.type == "perf_event" and info.tracepoint == "task/task_rename" and info.id == nil)
      local ok, code
      ok, message, code = link:pin("/nowhere")
      assert(ok == nil and code == ebpf.errno.EOPNOTSUPP)
      assert(message:find('pin tracepoint link "task/task_rename": it is a perf event', 1, true), message)
      ok, message, code = link:update(program)
      assert(ok == nil and code == ebpf.errno.EINVAL and message:find("a perf event keeps its program", 1, true))
      assert(link:detach() == true)
      assert(not fires())
      assert(link:is_closed())

      link = assert(program:attach())
      assert(fires())
      link = nil
      collectgarbage()
      collectgarbage()
      assert(not fires())
      print "well"
    ]]
    local output, status = support.run_lua(script:format(support.fixture("link")), function(command)
      return support.quote(launcher) .. " " .. command
    end)
    assert.equal(0, status, output)
    assert.equal("well\n", output)
  end)

  describe("to a network interface", function()
    -- Packets are sent within a network namespace, so a script in there does the work.
    local function run(body)
      local netns = support.netns()
      support.check_run(support.in_netns(netns, [[
        ip link add left type veth peer name right &&
        ip address add 10.9.8.1/24 dev left && ip link set left up &&
        ip address add 10.9.8.2/24 dev right && ip link set right up
      ]]))
      local output, status = support.run_lua(([[
        local ebpf = require "ebpf"
        local support = require "spec.support"
        local collection = assert(ebpf.load(%q, { programs = { "first", "second" } }))
        local first, second = collection.programs.first, collection.programs.second
        local function send()
          -- One broadcast, as the namespace would keep a packet for its own address to itself.
          support.check_run { "bash", "-c", "ip neigh replace 10.9.8.77 lladdr ff:ff:ff:ff:ff:ff dev left;"
            .. " echo >/dev/udp/10.9.8.77/9" }
        end
        local function arrived(slot)
          return tonumber(collection.maps.packets:get(slot))
        end
        -- Whether a packet adds to that slot; others (neighbour discovery) may add as well.
        local function counts(slot)
          local before = arrived(slot)
          send()
          return support.wait_until(function() return arrived(slot) > before end, 0.5)
        end
      ]]):format(support.fixture("link")) .. body .. '\nprint "well"', function(command)
        return support.in_netns(netns, command)
      end)
      assert.equal(0, status, output)
      assert.equal("well\n", output)
    end

    it("runs the program on what arrives, until it is closed", function()
      run [[
        assert(not counts(0))
        local link = assert(ebpf.link.xdp { program = first, interface = "right" })
        assert(counts(0))
        assert(tostring(link) == ('xdp link "right" #%d'):format(link:fd()))
        link:close()
        assert(not counts(0))
      ]]
    end)

    it("ends when it is collected", function()
      run [[
        local link = assert(first:attach { interface = "right" })
        assert(counts(0))
        link = nil
        collectgarbage()
        collectgarbage()
        assert(not counts(0))
      ]]
    end)

    it("runs in the mode that was asked for, and tells which", function()
      run [[
        for _, mode in ipairs { "native", "generic" } do
          local link = assert(first:attach { interface = "right", mode = mode })
          local info = link:info()
          assert(info.type == "xdp" and info.mode == mode and info.devname == "right")
          assert(info.prog_id == first:info().id)
          assert(counts(0))
          link:close()
          link = assert(first:attach { interface = info.ifindex, mode = mode })
          assert(link:info().ifindex == info.ifindex)
          link:close()
        end
        local link = assert(first:attach { interface = "right" })
        assert(link:info().mode == "native")
        link:close()
      ]]
    end)

    it("changes its program in one step", function()
      run [[
        local link = assert(first:attach { interface = "right" })
        assert(counts(0) and not counts(1))
        assert(link:update(second) == true)
        assert(counts(1) and not counts(0))
        assert(link:info().prog_id == second:info().id)
        link:close()
      ]]
    end)

    it("detaches when told, or when the interface goes away", function()
      run [[
        local link = assert(first:attach { interface = "right" })
        assert(link:detach() == true)
        assert(not counts(0))
        assert(link:info().ifindex == 0 and link:info().devname == nil)
        assert(not link:is_closed())
        local ok, message, code = link:update(second)
        assert(ok == nil and message:find("ENOLINK", 1, true) and code == ebpf.errno.ENOLINK)

        local other = assert(first:attach { interface = "right" })
        support.check_run { "ip", "link", "delete", "right" }
        assert(other:info().ifindex == 0)
        link:close()
        other:close()
      ]]
    end)

    it("is kept by its pin", function()
      run(([[
        local path = %q
        local link = assert(first:attach { interface = "right" })
        assert(link:pin(path))
        link:close()
        assert(counts(0))
        local again = assert(ebpf.load_pinned_link(path))
        assert(tostring(again):find('xdp link "right" #', 1, true))
        assert(again:update(second))
        assert(counts(1))
        assert(again:unpin())
        assert(again:detach())
        assert(not counts(1))
      ]]):format(support.bpffs() .. "/link"))
    end)

    it("says why it cannot be", function()
      run [[
        local function check(words, code, options)
          local link, message, errno = first:attach(options)
          assert(link == nil and message:find(words, 1, true) and errno == code, message)
        end
        local errno = ebpf.errno
        check('attach "first": an xdp program needs an interface: attach{interface = "eth0"}', errno.EINVAL)
        check('attach "first": interface "nowhere": no such device (ENODEV)', errno.ENODEV, { interface = "nowhere" })
        check('attach "first": interface 4711: no such device (ENODEV)', errno.ENODEV, { interface = 4711 })
        check('its driver has no native mode: use mode "generic"', errno.EOPNOTSUPP,
          { interface = "lo", mode = "native" })
        check('its driver has no offload mode: use mode "generic"', errno.EOPNOTSUPP,
          { interface = "lo", mode = "offload" })
        check("a program for a card is loaded for it", errno.EINVAL, { interface = "right", mode = "offload" })
        local link = assert(second:attach { interface = "right" })
        check("it has an XDP program already", errno.EBUSY, { interface = "right" })
        check("it has an XDP program already", errno.EEXIST, { interface = "right", mode = "generic" })
        link:close()
      ]]
    end)
  end)

  it("is not known for every type of program", function()
    local collection = load("unattachable")
    local link, message, code = collection.programs.unattachable:attach()
    assert.is_nil(link)
    assert.equal('attach "unattachable": no attachment is known for programs of type "lwt_in"', message)
    assert.equal(errno.EOPNOTSUPP, code)
  end)

  it("does not take wrong arguments", function()
    local collection = load("raw", "event")
    local raw, event = collection.programs.raw, collection.programs.event
    local function check(words, call, ...)
      local ok, message = pcall(call, ...)
      assert.is_false(ok)
      assert.truthy(message:find(words, 1, true), message)
    end
    local raw_tracepoint, xdp = ebpf.link.raw_tracepoint, ebpf.link.xdp
    check("table expected", raw_tracepoint)
    check("unknown raw_tracepoint field 'cooky'", raw_tracepoint, { program = raw, name = "x", cooky = 1 })
    check("field 'program': Program expected", raw_tracepoint, { name = "x" })
    check("field 'program': program of type raw_tracepoint expected, this is of type tracepoint", raw_tracepoint,
      { program = event, name = "x" })
    check("field 'name': string expected", raw_tracepoint, { program = raw })
    check("field 'name': string contains zeros", raw_tracepoint, { program = raw, name = "a\0b" })
    check("field 'cookie'", raw_tracepoint, { program = raw, name = "x", cookie = -1.5 })
    check("field 'program': program of type xdp expected", xdp, { program = raw, interface = "lo" })
    check("unknown raw_tracepoint field 'interface'", raw.attach, raw, { interface = "lo" })
    check("table expected, got number", raw.attach, raw, 1)
    check("not an option", raw.attach, raw, { program = raw })
    check("spec/link_spec.lua:", function()
      raw:attach { cookie = {} }
    end)
  end)

  it("answers EBADF once closed, whatever is asked", function()
    local collection = load("raw")
    local program = collection.programs.raw
    local link = assert(program:attach())
    local number_before = link:fd()
    assert.is_true(link:close())
    -- The number is taken by something else now.
    local other = assert(program:attach())
    assert.equal(number_before, other:fd())
    for _, method in ipairs { "update", "detach", "info", "pin", "unpin", "is_pinned", "fd" } do
      local argument = method == "update" and program or "/nowhere"
      local result, message, code = link[method](link, argument)
      assert.is_nil(result)
      assert.truthy(message:find("closed", 1, true))
      assert.equal(errno.EBADF, code)
    end
    assert.is_true(link:close())
    assert.truthy(fires(collection))
    other:close()

    program:close()
    local result, message, code = program:attach()
    assert.is_nil(result)
    assert.equal("program is closed", message)
    assert.equal(errno.EBADF, code)
  end)

  it("names the capability that is missing", function()
    support.tracefs()
    local path = support.bpffs() .. "/event"
    local collection = load("event")
    assert(collection.programs.event:pin(path))
    local output, status = support.run_lua(([[
      local ebpf = require "ebpf"
      local program = assert(ebpf.load_pinned_program(%q))
      print(select(2, ebpf.link.tracepoint { program = program, group = "task", name = "task_rename" }))
      print(select(2, ebpf.link_from_id(1)))
      print(pcall(ebpf.link_ids()))
    ]]):format(path), function(command)
      return support.unprivileged(command, { "bpf" })
    end)
    assert(collection.programs.event:unpin())
    assert.equal(0, status, output)
    local perf, by_id, ids = output:match("^([^\n]*)\n([^\n]*)\n([^\n]*)")
    assert.truthy(perf:find('attach "event": tracepoint task/task_rename: open perf event: ', 1, true), perf)
    assert.truthy(perf:find("lacks CAP_PERFMON", 1, true), perf)
    assert.truthy(by_id:find("open link with id 1: operation not permitted (EPERM)", 1, true), by_id)
    assert.truthy(by_id:find("lacks CAP_SYS_ADMIN", 1, true), by_id)
    assert.truthy(ids:find("needs CAP_SYS_ADMIN", 1, true), ids)
  end)

  it("takes back the files of links that nobody holds when there are no more", function()
    support.needs("6.10", "more than one link of a program to a raw tracepoint")
    support.tracefs()
    local output, status = support.run_lua(([[
      local ebpf = require "ebpf"
      local collection = assert(ebpf.load(%q, { programs = { "raw", "event" } }))
      collectgarbage "stop"
      for _ = 1, 60 do
        assert(collection.programs.raw:attach())
        assert(assert(collection.programs.event:attach()):close())
      end
      print "well"
    ]]):format(support.fixture("link")), function(command)
      return "ulimit -n 40; " .. command
    end)
    assert.equal(0, status, output)
    assert.equal("well\n", output)
  end)

  it("is listed by the kernel", function()
    local collection = load("raw")
    local link = assert(collection.programs.raw:attach())
    local id, found = link:info().id, false
    for other in ebpf.link_ids() do
      found = found or other == id
    end
    assert.is_true(found)
    link:close()
    local gone, message, code = ebpf.link_from_id(id)
    assert.is_nil(gone)
    assert.truthy(message:find("open link with id " .. id, 1, true))
    assert.equal(errno.ENOENT, code)
  end)
end)
