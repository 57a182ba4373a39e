--- What the running kernel can do. Each function answers true or false; or nil, a message and an errno when the kernel
--- does not say, as to a process without capabilities. Nothing is asked before it is asked for here, nothing asked
--- stays in the kernel, and what the kernel has said once is remembered for as long as this Lua state lives.
-- Names are those of bpftool; unknown ones raise. They are all in `features.names`.
local core = require "ebpf.core"
local pass = require("ebpf.argument").pass

local features = {}

--- {map_types =, map_flags =, program_types =, helpers =, link_kinds =, isas =, btf_kinds =, misc =}: arrays of the
--- names that the functions here know.
---@type table<string, string[]>
features.names = core.feature_names()

-- The same as sets, and what one of each is called.
local sets = {}
for list, names in pairs(features.names) do
  sets[list] = {}
  for _, name in ipairs(names) do
    sets[list][name] = true
  end
end
local called = {
  map_types = "map type",
  map_flags = "map flag",
  program_types = "program type",
  helpers = "helper",
  link_kinds = "link kind",
  isas = "instruction set",
  btf_kinds = "kind of BTF",
  misc = "feature",
}

-- Argument `n` must be in the list.
local function check_name(n, list, name)
  if type(name) ~= "string" then
    core.refuse(n, ("%s: string expected, got %s"):format(called[list], type(name)))
  elseif not sets[list][name] then
    core.refuse(n, ("unknown %s '%s'"):format(called[list], name))
  end
end

-- By what is asked for; true or false.
local known = {}

local function remember(key, answer, message, errno)
  if answer == nil then
    return nil, message, errno
  end
  known[key] = answer
  return answer
end

--- The function that asks for one of a list.
-- @param probe the name of the function in core
-- @param canonical nil, or a function that gives the name as it is in the list
local function asker(list, probe, canonical)
  return function(name)
    name = canonical and canonical(name) or name
    check_name(1, list, name)
    local key = list .. " " .. name
    if known[key] ~= nil then
      return known[key]
    end
    return pass(remember(key, core[probe](name)))
  end
end

--- Whether maps of this type can be made: "hash", "ringbuf".
---@type fun(name: string): boolean?, string?, integer?
features.have_map_type = asker("map_types", "probe_map_type")

--- Whether maps may have a flag: "mmapable", or "BPF_F_MMAPABLE". It is tried on a map of a type that has it.
---@type fun(name: string): boolean?, string?, integer?
features.have_map_flag = asker("map_flags", "probe_map_flag", function(name)
  return type(name) == "string" and name:find("^BPF_F_") and name:sub(7):lower() or name
end)

--- Whether programs of this type can be loaded: "xdp", "kprobe".
---@type fun(name: string): boolean?, string?, integer?
features.have_program_type = asker("program_types", "probe_program_type")

-- What programs of a type are loaded for, by type: false or {btf_id, attach_type}.
local targets = {}

local function find_target(program_type)
  if targets[program_type] == nil then
    local id, other, errno = core.probe_target(program_type)
    if id == nil and other then
      return nil, other, errno
    end
    targets[program_type] = id and { id, other } or false
  end
  return targets[program_type]
end

local function have_helper(program_type, helper, full)
  local key = ("helpers %s %s"):format(program_type, helper)
  if known[key] ~= nil then
    return known[key]
  elseif core.helper_is_loud(helper) and not full then
    local words = 'probe helper "%s": asking leaves traces in the kernel: ask with {full = true}'
    return nil, words:format(helper), core.errno.ECANCELED
  end
  local has, message, errno = features.have_program_type(program_type)
  if not has then
    return remember(key, has, message, errno)
  end
  local target
  target, message, errno = find_target(program_type)
  if target == nil then
    return nil, message, errno
  elseif target then
    return remember(key, core.probe_helper(program_type, helper, target[1], target[2]))
  end
  return remember(key, core.probe_helper(program_type, helper))
end

local helper_options = { full = true }

--- Whether programs of a type may call a helper: ("xdp", "bpf_redirect_map"). What they may call can differ by attach
--- type: those of cgroups are asked as connect4 and getsockopt, those for tracing as tp_btf of sys_enter, of lsm as
--- file_open, of struct_ops as ssthresh of tcp_congestion_ops. For ext nobody can say: EINVAL. Without CAP_PERFMON and
--- CAP_NET_ADMIN a "no" counts for nothing, and is no answer: EPERM.
---@param program_type string
---@param helper string
---@param options? {full: boolean?} as of `bpftool feature probe full`: also helpers of which asking writes into the
--- kernel's log or enables a tracepoint: bpf_probe_write_user, bpf_trace_printk, bpf_trace_vprintk. Else ECANCELED
---@return boolean? has
---@return string? message
---@return integer? errno
function features.have_program_helper(program_type, helper, options)
  if options ~= nil and type(options) ~= "table" then
    core.refuse(3, ("table expected, got %s"):format(type(options)))
  end
  for key in pairs(options or {}) do
    if not helper_options[key] then
      core.raise(("have_program_helper: unknown option '%s'"):format(tostring(key)))
    end
  end
  check_name(1, "program_types", program_type)
  check_name(2, "helpers", helper)
  return have_helper(program_type, helper, options and options.full)
end

--- Whether programs can be attached in a way: by links of a type ("cgroup", "netns", "xdp", "perf_event",
--- "kprobe_multi", "netfilter", "tcx", "uprobe_multi", "netkit", "sockmap", "raw_tracepoint", "tracing", "iter",
--- "struct_ops"), or more closely ("kprobe_session", "uprobe_session", "tp_btf", "fentry", "fexit", "fmod_ret",
--- "fsession", "lsm", "lsm_cgroup", "freplace"). Nothing is attached to find out.
---@type fun(name: string): boolean?, string?, integer?
features.have_link_kind = asker("link_kinds", "probe_link_kind")

--- Whether the kernel knows a version of the instruction set: "v1", "v2" (4.14), "v3" (5.1), "v4" (6.6), as of
--- clang -mcpu.
---@type fun(name: string): boolean?, string?, integer?
features.have_isa = asker("isas", "probe_isa")

--- Whether the kernel takes BTF with types of a kind: "float", "enum64"; "func_global": functions with a linkage.
---@type fun(name: string): boolean?, string?, integer?
features.have_btf_kind = asker("btf_kinds", "probe_btf_kind")

--- Whether the kernel has something else: "bounded_loops" (5.3), "large_programs" of more than 4096 instructions (5.2),
--- "subprograms" (4.16), "atomic_fetch" (5.12), "load_acquire" (6.15), "may_goto" (6.9), "batches" (5.6),
--- "freeze" (5.2), "links" (5.7), "link_detach" (5.9), "prog_bind_map" (5.10), "token" (6.9), "streams" (6.17).
---@type fun(name: string): boolean?, string?, integer?
features.have_misc = asker("misc", "probe_misc")

return features
