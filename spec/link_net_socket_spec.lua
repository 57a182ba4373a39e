-- Programs of sockets, and of what chooses and passes packets for sockets: filters, reuseport, sk_lookup, flow
-- dissectors, netfilter, sockmaps. Each script has a network namespace of its own.
local support = require "spec.support"
local net = require "spec.support.net"

local run = net.run

describe("a netns link", function()
  -- A listener at port 7 that is in the map, and whether a connection to another port comes to it.
  local prelude = [[
    local listener = net.socket "tcp"
    assert(net.bind(listener, "127.0.0.1", 7) and net.listen(listener))
    coll.maps.sockets:put(0, listener)
    local function reaches(port)
      local fd = net.socket "tcp"
      local ok = net.connect(fd, "127.0.0.1", port)
      local accepted = ok and assert(net.accept(listener))
      if accepted then net.close(accepted) end
      net.close(fd)
      return ok ~= nil
    end
  ]]

  it("steers connections, until it is closed", function()
    run({ "steer" }, prelude .. [[
      assert(reaches(7) and not reaches(8))
      local l = assert(link.netns { program = progs.steer })
      assert(reaches(8) and reaches(4711))
      assert(tostring(l) == ('netns link "/proc/thread-self/ns/net" #%d'):format(l:fd()))
      local info = l:info()
      assert(info.type == "netns" and info.attach_type == "sk_lookup")
      assert(("net:[%d]"):format(info.netns_ino) == support.check_run("readlink /proc/self/ns/net"):match("%S+"))
      local found = assert(link.query { netns = "/proc/self/ns/net", attach_type = "sk_lookup" }).programs
      assert(#found == 1 and found[1].id == progs.steer:info().id)
      l:close()
      assert(not reaches(8))
      assert(#link.query({ netns = "/proc/self/ns/net", attach_type = "sk_lookup" }).programs == 0)
    ]])
  end)

  it("ends when it is collected", function()
    run({ "steer" }, prelude .. [[
      local l = assert(progs.steer:attach { netns = "/proc/self/ns/net" })
      assert(reaches(8))
      l = nil
      collect()
      assert(not reaches(8))
    ]])
  end)

  it("is of the namespace that is named", function()
    run({ "refuse" }, ([[
      local path = "/run/netns/%s"
      local process = require "spec.support.process"
      local l = assert(progs.refuse:attach { netns = path })
      local function connects(where)
        support.run(("nsenter --net=%%s bash -c 'echo >/dev/udp/127.0.0.1/9'"):format(where))
      end
      local before = count(2)
      connects(path)
      assert(count(2) > before)
      before = count(2)
      connects("/proc/self/ns/net")
      assert(count(2) == before)
      l:close()
      l = assert(progs.refuse:attach { netns = 9 })
      connects("/proc/self/fd/9")
      assert(count(2) > before)
      l:close()
    ]]):format(support.netns()), {
      wrap = function(command)
        return command .. " 9</proc/self/ns/net"
      end,
    })
  end)

  it("changes its program, detaches, and is kept by its pin", function()
    run({ "steer", "refuse" }, prelude .. ([[
      local path = %q
      local l = assert(progs.refuse:attach { netns = "/proc/self/ns/net" })
      assert(not reaches(7))
      assert(l:update(progs.steer) == true)
      assert(reaches(8))
      assert(l:pin(path))
      l:close()
      assert(reaches(8))
      local again = assert(ebpf.load_pinned_link(path))
      assert(again:unpin())
      assert(again:detach() == true)
      assert(not reaches(8))
    ]]):format(support.bpffs() .. "/link"))
  end)

  it("runs flow dissectors, one for a namespace", function()
    run({ "dissect", "dissect_too", "tc_hash" }, [[
      -- A program that asks for the hash of packets makes the kernel dissect them.
      assert(link.tc { program = progs.tc_hash, interface = "lo", hook = "ingress" })
      assert(not runs(1, udp))
      local l = assert(link.netns { program = progs.dissect })
      fails("it has a flow dissector already", nil, link.netns { program = progs.dissect_too })
      local found = link.query { netns = "/proc/self/ns/net", attach_type = "flow_dissector" }.programs
      assert(#found == 1 and found[1].id == progs.dissect:info().id)
      assert(runs(1, udp))
      assert(l:update(progs.dissect_too))
      assert(runs(2, udp))
      found = link.query { netns = "/proc/self/ns/net", attach_type = "flow_dissector" }.programs
      assert(found[1].id == progs.dissect_too:info().id)
      l:close()
      assert(not runs(2, udp))
      assert(#link.query({ netns = "/proc/self/ns/net", attach_type = "flow_dissector" }).programs == 0)
      l = assert(progs.dissect:attach { netns = "/proc/self/ns/net" })
      assert(runs(1, udp))
      l = nil
      collect()
      assert(not runs(1, udp))
    ]])
  end)

  it("says why it cannot be", function()
    run({ "steer", "dissect" }, [[
      fails('attach "steer": it needs a network namespace: attach{netns = ', errno.EINVAL, progs.steer:attach())
      fails('attach "steer": network namespace "/nowhere": no such file or directory (ENOENT)', errno.ENOENT,
        progs.steer:attach { netns = "/nowhere" })
      fails("it is no network namespace", errno.EINVAL, progs.steer:attach { netns = "/tmp" })
      fails("network namespace 1000: ", nil, progs.steer:attach { netns = 1000 })
      raises("field 'netns': path or fd", progs.steer.attach, progs.steer, { netns = true })
      raises("program of type sk_lookup expected (or a like one), this is of type xdp", link.netns, {
        program = assert(ebpf.load(support.fixture "link_net", { programs = { "xdp_one" } })).programs.xdp_one,
      })
      fails("query network namespace \"/nowhere\"", errno.ENOENT, link.query { netns = "/nowhere",
        attach_type = "sk_lookup" })
    ]])
  end)
end)

describe("a netfilter link", support.since("6.4", "netfilter", function()
  it("runs the program on packets, until it is closed", function()
    run({ "nf_pass", "nf_drop" }, [[
      local l = assert(since("6.4", link.netfilter { program = progs.nf_drop, pf = "ipv4", hook = "local_in" }))
      assert(not udp())
      assert(tostring(l) == ('netfilter link "ipv4 local_in" #%d'):format(l:fd()))
      assert(l:info().type == "netfilter" and l:info().prog_id == progs.nf_drop:info().id)
      l:close()
      assert(udp() == "hello")
    ]])
  end)

  it("ends when it is collected", function()
    run({ "nf_drop" }, [[
      local l = assert(since("6.4", progs.nf_drop:attach { pf = "ipv4", hook = "local_out" }))
      assert(not udp())
      l = nil
      collect()
      assert(udp() == "hello")
    ]])
  end)

  it("runs by priority at each hook", function()
    run({ "nf_pass", "nf_drop" }, [[
      local function attach(name, priority, hook)
        return progs[name]:attach { pf = "ipv4", hook = hook or "pre_routing", priority = priority }
      end
      local pass = assert(since("6.4", attach("nf_pass", 5)))
      local drop = assert(attach("nf_drop", 6))
      assert(order(udp) == 12)
      fails("a netfilter program of that priority is there already", errno.EBUSY, attach("nf_pass", 6))
      local info = drop:info()
      assert(info.prio == 6)
      drop:close()
      drop = assert(attach("nf_drop", -5))
      assert(drop:info().prio == -5)
      assert(order(udp) == 2)
      assert(drop:detach() == true)
      assert(order(udp) == 1)
      pass:close()
      for _, hook in ipairs { "pre_routing", "local_in", "local_out", "post_routing" } do
        local l = assert(attach("nf_drop", nil, hook))
        assert(not udp())
        l:close()
      end
      assert(attach("nf_drop", nil, "forward")):close()
      local whole = assert(since("6.6", progs.nf_drop:attach { pf = "ipv4", hook = "local_in", defrag = true }))
      assert(not udp())
      whole:close()
    ]])
  end)

  it("keeps its program, and says why it cannot be", function()
    run({ "nf_pass", "nf_drop" }, [[
      local l = assert(since("6.4", progs.nf_pass:attach { pf = "ipv6", hook = "local_in" }))
      fails("links of this type keep their program", nil, l:update(progs.nf_drop))
      l:close()
      fails('attach "nf_pass": a netfilter program needs a family and a hook', errno.EINVAL, progs.nf_pass:attach())
      fails("netfilter hook local_in of ipv4: ", nil, progs.nf_pass:attach {
        pf = "ipv4", hook = "local_in", priority = -2147483648,
      })
      fails("above -400 where packets are defragmented", errno.ERANGE, progs.nf_pass:attach {
        pf = "ipv4", hook = "local_in", priority = -400, defrag = true,
      })
      raises("field 'pf': \"ipv4\" or \"ipv6\" expected", link.netfilter, { program = progs.nf_pass, pf = "arp" })
      raises("field 'hook'", link.netfilter, { program = progs.nf_pass, pf = "ipv4", hook = "ingress" })
      raises("field 'priority': integer out of range", link.netfilter,
        { program = progs.nf_pass, pf = "ipv4", hook = "local_in", priority = 2147483648 })
    ]])
  end)
end))

describe("a socket filter", function()
  local prelude = [[
    local to, from = net.socket "udp", net.socket "udp"
    assert(net.bind(to, "127.0.0.1", 0))
    local _, port = net.name(to)
    local function get()
      assert(net.send(from, "hello", "127.0.0.1", port))
      return (net.receive(to, 0.2))
    end
  ]]

  it("says how much of each packet is kept, until it is detached", function()
    run({ "filter_cut", "filter_drop" }, prelude .. [[
      assert(get() == "hello")
      local l = assert(progs.filter_cut:attach { socket = to })
      assert(get() == "hel")
      assert(tostring(l) == ('socket_filter link "%d" #%d'):format(to, l:fd()))
      local info = l:info()
      assert(info.type == "socket_filter" and info.socket == to and info.prog_id == progs.filter_cut:info().id)
      fails("the kernel has no link for it", errno.EOPNOTSUPP, l:pin("/nowhere"))
      assert(l:update(progs.filter_drop) == true)
      assert(get() == nil)
      assert(l:detach() == true)
      assert(l:is_closed())
      assert(get() == "hello")
      l = assert(progs.filter_drop:attach { socket = to })
      assert(l:close())
      assert(get() == "hello")
    ]])
  end)

  it("stays when it is collected", function()
    run({ "filter_cut" }, prelude .. [[
      assert(progs.filter_cut:attach { socket = to })
      collect()
      assert(get() == "hel")
    ]])
  end)

  it("takes an object that has a socket", function()
    run({ "filter_cut" }, prelude .. [[
      for _, method in ipairs { "getfd", "pollfd", "fileno", "fd" } do
        local l = assert(progs.filter_cut:attach { socket = { [method] = function() return to end } })
        assert(get() == "hel")
        l:close()
      end
      raises("field 'socket'", progs.filter_cut.attach, progs.filter_cut, { socket = {} })
      raises("field 'socket'", progs.filter_cut.attach, progs.filter_cut, { socket = io.stdout })
    ]])
  end)

  it("leaves the number of a closed socket alone", function()
    run({ "filter_cut", "filter_drop" }, prelude .. [[
      local l = assert(progs.filter_cut:attach { socket = to })
      net.close(to)
      fails(("socket %d has been closed"):format(to), errno.EBADF, l:detach())
      local other = net.socket "udp"
      assert(other == to)
      assert(net.bind(other, "127.0.0.1", port))
      local its = assert(progs.filter_cut:attach { socket = other })
      fails("has been closed", errno.EBADF, l:update(progs.filter_drop))
      assert(l:close() == true)
      assert(get() == "hel")
      its:close()
    ]])
  end)

  it("says why it cannot be", function()
    run({ "filter_cut" }, prelude .. [[
      fails('attach "filter_cut": a socket filter needs a socket', errno.EINVAL, progs.filter_cut:attach())
      fails('attach "filter_cut": socket 1000: bad file descriptor (EBADF)', errno.EBADF,
        progs.filter_cut:attach { socket = 1000 })
      fails("that file is no socket", errno.ENOTSOCK, progs.filter_cut:attach { socket = progs.filter_cut:fd() })
      raises("field 'socket': fd of a socket expected", link.socket_filter, { program = progs.filter_cut })
      raises("field 'socket'", link.socket_filter, { program = progs.filter_cut, socket = -1 })
      local l = assert(progs.filter_cut:attach { socket = to })
      assert(net.set(to, net.SOL_SOCKET, net.SO_LOCK_FILTER, 1))
      fails("its filter is locked (SO_LOCK_FILTER)", errno.EPERM, l:detach())
      fails("its filter is locked (SO_LOCK_FILTER)", errno.EPERM, l:close())
      assert(l:is_closed())
      fails("its filter is locked (SO_LOCK_FILTER)", errno.EPERM, progs.filter_cut:attach { socket = to })
    ]])
  end)
end)

describe("a reuseport program", function()
  -- Two sockets that share a port, and which of them gets a datagram.
  local prelude = [[
    local function open(port)
      local fd = net.socket "udp"
      assert(net.set(fd, net.SOL_SOCKET, net.SO_REUSEPORT, 1))
      assert(net.bind(fd, "127.0.0.1", port))
      return fd, select(2, net.name(fd))
    end
    local first, port = open(0)
    local second = open(port)
    coll.maps.group:put(0, first)
    coll.maps.group:put(1, second)
    -- How many of twenty come to the second.
    local function at_second()
      local n = 0
      for _ = 1, 20 do
        local from = net.socket "udp"
        assert(net.send(from, "hello", "127.0.0.1", port))
        net.close(from)
      end
      while net.receive(second, 0) do n = n + 1 end
      while net.receive(first, 0) do end
      return n
    end
  ]]

  it("chooses among the sockets, until it is detached", function()
    run({ "choose_first", "choose_second" }, prelude .. [[
      local l = assert(progs.choose_second:attach { socket = first })
      assert(at_second() == 20)
      assert(tostring(l) == ('reuseport link "%d" #%d'):format(first, l:fd()))
      assert(l:info().type == "reuseport")
      assert(l:update(progs.choose_first) == true)
      assert(at_second() == 0)
      assert(count(2) > 0)
      assert(l:detach() == true)
      local before = count(1) + count(2)
      at_second()
      assert(count(1) + count(2) == before)
    ]])
  end)

  it("stays when it is collected, for all sockets of the port", function()
    run({ "choose_second" }, prelude .. [[
      assert(progs.choose_second:attach { socket = second })
      collect()
      assert(at_second() == 20)
      local l = assert(progs.choose_second:attach { socket = first })
      assert(l:close() == true)
      local before = count(1)
      at_second()
      assert(count(1) == before)
    ]])
  end)

  it("says why it cannot be", function()
    run({ "choose_second", "filter_cut" }, prelude .. [[
      local alone = net.socket "udp"
      assert(net.bind(alone, "127.0.0.1", 0))
      fails("SO_REUSEPORT has to be set on it before it is bound", errno.EINVAL,
        progs.choose_second:attach { socket = alone })
      fails("an sk_reuseport program needs one of the sockets", errno.EINVAL, progs.choose_second:attach())
      local l = assert(link.reuseport { program = progs.filter_cut, socket = first })
      l:close()
    ]])
  end)
end)

describe("a sockmap link", function()
  -- A connection over the loopback; both ends.
  local prelude = [[
    local function connected()
      local listener, client = net.socket "tcp", net.socket "tcp"
      assert(net.bind(listener, "127.0.0.1", 0) and net.listen(listener))
      local _, port = net.name(listener)
      assert(net.connect(client, "127.0.0.1", port))
      local server = assert(net.accept(listener))
      net.close(listener)
      return client, server
    end
    local client, server = connected()
    local sockets = coll.maps.sockets
    -- What comes at the other end of what is sent.
    local function sends(from, to)
      net.send(from, "hello")
      return (net.receive(to, 0.2))
    end
  ]]

  for _, by in ipairs { "link", "attach" } do
    it("judges what sockets in the map send, by " .. by, function()
      run({ "msg_pass", "msg_drop", "steer" }, ("local by = %q\n"):format(by) .. prelude .. [[
        local l = assert(since("6.10", progs.msg_drop:attach { map = sockets, by = by }))
        sockets:put(0, client)
        assert(sends(client, server) == nil)
        assert(count(2) > 0)
        -- Sockets keep the program that there was when they were put into the map.
        assert(l:update(progs.msg_pass) == true)
        sockets:delete(0)
        sockets:put(0, client)
        assert(sends(client, server) == "hello")
        assert(count(1) > 0)
        local info = l:info()
        assert(info.type == "sockmap" and info.attach_type == "sk_msg_verdict")
        assert(info.prog_id == progs.msg_pass:info().id)
        local found = link.query { map = sockets, attach_type = "sk_msg_verdict" }
        if found then -- Linux 5.18
          assert(#found.programs == 1 and found.programs[1].id == info.prog_id)
        end
        local before = count(1)
        assert(l:detach() == true)
        sockets:delete(0)
        sockets:put(0, client)
        assert(sends(client, server) == "hello")
        assert(count(1) == before)
        l:close()
      ]])
    end)

    it("judges what sockets in the map receive, by " .. by, function()
      run({ "skb_echo", "skb_parse", "skb_drop" }, ("local by = %q\n"):format(by) .. prelude .. [[
        local parser = assert(since("6.10", progs.skb_parse:attach { map = sockets, by = by }))
        local verdict = assert(progs.skb_echo:attach { map = sockets, by = by })
        sockets:put(0, server)
        -- What the server gets is sent by it.
        assert(sends(client, client) == "hello")
        assert(count(3) > 0 and count(4) > 0)
        sockets:delete(0)
        assert(verdict:detach() == true and parser:detach() == true)

        client, server = connected()
        local drop = assert(since("5.13", progs.skb_drop:attach { map = sockets, by = by }))
        sockets:put(0, server)
        assert(sends(client, server) == nil)
        assert(count(5) > 0)
        sockets:delete(0)
        drop:close()
        client, server = connected()
        sockets:put(0, server)
        assert(sends(client, server) == "hello")
      ]])
    end)
  end

  it("ends when it is collected, if it is one of the kernel's", function()
    run({ "msg_pass", "msg_drop", "steer" }, prelude .. [[
      local function there()
        return link.query({ map = sockets, attach_type = "sk_msg_verdict" }).programs[1]
      end
      local l = assert(since("6.10", progs.msg_drop:attach { map = sockets }))
      assert(there().id == progs.msg_drop:info().id)
      l = nil
      collect()
      assert(there() == nil)
      assert(progs.msg_pass:attach { map = sockets, by = "attach" })
      collect()
      assert(there().id == progs.msg_pass:info().id)
    ]])
  end)

  it("says why it cannot be", function()
    run({ "msg_pass", "skb_drop", "steer" }, prelude .. [[
      fails('attach "msg_pass": it needs a map of sockets', errno.EINVAL, progs.msg_pass:attach())
      for _, by in ipairs { "link", "attach" } do
        fails("the map is no sockmap or sockhash", nil, progs.msg_pass:attach { map = coll.maps.counts, by = by })
        fails("the program is made for another attach type", errno.EINVAL, progs.msg_pass:attach {
          map = sockets, by = by, attach_type = "sk_skb_verdict",
        })
      end
      raises("field 'map': Map expected", progs.msg_pass.attach, progs.msg_pass, { map = 3 })
      local other = sockets:clone()
      other:close()
      fails("the map is closed", errno.EBADF, progs.msg_pass:attach { map = other })
      fails("map is closed", errno.EBADF, link.query { map = other, attach_type = "sk_msg_verdict" })
    ]])
  end)
end)
