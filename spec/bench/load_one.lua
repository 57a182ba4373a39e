-- Opens and loads one object by this module: load_one.lua OBJECT. Prints microseconds of CPU time and the most memory
-- that the process had, in KiB.
local ebpf = require "ebpf"

local start = os.clock()
local collection = assert(ebpf.load(arg[1]))
local time = (os.clock() - start) * 1e6
for line in io.lines("/proc/self/status") do
  local peak = line:match("^VmHWM:%s*(%d+)")
  if peak then
    print(("%.1f %s"):format(time, peak))
    io.stdout:flush()
  end
end
collection:close()
