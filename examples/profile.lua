-- Samples what the CPUs do, and prints the stacks that were seen most often, with the names of functions.
--
--   lua profile.lua [object [seconds [pid]]]
--
-- Without a pid it watches itself at work. Expected output, with other names and numbers:
--
--   211 samples, 95 of them in the stacks below
--
--   61 lua5.4
--       luaV_execute+0x1af
--       luaD_callnoyield+0x3a
--   ...
--   34 lua5.4
--       [kernel] copy_page+0x7
--       [kernel] do_anonymous_page+0x121
--       [/usr/lib/x86_64-linux-gnu/libc.so.6] memset+0x53
--
-- The object is profile.bpf.c, compiled by clang -O2 -g -target bpf.
local ebpf = require "ebpf"

local object, seconds, pid = arg[1] or "build/examples/profile.bpf.o", tonumber(arg[2] or 1), tonumber(arg[3])
local frequency, shown, depth = 199, 5, 8

-- Failures of the library come as nil and a message that says what to do.
local function check(result, message)
  if not result then
    io.stderr:write(message, "\n")
    os.exit(1)
  end
  return result
end

local function own_process()
  local file = check(io.open("/proc/self/stat"))
  local number = file:read("*a"):match("^%d+")
  file:close()
  return tonumber(number)
end

-- Something to see: text, tables, sorting, and pages that the kernel has to find.
local function work()
  local list = {}
  for i = 1, 20000 do
    list[i] = tostring(i * 7919 % 10007)
  end
  table.sort(list)
  return table.concat(list, ","):rep(10)
end

local spec = check(ebpf.load_spec(object))
check(spec.variables.process:set(pid or own_process()))
local collection = check(ebpf.load(spec))
-- One link for the clocks of all CPUs.
local link = check(collection.programs.take_sample:attach { event = "cpu-clock", frequency = frequency })
if pid then
  os.execute("sleep " .. seconds)
else
  local stop = os.clock() + seconds
  while os.clock() < stop do
    work()
  end
end
link:close()

local kernel = ebpf.kernel_symbols() -- nil where the kernel hides its addresses
local processes = {}

local function kernel_name(address)
  local name, offset
  if kernel then
    name, offset = kernel:find(address)
  end
  return name and ("[kernel] %s+0x%x"):format(name, offset) or "[kernel]"
end

local function user_name(process, address)
  if processes[process] == nil then
    processes[process] = ebpf.process_symbols(process) or false -- it may be gone
  end
  local name, offset, path
  if processes[process] then
    name, offset, path = processes[process]:find(address)
  end
  if name then
    return ("[%s] %s+0x%x"):format(path, name, offset)
  end
  return path and ("[%s] 0x%x"):format(path, offset) or "[unknown]"
end

-- The addresses of a stack, as many as there are before the zeros.
local addresses_of = check(ebpf.type("u64[127]"))
local function frames(id, name_of, lines)
  local bytes = id >= 0 and collection.maps.stacks:get_bytes(id)
  for _, address in ipairs(bytes and addresses_of:unpack(bytes) or {}) do
    if address == 0 or #lines >= depth then
      return
    end
    lines[#lines + 1] = "    " .. name_of(address)
  end
end

local samples, total = {}, 0
for sample, count in collection.maps.counts:iterate() do
  count = tonumber(count)
  samples[#samples + 1] = { sample = sample, count = count }
  total = total + count
end
table.sort(samples, function(a, b)
  return a.count > b.count
end)

local below = 0
for i = 1, math.min(shown, #samples) do
  below = below + samples[i].count
end
print(("%d samples, %d of them in the stacks below"):format(total, below))
for i = 1, math.min(shown, #samples) do
  local sample = samples[i].sample
  local lines = {}
  frames(sample.kernel_stack, kernel_name, lines)
  frames(sample.user_stack, function(address)
    return user_name(sample.pid, address)
  end, lines)
  print(("\n%d %s\n%s"):format(samples[i].count, sample.comm, table.concat(lines, "\n")))
end
collection:close()
os.exit(total > 0 and 0 or 1)
