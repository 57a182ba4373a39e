-- What programs write to their streams, and the kernel about them.
local ebpf = require "ebpf"
local support = require "spec.support"

local errno = ebpf.errno

local function keep(handle, message)
  return support.closing(assert(handle, message))
end

-- A program of a line of text.
local function program(text)
  return keep(ebpf.new_program { name = "writer", type = "xdp", license = "GPL",
    instructions = assert(ebpf.asm.parse(text)) })
end

-- On kernels without streams; the others have nothing to say of one that wrote nothing.
local function attempt()
  return program("r0 = 0; exit"):read_stream "stdout"
end

describe("read_stream", function()
  it("wants the name of a stream, and a number of bytes", function()
    local p = program "r0 = 0; exit"
    assert.has_error(function() p:read_stream() end)
    assert.has_error(function() p:read_stream(1) end)
    assert.has_error(function() p:read_stream "stdin" end)
    assert.has_error(function() p:read_stream("stdout", 0) end)
    assert.has_error(function() p:read_stream("stdout", -1) end)
    assert.has_error(function() p:read_stream("stdout", 2 ^ 31) end)
  end)

  it("tells which kernel has streams, on one that has none", function()
    local text, message, code = attempt()
    if text then
      assert.equal("", text)
    else
      assert.equal(errno.EINVAL, code)
      assert.equal("read stdout of program \"writer\": invalid argument (EINVAL): programs have streams from Linux "
        .. "6.17 on", message)
      support.needs("6.17", "streams", message)
    end
  end)

  it("is EBADF of a closed program", function()
    local p = program "r0 = 0; exit"
    p:close()
    assert.same({ nil, "program is closed", errno.EBADF }, { p:read_stream "stdout" })
  end)
end)

describe("the stream of a program", support.since("6.17", "streams", function()
  local collection

  setup(function()
    collection = keep(ebpf.load(support.fixture("streams")))
  end)

  local function run(name)
    return assert(collection.programs[name]:run {}).retval
  end

  -- A kernel that leaves some of its memory uninitialized (CONFIG_DEFERRED_STRUCT_PAGE_INIT) has no page for a stream
  -- until it is done, and some virtual machines' never are: there streams stay empty.
  local function writing_it(name, body)
    it(name, function()
      local code = run "try"
      if code ~= 0 then
        assert.equal(errno.ENOMEM, code)
        support.needs("6.17", "stream_pages", "writing to a stream is ENOMEM")
      end
      body()
    end)
  end

  writing_it("has what was written, in order, and once", function()
    local greet = collection.programs.greet
    assert.equal("", greet:read_stream "stdout")
    assert.equal(0, run "greet")
    assert.equal(0, run "greet")
    assert.equal("run 1 of 2\nrun 2 of 2\n", greet:read_stream "stdout")
    assert.equal("", greet:read_stream "stdout")
    assert.equal("not well\nnot well\n", greet:read_stream "stderr")
    assert.equal("", greet:read_stream "stderr")
  end)

  writing_it("is read in pieces", function()
    local greet = collection.programs.greet
    run "greet"
    assert.equal("r", greet:read_stream("stdout", 1))
    assert.equal("un ", greet:read_stream("stdout", 3))
    assert.equal("3 of 2\n", greet:read_stream("stdout", 7))
    assert.equal("", greet:read_stream("stdout", 7))
    assert.equal("not well\n", greet:read_stream("stderr", 2 ^ 31 - 1))
  end)

  writing_it("is each program's own, whichever handle reads it", function()
    local greet = collection.programs.greet
    run "greet"
    assert.equal("", collection.programs.fill:read_stream "stdout")
    local other = keep(greet:clone())
    assert.equal("run 4 of 2\n", other:read_stream "stdout")
    assert.equal("", greet:read_stream "stdout")
    greet:read_stream "stderr"
  end)

  writing_it("holds as much as the kernel allows, and is read whole", function()
    local fill = collection.programs.fill
    assert.equal(errno.ENOSPC, run "fill")
    local lines = tonumber(collection.variables.runs:get()) - 1
    assert.is_true(lines * 38 > 90000)
    local text = assert(fill:read_stream "stdout")
    assert.equal(lines * 38, #text)
    local expected = {}
    for i = 1, lines do
      expected[i] = ("line %32d\n"):format(i - 1)
    end
    assert.equal(table.concat(expected), text)
    assert.equal("", fill:read_stream "stdout")
  end)

  writing_it("has what the kernel says of a loop without end", function()
    local p = program "again: may_goto done; goto again; done: r0 = 0; exit"
    assert(p:test(("\0"):rep(64)))
    local text = p:read_stream "stderr"
    assert.truthy(text:find("ERROR: Timeout detected for may_goto instruction", 1, true), text)
    assert.equal("", p:read_stream "stderr")
  end)
end, attempt))
