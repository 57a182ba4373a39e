-- The fragments in the README, as they are printed, with what they take from around them.
local ebpf = require "ebpf"
local delegate = require "spec.support.delegate"
local lfs = require "lfs"
local net = require "spec.support.net"
local perf = require "spec.support.perf"
local readme = require "spec.support.readme"
local support = require "spec.support"

-- Each fragment that is run here, by words in it.
local WORDS = { attaching = "ebpf.link.xdp", target = "attach_target", wakeup = "wakeup_events", token = "new_token" }

-- The code as a function; its free names are those of `names`.
local function compile(code, names)
  local environment = getmetatable(names) and names or setmetatable(names, { __index = _G })
  if setfenv then -- luacheck: ignore 113
    return setfenv(assert(loadstring(code, "=README.md")), environment) -- luacheck: ignore 113
  end
  return assert(load(code, "=README.md", "t", environment))
end

describe("the fragments of the README", function()
  it("are all run here", function()
    local expected, count = {}, 0
    for _, words in pairs(WORDS) do
      expected[readme.block("lua fragment", words)] = true
    end
    for _, block in ipairs(readme.blocks()) do
      if block.info == "lua fragment" then
        count = count + 1
        assert.is_true(expected[block.code], "line " .. block.line)
      end
    end
    assert.equal(4, count)
  end)
end)

-- In a network namespace whose loopback is called eth0, so that packets of the script itself come by.
local loopback = "ip link set lo down && ip link set lo name eth0 && ip link set eth0 up && "

-- The lines of the list, by the function they call: the Linux that has such links, the program of the fixture that they
-- attach, and what sees it run.
local lines = {
  xdp = { since = "5.9", programs = { "xdp_one" }, check = "assert(runs(1, udp))" },
  tcx = {
    since = "6.6", programs = { "tcx_one", "tcx_two" }, check = "assert(order(udp) == 12)",
    before = 'local other_link = assert(since("6.6", link.tcx { program = progs.tcx_two, interface = "eth0" }))',
  },
  tc = { programs = { "tc_one" }, check = "assert(order(udp) == 1)" },
  cgroup = { since = "5.7", fixture = "link_net_cgroup", programs = { "connect4" }, check = [[
    assert(runs(20, function()
      local fd = net.socket "udp"
      assert(net.connect(fd, "127.0.0.1", 9))
      net.close(fd)
    end))]] },
  netns = { since = "5.9", programs = { "refuse" }, check = "udp(); assert(count(2) > 0)" },
  netfilter = { since = "6.4", programs = { "nf_pass" }, check = "assert(order(udp) == 1)" },
  sockmap = { since = "6.10", programs = { "msg_pass", "steer" }, check = [[
    local listener, client = net.socket "tcp", net.socket "tcp"
    assert(net.bind(listener, "127.0.0.1", 0) and net.listen(listener))
    local _, port = net.name(listener)
    assert(net.connect(client, "127.0.0.1", port))
    collection.maps.sockets:put(0, client)
    assert(runs(1, function() net.send(client, "hello") end))]] },
  socket_filter = { programs = { "filter_cut" }, before = 'local fd = net.socket "udp"', check = [[
    assert(net.bind(fd, "127.0.0.1", 0))
    local _, port = net.name(fd)
    assert(net.send(net.socket "udp", "hello", "127.0.0.1", port))
    assert(net.receive(fd, 1) == "hel")]] },
}

describe("a line of the README attaches by", function()
  local cgroups

  setup(function()
    cgroups = support.cgroup() -- what shows as /sys/fs/cgroup
    assert(lfs.mkdir(cgroups .. "/web"))
  end)

  teardown(function()
    assert(support.wait_until(function()
      return lfs.rmdir(cgroups .. "/web")
    end))
  end)

  for line in readme.block("lua fragment", WORDS.attaching):gmatch("[^\n]+") do
    local kind = line:match("^ebpf%.link%.([%w_]+) ")
    local try = assert(lines[kind], line)
    lines[kind] = nil -- each is there once
    it(kind, function()
      local since = try.since or "0.0"
      net.run(try.programs, ([[
        %s
        local p, collection = progs.%s, coll
        local attached = assert(since(%q, %s))
        %s
        attached:close()
      ]]):format(try.before or "", try.programs[1], since, line, try.check), {
        fixture = try.fixture, since = since, feature = "link." .. kind, cgroup = cgroups .. "/web",
        wrap = function(command)
          return readme.with_mounts({
            "mount --bind " .. cgroups .. " /sys/fs/cgroup", "mount -t tmpfs ebpf-spec /run/netns",
            "touch /run/netns/blue && mount --bind /proc/self/ns/net /run/netns/blue",
          }, loopback .. command)
        end,
      })
    end)
  end
end)

describe("the lines of the README on targets", function()
  local first, second = readme.block("lua fragment", WORDS.target):match("^(.-)\n(.*)$")

  it("attach to another tracepoint", function()
    local spec = assert(ebpf.load_spec(support.fixture("targets")))
    spec.programs = { trace = spec.programs.some_tracepoint }
    spec.programs.trace.name = "trace"
    compile(first, { spec = spec })()
    local collection = support.closing(support.granted("5.5", "tp_btf",
      spec:load { programs = { "trace" } }))
    assert.equal("sched_switch", collection.programs.trace:attach_to())
  end)

  it("replace a function of another program", function()
    local target = support.closing(assert(ebpf.load(support.fixture("targets"), {
      programs = { "calls_replaceable" },
    })))
    local program = target.programs.calls_replaceable
    assert.equal(7, (program:test(perf.packet)))
    local directory, here = support.tmpdir(), lfs.currentdir()
    support.check_run { "cp", support.fixture("replacement"), directory .. "/replacement.bpf.o" }
    local load_it = compile("return " .. second, { ebpf = ebpf, program = program })
    assert(lfs.chdir(directory))
    local collection, message = load_it()
    assert(lfs.chdir(here))
    collection = support.closing(support.granted("5.6", "freplace", collection, message))
    assert(collection:attach())
    assert.equal(99, (program:test(perf.packet)))
  end)
end)

describe("the loop of the README", function()
  it("handles all samples, woken for every 64 of them", function()
    local collection = perf.load()
    local handled, sent = 0, 0
    local names = {
      ebpf = ebpf, map = collection:take_map("events"),
      handle = function(sample)
        assert(#sample > 64)
        handled = handled + 1
      end,
    }
    local run = compile(readme.block("lua fragment", WORDS.wakeup), setmetatable({}, {
      __index = function(_, name)
        if name == "running" then -- asked before each time it waits
          assert.equal(sent, handled)
          if sent == 150 then
            return false
          end
          collection.programs.emit_numbered:run { data = perf.packet, times = 50 }
          sent = sent + 50
          return true
        end
        return names[name] or _G[name]
      end,
    }))
    run()
    assert.equal(150, handled)
    collectgarbage() -- the loop's reader
  end)
end)

describe("the lines of the README on tokens", function()
  it("load in a user namespace", function()
    local output = delegate.run_lua(delegate.all, ([[
      assert(os.execute("mount --bind " .. bpffs .. " /sys/fs/bpf"))
      %s
      assert(collection.programs.count_packets:test(("\0"):rep(64)) == 2)
      io.write "well"
    ]]):format(readme.block("lua fragment", WORDS.token)), function(command)
      local directory = support.tmpdir()
      support.check_run { "cp", (os.getenv("EBPF_BUILD") or "build") .. "/examples/xdp_counter.bpf.o",
        directory .. "/filter.bpf.o" }
      return ("for name in lua build spec; do ln -s $PWD/$name %s; done; cd %s && %s"):format(directory, directory,
        command)
    end)
    assert.equal("well", output)
  end)
end)
