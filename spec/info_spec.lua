-- What the kernel tells of maps, programs and links: the fields that bpftool prints, by its names, and their values.
local ebpf = require "ebpf"
local insn = require "spec.support.insn"
local json = require "dkjson"
local support = require "spec.support"

local errno = ebpf.errno

-- A 64-bit value is cdata on LuaJIT.
local function plain(value)
  return type(value) == "cdata" and tonumber(value) or value
end

-- What bpftool says of an object: a table. Its own process is not looked at with the preloads of this one.
local function shown(kind, id)
  local text = support.check_run(("env -u LD_PRELOAD bpftool -j %s show id %d"):format(kind, id))
  local object, _, message = json.decode(text)
  return assert(object, message)
end

-- Fields whose values differ in kind: ours says as a boolean what bpftool says as 0 or 1.
local booleans = { frozen = true }
local near = { loaded_at = true } -- each program reads the clocks by itself
local not_the_kernels = { pids = true, pinned = true }

local function assert_covers(theirs, ours)
  for field, value in pairs(theirs) do
    local mine = plain(ours[field])
    if booleans[field] then
      mine = mine and 1 or 0
    end
    if near[field] then
      assert.is_true(math.abs(value - mine) <= 1, field)
    elseif not not_the_kernels[field] then
      assert.same(value, mine, field)
    end
  end
end

local function new_map(spec)
  return support.closing(assert(ebpf.new_map(spec)))
end

describe("information about a map", function()
  it("has every field that bpftool prints", function()
    for _, spec in ipairs {
      { type = "hash", name = "plain", key_size = 4, value_size = 16, max_entries = 7, flags = 1 },
      { type = "array", name = "numbers", key_size = 4, value_size = 8, max_entries = 3 },
      { type = "prog_array", name = "jumps", key_size = 4, value_size = 4, max_entries = 3 },
      { type = "lru_percpu_hash", key_size = 4, value_size = 8, max_entries = 8 },
      { type = "ringbuf", name = "samples", max_entries = 4096 },
    } do
      local m = new_map(spec)
      local info = assert(m:info())
      assert_covers(shown("map", info.id), info)
      assert.equal(spec.key_size or 0, info.bytes_key)
      assert.equal(info.bytes_key, info.key_size)
      assert.equal(info.bytes_value, info.value_size)
      assert.equal("number", type(info.bytes_memlock))
      assert.is_false(info.frozen)
    end
  end)

  it("tells who owns a program array, and what is frozen", function()
    local c = support.closing(assert(ebpf.load(support.fixture("collection_maps"), { pin_path = support.bpffs() })))
    local seen, owned
    for _, m in pairs(c.maps) do
      local info = assert(m:info())
      assert_covers(shown("map", info.id), info)
      seen = seen or info.btf_id > 0
      owned = owned or info.owner_prog_type
      assert.equal(info.owner_prog_type ~= nil, info.owner_jited ~= nil)
      m:unpin()
    end
    assert.is_true(seen)
    assert.equal("string", type(owned))
    local m = new_map { type = "array", name = "ice", key_size = 4, value_size = 8, max_entries = 1 }
    assert.is_true(m:freeze())
    assert.is_true(m:info().frozen)
    local hash = m:info().hash -- Linux 6.18
    assert.truthy(hash == nil or hash:find("^%x+$") and #hash == 64)
  end)
end)

describe("information about a program", function()
  it("has every field that bpftool prints", function()
    local c = support.closing(assert(ebpf.load(support.fixture("calls"))))
    local count = 0
    for _, p in pairs(c.programs) do
      local info = assert(p:info())
      assert_covers(shown("prog", info.id), info)
      assert.equal(info.bytes_xlated, info.xlated_prog_len)
      assert.equal(info.bytes_jited, info.jited_prog_len)
      assert.equal(info.uid, info.created_by_uid)
      assert.equal(info.nr_func_info, info.nr_jited_ksyms)
      assert.is_true(info.nr_line_info > 0 and info.bytes_memlock > 0)
      assert.is_true(info.verified_insns and info.verified_insns > 0 or not support.kernel_is("5.16"))
      count = count + 1
    end
    assert.is_true(count > 0)
  end)

  it("has the whole name, where the program's BTF tells", function()
    local c = support.closing(assert(ebpf.load(support.fixture("targets"), { programs = { "calls_replaceable" } })))
    local id = c.programs.calls_replaceable:info().id
    local info = assert(support.closing(assert(ebpf.program_from_id(id))):info())
    assert.equal("calls_replaceable", info.name)
    assert_covers(shown("prog", id), info)
  end)

  it("counts no runs by itself", function()
    local p = support.closing(assert(ebpf.new_program { type = "xdp", license = "GPL",
      instructions = insn.returning(2) }))
    local stats = p:stats()
    assert.same({ 0, 0, 0 }, { plain(stats.run_cnt), plain(stats.run_time_ns),
      plain(stats.recursion_misses) or 0 }) -- Linux 5.12
  end)
end)

describe("the code of a loaded program", function()
  local c

  setup(function()
    c = support.closing(assert(ebpf.load(support.fixture("calls"))))
  end)

  it("is given as instructions, with functions and their names", function()
    for name, p in pairs(c.programs) do
      local info = assert(p:info())
      local code = assert(p:instructions())
      assert.equal(info.bytes_xlated, #code:bytes())
      local symbols, count = code:symbols(), 0
      for _ in pairs(symbols) do
        count = count + 1
      end
      assert.equal(info.nr_func_info, count)
      assert.equal(1, symbols[name])
      local path = support.tmpdir() .. "/xlated"
      support.check_run(("env -u LD_PRELOAD bpftool prog dump xlated id %d file %s"):format(info.id, path))
      -- The same, save that calls of functions are as in a program to load, not as the kernel has them.
      local theirs, mine, calls = support.read_file(path), code:bytes(), 0
      for at = 1, #theirs, 8 do
        if theirs:sub(at, at + 1) == string.char(0x85, 0x10) then
          calls = calls + 1
        else
          assert.equal(theirs:sub(at, at + 7), mine:sub(at, at + 7))
        end
      end
      assert.equal(#theirs, #mine)
      local named = 0
      for _, reference in ipairs(code:references()) do
        if reference.kind == "call" then
          named = named + 1
          local call = code[reference.index]
          assert.equal(symbols[reference.name], reference.index + 1 + call.imm)
          assert.equal(0, call.off)
        end
      end
      assert.equal(calls, named)
      assert.equal(mine, assert(ebpf.asm.parse(tostring(code))):bytes())
    end
  end)

  it("knows the lines of source", function()
    for _, p in pairs(c.programs) do
      local info = assert(p:info())
      local lines = assert(p:lines())
      assert.equal(info.nr_line_info, #lines)
      local last = 0
      for _, line in ipairs(lines) do
        assert.truthy(line.file:find("calls%.bpf%.c$"), line.file)
        assert.is_true(line.line > 0 and line.column >= 0 and line.index > last)
        last = line.index
        local text = support.read_file("spec/bpf/calls.bpf.c")
        assert.truthy(text:find(line.source, 1, true), line.source)
      end
      assert.is_true(last <= #assert(p:instructions()))
    end
  end)

  it("is machine code, function by function", function()
    for name, p in pairs(c.programs) do
      local info = assert(p:info())
      local functions = assert(p:jited())
      assert.equal(info.nr_jited_ksyms, #functions)
      assert.equal(name, functions[1].name)
      local size, seen = 0, {}
      for _, f in ipairs(functions) do
        size = size + #f.bytes
        assert.is_true(#f.bytes > 0 and plain(f.address) ~= 0 and not seen[f.name])
        seen[f.name] = true
      end
      assert.equal(info.bytes_jited, size)
    end
  end)

  it("names the functions of the kernel it calls", function()
    local p = support.closing(assert(ebpf.new_program { type = "xdp", license = "GPL",
      instructions = insn.slot(0x85, 0, 0, 0, 5) .. insn.returning(2) })) -- bpf_ktime_get_ns
    local code = assert(p:instructions())
    local references = code:references()
    assert.equal(code:bytes(), assert(ebpf.asm.parse(tostring(code))):bytes())
    local base = support.read_file("/proc/kallsyms"):match("(%x+) %a __bpf_call_base\n")
    if base and not base:find("^0+$") then
      assert.same({ "kernel", "bpf_ktime_get_ns", true, 1 },
        { references[1].kind, references[1].name, references[1].resolved, references[1].index })
    else
      assert.same({}, references)
    end
  end)

  it("needs no line info and no BTF", function()
    local p = support.closing(assert(ebpf.new_program { type = "xdp", name = "bare", license = "GPL",
      instructions = insn.returning(2) }))
    assert.equal(insn.returning(2), assert(p:instructions()):bytes())
    assert.same({ bare = 1 }, p:instructions():symbols())
    assert.same({}, assert(p:lines()))
    assert.equal("bare", assert(p:jited())[1].name)
  end)

  it("is withheld from who lacks the capabilities", function()
    local path = support.bpffs() .. "/program"
    local p = support.closing(assert(ebpf.new_program { type = "xdp", name = "hidden", license = "GPL",
      instructions = insn.returning(2) }))
    assert(p:pin(path))
    support.check_run { "chmod", "666", path }
    local script = ([[
      local ebpf = require "ebpf"
      local p = assert(ebpf.load_pinned_program %q)
      for _, method in ipairs { "instructions", "jited" } do
        local result, message, code = p[method](p)
        assert(result == nil and code == ebpf.errno.EPERM and message:find("CAP_BPF", 1, true), message)
      end
      assert(#p:lines() == 0)
      assert(p:info().name == "hidden" and p:info().bytes_xlated == 0)
      print "well"
    ]]):format(path)
    local output, status = support.run_lua(script, support.unprivileged)
    assert(p:unpin())
    -- Before, who lacks CAP_BPF may not even open a pin where unprivileged BPF is off.
    if not support.kernel_is("5.19") and status ~= 0 then
      support.needs("5.19", "opening pins without CAP_BPF", output:match("[^\n]*"))
    end
    assert.same({ "well\n", 0 }, { output, status })
  end)
end)

describe("an id that is nobody's", function()
  it("is told from one that may not be opened", function()
    for _, open in ipairs { ebpf.map_from_id, ebpf.program_from_id, ebpf.link_from_id, ebpf.btf.from_id } do
      local object, message, code = open(0x7fffffff)
      assert.is_nil(object)
      assert.equal(errno.ENOENT, code)
      assert.truthy(message:find("id 2147483647", 1, true), message)
    end
    local output = support.run_lua([[
      local ebpf = require "ebpf"
      for _, open in ipairs { ebpf.map_from_id, ebpf.program_from_id, ebpf.link_from_id, ebpf.btf.from_id } do
        local object, message, code = open(1)
        assert(object == nil and code == ebpf.errno.EPERM and message:find("CAP_SYS_ADMIN", 1, true), message)
      end
      print "well"
    ]], support.unprivileged)
    assert.equal("well\n", output)
  end)
end)
