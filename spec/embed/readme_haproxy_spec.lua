-- luas: lua5.3
-- What the README says to HAProxy, in a real one, at the places that it names.
local ebpf = require "ebpf"
local readme = require "spec.support.readme"
local server = require "spec.support.server"
local support = require "spec.support"

local build = os.getenv("EBPF_BUILD") or "build"

describe("the recipe for HAProxy", function()
  local network, pid, log, client, mounts

  local function haproxy(arguments)
    return support.in_netns(network.server, readme.with_mounts(mounts,
      ("exec haproxy %s -f /etc/haproxy/haproxy.cfg"):format(arguments)))
  end

  -- What /sys/fs/bpf/hits is to HAProxy.
  local function pins()
    return ("/proc/%d/root/sys/fs/bpf/hits"):format(pid)
  end

  local function program_id()
    local links = support.run_in_netns(network.server, "ip -details link show eth0")
    return assert(links:match("prog/xdp id (%d+)"), links)
  end

  local function packets()
    local text, status = server.get(network, client, "/", 1)
    return status == 200 and tonumber(text)
  end

  -- How many requests were counted for the port, as another process sees it.
  local function requests_counted()
    local counts = assert(ebpf.load_pinned_map(pins() .. "/counts"))
    local count = tonumber(counts:get(8080))
    counts:close()
    return count
  end

  setup(function()
    network = server.network(1, "eth0")
    client = network.clients[1]
    local etc = readme.hits_directory()
    support.check_run(("mkdir -p %s/lua && cp -r lua/ebpf %s/lua && cp %s/lua5.3/ebpf/core.so %s/lua/ebpf")
      :format(etc, etc, build, etc))
    support.write_file(etc .. "/hits.lua", readme.block "lua haproxy")
    support.write_file(etc .. "/haproxy.cfg", readme.block "haproxy")
    mounts = { "mount --bind " .. etc .. " /etc/haproxy", "mount -t bpf bpf /sys/fs/bpf" }
    local output, status = support.run(haproxy "-c")
    assert(status == 0, output)
    pid, log = support.start(haproxy "-W")
    assert(support.wait_until(packets, 20), "HAProxy does not answer: " .. support.read_file(log))
  end)

  teardown(function()
    support.stop(pid)
  end)

  it("counts packets, and requests by port", function()
    local before, counted = packets(), requests_counted()
    for _ = 1, 5 do
      assert.truthy(packets())
    end
    assert.is_true(packets() > before + 5)
    assert.equal(counted + 6, requests_counted())
  end)

  it("logs the samples", function()
    assert.truthy(server.logged(log, "4 bytes", 20), support.read_file(log))
  end)

  it("keeps counts and link in a reload, under load", function()
    assert.is_true(support.exists(pins() .. "/link_eth0"))
    local program = program_id()
    local before, counted = packets(), requests_counted()
    local finish = server.load(network, 2)
    support.sleep(0.5)
    support.check_run { "kill", "-USR2", tostring(pid) }
    assert(support.wait_until(function()
      return program_id() ~= program
    end, 20), "the program is still the old one")
    local requests, failed = finish()
    assert.is_true(requests > 100)
    assert.equal(0, failed)
    assert.is_true(packets() > before + requests)
    assert.is_true(requests_counted() > counted)
  end)
end)
