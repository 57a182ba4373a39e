-- The examples as users run them, and the first script of the README.
local support = require "spec.support"

local function object(name)
  local path = ("%s/examples/%s.bpf.o"):format(os.getenv("EBPF_BUILD") or "build", name)
  assert(support.exists(path), path .. " is missing: run `make fixtures`")
  return path
end

local function command(...)
  local words = { support.lua, ... }
  for i, word in ipairs(words) do
    words[i] = support.quote(word)
  end
  return table.concat(words, " ")
end

describe("examples/execsnoop.lua", function()
  local execsnoop = command("examples/execsnoop.lua", object("execsnoop"))

  it("prints each exec, then a count per command, and ends", function()
    local output, status = support.run(execsnoop)
    assert.equal(0, status, output)
    local execs, counts = output:match("^PID%s+UID%s+COMMAND%s+FILE\n(.-)\n\nCOMMAND%s+COUNT\n(.*)$")
    assert.truthy(execs, output)
    local seen = {}
    for line in execs:gmatch("[^\n]+") do
      local pid, uid, comm, file = line:match("^(%d+)%s+(%d+)%s+(.-)%s+(%S*)$")
      assert.truthy(pid and uid and comm, line)
      seen[file] = (seen[file] or 0) + 1
    end
    -- Others on this machine may start programs as well.
    for file, times in pairs { ["/bin/true"] = 2, ["/bin/ls"] = 1, ["/bin/date"] = 1, ["/bin/uname"] = 1 } do
      assert.truthy((seen[file] or 0) >= times, output)
      local count = tonumber(("\n" .. counts):match("\n" .. file:match("[^/]+$") .. "%s+(%d+)"))
      assert.truthy((count or 0) >= times, output)
    end
  end)

  it("says what is missing, and fails", function()
    local output, status = support.as_unprivileged(execsnoop)
    assert.equal(1, status, output)
    assert.truthy(output:find("operation not permitted (EPERM)", 1, true), output)
    assert.truthy(output:find("CAP_BPF", 1, true), output)
    assert.is_nil(output:find("traceback", 1, true), output)

    output, status = support.run(command("examples/execsnoop.lua", "/nowhere/execsnoop.bpf.o"))
    assert.equal(1, status, output)
    assert.truthy(output:find("/nowhere/execsnoop.bpf.o", 1, true), output)
    assert.is_nil(output:find("traceback", 1, true), output)
  end)
end)

describe("examples/xdp_counter.lua", function()
  local xdp_counter = "OBJECT=" .. support.quote(object("xdp_counter")) .. " " .. command("examples/xdp_counter.lua")

  it("counts what arrives, in a network namespace of its own", function()
    local output, status = support.run(xdp_counter)
    assert.equal(0, status, output)
    assert.truthy(output:find("^counting on right, in native mode\nPROTOCOL%s+PACKETS%s+BYTES\n"), output)
    -- "hello\n" behind the headers of UDP, IP and Ethernet
    assert.truthy(output:find("\nudp%s+5%s+" .. 5 * (14 + 20 + 8 + 6) .. "\n"), output)
  end)

  it("counts on the interface it is given", function()
    local netns = support.netns()
    local output, status = support.run_in_netns(netns, xdp_counter .. " lo 0.1")
    assert.equal(0, status, output)
    assert.truthy(output:find("counting on lo, in generic mode", 1, true), output)
  end)

  it("says what is wrong, and fails", function()
    local output, status = support.run(xdp_counter .. " nowhere 1")
    assert.equal(1, status, output)
    assert.truthy(output:find('interface "nowhere": no such device (ENODEV)', 1, true), output)
    assert.is_nil(output:find("traceback", 1, true), output)
    output, status = support.as_unprivileged(xdp_counter)
    assert.equal(1, status, output)
  end)
end)

describe("examples/lister.lua", function()
  local ebpf = require "ebpf"
  local lister = command("examples/lister.lua")

  it("lists maps, programs and links with who holds them", function()
    local directory = support.bpffs()
    local path = ("%s/bpf/link.bpf.o"):format(os.getenv("EBPF_BUILD") or "build")
    local c = support.closing(assert(ebpf.load(path, { programs = { "first" } })))
    local raw = support.closing(assert(ebpf.new_program { type = "raw_tracepoint", name = "raw", license = "GPL",
      instructions = ebpf.asm.parse "r0 = 0; exit" }))
    local link = support.closing(assert(raw:attach { name = "task_rename" }))
    assert(c.maps.packets:pin(directory .. "/packets"))
    local output, status = support.run(lister)
    assert.equal(0, status, output)
    assert.truthy(output:find("^MAPS\n.*\nPROGRAMS\n.*\nLINKS\n"), output)
    local me = "%(" .. support.read_file("/proc/self/stat"):match("^%d+") .. "%)"
    for _, wanted in ipairs {
      ("\n%d: %s  packets\n        bytes_key 4"):format(c.maps.packets:info().id, c.maps.packets:info().type),
      "\n        pinned " .. directory:gsub("%-", "%%-") .. "/packets\n        pids [^\n]*" .. me,
      ("\n%d: raw_tracepoint  raw  tag %%x+  gpl\n        loaded_at 2[%%d%%-]+T[%%d:]+  uid 0\n")
        :format(raw:info().id),
      ("\n%d: raw_tracepoint  prog %d\n        tp_name task_rename"):format(link:info().id, raw:info().id),
    } do
      assert.truthy(output:find(wanted), wanted .. " in " .. output)
    end
    output, status = support.run(lister .. " links")
    assert.equal(0, status, output)
    assert.truthy(output:find("^LINKS\n") and not output:find("PROGRAMS", 1, true), output)
    assert(c.maps.packets:unpin())
  end)

  it("says what is missing, and fails", function()
    local output, status = support.as_unprivileged(lister)
    assert.equal(1, status, output)
    assert.truthy(output:find("list maps: operation not permitted (EPERM): needs CAP_SYS_ADMIN", 1, true), output)
    assert.is_nil(output:find("traceback", 1, true), output)
    output, status = support.run(lister .. " nonsense")
    assert.equal(1, status, output)
    assert.truthy(output:find("^usage: "), output)
  end)
end)

describe("examples/congestion.lua", function()
  local name = "ebpf" .. support.prefix:match("%d+$") .. "x" -- everybody's on the machine
  local congestion = ("NAME=%s OBJECT=%s %s"):format(name, support.quote(object("congestion")),
    command("examples/congestion.lua"))

  it("controls a connection of its own", function()
    support.needs("6.4", "links of struct_ops")
    local output, status = support.run(congestion)
    assert.equal(0, status, output)
    assert.truthy(output:find(("^%s: struct_ops link \"fixed\" #%%d+\n%s, window of 4 segments\n"):format(name, name)),
      output)
    local connections, segments = output:match("\n(%d+) connections, (%d+) segments acknowledged\n$")
    assert.equal("1", connections, output)
    assert.truthy(tonumber(segments) > 10, output)
  end)

  it("waits for connections of others", function()
    support.needs("6.4", "links of struct_ops")
    local output, status = support.run(congestion .. " 20 0.1")
    assert.equal(0, status, output)
    assert.truthy(output:find("\n0 connections, 0 segments acknowledged\n$"), output)
  end)

  it("says what is wrong, and fails", function()
    local output, status = support.as_unprivileged(congestion)
    assert.equal(1, status, output)
    assert.truthy(output:find("operation not permitted (EPERM)", 1, true), output)
    assert.is_nil(output:find("traceback", 1, true), output)
  end)
end)

-- An example that finds its object by OBJECT in the environment.
local function example(name)
  return ("OBJECT=%s %s"):format(support.quote(object(name)), command(("examples/%s.lua"):format(name)))
end

describe("examples/tcx_counter.lua", function()
  it("counts what arrives and leaves, in a network namespace of its own", function()
    local output, status = support.run(example "tcx_counter")
    assert.equal(0, status, output)
    -- "hello\n" behind the headers of UDP, IP and Ethernet; and that in ICMP, IP and Ethernet
    local bytes = 5 * (14 + 20 + 8 + 6) + 5 * (14 + 20 + 8 + 20 + 8 + 6)
    assert.truthy(output:match("^counting on lo, by tcx?\nDIRECTION%s+PACKETS%s+BYTES\n"
      .. "ingress%s+10%s+" .. bytes .. "\negress%s+10%s+" .. bytes .. "\n$"), output)
  end)

  it("says what is wrong, and fails", function()
    local output, status = support.run(example "tcx_counter" .. " nowhere 1")
    assert.equal(1, status, output)
    assert.truthy(output:find('interface "nowhere": no such device (ENODEV)', 1, true), output)
    assert.is_nil(output:find("traceback", 1, true), output)
  end)
end)

describe("examples/connect_policy.lua", function()
  -- cgroups, mounted somewhere
  setup(support.cgroup)

  it("refuses what is not allowed, and tells", function()
    local output, status = support.run(example "connect_policy")
    assert.equal(0, status, output)
    assert.equal("127.0.0.1: connected\n127.0.0.2: refused\nREFUSED          TIMES\n127.0.0.2        1\n", output)
  end)

  it("runs a command with the networks that it is given", function()
    local netns = support.netns()
    local connect = support.quote "echo >/dev/udp/10.1.2.3/9; echo >/dev/udp/127.0.0.9/9 && echo well"
    local output, status = support.run_in_netns(netns, example "connect_policy" .. " 127.0.0.0/8 bash -c " .. connect)
    assert.equal(0, status, output)
    assert.truthy(output:find("Operation not permitted", 1, true), output)
    assert.truthy(output:find("well\nREFUSED          TIMES\n10.1.2.3         1\n", 1, true), output)
  end)

  it("says what is wrong, and fails", function()
    local output, status = support.run(example "connect_policy" .. " somewhere true")
    assert.equal(1, status, output)
    assert.truthy(output:find("no network: somewhere", 1, true), output)
  end)
end)

describe("examples/sk_lookup.lua", function()
  it("serves many ports by one socket, until the link is closed", function()
    local output, status = support.run(example "sk_lookup")
    assert.equal(0, status, output)
    local ports = { 7000, 8000, 8080, 8999, 9000 }
    local expected = { "steering ports 8000 to 8999 to the one at 7000" }
    for _, port in ipairs(ports) do
      expected[#expected + 1] = ("%d: %s"):format(port, port == 9000 and "no answer" or "this is port " .. port)
    end
    expected[#expected + 1] = "no more"
    for _, port in ipairs(ports) do
      expected[#expected + 1] = ("%d: %s"):format(port, port == 7000 and "this is port 7000" or "no answer")
    end
    assert.equal(table.concat(expected, "\n") .. "\n", output)
  end)
end)

describe("the README", function()
  it("begins with a script that runs as printed", function()
    local script = support.read_file("README.md"):match("\n```lua\n(.-)\n```")
    assert.truthy(script)
    local build = os.getenv("EBPF_BUILD")
    if build then
      script = script:gsub("build/", build .. "/")
    end
    local _, lines = script:gsub("\n", "")
    assert.truthy(lines < 20)
    local output, status = support.run_lua(script)
    assert.equal(0, status, output)
    assert.truthy(output:find("/bin/ls", 1, true), output)
    assert.truthy(output:find("\nls started %d+ times\n"), output)
  end)
end)

describe("examples/verifier_error.lua", function()
  local verifier_error = "OBJECT=" .. support.quote(object("verifier_error")) .. " "
    .. command("examples/verifier_error.lua")

  it("shows what the verifier says, and where", function()
    local output, status = support.run(verifier_error)
    assert.equal(0, status, output)
    assert.truthy(output:find('^load program "count_wrong": permission denied %(EACCES%): R0 invalid mem access '
      .. "'map_value_or_null'.* of count_wrong%(%), verifier_error%.bpf%.c:19 %(%*count %+= 1;%): "), output)
    assert.truthy(output:find("\nThe whole log:\n.*\nprocessed %d+ insns"), output)
    assert.truthy(output:find("\ncount_right is safe, says the verifier: processed %d+ insns"), output)
  end)

  it("does it for any object", function()
    local output, status = support.run(command("examples/verifier_error.lua", "/nowhere.o", "x"))
    assert.equal(0, status, output)
    assert.equal('load spec "/nowhere.o": no such file or directory (ENOENT)\n', output)
  end)
end)

describe("examples/firewall.lua", function()
  local firewall = command("examples/firewall.lua")

  it("compiles its rules, and counts what each decided", function()
    local output, status = support.run(firewall)
    assert.equal(0, status, output)
    local counts = {}
    for action, count in output:gmatch("\n(%l+)[^\n]* (%d+)%f[%c]") do
      counts[#counts + 1] = action .. " " .. count
    end
    assert.same({ "pass 2", "drop 1", "drop 0", "pass 1", "drop 1" }, counts)
  end)

  it("shows the program, which is text that can be read", function()
    local output, status = support.run(firewall .. " show")
    assert.equal(0, status, output)
    assert.equal(output, tostring(assert(require "ebpf".asm.parse(output))))
    assert.truthy(output:find("r1 = map hits ll", 1, true))
  end)

  it("says what is wrong, and fails", function()
    local output, status = support.run(firewall .. " nowhere 1")
    assert.equal(1, status, output)
    assert.truthy(output:find('interface "nowhere": no such device (ENODEV)', 1, true), output)
    assert.is_nil(output:find("traceback", 1, true), output)
  end)
end)
