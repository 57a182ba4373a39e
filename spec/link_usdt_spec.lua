-- Links to statically defined tracepoints, on the real kernel, with a library that this process has loaded.
local ebpf = require "ebpf"
local core = require "ebpf.core"
local support = require "spec.support"
local trace = require "spec.support.trace"

local errno = ebpf.errno
local library = trace.library

local function load(...)
  return support.closing(assert(ebpf.load(support.fixture("usdt"), { programs = { ... } })))
end

-- What the programs saw of this process since the last call.
local function seen(collection)
  trace.fire()
  local call = collection.maps.calls:get(trace.process)
  assert(collection.maps.calls:delete(trace.process))
  return call
end

local function numbers(list)
  local copy = {}
  for i, n in ipairs(list) do
    copy[i] = tonumber(n)
  end
  return copy
end

describe("a link to a statically defined tracepoint", function()
  local collection

  setup(function()
    support.tracefs()
    collection = load("point")
  end)

  -- pid is needed before Linux 5.15.
  local function attach(name, fields)
    fields = fields or {}
    fields.program = fields.program or collection.programs.point
    fields.path, fields.provider, fields.name = library, "traced", name
    fields.pid = fields.pid or trace.process
    return ebpf.link.usdt(fields)
  end

  it("gives the program its arguments, until it is closed", function()
    assert.is_nil(seen(collection))
    local link = assert(attach("point", { cookie = -1 % 2 ^ 32 }))
    assert.equal(('uprobe link "%s:traced:point" #%d'):format(library, link:fd()), tostring(link))
    local call = seen(collection)
    assert.equal(1, tonumber(call.count))
    assert.equal(6, call.arg_count)
    assert.equal("text", call.text)
    local args = numbers(call.args)
    assert.same({ 1234, -1234, 1234, -9, -5 }, { args[1], args[3], args[4], args[5], args[6] })
    assert.equal(2 ^ 32 - 1, tonumber(call.cookie))
    assert.is_true(link:close())
    assert.is_nil(seen(collection))
  end)

  it("ends when it is collected", function()
    do
      local link = assert(attach("silent"))
      assert.equal(1, tonumber(seen(collection).count))
      assert.is_false(link:is_closed())
    end
    collectgarbage()
    collectgarbage()
    assert.is_nil(seen(collection))
  end)

  it("is at each of its sites", function()
    local link = assert(attach("twice"))
    local call = seen(collection)
    assert.equal(2, tonumber(call.count))
    assert.equal(1235, tonumber(call.args[1]))
    link:close()
    assert.is_nil(seen(collection))
  end)

  it("turns on what is not done unless somebody looks", function()
    local link = assert(attach("watched"))
    assert.equal(1, tonumber(seen(collection).count))
    link:close()
    assert.is_nil(seen(collection))
    -- The counter is that of the process, and goes back when the link does.
    assert.same({}, (function()
      local others = load("point")
      link = assert(attach("silent", { program = others.programs.point }))
      assert.is_nil(seen(collection))
      link:close()
      return {}
    end)())
  end)

  it("goes by tracefs too", function()
    local link = assert(attach("watched", { mode = "tracefs" }))
    assert.equal(1, trace.events("uprobe"))
    assert.equal(1, tonumber(seen(collection).count))
    link:close()
    assert.is_nil(seen(collection))
    assert.equal(0, trace.events("uprobe"))
  end)

  it("gives back its place among the arguments' specifications", function()
    for _ = 1, 3 do
      local links = {}
      for i, name in ipairs { "point", "silent", "watched" } do
        links[i] = assert(attach(name, { cookie = i }))
      end
      assert.truthy(tonumber(seen(collection).count) >= 3)
      local last = assert(attach("silent", { cookie = 7 }))
      local none, message, code = attach("silent", { cookie = 8 })
      assert.is_nil(none)
      assert.truthy(message:find("all 4 elements of the map __bpf_usdt_specs are in use", 1, true), message)
      assert.equal(errno.ENOSPC, code)
      links[1]:close()
      links[2] = nil
      last:close()
      collectgarbage()
      collectgarbage()
      seen(collection)
      links[4] = assert(attach("point"))
      assert.equal(1234, tonumber(seen(collection).args[1]))
      for _, link in pairs(links) do
        link:close()
      end
      assert.is_nil(seen(collection))
    end
  end)

  it("finds the maps of a program that came by its id", function()
    local program = assert(ebpf.program_from_id(collection.programs.point:info().id))
    local link = assert(attach("point", { program = program }))
    assert.equal(1, tonumber(seen(collection).count))
    link:close()
    local maps = collection.maps
    link = assert(attach("point", { program = program, specs = maps.__bpf_usdt_specs,
      ips = maps.__bpf_usdt_ip_to_spec_id }))
    link:close()
    program:close()
  end)

  it("needs no maps for a program that asks for no arguments", function()
    local named = load("named")
    assert.is_nil(named.maps.__bpf_usdt_specs)
    local link = assert(attach("silent", { program = named.programs.named }))
    assert.equal(1, tonumber(seen(named).count))
    link:close()
    assert.is_nil(seen(named))
  end)

  it("is attached by what the section says", function()
    local named = load("named").programs.named
    -- A library without a path is looked for in the process, which has it.
    local link = assert(named:attach { pid = trace.process })
    link:close()
    link = assert(named:attach { path = library, pid = trace.process })
    link:close()
    local none, message, code = collection.programs.point:attach()
    assert.is_nil(none)
    assert.truthy(message:find('attach "point": a usdt program needs a file and a tracepoint', 1, true), message)
    assert.equal(errno.EINVAL, code)
  end)

  it("may be one link of many places", function()
    local own = support.closing(support.granted("6.6", "uprobe_multi",
      ebpf.load(support.fixture("usdt"), { programs = { "point_multi" } })))
    local link = support.granted("6.6", "uprobe_multi", attach("twice", { program = own.programs.point_multi }))
    assert.equal(2, tonumber(seen(own).count))
    link:close()
    link = assert(attach("watched", { program = own.programs.point_multi })) -- which has a counter
    assert.equal(1, tonumber(seen(own).count))
    link:close()
    assert.is_nil(seen(own))
  end)

  it("says why it cannot be", function()
    local none, message, code = attach("no_such")
    assert.is_nil(none)
    assert.equal(('attach "point": usdt: "%s" has no tracepoint "traced:no_such"'):format(library), message)
    assert.equal(errno.ENOENT, code)
    none, message, code = ebpf.link.usdt { program = collection.programs.point, path = "/nowhere/x", provider = "a",
      name = "b" }
    assert.is_nil(none)
    assert.truthy(message:find('usdt: open "/nowhere/x": no such file or directory (ENOENT)', 1, true), message)
    assert.equal(errno.ENOENT, code)
    local closed = load("point")
    closed:close()
    none, message, code = attach("point", { program = closed.programs.point })
    assert.same({ nil, errno.EBADF }, { none, code })
    assert.truthy(message:find("program is closed", 1, true), message)
  end)

  it("raises for wrong options", function()
    for _, fields in ipairs { {}, { path = "x", provider = 1, name = "n" }, { path = "x", provider = "p" },
      { path = "x", provider = "p", name = "n", pid = 1.5 }, { path = "x", provider = "p", name = "n", x = 1 },
      { path = "x", provider = "p", name = "n", cookie = {} } } do
      fields.program = collection.programs.point
      assert.has_error(function()
        ebpf.link.usdt(fields)
      end)
    end
    assert.has_error(function()
      attach("point", { specs = io.stdout })
    end)
  end)

  describe("as the file tells of it", function()
    -- The library with some bytes replaced.
    local function variant(changes)
      local bytes = support.read_file(library)
      for _, change in ipairs(changes) do
        local from, to = change[1], change[2]
        assert(#from == #to)
        local at = assert(bytes:find(from, 1, true))
        bytes = bytes:sub(1, at - 1) .. to .. bytes:sub(at + #from)
      end
      local path = support.tmpdir() .. "/variant.so"
      support.write_file(path, bytes)
      local exe = assert(core.open_exe(path))
      return support.closing(exe)
    end

    it("has places, counters and arguments", function()
      local sites = support.closing(assert(core.open_exe(library))):usdt()
      local names = {}
      for _, site in ipairs(sites) do
        names[site.name] = site
        assert.equal("traced", site.provider)
        assert.truthy(site.offset > 0)
      end
      assert.truthy(names.watched.semaphore > 0)
      assert.equal(0, names.point.semaphore)
      assert.equal("", names.silent.args)
    end)

    local architecture = support.check_run("uname -m"):gsub("%s", "")
    -- Of the machine that the file is changed to be for; the arguments of "twice" are the shortest but one.
    local function spec_of(machine, args)
      local list = assert(core.usdt_spec(machine, args))
      return list
    end

    it("has arguments in registers, memory and constants of x86-64", function()
      local spec = spec_of(62, "-4@$-9 8@%rax -2@%si 1@%r9b 4@-1204(%rbp) 8@(%rsp) -8@16(%rax,%rbx,8) 8@(%rdi,%rcx)")
      assert.same({
        { type = "constant", value = -9, size = 4, signed = true },
        { type = "register", value = 0, register = 80, size = 8, signed = false },
        { type = "register", value = 0, register = 104, size = 2, signed = true },
        { type = "register", value = 0, register = 64, size = 1, signed = false },
        { type = "memory", value = -1204, register = 32, size = 4, signed = false },
        { type = "memory", value = 0, register = 152, size = 8, signed = false },
        { type = "indexed", value = 16, register = 80, index = 40, scale = 8, size = 8, signed = true },
        { type = "indexed", value = 0, register = 112, index = 88, scale = 1, size = 8, signed = false },
      }, spec)
      assert.same({}, spec_of(62, ""))
      assert.same({}, spec_of(62, "  "))
    end)

    it("has arguments in registers, memory and constants of arm64", function()
      assert.same({
        { type = "constant", value = 5, size = 4, signed = true },
        { type = "register", value = 0, register = 0, size = 8, signed = false },
        { type = "register", value = 0, register = 240, size = 4, signed = true },
        { type = "memory", value = 60, register = 248, size = 4, signed = true },
        { type = "memory", value = -8, register = 232, size = 8, signed = false },
        { type = "memory", value = 0, register = 40, size = 8, signed = false },
      }, spec_of(183, "-4@5 8@x0 -4@w30 -4@[sp, 60] 8@[x29,-8] 8@[x5]"))
    end)

    it("has no arguments that programs cannot read", function()
      for _, args in ipairs { "8@", "@%rax", "3@%rax", "8@%xmm0", "8f@%xmm0", "8@foo(%rip)", "8@%rax8@%rbx", "8@(%rax",
        "8@(%rax,%rbx,3)", "8@4", "-8@(%rax,5)", "8@$", "x", "8@%ah", "99999999999999999999@%rax", "8@%",
        "8@-(%rax)" } do
        local spec, message, code = core.usdt_spec(62, args)
        assert.is_nil(spec, args)
        assert.truthy(message:find("is not of a form that programs can read", 1, true), message)
        assert.equal(errno.EOPNOTSUPP, code)
      end
      for _, args in ipairs { "8@x31", "8@[x0", "8@[60]", "8@[x0,x1]", "8@xzr", "8@x", "8@w", "8@q0" } do
        assert.is_nil((core.usdt_spec(183, args)), args)
      end
      local spec, message, code = core.usdt_spec(62, ("8@%rax "):rep(13))
      assert.is_nil(spec)
      assert.truthy(message:find("more than 12 arguments", 1, true), message)
      assert.equal(errno.E2BIG, code)
      spec, message, code = core.usdt_spec(8, "8@%rax")
      assert.same({ nil, errno.EOPNOTSUPP }, { spec, code })
      assert.truthy(message:find("not supported on this machine", 1, true), message)
    end)

    it("is malformed in many ways", function()
      if architecture ~= "x86_64" then
        return support.pending("the notes are of x86-64")
      end
      -- A note that says more than there is, and one without an end.
      for _, change in ipairs { { "\8\0\0\0\88\0\0\0\3\0\0\0stapsdt", "\8\0\0\0\255\255\255\255\3\0\0\0stapsdt" },
        { "\8\0\0\0\88\0\0\0\3\0\0\0stapsdt", "\255\255\255\255\88\0\0\0\3\0\0\0stapsdt" },
        { "\8\0\0\0\88\0\0\0\3\0\0\0stapsdt", "\8\0\0\0\4\0\0\0\3\0\0\0stapsdt" },
        { "\8\0\0\0\88\0\0\0\3\0\0\0stapsdt", "\8\0\0\0\26\0\0\0\3\0\0\0stapsdt" } } do
        local list, message, code = variant { change }:usdt()
        assert.is_nil(list)
        assert.truthy(message:find("of .note.stapsdt is malformed", 1, true), message)
        assert.equal(errno.ENOEXEC, code)
      end
      -- Notes of other tools are passed over.
      local others = variant { { "stapsdt\0", "stapsdu\0" } }
      assert.equal(5, #others:usdt())
    end)
  end)
end)
