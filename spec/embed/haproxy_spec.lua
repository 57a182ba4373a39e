-- luas: lua5.3
-- The blocklist in a real HAProxy, whose Lua is 5.3, with clients in a network namespace.
local server = require "spec.support.server"
local support = require "spec.support"

local build = os.getenv("EBPF_BUILD") or "build"

describe("the blocklist in HAProxy", function()
  local network, pins, pid, log, directory
  local good, bad, other

  local function command(arguments)
    return ("exec env BLOCKLIST_INTERFACE=web BLOCKLIST_PINS=%s BLOCKLIST_SECONDS=2 BLOCKLIST_LUA=%s haproxy %s "
      .. "-f examples/blocklist/haproxy.cfg"):format(pins, directory, arguments)
  end

  local function answers(client)
    local text, status = server.get(network, client, "/", 0.7)
    return status == 200 and text
  end

  setup(function()
    network = server.network(3)
    good, bad, other = network.clients[1], network.clients[2], network.clients[3]
    pins = support.bpffs() .. "/pins"
    directory = server.lua_directory("lua5.3", {
      "examples/blocklist/*.lua", build .. "/examples/blocklist/blocklist.bpf.o",
    })
    local output, status = support.run_in_netns(network.server, command("-c"))
    assert(status == 0, output)
    assert(not support.exists(pins), "checking the configuration has pinned something")
    pid, log = support.start(support.in_netns(network.server, command("-W")))
    assert(support.wait_until(function()
      return answers(good)
    end, 20), "HAProxy does not answer")
  end)

  teardown(function()
    support.stop(pid)
    support.run { "rm", "-r", pins }
  end)

  it("bans whom an action tells it to, until the time has come", function()
    assert.truthy(answers(bad))
    for _ = 1, 3 do
      assert.equal(403, select(2, server.get(network, bad, "/wp-login.php")))
    end
    assert.is_false(answers(bad))
    assert.truthy(answers(good))
    assert.truthy(server.logged(log, "banned " .. bad))
    assert.truthy(server.logged(log, "bytes from " .. bad .. " by " .. bad))
    assert.truthy(support.wait_until(function()
      return answers(bad)
    end, 20), "the ban does not end")
  end)

  it("serves while a task waits for samples", function()
    local finish = server.load(network, 1)
    local requests, failed = finish()
    assert.is_true(requests > 100)
    assert.equal(0, failed)
  end)

  it("loses no ban and no request in a reload under load", function()
    support.check_run(support.in_netns(network.server, ("%s -e %s"):format(support.quote(support.lua), support.quote(
      ("package.path = 'examples/blocklist/?.lua;' .. package.path; "
        .. "assert(assert(require('blocklist').connect('%s')):ban('%s'))"):format(pins, other)))))
    assert.is_false(answers(other))
    local finish = server.load(network, 4)
    for _ = 1, 3 do
      support.sleep(0.8)
      support.check_run { "kill", "-USR2", tostring(pid) }
      assert.is_false(answers(other))
    end
    local requests, failed = finish()
    assert.is_true(requests > 100)
    assert.equal(0, failed)
    assert.is_false(answers(other))
    assert.truthy(answers(good))
    for _ = 1, 3 do
      server.get(network, bad, "/x.php")
    end
    assert.is_false(answers(bad))
  end)
end)
