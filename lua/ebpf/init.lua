--- eBPF for Lua: loads objects compiled by clang into the Linux kernel, shares maps with them, attaches their programs
-- and receives their samples.
--
-- A wrong argument raises an error. When the world says no (a missing file, a malformed object, a refusal of the
-- kernel's, a closed handle), functions return nil, a message and the errno, if there is one. A missing key is nil
-- alone.
local core = require "ebpf.core"
local abi = require "ebpf.abi"
local asm = require "ebpf.asm"
local btf = require "ebpf.btf"
local collection = require "ebpf.collection"
local doctor = require "ebpf.doctor"
local features = require "ebpf.features"
local link = require "ebpf.link"
local map = require "ebpf.map"
local program = require "ebpf.program"
local reader = require "ebpf.reader"
local spec = require "ebpf.spec"
local symbols = require "ebpf.symbols"
local system = require "ebpf.system"
local token = require "ebpf.token"
local types = require "ebpf.types"
local wait = require "ebpf.wait"

local ebpf = {
  _VERSION = "ebpf 0.1.0",
  errno = core.errno,
  wait = wait,
  asm = asm,
  btf = btf,

  load_spec = spec.load,
  parse_spec = spec.parse,
  load = collection.load,
  load_pinned_collection = collection.load_pinned,

  new_map = map.new,
  load_pinned_map = map.load_pinned,
  map_from_id = map.from_id,
  map_from_fd = map.from_fd,
  map_ids = map.ids,

  new_program = program.new_program,
  load_pinned_program = program.load_pinned_program,
  program_from_id = program.program_from_id,
  program_from_fd = program.program_from_fd,
  program_ids = program.program_ids,

  new_token = token.new_token,

  features = features,
  doctor = doctor.doctor,
  owners = system.owners,
  pins = system.pins,
  enable_stats = system.enable_stats,
  btf_ids = system.btf_ids,
  btf_info = system.btf_info,

  link = link,
  load_pinned_link = link.load_pinned,
  link_from_id = link.from_id,
  link_from_fd = link.from_fd,
  link_ids = link.ids,

  new_perf_reader = reader.new_perf_reader,
  new_ring_reader = reader.new_ring_reader,
  new_user_ring = reader.new_user_ring,

  kernel_symbols = symbols.kernel,
  process_symbols = symbols.process,

  type = types.type,
  ntoh16 = types.ntoh16,
  ntoh32 = types.ntoh32,
  ntoh64 = types.ntoh64,
  hton16 = types.hton16,
  hton32 = types.hton32,
  hton64 = types.hton64,

  map_abi = abi.map,
  program_abi = abi.program,
  collection_abi = abi.collection,

  --- The numbers of the CPUs that there may ever be: values of per-CPU maps are for these.
  ---@type fun(): integer[]?, string?, integer?
  possible_cpus = core.possible_cpus,
  --- The numbers of the CPUs that run now.
  ---@type fun(): integer[]?, string?, integer?
  online_cpus = core.online_cpus,
  --- The time that bpf_ktime_get_ns() tells programs.
  ---@type fun(): integer
  ktime_get_ns = core.ktime_get_ns,
}

--- A name the kernel takes: letters, digits, "_" and ".". It keeps the first 15 bytes.
---@param name string
---@param replacement? string what each other byte becomes; nil: nothing
---@return string
function ebpf.sanitize_name(name, replacement)
  if type(name) ~= "string" then
    core.raise(("sanitize_name: name expected, got %s"):format(type(name)))
  end
  replacement = replacement == nil and "" or replacement
  if type(replacement) ~= "string" then
    core.raise(("sanitize_name: string expected as the replacement, got %s"):format(type(replacement)))
  end
  if replacement:find("[^A-Za-z0-9_.]") then
    core.raise(("sanitize_name: the replacement '%s' is itself no valid name"):format(replacement))
  end
  return (name:gsub("[^A-Za-z0-9_.]", replacement))
end

for _, functions in ipairs { ebpf, asm, btf, features, link, wait } do
  table.insert(core.public, functions)
end
for _, methods in pairs(core.methods) do
  table.insert(core.public, methods)
end

return ebpf
