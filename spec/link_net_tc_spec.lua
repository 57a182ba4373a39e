-- Programs on the packets of network interfaces: tcx, tc by netlink, netkit. Each script has a network namespace of its
-- own, whose loopback carries the packets.
local support = require "spec.support"
local net = require "spec.support.net"

describe("a tcx link", function()
  local programs = { "tcx_one", "tcx_two", "tcx_three", "tcx_four", "tc_one", "tc_drop" }

  local function run(body)
    net.run(programs, [[
      assert(since("6.6", link.tcx { program = progs.tcx_one, interface = "lo" })):close()
    ]] .. body)
  end

  it("runs the program on what arrives, until it is closed", function()
    run [[
      assert(order(udp) == 0)
      local l = assert(link.tcx { program = progs.tcx_one, interface = "lo" })
      assert(order(udp) == 1)
      assert(tostring(l) == ('tcx link "lo" #%d'):format(l:fd()))
      l:close()
      assert(order(udp) == 0)
    ]]
  end)

  it("ends when it is collected", function()
    run [[
      local l = assert(progs.tcx_one:attach { interface = 1 })
      assert(order(udp) == 1)
      l = nil
      collect()
      assert(order(udp) == 0)
    ]]
  end)

  it("decides what becomes of a packet, also of one that leaves", function()
    run [[
      assert(udp() == "hello")
      for _, hook in ipairs { "ingress", "egress" } do
        local l = assert(link.tcx { program = progs.tc_drop, interface = "lo", hook = hook })
        assert(not udp())
        assert(l:info().attach_type == "tcx_" .. hook)
        assert(l:info().ifindex == 1)
        l:close()
        assert(udp() == "hello")
      end
    ]]
  end)

  it("takes its place before, after, first or last", function()
    run [[
      local one = assert(progs.tcx_one:attach { interface = "lo" })
      local two = assert(progs.tcx_two:attach { interface = "lo" })
      assert(order(udp) == 12)
      local function three(place)
        place.interface = "lo"
        local l = assert(progs.tcx_three:attach(place))
        local result = order(udp)
        l:close()
        return result
      end
      assert(three { before = progs.tcx_one } == 312)
      assert(three { before = two } == 132)
      assert(three { after = one } == 132)
      assert(three { after = progs.tcx_two } == 123)
      assert(three { first = true } == 312)
      assert(three { last = true } == 123)
      assert(three { before = { program_id = progs.tcx_two:info().id } } == 132)
      assert(three { after = { link_id = one:info().id } } == 132)
      assert(three {} == 123)

      fails("what it is to stand next to is not there", errno.ENOENT,
        progs.tcx_three:attach { interface = "lo", before = progs.tcx_four })
      two:close()
      fails("what it is to stand next to is closed", errno.EBADF,
        progs.tcx_three:attach { interface = "lo", before = two })
      fails("this program is there already", errno.EEXIST, progs.tcx_one:attach { interface = "lo" })
      raises("only one of before", progs.tcx_three.attach, progs.tcx_three,
        { interface = "lo", first = true, last = true })
      raises("field 'before': Program, Link", progs.tcx_three.attach, progs.tcx_three,
        { interface = "lo", before = {} })
      raises("field 'before': Program, Link", progs.tcx_three.attach, progs.tcx_three,
        { interface = "lo", before = { link_id = 1, program_id = 1 } })
    ]]
  end)

  it("minds the revision that is expected", function()
    run [[
      local where = { interface = "lo", attach_type = "tcx_ingress" }
      local before = assert(link.query(where))
      assert(#before.programs == 0)
      local one = assert(progs.tcx_one:attach { interface = "lo", expected_revision = before.revision })
      fails("is not of the expected revision any more", errno.ESTALE,
        progs.tcx_two:attach { interface = "lo", expected_revision = before.revision })
      local after = link.query(where)
      assert(after.revision ~= before.revision)
      assert(progs.tcx_two:attach { interface = "lo", expected_revision = after.revision })
      one:close()
    ]]
  end)

  it("changes its program, detaches, and is kept by its pin", function()
    net.run(programs, ([[
      local path = %q
      local l = assert(since("6.6", progs.tcx_one:attach { interface = "lo" }))
      assert(l:update(progs.tcx_two) == true)
      assert(order(udp) == 2)
      assert(l:pin(path))
      l:close()
      assert(order(udp) == 2)
      local again = assert(ebpf.load_pinned_link(path))
      assert(tostring(again):find('tcx link "lo" #', 1, true))
      assert(again:unpin())
      assert(again:detach() == true)
      assert(order(udp) == 0)
      assert(again:info().ifindex == 0)
      assert(not again:is_closed())
    ]]):format(support.bpffs() .. "/link"))
  end)

  it("is attached with all of its collection", function()
    run [[
      local all = assert(coll:attach { tcx_one = { interface = "lo" }, tcx_four = { interface = "lo" } })
      assert(order(udp) == 41)
      assert(all.tcx_four:info().attach_type == "tcx_egress")
      for _, l in pairs(all) do l:close() end
      assert(order(udp) == 0)
      fails('attach "tc_one": its section does not say to what: use ebpf.link.tcx{', errno.EINVAL,
        progs.tc_one:attach())
      fails('attach "tcx_one": a tcx program needs an interface', errno.EINVAL, progs.tcx_one:attach())
    ]]
  end)

  it("says what is wrong", function()
    run [[
      fails('attach "tcx_one": interface "nowhere": no such device (ENODEV)', errno.ENODEV,
        link.tcx { program = progs.tcx_one, interface = "nowhere" })
      fails("interface 4711: no such device (ENODEV): this network namespace has no such interface", errno.ENODEV,
        link.tcx { program = progs.tcx_one, interface = 4711 })
      raises("field 'hook': \"ingress\" or \"egress\" expected", link.tcx, { program = progs.tc_one, interface = "lo" })
      raises("field 'hook': \"ingress\" or \"egress\" expected", link.tcx,
        { program = progs.tc_one, interface = "lo", hook = "both" })
      raises("field 'interface': name or index", link.tcx, { program = progs.tcx_one })
      raises("unknown tcx field 'netns'", link.tcx, { program = progs.tcx_one, interface = "lo", netns = 1 })
      raises("needs by = \"attach\"", link.tcx,
        { program = progs.tcx_one, interface = "lo", replace = progs.tcx_two })
      raises("field 'by': \"link\" or \"attach\" expected", link.tcx,
        { program = progs.tcx_one, interface = "lo", by = "netlink" })
    ]]
  end)

  it("need not be a link of the kernel's", function()
    run [[
      local l = assert(link.tcx { program = progs.tcx_one, interface = "lo", by = "attach" })
      assert(order(udp) == 1)
      local info = l:info()
      assert(info.type == "tcx" and info.attach_type == "tcx_ingress" and info.devname == "lo" and info.id == nil)
      assert(info.prog_id == progs.tcx_one:info().id)
      fails("the kernel has no link for it", errno.EOPNOTSUPP, l:pin "/nowhere")
      assert(l:update(progs.tcx_two))
      assert(order(udp) == 2)
      assert(l:info().prog_id == progs.tcx_two:info().id)
      local first = assert(link.tcx { program = progs.tcx_one, interface = "lo", by = "attach", first = true })
      assert(order(udp) == 12)

      -- It takes the place of one, which that does not notice.
      local third = assert(link.tcx {
        program = progs.tcx_three, interface = "lo", by = "attach", replace = progs.tcx_one,
      })
      assert(order(udp) == 32)
      fails("it is attached there no more", errno.ENOENT, first:detach())
      assert(first:close() == true)
      assert(order(udp) == 32)

      assert(third:detach() == true)
      assert(third:is_closed())
      assert(order(udp) == 2)
      -- Collected, it stays.
      l = nil
      collect()
      assert(order(udp) == 2)
      local found = link.query { interface = "lo", attach_type = "tcx_ingress" }
      assert(#found.programs == 1 and found.programs[1].id == progs.tcx_two:info().id)
    ]]
  end)
end)

describe("a tc filter", function()
  local programs = { "tcx_one", "tcx_four", "tc_one", "tc_two", "tc_drop" }

  local function run(body)
    net.run(programs, [[
      local function has_clsact()
        return support.check_run("tc qdisc show dev lo"):find("clsact", 1, true) ~= nil
      end
    ]] .. body)
  end

  it("runs the program on what arrives, until it is detached, and takes its clsact with it", function()
    run [[
      assert(not has_clsact())
      local l = assert(link.tc { program = progs.tc_one, interface = "lo", hook = "ingress" })
      assert(order(udp) == 1)
      assert(has_clsact())
      assert(tostring(l) == ('tc link "lo" #%d'):format(l:fd()))
      local info = l:info()
      assert(info.type == "tc" and info.devname == "lo" and info.hook == "ingress" and info.direct_action == true)
      assert(info.prog_id == progs.tc_one:info().id)
      assert(info.priority > 0 and info.handle > 0 and info.name == "tc_one" and info.chain == 0)
      local shown = support.check_run("tc filter show dev lo ingress")
      assert(shown:find("pref " .. info.priority, 1, true) and shown:find("direct-action", 1, true), shown)
      assert(l:detach() == true)
      assert(l:is_closed())
      assert(order(udp) == 0)
      assert(not has_clsact())
      fails("link is closed", errno.EBADF, l:detach())
    ]]
  end)

  it("stays when it is collected, not when it is closed", function()
    run [[
      local l = assert(link.tc { program = progs.tc_one, interface = "lo", hook = "ingress" })
      l = nil
      collect()
      assert(order(udp) == 1)
      local other = assert(link.tc { program = progs.tc_two, interface = "lo", hook = "egress" })
      assert(order(udp) == 21)
      other:close()
      assert(order(udp) == 1)
      assert(has_clsact())
    ]]
  end)

  it("leaves a clsact that others made, or use", function()
    run [[
      support.check_run "tc qdisc add dev lo clsact"
      local l = assert(link.tc { program = progs.tc_one, interface = "lo", hook = "ingress" })
      l:close()
      assert(has_clsact())
      support.check_run "tc qdisc delete dev lo clsact"

      local first = assert(link.tc { program = progs.tc_one, interface = "lo", hook = "ingress" })
      local second = assert(link.tc { program = progs.tc_two, interface = "lo", hook = "egress" })
      first:close()
      assert(has_clsact())
      assert(order(udp) == 2)
      second:close()
      assert(has_clsact())
    ]]
  end)

  it("decides what becomes of a packet, unless it classifies", function()
    run [[
      for _, hook in ipairs { "ingress", "egress" } do
        local l = assert(link.tc { program = progs.tc_drop, interface = "lo", hook = hook })
        assert(not udp())
        l:close()
        assert(udp() == "hello")
      end
      local l = assert(link.tc { program = progs.tc_drop, interface = "lo", hook = "ingress", direct_action = false })
      assert(order(udp) == 3)
      assert(udp() == "hello")
      assert(l:info().direct_action == false)
      l:close()
    ]]
  end)

  it("has the place that is asked for", function()
    run [[
      local function filter(name, priority, handle, replace, chain)
        return link.tc {
          program = progs[name], interface = "lo", hook = "ingress", priority = priority, handle = handle,
          replace = replace, chain = chain,
        }
      end
      local two = assert(filter("tc_two", 20, 7))
      assert(two:info().priority == 20 and two:info().handle == 7)
      local one = assert(filter("tc_one", 10, 7))
      assert(order(udp) == 12)
      fails("a filter of that priority and handle is there already", errno.EEXIST, filter("tc_drop", 10, 7))
      assert(order(udp) == 12)

      local other = assert(filter("tc_drop", 10, 7, true))
      assert(not udp())
      -- The one it replaced leaves it alone.
      fails("the filter runs another program by now", errno.EEXIST, one:detach())
      assert(one:close() == true)
      assert(not udp())
      local again = assert(link.tc { program = progs.tc_one, interface = "lo", hook = "ingress",
        replace = progs.tc_drop })
      assert(again:info().priority == 10 and again:info().handle == 7)
      assert(order(udp) == 12)
      assert(other:close() == true)
      assert(order(udp) == 12)
      fails("the filter to be replaced is not there", errno.ENOENT, link.tc { program = progs.tc_one,
        interface = "lo", hook = "ingress", replace = progs.tc_drop })

      local chained = assert(filter("tc_drop", 1, 1, nil, 5))
      assert(chained:info().chain == 5)
      assert(order(udp) == 12)
      local shown = support.check_run("tc filter show dev lo ingress chain 5")
      assert(shown:find("tc_drop", 1, true), shown)

      local found = assert(link.query { interface = "lo", attach_type = "tc_ingress" }).programs
      assert(#found == 3)
      local by_priority = {}
      for _, f in ipairs(found) do by_priority[f.priority] = f end
      assert(by_priority[1].chain == 5 and by_priority[1].name == "tc_drop")
      assert(by_priority[10].id == progs.tc_one:info().id and by_priority[10].handle == 7)
      assert(by_priority[20].direct_action == true)
      for _, l in ipairs { chained, again, two } do assert(l:detach()) end
      assert(#link.query { interface = "lo", attach_type = "tc_ingress" }.programs == 0)
    ]]
  end)

  it("changes its program in one step", function()
    run [[
      local l = assert(link.tc { program = progs.tc_one, interface = "lo", hook = "ingress" })
      local handle = l:info().handle
      assert(l:update(progs.tc_two) == true)
      assert(order(udp) == 2)
      assert(l:info().handle == handle and l:info().prog_id == progs.tc_two:info().id)
      fails("program is closed", errno.EBADF, l:update(progs.tc_one:close() and progs.tc_one))
      assert(l:detach() == true)
      assert(order(udp) == 0 and not has_clsact())
    ]]
  end)

  it("knows when others took it away", function()
    run [[
      local l = assert(link.tc { program = progs.tc_one, interface = "lo", hook = "ingress" })
      support.check_run "tc filter delete dev lo ingress"
      fails('detach tc link "lo": it is attached there no more', errno.ENOENT, l:detach())
      fails("it is attached there no more", errno.ENOENT, l:update(progs.tc_two))
      assert(not l:is_closed())
      assert(l:close() == true)

      support.check_run "ip link add left type veth peer name right"
      l = assert(link.tc { program = progs.tc_one, interface = "left", hook = "ingress" })
      support.check_run "ip link delete left"
      fails("it is attached there no more", errno.ENOENT, l:detach())
      assert(l:close() == true)
    ]]
  end)

  it("is attached to a parent by its number as well", function()
    run [[
      local l = assert(link.tc { program = progs.tc_one, interface = "lo", parent = 0xfffffff3 })
      assert(l:info().parent == 0xfffffff3 and l:info().hook == "egress")
      assert(support.check_run("tc filter show dev lo egress"):find("tc_one", 1, true))
      assert(order(udp) == 1)
      assert(l:detach())
      assert(support.check_run("tc filter show dev lo egress") == "")
    ]]
  end)

  it("belongs to the process that made it", function()
    run [[
      local process = require "spec.support.process"
      local l = assert(link.tc { program = progs.tc_one, interface = "lo", hook = "ingress" })
      local status = process.wait(process.fork(function()
        fails("the process that attached it has to do this", errno.EPERM, l:detach())
        fails("the process that attached it has to do this", errno.EPERM, l:update(progs.tc_two))
        assert(l:close() == true)
        return 0
      end))
      assert(status == 0)
      assert(order(udp) == 1)
      l:close()
      assert(order(udp) == 0)
    ]]
  end)

  it("is known and detached from another network namespace", function()
    net.run(programs, ([[
      local other = "/run/netns/%s"
      local l = assert(link.tc { program = progs.tc_one, interface = "lo", hook = "ingress" })
      local t = link.tcx { program = progs.tcx_one, interface = "lo", by = "attach" }
      local here = ("/proc/%%s/fd/9"):format(support.read_file("/proc/self/stat"):match("^%%d+"))
      assert(net.enter(other))
      assert(l:info().devname == "lo")
      assert(l:update(progs.tc_two) == true and l:detach() == true)
      if t then -- Linux 6.6
        fails("it is in another network namespace than this thread", errno.EXDEV, t:detach())
        fails("it is in another network namespace than this thread", errno.EXDEV, t:update(progs.tc_two))
        assert(t:info().ifindex == 1 and t:info().devname == nil)
        assert(net.enter(here))
        assert(t:detach() == true)
      else
        assert(net.enter(here))
      end
      assert(order(udp) == 0 and support.check_run("tc filter show dev lo ingress") == "")
    ]]):format(support.netns()), {
      wrap = function(command)
        return command .. " 9</proc/self/ns/net"
      end,
    })
  end)

  it("says what is wrong, in the kernel's words too", function()
    run [[
      local function tc(fields)
        fields.program = fields.program or progs.tc_one
        fields.interface = fields.interface or "lo"
        return link.tc(fields)
      end
      fails('attach "tc_one": interface "nowhere": no such device (ENODEV)', errno.ENODEV,
        tc { interface = "nowhere", hook = "ingress" })
      fails("interface 4711: no such device (ENODEV)", errno.ENODEV, tc { interface = 4711, hook = "ingress" })
      fails("interface \"lo\": invalid argument (EINVAL): Parent Qdisc", errno.EINVAL, tc { parent = 0x70000 })
      raises("field 'hook'", tc, {})
      raises("field 'priority'", tc, { hook = "ingress", priority = 65536 })
      raises("which filter: priority and handle, or a Program", tc, { hook = "ingress", replace = true })
      raises("field 'replace': Program, true or false expected", tc, { hook = "ingress", replace = 5 })
      raises("at most 63 bytes", tc, { hook = "ingress", name = ("x"):rep(64) })
      raises("the hook is given", tc, { hook = "ingress", parent = 0x10000 })
      assert(not has_clsact())
      local named = assert(tc { hook = "ingress", name = ("x"):rep(63) })
      assert(named:info().name == ("x"):rep(63))
      named:close()
      progs.tc_two:close()
      fails("the program to be replaced is closed", errno.EBADF, tc { hook = "ingress", replace = progs.tc_two })
    ]]
  end)
end)

describe("a netkit link", function()
  local programs = { "netkit_one", "netkit_two", "tcx_one" }

  local function run(body)
    net.run(programs, [[
      local said, status = support.run "ip link add primary type netkit && ip link set primary up"
      since("6.7", status == 0 or nil, said)
      local peer = support.check_run("ip -o link show primary"):match("primary@([^:]+)")
      support.check_run("ip link set " .. peer .. " up")
      support.check_run("ip address add 10.9.8.1/24 dev primary && ip address add 10.9.7.1/24 dev " .. peer)
      local function send(address)
        return function()
          local fd = net.socket "udp"
          net.send(fd, "hello", address, 9)
          net.close(fd)
        end
      end
      local by_primary, by_peer = send "10.9.8.2", send "10.9.7.2"
    ]] .. body, { feature = "netkit" })
  end

  it("runs the program on what either end sends, until it is closed", function()
    run [[
      local one = assert(progs.netkit_one:attach { interface = "primary" })
      local two = assert(progs.netkit_two:attach { interface = "primary" })
      assert(runs(1, by_primary) and runs(2, by_peer))
      assert(not runs(2, by_primary) and not runs(1, by_peer))
      assert(one:info().type == "netkit" and one:info().attach_type == "netkit_primary")
      local found = link.query { interface = "primary", attach_type = "netkit_peer" }
      assert(#found.programs == 1 and found.programs[1].link_id == two:info().id)
      one:close()
      assert(not runs(1, by_primary))
      assert(two:detach() == true)
      assert(not runs(2, by_peer))
      two:close()
    ]]
  end)

  it("ends when it is collected, unless it is not one of the kernel's", function()
    run [[
      local l = assert(progs.netkit_one:attach { interface = "primary" })
      l = nil
      collect()
      assert(not runs(1, by_primary))
      l = assert(link.netkit { program = progs.netkit_two, interface = "primary", by = "attach", hook = "peer" })
      collect()
      assert(runs(2, by_peer))
      assert(l:detach())
      assert(not runs(2, by_peer))
    ]]
  end)

  it("is refused by interfaces of other types", function()
    net.run(programs, [[
      fails("interface \"lo\": ", nil, progs.netkit_one:attach { interface = "lo" })
      fails("a netkit program needs an interface", errno.EINVAL, progs.netkit_one:attach())
      raises("field 'hook': \"primary\" or \"peer\" expected", link.netkit,
        { program = progs.tcx_one, interface = "lo" })
    ]])
  end)
end)

describe("a query", function()
  it("tells which of the programs have links", function()
    net.run({ "tcx_one", "tcx_two" }, [[
      local one = assert(since("6.6", progs.tcx_one:attach { interface = "lo" }))
      local two = assert(progs.tcx_two:attach { interface = "lo", by = "attach" })
      local found = assert(link.query { interface = 1, attach_type = "tcx_ingress" }).programs
      assert(#found == 2)
      assert(found[1].id == progs.tcx_one:info().id and found[1].link_id == one:info().id)
      assert(found[2].id == progs.tcx_two:info().id and found[2].link_id == nil)
      two:close()
      one:close()
    ]])
  end)

  it("does not take wrong arguments, and says what the kernel refuses", function()
    net.run({ "tcx_one" }, [[
      raises("table expected", link.query)
      raises("one of cgroup, interface, netns and map expected", link.query, { attach_type = "xdp" })
      raises("one of cgroup, interface, netns and map expected", link.query,
        { interface = "lo", netns = 3, attach_type = "xdp" })
      raises("field 'attach_type': string expected", link.query, { interface = "lo" })
      raises("unknown attach type 'tcx'", link.query, { interface = "lo", attach_type = "tcx" })
      raises("unknown query field 'hook'", link.query, { interface = "lo", hook = "ingress" })
      raises("field 'map': Map expected", link.query, { map = 1, attach_type = "sk_msg_verdict" })
      fails('query interface "nowhere": no such device (ENODEV)', errno.ENODEV,
        link.query { interface = "nowhere", attach_type = "tcx_ingress" })
      fails('query interface "nowhere": no such device (ENODEV)', errno.ENODEV,
        link.query { interface = "nowhere", attach_type = "tc_ingress" })
      fails('query cgroup "/tmp": bad file descriptor (EBADF): it is no cgroup of version 2', errno.EBADF,
        link.query { cgroup = "/tmp", attach_type = "cgroup_device" })
      for _, attach_type in ipairs { "tcx_ingress", "xdp", "cgroup_device", "sk_msg_verdict", "trace_fentry" } do
        raises(("'%s' is none of the hooks of a netns"):format(attach_type), link.query,
          { netns = "/proc/self/ns/net", attach_type = attach_type })
      end
      raises("'sk_lookup' is none of the hooks of an interface", link.query,
        { interface = "lo", attach_type = "sk_lookup" })
      raises("unknown attach type 'tc_through'", link.query, { interface = "lo", attach_type = "tc_through" })
      assert(#link.query({ interface = "lo", attach_type = "tc_egress" }).programs == 0)
      assert(#link.query({ interface = "lo", attach_type = "xdp" }).programs == 0)
    ]])
  end)

  it("tells of more programs than it expects", function()
    net.run({ "tc_one" }, [[
      local links = {}
      for i = 1, 150 do
        links[i] = assert(link.tc { program = progs.tc_one, interface = "lo", hook = "ingress", priority = 7 })
      end
      local found = assert(link.query { interface = "lo", attach_type = "tc_ingress" }).programs
      assert(#found == 150)
      local handles = {}
      for _, filter in ipairs(found) do
        assert(filter.priority == 7 and not handles[filter.handle])
        handles[filter.handle] = true
      end
      for _, l in ipairs(links) do assert(handles[l:info().handle] and l:detach()) end
      assert(#link.query({ interface = "lo", attach_type = "tc_ingress" }).programs == 0)
    ]])
  end)
end)
