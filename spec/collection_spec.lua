-- Collections on the real kernel: what of an object is loaded, what becomes of its data, calls and initial elements,
-- and that nothing stays when something fails.
local ebpf = require "ebpf"
local lfs = require "lfs"
local insn = require "spec.support.insn"
local malform = require "spec.support.malform"
local support = require "spec.support"

local errno = ebpf.errno

local packet = ("\0"):rep(64)

local function keep(handle, message)
  return support.closing(assert(handle, message))
end

local function load_spec(name)
  return assert(ebpf.load_spec(support.fixture("collection_" .. name)))
end

local function load_data(options)
  return keep(ebpf.load(support.drop_newer(load_spec("data"), { callbacks = "5.17" }), options))
end

local function load_basic()
  return support.drop_newer(assert(ebpf.load_spec(support.fixture("program_basic"))), { add = "5.14" })
end

local function load_maps(directory, options)
  options = options or {}
  options.pin_path = directory
  return keep(ebpf.load(support.fixture("collection_maps"), options))
end

local function names(t)
  local list = {}
  for name in pairs(t) do
    list[#list + 1] = name
  end
  table.sort(list)
  return table.concat(list, " ")
end

-- How many open files of a kind there are in this process: "bpf-map", "bpf-prog", "bpf_link".
local function count(kind)
  local n = 0
  for _, target in pairs(support.fds()) do
    n = n + (target:find(kind, 1, true) and 1 or 0)
  end
  return n
end

-- What must be the same before and after.
local function open_files()
  collectgarbage()
  collectgarbage()
  return { maps = count("bpf-map"), programs = count("bpf-prog"), links = count("bpf_link") }
end

-- Any Lua value and what it refers to, comparable: userdata of instructions by what they are.
local function describe_value(value)
  if type(value) == "userdata" and not value.bytes then
    return tostring(value)
  elseif type(value) == "userdata" then
    return { bytes = value:bytes(), references = value:references(), symbols = value:symbols() }
  elseif type(value) ~= "table" then
    return type(value) == "cdata" and tostring(value) or value
  end
  local copy = {}
  for k, v in pairs(value) do
    copy[k] = describe_value(v)
  end
  return copy
end

local function u32(n)
  return string.char(n % 256, math.floor(n / 256) % 256, math.floor(n / 65536) % 256, math.floor(n / 2 ^ 24) % 256)
end

local function read_u32(bytes, offset)
  local a, b, c, d = bytes:byte(offset + 1, offset + 4)
  return a + b * 256 + c * 65536 + d * 2 ^ 24
end

-- Where a program refers to first in a section of data.
local function offsets(program, section)
  local set = {}
  for _, reference in ipairs(program.instructions:references()) do
    if reference.name == section then
      set[reference.offset] = true
    end
  end
  return set
end

local function clear_pins(directory)
  support.check_run { "find", directory, "-mindepth", "1", "-delete" }
end

local function compile(source)
  local path = support.tmpdir() .. "/x"
  support.write_file(path .. ".c", "#include <linux/bpf.h>\n#include <bpf/bpf_helpers.h>\n" .. source)
  support.check_run(("clang -O2 -g -target bpf -I/usr/include/%s-linux-gnu -c %s.c -o %s.o")
    :format(support.check_run("uname -m"):match("%S+"), path, path))
  return path .. ".o"
end

describe("loading a collection", function()
  it("works from a path and from a spec, any number of times", function()
    local spec = load_spec("data")
    local before = describe_value(spec)
    -- Before Linux 5.17 one of them cannot be loaded.
    local is_new = support.kernel_is("5.17")
    local options = { programs = { "add_letters", "called_program", "calls", "pruned", "variables" } }
    options = is_new and {} or options
    local one, two = keep(spec:load(options)), keep(ebpf.load(spec, options))
    local three = keep(ebpf.load(support.fixture("collection_data"), options))
    for _, collection in ipairs { one, two, three } do
      assert.equal(".bss .data .data.own .rodata .rodata.own" .. (is_new and " elements" or ""),
        names(collection.maps))
      assert.equal(("add_letters %scalled_program calls pruned variables"):format(is_new and "callbacks " or ""),
        names(collection.programs))
      assert.equal(165, (assert(collection.programs.variables:test(packet))))
    end
    assert.same(before, describe_value(spec))
    -- Each has maps of its own.
    assert.not_equal(one.maps[".data"]:info().id, two.maps[".data"]:info().id)
    assert(one.programs.variables:test(packet))
    assert.not_equal(one.maps[".bss"]:get_bytes(0), two.maps[".bss"]:get_bytes(0))
  end)

  it("takes specs made by hand", function()
    local collection = keep(ebpf.load {
      maps = { numbers = { type = "array", key_size = 4, value_size = 4, max_entries = 2, contents = { { 1, 7 } } } },
      programs = { two = { type = "xdp", license = "GPL", instructions = insn.returning(2) } },
    })
    assert.equal("numbers", collection.maps.numbers:name())
    assert.equal(7, collection.maps.numbers:get(1))
    assert.equal("two", collection.programs.two:name())
    assert.equal(2, (assert(collection.programs.two:test(packet))))
    assert.equal("", names(keep(ebpf.load {}).maps))
    local spec = load_spec("data")
    spec.programs = nil
    assert.equal("", names(keep(spec:load()).programs))
  end)

  it("leaves out what loads only when asked for, and sections nobody knows", function()
    local directory = support.bpffs()
    local collection = load_maps(directory)
    assert.equal("count jump look_inside tail_first tail_third", names(collection.programs))
    assert.equal("first outer second shared tails unrelated", names(collection.maps))
    clear_pins(directory)
  end)

  it("creates only what is asked for, and what that uses", function()
    local before = open_files()
    local collection = keep(ebpf.load(support.fixture("collection_maps"), { programs = { "optional" } }))
    assert.equal("optional", names(collection.programs))
    assert.equal("", names(collection.maps))
    assert.equal(1, (assert(collection.programs.optional:test(packet))))
    assert.same({ maps = before.maps, programs = before.programs + 1, links = before.links }, open_files())
    -- With a program array come the programs in it.
    collection:close()
    collection = keep(ebpf.load(support.fixture("collection_maps"), { programs = { "jump", "jump", x = "jump" } }))
    assert.equal("jump tail_first tail_third", names(collection.programs))
    assert.equal("tails", names(collection.maps))
    assert.same({ maps = before.maps + 1, programs = before.programs + 3, links = before.links }, open_files())
    -- Unless it is replaced.
    local tails = collection.maps.tails
    local other = keep(ebpf.load(support.fixture("collection_maps"),
      { programs = { "jump" }, maps = { tails = tails } }))
    assert.equal("jump", names(other.programs))
    assert.equal(100, (assert(other.programs.jump:test(packet))))
    assert.equal("", names(keep(ebpf.load(support.fixture("collection_maps"), { programs = {} })).maps))
  end)

  it("loads a program of an unknown section once its type is told", function()
    local spec = load_spec("maps")
    local collection, message, code = spec:load { programs = { "unknown" } }
    assert.same({ nil, errno.EINVAL }, { collection, code })
    assert.equal('load program "unknown": the section "nobody/knows" does not tell the type of program: rename it, or '
      .. "set the type of the spec", message)
    spec.programs.unknown.type = "xdp"
    collection = keep(spec:load { programs = { "unknown" } })
    assert.equal(5, (assert(collection.programs.unknown:test(packet))))
  end)

  it("raises on wrong arguments, at the caller", function()
    local spec = load_spec("data")
    local map = keep(ebpf.new_map { type = "array", key_size = 4, value_size = 8, max_entries = 4 })
    local program = keep(ebpf.new_program { type = "xdp", license = "GPL", instructions = insn.returning(0) })
    for message, options in pairs {
      ["unknown option 'program'"] = { program = { "calls" } },
      ["table of options expected, got string"] = "calls",
      ["option 'programs': table expected, got string"] = { programs = "calls" },
      ["option 'pin_path': string expected, got number"] = { pin_path = 5 },
      ["no program is called 'nothing'"] = { programs = { "calls", "nothing" } },
      ["no program is called 'calls.'"] = { programs = { calls = "calls." } },
      ["the spec has no map called 'nothing' to replace"] = { maps = { nothing = map } },
      ["the replacement for map 'elements' is no map"] = { maps = { elements = program } },
      ["the replacement for map '.data' is no map"] = { maps = { [".data"] = "elements" } },
      ["option 'log_level': integer from 0 to 4294967295 expected, got 1.5"] = { log_level = 1.5 },
      ["option 'log_size': integer from 128 to 1073741823 expected, got 127"] = { log_size = 127 },
    } do
      for _, load in ipairs { function() spec:load(options) end, function() ebpf.load(spec, options) end,
        function() ebpf.load(support.fixture("collection_data"), options) end } do
        local ok, raised = pcall(load)
        assert.is_false(ok)
        assert.truthy(raised:find("^[^:]*collection_spec.lua:%d+: load: "), raised)
        assert.truthy(raised:find(message, 1, true), raised)
      end
    end
    for _, wrong in ipairs { 5, true, map } do
      assert.error_matches(function() ebpf.load(wrong) end, "path or collection spec expected")
    end
    assert.error_matches(function() ebpf.load(nil) end, "path or collection spec expected, got nil")
    assert.error_matches(function() ebpf.load { maps = 5 } end, "path or collection spec expected")
  end)

  it("refuses the byte order of another machine, and says so", function()
    local collection, message, code = ebpf.load(support.fixture("collection_maps", "bigendian"))
    assert.same({ nil, errno.ENOEXEC }, { collection, code })
    assert.truthy(message:find("^load: the object is big%-endian, this machine is little%-endian"), message)
  end)

  it("passes on what reading the file said", function()
    local collection, message, code = ebpf.load("/nonexistent.o")
    assert.same({ nil, errno.ENOENT }, { collection, code })
    assert.truthy(message:find('load spec "/nonexistent.o"', 1, true))
    assert.equal(errno.ENOEXEC, select(3, ebpf.load("/etc/passwd")))
  end)

  it("keeps the log of the verifier when asked to", function()
    assert.is_nil(load_data().programs.calls:verifier_log())
    local collection = load_data { log_level = 2, log_size = 4096 }
    assert.truthy(collection.programs.calls:verifier_log():find("processed %d+ insns"))
    assert.truthy(collection.programs.variables:verifier_log():find("(95) exit", 1, true))
  end)

  it("prints what is in it", function()
    local collection = load_data()
    local text = tostring(collection)
    assert.truthy(text:find('^collection\n  array ".bss" #%d+\n'), text)
    assert.truthy(text:find('\n  xdp "variables" #%d+$'), text)
    collection:close()
    assert.truthy(tostring(collection):find('\n  xdp "variables" %(closed%)$'))
  end)

  -- What is to come out for the objects of the specs: true, or words of the refusal. Others come and go.
  local outcomes = {
    bench = true, calls = true, legacy = true, link = true, perf_output = true, program_leaf = true,
    program_library = true, values = true, collection_data = true, collection_maps = true,
    program_basic = 'reference to "MY_CONSTANT" is not satisfied',
    program_caller = 'reference to "add_many" is not satisfied',
    object = 'this kernel lacks symbol "symbol"',
    collection_broken = "invalid mem access 'map_value_or_null'",
  }

  it("loads every object of the specs, or says what is wrong with it", function()
    local directory = support.bpffs()
    local path = (os.getenv("EBPF_BUILD") or "build") .. "/bpf"
    local seen = {}
    for file in lfs.dir(path) do
      local name, variant = file:match("^([^.]*)(.*)%.bpf%.o$")
      if name then
        local outcome = variant == ".bigendian" and "the object is big-endian" or outcomes[name]
        local collection, message, code = ebpf.load(path .. "/" .. file, { pin_path = directory })
        if collection then
          assert.is_true(outcome == true or outcome == nil, file)
          collection:close()
        elseif support.kernel_is("5.17") then -- whose programs of the specs need no later kernel
          assert.is_true(outcome ~= true, file .. ": " .. message)
          assert.truthy(message:find(outcome or "", 1, true), message)
          assert.equal("number", type(code))
        end
        clear_pins(directory)
        seen[name] = true
      end
    end
    for name in pairs(outcomes) do
      assert.is_true(seen[name], name)
    end
  end)
end)

describe("a collection that cannot be loaded", function()
  it("leaves nothing open, and tells the verifier's log", function()
    local before = open_files()
    local collection, message, code, log = ebpf.load(support.fixture("collection_broken"))
    local after = { maps = count("bpf-map"), programs = count("bpf-prog"), links = count("bpf_link") }
    assert.same(before, after) -- without any help of the collector
    assert.same({ nil, errno.EACCES }, { collection, code })
    assert.truthy(message:find('^load program "bad": permission denied %(EACCES%): '), message)
    assert.truthy(message:find("map_value_or_null", 1, true))
    assert.truthy(log:find("processed %d+ insns"), log)
  end)

  it("leaves nothing open when a wrong spec raises in the middle", function()
    for what, spoil in pairs {
      ["unknown map type"] = function(spec) spec.maps.table.type = "hahs" end,
      ["unknown map spec field"] = function(spec) spec.maps.table.size = 4 end,
      ["invalid character"] = function(spec) spec.programs.bad.name = "b-d" end,
      ["unknown program type"] = function(spec) spec.programs.bad.type = "xpd" end,
      ["unknown program spec field"] = function(spec) spec.programs.bad.kind = "xdp" end,
      ["integer expected"] = function(spec) spec.maps.table.contents = { { 1, 1 }, { 2, {} } } end,
    } do
      local spec = load_spec("broken")
      spoil(spec)
      local before = open_files()
      local ok, raised = pcall(spec.load, spec)
      assert.is_false(ok)
      assert.truthy(raised:find(what, 1, true), raised)
      local after = { maps = count("bpf-map"), programs = count("bpf-prog"), links = count("bpf_link") }
      assert.same(before, after, what)
    end
  end)

  it("leaves nothing open when initial elements do not fit", function()
    local before = open_files()
    local spec = load_spec("maps")
    spec.maps.outer.pinning, spec.maps.shared.pinning = "none", "none"
    spec.maps.outer.contents[3] = { 4, "first" } -- max_entries is 4
    local collection, message, code = spec:load()
    assert.same({ nil, errno.E2BIG }, { collection, code })
    assert.truthy(message:find('map "outer"', 1, true), message)
    spec.maps.outer.contents[3] = { 1, "nobody" }
    collection, message, code = spec:load()
    assert.same({ nil, errno.ENOENT }, { collection, code })
    assert.equal('map "outer": nothing is called "nobody"', message)
    local after = { maps = count("bpf-map"), programs = count("bpf-prog"), links = count("bpf_link") }
    assert.same(before, after)
  end)

  it("says so when an object lacks a license or has names the kernel does not take", function()
    local program = 'SEC("xdp") int p(void *ctx) { return 2; }\n'
    local license = 'char LICENSE[] SEC("license") = "GPL";\n'

    local unlicensed = compile(program)
    local collection, message, code = ebpf.load(unlicensed)
    assert.same({ nil, errno.EINVAL }, { collection, code })
    assert.truthy(message:find('^load program "p": the object has no license'), message)
    local spec = assert(ebpf.load_spec(unlicensed))
    spec.programs.p.license = "GPL"
    assert.equal(2, (assert(keep(spec:load()).programs.p:test(packet))))

    collection, message, code = ebpf.load(compile(program:gsub(" p%(", " p$q(") .. license))
    assert.same({ nil, errno.ENOEXEC }, { collection, code })
    assert.truthy(message:find("^load program \"p$q\": .*invalid character '%$'"), message)
    collection, message, code = ebpf.load(compile(
      'struct { __uint(type, 2); __uint(key_size, 4); __uint(value_size, 4); __uint(max_entries, 1); } a$b '
      .. 'SEC(".maps");'
      .. program .. license))
    assert.same({ nil, errno.ENOEXEC }, { collection, code })
    assert.truthy(message:find("^load map \"a$b\": .*invalid character '%$'"), message)
    collection, message, code = ebpf.load(compile(
      'struct { __uint(type, 12); __uint(key_size, 4); __uint(max_entries, 1); } no_inner SEC(".maps");'
      .. program .. license))
    assert.same({ nil, errno.ENOEXEC }, { collection, code })
    assert.truthy(message:find('^load map "no_inner": .*inner_map'), message)

    -- Sections have names of their own making.
    collection = keep(ebpf.load(compile('int v SEC(".data.with-dash") = 4; SEC("xdp") int p(void *ctx) { return v; }\n'
      .. license)))
    assert.equal(4, collection.maps[".data.with-dash"]:get(0))
    assert.equal(".data.with_dash", collection.maps[".data.with-dash"]:name())
  end)
end)

describe("a broken object file", function()
  it("puts no control characters from its names into messages", function()
    local damaged = { "count_acks", "tcp_congestion_ops", "struct_ops/halve", "struct_ops/undo", "name" }
    local path = support.tmpdir() .. "/names.o"
    local bytes = support.read_file(support.fixture "struct_ops")
    local refused = 0
    for _, name in ipairs(damaged) do
      local broken = bytes:gsub("%z" .. name .. "%z", "\0" .. name:sub(1, 2) .. "\27" .. name:sub(4) .. "\0")
      support.write_file(path, broken)
      local collection, message = ebpf.load(path)
      if collection then
        collection:close()
      else
        refused = refused + 1
        assert.is_nil(message:find("%c"), message)
      end
    end
    assert.is_true(refused >= 3)
  end)

  -- Each one in a few dozen of all ways to break it; the kernel is asked about what can be read.
  local EACH = 41

  for _, fixture in ipairs { "collection_data", "values", "struct_ops" } do
    it("is refused or loads, and never raises or leaves anything open: " .. fixture, function()
      local directory = support.tmpdir()
      local stripped, path = directory .. "/stripped.o", directory .. "/broken.o"
      support.check_run { "llvm-strip", "-g", "-o", stripped, support.fixture(fixture) }
      local bytes = support.read_file(stripped)
      local before, n, loaded = open_files(), 0, 0
      for _, sort in ipairs(malform.sorts) do
        malform.each(bytes, function(label, broken)
          n = n + 1
          if n % EACH == 0 then
            support.write_file(path, broken)
            local collection, message = ebpf.load(path)
            if collection then
              loaded = loaded + 1
              collection:close()
            else
              assert(type(message) == "string" and not message:find("%c"), label)
            end
          end
        end, { sort })
      end
      assert.is_true(n > 1000 and loaded > 0)
      assert.same(before, { maps = count("bpf-map"), programs = count("bpf-prog"), links = count("bpf_link") })
    end)
  end
end)

describe("global variables", function()
  it("are what the source says, for the programs and for us", function()
    local collection = load_data()
    assert.equal(77 + 88, (assert(collection.programs.variables:test(packet))))
    assert.equal(77 + 88, (assert(collection.programs.variables:test(packet))))
    local bss, own = collection.maps[".bss"]:get_bytes(0), collection.maps[".data.own"]
    assert.equal(2 * (1000 + 234), read_u32(bss, 0))
    assert.equal(2, read_u32(bss, 8))
    assert.equal(5 + 2 * 99, own:get(0))
    assert.equal(99, collection.maps[".rodata.own"]:get(0))
    assert.equal(("text"):byte(1) + ("text"):byte(2) + ("text"):byte(3) + ("text"):byte(4),
      (assert(collection.programs.add_letters:test(packet))))
  end)

  it("are written from here, and read by the programs", function()
    local collection = load_data()
    local data, bss = collection.maps[".data"], collection.maps[".bss"]
    assert(data:put(0, u32(7) .. u32(1)))
    assert(bss:put(0, ("\0"):rep(bss:abi().value_size)))
    assert(collection.programs.variables:test(packet))
    assert.equal(8, read_u32(bss:get_bytes(0), 0))
  end)

  it("are set before loading", function()
    local spec = support.drop_newer(load_spec("data"), { callbacks = "5.17" })
    spec.maps[".data"].contents = { { 0, u32(3) .. u32(4) } }
    spec.maps[".bss"].contents = { { 0, u32(100) .. ("\0"):rep(spec.maps[".bss"].value_size - 4) } }
    local collection = keep(spec:load())
    assert(collection.programs.variables:test(packet))
    assert.equal(107, read_u32(collection.maps[".bss"]:get_bytes(0), 0))
  end)

  it("that are constant are frozen before the verifier sees the program", function()
    local collection = load_data()
    for _, name in ipairs { ".rodata", ".rodata.own" } do
      local constants = collection.maps[name]
      local ok, message, code = constants:put(0, constants:get_bytes(0))
      assert.same({ nil, errno.EPERM }, { ok, code }, message)
      assert.equal(128, constants:abi().flags % 256 - constants:abi().flags % 128) -- BPF_F_RDONLY_PROG
    end
    assert.equal(2, (assert(collection.programs.pruned:test(packet))))

    -- With the other value the code that the verifier does not like is no longer dead.
    local spec = support.drop_newer(load_spec("data"), { callbacks = "5.17" })
    local rodata = spec.maps[".rodata"]
    local offset = next(offsets(spec.programs.pruned, ".rodata"))
    local bytes = rodata.contents[1][2]
    assert.equal(1, read_u32(bytes, offset))
    rodata.contents = { { 0, bytes:sub(1, offset) .. u32(0) .. bytes:sub(offset + 5) } }
    local none, message = spec:load()
    assert.is_nil(none)
    assert.truthy(message:find('^load program "pruned": .*R9'), message)
    -- And without freezing nothing is known at all.
    rodata.contents, rodata.freeze = { { 0, bytes } }, nil
    assert.is_nil((spec:load()))
  end)
end)

describe("functions", function()
  it("are called within a section, across sections and in .text", function()
    local programs = load_data().programs
    assert.equal(129, (assert(programs.called_program:test(packet)))) -- 64 * 2 + 1
    assert.equal(21 + 20 + 129, (assert(programs.calls:test(packet))))
  end)

  it("are called back by the kernel", function()
    support.needs("5.17", "bpf_loop")
    local collection = load_data()
    for i, value in ipairs { 1, 2, 3, 4 } do
      assert(collection.maps.elements:put(i - 1, value))
    end
    -- Ten in all; four elements, and rounds 0, 1, 2 doubled.
    assert.equal(10 * 100 + 4 + 6, (assert(collection.programs.callbacks:test(packet))))
  end)

  it("that the object does not define are supplied", function()
    local function programs(name)
      return assert(ebpf.load_spec(support.fixture("program_" .. name))).programs
    end
    local caller = assert(ebpf.load_spec(support.fixture("program_caller")))
    local none, message, code = caller:load()
    assert.same({ nil, errno.ENOENT }, { none, code })
    assert.truthy(message:find('^load program "call_many": reference to "add_many" is not satisfied'), message)
    local leaf = programs("leaf").add_one.instructions
    assert(caller.programs.call_one.instructions:link(leaf))
    assert(caller.programs.call_many.instructions:link(programs("library").add_many.instructions, leaf))
    local collection = keep(caller:load())
    assert.equal(42, (assert(collection.programs.call_one:test(packet))))
    assert.equal(82, (assert(collection.programs.call_many:test(packet))))
  end)

  it("load the constants they are given, all 64 bits", function()
    local spec = load_basic()
    assert(spec.programs.store_constant.instructions:rewrite_constant("MY_CONSTANT", "18446744073709551615"))
    local collection = keep(spec:load())
    assert(collection.programs.store_constant:test(packet))
    assert.equal(("\255"):rep(8), collection.maps.counters:get_bytes(1))
  end)

  it("that load only when asked for are asked for by a program array", function()
    local collection = keep(ebpf.load(compile([[
      SEC("?tc") int optional(struct __sk_buff *skb) { return 55; }
      struct {
        __uint(type, BPF_MAP_TYPE_PROG_ARRAY); __uint(key_size, 4); __uint(max_entries, 3);
        __array(values, int(void *));
      } tails SEC(".maps") = { .values = { [1] = (void *)&optional } };
      SEC("tc") int jump(struct __sk_buff *skb) { bpf_tail_call(skb, &tails, 1); return 1; }
      char LICENSE[] SEC("license") = "GPL";]])))
    assert.equal(55, (assert(collection.programs.jump:test(packet))))
    assert.equal("optional", collection.programs.optional:name())
  end)

  it("that call each other through a program array do so, the skipped slots aside", function()
    local collection = keep(ebpf.load(support.fixture("collection_maps"), { programs = { "jump" } }))
    local jump = collection.programs.jump
    assert.equal(100, (assert(jump:test(packet))))
    assert.equal(1, (assert(jump:test(packet .. "1"))))
    assert.equal(300, (assert(jump:test(packet .. "12"))))
    assert.equal(1, (assert(jump:test(packet .. "123"))))
    local third = keep(collection.maps.tails:get(2))
    assert.equal(collection.programs.tail_third:info().id, third:info().id)
    assert.is_nil(collection.maps.tails:get(1))
  end)
end)
