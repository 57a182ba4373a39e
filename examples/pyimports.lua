-- Prints which modules Python programs import, by a tracepoint that CPython has for the purpose.
--
--   lua pyimports.lua [object [python [code]]]
--
-- It runs the given code ("import json") in Python, and ends when that does; expected output:
--
--   PID      MODULE                       FOUND
--   4711     json                         yes
--   4711     json.decoder                 yes
--   ...
--   41 modules imported
--
-- The object is pyimports.bpf.c, compiled by clang -O2 -g -target bpf -D__TARGET_ARCH_x86.
local ebpf = require "ebpf"

local object, python, code = arg[1] or "build/examples/pyimports.bpf.o", arg[2] or "python3", arg[3] or "import json"

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
local reader = check(ebpf.new_perf_reader(collection.maps.events, { type = check(ebpf.type("struct import", spec)) }))
-- "python3" is looked for in PATH; the section names the tracepoint.
check(collection:attach { imported = { path = python } })

print(("%-8s %-28s %s"):format("PID", "MODULE", "FOUND"))
os.execute(("%s -c '%s'"):format(python, code))
local count = 0
for import in reader:available() do
  print(("%-8d %-28s %s"):format(import.pid, import.module, import.found == 1 and "yes" or "no"))
  count = count + 1
end
print(count .. " modules imported")
reader:close()
collection:close()
os.exit(count > 0 and 0 or 1)
