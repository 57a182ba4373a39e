-- Types of the object in the kernel: what functions, locks and timers need, and what people see.
local core = require "ebpf.core"
local ebpf = require "ebpf"
local spec = require "ebpf.spec"
local support = require "spec.support"

local EBADF, ENOEXEC = core.errno.EBADF, core.errno.ENOEXEC
local packet = ("\0"):rep(64)

local function bytes_of(variant)
  return support.read_file(support.fixture("btf_load", variant))
end

local function word(n)
  return string.char(n % 256, math.floor(n / 256) % 256, math.floor(n / 65536) % 256, math.floor(n / 2 ^ 24) % 256)
end

local function read_word(bytes, at)
  local a, b, c, d = bytes:byte(at + 1, at + 4)
  return a + b * 256 + c * 65536 + d * 2 ^ 24
end

-- Runs of the program, as the signed integer it returned.
local function returns(program)
  return (assert(program:test(packet)))
end

-- What of the fixture needs a newer kernel than the oldest that has BTF of everything else.
local since = { by_task = "5.11", bloom = "5.16", for_each = "5.13", start_timer = "5.15", loop = "5.17" }

local function loaded(object, options)
  object = support.drop_newer(object or assert(spec.load(support.fixture("btf_load"))), since)
  return support.closing(assert(object:load(options)))
end

-- What bpftool prints; it does not end with the sanitizer that this process may have to preload.
local function dumped(what, handle)
  return (support.check_run(("env -u LD_PRELOAD bpftool %s id %d 2>&1"):format(what, assert(handle:info()).id)))
end

local function open_btf()
  local n = 0
  for _, target in pairs(support.fds()) do
    n = n + (target == "anon_inode:btf" and 1 or 0)
  end
  return n
end

describe("a program loaded with its BTF", function()
  it("is called back, by loops and by maps", function()
    support.needs("5.17", "bpf_loop")
    local c = loaded()
    assert.equal(45, returns(c.programs.loop))
    assert.equal(0, returns(c.programs.for_each))
    for i = 1, 3 do
      assert(c.maps.guarded:put(string.char(i, 0, 10, 0), ("\0"):rep(16)))
    end
    assert.equal(36, returns(c.programs.for_each))
  end)

  it("is called back when a timer fires", function()
    support.needs("5.15", "bpf_timer")
    local c = loaded()
    assert.equal(0, returns(c.programs.start_timer))
    support.wait_until(function()
      return c.maps.timers:get_bytes(0):sub(17) == word(1) .. word(0)
    end)
  end)

  it("has its global functions verified by their types, and its hidden ones with their callers", function()
    assert.equal(25, returns(loaded().programs.functions))
  end)

  it("shows its source to bpftool, and has its BTF's id in info()", function()
    local c = loaded()
    assert.is_true(c.programs.functions:info().btf_id > 0)
    assert.equal(c.programs.functions:info().btf_id, c.programs.lock:info().btf_id)
    assert.equal(c.programs.functions:info().btf_id, c.maps.guarded:info().btf_id)
    local text = dumped("prog dump xlated", c.programs.functions)
    assert.truthy(text:find("int functions(struct xdp_md * ctx):", 1, true), text)
    assert.truthy(text:find("; return x * 2;", 1, true), text)
    support.needs("5.17", "bpf_loop")
    text = dumped("prog dump xlated", c.programs.loop)
    assert.truthy(text:find("int loop(struct xdp_md * ctx):", 1, true), text)
    assert.truthy(text:find("; bpf_loop(10, add, &sum, 0);", 1, true), text)
    assert.truthy(text:find("; *(int *)sum += index;", 1, true), text)
  end)

  it("has its source in the verifier's log", function()
    local c, message, errno, log = spec.load(support.fixture("btf_load")):load { programs = { "refused" } }
    assert.is_nil(c)
    assert.equal(core.errno.EACCES, errno)
    assert.truthy(message:find("map_value_or_null", 1, true), message)
    assert.truthy(log:find("; return value->count;", 1, true), log)
  end)

  it("can be loaded alone", function()
    support.needs("5.17", "bpf_loop")
    local object = assert(spec.load(support.fixture("btf_load")))
    local p = assert(ebpf.new_program(object.programs.loop))
    assert.equal(45, returns(p))
    assert.is_true(p:info().btf_id > 0)
    p:close()
    local copy = object.programs.loop:copy()
    object = nil -- luacheck: ignore
    collectgarbage()
    p = assert(ebpf.new_program(copy))
    assert.equal(45, returns(p))
    assert.truthy(dumped("prog dump xlated", p):find("; bpf_loop", 1, true))
    p:close()
    assert.equal(0, open_btf())
  end)

  it("needs none when it was compiled without", function()
    local c = support.closing(assert(ebpf.load(support.fixture("calls", "nodebug"))))
    for _, p in pairs(c.programs) do
      assert.equal(0, p:info().btf_id)
    end
    for _, m in pairs(c.maps) do
      assert.equal(0, m:info().btf_id)
    end
  end)

  it("goes without when it is joined with functions of another object", function()
    local program = assert(spec.load(support.fixture("program_caller"))).programs.call_one
    local leaf = assert(spec.load(support.fixture("program_leaf"))).programs.add_one
    assert(program.instructions:link(leaf.instructions))
    local p = assert(ebpf.new_program(program))
    assert.equal(0, p:info().btf_id)
    assert.equal(42, returns(p))
    p:close()
  end)

  it("leaves no BTF open, loaded or not", function()
    local before = open_btf()
    local c = loaded()
    assert.equal(before, open_btf())
    c:close()
    local object = assert(spec.load(support.fixture("btf_load")))
    assert.is_nil((object:load { programs = { "refused" } }))
    assert.equal(before, open_btf())
    object.programs.lock.name = "wrong name"
    assert.is_false((pcall(object.load, support.drop_newer(object, since))))
    assert.equal(before, open_btf())
    assert(ebpf.new_map(object.maps.guarded)):close()
    assert.is_false((pcall(ebpf.new_program, object.programs.lock)))
    assert.equal(before, open_btf())
  end)
end)

describe("a map loaded with its BTF", function()
  it("is printed by bpftool with the names of its fields", function()
    local m = loaded().maps.guarded
    assert(m:put("\1\0\2\0", word(0) .. word(77) .. "\3\0\4\0" .. word(0)))
    local text = dumped("map dump", m):gsub("%s", "")
    assert.equal('[{"key":{"x":1,"y":2},"value":{"lock":{"val":0},"count":77,"position":{"x":3,"y":4},"padding":0}}]',
      text)
  end)

  it("names global variables, and where they are", function()
    local c = loaded()
    assert.equal('[{"value":{".data":[{"first":1},{"last":3},{"hidden_from_others":2}]}}]',
      (dumped("map dump", c.maps[".data"]):gsub("%s", "")))
    assert.equal('[{"value":{".rodata":[{"origin":{"x":4,"y":5}}]}}]',
      (dumped("map dump", c.maps[".rodata"]):gsub("%s", "")))
    assert.truthy(dumped("map dump", c.maps[".bss"]):find('"calls": 0', 1, true))
  end)

  it("has the lock of its values taken", function()
    local c = loaded()
    local m = c.maps.guarded
    local key, value = "\1\0\2\0", word(0) .. word(5) .. ("\0"):rep(8)
    assert(m:put(key, value, "lock"))
    assert.equal(5, returns(c.programs.lock))
    assert.equal(6, returns(c.programs.lock))
    assert.same({ count = 7, position = { x = 0, y = 0 }, padding = 0 }, m:get(key, "lock"))
    assert(m:put(key, { count = 50 }, "lock"))
    assert.equal(50, returns(c.programs.lock))
    -- Without BTF the kernel knows of no lock.
    local plain = assert(ebpf.new_map { type = "hash", key_size = 4, value_size = 16, max_entries = 1 })
    support.closing(plain)
    local ok, _, errno = plain:put(key, value, "lock")
    assert.is_nil(ok)
    assert.equal(core.errno.EINVAL, errno)
  end)

  it("keeps storages of sockets and tasks by its own types", function()
    local c = loaded()
    for _, name in ipairs { "by_socket", c.maps.by_task and "by_task" } do
      local info = c.maps[name]:info()
      assert.equal(c.maps.guarded:info().btf_id, info.btf_id)
      assert.equal(c.maps.guarded:info().btf_key_type_id ~= 0, info.btf_key_type_id ~= 0)
    end
  end)

  it("is told of the BTF where its type takes it", function()
    local c = loaded()
    local with = { guarded = true, timers = true, by_socket = true, by_task = true, bloom = true, inner = true,
      [".data"] = true, [".bss"] = true, [".rodata"] = true }
    for name, m in pairs(c.maps) do
      assert.equal(with[name] or false, m:info().btf_value_type_id ~= 0, name)
    end
    local _, inner = next(c.maps.outer:get(0) and { c.maps.outer:get(0) } or {})
    assert.equal(c.maps.inner:info().id, inner:info().id)
    inner:close()
  end)

  it("does without types that no longer fit the spec", function()
    local object = assert(spec.load(support.fixture("btf_load")))
    object.maps.inner.value_size, object.maps.inner.value = 32, nil
    local m = assert(ebpf.new_map(object.maps.inner))
    assert.same({ 0, 32 }, { m:info().btf_value_type_id, m:info().value_size })
    m:close()
    for _, id in ipairs { 2 ^ 31, 2 ^ 32 - 1, 100000 } do
      object = assert(spec.load(support.fixture("btf_load")))
      object.maps.inner.btf.value_type_id = id
      m = assert(ebpf.new_map(object.maps.inner))
      assert.equal(0, m:info().btf_value_type_id)
      m:close()
    end
  end)

  it("has a spec that is copied and printed as before, and shares the types", function()
    local object = assert(spec.load(support.fixture("btf_load")))
    local map = object.maps.guarded
    assert.equal('hash "guarded" (key_size=4, value_size=16, max_entries=8, flags=0)', tostring(map))
    assert.equal(object.types, map.btf.types)
    assert.equal(map.btf.types, map:copy().btf.types)
    assert.is_not.equal(map.btf, map:copy().btf)
    assert.equal("position", object.types:type(map.btf.key_type_id).name)
    assert.equal(".data", object.types:type(object.maps[".data"].btf.value_type_id).name)
  end)

  it("says what is wrong with its types", function()
    local object = assert(spec.load(support.fixture("btf_load")))
    local map = object.maps.guarded
    for _, wrong in ipairs { 1, "x", { types = 1 }, { types = io.stdout }, {} } do
      map.btf = wrong
      assert.has_error(function() ebpf.new_map(map) end)
    end
    map = object.maps.inner
    map.btf.types:close()
    local m, message, errno = ebpf.new_map(map)
    assert.is_nil(m)
    assert.equal('create map "inner": the types of the spec are closed', message)
    assert.equal(EBADF, errno)
  end)
end)

-- The object with one of its types, found by kind and name, changed so that this kernel refuses it as an older kernel
-- does what it does not know.
local function with_refused(kind, name, change)
  local bytes = bytes_of()
  local btf = assert(bytes:find("\159\235\1\0\24\0\0\0", 1, true)) - 1
  local at = btf + 24 + read_word(bytes, btf + 8)
  local strings = btf + 24 + read_word(bytes, btf + 16)
  local last, words = at + read_word(bytes, btf + 12), { [1] = 1, [3] = 3, [14] = 1, [17] = 1 }
  local each = { [4] = 3, [5] = 3, [6] = 2, [13] = 2, [15] = 3, [19] = 3 }
  while at < last do
    local info = read_word(bytes, at + 4)
    local this = math.floor(info / 2 ^ 24) % 32
    local called = bytes:match("^%Z*", strings + read_word(bytes, at) + 1)
    if this == kind and (not name or name == called) then
      local offset, value = change(at)
      return bytes:sub(1, offset) .. word(value) .. bytes:sub(offset + 5)
    end
    at = at + 12 + 4 * ((words[this] or 0) + (each[this] or 0) * (info % 65536))
  end
  error("no such type")
end

describe("a kernel that refuses BTF", function()
  local cases = {
    ["type tags"] = { with_refused(18, nil, function(at) return at, 0 end), true, true }, -- no name
    ["decl tags"] = { with_refused(17, "a tag", function(at) return at + 12, 99 end), true, true }, -- no such component
    floats = { with_refused(16, "float", function(at) return at + 8, 3 end), true, true }, -- 3 bytes
    ["linkage of functions"] = { with_refused(12, "by_type", function(at) return at + 4, 12 * 2 ^ 24 + 3 end), true,
      true },
    variables = { with_refused(14, "last", function(at) return at + 12, 7 end), true, false }, -- an unknown linkage
    -- An integer that is signed, a character and a boolean, which no other words are for.
    ["all of it"] = { with_refused(1, "int", function(at) return at + 12, 7 * 2 ^ 24 + 32 end), false, false },
  }
  for what, case in pairs(cases) do
    it("gets it in other words: " .. what, function()
      local object = assert(spec.parse(case[1]))
      support.drop_newer(object, since)
      if not case[2] then -- locks and timers cannot do without
        local m = assert(ebpf.new_map(object.maps.inner))
        assert.equal(0, m:info().btf_id)
        m:close()
        support.needs("5.17", "bpf_loop")
        object.programs = { loop = object.programs.loop }
        object.maps = {}
      end
      local c = loaded(object)
      if c.programs.loop then
        assert.equal(45, returns(c.programs.loop))
      end
      if case[2] then
        assert.equal(25, returns(c.programs.functions))
        assert.truthy(dumped("prog dump xlated", c.programs.functions):find("; return x * 2;", 1, true))
        assert.truthy(dumped("map dump", c.maps.timers):find('"fired": 0', 1, true))
        assert.equal(case[3], c.maps[".data"]:info().btf_value_type_id ~= 0)
      end
    end)
  end

  it("is given names that it takes", function()
    local bytes = bytes_of():gsub("%zposition%z", "\0pos::t<>\0")
    bytes = bytes:gsub("%zlast%z", "\0l.s+\0"):gsub("%zorigin%z", "\0origi\233\0")
    local c = loaded(assert(spec.parse(bytes)), { programs = { "lock" } })
    assert.is_true(c.maps.guarded:info().btf_id > 0)
    c = loaded(assert(spec.parse((bytes_of():gsub("%zlocked%z", "\0lo cke\0")))))
    assert.truthy(dumped("map dump", c.maps.guarded):find("[]", 1, true))
  end)
end)

describe("the section .BTF.ext", function()
  it("is read in the other byte order", function()
    local big = assert(spec.load(support.fixture("btf_load", "bigendian")))
    assert.equal("big", big.byte_order)
    assert.equal("position", big.types:type(big.maps.guarded.btf.key_type_id).name)
    assert.equal(#assert(spec.load(support.fixture("btf_load"))).types, #big.types)
  end)

  it("is malformed where it says so", function()
    local bytes = bytes_of()
    local at = assert(bytes:find("\159\235\1\0\32\0\0\0", 1, true)) - 1
    local funcs = at + 32 + read_word(bytes, at + 8)
    local cases = {
      ["the magic number is 0x0000"] = { at, word(0) },
      ["version 2 is not supported"] = { at, "\159\235\2\0" },
      ["a header of 16 bytes in"] = { at + 4, word(16) },
      ["a header of 4294967295 bytes in"] = { at + 4, word(2 ^ 32 - 1) },
      ["func_info: 4294967292 bytes at 0 of"] = { at + 12, word(2 ^ 32 - 4) },
      ["line_info: "] = { at + 16, word(2 ^ 31) },
      ["func_info: records of 4 bytes"] = { funcs, word(4) },
      ["func_info: records of 4294967293 bytes"] = { funcs, word(2 ^ 32 - 3) },
      ["func_info: a section has no name"] = { funcs + 4, word(0) },
      ["has no records"] = { funcs + 8, word(0) },
      ["are cut off"] = { funcs + 8, word(2 ^ 32 - 1) },
      ["its BTF type 1 is no function"] = { funcs + 16, word(1) },
    }
    for message, change in pairs(cases) do
      local object, why, errno = spec.parse(bytes:sub(1, change[1]) .. change[2] .. bytes:sub(change[1] + 5))
      assert.is_nil(object, message)
      assert.truthy(why:find(message, 1, true), message .. " not in " .. why)
      assert.equal(ENOEXEC, errno)
    end
  end)
end)
