-- Lists the processes of the system by an iterator, without reading /proc.
--
--   lua tasks.lua [object]
--
-- Expected output, with other processes:
--
--   PID      PARENT   COMMAND
--   1        0        systemd
--   4711     1        lua5.4
--   ...
--   83 processes, 61 threads of the kernel
--
-- The object is tasks.bpf.c, compiled by clang -O2 -g -target bpf.
local ebpf = require "ebpf"

-- Failures of the library come as nil and a message that says what to do.
local function check(result, message)
  if not result then
    io.stderr:write(message, "\n")
    os.exit(1)
  end
  return result
end

local collection = check(ebpf.load(arg[1] or "build/examples/tasks.bpf.o"))
local link = check(collection.programs.list:attach())

print(("%-8s %-8s %s"):format("PID", "PARENT", "COMMAND"))
local processes, threads = 0, 0
for line in check(link:lines()) do
  local pid, parent, is_kernel, command = line:match("^(%d+) (%d+) (%d) (.*)$")
  if is_kernel == "1" then
    threads = threads + 1
  else
    processes = processes + 1
    print(("%-8d %-8d %s"):format(tonumber(pid), tonumber(parent), command))
  end
end
print(("%d processes, %d threads of the kernel"):format(processes, threads))
link:close()
collection:close()
