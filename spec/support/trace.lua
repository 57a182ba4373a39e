--- What the specs of links that trace share: things to trace, and what the programs of spec/bpf/trace.bpf.c saw of
-- this process.
local ebpf = require "ebpf"
local support = require "spec.support"

local trace = {}

--- The library of spec/support/traced.c.
trace.library = (os.getenv("EBPF_BUILD") or "build") .. "/spec/traced.so"

--- Calls all of its functions and passes all of its tracepoints.
trace.fire = assert(package.loadlib(trace.library, "traced_fire"))

--- Makes the system call getpgid(0).
trace.system_call = assert(package.loadlib(trace.library, "traced_system_call"))

--- This process, as programs count by.
trace.process = tonumber((support.read_file("/proc/self/stat"):match("^(%d+) ")))

--- An event of this process alone: the tracepoint task_rename.
function trace.rename()
  support.write_file("/proc/self/comm", "spec")
end

--- Loads programs of spec/bpf/trace.bpf.c.
function trace.load(...)
  return support.closing(assert(ebpf.load(support.fixture("trace"), { programs = { ... } })))
end

--- The same for programs that not every kernel takes; see support.granted.
function trace.load_granted(since, feature, ...)
  return support.closing(support.granted(since, feature, ebpf.load(support.fixture("trace"), { programs = { ... } })))
end

--- What this process made the programs see since the last call: {count =, cookie =, first =, second =}, or nil.
function trace.seen(collection)
  local hit = collection.maps.hits:get(trace.process)
  assert(collection.maps.hits:delete(trace.process))
  if hit then
    for key, value in pairs(hit) do
      hit[key] = tonumber(value)
    end
  end
  return hit
end

--- What the programs see of one call of `event`.
function trace.seen_of(collection, event)
  trace.seen(collection)
  event()
  return trace.seen(collection)
end

--- How often programs ran with this cookie since the last call.
function trace.runs_with(collection, cookie)
  local count = collection.maps.cookies:get(cookie)
  assert(collection.maps.cookies:delete(cookie))
  return count and tonumber(count) or 0
end

--- The events that this process has in the tracing file system, for uprobes or kprobes.
function trace.events(kind)
  local text = support.read_file(("%s/%s_events"):format(support.tracefs(), kind))
  return select(2, text:gsub(":ebpf/p_" .. trace.process .. "_", ""))
end

return trace
