-- What the library does where a kernel is older than what it is asked for. Each of these goes another way on kernels
-- that have it; `make vm` runs them all.
local errno = require "ebpf".errno
local support = require "spec.support"

describe("memory", function()
  -- Makes a map of 1 MB where 64 KiB may be locked. Prints what came of it, then the limit.
  local script = [[
    local ebpf = require "ebpf"
    local map, message, code = ebpf.new_map { name = "big", type = "array", key_size = 4, value_size = 64,
      max_entries = 16384 }
    print(map and "made" or message)
    print(code)
    print(io.open("/proc/self/limits"):read("*a"):match("Max locked memory%s+(%S+)"))
  ]]

  local function with_limit(wrap)
    return support.run_lua(script, function(command)
      command = "prlimit --memlock=65536:65536 " .. command
      return wrap and wrap(command) or command
    end)
  end

  it("is had beyond the limit of locked memory, which is raised only where it counts", function()
    local limit = support.kernel_is("5.11") and "65536" or "unlimited"
    assert.equal("made\nnil\n" .. limit .. "\n", (with_limit()))
  end)

  it("is refused with the reason where the limit may not be raised", function()
    local output = with_limit(function(command)
      return "setpriv --bounding-set=-sys_resource --inh-caps=-all -- " .. command
    end)
    if support.kernel_is("5.11") then
      assert.equal("made\nnil\n65536\n", output)
    else
      assert.equal('create map "big": operation not permitted (EPERM): the limit of locked memory may be too low, '
        .. "65536 bytes: raise RLIMIT_MEMLOCK, against which Linux before 5.11 counts it\n" .. errno.EPERM
        .. "\n65536\n", output)
    end
  end)
end)
