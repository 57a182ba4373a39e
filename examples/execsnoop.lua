-- Prints a line for each program that is started, then how often each command was.
--
--   lua execsnoop.lua [object]
--
-- So that there is something to tell, it starts a few commands itself; it ends when it has seen those.
-- The object is execsnoop.bpf.c, compiled by clang -O2 -g -target bpf.
local ebpf = require "ebpf"

local commands = { "/bin/true", "/bin/ls / >/dev/null", "/bin/date >/dev/null", "/bin/true", "/bin/uname >/dev/null" }
local patience = 10 -- seconds to wait for samples

-- Failures of the library come as nil and a message that says what to do.
local function check(result, message)
  if not result then
    io.stderr:write(message, "\n")
    os.exit(1)
  end
  return result
end

local spec = check(ebpf.load_spec(arg[1] or "build/examples/execsnoop.bpf.o"))

local collection = check(ebpf.load(spec))
-- Samples are tables with the fields of the struct that the program sends; its definition is in the object.
local exec = check(ebpf.type("struct exec", spec))
local reader = check(ebpf.new_perf_reader(collection.maps.events, { type = exec }))
check(collection:attach())

-- The commands we wait for, by file name. Others' may come in between.
local expected, missing = {}, #commands
for _, command in ipairs(commands) do
  local filename = command:match("%S+")
  expected[filename] = (expected[filename] or 0) + 1
end

-- Reads as samples come; between them the coroutine hands over to whoever resumes it.
local printer = coroutine.create(function()
  for sample in reader:samples() do
    print(("%-8d %-6d %-16s %s"):format(sample.pid, sample.uid, sample.comm, sample.filename))
    if (expected[sample.filename] or 0) > 0 then
      expected[sample.filename] = expected[sample.filename] - 1
      missing = missing - 1
    end
  end
end)

print(("%-8s %-6s %-16s %s"):format("PID", "UID", "COMMAND", "FILE"))
for _, command in ipairs(commands) do
  os.execute(command)
  assert(coroutine.resume(printer)) -- prints all that is there
end
local deadline = os.time() + patience
while missing > 0 and os.time() <= deadline do
  reader:poll(1)
  assert(coroutine.resume(printer))
end

local lines = {}
for comm, count in collection.maps.counts:iterate() do
  lines[#lines + 1] = ("%-16s %5d"):format(comm, tonumber(count))
end
table.sort(lines)
print(("\n%-16s %5s"):format("COMMAND", "COUNT"))
print(table.concat(lines, "\n"))

local lost = reader:lost_samples()
reader:close()
collection:close()
if missing > 0 then
  io.stderr:write(missing, " commands were not seen; samples lost: ", tostring(lost), "\n")
  os.exit(1)
end
