-- luas: luajit
-- What the README says to nginx, in a real one, at the places that it names.
local readme = require "spec.support.readme"
local server = require "spec.support.server"
local support = require "spec.support"

-- What is around it in anybody's nginx.conf.
local configuration = [[
load_module /usr/lib/nginx/modules/ndk_http_module.so;
load_module /usr/lib/nginx/modules/ngx_http_lua_module.so;
user www-data;
worker_processes 2;
pid nginx.pid;
error_log error.log notice;
events { worker_connections 512; }
http {
access_log off;
lua_package_path "$prefix/lua/?.lua;$prefix/lua/?/init.lua;;";
lua_package_cpath "$prefix/lua/?.so;;";
]]

describe("the recipe for nginx", function()
  local network, prefix, pid, client

  local function program_id()
    local links = support.run_in_netns(network.server, "ip -details link show eth0")
    return assert(links:match("prog/xdp id (%d+)"), links)
  end

  local function hits()
    local text, status = server.get(network, client, "/hits", 1)
    return status == 200 and tonumber(text)
  end

  setup(function()
    network = server.network(1, "eth0")
    client = network.clients[1]
    local etc = readme.hits_directory()
    support.write_file(etc .. "/hits.lua", readme.block "lua nginx")
    local lua = server.lua_directory("luajit", { etc .. "/hits.lua" })
    support.write_file(etc .. "/nginx.conf", configuration .. readme.block "nginx" .. "}\n")
    prefix = lua:match("^(.*)/lua$")
    pid = support.start(support.in_netns(network.server, readme.with_mounts({
      "mount --bind " .. etc .. " /etc/nginx", "mount -t bpf bpf /sys/fs/bpf",
    }, ("exec nginx -p %s -c /etc/nginx/nginx.conf -g 'daemon off;'"):format(prefix))))
    assert(support.wait_until(hits, 20), "nginx does not answer")
  end)

  teardown(function()
    support.stop(pid)
  end)

  it("counts packets in all workers, and tells them", function()
    local before = hits()
    assert.is_true(before > 0)
    assert.is_true(hits() > before)
  end)

  it("logs the samples, in one worker", function()
    assert(server.logged(prefix .. "/error.log", "4 bytes"), support.read_file(prefix .. "/error.log"))
    local log, workers, count = support.read_file(prefix .. "/error.log"), {}, 0
    for worker in log:gmatch("(%d+)#%d+: [^\n]* bytes") do
      count = count + (workers[worker] and 0 or 1)
      workers[worker] = true
    end
    assert.equal(1, count, log)
  end)

  it("keeps counts and link in a reload, under load", function()
    assert.equal("counts\nlink_eth0\n", support.check_run(("ls /proc/%d/root/sys/fs/bpf/hits"):format(pid)))
    local program = program_id()
    local before = hits()
    local finish = server.load(network, 2, "/hits")
    support.sleep(0.5)
    support.check_run { "kill", "-HUP", tostring(pid) }
    assert(support.wait_until(function()
      return program_id() ~= program
    end, 20), "the program is still the old one")
    local requests, failed = finish()
    assert.is_true(requests > 100)
    assert.equal(0, failed)
    assert.is_true(hits() > before + requests)
  end)
end)
