-- Links of programs to what they were loaded for: tracepoints and functions by BTF, hooks, functions of other programs.
-- Where the kernel refuses such programs, the tests are skipped in its words.
local ebpf = require "ebpf"
local support = require "spec.support"
local trace = require "spec.support.trace"

local errno = ebpf.errno

-- Loads a program, attaches it, and checks that it runs at `event` only while the link is there.
-- @return what it saw
local function through(since, feature, name, event, options)
  local collection = trace.load_granted(since, feature, name)
  assert.is_nil(trace.seen_of(collection, event))
  local link = support.granted(since, feature, collection.programs[name]:attach(options))
  local hit = assert(trace.seen_of(collection, event))
  assert.is_true(link:close())
  assert.is_nil(trace.seen_of(collection, event))
  collection = trace.load_granted(since, feature, name) -- before Linux 5.15 each can be attached but once
  do
    local collected = assert(collection.programs[name]:attach(options))
    assert(trace.seen_of(collection, event))
    assert.is_false(collected:is_closed())
  end
  collectgarbage()
  collectgarbage()
  assert.is_nil(trace.seen_of(collection, event))
  return hit
end

local function with_cookie(since, feature, name, event)
  local collection = trace.load_granted(since, feature, name)
  local link = support.granted(since, feature, ebpf.link.tracing { program = collection.programs[name], cookie = 654 })
  assert.equal(654, trace.seen_of(collection, event).cookie)
  link:close()
end

describe("a link to what a program was loaded for", function()
  it("runs it at a tracepoint", function()
    assert.equal(1, through("5.5", "tp_btf", "renamed", trace.rename).count)
  end)

  it("tells it its cookie at a tracepoint", function()
    with_cookie("6.10", "the cookie of tp_btf", "renamed_cookie", trace.rename)
  end)

  it("runs it where a function begins", function()
    assert.equal(1, through("5.5", "fentry", "entered", trace.system_call).count)
  end)

  it("tells it its cookie where a function begins", function()
    with_cookie("5.19", "fentry with a cookie", "entered_cookie", trace.system_call)
  end)

  it("runs it where a function returns", function()
    local hit = through("5.5", "fexit", "left", trace.system_call)
    assert.equal(1, hit.count)
    assert.truthy(hit.first > 0)
  end)

  it("runs it where a function begins and where it returns", function()
    assert.equal(2, through("7.0", "fsession", "through", trace.system_call).count)
  end)

  it("changes what a function returns", function()
    -- Test runs of such programs call the function.
    -- Those of before 6.6 let nobody modify that function.
    local hit = through("6.6", "fmod_ret", "modified", function()
      local collection = assert(ebpf.load(support.fixture("trace"), { programs = { "modified" } }))
      assert.truthy(collection.programs.modified:run {})
      collection:close()
    end)
    assert.equal(1, hit.count)
  end)

  it("runs it at a hook of the security modules", function()
    local hit = through("5.7", "lsm", "opened", function()
      support.read_file("/proc/self/stat")
    end)
    assert.truthy(hit.count >= 1)
  end)

  it("runs it at a hook for the processes of a control group", function()
    local collection = trace.load_granted("6.0", "lsm_cgroup", "socket_created")
    local cgroup = support.cgroup()
    local none, message, code = collection.programs.socket_created:attach()
    assert.is_nil(none)
    assert.truthy(message:find("needs a control group", 1, true), message)
    assert.equal(errno.EINVAL, code)
    local link = assert(collection.programs.socket_created:attach { cgroup = cgroup })
    -- A process in the group makes a socket.
    local function sockets()
      for process in collection.maps.hits:iterate() do
        collection.maps.hits:delete(process)
      end
      support.check_run { "sh", "-c", ("echo $$ >%s/cgroup.procs && exec ip link show"):format(cgroup) }
      local n = 0
      for _ in collection.maps.hits:iterate() do
        n = n + 1
      end
      return n
    end
    assert.truthy(sockets() >= 1)
    link:close()
    assert.equal(0, sockets())
    do
      local collected = assert(ebpf.link.lsm_cgroup { program = collection.programs.socket_created, cgroup = cgroup })
      assert.truthy(sockets() >= 1)
      assert.is_false(collected:is_closed())
    end
    collectgarbage()
    collectgarbage()
    assert.equal(0, sockets())
    none, message, code = collection.programs.socket_created:attach { cgroup = "/nowhere" }
    assert.is_nil(none)
    assert.truthy(message:find('open control group "/nowhere"', 1, true), message)
    assert.equal(errno.ENOENT, code)
  end)

  it("puts it in the place of a function of another program", function()
    local target = trace.load("replaced").programs.replaced
    local function answer()
      return (target:test(("x"):rep(64)))
    end
    assert.equal(708, answer())
    local collection = support.closing(support.granted("5.6", "freplace",
      ebpf.load(support.fixture("trace"), { programs = { "replacement" }, attach_target = target })))
    local program = collection.programs.replacement
    local link = assert(program:attach())
    assert.equal(908, answer())
    link:close()
    assert.equal(708, answer())
    local message, code
    link = support.granted("5.10", "freplace of another function",
      program:attach { target = target, symbol = "also_replaceable" })
    assert.equal(709, answer())
    link:close()
    assert.equal(708, answer())
    do
      local collected = assert(program:attach { target = target, symbol = "also_replaceable" })
      assert.equal(709, answer())
      assert.is_false(collected:is_closed())
    end
    collectgarbage()
    collectgarbage()
    assert.equal(708, answer())
    link, message, code = program:attach { target = target, symbol = "no_such" }
    assert.is_nil(link)
    assert.truthy(message:find('no function "no_such"', 1, true), message)
    assert.equal(errno.ESRCH, code)
    assert.has_error(function()
      program:attach { symbol = "also_replaceable" }
    end)
  end)

  it("raises for wrong options", function()
    local program = trace.load("renamed").programs.renamed
    for _, options in ipairs { { program = program, name = "x" }, { program = 1 }, {},
      { program = program, cookie = "x" } } do
      assert.has_error(function()
        ebpf.link.tracing(options)
      end)
    end
    assert.has_error(function()
      ebpf.link.freplace { program = program }
    end)
    assert.has_error(function()
      ebpf.link.lsm_cgroup { program = program, cgroup = "/" }
    end)
  end)
end)
