--- The BPF of the whole system: who holds its objects, which BTF there is, statistics of programs.
local core = require "ebpf.core"
local map = require "ebpf.map"

local system = {}

--- While one is open, the kernel counts runs of programs.
---@class ebpf.Stats
---@field close fun(self: ebpf.Stats): true
---@field is_closed fun(self: ebpf.Stats): boolean
---@field fd fun(self: ebpf.Stats): integer?, string?, integer?

--- Has the kernel count, for p:stats(), how often all programs run and how long, until what it returns is closed or
--- collected. Each run takes some nanoseconds more meanwhile. From Linux 5.8 (before: the sysctl
--- kernel.bpf_stats_enabled); needs CAP_SYS_ADMIN.
---@type fun(): ebpf.Stats?, string?, integer?
system.enable_stats = core.enable_stats

---@class ebpf.Process
---@field pid integer
---@field comm string
---@field fds integer[] its descriptors of the object
---@field perf_event boolean? of a program: it is attached to a perf event of the process, without a link

---@class ebpf.Owners
---@field maps table<integer, ebpf.Process[]> by id; what no process holds is not there
---@field programs table<integer, ebpf.Process[]>
---@field links table<integer, ebpf.Process[]>
---@field btfs table<integer, ebpf.Process[]>
---@field unreadable integer how many processes could not be looked at, for lack of CAP_SYS_PTRACE or of their user

--- The processes that hold maps, programs, links and BTF, by their descriptors, which /proc tells. What is mapped into
--- memory, attached without a link, or held by another object is not seen by that; see `pins`. Each process of the
--- system is looked at: this takes a while.
---@return ebpf.Owners? owners
---@return string? message
---@return integer? errno
function system.owners()
  local list, unreadable, errno = core.find_processes()
  if not list then
    return nil, unreadable, errno
  end
  local owners = { maps = {}, programs = {}, links = {}, btfs = {}, unreadable = unreadable }
  for _, found in ipairs(list) do
    local of = owners[found.kind]
    of[found.id] = of[found.id] or {}
    local processes = of[found.id]
    local last = processes[#processes]
    if not last or last.pid ~= found.pid then
      last = { pid = found.pid, comm = found.comm, fds = {} }
      processes[#processes + 1] = last
    end
    last.fds[#last.fds + 1] = found.fd
    last.perf_event = found.perf_event or last.perf_event or nil
  end
  return owners
end

-- Mount points are written with their spaces and the like as \040.
local function bpf_mounts()
  local file = io.open("/proc/self/mountinfo")
  local points, seen = {}, {}
  if not file then
    return points
  end
  for line in file:lines() do
    local point, kind = line:match("^%d+ %d+ %S+ %S+ (%S+) .- %- (%S+) ")
    if kind == "bpf" and not seen[point] then
      seen[point] = true
      points[#points + 1] = (point:gsub("\\(%d%d%d)", function(octal)
        return string.char(tonumber(octal, 8))
      end))
    end
  end
  file:close()
  return points
end

---@class ebpf.Pins
---@field maps table<integer, string[]> by id: paths
---@field programs table<integer, string[]>
---@field links table<integer, string[]>
---@field unreadable integer how many files or directories could not be opened

--- What is pinned: below a directory, or in all BPF file systems that are mounted here.
---@param directory? string
---@return ebpf.Pins? pins
---@return string? message
---@return integer? errno
function system.pins(directory)
  if directory ~= nil and type(directory) ~= "string" then
    core.refuse(1, ("string expected, got %s"):format(type(directory)))
  end
  local pins = { maps = {}, programs = {}, links = {}, btfs = {}, unreadable = 0 }
  for _, point in ipairs(directory and { directory } or bpf_mounts()) do
    local root = point:gsub("(.)/+$", "%1") -- no slash at the end
    local list, unreadable, errno = core.find_pins(root)
    if not list then
      return nil, unreadable, errno
    end
    pins.unreadable = pins.unreadable + unreadable
    for _, found in ipairs(list) do
      local of = pins[found.kind]
      of[found.id] = of[found.id] or {}
      table.insert(of[found.id], found.path)
    end
  end
  return pins
end

--- Iterates over the ids of all BTF in the kernel: its own, its modules', and what was loaded. Needs CAP_SYS_ADMIN.
--- From Linux 5.4.
---@return fun(): integer?
function system.btf_ids()
  return map.ids_by(core.next_btf_id)
end

--- What the kernel tells of the BTF with an id: {id=, size= in bytes, name=, kernel= whether it is the kernel's or a
--- module's}; the last two from Linux 5.11 on. Needs CAP_SYS_ADMIN.
---@type fun(id: integer): {id: integer, size: integer, name: string?, kernel: boolean?}?, string?, integer?
system.btf_info = core.btf_info

return system
