-- What holds a map: pins, ids, clones, abis; and what a closed one answers.
local ebpf = require "ebpf"
local core = require "ebpf.core"
local support = require "spec.support"

local errno = ebpf.errno
local closing = support.closing

-- 64-bit integers are cdata on LuaJIT.
local number = tonumber
local unpack = rawget(table, "unpack") or rawget(_G, "unpack")

local inner = { type = "array", key_size = 4, value_size = 8, max_entries = 1 }

local function new(fields)
  local spec = { name = "events", type = "hash", key_size = 4, value_size = 8, max_entries = 16 }
  for field, value in pairs(fields or {}) do
    spec[field] = value
  end
  return closing(assert(ebpf.new_map(spec)))
end

local function refused(message, code, ...)
  assert.equal(3, select("#", ...))
  local result, actual, actual_code = ...
  assert.is_nil(result)
  assert.equal(message, actual)
  assert.equal(code, actual_code)
end

local function raises(words, ...)
  local ok, message = pcall(...)
  assert.is_false(ok)
  assert.truthy(tostring(message):find(words, 1, true), message)
end

describe("a pin", function()
  local directory, map

  setup(function()
    directory = support.bpffs()
  end)

  before_each(function()
    map = new()
  end)

  it("keeps a map that nobody has open", function()
    local path = directory .. "/kept"
    assert.is_false(map:is_pinned())
    assert.is_true(map:pin(path))
    assert.is_true(map:is_pinned())
    assert.is_true(support.exists(path))
    map:put(1, 5)
    map:close()

    local again = closing(assert(ebpf.load_pinned_map(path)))
    assert.equal("events", again:name())
    assert.is_true(again:is_pinned())
    assert.equal(5, number(again:get(1)))
    assert.same({ type = "hash", key_size = 4, value_size = 8, max_entries = 16, flags = 0 }, again:abi())
    assert.is_true(again:unpin())
    assert.is_false(again:is_pinned())
    assert.is_false(support.exists(path))
    assert.is_true(again:unpin())
    refused(('open pinned map "%s": "%s": no such file or directory (ENOENT)'):format(path, path), errno.ENOENT,
      ebpf.load_pinned_map(path))
  end)

  it("moves with the map, and never takes another's place", function()
    local first, second = directory .. "/first", directory .. "/second"
    assert.is_true(map:pin(first))
    assert.is_true(map:pin(first))
    assert.is_true(map:pin(second))
    assert.is_false(support.exists(first))
    assert.is_true(support.exists(second))
    local other = new()
    refused(('pin map "events": "%s": file exists (EEXIST)'):format(second), errno.EEXIST, other:pin(second))
    assert.is_false(other:is_pinned())
    map:unpin()
  end)

  it("has its place in a BPF file system", function()
    local path = support.tmpdir() .. "/pin"
    local result, message, code = map:pin(path)
    assert.is_nil(result)
    assert.equal(errno.EINVAL, code)
    assert.truthy(message:find("is not on a bpf filesystem", 1, true))
    assert.is_nil((map:pin("/nonexistent/pin")))
    assert.is_nil((map:pin(directory .. "/with.dot")))
    assert.is_false(map:is_pinned())
    raises("empty path", map.pin, map, "")
    raises("path contains a NUL byte", map.pin, map, directory .. "/a\0b")
    raises("string expected", map.pin, map)
  end)

  it("is opened for what is said", function()
    local path = directory .. "/rights"
    map:pin(path)
    map:put(1, 5)
    local reading = closing(assert(ebpf.load_pinned_map(path, { read_only = true })))
    assert.equal(5, number(reading:get(1)))
    refused('put into map "events": operation not permitted (EPERM): the map is frozen or was opened read-only',
      errno.EPERM, reading:put(1, 6))
    refused('delete from map "events": operation not permitted (EPERM): the map is frozen or was opened read-only',
      errno.EPERM, reading:delete(1))
    local writing = closing(assert(ebpf.load_pinned_map(path, { write_only = true })))
    assert.is_true(writing:put(1, 7))
    refused('get from map "events": operation not permitted (EPERM): the map was opened write-only',
      errno.EPERM, writing:get(1))
    assert.equal("\7\0\0\0\0\0\0\0", map:get_bytes(1))
    map:unpin()
  end)

  it("is checked against an abi, types are given to it", function()
    local path = directory .. "/checked"
    map:pin(path)
    map:put(1, 5)
    local same = closing(assert(ebpf.load_pinned_map(path, { type = "hash", key_size = 4, value = "bytes" })))
    assert.equal("\5\0\0\0\0\0\0\0", same:get(1))
    refused('map "events": type is hash instead of array, max_entries is 16 instead of 1', errno.EINVAL,
      ebpf.load_pinned_map(path, { type = "array", key_size = 4, max_entries = 1 }))
    raises("type of the value has 4 bytes, the value has 8", ebpf.load_pinned_map, path, { value = "u32" })
    raises("unknown field 'keysize'", ebpf.load_pinned_map, path, { keysize = 4 })
    raises("bad argument #2 to 'load_pinned_map' (table expected, got string)", ebpf.load_pinned_map, path, "hash")
    raises("string expected", ebpf.load_pinned_map)
    map:unpin()
  end)

  it("is of a map of maps, too", function()
    local path = directory .. "/outer"
    local outer = new { name = "outer", type = "array_of_maps", value_size = 4, inner_map = inner }
    local one = new(inner)
    one:put(0, 9)
    outer:put(3, one)
    outer:pin(path)
    local wanted = { type = "array_of_maps", inner_map = { type = "array", value_size = 8 } }
    local again = closing(assert(ebpf.load_pinned_map(path, wanted)))
    local got = assert(again:get(3))
    assert.equal(9, number(got:get(0)))
    got:close()
    wanted.inner_map.value_size = 4
    refused('map "outer": inner map "events": value_size is 8 instead of 4', errno.EINVAL,
      ebpf.load_pinned_map(path, wanted))
    outer:unpin()
  end)

  it("of a program is no map", function()
    local path = directory .. "/program"
    local program = assert(ebpf.new_program { name = "nothing", type = "socket_filter", license = "GPL",
      instructions = ebpf.asm.from_bytes("\183" .. ("\0"):rep(7) .. "\149" .. ("\0"):rep(7)) })
    assert(program:pin(path))
    refused(('open pinned map "%s": it is a program, not a map'):format(path), errno.EINVAL,
      ebpf.load_pinned_map(path))
    program:unpin()
    program:close()
  end)

  it("by name is opened where there is one, else made", function()
    local spec = { name = "by.name", type = "hash", key_size = 4, value_size = 4, max_entries = 4, pinning = "by_name" }
    local first = closing(assert(ebpf.new_map(spec, { pin_path = directory })))
    assert.is_true(support.exists(directory .. "/by_name"))
    first:put(1, 2)
    local second = closing(assert(ebpf.new_map(spec, { pin_path = directory })))
    assert.equal(2, second:get(1))
    spec.max_entries = 5
    refused(('pin "%s/by_name": map "by.name" is incompatible with its spec: max_entries is 4 instead of 5')
      :format(directory), errno.EINVAL, ebpf.new_map(spec, { pin_path = directory }))
    first:unpin()
  end)

  it("by name does not mind what the kernel adds", function()
    for _, fields in ipairs {
      { type = "devmap_hash", value_size = 4 },
      { type = "lru_hash", flags = 2, max_entries = 1001 },
      { type = "perf_event_array", key_size = 0, value_size = 0, max_entries = 0 },
    } do
      local spec = { name = "added", key_size = 4, value_size = 8, max_entries = 4, pinning = "by_name" }
      for field, value in pairs(fields) do
        spec[field] = value
      end
      local first = assert(ebpf.new_map(spec, { pin_path = directory }))
      local second, message = ebpf.new_map(spec, { pin_path = directory })
      first:unpin()
      first:close()
      assert(second, message)
      second:close()
    end
  end)
end)

describe("an id", function()
  it("opens a map", function()
    local map = new()
    local id = map:info().id
    local same = closing(assert(ebpf.map_from_id(id, { type = "hash" })))
    assert.not_equal(map:fd(), same:fd())
    assert.equal("events", same:name())
    assert.is_true(map:put(1, 7))
    assert.equal(7, number(same:get(1)))
    refused('map "events": type is hash instead of array', errno.EINVAL, ebpf.map_from_id(id, { type = "array" }))
    refused("open map with id 4294967295: no such file or directory (ENOENT)", errno.ENOENT,
      ebpf.map_from_id(4294967295))
    raises("integer out of range, 0 to 4294967295 expected", ebpf.map_from_id, -1)
    raises("integer expected", ebpf.map_from_id)
  end)

  it("is among those of the system", function()
    local map = new()
    local wanted, last, found = map:info().id, 0, false
    for id in ebpf.map_ids() do
      assert.is_true(id > last)
      found, last = found or id == wanted, id
    end
    assert.is_true(found)
  end)

  it("needs privileges", function()
    local output, status = support.run_lua([[
      local ebpf = require "ebpf"
      local map, message, code = ebpf.map_from_id(1)
      assert(map == nil and code == ebpf.errno.EPERM)
      print(message)
      print(pcall(ebpf.map_ids()))]], support.unprivileged)
    assert.equal(0, status, output)
    assert.truthy(output:find("open map with id 1: operation not permitted (EPERM): needs CAP_SYS_ADMIN", 1, true),
      output)
    assert.truthy(output:find("false\t.*list maps: operation not permitted"), output)
  end)
end)

describe("a clone", function()
  it("is another handle of the same map, with the same types", function()
    local map = new { value = "i64", key = { size = 4, encode = function(k) return k end, decode = function(k)
      return k:upper()
    end } }
    local clone = closing(assert(map:clone()))
    assert.equal(map:info().id, clone:info().id)
    assert.same(map:abi(), clone:abi())
    assert.equal("events", clone:name())
    map:put("abcd", -5)
    map:close()
    assert.equal(-5, number(clone:get("abcd")))
    assert.equal("ABCD", clone:next_key())
  end)

  it("is not pinned", function()
    local path = support.bpffs() .. "/original"
    local map = new()
    map:pin(path)
    local clone = closing(assert(map:clone()))
    assert.is_false(clone:is_pinned())
    clone:unpin()
    assert.is_true(support.exists(path))
    map:unpin()
  end)
end)

describe("a map", function()
  it("tells what it is", function()
    local map = new { flags = 1 }
    local info = assert(map:info())
    assert.equal("hash", info.type)
    assert.equal("events", info.name)
    assert.same({ 4, 8, 16, 1, 0 }, { info.key_size, info.value_size, info.max_entries, info.flags, info.ifindex })
    assert.is_true(info.id > 0)
    assert.is_false(info.frozen)
    assert.equal(support.kernel_is("5.16") and 0 or nil, number(info.map_extra))
    assert.same({ type = "hash", key_size = 4, value_size = 8, max_entries = 16, flags = 1 }, map:abi())
    assert.equal("anon_inode:bpf-map", support.fds()[map:fd()])
    support.needs("5.16", "a bloom filter")
    assert.equal(3, number(new({ type = "bloom_filter", key_size = 0, map_extra = 3 }):info().map_extra))
  end)

  it("is closed once and for all", function()
    local map = new()
    local fd = map:fd()
    assert.is_false(map:is_closed())
    assert.is_true(map:close())
    assert.is_true(map:close())
    assert.is_true(map:is_closed())
    assert.is_nil(support.fds()[fd])
    assert.equal('hash "events" (closed)', tostring(map))
    assert.equal("events", map:name())
    assert.equal("hash", map:abi().type)
  end)

  it("is closed at the end of its scope on Lua 5.4", function()
    if _VERSION ~= "Lua 5.4" then
      return
    end
    local scope = assert(load([[
      local new = ...
      local fd
      do
        local map <close> = new()
        fd = map:fd()
      end
      return fd]]))
    assert.is_nil(support.fds()[scope(new)])
  end)

  it("answers every method with EBADF once it is closed, whoever has its number now", function()
    local arguments = {
      get = { 1 }, get_bytes = { 1 }, get_and_delete = { 1 }, get_integer_sum = { 1 }, get_sum = { 1 },
      put = { 1, 1 }, put_bytes = { 1, "12345678" }, create = { 1, 1 }, replace = { 1, 1 },
      delete = { 1 }, delete_strict = { 1 }, next_key = {}, next_key_bytes = {}, iterate = {},
      get_batch = { { 1 } }, put_batch = { { [1] = 1 } }, delete_batch = { { 1 } }, drain = {},
      push = { 1 }, pop = {}, peek = {}, freeze = {}, memory = {},
      pin = { "/sys/fs/bpf/never" }, unpin = {}, is_pinned = {},
      clone = {}, info = {}, fd = {},
    }
    local from_memory = { abi = true, name = true, close = true, is_closed = true }
    local methods = {}
    for name in pairs(core.methods.map) do
      methods[#methods + 1] = name
      assert.truthy(arguments[name] or from_memory[name], name)
    end
    assert.is_true(#methods >= 30)

    for _, fields in ipairs { {}, { type = "percpu_hash" }, { type = "queue", key_size = 0 },
      { type = "array_of_maps", value_size = 4, inner_map = inner }, { type = "prog_array", value_size = 4 },
      support.kernel_is("5.16") and { type = "bloom_filter", key_size = 0 } or nil } do
      local map = new(fields)
      local fd = map:fd()
      map:close()
      local other = new()
      while other:fd() ~= fd do -- lower numbers may be free, too
        assert.is_true(other:fd() < fd)
        other = new()
      end
      other:put(1, 77)
      for name, args in pairs(arguments) do
        local results = { n = select("#", map[name](map, unpack(args))), map[name](map, unpack(args)) }
        assert.equal(3, results.n, name)
        assert.is_nil(results[1], name)
        assert.equal("map is closed", results[2], name)
        assert.equal(errno.EBADF, results[3], name)
      end
      assert.is_true(map:close())
      assert.equal(77, number(other:get(1)))
      assert.is_false(other:info().frozen)
      other:close()
    end
  end)
end)

describe("a finalizer", function()
  -- Something that calls `action` when it is collected.
  local function doomed(action)
    local newproxy = rawget(_G, "newproxy")
    if newproxy then
      getmetatable(newproxy(true)).__gc = action
    else
      setmetatable({}, { __gc = action })
    end
  end

  it("may close a map in the middle of any of its methods", function()
    local size = 3000 -- values that the C stack has no room for: each call allocates
    local value = ("v"):rep(size)
    local calls = {
      function(m) return m:get(1) end,
      function(m) return m:get_bytes(1) end,
      function(m) return m:put(1, value) end,
      function(m) return m:get_and_delete(2) end,
      function(m) return m:get_batch({ 1, 2, 3 }) end,
      function(m) return m:put_batch({ 1, 2, 3 }, { value, value, value }) end,
      function(m) return m:delete_batch({ 2, 3 }) end,
      function(m) return m:clone() end,
      function(m) return m:info() end,
      function(m) return m:next_key() end,
      function(m) return m:drain() end,
      function(m)
        for _ in m:iterate() do end -- luacheck: ignore 542
        return true
      end,
    }
    local bystander = new()
    bystander:put(1, 77)
    local id = bystander:info().id
    local closed_under_way = 0
    collectgarbage("setpause", 1)
    collectgarbage("setstepmul", 10000)
    for round = 1, 120 do
      local map = assert(ebpf.new_map { type = "hash", key_size = 4, value_size = size, max_entries = 8 })
      for key = 1, 6 do
        assert(map:put(key, value))
      end
      doomed(function()
        if map and not map:is_closed() then
          map:close()
          closing(ebpf.map_from_id(id)) -- which has the number now
        end
      end)
      local call = calls[round % #calls + 1]
      for _ = 1, 20 do
        local was_closed = map:is_closed()
        local ok, result, message = pcall(call, map)
        if not was_closed and map:is_closed() then
          closed_under_way = closed_under_way + 1
        end
        if not ok then -- what an iterator does, or the for that gets none
          result = tostring(result)
          assert.truthy(result:find("map is closed", 1, true) or result:find("call a nil value", 1, true), result)
        elseif result == nil and message and not message:find("hash maps can since Linux 5.14", 1, true) then
          assert.equal("map is closed", message)
        end
        if was_closed then
          break
        end
      end
      map:close()
      map = nil -- luacheck: ignore 311
    end
    collectgarbage("setpause", 200)
    collectgarbage("setstepmul", 200)
    assert.is_true(closed_under_way > 5)
    assert.equal(77, number(bystander:get(1)))
    assert.equal(1, bystander:next_key())
    assert.is_nil((bystander:next_key(1)))
  end)
end)

describe("an abi", function()
  it("checks what it names", function()
    local map = new()
    assert.is_true(ebpf.map_abi({}):check(map))
    local all = { type = "hash", key_size = 4, value_size = 8, max_entries = 16, flags = 0 }
    assert.is_true(ebpf.map_abi(all):check(map))
    refused('map "events": key_size is 4 instead of 8, value_size is 8 instead of 4', errno.EINVAL,
      ebpf.map_abi({ key_size = 8, value_size = 4 }):check(map))
    assert.is_true(ebpf.map_abi({ type = "hash" }):check_spec({ type = "hash", name = "x" }))
    refused('map "x": type is array instead of hash', errno.EINVAL,
      ebpf.map_abi({ type = "hash" }):check_spec({ type = "array", name = "x" }))
    raises("unknown field 'size'", ebpf.map_abi, { size = 4 })
    raises("table expected, got nil", ebpf.map_abi)
  end)

  it("checks the maps in a map", function()
    local outer = new { name = "outer", type = "hash_of_maps", value_size = 4, inner_map = inner }
    local abi = ebpf.map_abi { type = "hash_of_maps", inner_map = { type = "array", max_entries = 1 } }
    assert.is_true(abi:check(outer)) -- nothing in it yet
    outer:put(1, new(inner))
    assert.is_true(abi:check(outer))
    abi = ebpf.map_abi { inner_map = { type = "hash" } }
    refused('map "outer": inner map "events": type is array instead of hash', errno.EINVAL, abi:check(outer))
    refused('map "events": hash holds no maps', errno.EINVAL, abi:check(new()))
    refused('map "x": inner_map is missing', errno.EINVAL, abi:check_spec({ name = "x", type = "hash_of_maps" }))
    outer:close()
    refused("map is closed", errno.EBADF, abi:check(outer))
  end)
end)
