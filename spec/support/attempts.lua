--- What is tried of a feature on a kernel that is too old for it, for the kernel itself to say no. Each function
--- answers as the library does: something, or nil and a message.
local support = require "spec.support"

--- A program of a few lines of text.
local function program(kind, text, fields)
  return function()
    local ebpf = require "ebpf"
    local spec = { type = kind, license = "GPL", instructions = assert(ebpf.asm.parse(text)) }
    for field, value in pairs(fields or {}) do
      spec[field] = value
    end
    return ebpf.new_program(spec)
  end
end

local function map(spec)
  return function()
    return require("ebpf").new_map(spec)
  end
end

--- A link that only the kernel can have more to say of than that it is none.
-- @param options what ebpf.link[kind] takes beside the program
local function link(kind, make_program, options)
  return function()
    local p = support.closing(assert(make_program()))
    local given = { program = p }
    for field, value in pairs(options() or {}) do
      given[field] = value
    end
    local made, message = require("ebpf").link[kind](given)
    if not made then
      return nil, message
    end
    support.closing(made)
    return made:info()
  end
end

--- A script that prints what the library answers, run with less than root has.
local function answer(script, restricted)
  return function()
    local output = support.run_lua(script, restricted)
    return output:match("^nil%s") == nil or nil, output:match("^nil%s+(.-)%s*$")
  end
end

return {
  ["bpf_loop"] = program("xdp", "call bpf_loop; exit"),
  ["bpf_timer"] = program("xdp", "call bpf_timer_init; exit"),
  ["bpf_get_current_comm in tc programs"] = program("sched_cls",
    "r1 = r10; r1 += -16; r2 = 16; call bpf_get_current_comm; r0 = 0; exit"),
  ["the address of a function"] = program("xdp", "main: r1 = func other ll; r0 = 0; exit; other: r0 = 0; exit"),
  ["syscall programs"] = program("syscall", "r0 = 0; exit"),
  ["values of one CPU"] = function()
    return support.closing(assert(map { type = "percpu_array", key = "u32", value = "u64", max_entries = 1 }()))
      :get(0, { cpu = 0 })
  end,
  ["a bloom filter"] = map { type = "bloom_filter", value_size = 4, max_entries = 1 },
  ["an arena"] = map { type = "arena", max_entries = 1, flags = 1024 },
  ["a storage of control groups"] = map { type = "cgrp_storage", key_size = 4, value_size = 4, flags = 1 },
  ["token"] = function()
    return require("ebpf").new_token(support.bpffs():match("^(.*)/"))
  end,
  ["tcx"] = link("tcx", program("sched_cls", "r0 = 0; exit"), function()
    return { interface = "lo", hook = "ingress" }
  end),
  ["netfilter"] = program("netfilter", "r0 = 1; exit", { attach_type = "netfilter" }),
  ["links of sockmaps"] = link("sockmap", program("sk_msg", "r0 = 1; exit", { attach_type = "sk_msg_verdict" }),
    function()
      local make = map { type = "sockmap", key_size = 4, value_size = 4, max_entries = 1 }
      return { map = support.closing(assert(make())) }
    end),
  ["links of perf events"] = link("perf_event", program("perf_event", "r0 = 0; exit"), function()
    return { event = "page-faults", period = 1000000, pid = 0, cookie = 1 } -- perf events alone have none
  end),
  ["uprobe_multi"] = link("uprobe_multi", program("kprobe", "r0 = 0; exit", { attach_type = "trace_uprobe_multi" }),
    function()
      return { path = "/bin/true", offsets = { 0x2000 } }
    end),
  ["links of struct_ops"] = map { type = "struct_ops", struct = "tcp_congestion_ops", flags = 0x2000 },
  ["more than one link of a program to a raw tracepoint"] = function()
    local p = support.closing(assert(program("raw_tracepoint", "r0 = 0; exit")()))
    local raw_tracepoint = require("ebpf").link.raw_tracepoint
    support.closing(assert(raw_tracepoint { program = p, name = "task_rename" }))
    return raw_tracepoint { program = p, name = "task_rename" }
  end,
  ["loading within RLIMIT_MEMLOCK"] = answer([[
    print(require("ebpf").new_map { type = "array", key_size = 4, value_size = 4096, max_entries = 64 })
  ]], function(command)
    return support.unprivileged("ulimit -l 64; " .. command, { "bpf" })
  end),
  ["maps for everybody"] = answer([[
    print(require("ebpf").new_map { type = "array", key_size = 4, value_size = 4, max_entries = 1 })
  ]], support.unprivileged),
  ["BTF with floating-point types"] = function()
    local directory = support.bpffs() .. "/programs"
    local output = support.run { "bpftool", "-d", "prog", "loadall", support.fixture "types", directory, "type",
      "classifier" }
    support.run { "rm", "-rf", directory }
    return nil, output:match("[^\n]*[Ff][Ll][Oo][Aa][Tt][^\n]*") or output:match("[^\n]*BTF[^\n]*") or output
  end,
}
