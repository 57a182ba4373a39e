-- Programs that are verified against what they are to be attached to: finding that in the types of the kernel, of its
-- modules and of other programs.
local ebpf = require "ebpf"
local core = require "ebpf.core"
local insn = require "spec.support.insn"
local support = require "spec.support"

local errno = ebpf.errno
local fixture = support.fixture("targets")

local function keep(handle, message)
  return support.closing(assert(handle, message))
end

-- Loads one program of the fixture, with some fields changed.
local function load_one(name, fields, options)
  local spec = assert(ebpf.load_spec(fixture))
  for field, value in pairs(fields or {}) do
    spec.programs[name][field] = value
  end
  options = options or {}
  options.programs = { name }
  local collection, message, code = spec:load(options)
  return collection and support.closing(collection), message, code
end

local function refused(code, words, name, fields, options)
  local collection, message, actual = load_one(name, fields, options)
  assert.same({ nil, code }, { collection, actual })
  assert.truthy(message:find(words, 1, true), message)
end

-- The kernel of the machine may refuse what changes its own code.
local function load_or_skip(since, feature, name, fields)
  return assert(support.granted(since, feature, load_one(name, fields))).programs[name]
end

describe("the target of a program", function()
  it("is a tracepoint", function()
    local collection = assert(load_one("renamed"))
    local p = collection.programs.renamed
    assert.equal("tracing", p:type())
    assert.equal("trace_raw_tp", p:attach_type())
    assert.equal("task_rename", p:attach_to())
    -- Another one has other arguments, which the verifier knows.
    assert(load_one("renamed", { attach_to = "sched_switch" }))
    assert(load_one("renamed", { attach_to = "vmlinux:sched_switch" }))
    assert(load_one("some_tracepoint", { attach_to = "sys_enter" }))
  end)

  it("is an iterator", function()
    assert.equal("trace_iter", assert(load_one("tasks")).programs.tasks:attach_type())
    assert(load_one("tasks_sleepable"))
    refused(errno.EACCES, "invalid bpf_context access", "tasks", { attach_to = "bpf_map", instructions =
      insn.slot(0x79, 0, 1, 64, 0) .. insn.exit })
  end)

  it("is told to programs that come without an object, too", function()
    local spec = { type = "tracing", attach_type = "trace_raw_tp", attach_to = "sys_enter", license = "GPL",
      instructions = insn.slot(0x79, 0, 1, 8, 0) .. insn.returning(0) }
    keep(ebpf.new_program(spec))
    spec.instructions = insn.slot(0x79, 0, 1, 16, 0) .. insn.returning(0)
    local p, message, code = ebpf.new_program(spec)
    assert.is_nil(p)
    assert.equal(errno.EACCES, code)
    assert.truthy(message:find("func 'sys_enter' doesn't have 3-th argument", 1, true)
      or message:find("invalid bpf_context access", 1, true), message)
  end)

  for name, feature in pairs {
    enter = { "5.5", "fentry" }, enter_in_vmlinux = { "5.5", "fentry" }, leave = { "5.5", "fexit" },
    modify = { "6.12", "fmod_ret of bpf_modify_return_test" }, open_file = { "5.7", "lsm" },
    open_file_sleepable = { "5.11", "lsm" }, bind_socket = { "6.0", "lsm_cgroup" },
  } do
    it(("is a function or a hook: %s"):format(name), function()
      local p = load_or_skip(feature[1], feature[2], name)
      local id = p:info().attach_btf_id -- Linux 6.0
      assert.is_true(not support.kernel_is("6.0") and id == nil or id > 0)
    end)
  end

  it("may be missing, which is told with where it was looked for", function()
    refused(errno.ESRCH, 'no function "no_such_function" in the types of the kernel and of its', "no_function")
    refused(errno.ESRCH, 'no tracepoint "no_such_tracepoint" (btf_trace_no_such_tracepoint) in the types',
      "no_tracepoint")
    refused(errno.ESRCH, 'no iterator "no_such_thing" (bpf_iter_no_such_thing)', "no_iterator")
    refused(errno.ESRCH, 'no LSM hook "no_such_hook" (bpf_lsm_no_such_hook)', "no_hook")
    refused(errno.ESRCH, 'no function "some_function": module "no_such_module" is not loaded', "enter_in_module")
    refused(errno.ESRCH, 'no function "nothing" in the types of vmlinux', "enter", { attach_to = "vmlinux:nothing" })
    -- It is of no interest what else has the name.
    refused(errno.ESRCH, 'no function "task_struct"', "enter", { attach_to = "task_struct" })
  end)

  it("may be named by nobody", function()
    refused(errno.EINVAL, "its section names no tracepoint: set attach_to", "some_tracepoint")
    refused(errno.EINVAL, "is no name of a function", "enter", { attach_to = "vmlinux:" })
    refused(errno.EINVAL, "is no name of a function", "enter", { attach_to = ("m"):rep(64) .. ":f" })
    refused(errno.EINVAL, "is no name of a function", "enter", { attach_to = ("f"):rep(600) })
    refused(errno.ESRCH, 'no function "::"', "enter", { attach_to = ":::" })
  end)

  it("is a member of a struct for struct_ops", function()
    local spec = { type = "struct_ops", attach_to = "tcp_congestion_ops:undo_cwnd", license = "GPL",
      instructions = insn.returning(2) }
    assert.equal("tcp_congestion_ops:undo_cwnd", keep(ebpf.new_program(spec)):attach_to())
    for attach_to, code in pairs {
      ["tcp_congestion_ops:nothing"] = errno.ESRCH, ["tcp_nothing_ops:init"] = errno.ESRCH,
      ["tcp_congestion_ops"] = errno.EINVAL, ["tcp_congestion_ops:"] = errno.EINVAL, [":init"] = errno.EINVAL,
      [""] = errno.EINVAL,
    } do
      spec.attach_to = attach_to
      local p, message, actual = ebpf.new_program(spec)
      assert.same({ nil, code }, { p, actual }, message)
      assert.truthy(message:find("^load unnamed program of type struct_ops: "), message)
    end
    spec.attach_to = nil
    assert.equal(errno.EINVAL, (select(3, ebpf.new_program(spec))))
  end)
end)

describe("the target in another program", function()
  local target

  before_each(function()
    target = assert(load_one("calls_replaceable")).programs.calls_replaceable
  end)

  it("is a function of it that is replaced", function()
    assert.equal(7, (assert(target:test(("\0"):rep(64)))))
    load_or_skip("5.6", "freplace", "replacement", { attach_target = target })
  end)

  it("is a function of it that is traced", function()
    load_or_skip("5.6", "fentry of a program", "enter_replaceable", { attach_target = target })
  end)

  it("can be given when a collection is loaded", function()
    -- What the kernel says to these it says after the target was found.
    for _, given in ipairs { target, { replacement = target } } do
      local collection, message, code = load_one("replacement", nil, { attach_target = given })
      if collection then
        assert.equal("ext", collection.programs.replacement:type())
      else
        assert.equal(errno.EPERM, code, message)
      end
    end
    for wrong, option in pairs {
      ["no program is called 'other'"] = { other = target },
      ["Program, or table of Programs by name expected"] = { replacement = 5 },
    } do
      local ok, message = pcall(load_one, "replacement", nil, { attach_target = option })
      assert.is_false(ok)
      assert.truthy(message:find(wrong, 1, true), message)
    end
    assert.is_false(pcall(load_one, "replacement", nil, { attach_target = "calls_replaceable" }))
  end)

  it("must be there, and have that function", function()
    refused(errno.EINVAL, "it replaces a function of another program: set attach_target", "replacement")
    refused(errno.EINVAL, "set attach_to of its spec to the function's name", "some_replacement",
      { attach_target = target })
    refused(errno.ESRCH, 'no function "other" in the types of program "calls_replaceab"', "some_replacement",
      { attach_target = target, attach_to = "other" })
    refused(errno.ESRCH, 'no function "main" in program "two", which was loaded without types', "some_replacement",
      { attach_to = "main", attach_target = keep(ebpf.new_program { name = "two", type = "xdp", license = "GPL",
        instructions = insn.returning(2) }) })
    target:close()
    refused(errno.EBADF, "the program that is its target is closed", "replacement", { attach_target = target })
  end)

  it("is a Program", function()
    for _, wrong in ipairs { "replaceable", 5, true, {} } do
      local ok, message = pcall(load_one, "replacement", { attach_target = wrong })
      assert.is_false(ok)
      assert.truthy(message:find("field 'attach_target': Program expected", 1, true), message)
    end
    assert.is_false(pcall(load_one, "replacement", { attach_target = core.possible_cpus }))
  end)
end)
