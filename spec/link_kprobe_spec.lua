-- Links to functions of the kernel by kprobes. A kernel without them says so, and these are skipped in its words.
local ebpf = require "ebpf"
local core = require "ebpf.core"
local support = require "spec.support"
local trace = require "spec.support.trace"

local errno = ebpf.errno
local symbol = core.syscall_prefix .. "getpgid"

describe("a link to the kernel", function()
  local collection

  setup(function()
    support.tracefs()
    collection = trace.load("kernel", "kernel_return", "system_call", "system_call_return")
  end)

  local function seen(of)
    return trace.seen_of(of or collection, trace.system_call)
  end

  local since = { kprobe = "4.17", kretprobe = "4.17", ksyscall = "4.17", kretsyscall = "4.17" }

  -- Attaches; where the kernel was built without kprobes the test is skipped.
  local function attach(kind, options)
    local link, message, code = ebpf.link[kind](options)
    if code == errno.EOPNOTSUPP then
      support.needs(since[kind], kind, message)
    end
    return link, message, code
  end

  -- What the program sees through the link; that it sees nothing before, and nothing when the link is closed.
  local function through(kind, options)
    assert.is_nil(seen())
    local link = assert(attach(kind, options))
    local hit = seen()
    assert.is_true(link:close())
    assert.is_nil(seen())
    return assert(hit)
  end

  for _, mode in ipairs { "perf", "tracefs" } do
    describe("by " .. mode, function()
      it("runs the program where a function begins", function()
        assert.equal(1, through("kprobe", { program = collection.programs.kernel, symbol = symbol, mode = mode }).count)
        assert.equal(0, trace.events("kprobe"))
      end)

      it("runs the program where a function returns", function()
        local hit = through("kretprobe", { program = collection.programs.kernel_return, symbol = symbol, mode = mode })
        assert.equal(1, hit.count)
        assert.truthy(hit.first > 0) -- the process group
        assert.equal(0, trace.events("kprobe"))
      end)

      it("runs the program at system calls", function()
        assert.equal(1, through("ksyscall", { program = collection.programs.system_call, name = "getpgid",
          mode = mode }).count)
        assert.truthy(through("kretsyscall", { program = collection.programs.system_call_return, name = "getpgid",
          mode = mode }).first > 0)
      end)

      it("runs the program at an address", function()
        local address
        for line in io.lines("/proc/kallsyms") do
          address = address or line:match("^(%x+) [tT] " .. symbol .. "$")
        end
        assert.equal(1, through("kprobe", { program = collection.programs.kernel, address = "0x" .. address,
          mode = mode }).count)
      end)

      it("ends when it is collected", function()
        do
          local link = assert(attach("kprobe", { program = collection.programs.kernel, symbol = symbol, mode = mode }))
          assert.equal(1, seen().count)
          assert.equal(mode == "tracefs" and 1 or 0, trace.events("kprobe"))
          assert.is_false(link:is_closed())
        end
        collectgarbage()
        collectgarbage()
        assert.is_nil(seen())
        assert.equal(0, trace.events("kprobe"))
      end)
    end)
  end

  it("takes more calls that are under way by tracefs", function()
    local link = assert(attach("kretprobe", { program = collection.programs.kernel_return, symbol = symbol,
      maxactive = 100 }))
    assert.truthy(support.read_file(support.tracefs() .. "/kprobe_events"):find("r100:ebpf/p_", 1, true))
    assert.equal(1, seen().count)
    link:close()
    assert.equal(0, trace.events("kprobe"))
  end)

  it("tells the program its cookie", function()
    local own = trace.load_granted("5.15", "the cookie of a kprobe", "kernel_cookie")
    local link = assert(attach("kprobe", { program = own.programs.kernel_cookie, symbol = symbol, cookie = 321 }))
    assert.equal(321, seen(own).cookie)
    link:close()
  end)

  it("is attached by what the section says", function()
    for _, name in ipairs { "kernel", "system_call", "system_call_return" } do
      local link = support.granted("4.17", "kprobe", collection.programs[name]:attach())
      assert.equal(1, seen().count)
      link:close()
      assert.is_nil(seen())
    end
    local none, message, code = collection.programs.kernel_return:attach()
    assert.is_nil(none)
    assert.equal('attach "kernel_return": a kprobe program needs a function: attach{symbol = "do_unlinkat"}', message)
    assert.equal(errno.EINVAL, code)
  end)

  it("says why it cannot be", function()
    local link, message, code = attach("kprobe", { program = collection.programs.kernel, symbol = "no_such_function" })
    assert.is_nil(link)
    assert.equal('attach "kernel": kprobe "no_such_function": open perf event: no such file or directory (ENOENT): '
      .. "the kernel has no such function", message)
    assert.equal(errno.ENOENT, code)
    link, message, code = attach("ksyscall", { program = collection.programs.kernel, name = "no_such_call" })
    assert.is_nil(link)
    assert.truthy(message:find("the kernel has no such function", 1, true), message)
    assert.equal(errno.ENOENT, code)
    link, message, code = attach("kprobe", { program = collection.programs.kernel, symbol = symbol, offset = 1 })
    assert.is_nil(link)
    assert.truthy(message:find("no instruction begins there", 1, true), message)
    assert.truthy(code == errno.EINVAL or code == errno.EILSEQ)
    link, message = attach("kprobe", { program = collection.programs.kernel, symbol = "a b", mode = "tracefs" })
    assert.is_nil(link)
    assert.truthy(message:find("tracefs takes no name with blanks", 1, true), message)
  end)

  it("raises for wrong options", function()
    local function raises(words, kind, options)
      if type(options) == "table" then
        options.program = options.program or collection.programs.kernel
      end
      local ok, message = pcall(ebpf.link[kind], options)
      assert.is_false(ok)
      assert.truthy(message:find(words, 1, true), message)
    end
    raises("a function or else an address expected", "kprobe", {})
    raises("a function or else an address expected", "kprobe", { symbol = "f", address = 1 })
    raises("unknown kprobe field 'func'", "kprobe", { func = "f" })
    raises("only return probes have it", "kprobe", { symbol = "f", maxactive = 1 })
    raises("table expected, got nil", "kretprobe")
    raises("field 'name': string expected", "ksyscall", {})
    raises("unknown ksyscall field 'symbol'", "ksyscall", { name = "getpgid", symbol = "f" })
    raises("either symbols, addresses or a pattern expected", "kprobe_multi", {})
    raises("either symbols, addresses or a pattern expected", "kprobe_multi", { symbols = { "f" }, pattern = "f" })
    raises("array of names expected", "kprobe_multi", { symbols = { "f", 1 } })
    raises("array of as many numbers", "kprobe_multi", { symbols = { "f" }, cookies = { 1, 2 } })
    raises("array of 1 to 1048576 elements expected", "kprobe_multi", { symbols = {} })
    raises("Program expected", "kprobe_multi", { program = 1, symbols = { "f" } })
  end)

  describe("at many functions", function()
    local multi

    local function count()
      local hit = seen(multi)
      return hit and hit.count or 0
    end

    -- Debian's 6.1 was built without CONFIG_FPROBE; lockdown hides the list of functions.
    local function attach_multi(options)
      multi = multi or trace.load_granted("6.2", "kprobe_multi", "kernel_multi")
      options.program = multi.programs.kernel_multi
      local link, message, code = ebpf.link.kprobe_multi(options)
      if code == errno.EOPNOTSUPP or code == errno.EPERM or code == errno.EINVAL then
        support.needs("6.2", "kprobe_multi", message)
      end
      return link, message, code
    end

    it("runs the program at each that matches, until it is closed", function()
      local link = assert(attach_multi { pattern = symbol:sub(1, -2) .. "?" })
      assert.truthy(count() >= 1)
      assert.truthy(tostring(link):find(("^kprobe_multi link \"%s%%?\" #"):format(symbol:sub(1, -2))), tostring(link))
      link:close()
      assert.equal(0, count())
      link = assert(multi.programs.kernel_multi:attach { pattern = symbol })
      assert.truthy(count() >= 1)
      link:close()
    end)

    it("ends when it is collected", function()
      do
        local link = assert(attach_multi { symbols = { symbol } })
        assert.truthy(count() >= 1)
        assert.is_false(link:is_closed())
      end
      collectgarbage()
      collectgarbage()
      assert.equal(0, count())
    end)

    it("tells the program a cookie for each", function()
      local link = assert(attach_multi { symbols = { symbol, core.syscall_prefix .. "getsid" }, cookies = { 21, 22 } })
      trace.runs_with(multi, 21)
      assert.truthy(count() >= 1)
      assert.truthy(trace.runs_with(multi, 21) >= 1)
      link:close()
    end)

    it("says what it cannot find", function()
      local link, message, code = attach_multi { symbols = { "no_such_function" } }
      assert.is_nil(link)
      assert.truthy(message:find("is none of the kernel's, or cannot be probed", 1, true), message)
      assert.truthy(code == errno.ESRCH or code == errno.ENOENT)
      link, message, code = attach_multi { pattern = "no_such_function*" }
      assert.is_nil(link)
      assert.truthy(message:find('matches "no_such_function*"', 1, true), message)
      assert.equal(errno.ENOENT, code)
    end)

    it("runs the program at both ends of a session", function()
      local session = trace.load_granted("6.10", "kprobe_session", "kernel_session")
      local link = support.granted("6.10", "kprobe_session",
        ebpf.link.kprobe_multi { program = session.programs.kernel_session, symbols = { symbol } })
      assert.equal(2, seen(session).count)
      link:close()
      assert.is_nil(seen(session))
    end)
  end)
end)

describe("functions that can be probed", function()
  it("are found by pattern", function()
    support.tracefs()
    if not support.exists(support.tracefs() .. "/available_filter_functions") then
      return support.pending("the kernel has no list of functions (CONFIG_DYNAMIC_FTRACE)")
    end
    local program = trace.load("user").programs.user
    -- That it is no program for them is what the kernel says when the functions were found.
    local link, message, code = ebpf.link.kprobe_multi { program = program, pattern = "vfs_rea*" }
    assert.is_nil(link)
    if code == errno.EPERM then -- kernel lockdown
      return support.pending(message)
    end
    assert.is_nil(message:find("no function of the kernel", 1, true), message)
    link, message = ebpf.link.kprobe_multi { program = program, pattern = "no_such_function*" }
    assert.is_nil(link)
    assert.equal('attach "user": no function of the kernel that can be probed matches "no_such_function*"', message)
  end)
end)
