-- Prints which variables of the environment a running program asks the C library for.
--
--   lua getenvsnoop.lua [object [pid [seconds]]]
--
-- Without a pid it watches itself, asks for three variables and ends; expected output:
--
--   PID      COMMAND          VARIABLE             SET
--   4711     lua5.4           HOME                 yes
--   4711     lua5.4           NO_SUCH_VARIABLE     no
--   4711     lua5.4           PATH                 yes
--
-- The object is getenvsnoop.bpf.c, compiled by clang -O2 -g -target bpf -D__TARGET_ARCH_x86.
local ebpf = require "ebpf"

local object, pid, seconds = arg[1] or "build/examples/getenvsnoop.bpf.o", tonumber(arg[2]), tonumber(arg[3] or 10)

-- Failures of the library come as nil and a message that says what to do.
local function check(result, message)
  if not result then
    io.stderr:write(message, "\n")
    os.exit(1)
  end
  return result
end

local spec = check(ebpf.load_spec(object))
local collection = check(ebpf.load(spec))
local reader = check(ebpf.new_perf_reader(collection.maps.events, { type = check(ebpf.type("struct lookup", spec)) }))
-- The sections name the library and the function; the process comes on top. 0 is this one.
check(collection:attach { getenv_begins = { pid = pid or 0 }, getenv_ends = { pid = pid or 0 } })

print(("%-8s %-16s %-20s %s"):format("PID", "COMMAND", "VARIABLE", "SET"))
local function print_all()
  for lookup in reader:available() do
    print(("%-8d %-16s %-20s %s"):format(lookup.pid, lookup.comm, lookup.name, lookup.found == 1 and "yes" or "no"))
  end
end

if pid then
  local deadline = os.time() + seconds
  while os.time() < deadline do
    reader:poll(1)
    print_all()
  end
else
  for _, name in ipairs { "HOME", "NO_SUCH_VARIABLE", "PATH" } do
    os.getenv(name)
  end
  print_all()
end
reader:close()
collection:close()
