-- What `require "ebpf"` gives besides maps, programs and collections.
local ebpf = require "ebpf"
local core = require "ebpf.core"
local support = require "spec.support"

describe("the module", function()
  it("says which version it is", function()
    assert.truthy(ebpf._VERSION:find("^ebpf %d+%.%d+"))
  end)

  it("knows the errnos by name", function()
    assert.same({ 2, 9, 22 }, { ebpf.errno.ENOENT, ebpf.errno.EBADF, ebpf.errno.EINVAL })
    assert.equal(select(3, ebpf.load_spec("/nonexistent")), ebpf.errno.ENOENT)
  end)

  it("lists the CPUs there may be and those that run", function()
    assert.same(support.possible_cpus(), ebpf.possible_cpus())
    assert.same(support.online_cpus(), ebpf.online_cpus())
  end)

  it("has the clock of bpf_ktime_get_ns()", function()
    local uptime = tonumber(support.read_file("/proc/uptime"):match("%S+"))
    local now = ebpf.ktime_get_ns()
    assert.is_true(tonumber(now) / 1e9 <= uptime + 60) -- which counts sleep as well
    assert.is_true(ebpf.ktime_get_ns() >= now)
    assert.equal(rawget(_G, "jit") and "cdata" or "number", type(now))
  end)

  it("makes names the kernel takes", function()
    for expected, arguments in pairs {
      ["a_b"] = { "a b", "_" }, ["ab"] = { "a b" }, ["x.y_Z9"] = { "x.y_Z9", "_" }, ["a..b"] = { "a\0b", ".." },
      ["aXXb"] = { "a%-b", "X" }, [""] = { "%%" },
    } do
      assert.equal(expected, ebpf.sanitize_name(arguments[1], arguments[2]))
      local map = assert(ebpf.new_map {
        name = expected, type = "array", key_size = 4, value_size = 4, max_entries = 1 })
      assert.equal(expected, map:info().name)
      map:close()
    end
    assert.equal(("n"):rep(40), ebpf.sanitize_name(("n"):rep(40), "_"))
    assert.error_matches(function() ebpf.sanitize_name("a b", "-") end, "is itself no valid name")
    assert.error_matches(function() ebpf.sanitize_name("a b", 5) end, "string expected as the replacement, got number")
    assert.error_matches(function() ebpf.sanitize_name() end, "name expected, got nil")
  end)

  it("sets no global variables", function()
    local output, status = support.run_lua([[
      local before = {}
      for name in pairs(_G) do before[name] = true end
      local ebpf = require "ebpf"
      assert(ebpf == require "ebpf")
      for name in pairs(_G) do assert(before[name], name) end]])
    assert.same({ "", 0 }, { output, status })
  end)

  it("loads without any privilege, prints nothing, opens nothing", function()
    local output, status = support.run_lua([[
      local support = require "spec.support"
      local before, written = support.fds(), io.stdout:seek()
      local ebpf = require "ebpf"
      local spec = assert(ebpf.load_spec("]] .. support.fixture("collection_data") .. [["))
      local message = select(2, spec:load())
      for fd in pairs(support.fds()) do assert(before[fd], fd) end
      assert(written == io.stdout:seek())
      print(message)]], support.unprivileged)
    assert.equal(0, status, output)
    assert.truthy(output:find("operation not permitted (EPERM): needs CAP_BPF", 1, true), output)
  end)

  it("tells userdata apart", function()
    for class, methods in pairs(core.methods) do
      for name, method in pairs(methods) do
        if type(method) == "function" and not (class == "insns" and name == "link") then
          assert.is_false((pcall(method, io.stdout)), class .. ":" .. name)
        end
      end
    end
  end)
end)
