-- The examples of links that trace, as users run them.
local support = require "spec.support"

describe("examples of tracing", function()
  local function example(name, ...)
    local object = ("%s/examples/%s.bpf.o"):format(os.getenv("EBPF_BUILD") or "build", name)
    local words = { support.lua, ("examples/%s.lua"):format(name), object, ... }
    for i, word in ipairs(words) do
      words[i] = tostring(word)
    end
    return support.run(words)
  end

  it("list the processes by an iterator", function()
    local output, status = example("tasks")
    assert.equal(0, status, output)
    local list, processes = output:match("^PID +PARENT +COMMAND\n(.-)(%d+) processes, %d+ threads of the kernel\n$")
    assert.truthy(list, output)
    assert.truthy(list:find("\n%d+ +%d+ +" .. support.lua:match("[^/]*$"):gsub("%p", "%%%0"):sub(1, 15)), output)
    assert.equal(tonumber(processes), select(2, list:gsub("\n", "")))
  end)

  it("watch a function of a running program", function()
    local output, status = example("getenvsnoop")
    assert.equal(0, status, output)
    assert.truthy(output:find("^PID +COMMAND +VARIABLE +SET\n%d+ +%S+ +HOME +%a+\n%d+ +%S+ +NO_SUCH_VARIABLE +no\n"
      .. "%d+ +%S+ +PATH +yes\n$"), output)
    output, status = example("getenvsnoop", support.start("sleep 60"), 0)
    assert.equal(0, status, output)
  end)

  it("watch a tracepoint of user space", function()
    local output, status = example("pyimports", "/usr/bin/python3")
    assert.equal(0, status, output)
    assert.truthy(output:find("^PID +MODULE +FOUND\n"), output)
    assert.truthy(output:find("\n%d+ +json%.decoder +yes\n"), output)
    assert.truthy(output:find("\n%d+ modules imported\n$"), output)
    output, status = example("pyimports", "/bin/sh")
    assert.equal(1, status)
    assert.truthy(output:find('"/bin/sh" has no tracepoint "python:import__find__load__done"', 1, true), output)
  end)

  it("draw how long system calls take", function()
    support.tracefs()
    local output, status = example("latency", 0.5)
    assert.equal(0, status, output)
    assert.truthy(output:find("^NANOSECONDS +COUNT\n"), output)
    assert.truthy(output:find(" |" .. ("%*"):rep(40) .. "|\n"), output)
  end)

  it("sample stacks, and name what is in them", function()
    local output, status = example("profile", 0.5)
    assert.equal(0, status, output)
    assert.truthy(output:find("^%d+ samples, %d+ of them in the stacks below\n\n%d+ %S+\n    %["), output)
  end)
end)
