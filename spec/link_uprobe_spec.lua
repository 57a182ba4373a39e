-- Links to functions of executables and libraries, on the real kernel, with a library that this process has loaded.
local ebpf = require "ebpf"
local process = require "spec.support.process"
local support = require "spec.support"
local trace = require "spec.support.trace"

local errno = ebpf.errno
local library = trace.library

describe("a link to user space", function()
  local collection

  setup(function()
    support.tracefs()
    collection = trace.load("user", "user_return", "user_section")
  end)

  local function seen()
    return trace.seen_of(collection, trace.fire)
  end

  -- What the program sees through the link; that it sees nothing before, and nothing when the link is closed.
  local function through(kind, options)
    assert.is_nil(seen())
    local link = assert(ebpf.link[kind](options))
    local hit = seen()
    assert.is_true(link:close())
    assert.is_nil(seen())
    return hit
  end

  local function refused(kind, options)
    options.program = options.program or collection.programs.user
    local link, message, code = ebpf.link[kind](options)
    assert.is_nil(link)
    return message, code
  end

  for _, mode in ipairs { "perf", "tracefs" } do
    describe("by " .. mode, function()
      it("runs the program where a function begins", function()
        local hit = through("uprobe", { program = collection.programs.user, path = library, symbol = "traced_add",
          mode = mode })
        assert.same({ count = 1, cookie = 0, first = 40, second = 2 }, hit)
        assert.equal(0, trace.events("uprobe"))
      end)

      it("runs the program where a function returns", function()
        local hit = through("uretprobe", { program = collection.programs.user_return, path = library,
          symbol = "traced_add", mode = mode })
        assert.same({ 1, 42 }, { hit.count, hit.first })
        assert.equal(0, trace.events("uprobe"))
      end)

      it("runs the program in one process alone", function()
        local own = assert(ebpf.link.uprobe { program = collection.programs.user, path = library,
          symbol = "traced_add", pid = 0, mode = mode })
        assert.equal(1, seen().count)
        own:close()
        own = assert(ebpf.link.uprobe { program = collection.programs.user, path = library,
          symbol = "traced_add", pid = trace.process, mode = mode })
        assert.equal(1, seen().count)
        own:close()
        local other = assert(ebpf.link.uprobe { program = collection.programs.user, path = library,
          symbol = "traced_add", pid = support.start("sleep 60"), mode = mode })
        assert.is_nil(seen())
        other:close()
      end)

      it("tells the program its cookie", function()
        local own = trace.load_granted("5.15", "the cookie of a uprobe", "user_cookie")
        local link = assert(ebpf.link.uprobe { program = own.programs.user_cookie, path = library,
          symbol = "traced_add", cookie = 4711, mode = mode })
        assert.equal(4711, trace.seen_of(own, trace.fire).cookie)
        link:close()
      end)

      it("ends when it is collected", function()
        do
          local link = assert(ebpf.link.uprobe { program = collection.programs.user, path = library,
            symbol = "traced_add", mode = mode })
          assert.equal(1, seen().count)
          assert.equal(mode == "tracefs" and 1 or 0, trace.events("uprobe"))
          assert.is_false(link:is_closed())
        end
        collectgarbage()
        collectgarbage()
        assert.is_nil(seen())
        assert.equal(0, trace.events("uprobe"))
      end)
    end)
  end

  it("stays when a process that was forked closes its copy", function()
    for _, mode in ipairs { "perf", "tracefs" } do
      local link = assert(ebpf.link.uprobe { program = collection.programs.user, path = library,
        symbol = "traced_add", mode = mode })
      process.wait(process.fork(function()
        link:close()
      end))
      assert.equal(1, seen().count)
      assert.equal(mode == "tracefs" and 1 or 0, trace.events("uprobe"))
      link:close()
      assert.is_nil(seen())
      assert.equal(0, trace.events("uprobe"))
    end
  end)

  it("finds functions by name, version, address and offset", function()
    local function first(options)
      options.program, options.path = collection.programs.user, library
      return through("uprobe", options).first
    end
    assert.equal(2, first { symbol = "traced_versioned" })
    assert.equal(1, first { symbol = "traced_versioned@TRACED_1" })
    assert.equal(2, first { symbol = "traced_versioned@@TRACED_2" })
    assert.equal(2, first { symbol = "traced_versioned@TRACED_2" })
    assert.equal(126, first { symbol = "traced_hidden" })
    local address = support.check_run { "nm", library }:match("(%x+) T traced_add\n")
    if address then
      assert.equal(40, first { address = "0x" .. address })
      assert.equal(40, first { offset = tonumber(address, 16) })
      assert.equal(40, first { symbol = "traced_add+0x0", offset = 0 })
    end
  end)

  it("says what it cannot find", function()
    local message, code = refused("uprobe", { path = library, symbol = "no_such" })
    assert.equal(('attach "user": uprobe: "%s": it has no function "no_such"'):format(library), message)
    assert.equal(errno.ENOENT, code)
    message, code = refused("uprobe", { path = library, symbol = "traced_versioned@@TRACED_1" })
    assert.truthy(message:find('it has no function "traced_versioned@@TRACED_1"', 1, true), message)
    assert.equal(errno.ENOENT, code)
    message = refused("uprobe", { path = library, symbol = "traced_chosen" })
    assert.truthy(message:find("only chooses one of several functions", 1, true), message)
    message, code = refused("uprobe", { path = "/nowhere/x.so", symbol = "f" })
    assert.truthy(message:find('open "/nowhere/x.so": no such file or directory (ENOENT)', 1, true), message)
    assert.equal(errno.ENOENT, code)
    message, code = refused("uprobe", { path = "no_such.so", symbol = "f" })
    assert.truthy(message:find('no library "no_such.so" in LD_LIBRARY_PATH', 1, true), message)
    assert.equal(errno.ENOENT, code)
    message, code = refused("uprobe", { path = "no such program", symbol = "f" })
    assert.truthy(message:find("no executable", 1, true), message)
    assert.equal(errno.ENOENT, code)
    message, code = refused("uprobe", { path = "/etc/passwd", symbol = "f" })
    assert.truthy(message:find('"/etc/passwd" is no ELF file', 1, true), message)
    assert.equal(errno.ENOEXEC, code)
    message, code = refused("uprobe", { path = "/etc", symbol = "f" })
    assert.truthy(message:find('"/etc" is no regular file', 1, true), message)
    assert.equal(errno.EINVAL, code)
    message = refused("uprobe", { path = library, address = "0xffffffffff" })
    assert.truthy(message:find("has nothing at that address", 1, true), message)
    message, code = refused("uprobe", { path = library, symbol = "traced_add", pid = 2 ^ 22 + 1 })
    assert.truthy(message:find("there is no process 4194305", 1, true), message)
    assert.equal(errno.ESRCH, code)
    message, code = refused("uprobe", { path = library, offset = 2 ^ 40 })
    assert.truthy(message:find("there is no instruction at that offset", 1, true), message)
    assert.equal(errno.EINVAL, code)
  end)

  it("raises for wrong options", function()
    local program = collection.programs.user
    local function raises(words, ...)
      local ok, message = pcall(...)
      assert.is_false(ok)
      assert.truthy(message:find(words, 1, true), message)
    end
    raises("table expected, got nil", ebpf.link.uprobe)
    raises("unknown uprobe field 'symbl'", ebpf.link.uprobe, { program = program, path = library, symbl = "x" })
    raises("field 'program': Program expected", ebpf.link.uprobe, { program = io.stdout, path = library, symbol = "x" })
    raises("field 'path': string expected", ebpf.link.uprobe, { program = program, symbol = "x" })
    raises("a function, an address or an offset expected", ebpf.link.uprobe, { program = program, path = library })
    raises("a function or else an address expected", ebpf.link.uprobe,
      { program = program, path = library, symbol = "f", address = 1 })
    raises("\"perf\" or \"tracefs\" expected", ebpf.link.uprobe,
      { program = program, path = library, offset = 0, mode = "x" })
    raises("field 'pid'", ebpf.link.uprobe, { program = program, path = library, offset = 0, pid = -1 })
    raises("table expected, got number", ebpf.link.uretprobe, 1)
    raises("either symbols, a pattern or offsets expected", ebpf.link.uprobe_multi,
      { program = program, path = library })
    raises("string expected at 2", ebpf.link.uprobe_multi,
      { program = program, path = library, symbols = { "traced_add", 7 } })
  end)

  it("is attached by what the section says", function()
    local link = assert(collection.programs.user_section:attach { pid = 0 })
    assert.truthy(tostring(link):find("libc.so.6:getppid", 1, true), tostring(link))
    link:close()
    local missing, message, code = collection.programs.user:attach()
    assert.is_nil(missing)
    assert.equal('attach "user": a uprobe program needs a file and a function: '
      .. 'attach{path = "/bin/bash", symbol = "readline"}', message)
    assert.equal(errno.EINVAL, code)
    link = assert(collection.programs.user:attach { path = library, symbol = "traced_add" })
    assert.equal(1, seen().count)
    link:close()
    link = assert(collection.programs.user_return:attach { path = library, symbol = "traced_add" })
    assert.equal(42, seen().first)
    link:close()
  end)

  it("can be pinned and opened again", function()
    local path = support.bpffs() .. "/uprobe"
    local link = assert(ebpf.link.uprobe { program = collection.programs.user, path = library,
      symbol = "traced_add" })
    support.granted("5.15", "pinning a uprobe", link:pin(path))
    link:close()
    assert.equal(1, seen().count)
    link = assert(ebpf.load_pinned_link(path))
    assert(link:unpin())
    link:close()
    assert.is_nil(seen())
  end)

  it("neither updates nor detaches", function()
    local link = assert(ebpf.link.uprobe { program = collection.programs.user, path = library,
      symbol = "traced_add" })
    local ok, _, code = link:update(collection.programs.user_return)
    assert.same({ nil, errno.EINVAL }, { ok, code })
    link:close()
    ok, _, code = link:detach()
    assert.same({ nil, errno.EBADF }, { ok, code })
  end)

  describe("of many places", function()
    local multi

    local function attach(options)
      multi = multi or trace.load_granted("6.6", "uprobe_multi", "user_multi", "user_multi_return")
      options.program, options.path = options.program or multi.programs.user_multi, library
      local link, message, code = ebpf.link.uprobe_multi(options)
      if code == errno.EINVAL then
        support.needs("6.6", "uprobe_multi", message)
      end
      return link, message, code
    end

    local function count()
      local hit = trace.seen_of(multi, trace.fire)
      return hit and hit.count or 0
    end

    it("runs the program at each function that matches, until it is closed", function()
      local link = assert(attach { pattern = "traced_*" })
      assert.equal(6, count()) -- traced_fire itself was entered before it could be seen
      assert.equal(("uprobe_multi link \"%s:traced_*\" #%d"):format(library, link:fd()), tostring(link))
      link:close()
      assert.equal(0, count())
      link = assert(attach { pattern = "traced_*r*", pid = 0 })
      link:close()
      link = assert(attach { pattern = "traced_add", pid = support.start("sleep 60") })
      assert.equal(0, count())
      link:close()
    end)

    it("ends when it is collected", function()
      do
        local link = assert(attach { pattern = "traced_add" })
        assert.equal(1, count())
        assert.is_false(link:is_closed())
      end
      collectgarbage()
      collectgarbage()
      assert.equal(0, count())
    end)

    it("tells the program a cookie for each place", function()
      local link = assert(attach { symbols = { "traced_add", "traced_hidden", "traced_versioned@TRACED_1" },
        cookies = { 11, 12, 13 } })
      trace.fire()
      assert.same({ 1, 1, 1 }, { trace.runs_with(multi, 11), trace.runs_with(multi, 12), trace.runs_with(multi, 13) })
      link:close()
      trace.seen(multi)
    end)

    it("runs the program where functions return", function()
      multi = multi or trace.load_granted("6.6", "uprobe_multi", "user_multi", "user_multi_return")
      local link = assert(attach { symbols = { "traced_add" }, program = multi.programs.user_multi_return,
        retprobe = true })
      assert.equal(42, trace.seen_of(multi, trace.fire).first)
      link:close()
      assert.equal(0, count())
      link = assert(multi.programs.user_multi_return:attach { path = library, pattern = "traced_add" })
      assert.equal(42, trace.seen_of(multi, trace.fire).first)
      link:close()
      link = assert(multi.programs.user_multi:attach { path = library, symbols = { "traced_add" }, cookies = { 3 } })
      assert.equal(3, trace.seen_of(multi, trace.fire).cookie)
      link:close()
    end)

    it("says what it cannot find", function()
      local link, message, code = attach { pattern = "no_such*" }
      assert.is_nil(link)
      assert.truthy(message:find('has no function that matches "no_such*"', 1, true), message)
      assert.equal(errno.ENOENT, code)
      link, message, code = attach { symbols = { "traced_add", "no_such" } }
      assert.is_nil(link)
      assert.truthy(message:find('it has no function "no_such"', 1, true), message)
      assert.equal(errno.ENOENT, code)
      assert.has_error(function()
        attach { symbols = { "traced_add" }, cookies = { 1, 2 } }
      end)
    end)

    it("runs the program at both ends of a session", function()
      local session = trace.load_granted("6.13", "uprobe_session", "user_session")
      local link = support.granted("6.13", "uprobe_session",
        session.programs.user_session:attach { path = library, pattern = "traced_add" })
      assert.equal(2, trace.seen_of(session, trace.fire).count)
      link:close()
      assert.is_nil(trace.seen_of(session, trace.fire))
    end)
  end)
end)
