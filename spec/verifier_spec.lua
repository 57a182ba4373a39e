-- Programs that the kernel refuses, each with the message it must give: what the verifier found fault with, where in
-- the C source, and what to do. spec/bpf/broken.bpf.c has those in C. The words are those of Linux 6.18; of the
-- verifiers of other versions there are logs in spec/verifier_logs/.
local ebpf = require "ebpf"
local insn = require "spec.support.insn"
local support = require "spec.support"

local errno = ebpf.errno
local object = support.fixture("broken")
local same_words = support.read_file("/proc/sys/kernel/osrelease"):find("^6%.18%.") ~= nil

local source = {}
for line in support.read_file("spec/bpf/broken.bpf.c"):gmatch("([^\n]*)\n") do
  source[#source + 1] = line
end

-- The line of the source that has this text, in the function of that name or behind it.
local function line_of(name, text)
  local inside = false
  for number, line in ipairs(source) do
    inside = inside or line:find("^int " .. name .. "%(") ~= nil
    if inside and line:gsub("%s+", " "):find(text, 1, true) then
      return number
    end
  end
  error(("no line of %s has: %s"):format(name, text))
end

-- Loads one of the programs, which is refused.
local function refusal(name)
  local spec = assert(ebpf.load_spec(object))
  if name:find("^gpl_") then
    spec.programs[name].license = "MIT"
  end
  local collection, message, code, log = ebpf.load(spec, { programs = { name } })
  if collection then
    collection:close()
  end
  return message, code, log
end

-- $ stands for the name of the program, @ for the number of the line in parentheses, N for the kernel's number of a
-- kfunc.
local corpus = {
  { "constant_write", "EACCES",
    "write into map forbidden, value_size=4 off=0 size=4, at instruction 3 (*(u32 *)(r1 +0) = r2) of $(), "
      .. "broken.bpf.c:@ (*(volatile __u32 *)&constant = 2;): the map is read-only for programs, as constants "
      .. "are (3 more lines in the log)" },
  { "context_bounds", "EACCES",
    "invalid bpf_context access off=1000 size=4, at instruction 0 (r0 = *(u32 *)(r1 +1000)) of $(), "
      .. "broken.bpf.c:@ (return *(__u32 *)((char *)skb + 1000);): programs of this type cannot access this "
      .. "field of the context in this way (1 more line in the log)" },
  { "context_moved", "EACCES",
    "variable ctx access var_off=(0x0; 0x4) disallowed, at instruction 3 (r0 = *(u32 *)(r1 +0)) of $(), "
      .. "broken.bpf.c:@ (return *(__u32 *)((char *)skb + (skb->len & 4));): fields of the context are accessed "
      .. "at constant offsets only (4 more lines in the log)" },
  { "endless", "EINVAL",
    "infinite loop detected at insn 4, at instruction 4 (w0 = w0) of $(), broken.bpf.c:@ (asm "
      .. 'volatile("" : "+r"(i));): give the loop a bound that the verifier can see, or use bpf_loop() (29 '
      .. "more lines in the log)" },
  { "global_argument", "EINVAL",
    "R1 type=ctx expected=fp; Caller passes invalid args into func#1 ('global'), at instruction 0 (call "
      .. "pc+1) of $(), broken.bpf.c:@ (return global((void *)skb);): a global function is verified for all "
      .. "arguments that its type allows: make it static for it to be verified with its caller (1 more line in "
      .. "the log)" },
  { "gpl_helper", "EINVAL",
    "cannot call GPL-restricted function from non-GPL compatible program, at instruction 4 (call "
      .. "bpf_probe_read_kernel#113) of $(), broken.bpf.c:@ (bpf_probe_read_kernel(&byte, 1, skb);): its "
      .. 'license is "MIT": what it calls is for programs whose license is compatible with the GPL, such as '
      .. '"GPL" or "Dual MIT/GPL" (7 more lines in the log)' },
  { "gpl_kfunc", "EINVAL",
    'cannot call kernel function from non-GPL compatible program: its license is "MIT": what it calls is '
      .. 'for programs whose license is compatible with the GPL, such as "GPL" or "Dual MIT/GPL"' },
  { "locked_call", "EINVAL",
    "function calls are not allowed while holding a lock, at instruction 11 (call bpf_get_prandom_u32#7) of "
      .. "$(), broken.bpf.c:@ (value->index = bpf_get_prandom_u32();): call it before locking, or after "
      .. "unlocking (17 more lines in the log)" },
  { "locked_exit", "EINVAL",
    "BPF_EXIT instruction in main prog cannot be used inside bpf_spin_lock-ed region, at instruction 11 "
      .. "(exit) of $(), broken.bpf.c:@ (return 0;): unlock it on every path (17 more lines in the log)" },
  { "no_helper", "EINVAL",
    "invalid func unknown#9999, at instruction 0 (call unknown#9999) of $(), broken.bpf.c:@ (return "
      .. "helper(skb);): no helper of Linux has the number 9999 (1 more line in the log)" },
  { "not_initialised", "EACCES",
    'R8 !read_ok, at instruction 0 (r0 = r8) of $(), broken.bpf.c:@ (asm volatile("%0 = r8" : '
      .. '"=r"(x));): the register has no value on this path (1 more line in the log)' },
  { "null_value", "EACCES",
    "R0 invalid mem access 'map_value_or_null', at instruction 7 (r0 = *(u32 *)(r0 +0)) of $(), "
      .. "broken.bpf.c:@ (return *value;): compare the pointer with NULL before using it (11 more lines in the "
      .. "log)" },
  { "other_types_helper", "EINVAL",
    "program of this type cannot use helper bpf_skb_load_bytes#26, at instruction 4 (call "
      .. "bpf_skb_load_bytes#26) of $(), broken.bpf.c:@ (return bpf_skb_load_bytes(xdp, 0, &byte, 1);): "
      .. "programs of type xdp cannot call bpf_skb_load_bytes (7 more lines in the log)" },
  { "other_types_kfunc", "EACCES",
    "calling kernel function bpf_sock_destroy is not allowed, at instruction 0 (call bpf_sock_destroy#N) of "
      .. "$(), broken.bpf.c:@ (return bpf_sock_destroy((void *)xdp);): programs of type xdp cannot call it (1 "
      .. "more line in the log)" },
  { "packet_bounds", "EACCES",
    "invalid access to packet, off=13 size=1, R1(id=0,off=13,r=0); R1 offset is outside of the packet, at "
      .. "instruction 1 (r0 = *(u8 *)(r1 +13)) of $(), broken.bpf.c:@ (return data[13];): compare the end of "
      .. "what is accessed with data_end before (3 more lines in the log)" },
  { "packet_write", "EACCES",
    "invalid bpf_context access off=0 size=4, at instruction 1 (*(u32 *)(r1 +0) = r2) of $(), broken.bpf.c:@ "
      .. "(skb->len = 5;): programs of this type cannot access this field of the context in this way (3 more "
      .. "lines in the log)" },
  { "pointer_times", "EACCES",
    "R1 pointer arithmetic with *= operator prohibited, at instruction 0 (r1 *= 3) of $(), broken.bpf.c:@ "
      .. '(asm volatile("%0 *= 3" : "+r"(p));): numbers of restricted range may be added to some pointers, '
      .. "and no more (1 more line in the log)" },
  { "return_value", "EINVAL",
    "At program exit the register R0 has smin=5 smax=5 should have been in [0, 1], at instruction 1 (exit) "
      .. "of $(), broken.bpf.c:@ (return 5;): programs of this type return one of these numbers (2 more lines "
      .. "in the log)" },
  { "scalar_as_pointer", "EACCES",
    "R1 invalid mem access 'scalar', at instruction 1 (r0 = *(u32 *)(r1 +0)) of $(), broken.bpf.c:@ (return "
      .. "*(int *)(long)skb->len;): a number is no pointer: read the kernel's memory with "
      .. "bpf_probe_read_kernel(), a process' with bpf_probe_read_user() (2 more lines in the log)" },
  { "stack_bounds", "EACCES",
    "invalid write to stack R10 off=-520 size=8, at instruction 1 (*(u64 *)(r10 -520) = r1) of $(), "
      .. 'broken.bpf.c:@ (asm volatile("*(u64 *)(r10 - 520) = %0" ::"r"(0L));): the stack of a function has '
      .. "512 bytes (3 more lines in the log)" },
  { "stack_of_calls", "EACCES",
    "combined stack size of 3 calls is 608. Too large: put what is large into a map, such as a percpu_array" },
  { "unreleased", "EINVAL",
    "Unreleased reference id=2 alloc_insn=12; BPF_EXIT instruction in main prog would lead to reference "
      .. "leak, at instruction 17 (exit) of $(), broken.bpf.c:@ (return bpf_sk_lookup_tcp(skb, &tuple, "
      .. "sizeof(tuple.ipv4), BPF_F_CURRENT_NETNS, 0) != 0;): release it on every path (20 more lines in the log)" },
  { "value_bounds", "EACCES",
    "R0 unbounded memory access, make sure to bounds check any such access, at instruction 12 (r6 = *(u32 "
      .. "*)(r0 +8)) of $(), broken.bpf.c:@ (return value ? value->numbers[skb->len] : 0;): compare the offset "
      .. "with the size of the memory before (16 more lines in the log)" },
  { "value_end", "EACCES",
    "invalid access to map value, value_size=24 off=24 size=4; R0 min value is outside of the allowed memory "
      .. "range, at instruction 8 (r6 = *(u32 *)(r0 +24)) of $(), broken.bpf.c:@ (return value ? *(__u32 "
      .. "*)((char *)value + sizeof(*value)) : 0;): compare the offset with the size of the memory before (12 "
      .. "more lines in the log)" },
  { "wrong_argument", "EACCES",
    "R1 type=scalar expected=map_ptr, at instruction 5 (call bpf_map_delete_elem#3) of $(), broken.bpf.c:@ "
      .. "(return bpf_map_delete_elem((void *)(long)skb->len, &key);): R1 to R5 are the arguments of the call, "
      .. "in order (10 more lines in the log)" },
  { "wrong_map", "EINVAL",
    "expected prog array map for tail call, at instruction 3 (call bpf_tail_call#12) of $(), broken.bpf.c:@ "
      .. "(bpf_tail_call(skb, &values, 0);): tail calls go through maps of type prog_array (3 more lines in the "
      .. "log)" },
}

local function complete(expected, name)
  local text = expected:match("broken%.bpf%.c:@ %((.*)%)[ :]") or expected:match("broken%.bpf%.c:@ %((.*)%)$")
  if text then
    -- What follows in parentheses is no part of it.
    text = text:match("^(.-;)%)") or text
    expected = expected:gsub("@", tostring(line_of(name, text)))
  end
  return (expected:gsub("%$", name))
end

describe("a program in C that the verifier refuses", function()
  for _, case in ipairs(corpus) do
    local name, code, expected = case[1], case[2], complete(case[3], case[1])
    it("has a message with the reason and the place: " .. name, function()
      local message, got, log = refusal(name)
      assert.truthy(message, "it was loaded")
      assert.is_string(log)
      if same_words then
        assert.equal(errno[code], got)
        local words = message:gsub("^load program \"" .. name .. "\": [a-z ]+ %(E[%u%d]+%): ", "")
        assert.equal(expected, (words:gsub("(bpf_sock_destroy)#%d+", "%1#N")))
      else
        -- Others find other words, but the same place, unless they look for something else first.
        local place = expected:match("of [%w_]+%(%), broken%.bpf%.c:%d+")
        if place and not message:find("this kernel", 1, true) then
          assert.truthy(message:find(place, 1, true) or not message:find(", at instruction", 1, true), message)
        end
      end
    end)
  end

  it("may need a variable that this kernel does not tell of", function()
    local message, code = refusal("kernel_variable")
    if code == errno.ENOENT then -- else it was built with CONFIG_KALLSYMS_ALL, or is older than such variables
      assert.equal("load program \"kernel_variable\": no such file or directory (ENOENT): ldimm64 failed to find the "
        .. "address for kernel symbol 'bpf_prog_active': the kernel was built without CONFIG_KALLSYMS_ALL, which it "
        .. "needs for variables", message)
    end
  end)
end)

describe("a program made of instructions", function()
  local unknown = insn.slot(0xff, 0, 0, 0, 0) .. insn.exit
  -- Fields of the spec, and what the message says behind the errno.
  local cases = {
    { "unreachable", { instructions = "r0 = 0; exit; r0 = 1; exit" }, "EINVAL",
      "unreachable insn 2, at instruction 2 (r0 = 1): remove the instructions, or jump to them" },
    { "jump", { instructions = "r0 = 0; if r0 == 0 goto +9; exit" }, "EINVAL",
      "jump out of range from insn 1 to 11, at instruction 1 (if r0 == 0 goto +9): the jump leads out of its "
      .. "function" },
    { "no_exit", { instructions = "r0 = 0" }, "EINVAL",
      "last insn is not an exit or jmp: a function ends with exit or a jump" },
    { "opcode", { bytes = unknown }, "EINVAL",
      "unknown opcode ff: this kernel does not know the instruction: compile for a lower -mcpu" },
    { "no_result", { instructions = "exit" }, "EACCES",
      "R0 !read_ok, at instruction 0 (exit): the register has no value on this path (1 more line in the log)" },
    { "frame", { instructions = "r10 = 0; r0 = 0; exit" }, "EACCES",
      "frame pointer is read only, at instruction 0 (r10 = 0): copy r10 to another register to change it (1 more line "
      .. "in the log)" },
    { "no_map", { bytes = insn.slot(0x18, 1, 1, 0, 100000) .. insn.slot(0, 0, 0, 0, 0) .. insn.returning(0) }, "EBADF",
      "fd 100000 is not pointing to valid bpf_map" },
    { "no_attach_type", { type = "cgroup_sock_addr", instructions = "r0 = 1; exit" }, "EINVAL",
      "refused before verification: the attach type, the attach target or the flags are unknown to this kernel, or do "
      .. "not fit programs of type cgroup_sock_addr" },
    { "flags", { flags = 2 ^ 31, instructions = "r0 = 1; exit" }, "EINVAL",
      "refused before verification: the attach type, the attach target or the flags are unknown to this kernel, or do "
      .. "not fit programs of type xdp" },
    { "future", { type = 99, instructions = "r0 = 1; exit" }, "EINVAL",
      "refused before verification: this kernel may not know programs of type 99" },
    { "offload", { ifindex = 1, instructions = "r0 = 1; exit" }, "EOPNOTSUPP",
      "programs of type xdp cannot be offloaded to the network interface 1" },
    { "large", { bytes = insn.mov(0, 0):rep(1000001) }, "E2BIG",
      "1000001 instructions are too many: Linux takes 1000000, without CAP_BPF or before 5.2 only 4096" },
  }
  for _, case in ipairs(cases) do
    local name, fields, code, expected = case[1], case[2], case[3], case[4]
    it("has a message that says what is wrong with it: " .. name, function()
      local spec = { name = name, type = fields.type or "xdp", license = "GPL", flags = fields.flags,
        ifindex = fields.ifindex, instructions = fields.bytes or assert(ebpf.asm.parse(fields.instructions)) }
      local program, message, got = ebpf.new_program(spec)
      assert.is_nil(program)
      assert.is_number(got)
      if same_words then
        assert.equal(errno[code], got)
        assert.equal(expected, (message:gsub("^load program \"" .. name .. "\": [a-z ]+ %(E[%u%d]+%): ", "")))
      end
    end)
  end

  it("may be of a type that this kernel was built without", function()
    local program, message, code = ebpf.new_program { name = "x", type = "lirc_mode2", attach_type = "lirc_mode2",
      license = "GPL", instructions = ebpf.asm.parse "r0 = 0; exit" }
    if program then
      program:close()
      return -- this one was not
    end
    assert.equal('load program "x": invalid argument (EINVAL): this kernel has no programs of type lirc_mode2, which '
      .. "Linux has since 4.18 where it is configured to", message)
    assert.equal(errno.EINVAL, code)
  end)

  it("has a reason without a place where the log is one of statistics", function()
    local program, message, _, log = ebpf.new_program({ name = "x", type = "xdp", license = "GPL",
      instructions = ebpf.asm.parse "exit" }, { log_level = 4 })
    assert.is_nil(program)
    assert.matches("\nverification time ", log)
    assert.equal('load program "x": permission denied (EACCES): R0 !read_ok: the register has no value on this path',
      (message:gsub(" %(%d more lines? in the log%)$", "")))
  end)

  it("has the names of its functions in the message", function()
    local list = assert(ebpf.asm.parse "main: r6 = r1; call helper; exit; helper: r0 = r6; exit")
    local program, message = ebpf.new_program { name = "two", type = "xdp", license = "GPL", instructions = list }
    assert.is_nil(program)
    assert.truthy(message:find("R6 !read_ok, at instruction 3 (r0 = r6) of helper(): ", 1, true), message)
  end)
end)

describe("a process without all capabilities", function()
  it("is told which one a helper may need", function()
    local output = support.run_lua([[
      local ebpf = require "ebpf"
      print(select(2, ebpf.new_program { name = "x", type = "xdp", license = "GPL", instructions = ebpf.asm.parse
        "r3 = r1; r1 = r10; r1 += -8; r2 = 8; call bpf_probe_read_kernel; r0 = 0; exit" }))
    ]], function(command)
      return support.unprivileged(command, { "bpf", "net_admin" })
    end)
    assert.truthy(output:find("of type xdp cannot call bpf_probe_read_kernel, or only from a process with CAP_PERFMON",
      1, true), output)
  end)

  it("is told which one pointers need", function()
    local output = support.run_lua([[
      local ebpf = require "ebpf"
      print(select(2, ebpf.new_program { name = "x", type = "xdp", license = "GPL", instructions = ebpf.asm.parse
        "r0 = r1; exit" }))
    ]], function(command)
      return support.unprivileged(command, { "bpf", "net_admin" })
    end)
    assert.truthy(output:find("R0 leaks addr as return value, at instruction 1 (exit): it may be allowed to a process "
      .. "with CAP_PERFMON", 1, true), output)
  end)
end)

describe("a verifier's log #host", function()
  local directory = "spec/verifier_logs/"
  -- What is said of a program of type xdp with license MIT that has this log.
  local logs = {
    ["5.10-endless"] = "infinite loop detected at insn 4, at instruction 4: give the loop a bound that the "
      .. "verifier can see, or use bpf_loop() (36 more lines in the log)",
    ["5.10-global_argument"] = "arg#0 type is not a struct; Arg#0 type PTR in global() is not supported yet "
      .. "(1 more line in the log)",
    ["5.10-null_value"] = "R0 invalid mem access 'map_value_or_null', at instruction 7 (r0 = *(u32 *)(r0 "
      .. "+0)), return *value;: compare the pointer with NULL before using it (12 more lines in the log)",
    ["5.10-unreleased"] = "Unreleased reference id=2 alloc_insn=12, at instruction 17 (exit), return "
      .. "bpf_sk_lookup_tcp(skb, &tuple, sizeof(tuple.ipv4), BPF_F_CURRENT_NETNS, 0) != 0;: release it on every "
      .. "path (41 more lines in the log)",
    ["5.10-value_bounds"] = "R0 unbounded memory access, make sure to bounds check any such access, at "
      .. "instruction 12 (r6 = *(u32 *)(r0 +8)), return value ? value->numbers[skb->len] : 0;: compare the "
      .. "offset with the size of the memory before (24 more lines in the log)",
    ["6.1-endless"] = "infinite loop detected at insn 4, at instruction 4: give the loop a bound that the "
      .. "verifier can see, or use bpf_loop() (32 more lines in the log)",
    ["6.1-value_end"] = "invalid access to map value, value_size=24 off=24 size=4; R0 min value is outside "
      .. "of the allowed memory range, at instruction 8 (r6 = *(u32 *)(r0 +24)), return value ? *(__u32 "
      .. "*)((char *)value + sizeof(*value)) : 0;: compare the offset with the size of the memory before (13 "
      .. "more lines in the log)",
    ["7.3-endless"] = "infinite loop detected at insn 4, at instruction 4: give the loop a bound that the "
      .. "verifier can see, or use bpf_loop() (29 more lines in the log)",
    ["7.3-gpl_helper"] = "cannot call GPL-restricted function from non-GPL compatible program, at "
      .. "instruction 4 (call bpf_probe_read_kernel#113), bpf_probe_read_kernel(&byte, 1, skb); @ "
      .. 'broken.bpf.c:231: its license is "MIT": what it calls is for programs whose license is compatible '
      .. 'with the GPL, such as "GPL" or "Dual MIT/GPL" (29 more lines in the log)',
    ["7.3-locked_exit"] = "BPF_EXIT instruction in main prog cannot be used inside bpf_spin_lock-ed region, "
      .. "at instruction 11 (exit), return 0; @ broken.bpf.c:179: The operation BPF_EXIT instruction in main "
      .. "prog cannot be used while this path is still inside an active lock region (depth 1). Leave the region "
      .. "before this operation: Release the BPF spin lock before this operation on every path (47 more lines "
      .. "in the log)",
    ["7.3-null_value"] = "R0 invalid mem access 'map_value_or_null', at instruction 7 (r0 = *(u32 *)(r0 "
      .. "+0)), return *value; @ broken.bpf.c:48: R0 may be NULL here (a nullable map value pointer). The "
      .. "program could dereference NULL on this path, so the verifier cannot prove this access is safe: Add a "
      .. "NULL check before the access and dereference the pointer only on the non-NULL path (40 more lines in "
      .. "the log)",
    ["7.3-unreleased"] = "Unreleased reference id=2 alloc_insn=12; BPF_EXIT instruction in main prog would "
      .. "lead to reference leak, at instruction 17 (exit), return bpf_sk_lookup_tcp(skb, &tuple, "
      .. "sizeof(tuple.ipv4), BPF_F_CURRENT_NETNS, 0) != 0; @ broken.bpf.c:169: Owned resource (id=2) was "
      .. "acquired at instruction 12 and still needs to be released before this exit path: Release or transfer "
      .. "ownership of the acquired resource on every path before the program exits (63 more lines in the log)",
    ["7.3-value_bounds"] = "R0 unbounded memory access, make sure to bounds check any such access, at "
      .. "instruction 12 (r6 = *(u32 *)(r0 +8)), return value ? value->numbers[skb->len] : 0; @ "
      .. "broken.bpf.c:56: The verifier cannot prove offset + access_size <= object_size. Here, the maximal "
      .. "bound for a memory access is 17179869180 and exceeds maximum allowed offset of 536870912. R0 is "
      .. "map_value; offset is variable: known bits 0x0, unknown mask 0x3fffffffc, plus fixed offset 8; signed "
      .. "range [0, 17179869180], unsigned range [0, 17179869180]; access_size is 4; object_size is 24: Add or "
      .. "adjust a bounds check that proves offset + access_size stays within the object (76 more lines in the "
      .. "log)",
  }
  for name, expected in pairs(support.once and logs or {}) do
    it("is understood, and no damage to it makes anything unsafe: " .. name, function()
      local fuzz = support.harness "verifier_log_fuzz"
      local output, status = support.run(("%s %s%s.log 200"):format(fuzz, directory, name))
      assert.equal(0, status, output)
      assert.equal('load program "x": permission denied (EACCES): ' .. expected .. "\n", output)
    end)
  end
end)

describe("an attach type that is newer than the kernel", function()
  it("is told with the version that has it", function()
    local p, message = ebpf.new_program { name = "x", type = "tracing", attach_type = "trace_fsession", license = "GPL",
      attach_to = "bpf_fentry_test1", instructions = insn.returning(0) }
    if p then
      p:close()
    end
    local words = "the attach type trace_fsession came with Linux 7.0, and this is "
    local told = (message or ""):find(words, 1, true) ~= nil
    assert.equal(not support.kernel_is("7.0"), told, message)
  end)
end)

describe("an instruction that is newer than the kernel", function()
  for text, since in pairs {
    ["lock *(u64 *)(r10 - 8) |= r2"] = { "5.12", "atomic operations other than lock +=" },
    ["r2 = atomic_fetch_add((u64 *)(r10 - 8), r2)"] = { "5.12", "atomic operations other than lock +=" },
    ["r2 = func main ll"] = { "5.13", "pointers to functions" },
    ["r2 s/= 3"] = { "6.6", "signed division" },
    ["w2 s%= w3"] = { "6.6", "signed division" },
    ["r2 = (s16)r3"] = { "6.6", "sign-extending moves" },
    ["w2 = (s8)w3"] = { "6.6", "sign-extending moves" },
    ["r2 = *(s8 *)(r10 - 8)"] = { "6.6", "sign-extending loads" },
    ["r2 = bswap32 r2"] = { "6.6", "bswap" },
    ["gotol +0"] = { "6.6", "gotol" },
    ["may_goto +1; r2 = 0"] = { "6.9", "may_goto" },
    ["r2 = load_acquire((u64 *)(r10 - 8))"] = { "6.15", "load_acquire and store_release" },
    ["lock *(u64 *)(r10 - 8) += r2"] = { "0.0" },
    ["if w2 > 5 goto +0"] = { "5.1", "32-bit jumps" },
  } do
    it("is told with the version that has it: " .. text, function()
      local instructions = assert(ebpf.asm.parse(("main: r2 = 1; r3 = 2; *(u64 *)(r10 - 8) = 0; %s; r0 = 0; exit")
        :format(text)))
      local p, message = ebpf.new_program { type = "xdp", license = "GPL", instructions = instructions }
      if p then
        p:close()
      end
      local told = since[2] and (message or ""):find((": %s came with Linux %s, and this is %d")
        :format(since[2], since[1], support.kernel:match("^%d+")), 1, true) ~= nil
      -- Linux 6.1 takes gotol, though no version before 6.6 is said to.
      local refused = since[2] and not support.kernel_is(since[1]) and p == nil
      assert.equal(refused, told, message)
      assert.truthy(told or text:find("func main", 1, true) or p, message) -- main is no callback
    end)
  end
end)
