--- Names for addresses: of functions of the kernel, and of those that a process has mapped from executables and
-- libraries. For the stacks that programs take by bpf_get_stackid() and bpf_get_stack().
local core = require "ebpf.core"

local symbols = {}

--- The functions of the running kernel and its modules, as they were when this was made.
---@class ebpf.KernelSymbols
---@field find fun(self: ebpf.KernelSymbols, address: integer): string?, integer, string the function that the address
--- is in, how many bytes into it, and the module it is of ("": the kernel itself); nil: it is in none

--- Reads /proc/kallsyms.
---@type fun(): ebpf.KernelSymbols?, string?, integer?
--- nil, message, EPERM when the kernel hides the addresses: needs CAP_SYSLOG
symbols.kernel = core.read_kernel_symbols

--- The functions of one process.
---@class ebpf.ProcessSymbols
---@field private pid integer
---@field private maps table
---@field private exes table
local ProcessSymbols = {}
ProcessSymbols.__index = ProcessSymbols
ProcessSymbols.__name = "ebpf.ProcessSymbols"

table.insert(core.public, ProcessSymbols)

--- Reads what a process has mapped. What it maps later is found as well.
---@param pid integer 0: the caller
---@return ebpf.ProcessSymbols? symbols
---@return string? message
---@return integer? errno ESRCH: there is no such process
function symbols.process(pid)
  local maps, message, errno = core.read_maps(pid)
  if not maps then
    return nil, message, errno
  end
  return setmetatable({ pid = pid, maps = maps, exes = {} }, ProcessSymbols)
end

-- Mappings ascend.
local function mapping_at(maps, address)
  local low, high = 1, #maps
  while low <= high do
    local middle = math.floor((low + high) / 2)
    local m = maps[middle]
    if address < m.start then
      high = middle - 1
    elseif address >= m.stop then
      low = middle + 1
    else
      return m
    end
  end
end

-- The file of a mapping, opened; false when it cannot be read. A process in a container has another root.
local function exe_of(self, path)
  local exe = self.exes[path]
  if exe == nil then
    local root = self.pid == 0 and "/proc/self/root" or ("/proc/%d/root"):format(self.pid)
    exe = path:sub(1, 1) == "/" and (core.open_exe(root .. path) or core.open_exe(path)) or false
    self.exes[path] = exe
  end
  return exe
end

--- Finds the function that an address of the process is in.
---@param address integer
---@return string? name nil when it is in none that has a name
---@return integer? offset bytes into the function; without a name, into the file
---@return string? path the file, or "[vdso]" and the like; nil: nothing is mapped there
function ProcessSymbols:find(address)
  core.check_self(self, ProcessSymbols)
  address = tonumber(address)
  if not address or address < 0 then
    return nil
  end
  local mapping = mapping_at(self.maps, address)
  if not mapping then
    self.maps = core.read_maps(self.pid) or self.maps
    mapping = mapping_at(self.maps, address)
    if not mapping then
      return nil
    end
  end
  local at = address - mapping.start + mapping.offset
  local exe = exe_of(self, mapping.path)
  if exe then
    local name, offset = exe:symbol_at(at)
    if name then
      return name, offset, mapping.path
    end
  end
  return nil, at, mapping.path
end

--- Closes the files. What is asked for later opens them again.
function ProcessSymbols:close()
  core.check_self(self, ProcessSymbols)
  for path, exe in pairs(self.exes) do
    if exe then
      exe:close()
    end
    self.exes[path] = nil
  end
  return true
end

return symbols
