-- Draws how long calls of a function take in programs that run, an nginx for instance:
--
--   lua function_latency.lua nginx ngx_http_process_request [seconds]      as root, 10 seconds by default
--
-- OBJECT in the environment is function_latency.bpf.c, compiled by clang -O2 -g -target bpf.
local ebpf = require "ebpf"

local object = os.getenv("OBJECT") or "build/examples/function_latency.bpf.o"
local path, symbol, seconds = arg[1], arg[2], tonumber(arg[3] or 10)
local WIDTH = 50

if not symbol then
  io.stderr:write("usage: function_latency.lua PROGRAM FUNCTION [SECONDS]\n")
  os.exit(2)
end

-- Failures of the library come as nil and a message that says what to do.
local function check(result, message)
  if not result then
    io.stderr:write(message, "\n")
    os.exit(1)
  end
  return result
end

local collection = check(ebpf.load(object))
local programs, target = collection.programs, { path = path, symbol = symbol }
local links = {
  check(programs.function_entered:attach(target)),
  check(programs.function_returned:attach(target)),
}
print(("calls of %s in %s, for %g seconds"):format(symbol, path, seconds))
os.execute("sleep " .. seconds)

local counts, most, last = {}, 0, 0
for slot in collection.maps.slots:iterate() do
  counts[slot] = tonumber(collection.maps.slots:get_sum(slot))
  most = math.max(most, counts[slot])
  last = counts[slot] > 0 and math.max(last, slot) or last
end
print(("%20s %10s"):format("MICROSECONDS", "CALLS"))
for slot = 0, last do
  local from = slot == 0 and 0 or 2 ^ (slot - 1)
  local bar = ("#"):rep(most > 0 and math.ceil(counts[slot] / most * WIDTH) or 0)
  print(("%9d .. %7d %10d %s"):format(from, 2 ^ slot - 1, counts[slot], bar))
end
for _, link in ipairs(links) do
  link:close()
end
collection:close()
