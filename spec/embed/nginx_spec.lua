-- luas: luajit
-- The blocklist in a real nginx, whose Lua is LuaJIT, with clients in a network namespace.
local server = require "spec.support.server"
local support = require "spec.support"

local build = os.getenv("EBPF_BUILD") or "build"

describe("the blocklist in nginx", function()
  local network, prefix, pins, pid
  local good, bad, other

  local function nginx(arguments)
    local environment = ("env BLOCKLIST_INTERFACE=web BLOCKLIST_PINS=%s BLOCKLIST_SECONDS=2"):format(pins)
    return support.in_netns(network.server, ("exec %s nginx -p %s -c $PWD/examples/blocklist/nginx.conf %s")
      :format(environment, prefix, arguments))
  end

  local function answers(client)
    local text, status = server.get(network, client, "/", 0.7)
    return status == 200 and text
  end

  setup(function()
    network = server.network(3)
    good, bad, other = network.clients[1], network.clients[2], network.clients[3]
    pins = support.bpffs() .. "/pins"
    local directory = server.lua_directory("luajit", {
      "examples/blocklist/*.lua", build .. "/examples/blocklist/blocklist.bpf.o",
    })
    prefix = directory:match("^(.*)/lua$")
    pid = support.start(nginx("-g 'daemon off;'"))
    assert(support.wait_until(function()
      return answers(good)
    end, 20), "nginx does not answer")
  end)

  teardown(function()
    support.stop(pid)
    support.run { "rm", "-r", pins }
  end)

  it("says how it is attached", function()
    assert.truthy(server.logged(prefix .. "/error.log", "blocklist on web, native mode"))
  end)

  it("bans whom a worker tells it to, until the time has come", function()
    assert.truthy(answers(bad))
    for _ = 1, 3 do
      assert.equal(403, select(2, server.get(network, bad, "/wp-login.php")))
    end
    assert.is_false(answers(bad))
    assert.truthy(answers(good))
    assert.truthy(server.logged(prefix .. "/error.log", "banned " .. bad))
    assert.truthy(server.logged(prefix .. "/error.log", "bytes from " .. bad .. " by " .. bad))
    assert.truthy(support.wait_until(function()
      return answers(bad)
    end, 20), "the ban does not end")
  end)

  it("serves from all workers while one waits for samples", function()
    local workers = {}
    support.wait_until(function()
      workers[answers(good):match("worker (%d)")] = true
      return workers["0"] and workers["1"]
    end, 20)
    assert.same({ ["0"] = true, ["1"] = true }, workers)
  end)

  it("loses no ban and no request in a reload under load", function()
    -- For ever, by another process.
    support.check_run(support.in_netns(network.server, ("%s -e %s"):format(support.quote(support.lua), support.quote(
      ("package.path = 'examples/blocklist/?.lua;' .. package.path; "
        .. "assert(assert(require('blocklist').connect('%s')):ban('%s'))"):format(pins, other)))))
    assert.is_false(answers(other))
    local finish = server.load(network, 4)
    for _ = 1, 3 do
      support.sleep(0.8)
      support.check_run { "kill", "-HUP", tostring(pid) }
      assert.is_false(answers(other))
    end
    local requests, failed = finish()
    assert.is_true(requests > 100)
    assert.equal(0, failed)
    assert.is_false(answers(other))
    assert.truthy(answers(good))
    -- The samples come to the worker of the last configuration.
    for _ = 1, 3 do
      server.get(network, bad, "/x.php")
    end
    assert.is_false(answers(bad))
    local _, before = support.read_file(prefix .. "/error.log"):gsub("bytes from " .. bad, "")
    assert.is_true(before > 0)
  end)
end)
