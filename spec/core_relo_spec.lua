-- CO-RE: objects compiled once, against this kernel and against types that are deliberately others. The programs of
-- spec/bpf/core_*.bpf.c check their own answers: they return 0, or the line of the wrong one.
local ebpf = require "ebpf"
local support = require "spec.support"

local errno = ebpf.errno
local packet = ("\0"):rep(64)
local target = support.fixture("core_target")

-- Loads one program of an object.
local function load(object, name, options)
  local all = { programs = { name } }
  for option, value in pairs(options or {}) do
    all[option] = value
  end
  return ebpf.load(object, all)
end

-- Runs one program of an object, which must return 0.
local function check(object, name, options)
  local collection = support.closing(assert(load(object, name, options)))
  local line = assert(collection.programs[name]:test(packet))
  assert.equal(0, line, ("%s: wrong answer in line %d"):format(name, line))
  return collection
end

local function refused(object, name, options)
  local collection, message, code = load(object, name, options)
  assert.is_nil(collection)
  return message, code
end

local function bytes_of(...)
  local words = {}
  for i = 1, select("#", ...) do
    local n = select(i, ...) % 2 ^ 32
    words[i] = string.char(n % 256, math.floor(n / 2 ^ 8) % 256, math.floor(n / 2 ^ 16) % 256, math.floor(n / 2 ^ 24))
  end
  return table.concat(words)
end

-- BTF made by hand: types as {kind, name, size or type, count, flag, words of the tail}; names in the tail are strings.
-- `strings` is how many bytes of names the base has.
local function btf_bytes(types, strings)
  local names, offset = { strings and "" or "\0" }, strings or 1
  local function name(s)
    if s == "" then
      return 0
    end
    names[#names + 1] = s .. "\0"
    offset = offset + #s + 1
    return offset - #s - 1
  end
  local records = {}
  for _, each in ipairs(types) do
    local kind, of, size, count, flag, tail = each[1], each[2], each[3], each[4] or 0, each[5], each[6] or {}
    records[#records + 1] = bytes_of(name(of), kind * 2 ^ 24 + count + (flag and 2 ^ 31 or 0), size)
    for _, word in ipairs(tail) do
      records[#records + 1] = bytes_of(type(word) == "string" and name(word) or word)
    end
  end
  local body, text = table.concat(records), table.concat(names)
  return "\159\235\1\0" .. bytes_of(24, 0, #body, #body, #text) .. body .. text, #text
end

local INT, STRUCT, ENUM, TYPEDEF, ENUM64 = 1, 4, 6, 8, 19
local an_int = { INT, "int", 4, 0, false, { 2 ^ 24 + 32 } }

describe("a program compiled for other types", function()
  local object = support.fixture("core_foreign")

  for _, name in ipairs { "offsets", "sizes", "existence", "bitfields", "types", "enums", "candidates" } do
    it("finds its own in those of the kernel: " .. name, function()
      check(object, name, { kernel_btf = target })
    end)
  end

  it("takes these from a file, as BTF, or as bytes", function()
    local types = support.closing(assert(ebpf.btf.load(target)))
    local raw = support.tmpdir() .. "/btf"
    support.check_run { "llvm-objcopy", "--dump-section", ".BTF=" .. raw, target, "/dev/null" }
    for _, given in ipairs { target, raw, support.read_file(raw), types } do
      check(object, "offsets", { kernel_btf = given })
    end
    local spec = assert(ebpf.load_spec(object)).programs.candidates
    local program = support.closing(assert(ebpf.new_program(spec, { kernel_btf = types })))
    assert.equal(0, (program:test(packet)))
  end)

  it("gets the ids of types, of its own and of the kernel's", function()
    local collection = check(object, "types", { kernel_btf = target })
    local own, kernel = assert(ebpf.btf.load(object)), assert(ebpf.btf.load(target))
    local data = collection.maps[".bss"] and ".bss" or next(collection.maps)
    local values = { collection.maps[data]:get_bytes(0):byte(1, -1) }
    local found = {}
    for i = 1, #values, 4 do
      found[#found + 1] = values[i] + values[i + 1] * 256
    end
    table.sort(found)
    local expected = { 0, (own:find("widget", "struct")), (kernel:find("widget", "struct")) }
    table.sort(expected)
    assert.same(expected, found)
    own:close()
    kernel:close()
  end)

  it("is loaded again and again from one spec", function()
    local spec = assert(ebpf.load_spec(object))
    for _ = 1, 2 do
      check(spec, "offsets", { kernel_btf = target })
      assert.matches("type of this kernel", refused(spec, "offsets"))
    end
  end)
end)

describe("names of types", function()
  local names = { "a", "ab", "abc", "abcd", "abcde", "abcdef", "abcdefg", "abcdefgh", "abcdefghi", "a_b_c_d_e", "a__b" }

  -- A kernel whose structs have these names, with whatever `suffix` says behind them.
  local function kernel(suffix)
    local types = {}
    for i, name in ipairs(names) do
      types[i] = { STRUCT, name .. suffix, 4 }
    end
    return (btf_bytes(types))
  end

  it("are the same with or without a flavour, whatever their length", function()
    check(support.fixture("core_names"), "names", { kernel_btf = kernel("") })
    check(support.fixture("core_names"), "names", { kernel_btf = kernel("___x") })
    check(support.fixture("core_names"), "names", { kernel_btf = kernel("___much_longer") })
  end)

  it("are others with other underscores", function()
    local object = assert(ebpf.load(support.fixture("core_names"), { kernel_btf = kernel("__x") }))
    assert.is_true(support.closing(object).programs.names:test(packet) > 0)
  end)
end)

describe("a program compiled for some kernel", function()
  local object = support.fixture("core_kernel")

  for _, name in ipairs { "task", "flavours" } do
    it("reads the types of this one: " .. name, function()
      if name == "task" then
        support.needs("6.16", "bpf_get_current_comm in tc programs")
      end
      check(object, name)
    end)
  end

  it("knows what the kernel's types are called and how large they are", function()
    local collection = check(object, "types")
    local kernel = assert(ebpf.btf.load_kernel())
    local id, type = assert(kernel:find("task_struct", "struct"))
    kernel:close()
    local bytes = collection.maps[".bss"]:get_bytes(0)
    assert.truthy(bytes == bytes_of(id, type.size) or bytes == bytes_of(type.size, id))
  end)

  it("needs types that have it", function()
    local message, code = refused(object, "task", { kernel_btf = "/no/such/file" })
    assert.equal('load program "task": use other BTF than the kernel\'s: load BTF "/no/such/file": no such file or '
      .. "directory (ENOENT)", message)
    assert.equal(errno.ENOENT, code)
    message, code = refused(object, "task", { kernel_btf = "\159\235 nonsense" })
    assert.matches('^load program "task": use other BTF than the kernel\'s: parse BTF: ', message)
    assert.equal(errno.ENOEXEC, code)
    local closed = assert(ebpf.btf.load(target))
    closed:close()
    message, code = refused(object, "task", { kernel_btf = closed })
    assert.equal('load program "task": the BTF given as the kernel\'s is closed', message)
    assert.equal(errno.EBADF, code)
    assert.has_error(function()
      load(object, "task", { kernel_btf = 7 })
    end, "load: option 'kernel_btf': path, BTF or its bytes expected")
  end)
end)

describe("a program without relocations", function()
  it("opens no BTF of the kernel", function()
    local collection = assert(ebpf.load(support.fixture("bench"), { kernel_btf = "/no/such/file" }))
    collection:close()
  end)
end)

describe("what the kernel lacks", function()
  local object = support.fixture("core_poison")
  local kernel = "load program \"%s\": invalid argument (EINVAL): %s (CO-RE relocation %s), at instruction %d (call "
  local cases = {
    { "missing_field", 2, 'struct task_struct of this kernel has no field "no_such_field.deep[2]" like the program\'s: '
      .. "guard it with bpf_core_field_exists()", "byte_off" },
    { "missing_type", 2, "struct no_such_struct is not a type of this kernel: guard what needs it with "
      .. "bpf_core_type_exists()", "byte_off" },
    { "missing_value", 0, 'enum bpf_prog_type of this kernel has no value "BPF_PROG_TYPE_NONSENSE" like the '
      .. "program's: guard it with bpf_core_enum_value_exists()", "enumval_value" },
    { "in_function", 5, "struct no_such_struct is not a type of this kernel: guard what needs it with "
      .. "bpf_core_type_exists()", "byte_off" },
    { "other_size", 2, 'struct widget of this kernel has a field "level" of another size, and it is signed or no '
      .. "number: read it with BPF_CORE_READ_BITFIELD_PROBED()", "byte_off", { kernel_btf = target } },
  }
  for _, case in ipairs(cases) do
    local name, index, reason, kind, options = case[1], case[2], case[3], case[4], case[5]
    it("is told when a program needs it: " .. name, function()
      local message, code = refused(object, name, options)
      local start = kernel:format(name, reason, kind, index)
      assert.equal(start, message:sub(1, #start))
      assert.matches("^unknown#195896080%) of [%w_]+%(%), core_poison%.bpf%.c:%d+ %(.*%)", message:sub(#start + 1))
      assert.equal(errno.EINVAL, code)
    end)
  end

  it("is not ambiguous, but what it has twice may be", function()
    local message, code = refused(object, "ambiguous", { kernel_btf = target })
    assert.equal('load program "ambiguous": CO-RE relocation byte_off of instruction 2, type "split": the kernel has '
      .. "several types of that name, which differ in what is asked", message)
    assert.equal(errno.ENOTUNIQ, code)
  end)
end)

describe("a target", function()
  local object = support.fixture("core_foreign")
  local function lacks_all_but(name, types)
    return load(object, name, { kernel_btf = (btf_bytes(types)) })
  end

  it("may have enums of 64 bits", function()
    local spec = assert(ebpf.load_spec(support.fixture("core_poison")))
    local given = btf_bytes {
      { ENUM64, "bpf_prog_type", 8, 1, false, { "BPF_PROG_TYPE_NONSENSE", 5, 1 } },
    }
    local collection = support.closing(assert(load(spec, "missing_value", { kernel_btf = given })))
    assert.equal(5, (collection.programs.missing_value:test(packet)))
    given = btf_bytes { { ENUM, "bpf_prog_type", 4, 1, false, { "BPF_PROG_TYPE_NONSENSE___x", 9 } } }
    collection = support.closing(assert(load(spec, "missing_value", { kernel_btf = given })))
    assert.equal(9, (collection.programs.missing_value:test(packet)))
  end)

  it("may be a module's, whose ids are of no use", function()
    local base_bytes, strings = btf_bytes { an_int }
    local base = support.closing(assert(ebpf.btf.parse(base_bytes)))
    local module = support.closing(assert(ebpf.btf.parse((btf_bytes({
      { STRUCT, "widget", 4, 1, false, { "id", 1, 0 } },
    }, strings)), base)))
    local message = refused(support.fixture("core_poison"), "module_type", { kernel_btf = module })
    assert.matches('^load program "module_type": invalid argument %(EINVAL%): struct widget is a type of a module, and '
      .. "its id is not unique %(CO%-RE relocation target_type_id%), at instruction 0 ", message)
  end)

  it("may have types that never end", function()
    local collection, message = lacks_all_but("offsets", {
      an_int, { TYPEDEF, "round", 2 }, { STRUCT, "widget", 4, 1, false, { "id", 2, 0 } },
    })
    assert.is_nil(collection)
    assert.matches('struct widget of this kernel has no field "', message)
    collection, message = lacks_all_but("offsets", {
      an_int, { STRUCT, "widget", 4, 2, false, { "", 2, 0, "", 2, 0 } },
    })
    assert.is_nil(collection)
    assert.matches("the types are too many to compare$", message)
  end)

  it("may have fields too far away for a load", function()
    local collection, message, code = lacks_all_but("offsets", {
      an_int, { STRUCT, "widget", 2 ^ 20, 1, false, { "id", 1, 2 ^ 15 * 8 } },
    })
    assert.is_nil(collection)
    assert.matches("CO%-RE relocation byte_off of instruction %d+, type \"widget.*\": 32768 does not fit into the "
      .. "instruction$", message)
    assert.equal(errno.ERANGE, code)
  end)
end)

describe("an access string", function()
  local bytes = support.read_file(support.fixture("core_poison"))
  local first, last = bytes:find("%z0:1:0:2%z")

  local function with(access)
    return load(assert(ebpf.parse_spec(bytes:sub(1, first) .. access .. bytes:sub(last))), "missing_field")
  end

  local malformed, wrong_path = "is not up to 64 numbers with colons between", "does not fit the type"
  local cases = {
    ["0:-1:02"] = malformed, ["0:1:0:"] = malformed, [":::::::"] = malformed, ["0 1:0:2"] = malformed,
    ["0:2:0:2"] = wrong_path, ["0:1:1:2"] = wrong_path, ["0:1:0:4"] = wrong_path, ["0:0:0:0"] = wrong_path,
  }
  for access, wrong in pairs(cases) do
    it("is checked: " .. access, function()
      local padded = (access .. ("\0"):rep(7)):sub(1, 7)
      local collection, message, code = with(padded)
      assert.is_nil(collection)
      assert.equal(('load program "missing_field": CO-RE relocation byte_off of instruction 2, type "task_struct": its '
        .. 'access string "%s" %s'):format(access:sub(1, 7), wrong), message)
      assert.equal(errno.ENOEXEC, code)
    end)
  end

  it("has an end", function()
    local directory = support.tmpdir()
    local depth = 70
    support.write_file(directory .. "/deep.bpf.c", table.concat {
      "char data[8];\nstruct deep ", ("{ struct "):rep(depth), "{ int x; }", (" f; }"):rep(depth),
      " __attribute__((preserve_access_index));\n",
      '__attribute__((section("tc"))) int deep(void *ctx) { struct deep *d = (void *)data; return d->',
      ("f."):rep(depth), 'x; }\n__attribute__((section("license"))) char LICENSE[] = "GPL";\n',
    })
    support.check_run(("clang -fbracket-depth=512 -O2 -g -target bpf -c %s/deep.bpf.c -o %s/deep.o"):format(directory,
      directory))
    local message, code = refused(directory .. "/deep.o", "deep")
    assert.matches("is not up to 64 numbers with colons between$", message)
    assert.equal(errno.ENOEXEC, code)
  end)
end)

describe("a type that has to look alike", function()
  -- clang before 15 cannot ask for it, but for whether a type exists: the number of that relocation is 8, of this 12.
  local function asking_for_looks(path)
    local directory = support.tmpdir()
    support.check_run { "llvm-objcopy", "--dump-section", ".BTF.ext=" .. directory .. "/ext", path, "/dev/null" }
    local ext = support.read_file(directory .. "/ext")
    local function word(at)
      local a, b, c, d = ext:byte(at + 1, at + 4)
      return a + b * 2 ^ 8 + c * 2 ^ 16 + d * 2 ^ 24
    end
    local at = word(4) + word(24)
    local stop, size = at + word(28), word(at)
    at = at + 4
    while at < stop do
      local count = word(at + 4)
      at = at + 8
      for _ = 1, count do
        if word(at + 12) == 8 then
          ext = ext:sub(1, at + 12) .. bytes_of(12) .. ext:sub(at + 17)
        end
        at = at + size
      end
    end
    support.write_file(directory .. "/ext", ext)
    local changed = directory .. "/changed.o"
    support.check_run { "llvm-objcopy", "--update-section", ".BTF.ext=" .. directory .. "/ext", path, changed }
    return changed
  end

  it("does, or does not", function()
    check(asking_for_looks(support.fixture("core_looks")), "looks", { kernel_btf = target })
  end)
end)

describe("broken relocations", function()
  local it_once = support.once and it or function() end

  it_once("never make anything unsafe or endless #host", function()
    local fuzz = support.harness "core_relo_fuzz"
    for _, object in ipairs { "core_foreign", "core_poison" } do
      local output, status = support.run(("%s %s %s 20000"):format(fuzz, support.fixture(object), target))
      assert.matches("^%d+ of 20000 refused\n$", output)
      assert.equal(0, status)
    end
  end)
end)
