-- Prints how long a list of a million prefixes takes to load, all from text: blocklist.lua <build directory>.
package.path = "examples/blocklist/?.lua;" .. package.path
local blocklist = require "blocklist"

local build = assert(arg[1], "the build directory?")
local PREFIXES, ROUNDS, MOST = 1000000, 3, 3

local list = {}
for i = 0, PREFIXES - 1 do
  list[#list + 1] = ("%d.%d.%d.0/24"):format(1 + math.floor(i / 65536), math.floor(i / 256) % 256, i % 256)
end

local figures = {}
for round = 1, ROUNDS do
  local blocked = assert(blocklist.open { object = build .. "/examples/blocklist/blocklist.bpf.o" })
  collectgarbage()
  local start = os.clock()
  assert(blocked:replace(list) == PREFIXES)
  figures[round] = os.clock() - start
  blocked:close()
end
table.sort(figures)
local figure = figures[math.floor(ROUNDS / 2) + 1]
print(("%-7s %-36s %40.2f s    goal %.0f s    %s"):format(arg[-1]:match("[^/]*$"), "a blocklist of 1 000 000 prefixes",
  figure, MOST, figure <= MOST and "met" or "missed"))
