-- What programs ask of the kernel they are loaded into: options of its configuration, addresses, variables, functions.
-- The programs of spec/bpf/kconfig.bpf.c and ksyms.bpf.c check their own answers: they return 0, or the line of the
-- wrong one.
local ebpf = require "ebpf"
local support = require "spec.support"

local errno = ebpf.errno
local packet = ("\0"):rep(64)

-- Loads some programs of an object, or all of them.
local function load(object, programs, options)
  local all = { programs = programs }
  for option, value in pairs(options or {}) do
    all[option] = value
  end
  return ebpf.load(object, all)
end

-- Runs one program of an object, which must return 0.
local function check(object, name, options)
  local collection = support.closing(assert(load(object, { name }, options)))
  local line = assert(collection.programs[name]:test(packet))
  assert.equal(0, line, ("%s: wrong answer in line %d"):format(name, line))
  return collection
end

-- Skips the test on kernels that are older than the kfuncs it calls.
local function skip_if_older(message)
  if message and message:find("this kernel lacks", 1, true) then
    support.needs("6.4", "kfuncs", message)
  end
end

local function refused(object, programs, options)
  local collection, message, code = load(object, programs, options)
  assert.is_nil(collection)
  return message, code
end

-- An object compiled from the text of a program of type tc and what it needs.
local function compile(text, flags)
  local path = support.tmpdir() .. "/x"
  support.write_file(path .. ".bpf.c", "#include <linux/bpf.h>\n#include <bpf/bpf_helpers.h>\n" .. text
    .. '\nchar LICENSE[] SEC("license") = "GPL";\n')
  support.check_run(("clang -O2 -g %s -target bpf -I/usr/include/$(uname -m)-linux-gnu -c %s.bpf.c -o %s.o")
    :format(flags or "", path, path))
  return path .. ".o"
end

local function words(number)
  return (tostring(number):gsub("U?LL$", ""))
end

describe("an option of the kernel's configuration", function()
  local object = support.fixture("kconfig")

  local values = table.concat({
    "# a comment", "CONFIG_SPEC_BOOL=y", "CONFIG_SPEC_TRISTATE=m", "CONFIG_SPEC_CHAR=n", "CONFIG_SPEC_S8=-128",
    "CONFIG_SPEC_U8=0xff", "CONFIG_SPEC_S16=-0x8000", "CONFIG_SPEC_U16=65535", "CONFIG_SPEC_S32=-2147483648",
    "CONFIG_SPEC_U32=4294967295", "CONFIG_SPEC_S64=-9223372036854775808", "CONFIG_SPEC_U64=0xfffffffffffffffe",
    'CONFIG_SPEC_STRING="a \\"b\\" c"', "CONFIG_SPEC_BOOL=n", "",
  }, "\n")

  it("comes in every type", function()
    local seen = check(object, "every_type", { kconfig = values }).variables.seen:get()
    assert.equal(true, seen.yes)
    assert.equal(2, seen.tristate)
    assert.equal(("n"):byte(), type(seen.letter) == "string" and seen.letter:byte() or seen.letter)
    assert.equal(-128, seen.s8)
    assert.equal(255, seen.u8)
    assert.equal(-32768, seen.s16)
    assert.equal(65535, seen.u16)
    assert.equal(-2147483648, seen.s32)
    assert.equal(4294967295, seen.u32)
    if support.lua_name ~= "lua5.1" then
      assert.equal("-9223372036854775808", words(seen.s64))
      assert.equal("-2", words(seen.u64):gsub("18446744073709551614", "-2"))
    end
    assert.equal('a "b" c', seen.string)
  end)

  it("is 0 where it is weak and missing", function()
    local seen = check(object, "every_type").variables.seen:get()
    assert.equal(false, seen.yes)
    assert.equal(0, seen.tristate)
    assert.equal(0, seen.s32)
    assert.equal("", seen.string)
  end)

  it("is this kernel's", function()
    local kernel = check(object, "running").variables.kernel:get()
    local major, minor = support.read_file("/proc/sys/kernel/osrelease"):match("^(%d+)%.(%d+)")
    assert.equal(tonumber(major), math.floor(kernel.version / 65536))
    assert.equal(tonumber(minor), math.floor(kernel.version / 256) % 256)
    assert.equal(support.read_file("/proc/kallsyms"):find(" __%w+_sys_bpf\n") ~= nil, kernel.wrapper)
    assert.equal(kernel.version >= 5 * 65536 + 15 * 256, kernel.cookie)
    local config = support.run("zcat /proc/config.gz 2>/dev/null || cat /boot/config-$(uname -r)")
    assert.equal(tonumber(config:match("\nCONFIG_HZ=(%d+)\n")), kernel.hz)
    assert.equal(config:match('\nCONFIG_CC_VERSION_TEXT="(....)'), kernel.compiler)
  end)

  it("is known to the verifier", function()
    check(object, "pruned")
    local message = refused(object, { "pruned" }, { kconfig = "CONFIG_NO_SUCH_OPTION=y" })
    assert.matches('^load program "pruned": permission denied', message)
  end)

  it("is a constant that can be read, and that bpftool prints by name", function()
    local collection = check(object, "every_type", { kconfig = values })
    local variable = collection.variables.CONFIG_SPEC_U16
    assert.equal(65535, variable:get())
    assert.equal('a "b" c', collection.variables.CONFIG_SPEC_STRING:get())
    assert.is_true(variable:is_constant())
    local set, _, code = variable:set(1)
    assert.is_nil(set)
    assert.equal(errno.EPERM, code)
    local map = collection.maps[".kconfig"]
    assert.is_nil((map:put(0, ("\0"):rep(map:abi().value_size))))
    local dump = support.check_run("bpftool map dump id " .. map:info().id)
    assert.matches('"CONFIG_SPEC_U16": 65535', dump, 1, true)
    assert.matches('"CONFIG_SPEC_S16": -32768', dump, 1, true)
  end)

  it("can be set in the spec", function()
    local spec = assert(ebpf.load_spec(object))
    assert.equal(0, spec.variables.CONFIG_SPEC_S32:get())
    assert.is_true(spec.variables.CONFIG_SPEC_S32:set(-5))
    assert.is_true(spec.variables.CONFIG_SPEC_STRING:set("short"))
    assert.has_error(function()
      spec.variables.CONFIG_SPEC_S8:set(128)
    end)
    local copy = spec:copy()
    spec.variables.CONFIG_SPEC_S32:set(7)
    local seen = check(copy, "every_type", { kconfig = "CONFIG_SPEC_S32=9\nCONFIG_SPEC_U32=3" }).variables.seen:get()
    assert.equal(-5, seen.s32)
    assert.equal(3, seen.u32)
    assert.equal("short", seen.string)
    assert.is_nil(spec.maps[".kconfig"].contents[1][2]:find("\3", 1, true))
  end)

  it("is left alone where a map takes the place of its section", function()
    local first = check(object, "every_type", { kconfig = values })
    local second = check(object, "every_type", { maps = { [".kconfig"] = first.maps[".kconfig"] } })
    assert.equal(65535, second.variables.seen:get().u16)
  end)

  local EINVAL, ERANGE = errno.EINVAL, errno.ERANGE
  local wrong = {
    { "BOOL=m", EINVAL, "its value is m, so the program must declare it as enum libbpf_tristate and not as bool" },
    { "BOOL=2", ERANGE, "its value 2 does not fit into a bool of 1 byte" },
    { "BOOL=-1", ERANGE, "its value -1 does not fit into a bool of 1 byte" },
    { 'BOOL="y"', EINVAL, 'its value "y" is no bool, which the program asks for' },
    { "BOOL=yes", EINVAL, "its value yes is no number" },
    { "TRISTATE=1", EINVAL, "its value 1 is no tristate, which the program asks for" },
    { "CHAR=256", ERANGE, "its value 256 does not fit into a number of 1 byte" },
    { "S8=128", ERANGE, "its value 128 does not fit into a number of 1 byte" },
    { "S8=-129", ERANGE, "its value -129 does not fit into a number of 1 byte" },
    { "U8=-1", ERANGE, "its value -1 does not fit into a number of 1 byte" },
    { "U16=65536", ERANGE, "its value 65536 does not fit into a number of 2 bytes" },
    { "S32=2147483648", ERANGE, "its value 2147483648 does not fit into a number of 4 bytes" },
    { "U32=y", EINVAL, "its value y is no int, which the program asks for" },
    { "U64=18446744073709551616", ERANGE, "its value 18446744073709551616 does not fit into a number of 8 bytes" },
    { "S64=-9223372036854775809", ERANGE, "its value -9223372036854775809 does not fit into a number of 8 bytes" },
    { "U32=0x", EINVAL, "its value 0x is no number" },
    { "U32= 1", EINVAL, "its value  1 is no number" },
    { "U32=--1", EINVAL, "its value --1 is no number" },
    { "U32=1\27[2J", EINVAL, "its value 1?[2J is no number" },
    { "STRING=text", EINVAL, "its value text is no string, which the program asks for" },
    { 'STRING="12345678"', ERANGE,
      "its string has 8 characters, for which the program's array of 8 is too short" },
    { 'STRING="123', EINVAL, "its string does not end with quotes" },
    { 'STRING="1"2', EINVAL, "its string does not end with quotes" },
    { 'STRING="1\\', EINVAL, "its string does not end with quotes" },
    { "S16=", EINVAL, "no value behind its =" },
  }
  for _, case in ipairs(wrong) do
    it("has a value of its type: " .. case[1]:gsub("%c", "?"), function()
      local message, code = refused(object, { "every_type" }, { kconfig = "CONFIG_SPEC_" .. case[1] .. "\n" })
      local name = case[1]:match("^%w+")
      assert.equal(('load: map ".kconfig": CONFIG_SPEC_%s: %s'):format(name, case[3]), message)
      assert.equal(case[2], code)
    end)
  end

  it("stands in a line with an equals sign", function()
    local message, code = refused(object, { "every_type" }, { kconfig = "\nCONFIG_NOTHING\n" })
    assert.equal('load: map ".kconfig": "CONFIG_NOTHING" has no = in it', message)
    assert.equal(EINVAL, code)
    assert.has_error(function()
      load(object, nil, { kconfig = 5 })
    end, "load: option 'kconfig': string expected, got number")
  end)

  it("has a type that an option can have", function()
    for _, declaration in ipairs { "struct { int x; } CONFIG_X", "float CONFIG_X", "int CONFIG_X[2]", "long *CONFIG_X",
      "enum { A } CONFIG_X", "char CONFIG_X[0]" } do
      local path = compile(("extern const %s __kconfig;\nSEC(\"tc\") long f(void *c) { return (long)&CONFIG_X; }")
        :format(declaration))
      local spec, message, code = ebpf.load_spec(path)
      assert.is_nil(spec)
      assert.equal(('load spec "%s": variable "CONFIG_X" in section ".kconfig": it is none of bool, char, int, enum '
        .. "libbpf_tristate, and array of char"):format(path), message)
      assert.equal(errno.ENOEXEC, code)
    end
  end)

  it("has a name that means something", function()
    local path = compile('extern const int SPEC_X __kconfig __weak;\nSEC("tc") int f(void *c) { return SPEC_X; }')
    local message, code = refused(path)
    assert.equal('load: map ".kconfig": SPEC_X: neither CONFIG_ and the name of an option, nor LINUX_KERNEL_VERSION, '
      .. "LINUX_HAS_BPF_COOKIE or LINUX_HAS_SYSCALL_WRAPPER", message)
    assert.equal(EINVAL, code)
  end)

  it("cannot ask for much memory", function()
    local path = compile('extern const char CONFIG_X[1 << 30] __kconfig;\n'
      .. 'SEC("tc") int f(void *c) { return CONFIG_X[0]; }')
    local spec, message, code = ebpf.load_spec(path)
    assert.is_nil(spec)
    assert.matches('the variables in section ".kconfig" have more than 1048576 bytes$', message)
    assert.equal(errno.E2BIG, code)
  end)
end)

describe("a symbol of the kernel", function()
  local object = support.fixture("ksyms")

  local function address_of(name)
    return (support.read_file("/proc/kallsyms"):match("\n(%x+) %a " .. name .. "\n"))
  end

  it("has the address that the kernel tells", function()
    local variables = check(object, "addresses").variables
    for variable, name in pairs { address = "bpf_prog_put", weak_address = "bpf_map_put" } do
      local value = variables[variable]:get()
      local hex = support.lua_name == "luajit" and tostring(value) or ("%x"):format(value)
      if support.lua_name == "luajit" then
        hex = require("bit").tohex(value)
      end
      assert.equal(address_of(name), hex)
    end
  end)

  for _, name in ipairs { "variables", "flavoured_variable" } do
    it("may be a variable with a type: " .. name, function()
      local collection, message = load(object, { name })
      if message and message:find("this kernel lacks", 1, true) then
        support.needs("5.11", "types of variables", message)
      end
      if not collection and message:find("failed to find the address for kernel symbol", 1, true) then
        support.pending("variables are not in /proc/kallsyms (CONFIG_KALLSYMS_ALL): " .. message)
      end
      support.closing(assert(collection, message))
      local program = collection.programs[name]
      if program:type() == "raw_tracepoint" then
        assert.equal(0, assert(program:run { context = packet }).retval)
      else
        assert.equal(0, (program:test(packet)))
      end
    end)
  end

  it("may be a function", function()
    skip_if_older(select(2, load(object, { "functions" })))
    check(object, "functions")
    check(object, "weak_functions")
  end)

  it("may be a function whose address is asked for", function()
    check(object, "function_address")
  end)

  it("may be a function of a module", function()
    local path = support.fixture("ksyms_module")
    local collection, message, code = load(path)
    if code == errno.ESRCH then
      assert.equal('load: this kernel lacks kfunc "bpf_skb_ct_lookup", kfunc "bpf_ct_release": declare what the '
        .. "program can do without as __weak", message)
      local output = support.run("modprobe nf_conntrack")
      collection, message, code = load(path)
      if code == errno.ESRCH and support.kernel_is("5.18") then
        support.pending(message .. "; modprobe nf_conntrack: " .. output)
      elseif code == errno.ESRCH then
        support.needs("5.18", "kfuncs of nf_conntrack", message)
      end
    end
    support.closing(assert(collection, message))
    assert.equal(0, (collection.programs.connection:test(packet)))
  end)

  it("may be called by text, which says no more than its name", function()
    skip_if_older(select(2, load(object, { "functions" })))
    local program = support.closing(assert(ebpf.new_program { type = "sched_cls", license = "GPL", name = "text",
      instructions = ebpf.asm.parse "r6 = r1; call bpf_rcu_read_lock; call bpf_rcu_read_unlock; r0 = 7; exit" }))
    assert.equal(7, (program:test(packet)))
    local _, message, code = ebpf.new_program { type = "sched_cls", license = "GPL", name = "text",
      instructions = ebpf.asm.parse "call spec_no_such_kfunc; r0 = 7; exit" }
    assert.equal('load program "text": reference to "spec_no_such_kfunc" is not satisfied: neither the object nor this '
      .. "kernel defines the function: declare one of the kernel with __ksym, and compile with -g", message)
    assert.equal(errno.ENOENT, code)
  end)

  it("is kept by the text of an object's instructions", function()
    skip_if_older(select(2, load(object, { "functions" })))
    for _, name in ipairs { "functions", "weak_functions", "addresses" } do
      local spec = assert(ebpf.load_spec(object))
      local program = spec.programs[name]
      local text = tostring(program.instructions)
      assert.matches("<ksym #%d+", text)
      program.instructions = assert(ebpf.asm.parse(text, { types = spec.types }))
      check(spec, name)
    end
    local wrong = "r1 = extern x ll <ksym #4000000000 weak>\nexit"
    assert.is_nil((ebpf.asm.parse(wrong, { types = assert(ebpf.load_spec(object)).types })))
    assert.is_nil((ebpf.asm.parse "r0 = 1 <ksym #1>"))
    assert.is_nil((ebpf.asm.parse "call x <ksym 1>"))
    assert.equal("x", assert(ebpf.asm.parse(wrong)):references()[1].name)
  end)

  it("may be a function where CO-RE goes by other types", function()
    local given = support.closing(assert(ebpf.btf.load_kernel()))
    skip_if_older(select(2, load(object, { "functions" })))
    check(object, "functions", { kernel_btf = given })
  end)

  it("is found for a program that is loaded by itself", function()
    local spec = assert(ebpf.load_spec(object))
    skip_if_older(select(2, load(object, { "functions" })))
    for _ = 1, 2 do
      local program = support.closing(assert(ebpf.new_program(spec.programs.functions)))
      assert.equal(0, (program:test(packet)))
    end
    local program, message, code = ebpf.new_program(assert(ebpf.load_spec(support.fixture("kconfig_missing")))
      .programs.typed)
    assert.is_nil(program)
    assert.equal('load program "typed": this kernel lacks kfunc "spec_no_such_kfunc", variable '
      .. '"spec_no_such_variable": declare what the program can do without as __weak', message)
    assert.equal(errno.ESRCH, code)
  end)

  it("is a reference, and a weak one where the kernel may lack it", function()
    local spec = assert(ebpf.load_spec(object))
    local found = {}
    for _, reference in ipairs(spec.programs.addresses.instructions:references()) do
      if reference.kind == "extern" then
        found[reference.name] = reference.weak or false
      end
    end
    assert.same({ bpf_prog_put = false, bpf_map_put = true, spec_no_such_symbol = true }, found)
  end)

  it("can be given a value instead", function()
    local spec = assert(ebpf.load_spec(support.fixture("kconfig_missing")))
    local program = spec.programs.symbols
    assert(program.instructions:rewrite_constant("spec_no_such_symbol", 40))
    assert(program.instructions:rewrite_constant("spec_optional_symbol", 2))
    local collection = support.closing(assert(load(spec, { "symbols" })))
    assert.equal(42, (collection.programs.symbols:test(packet)))
  end)

  it("leaves no descriptor open", function()
    skip_if_older(select(2, load(object, { "functions" })))
    collectgarbage()
    local before = support.fds()
    local collection = assert(load(object, { "functions", "weak_functions" }))
    collection:close()
    assert.is_nil((load(support.fixture("kconfig_missing"))))
    assert.same(before, support.fds())
  end)

  it("is missed with all others that are missing", function()
    local message, code = refused(support.fixture("kconfig_missing"))
    assert.equal('load: this kernel lacks kernel option "CONFIG_SPEC_LEVEL", kernel option "CONFIG_SPEC_NAME", symbol '
      .. '"spec_no_such_symbol", kfunc "spec_no_such_kfunc", variable "spec_no_such_variable": declare what the '
      .. "program can do without as __weak", message)
    assert.equal(errno.ESRCH, code)
    message = refused(support.fixture("kconfig_missing"), nil, { kconfig = "CONFIG_SPEC_LEVEL=1" })
    assert.matches('^load: this kernel lacks kernel option "CONFIG_SPEC_NAME", symbol ', message)
    message = refused(support.fixture("kconfig_missing"), { "options" })
    assert.equal('load: this kernel lacks kernel option "CONFIG_SPEC_LEVEL", kernel option "CONFIG_SPEC_NAME": declare '
      .. "what the program can do without as __weak", message)
  end)

  it("is missed by the hundred", function()
    local declarations, uses = {}, {}
    for i = 1, 200 do
      declarations[i] = ("extern const void spec_symbol_with_a_long_name_%d __ksym;\n"):format(i)
      uses[i] = ("(long)&spec_symbol_with_a_long_name_%d"):format(i)
    end
    local message, code = refused(compile(table.concat(declarations) .. 'SEC("tc") long f(void *c) { return '
      .. table.concat(uses, " ^ ") .. "; }"))
    assert.equal(errno.ESRCH, code)
    local told = select(2, message:gsub('"spec_symbol_', ""))
    assert.matches((" and %d more: declare what the program can do without as __weak$"):format(200 - told), message)
    assert.is_true(told > 50)
  end)

  local wrong = {
    { "variable", 'variable "bpf_prog_active" (its own has another type)' },
    { "function", 'kfunc "bpf_rcu_read_lock" (its own has another prototype)' },
    { "ambiguous", 'symbol "init_once" (it has several of that name)' },
  }
  for _, case in ipairs(wrong) do
    it("is what the program takes it for: " .. case[1], function()
      local message, code = refused(support.fixture("ksyms_wrong"), { case[1] })
      if code == errno.ESRCH then
        support.needs("6.4", "what it refers to", message)
      end
      assert.equal("load: this kernel lacks " .. case[2], message)
      assert.equal(errno.EINVAL, code)
    end)
  end

  it("is told of when it is weak, missing, and called", function()
    for program, name in pairs { poisoned = "spec_no_such_kfunc", of_another_type = "bpf_cast_to_kern_ctx___two" } do
      local message, code = refused(object, { program })
      local start = ('load program "%s": invalid argument (EINVAL): this kernel has no function "%s" of the type that '
        .. "the program declares, and it is __weak: guard the call with bpf_ksym_exists(%s), at instruction ")
        :format(program, name, name)
      assert.equal(start, message:sub(1, #start))
      assert.matches(("of %s%%(%%), ksyms%%.bpf%%.c:%%d+ %%(.*%s.*;%%)"):format(program, name), message)
      assert.equal(errno.EINVAL, code)
    end
  end)

  it("is found without the object's types where it is called", function()
    skip_if_older(select(2, load(object, { "functions" })))
    local path = compile([[
      extern void bpf_rcu_read_lock(void) __ksym;
      extern void bpf_rcu_read_unlock(void) __ksym;
      extern const void bpf_prog_put __ksym;
      SEC("tc") int called(void *c) { bpf_rcu_read_lock(); bpf_rcu_read_unlock(); return 0; }
      SEC("tc") long loaded(void *c) { return (long)&bpf_prog_put; }
    ]], "-g0")
    check(path, "called")
    local message, code = refused(path, { "loaded" })
    assert.equal('load program "loaded": reference to "bpf_prog_put" is not satisfied: the object does not define it: '
      .. "call rewrite_constant or rewrite_map, or declare a symbol of the kernel with __ksym and compile with -g",
      message)
    assert.equal(errno.ENOENT, code)
  end)

  it("is hidden from those without privilege", function()
    local path = support.quote(object)
    local output = support.run_lua(([[
      local collection, message, errno = require("ebpf").load(%s, {programs = {"addresses"}})
      print(collection, message, errno)
    ]]):format(path:gsub("'", '"')), function(command)
      return support.unprivileged(command, { "bpf", "net_admin", "perfmon" })
    end)
    if output:find("^table") or output:find("^collection") then
      support.pending("addresses are not hidden: kernel.kptr_restrict is 0 and perf_event_paranoid allows them")
    end
    assert.equal("nil\tload: the address of symbol \"bpf_prog_put\" is hidden: /proc/kallsyms shows addresses with "
      .. "CAP_SYSLOG, unless the sysctl kernel.kptr_restrict is 2\t" .. errno.EPERM .. "\n", output)
  end)
end)

describe("broken configurations", function()
  local it_once = support.once and it or function() end

  it_once("never make anything unsafe or endless #host", function()
    local directory = support.tmpdir()
    local fuzz = support.harness "kconfig_fuzz"
    local text = {}
    for i = 1, 3000 do
      text[i] = ("CONFIG_OPTION_%d=%s"):format(i, ({ "y", "m", i * 77, '"text ' .. i .. '"' })[i % 4 + 1])
    end
    support.write_file(directory .. "/config", table.concat(text, "\n") .. "\n")
    for _, level in ipairs { 1, 6, 9 } do
      support.check_run(("gzip -n -%d <%s/config >%s/config.gz"):format(level, directory, directory))
      local output, status = support.run(("%s %s/config.gz 1500 %d"):format(fuzz, directory, level))
      assert.matches("^%d+ of 1500 refused\n$", output)
      assert.equal(0, status)
    end
  end)
end)
