-- examples/blocklist: the module, by packets that the kernel runs its program on. spec/embed/ has it in servers, under
-- traffic.
package.path = "examples/blocklist/?.lua;" .. package.path
local ebpf = require "ebpf"
local address = require "blocklist_address"
local blocklist = require "blocklist"
local server = require "spec.support.server"
local support = require "spec.support"

local errno = ebpf.errno
local object = ("%s/examples/blocklist/blocklist.bpf.o"):format(os.getenv("EBPF_BUILD") or "build")
local DROP, PASS = 1, 2

local function open(options)
  options = options or {}
  options.object = options.object or object
  return support.closing(assert(blocklist.open(options)))
end

local function ethernet(protocol, tags)
  return ("\2"):rep(12) .. ("\129\0\0\1"):rep(tags or 0) .. protocol
end

-- A packet from that address, of 100 bytes and `tags` tags of VLANs.
local function packet(source, tags)
  local family, bytes = address.parse(source)
  local frame
  if family == 4 then
    frame = ethernet("\8\0", tags) .. "\69\0\0\86\0\0\0\0\64\17\0\0" .. bytes .. "\10\0\0\1"
  else
    frame = ethernet("\134\221", tags) .. "\96\0\0\0\0\46\17\64" .. bytes .. ("\0"):rep(16)
  end
  return frame .. ("\0"):rep(100 + 4 * (tags or 0) - #frame)
end

local function verdict(blocked, source, tags)
  return assert(blocked.program:test(packet(source, tags)))
end

local function assert_dropped(blocked, ...)
  for _, source in ipairs { ... } do
    assert.equal(DROP, verdict(blocked, source), source)
  end
end

local function assert_passed(blocked, ...)
  for _, source in ipairs { ... } do
    assert.equal(PASS, verdict(blocked, source), source)
  end
end

describe("an address", function()
  local function round(text)
    local family, bytes, length = address.parse(text)
    return family and address.format(family, bytes, length)
  end

  it("is read and printed", function()
    for text, printed in pairs {
      ["192.0.2.1"] = "192.0.2.1", ["192.0.2.255/24"] = "192.0.2.0/24", ["10.255.0.0/9"] = "10.128.0.0/9",
      ["0.0.0.0/0"] = "0.0.0.0/0", ["192.0.2.1/32"] = "192.0.2.1", ["::"] = "::", ["::1"] = "::1", ["1::"] = "1::",
      ["2001:DB8:0:0:1:0:0:1"] = "2001:db8::1:0:0:1", ["2001:db8::/32"] = "2001:db8::/32",
      ["2001:db8:ffff::/33"] = "2001:db8:8000::/33", ["1:2:3:4:5:6:7:8"] = "1:2:3:4:5:6:7:8",
      ["1:0:3:4:5:6:7:8"] = "1:0:3:4:5:6:7:8", ["64:ff9b::192.0.2.33"] = "64:ff9b::c000:221",
      ["::ffff:192.0.2.1"] = "192.0.2.1", ["::ffff:192.0.2.0/120"] = "192.0.2.0/24", ["::/0"] = "::/0",
    } do
      assert.equal(printed, round(text), text)
    end
  end)

  it("is refused when it is none", function()
    for _, text in ipairs { "", "1.2.3", "1.2.3.4.5", "256.1.1.1", "1.2.3.4/33", "1.2.3.4/", "1.2.3.4/x", ":", ":::",
      "1::2::3", "1:2:3:4:5:6:7", "1:2:3:4:5:6:7:8:9", "12345::", "::g", "::/129", "1.2.3.4::", "::1.2.3.4:1",
      "example.org", "1:2:3:4:5:6:7:8::", " 1.2.3.4", "1.2.3.4 ", "::1.2.3.400" } do
      assert.is_nil(round(text), text)
    end
  end)
end)

describe("a blocklist", function()
  it("drops whom it is told to, and counts", function()
    local blocked = open()
    assert_passed(blocked, "192.0.2.1", "2001:db8::1")
    assert.is_true(blocked:ban("192.0.2.1", { reason = 7 }))
    assert.is_true(blocked:ban("2001:db8::1"))
    assert.is_true(blocked:ban("198.51.100.0/24"))
    assert.is_true(blocked:ban("2001:db8:1::/48"))
    assert_dropped(blocked, "192.0.2.1", "192.0.2.1", "2001:db8::1", "198.51.100.200", "2001:db8:1:2::3")
    assert_passed(blocked, "192.0.2.2", "2001:db8::2", "198.51.101.1", "2001:db8:2::1")
    assert.same({ packets = 2, bytes = 200, reason = 7, length = 32 }, blocked:get("192.0.2.1"))
    assert.same({ packets = 1, bytes = 100, reason = 0, length = 24 }, blocked:get("198.51.100.77/24"))
    assert.same({ passed = { packets = 6, bytes = 600 }, dropped = { packets = 5, bytes = 500 },
      spared = { packets = 0, bytes = 0 } }, blocked:totals())
    assert.is_true(blocked:unban("192.0.2.1"))
    assert.is_true(blocked:unban("192.0.2.1"))
    assert_passed(blocked, "192.0.2.1")
    assert.is_nil(blocked:get("192.0.2.1"))
  end)

  it("looks behind tags of VLANs, and lets pass what it does not know", function()
    local blocked = open()
    assert(blocked:ban("0.0.0.0/0"))
    assert(blocked:ban("::/0"))
    for tags = 0, 2 do
      assert.equal(DROP, verdict(blocked, "192.0.2.1", tags))
      assert.equal(DROP, verdict(blocked, "2001:db8::1", tags))
    end
    assert.equal(PASS, verdict(blocked, "192.0.2.1", 3))
    for _, frame in ipairs { ethernet("\8\6") .. ("\0"):rep(50), ethernet("\8\0") .. "\69\0\0", ethernet("\8\0", 2) } do
      assert.equal(PASS, assert(blocked.program:test(frame)))
    end
  end)

  it("forgets bans when their time has come, without being told", function()
    local blocked = open()
    assert(blocked:ban("192.0.2.1", { seconds = 0.2 }))
    assert(blocked:ban("192.0.2.2", { seconds = 3600 }))
    assert_dropped(blocked, "192.0.2.1", "192.0.2.2")
    local left = blocked:get("192.0.2.2").seconds
    assert.is_true(left > 3500 and left <= 3600)
    support.sleep(0.25)
    assert_passed(blocked, "192.0.2.1")
    assert_dropped(blocked, "192.0.2.2")
    assert.equal(0, blocked:get("192.0.2.1").seconds)
    -- A new ban goes on counting.
    assert(blocked:ban("192.0.2.1", { seconds = 60 }))
    assert_dropped(blocked, "192.0.2.1")
    assert.equal(2, blocked:get("192.0.2.1").packets)
  end)

  it("sees prefixes around one that has expired", function()
    local blocked = open()
    assert(blocked:ban("10.0.0.0/8"))
    for length = 9, 15 do
      assert(blocked:ban("10.1.2.3/" .. length, { seconds = 0.001 }))
    end
    support.sleep(0.01)
    assert_dropped(blocked, "10.1.2.3")
    assert.equal(1, blocked:get("10.0.0.0/8").packets)
  end)

  it("throws expired bans out a few at a time, and when there is no room", function()
    local blocked = open { max_bans = 8 }
    for i = 1, 8 do
      assert(blocked:ban("192.0.2." .. i, { seconds = i <= 6 and 0.001 or nil }))
      assert(blocked:ban(("198.51.%d.0/24"):format(i), { seconds = i <= 3 and 0.001 or nil }))
    end
    local ok, _, code = blocked:ban("192.0.2.9")
    assert.is_nil(ok)
    assert.equal(errno.E2BIG, code)
    support.sleep(1.1)
    local reclaimed, looked = 0, 0
    while reclaimed < 2 and looked < 16 do
      reclaimed = reclaimed + blocked:reclaim(1)
      looked = looked + 1
    end
    assert.equal(2, reclaimed)
    for i = 9, 14 do
      assert(blocked:ban("192.0.2." .. i))
    end
    assert.is_nil(blocked:ban("192.0.2.15"))
    assert(blocked:ban("198.51.100.0/24"))
    local bans = {}
    for text in blocked:bans() do
      bans[text] = (bans[text] or 0) + 1
    end
    assert.equal(1, bans["192.0.2.7"])
    assert.equal(1, bans["192.0.2.14"])
    assert.equal(1, bans["198.51.8.0/24"])
    assert.is_nil(bans["198.51.1.0/24"])
    assert_dropped(blocked, "192.0.2.8", "198.51.8.1")
  end)

  it("counts in a dry run, and drops nothing", function()
    local blocked = open { dry_run = true }
    assert(blocked:ban("192.0.2.1"))
    assert_passed(blocked, "192.0.2.1")
    assert.equal(1, blocked:get("192.0.2.1").packets)
    assert.equal(1, blocked:totals().spared.packets)
    assert(blocked:dry_run(false))
    assert_dropped(blocked, "192.0.2.1")
  end)

  it("tells of what it drops, of all or of some", function()
    local blocked = open { sample_every = 1 }
    local reader = support.closing(assert(blocked:reader()))
    assert(blocked:ban("2001:db8::/32", { reason = 5 }))
    assert_dropped(blocked, "2001:db8::1")
    local drop = assert(reader:read())
    assert.same({ "2001:db8::1", "2001:db8::/32" }, { blocklist.source(drop) })
    assert.same({ 6, 32, 5, 100, 0 }, { drop.family, drop.length, drop.reason, drop.bytes, drop.spared })
    assert(blocked:sample(0))
    assert_dropped(blocked, "2001:db8::1")
    assert.is_nil(reader:read())
    assert(blocked:sample(4))
    for _ = 1, 400 do
      verdict(blocked, "2001:db8::1")
    end
    local n = 0
    for _ in reader:available() do
      n = n + 1
    end
    assert.is_true(n > 20 and n < 250, n)
  end)

  it("refuses what is no address", function()
    local blocked = open()
    for _, method in ipairs { "ban", "unban", "get" } do
      local ok, message, code = blocked[method](blocked, "nobody")
      assert.is_nil(ok)
      assert.same({ '"nobody" is neither an address nor a prefix', errno.EINVAL }, { message, code })
    end
    local ok, message = blocked:ban()
    assert.is_nil(ok)
    assert.equal("address expected, got nil", message)
  end)
end)

describe("the list of a blocklist", function()
  it("is replaced as a whole, bans stay", function()
    local blocked = open()
    assert(blocked:ban("203.0.113.1"))
    assert.equal(4, blocked:replace { "192.0.2.1", "198.51.100.0/24", "2001:db8::1", "2001:db8:1::/48" })
    assert_dropped(blocked, "192.0.2.1", "198.51.100.9", "2001:db8::1", "2001:db8:1::9", "203.0.113.1")
    local path = support.tmpdir() .. "/list"
    support.write_file(path, "# a list\n192.0.2.2 # a host\n\n  198.51.101.0/24\n")
    assert.equal(2, blocked:replace(path))
    assert_dropped(blocked, "192.0.2.2", "198.51.101.1", "203.0.113.1")
    assert_passed(blocked, "192.0.2.1", "198.51.100.9", "2001:db8::1")
    assert.equal(0, blocked:replace({}))
    assert_passed(blocked, "192.0.2.2", "198.51.101.1")
  end)

  it("stays when the new one is wrong", function()
    local blocked = open()
    assert(blocked:replace { "192.0.2.1" })
    local count, message, code = blocked:replace { "192.0.2.2", "nobody" }
    assert.is_nil(count)
    assert.same({ '"nobody" is neither an address nor a prefix', errno.EINVAL }, { message, code })
    count, message = blocked:replace("/no/such/list")
    assert.is_nil(count)
    assert.truthy(message:find("/no/such/list", 1, true))
    assert_dropped(blocked, "192.0.2.1")
    assert_passed(blocked, "192.0.2.2")
  end)

  it("may be long", function()
    local blocked = open()
    local n = 0
    local function source()
      n = n + 1
      if n <= 100000 then
        local length = n % 2 == 0 and "/31" or ""
        return ("10.%d.%d.%d%s"):format(math.floor(n / 65536), math.floor(n / 256) % 256, n % 256, length)
      end
    end
    assert.equal(100000, blocked:replace(source))
    assert_dropped(blocked, "10.0.0.1", "10.0.0.2", "10.1.134.159", "10.1.134.160")
    assert_passed(blocked, "10.2.0.0", "11.0.0.1")
  end)
end)

describe("a blocklist with pins", function()
  it("is the same after a restart", function()
    local directory = support.bpffs() .. "/list"
    local blocked = open { pin_path = directory }
    assert(blocked:ban("192.0.2.1", { seconds = 3600 }))
    assert(blocked:replace { "198.51.100.0/24" })
    assert_dropped(blocked, "192.0.2.1")
    blocked:close()
    local again = open { pin_path = directory }
    assert_dropped(again, "192.0.2.1", "198.51.100.1")
    assert.equal(2, again:get("192.0.2.1").packets)
    local other = support.closing(assert(blocklist.connect(directory)))
    assert.equal(2, other:get("192.0.2.1").packets)
    assert(other:ban("192.0.2.2"))
    assert_dropped(again, "192.0.2.2")
    assert.equal(errno.EINVAL, select(3, other:attach("lo")))
    support.check_run { "rm", "-r", directory }
  end)

  it("says when what is pinned is of another version, and takes its bans over", function()
    local directory = support.bpffs() .. "/list"
    local old = open { pin_path = directory, max_bans = 16 }
    assert(old:ban("192.0.2.1", { seconds = 3600, reason = 9 }))
    assert(old:ban("2001:db8::/32"))
    assert_dropped(old, "192.0.2.1")
    local none, message, code = blocklist.open { object = object, pin_path = directory, max_bans = 32 }
    assert.is_nil(none)
    assert.equal(errno.EINVAL, code)
    assert.truthy(message:find("max_entries", 1, true), message)
    -- What goes wrong on the way takes nothing away.
    none, message = blocklist.open { object = object, pin_path = directory, max_bans = 2 ^ 32 - 1, migrate = true }
    assert.is_nil(none)
    assert.truthy(message:find("create map", 1, true), message)
    old:close()
    old = open { pin_path = directory, max_bans = 16 }
    assert_dropped(old, "192.0.2.1")
    local new = open { pin_path = directory, max_bans = 32, migrate = true }
    assert.equal(2, new.migrated)
    assert.equal(9, new:get("192.0.2.1").reason)
    assert_dropped(new, "192.0.2.1", "2001:db8::7")
    assert.equal(3, new:get("192.0.2.1").packets)
    support.check_run { "rm", "-r", directory }
  end)

  it("goes on dropping when the process has ended, until it is detached", function()
    local netns, directory = support.netns(), support.bpffs() .. "/list"
    support.check_run(support.in_netns(netns, "ip link add left type veth peer name right"))
    local function run(script)
      local prefix = ("package.path = %q\nlocal blocklist = require 'blocklist'\nlocal options = { object = %q, "
        .. "pin_path = %q }\n"):format(package.path, object, directory)
      local output, status = support.run_lua(prefix .. script, function(command)
        return support.in_netns(netns, command)
      end)
      assert.equal(0, status, output)
      return output
    end
    assert.equal("native\ngeneric\n", run [[
      local blocked = assert(blocklist.open(options))
      print(blocked:attach("left"))
      print(blocked:attach("right", "generic"))]])
    local function attached()
      return (support.check_run(support.in_netns(netns, "ip -d link show left")):match("prog/xdp id (%d+)"))
    end
    local before = attached()
    assert.truthy(before)
    -- Another process, with another program in the same place.
    assert.equal("native\n", run [[
      local blocked = assert(blocklist.open(options))
      print(blocked:attach("left"))
      print(blocked:attach("nowhere"))]] :gsub("nil.*", ""))
    assert.truthy(attached())
    assert.not_equal(before, attached())
    run [[
      local blocked = assert(blocklist.connect(options.pin_path))
      assert(blocked:detach("left"))
      assert(blocked:detach("right"))
      assert(not blocked:detach("left"))]]
    assert.is_nil(attached())
    support.check_run { "rm", "-r", directory }
  end)
end)

describe("the list under traffic", function()
  -- How many packets the IP layer of a namespace has got.
  local function received(netns)
    local names, values = support.check_run(support.in_netns(netns, "cat /proc/net/snmp"))
      :match("^Ip: ([^\n]+)\nIp: ([^\n]+)")
    local get = values:gmatch("%d+")
    for name in names:gmatch("%S+") do
      local value = get()
      if name == "InReceives" then
        return tonumber(value)
      end
    end
  end

  local it_once = support.once and it or function() end

  it_once("lets no packet pass of who is on all lists, whenever they are replaced", function()
    local network = server.network(2)
    local mac = support.check_run(support.in_netns(network.server, "ip -o link show web")):match("ether (%S+)")
    support.check_run(support.in_netns(network.client,
      ("ip neighbour replace %s lladdr %s dev out"):format(network.address, mac)))
    local ready = support.tmpdir() .. "/ready"
    local script = support.tmpdir() .. "/swap.lua"
    support.write_file(script, ([[
      package.path = %q
      local blocklist = require "blocklist"
      local blocked = assert(blocklist.open { object = %q })
      local function list(i)
        local addresses = { %q, "10.87.0.0/24" }
        for n = 1, 100 do
          addresses[#addresses + 1] = ("10.%%d.%%d.%%d"):format(i, i, n)
        end
        return addresses
      end
      assert(blocked:replace(list(0)))
      assert(blocked:attach("web"))
      io.open(%q, "w"):close()
      while blocked:totals().dropped.packets < 1000 do end
      local before = blocked:totals().dropped.packets
      for i = 1, 100 do
        assert(blocked:replace(list(i)))
      end
      print(blocked:totals().dropped.packets - before)
      io.stdout:flush()
      while os.rename(%q, %q) do -- until it is taken away: the end of this process is that of the program
        os.execute("sleep 0.05")
      end
    ]]):format(package.path, object, network.clients[1], ready, ready, ready))
    local _, output = support.start(support.in_netns(network.server,
      ("exec %s %s"):format(support.quote(support.lua), script)))
    assert(support.wait_until(function()
      return support.exists(ready)
    end, 20), "the blocklist is not attached")
    local before = received(network.server)
    local flood = support.start(support.in_netns(network.client, ("exec bash -c '"
      .. "exec 3>/dev/udp/%s/9; while :; do echo x >&3; done'"):format(network.address)))
    support.wait_until(function()
      return support.read_file(output) ~= ""
    end, 120)
    support.stop(flood)
    support.sleep(0.1)
    local dropped = tonumber(support.read_file(output))
    assert.is_true(dropped and dropped > 1000, support.read_file(output))
    assert.equal(before, received(network.server))
    support.check_run { "rm", ready }
  end)
end)
