-- Draws how long system calls take, as a histogram in the terminal.
--
--   lua latency.lua [object [seconds [pid]]]
--
-- Expected output, of a second by default, with other numbers:
--
--   NANOSECONDS            COUNT
--         128 -      255     312 |************                            |
--         256 -      511    1034 |****************************************|
--         512 -     1023     260 |**********                              |
--   ...
--
-- The object is latency.bpf.c, compiled by clang -O2 -g -target bpf.
local ebpf = require "ebpf"

local object, seconds, pid = arg[1] or "build/examples/latency.bpf.o", tonumber(arg[2] or 1), tonumber(arg[3] or 0)
local width = 40

-- Failures of the library come as nil and a message that says what to do.
local function check(result, message)
  if not result then
    io.stderr:write(message, "\n")
    os.exit(1)
  end
  return result
end

local spec = check(ebpf.load_spec(object))
check(spec.variables.process:set(pid))
local collection = check(ebpf.load(spec))
local links = check(collection:attach())
os.execute("sleep " .. seconds)
for _, link in pairs(links) do
  link:close()
end

-- Added up over all CPUs.
local counts, most, first, last = {}, 0, nil, nil
for bucket = 0, 31 do
  local count = tonumber(check(collection.maps.histogram:get_sum(bucket)))
  counts[bucket] = count
  most = math.max(most, count)
  if count > 0 then
    first, last = first or bucket, bucket
  end
end

print(("%-23s %8s"):format("NANOSECONDS", "COUNT"))
for bucket = first or 0, last or -1 do
  local bar = ("*"):rep(math.floor(counts[bucket] * width / most + 0.5))
  local low = bucket == 0 and 0 or 2 ^ (bucket - 1)
  print(("%10.0f - %10.0f %8d |%-" .. width .. "s|"):format(low, 2 ^ bucket - 1, counts[bucket], bar))
end
collection:close()
os.exit(first and 0 or 1)
