-- A firewall whose rules are compiled when it starts, from a table to the instructions of an XDP program. No compiler
-- is needed: each rule becomes a few lines of assembly text.
--
--   lua firewall.lua                    in a network namespace of its own, with packets of its own
--   lua firewall.lua show               prints the program
--   lua firewall.lua eth0 [seconds]     on a real interface, 10 seconds by default
local ebpf = require "ebpf"

-- The first rule that fits decides. What a rule does not mention may be anything; ports are the destination's.
local rules = {
  { "pass", protocol = "udp", source = "10.9.8.1/32", ports = { 53, 53 } },
  { "drop", protocol = "udp", source = "10.9.8.0/24", ports = { 0, 1023 } },
  { "drop", protocol = "tcp", ports = { 22, 22 } },
  { "pass", destination = "10.9.8.2/32" },
  { "drop" },
}

local actions = { drop = 1, pass = 2 } -- XDP_DROP, XDP_PASS
local protocols = { icmp = 1, tcp = 6, udp = 17 }
local constants = { HEADERS = 14 + 20, ETH_P_IP = 0x0800, XDP_PASS = 2, TCP = 6, UDP = 17 }

-- r6: the packet, r7: its end, r8: the destination port or -1, r9: the protocol. What is no IPv4 passes.
local head = [[
firewall:
  r6 = *(u32 *)(r1 + 0)
  r7 = *(u32 *)(r1 + 4)
  r1 = r6
  r1 += HEADERS
  if r1 > r7 goto pass
  r1 = *(u16 *)(r6 + 12)
  r1 = be16 r1
  if r1 != ETH_P_IP goto pass
  r9 = *(u8 *)(r6 + 23)
  r8 = -1
  r1 = *(u16 *)(r6 + 20)
  r1 = be16 r1
  if r1 & 0x1fff goto rule1      // a fragment behind the first has no ports
  if r9 == TCP goto ports
  if r9 != UDP goto rule1
ports:
  r1 = *(u8 *)(r6 + 14)
  r1 &= 15
  r1 <<= 2
  r2 = r6
  r2 += r1                       // beyond the options of IPv4
  r3 = r2
  r3 += 18
  if r3 > r7 goto rule1
  r8 = *(u16 *)(r2 + 16)
  r8 = be16 r8
]]

-- r8: the rule, r9: its action. Counts it, and is done.
local tail = [[
verdict:
  *(u32 *)(r10 - 4) = r8
  r2 = r10
  r2 += -4
  r1 = map hits ll
  call bpf_map_lookup_elem
  if r0 == 0 goto done
  r1 = 1
  lock *(u64 *)(r0 + 0) += r1
done:
  r0 = r9
  exit
pass:
  r0 = XDP_PASS
  exit
]]

-- An address and its mask, as numbers.
local function parse_network(text)
  local a, b, c, d, bits = text:match("^(%d+)%.(%d+)%.(%d+)%.(%d+)/(%d+)$")
  local mask = 2 ^ 32 - 2 ^ (32 - bits)
  local address = ((a * 256 + b) * 256 + c) * 256 + d
  return address - address % 2 ^ (32 - bits), mask
end

local function compile_network(lines, text, offset, next_rule)
  local address, mask = parse_network(text)
  lines[#lines + 1] = ("r1 = *(u32 *)(r6 + %d)"):format(offset)
  lines[#lines + 1] = "r1 = be32 r1"
  lines[#lines + 1] = ("w1 &= 0x%08x"):format(mask)
  lines[#lines + 1] = ("if w1 != 0x%08x goto %s"):format(address, next_rule)
end

local function compile_rule(lines, rule, number)
  local next_rule = number < #rules and "rule" .. number + 1 or "pass"
  lines[#lines + 1] = ("rule%d:"):format(number)
  if rule.protocol then
    lines[#lines + 1] = ("if r9 != %d goto %s"):format(protocols[rule.protocol], next_rule)
  end
  if rule.source then
    compile_network(lines, rule.source, 26, next_rule)
  end
  if rule.destination then
    compile_network(lines, rule.destination, 30, next_rule)
  end
  if rule.ports then
    lines[#lines + 1] = ("if r8 s< %d goto %s"):format(rule.ports[1], next_rule)
    lines[#lines + 1] = ("if r8 s> %d goto %s"):format(rule.ports[2], next_rule)
  end
  lines[#lines + 1] = ("r8 = %d"):format(number - 1)
  lines[#lines + 1] = ("r9 = %d"):format(actions[rule[1]])
  lines[#lines + 1] = "goto verdict"
end

local function compile()
  local lines = { head }
  for number, rule in ipairs(rules) do
    compile_rule(lines, rule, number)
  end
  lines[#lines + 1] = tail
  return assert(ebpf.asm.parse(table.concat(lines, "\n"), { constants = constants }))
end

-- Whether the command succeeded: Lua 5.1 answers a number, later ones true or nil.
local function run(command)
  local result = os.execute(command)
  return result == true or result == 0
end

local function quote(word)
  return "'" .. word:gsub("'", "'\\''") .. "'"
end

-- Failures of the library come as nil and a message that says what to do.
local function check(result, message)
  if not result then
    io.stderr:write(message or "a command failed", "\n")
    os.exit(1)
  end
  return result
end

local interface, seconds = arg[1], tonumber(arg[2] or 10)
local instructions = compile()
if interface == "show" then
  io.write(tostring(instructions))
  return
elseif not interface then
  -- Again in a new network namespace, which is gone with its interfaces when the script has ended.
  os.exit(run(("unshare --net %s %s right 0"):format(quote(arg[-1]), quote(arg[0]))) and 0 or 1)
elseif seconds == 0 then
  check(run [[
    ip link add left type veth peer name right &&
    ip address add 10.9.8.1/24 dev left &&
    ip link set left up &&
    ip link set right up &&
    ip neighbour add 10.9.8.2 lladdr ff:ff:ff:ff:ff:ff dev left &&
    ip neighbour add 10.9.8.3 lladdr ff:ff:ff:ff:ff:ff dev left
  ]])
end

local hits = check(ebpf.new_map {
  name = "hits", type = "array", key_size = 4, value_size = 8, max_entries = #rules,
})
check(instructions:rewrite_map("hits", hits))
local program = check(ebpf.new_program {
  name = "firewall", type = "xdp", license = "GPL", instructions = instructions,
})
local link = check(ebpf.link.xdp { program = program, interface = interface })

if seconds == 0 then
  for _, target in ipairs { "10.9.8.2/53", "10.9.8.2/53", "10.9.8.2/9", "10.9.8.2/5000", "10.9.8.3/5000" } do
    check(run(("bash -c 'echo hello >/dev/udp/%s'"):format(target)))
  end
else
  run("sleep " .. seconds)
end

print(("%-6s %-6s %-16s %-16s %-12s %s"):format("ACTION", "PROTO", "SOURCE", "DESTINATION", "PORTS", "PACKETS"))
for number, rule in ipairs(rules) do
  print(("%-6s %-6s %-16s %-16s %-12s %d"):format(rule[1], rule.protocol or "any", rule.source or "any",
    rule.destination or "any", rule.ports and table.concat(rule.ports, "-") or "any", tonumber(hits:get(number - 1))))
end
link:close()
