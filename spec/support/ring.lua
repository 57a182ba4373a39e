--- What the specs of ring readers share: readers with producers of their own.
local ebpf = require "ebpf"
local support = require "spec.support"

local ring = {}

--- 64 bytes to run programs on.
ring.packet = ("x"):rep(64)

--- The spec of spec/bpf/ring.bpf.c, and the type of its events.
function ring.spec()
  local spec = assert(ebpf.load_spec(support.fixture("ring")))
  return spec, assert(ebpf.type("struct event", spec))
end

--- A reader of its map "events", and a function that sends so many events of 64 bytes.
-- @param options those of the reader; `type = "event"` stands for the type of the events
-- @param max_entries nil or the size of the ring buffer
-- @param flags nil or those of the ring buffer
-- @return reader, function(times, program), collection
function ring.new(options, max_entries, flags)
  local spec, event = ring.spec()
  spec.maps.events.max_entries = max_entries or spec.maps.events.max_entries
  spec.maps.events.flags = flags or 0
  local coll = support.closing(assert(ebpf.load(spec)))
  local given = {}
  for name, value in pairs(options or {}) do
    given[name] = value
  end
  if given.type == "event" then
    given.type = event
  end
  local reader = support.closing(assert(ebpf.new_ring_reader(coll:take_map("events"), given)))
  local function emit(times, program)
    coll.programs[program or "emit_event"]:run { data = ring.packet, times = times or 1 }
  end
  return reader, emit, coll
end

--- A perf reader of the same events.
function ring.new_perf(options)
  local spec, event = ring.spec()
  local coll = support.closing(assert(ebpf.load(spec)))
  local given = { type = event }
  for name, value in pairs(options or {}) do
    given[name] = value
  end
  local reader = support.closing(assert(ebpf.new_perf_reader(coll:take_map("perf_events"), given)))
  return reader, function(times)
    coll.programs.emit_perf:run { data = ring.packet, times = times or 1 }
  end, coll
end

return ring
