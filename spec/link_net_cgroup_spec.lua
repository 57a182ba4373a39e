-- Programs for cgroups. Each script runs in a cgroup and a network namespace of its own.
local support = require "spec.support"
local net = require "spec.support.net"

-- What happens at each hook: `act` does it, and returns false where it was refused. Slots as in the fixture.
local prelude = [[
  local group = %q

  local function deny(slot, yes)
    coll.maps.deny:put(slot, yes and 1 or 0)
  end

  local path = support.tmpdir() .. "/socket"

  -- Calls action with sockets of those kinds, and closes them.
  local function with(kinds, action)
    local sockets = {}
    for i, kind in ipairs(kinds) do
      sockets[i] = net.socket(kind)
    end
    local ok, result = pcall(action, (unpack or table.unpack)(sockets))
    for _, fd in pairs(sockets) do
      net.close(fd)
    end
    if not ok then error(result, 0) end
    return result
  end

  local localhost = { tcp = "127.0.0.1", udp = "127.0.0.1", tcp6 = "::1", udp6 = "::1", unix = path }

  local function bound(kind, fd)
    os.remove(path)
    local ok = net.bind(fd, localhost[kind], 0)
    local _, port = net.name(fd)
    return ok, port
  end

  local function binding(kind)
    return function()
      return with({ kind }, function(fd) return (bound(kind, fd)) ~= nil end)
    end
  end

  local function connecting(kind)
    return function()
      return with({ kind, kind }, function(from, to)
        local _, port = bound(kind, to)
        return net.connect(from, localhost[kind], port) ~= nil
      end)
    end
  end

  -- A datagram that is received.
  local function sending(kind)
    return function()
      return with({ kind, kind }, function(from, to)
        local _, port = bound(kind, to)
        if not net.send(from, "hello", localhost[kind], port) then
          return false
        end
        return net.receive(to, 0.3) == "hello"
      end)
    end
  end

  local function naming(kind, get)
    return function()
      return with({ kind, kind }, function(from, to)
        local _, port = bound(kind, to)
        assert(net.connect(from, localhost[kind], port))
        return get(from) ~= nil
      end)
    end
  end

  local function opening(kind)
    return function()
      local fd = net.socket(kind)
      return fd ~= nil and net.close(fd) ~= nil
    end
  end

  local function handshake()
    return with({ "tcp", "tcp" }, function(from, to)
      local _, port = bound("tcp", to)
      assert(net.listen(to))
      return net.connect(from, "127.0.0.1", port) ~= nil
    end)
  end

  local function reading(file)
    return function()
      local f = io.open(file, "rb")
      local text = f and f:read(1)
      if f then f:close() end
      return text ~= nil
    end
  end

  local function getting()
    return with({ "udp" }, function(fd) return net.get(fd, net.SOL_SOCKET, net.SO_TYPE) ~= nil end)
  end

  local function setting()
    return with({ "udp" }, function(fd) return net.set(fd, net.SOL_SOCKET, net.SO_PRIORITY, 1) ~= nil end)
  end

  local hooks = {
    skb_ingress = { 10, sending "udp" }, skb_egress = { 11, sending "udp" },
    sock_create = { 13, opening "udp" }, sock_release = { 14, opening "udp" }, sock = { 15, opening "udp" },
    post_bind4 = { 16, binding "udp" }, post_bind6 = { 17, binding "udp6" },
    bind4 = { 18, binding "udp" }, bind6 = { 19, binding "udp6" },
    connect4 = { 20, connecting "udp" }, connect6 = { 21, connecting "udp6" },
    connect_unix = { 22, connecting "unix" },
    sendmsg4 = { 23, sending "udp" }, sendmsg6 = { 24, sending "udp6" },
    sendmsg_unix = { 25, sending "unix" },
    recvmsg4 = { 26, sending "udp" }, recvmsg6 = { 27, sending "udp6" },
    recvmsg_unix = { 28, sending "unix" },
    getpeername4 = { 29, naming("udp", net.peer) }, getpeername6 = { 30, naming("udp6", net.peer) },
    getpeername_unix = { 31, naming("unix", net.peer) },
    getsockname4 = { 32, naming("udp", net.name) }, getsockname6 = { 33, naming("udp6", net.name) },
    getsockname_unix = { 34, naming("unix", net.peer), action = naming("unix", net.name) },
    sysctl = { 35, reading "/proc/sys/kernel/ostype" },
    getsockopt = { 36, getting }, setsockopt = { 37, setting },
    dev = { 38, reading "/dev/zero" },
    tcp_events = { 39, handshake },
  }
  local watching = {
    sock_release = true, recvmsg4 = true, recvmsg6 = true, recvmsg_unix = true, getpeername4 = true,
    getpeername6 = true, getpeername_unix = true, getsockname4 = true, getsockname6 = true, getsockname_unix = true,
    tcp_events = true,
  }

  -- The order in which programs at connect4 run.
  local function connects()
    return order(hooks.connect4[2])
  end
]]

local function run(programs, body, options)
  options = options or {}
  local cgroup = options.cgroup or support.cgroup()
  net.run(programs, prelude:format(cgroup) .. body, {
    fixture = "link_net_cgroup", cgroup = cgroup, since = options.since, wrap = options.wrap,
  })
end

describe("a cgroup link", function()
  local names = {
    "skb_ingress", "skb_egress", "sock_create", "sock_release", "sock", "post_bind4", "post_bind6", "bind4", "bind6",
    "connect4", "connect6", "connect_unix", "sendmsg4", "sendmsg6", "sendmsg_unix", "recvmsg4", "recvmsg6",
    "recvmsg_unix", "getpeername4", "getpeername6", "getpeername_unix", "getsockname4", "getsockname6",
    "getsockname_unix", "sysctl", "getsockopt", "setsockopt", "dev", "tcp_events",
  }
  for _, name in ipairs(names) do
    it("runs and obeys " .. name .. ", until it is closed", function()
      run({ name }, ([[
        local program, hook = progs.%s, hooks.%s
        local slot, act = hook[1], hook.action or hook[2]
        for _, by in ipairs { "link", "attach" } do
          assert(act())
          local before = count(slot)
          local l = assert(program:attach { cgroup = group, by = by })
          assert(tostring(l) == ('cgroup link "%%s" #%%d'):format(group, l:fd()))
          assert(act())
          assert(count(slot) > before)
          if not watching[%q] then
            deny(slot, true)
            assert(not act())
            deny(slot, false)
            assert(act())
          end
          local info = l:info()
          assert(info.type == "cgroup" and info.prog_id == program:info().id)
          assert(tonumber(info.cgroup_id) == tonumber(support.check_run("stat -c %%i " .. group)))
          assert(info.attach_type == program:attach_type())
          local found = assert(link.query { cgroup = group, attach_type = info.attach_type })
          assert(#found.programs == 1 and found.programs[1].id == info.prog_id and found.allow == "multi")
          assert(l:close() == true)
          before = count(slot)
          assert(act())
          assert(count(slot) == before)
          assert(#link.query({ cgroup = group, attach_type = info.attach_type }).programs == 0)
        end
      ]]):format(name, name, name), { since = name:find("_unix", 1, true) and "6.7" })
    end)
  end

  it("ends when it is collected", function()
    run({ "connect4_one" }, [[
      local l = assert(progs.connect4_one:attach { cgroup = group })
      assert(connects() == 1)
      l = nil
      collect()
      assert(connects() == 0)
    ]])
  end)

  it("is told the direction that a section leaves open", function()
    run({ "skb_either" }, [[
      raises("field 'attach_type': \"cgroup_inet_ingress\" or \"cgroup_inet_egress\" expected",
        progs.skb_either.attach, progs.skb_either, { cgroup = group })
      local act = hooks.skb_egress[2]
      for _, attach_type in ipairs { "cgroup_inet_ingress", "cgroup_inet_egress" } do
        local l = assert(progs.skb_either:attach { cgroup = group, attach_type = attach_type })
        assert(l:info().attach_type == attach_type)
        deny(12, true)
        assert(not act())
        deny(12, false)
        l:close()
        assert(act())
      end
    ]])
  end)

  it("changes its program, detaches, and is kept by its pin", function()
    run({ "connect4_one", "connect4_two" }, ([[
      local pin = %q
      local l = assert(progs.connect4_one:attach { cgroup = group })
      assert(connects() == 1)
      assert(l:update(progs.connect4_two) == true)
      assert(connects() == 2)
      assert(l:pin(pin))
      l:close()
      assert(connects() == 2)
      local again = assert(ebpf.load_pinned_link(pin))
      assert(again:unpin())
      assert(again:detach() == true)
      assert(connects() == 0)
      assert(tonumber(again:info().cgroup_id) == 0)
      again:close()
    ]]):format(support.bpffs() .. "/link"))
  end)

  it("takes its place before, after, first or last", function()
    run({ "connect4_one", "connect4_two", "connect4_three", "connect6" }, [[
      local one = assert(progs.connect4_one:attach { cgroup = group })
      local two = assert(progs.connect4_two:attach { cgroup = group })
      assert(connects() == 12)
      local where = { cgroup = group, attach_type = "cgroup_inet4_connect" }
      local function three(place)
        place.cgroup = group
        local l = assert(since("6.17", progs.connect4_three:attach(place)))
        local result = connects()
        l:close()
        return result
      end
      assert(three { before = one } == 312)
      assert(three { before = two } == 132)
      assert(three { after = one } == 132)
      assert(three { after = two } == 123)
      assert(three { first = true } == 312)
      assert(three { last = true } == 123)
      assert(three { before = { link_id = two:info().id } } == 132)
      assert(three { preorder = true } == 312)
      assert(three {} == 123)

      local before = link.query(where)
      assert(#before.programs == 2 and before.revision)
      local other = assert(progs.connect4_three:attach { cgroup = group, expected_revision = before.revision })
      other:close()
      fails("is not of the expected revision any more", errno.ESTALE,
        progs.connect4_three:attach { cgroup = group, expected_revision = before.revision })
      two:close()
      fails("what it is to stand next to is closed", errno.EBADF,
        progs.connect4_three:attach { cgroup = group, before = two })
    ]])
  end)

  it("is inherited by cgroups below", function()
    local parent = support.cgroup()
    support.check_run { "mkdir", parent .. "/child" }
    local ok, message = pcall(run, { "connect4_one", "connect4_two" }, ([[
      local above = %q
      local l = assert(progs.connect4_one:attach { cgroup = above })
      local m = assert(progs.connect4_two:attach { cgroup = group })
      local inherited = connects()
      assert(inherited == 21)
      local here = { cgroup = group, attach_type = "cgroup_inet4_connect" }
      local own = link.query(here)
      assert(#own.programs == 1 and own.programs[1].id == progs.connect4_two:info().id)
      here.effective = true
      local found = link.query(here).programs -- others may have attached programs to the root
      assert(found[1].id == progs.connect4_two:info().id and found[2].id == progs.connect4_one:info().id)
      l:close()
      m:close()
    ]]):format(parent), { cgroup = parent .. "/child" })
    support.check_run { "rmdir", parent .. "/child" }
    assert(ok, message)
  end)

  it("says why it cannot be", function()
    run({ "connect4_one", "sysctl", "dev" }, [[
      local one = progs.connect4_one
      fails('attach "connect4_one": a program for cgroups needs a cgroup: attach{cgroup = "/sys/fs/cgroup/..."}',
        errno.EINVAL, one:attach())
      fails('attach "connect4_one": cgroup "/nowhere": no such file or directory (ENOENT): there is no such directory',
        errno.ENOENT, one:attach { cgroup = "/nowhere" })
      fails('cgroup "/tmp": bad file descriptor (EBADF): it is no cgroup of version 2', errno.EBADF,
        one:attach { cgroup = "/tmp" })
      fails("cgroup 1000: bad file descriptor (EBADF)", errno.EBADF, one:attach { cgroup = 1000 })
      fails("the program is made for another attach type", errno.EINVAL,
        one:attach { cgroup = group, attach_type = "cgroup_inet6_connect" })
      raises("unknown attach type 'connect4'", one.attach, one, { cgroup = group, attach_type = "connect4" })
      raises("path or fd of a cgroup expected", link.cgroup, { program = one })
      raises("unknown cgroup field 'interface'", one.attach, one, { cgroup = group, interface = "lo" })
      raises("needs by = \"attach\"", one.attach, one, { cgroup = group, allow = "multi" })
      raises("field 'cgroup': string contains zeros", one.attach, one, { cgroup = "/a\0b" })
    ]])
  end)
end)

describe("a program attached to a cgroup without a link", function()
  it("stays when it is collected, and is found again", function()
    run({ "connect4_one" }, [[
      local l = assert(progs.connect4_one:attach { cgroup = group, by = "attach" })
      fails("pin cgroup link", errno.EOPNOTSUPP, l:pin("/nowhere"))
      l = nil
      collect()
      assert(connects() == 1)
    ]])
  end)

  it("allows others or not, as it is told", function()
    run({ "connect4_one", "connect4_two", "connect4_three" }, [[
      local function attach(name, allow)
        return progs[name]:attach { cgroup = group, by = "attach", allow = allow }
      end
      local where = { cgroup = group, attach_type = "cgroup_inet4_connect" }
      local alone = assert(attach("connect4_one", "none"))
      assert(link.query(where).allow == "none")
      fails("may be attached without letting others", errno.EPERM, attach("connect4_two", "multi"))
      assert(alone:update(progs.connect4_two))
      assert(connects() == 2)
      assert(alone:detach() == true)
      assert(connects() == 0)

      local one = assert(attach("connect4_one", "override"))
      assert(link.query(where).allow == "override")
      local two = assert(attach("connect4_two", "override"))
      assert(connects() == 2)
      assert(two:detach())

      one = assert(attach("connect4_one"))
      two = assert(attach("connect4_two"))
      assert(connects() == 12 and link.query(where).allow == "multi")
      assert(one:update(progs.connect4_three))
      assert(connects() == 32)
      local third = assert(progs.connect4_one:attach {
        cgroup = group, by = "attach", replace = progs.connect4_two,
      })
      assert(connects() == 31)
      fails("it is attached there no more", errno.ENOENT, two:detach())
      fails("the present program is attached there no more", errno.ENOENT, two:update(progs.connect4_two))
      assert(two:close() == true)
      assert(third:detach() and one:detach())
      assert(connects() == 0)
      fails("the program to be replaced is not there", errno.ENOENT, progs.connect4_one:attach {
        cgroup = group, by = "attach", replace = progs.connect4_two,
      })
    ]])
  end)

  it("is attached by the fd of its cgroup, which need not stay open", function()
    local cgroup = support.cgroup()
    local body = [[
      local process = require "spec.support.process"
      for _, by in ipairs { "link", "attach" } do
        local l = assert(progs.connect4_one:attach { cgroup = 9, by = by })
        assert(tostring(l):find('cgroup link "9" #', 1, true))
        assert(connects() == 1)
        assert(l:close() == true)
        assert(connects() == 0)
      end
      local l = assert(progs.connect4_one:attach { cgroup = 9, by = "attach" })
      process.close(9)
      assert(connects() == 1)
      assert(l:detach())
      assert(connects() == 0)
    ]]
    run({ "connect4_one" }, body, {
      cgroup = cgroup,
      wrap = function(command)
        return ("%s 9<%s"):format(command, support.quote(cgroup))
      end,
    })
  end)
end)
