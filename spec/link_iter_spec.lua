-- Iterators on the real kernel: what the kernel's objects say, read as lines and as a whole.
local ebpf = require "ebpf"
local support = require "spec.support"
local trace = require "spec.support.trace"

local errno = ebpf.errno

describe("an iterator", function()
  local collection

  setup(function()
    collection = support.closing(assert(ebpf.load(support.fixture("iter"))))
  end)

  -- How many lines tell of a thread of this process, and of others.
  local function own_and_others(link)
    local own, others = 0, 0
    for line in assert(link:lines()) do
      local process = tonumber(line:match("^(%d+) %d+$"))
      assert(process, line)
      own = own + (process == trace.process and 1 or 0)
      others = others + (process == trace.process and 0 or 1)
    end
    return own, others
  end

  it("gives a line for each task, each time anew", function()
    local link = assert(ebpf.link.iter { program = collection.programs.tasks })
    assert.equal(('iter link "task" #%d'):format(link:fd()), tostring(link))
    for _ = 1, 2 do
      local own, others = own_and_others(link)
      assert.truthy(own >= 1 and others >= 1)
    end
    assert.truthy(("\n" .. link:read_all()):find(("\n%d %d\n"):format(trace.process, trace.process), 1, true))
    link:close()
    local lines, message, code = link:lines()
    assert.same({ nil, "link is closed", errno.EBADF }, { lines, message, code })
    assert.is_nil(link:read_all())
  end)

  it("is attached by what the section says", function()
    local link = assert(collection.programs.tasks:attach())
    assert.truthy(own_and_others(link) >= 1)
    link:close()
  end)

  it("may give more than is read at once", function()
    local link = assert(collection.programs.verbose:attach())
    local n = 0
    for line in link:lines() do
      assert.equal(("line %d of a text that is longer than a page, all in all"):format(n), line)
      n = n + 1
    end
    assert.equal(200, n)
    assert.truthy(#link:read_all() > 8192)
    link:close()
  end)

  it("may be left early", function()
    local link = assert(collection.programs.verbose:attach())
    for line in link:lines() do
      if line:find("^line 3 ") then
        break
      end
    end
    collectgarbage()
    collectgarbage()
    for _, what in pairs(support.fds()) do
      assert.is_nil(what:find("bpf_iter", 1, true))
    end
    -- Closing the link leaves what is being read alone.
    local lines = link:lines()
    local first = lines()
    link:close()
    assert.equal("line 0 of a text that is longer than a page, all in all", first)
    assert.truthy(lines())
    while lines() do -- to its end
      assert.is_true(true)
    end
    assert.is_nil(lines())
  end)

  it("tells of the elements of one map", function()
    local map = collection.maps.numbers
    for i = 1, 5 do
      map:put(i, i * i)
    end
    local link = assert(ebpf.link.iter { program = collection.programs.elements, map = map })
    local found = {}
    for line in link:lines() do
      found[#found + 1] = line
    end
    table.sort(found)
    assert.same({ "1=1", "2=4", "3=9", "4=16", "5=25" }, found)
    link:close()
    local missing, message, code = collection.programs.elements:attach()
    assert.is_nil(missing)
    assert.truthy(message:find("it needs the map whose elements to walk", 1, true), message)
    assert.equal(errno.EBADF, code)
    link = assert(collection.programs.elements:attach { map = map })
    link:close()
  end)

  -- Parameters that kernels before 6.1 do not have.
  local function narrowed(fields, program)
    fields.program = program or collection.programs.tasks
    return support.granted("6.1", "an iterator over a part", ebpf.link.iter(fields))
  end

  it("tells of one process or thread", function()
    for _, fields in ipairs { { pid = trace.process }, { pid = 0 }, { tid = trace.process } } do
      local link = narrowed(fields)
      local own, others = own_and_others(link)
      assert.truthy(own >= 1)
      assert.equal(0, others)
      link:close()
    end
    local child = support.start("sleep 60")
    local link = narrowed { pid = child }
    assert.equal(("%d %d\n"):format(child, child), link:read_all())
    link:close()
  end)

  it("tells of control groups", function()
    local cgroup = support.cgroup()
    local own = support.closing(support.granted("6.1", "an iterator over control groups",
      ebpf.load(support.fixture("iter"), { programs = { "cgroups" } })))
    local function ids(order)
      local link = narrowed({ cgroup = cgroup, order = order }, own.programs.cgroups)
      local _, count = link:read_all():gsub("\n", "")
      link:close()
      return count
    end
    assert.equal(1, ids("self"))
    assert.equal(1, ids("descendants_pre"))
    assert.equal(1, ids("descendants_post"))
    assert.truthy(ids("ancestors_up") >= 2)
    assert.equal(1, ids())
    local link, message, code = ebpf.link.iter { program = own.programs.cgroups, cgroup = "/nowhere" }
    assert.is_nil(link)
    assert.truthy(message:find('open control group "/nowhere": no such file or directory', 1, true), message)
    assert.equal(errno.ENOENT, code)
  end)

  it("can be pinned, and read there", function()
    local path = support.bpffs() .. "/tasks"
    local link = assert(collection.programs.tasks:attach())
    assert(link:pin(path))
    link:close()
    local text = support.read_file(path)
    assert.truthy(("\n" .. text):find(("\n%d %d\n"):format(trace.process, trace.process), 1, true))
    link = assert(ebpf.load_pinned_link(path))
    assert.truthy(own_and_others(link) >= 1)
    assert(link:unpin())
    link:close()
  end)

  it("takes another program in the place of its own", function()
    local link = assert(collection.programs.tasks:attach())
    assert(link:update(collection.programs.verbose))
    assert.truthy(link:read_all():find("^line 0 "))
    link:close()
  end)

  it("is what only iterators are", function()
    local raw = support.closing(assert(ebpf.load(support.fixture("link"), { programs = { "raw" } })))
    local link = assert(raw.programs.raw:attach())
    local lines, message, code = link:lines()
    assert.is_nil(lines)
    assert.truthy(message:find("it is no iterator", 1, true), message)
    assert.equal(errno.EINVAL, code)
    link:close()
  end)

  it("raises for wrong options", function()
    local program = collection.programs.tasks
    local function raises(words, options)
      options.program = program
      local ok, message = pcall(ebpf.link.iter, options)
      assert.is_false(ok)
      assert.truthy(message:find(words, 1, true), message)
    end
    raises("only one of map, cgroup, tid, pid and pidfd expected", { pid = 1, tid = 1 })
    raises("field 'map': Map expected", { map = 1 })
    raises("goes with the field 'cgroup'", { order = "self" })
    raises('"descendants_pre"', { cgroup = "/", order = "sideways" })
    raises("unknown iter field 'task'", { task = 1 })
  end)
end)
