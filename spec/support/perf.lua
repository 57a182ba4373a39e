--- What the specs of perf readers share: readers with producers of their own, and their samples.
local ebpf = require "ebpf"
local process = require "spec.support.process"
local support = require "spec.support"

local perf = {}

--- 64 bytes to run programs on.
perf.packet = ("x"):rep(64)

--- The collection of spec/bpf/perf_output.bpf.c.
function perf.load()
  return support.closing(assert(ebpf.load(support.fixture("perf_output"))))
end

--- A reader, and a function that makes its producers send so many samples of 64 bytes.
-- @return reader, function(times), collection
function perf.new(options)
  local coll = perf.load()
  local reader = support.closing(assert(ebpf.new_perf_reader(coll:take_map("events"), options)))
  local function emit(times)
    coll.programs.emit_numbered:run { data = perf.packet, times = times or 1 }
  end
  return reader, emit, coll
end

--- Calls `action` on a CPU.
function perf.on_cpu(cpu, action)
  process.pin(cpu)
  local ok, message = pcall(action)
  process.pin()
  assert(ok, message)
end

--- An unsigned number of `size` bytes in the order of these machines, little-endian.
function perf.number_at(sample, offset, size)
  local n = 0
  for i = offset + size, offset + 1, -1 do
    n = n * 256 + sample:byte(i)
  end
  return n
end

--- Reads all there is, and says how many samples it was.
function perf.drain(reader)
  local n = 0
  for _ in reader:available() do
    n = n + 1
  end
  return n
end

--- How many files this process has open.
function perf.count_fds()
  local n = 0
  for _ in pairs(support.fds()) do
    n = n + 1
  end
  return n
end

return perf
