-- XDP programs attached by rtnetlink, without a link of the kernel's: as Linux before 5.9 needs it. Links are in
-- link_spec.lua.
local support = require "spec.support"
local net = require "spec.support.net"

describe("an XDP program attached by netlink", function()
  local programs = { "xdp_one", "xdp_two", "xdp_three", "tcx_one" }

  -- What is sent by "left" arrives at "right".
  local function run(body)
    net.run(programs, [[
      support.check_run [=[
        ip link add left type veth peer name right &&
        ip address add 10.9.8.1/24 dev left && ip link set left up && ip link set right up &&
        ip neighbour add 10.9.8.2 lladdr ff:ff:ff:ff:ff:ff dev left
      ]=]
      local function send()
        local fd = net.socket "udp"
        assert(net.send(fd, "hello", "10.9.8.2", 9))
        net.close(fd)
      end
      local function attach(name, options)
        options = options or {}
        options.interface, options.by = options.interface or "right", "netlink"
        return progs[name]:attach(options)
      end
      local function there()
        local found = assert(link.query { interface = "right", attach_type = "xdp" }).programs
        assert(#found <= 1)
        return found[1] or {}
      end
    ]] .. body)
  end

  it("runs until it is detached", function()
    run [[
      assert(not runs(1, send))
      local l = assert(attach "xdp_one")
      assert(runs(1, send))
      assert(tostring(l) == ('xdp link "right" #%d'):format(l:fd()))
      local info = l:info()
      assert(info.type == "xdp" and info.devname == "right" and info.mode == "native" and info.id == nil)
      assert(info.prog_id == progs.xdp_one:info().id and there().id == info.prog_id)
      fails('pin xdp link "right": the kernel has no link for it: it stays until it is detached: operation not',
        errno.EOPNOTSUPP, l:pin("/nowhere"))
      assert(l:is_pinned() == false)
      assert(l:detach() == true)
      assert(l:is_closed() and there().id == nil)
      assert(not runs(1, send))
      assert(tostring(l) == 'xdp link "right" (closed)')
      fails("link is closed", errno.EBADF, l:info())
      fails("link is closed", errno.EBADF, l:pin("/nowhere"))
    ]]
  end)

  it("detaches when it is closed, stays when it is collected", function()
    run [[
      local l = assert(attach "xdp_one")
      assert(l:close() == true)
      assert(l:close() == true)
      assert(not runs(1, send))
      assert(attach "xdp_two")
      collect()
      assert(runs(2, send))
      assert(there().id == progs.xdp_two:info().id)
    ]]
  end)

  it("detaches with its collection, and at the end of a block", function()
    run [[
      assert(coll:attach { xdp_one = { interface = "right", by = "netlink" } })
      assert(runs(1, send))
      local kept = progs.xdp_two:clone()
      assert(coll:close())
      assert(there().id == nil)
      local block = (loadstring or load)("local l <close> = ...; return l:info().prog_id")
      if block then -- Lua 5.4
        local id = kept:info().id
        assert(block(assert(kept:attach { interface = "right", by = "netlink" })) == id)
        assert(there().id == nil)
      end
    ]]
  end)

  it("runs in the mode that was asked for", function()
    run [[
      for _, mode in ipairs { "native", "generic" } do
        local l = assert(attach("xdp_one", { mode = mode }))
        assert(l:info().mode == mode and there().mode == mode)
        assert(runs(1, send))
        assert(l:update(progs.xdp_two))
        assert(there().mode == mode)
        assert(l:detach())
        assert(there().id == nil)
      end
      fails("its driver has no native mode: use mode \"generic\"", errno.EOPNOTSUPP,
        attach("xdp_one", { interface = "lo", mode = "native" }))
      local both = assert(attach("xdp_one", { mode = "generic" }))
      fails("it has an XDP program already", errno.EEXIST, attach("xdp_two", { mode = "native" }))
      both:close()
    ]]
  end)

  it("takes nobody's place unless it is told to", function()
    run [[
      local one = assert(attach "xdp_one")
      fails("it has an XDP program already", errno.EBUSY, attach "xdp_two")
      assert(runs(1, send))
      fails("its XDP program is not the one to be replaced", errno.EEXIST,
        attach("xdp_two", { replace = progs.xdp_three }))
      local two = assert(attach("xdp_two", { replace = progs.xdp_one }))
      assert(runs(2, send))
      -- The first one's Link leaves it alone.
      fails("it is attached there no more", errno.EEXIST, one:detach())
      fails("it is attached there no more", errno.EEXIST, one:update(progs.xdp_three))
      assert(one:close() == true)
      assert(runs(2, send))
      local three = assert(attach("xdp_three", { replace = true }))
      assert(runs(3, send))
      assert(two:close() == true)
      assert(three:update(progs.xdp_one) == true)
      assert(there().id == progs.xdp_one:info().id)
      assert(three:detach() == true)
      assert(there().id == nil)

      local l = assert(progs.xdp_one:attach { interface = "right" })
      fails("it has an XDP program already", errno.EBUSY, attach("xdp_two", { replace = true }))
      l:close()
    ]]
  end)

  it("works where the kernel has no links", function()
    run [[
      local launcher = support.tmpdir() .. "/without_links"
      support.check_run { "cc", "-Wall", "-o", launcher, "spec/support/without_links.c" }
      local output, status = support.run_lua(([=[
        local ebpf = require "ebpf"
        local programs = assert(ebpf.load(%q, { programs = { "xdp_one" } })).programs
        print((select(2, programs.xdp_one:attach { interface = "right" })))
        local l = assert(programs.xdp_one:attach { interface = "right", by = "netlink" })
        assert(l:detach())
        io.write "well"
      ]=]):format(support.fixture("link_net")), function(command)
        return launcher .. " " .. command
      end)
      assert(output:find('or Linux is older than 5.9: use by = "netlink" there\nwell', 1, true), output)
    ]]
  end)

  it("goes with its interface", function()
    run [[
      local l = assert(attach "xdp_one")
      support.check_run "ip link delete right"
      fails('detach xdp link "right": no such device (ENODEV): the interface is gone', errno.ENODEV, l:detach())
      assert(l:info().ifindex and l:info().devname == nil)
      assert(l:close() == true)
    ]]
  end)

  it("says what is wrong", function()
    run(([[
      fails('attach "xdp_one": interface "nowhere": no such device (ENODEV)', errno.ENODEV,
        attach("xdp_one", { interface = "nowhere" }))
      fails("interface 4711: no such device (ENODEV): this network namespace has no such interface", errno.ENODEV,
        attach("xdp_one", { interface = 4711 }))
      raises("needs by = \"netlink\"", link.xdp, { program = progs.xdp_one, interface = "lo", replace = true })
      raises("field 'by': \"link\" or \"netlink\" expected", link.xdp,
        { program = progs.xdp_one, interface = "lo", by = "attach" })
      raises("field 'mode': \"native\", \"generic\" or \"offload\" expected", link.xdp,
        { program = progs.xdp_one, interface = "lo", mode = "fast" })
      fails("query interface \"nowhere\": no such device (ENODEV)", errno.ENODEV,
        link.query { interface = "nowhere", attach_type = "xdp" })
      local closed = progs.xdp_two
      closed:close()
      fails("the program to be replaced is closed", errno.EBADF, attach("xdp_one", { replace = closed }))

      local path = %q
      assert(progs.xdp_one:pin(path))
      local output = support.run_lua(([=[
        local ebpf = require "ebpf"
        local program = assert(ebpf.load_pinned_program(%%q))
        print((select(2, program:attach { interface = "right", by = "netlink" })))
      ]=]):format(path), function(command)
        return support.unprivileged(command, { "bpf" })
      end)
      assert(output:find("operation not permitted (EPERM)", 1, true) and output:find("lacks", 1, true)
        and output:find("CAP_NET_ADMIN", 1, true), output)
      assert(progs.xdp_one:unpin())
    ]]):format(support.bpffs() .. "/program"))
  end)

  it("is not what programs of maps are attached by", function()
    net.run({ "xdp_map" }, [[
      fails('attach "xdp_map": it is run by a devmap or cpumap', errno.EINVAL, progs.xdp_map:attach())
    ]])
  end)

  local it_once = support.once and it or function() end

  it_once("is safe from any answer of rtnetlink's #host", function()
    local path = support.harness "netlink_fuzz"
    local output, status = support.run(path .. " 5000")
    assert.equal("", output)
    assert.equal(0, status)
  end)

  it("takes back the files of what nobody holds when there are no more", function()
    run [[
      local process = require "spec.support.process"
      process.limit_files(40)
      collectgarbage "stop"
      for _ = 1, 40 do
        assert(attach("xdp_one", { replace = true }))
      end
      for _ = 1, 40 do
        assert(link.tc { program = assert(progs.tcx_one), interface = "lo", hook = "ingress" })
      end
    ]]
  end)
end)
