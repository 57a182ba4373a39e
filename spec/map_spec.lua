-- Maps on the real kernel: creation, elements, pins, and what a map says about itself. Walks, batches and types of
-- values have specs of their own.
local ebpf = require "ebpf"
local support = require "spec.support"

local errno = ebpf.errno
local cpus = #support.possible_cpus()
local closing = support.closing

-- 64-bit integers are cdata on LuaJIT.
local number = tonumber

local function new(spec)
  return closing(assert(ebpf.new_map(spec)))
end

local function hash(fields)
  local spec = { name = "events", type = "hash", key_size = 4, value_size = 8, max_entries = 16 }
  for field, value in pairs(fields or {}) do
    spec[field] = value
  end
  return new(spec)
end

local function array(entries)
  return new { name = "numbers", type = "array", key_size = 4, value_size = 4, max_entries = entries or 4 }
end

-- That a call answered nil, a message and an errno.
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
  if not tostring(message):find(words, 1, true) then
    error(("%q is not in %q"):format(words, tostring(message)), 2)
  end
end

-- The same for a method, called as one, so that the error knows its name and does not count the map.
local function raises_in(words, object, method, ...)
  local text = ("local object = ... return (object:%s(select(2, ...)))"):format(method)
  local call = assert((rawget(_G, "loadstring") or load)(text))
  raises(words, call, object, ...)
end

-- A program that returns a constant.
local function program(result)
  return closing(assert(ebpf.new_program {
    name = "answer", type = "socket_filter", license = "GPL",
    instructions = ebpf.asm.from_bytes(string.char(0xb7, 0, 0, 0, result, 0, 0, 0) .. "\149" .. ("\0"):rep(7)),
  }))
end

describe("a new map", function()
  -- What each type needs beside its name, key_size = 4, value_size = 4, max_entries = 4.
  local inner = { type = "array", key_size = 4, value_size = 8, max_entries = 1 }
  local keyless = { key_size = 0 }
  local storage = { key_size = 8, max_entries = 0 }
  local local_storage = { flags = 1, max_entries = 0 }
  local ring = { key_size = 0, value_size = 0, max_entries = 4096 }
  local kinds = {
    hash = {}, array = {}, prog_array = {}, perf_event_array = {}, percpu_hash = {}, percpu_array = {},
    stack_trace = { value_size = 8 }, cgroup_array = {}, lru_hash = {}, lru_percpu_hash = {},
    lpm_trie = { key_size = 8, flags = 1 }, array_of_maps = { inner_map = inner }, hash_of_maps = { inner_map = inner },
    devmap = {}, sockmap = {}, cpumap = {}, xskmap = {}, sockhash = {}, cgroup_storage = storage,
    reuseport_sockarray = {}, percpu_cgroup_storage = storage, queue = keyless, stack = keyless,
    sk_storage = local_storage, devmap_hash = {}, struct_ops = { struct = "tcp_congestion_ops" },
    ringbuf = ring, inode_storage = local_storage,
    task_storage = local_storage, bloom_filter = keyless, user_ringbuf = ring, cgrp_storage = local_storage,
    arena = { key_size = 0, value_size = 0, flags = 1024 }, insn_array = { value_size = 16 },
  }
  local since = { task_storage = "5.11", bloom_filter = "5.16", user_ringbuf = "6.1", cgrp_storage = "6.2",
    arena = "6.9", insn_array = "6.19" }

  for kind, fields in pairs(kinds) do
    it("can be of type " .. kind, function()
      local spec = { name = "x", type = kind, key_size = 4, value_size = 4, max_entries = 4 }
      for field, value in pairs(fields) do
        spec[field] = value
      end
      local map, message, code = ebpf.new_map(spec)
      local unknown = since[kind] and not support.kernel_is(since[kind])
      if unknown then
        assert.is_nil(map)
        assert.equal(errno.EINVAL, code)
        assert.truthy(message:find('create map "x": invalid argument (EINVAL): ', 1, true))
        assert.truthy(message:find("this kernel lacks the map type", 1, true), message)
        return
      end
      assert(map, message)
      assert.equal(kind, map:abi().type)
      assert.equal(kind, assert(map:info()).type)
      assert.equal(('%s "x" #%d'):format(kind, map:fd()), tostring(map))
      map:close()
    end)
  end

  it("takes a number for a type that has no name yet", function()
    local map = new { type = 1, key_size = 4, value_size = 4, max_entries = 1 }
    assert.equal("hash", map:abi().type)
    local none, message, code = ebpf.new_map { type = 4000, key_size = 4, value_size = 4, max_entries = 1 }
    assert.is_nil(none)
    assert.equal(errno.EINVAL, code)
    assert.truthy(message:find("knows no such map type", 1, true))
  end)

  it("counts the CPUs for a perf_event_array", function()
    local map = new { type = "perf_event_array" }
    assert.same({ type = "perf_event_array", key_size = 4, value_size = 4, max_entries = cpus, flags = 0 }, map:abi())
    map = new { type = "perf_event_array", key_size = 4, value_size = 4, max_entries = 100000 }
    assert.equal(cpus, map:info().max_entries)
  end)

  it("needs a template for a map of maps, and makes and closes it", function()
    local before = support.fds()
    local map = ebpf.new_map { type = "hash_of_maps", key_size = 4, max_entries = 2, inner_map = inner }
    local count = 0
    for fd, what in pairs(support.fds()) do
      count = count + (before[fd] ~= what and 1 or 0)
    end
    assert.equal(1, count)
    assert.equal(4, map:abi().value_size)
    map:close()
    raises("bad argument #1 to 'new_map' (a map of maps requires inner_map, a map spec)", ebpf.new_map,
      { type = "hash_of_maps", key_size = 4, max_entries = 2 })
    raises("the value_size of a map of maps must be 4, or left out", ebpf.new_map,
      { type = "array_of_maps", key_size = 4, value_size = 8, max_entries = 2, inner_map = inner })
    raises("bad argument #1 to 'new_map' (unknown inner map spec field 'bogus')", ebpf.new_map,
      { type = "array_of_maps", key_size = 4, max_entries = 2, inner_map = { type = "array", bogus = 1 } })
    local around = { type = "array_of_maps", key_size = 4, max_entries = 1 }
    around.inner_map = around
    raises("field 'inner_map': it cannot be a map of maps itself", ebpf.new_map, around)
    local none, message = ebpf.new_map { name = "outer", type = "array_of_maps", key_size = 4, max_entries = 2,
      inner_map = { name = "in", type = "array", key_size = 3, value_size = 4, max_entries = 1 } }
    assert.is_nil(none)
    assert.equal('create map "in": invalid argument (EINVAL): the key_size of an array must be 4', message)
  end)

  it("is refused when the kernel could not free it", function()
    local message = 'create map "big": argument list too long (E2BIG): max_entries is 2147483648, and Linux cannot '
      .. "free more than 2147483647 entries"
    for _, kind in ipairs { "array_of_maps", "prog_array", "percpu_array", "cgroup_array", "xskmap" } do
      refused(message, errno.E2BIG, ebpf.new_map { name = "big", type = kind, key_size = 4, max_entries = 2 ^ 31,
        value_size = 4, inner_map = kind == "array_of_maps" and inner or nil })
    end
  end)

  it("leaves its spec as it is", function()
    local spec = { name = "x", type = "perf_event_array" }
    new(spec)
    assert.same({ name = "x", type = "perf_event_array" }, spec)
  end)

  it("puts in the contents of its spec, and freezes", function()
    local map = new { type = "array", key_size = 4, value_size = 4, max_entries = 2, freeze = true,
      contents = { { 0, 7 }, { 1, "\1\0\0\0" } } }
    assert.same({ 7, 1 }, { map:get(0), map:get(1) })
    assert.is_true(map:info().frozen)
    local none, message, code = ebpf.new_map { name = "small", type = "hash", key_size = 4, value_size = 4,
      max_entries = 1, contents = { { 0, 7 }, { 1, 8 } } }
    refused('put into map "small": argument list too long (E2BIG): the map is full, or the index is beyond '
      .. "its end", errno.E2BIG, none, message, code)
  end)

  it("has the name of its spec, of which the kernel gets 15 bytes", function()
    local map = hash { name = "a_very_long.name_of_a_map" }
    assert.equal("a_very_long.name_of_a_map", map:name())
    assert.equal("a_very_long.nam", map:info().name)
    assert.equal("", new({ type = "array", key_size = 4, value_size = 4, max_entries = 1 }):name())
  end)

  it("refuses names the kernel would not take, and says which character is wrong", function()
    for _, case in ipairs { { "a b", [[\032]] }, { "a-b", "-" }, { "a\0b", [[\000]] }, { "caf\195\169", [[\195]] } } do
      raises(("has the invalid character '%s' (see ebpf.sanitize_name)"):format(case[2]), hash, { name = case[1] })
    end
    assert.equal("a_b", ebpf.sanitize_name("a b", "_"))
    assert.equal("ab.c", ebpf.sanitize_name("a-b.c"))
    assert.equal("caf__", ebpf.sanitize_name("caf\195\169", "_"))
    assert.equal("", ebpf.sanitize_name("-"))
    assert.has_error(function()
      ebpf.sanitize_name("a", "-")
    end)
  end)

  it("raises on wrong specs and names the field", function()
    raises("bad argument #1 to 'new_map' (table expected, got nil)", ebpf.new_map)
    raises("field 'type' is missing", ebpf.new_map, {})
    raises("field 'type': unknown map type 'hsah'", ebpf.new_map, { type = "hsah" })
    raises("unknown map spec field 'keysize'", hash, { keysize = 4 })
    raises("map spec has a key that is no name", ebpf.new_map, { "hash" })
    raises("field 'key_size': integer out of range, 0 to 4294967295 expected", hash, { key_size = -1 })
    raises("field 'max_entries': integer out of range, 0 to 4294967295 expected", hash, { max_entries = 2 ^ 32 })
    raises("field 'max_entries': number has no integer representation", hash, { max_entries = 1.5 })
    raises("field 'flags': integer expected", hash, { flags = {} })
    raises("field 'name': string expected", hash, { name = 5 })
    raises("pinning must be 'none' or 'by_name'", hash, { pinning = "yes" })
    raises("pin_path is missing", hash, { pinning = "by_name" })
    raises("unknown field 'pinpath'", ebpf.new_map, {}, { pinpath = "/" })
  end)

  it("says what was wrong when the kernel does not", function()
    local function why(fields)
      local spec = { name = "x", key_size = 4, value_size = 4, max_entries = 4 }
      for field, value in pairs(fields) do
        spec[field] = value
      end
      local map, message, code = ebpf.new_map(spec)
      assert.is_nil(map)
      assert.equal(errno.EINVAL, code)
      return message
    end
    assert.truthy(why({ type = "hash", max_entries = 0 }):find("max_entries is 0", 1, true))
    assert.truthy(why({ type = "array", key_size = 8 }):find("key_size of an array must be 4", 1, true))
    assert.truthy(why({ type = "lpm_trie", key_size = 8 }):find("needs flags = 1 (BPF_F_NO_PREALLOC)", 1, true))
    assert.truthy(why({ type = "sk_storage" }):find("a storage needs key_size 4, max_entries 0 and flags = 1", 1, true))
    assert.truthy(why({ type = "ringbuf" }):find("power of two and a multiple of the page size", 1, true))
  end)

  it("names the capability that is missing", function()
    for kind, capability in pairs { hash = "CAP_BPF", devmap = "CAP_NET_ADMIN" } do
      local output, status = support.run_lua(([[
        local map, message, code = require("ebpf").new_map {
          name = "x", type = "%s", key_size = 4, value_size = 4, max_entries = 1 }
        assert(map == nil and code == require("ebpf").errno.EPERM)
        print(message)]]):format(kind), support.unprivileged)
      assert.equal(0, status, output)
      assert.truthy(output:find('create map "x": operation not permitted (EPERM): ', 1, true), output)
      assert.truthy(output:find(capability, 1, true), output)
    end
  end)

  it("takes the place of unreachable ones when file descriptors run out", function()
    local output, status = support.run_lua([[
      collectgarbage("stop")
      local ebpf = require "ebpf"
      local spec = { type = "array", key_size = 4, value_size = 4, max_entries = 1 }
      for _ = 1, 500 do
        assert(ebpf.new_map(spec)):put(0, 1)
      end
      local map = assert(ebpf.new_map(spec))
      for _ = 1, 500 do
        assert(map:clone())
      end
      for _ = 1, 500 do
        assert(ebpf.map_from_id(map:info().id))
        assert(map:info().frozen == false) -- a field that is read from /proc
      end
      for _ = 1, 500 do -- the CPUs are counted in /sys
        assert(ebpf.new_map { type = "percpu_array", key_size = 4, value_size = 4, max_entries = 1 })
        assert(ebpf.online_cpus())
      end
      local all = {}
      local message, code
      repeat
        all[#all + 1], message, code = ebpf.new_map(spec)
      until message
      assert(#all > 20)
      print(code == ebpf.errno.EMFILE, message)]], function(command)
      return "ulimit -n 40; " .. command
    end)
    assert.equal(0, status, output)
    assert.truthy(output:find('true\tcreate map "": too many open files (EMFILE)', 1, true), output)
  end)
end)

describe("elements of a hash", function()
  local map

  before_each(function()
    map = hash()
  end)

  it("are put, got and deleted", function()
    assert.is_true(map:put(1, 100))
    assert.equal(100, number(map:get(1)))
    assert.is_true(map:put(1, 200))
    assert.equal(200, number(map:get(1)))
    assert.is_true(map:delete(1))
    assert.equal(1, select("#", map:get(1)))
    assert.is_nil((map:get(1)))
  end)

  it("are created only where there is none, replaced only where there is one", function()
    refused('replace element of map "events": no such file or directory (ENOENT)', errno.ENOENT, map:replace(1, 1))
    assert.is_true(map:create(1, 1))
    refused('create element of map "events": file exists (EEXIST)', errno.EEXIST, map:create(1, 2))
    assert.equal(1, number(map:get(1)))
    assert.is_true(map:replace(1, 3))
    assert.equal(3, number(map:get(1)))
  end)

  it("may be missing for delete, not for delete_strict", function()
    assert.is_true(map:delete(1))
    refused('delete from map "events": no such file or directory (ENOENT)', errno.ENOENT, map:delete_strict(1))
    map:put(1, 1)
    assert.is_true(map:delete_strict(1))
  end)

  it("are read as bytes, and written so", function()
    assert.is_true(map:put_bytes(1, "12345678"))
    assert.equal("12345678", map:get_bytes(1))
    assert.equal(1, select("#", map:get_bytes(2)))
    assert.is_nil((map:get_bytes(2)))
    raises_in("bad argument #2 to 'put_bytes' (value has 3 bytes, 8 expected)", map, "put_bytes", 1, "123")
  end)

  it("are taken out in one step", function()
    map:put(1, 5)
    support.granted("5.14", "taking elements out of a hash", map:get_and_delete(1))
    map:put(1, 5)
    assert.equal(5, number(map:get_and_delete(1)))
    assert.equal(1, select("#", map:get_and_delete(1)))
    assert.is_nil((map:get_and_delete(1)))
  end)

  it("have keys one behind the other", function()
    assert.equal(1, select("#", map:next_key()))
    assert.is_nil((map:next_key()))
    assert.is_nil((map:next_key_bytes()))
    for key = 1, 10 do
      map:put(key, key)
    end
    local seen, count, key = {}, 0, nil
    repeat
      key = map:next_key(key)
      if key then
        assert.is_nil(seen[key])
        seen[key], count = true, count + 1
      end
    until not key
    assert.equal(10, count)
    local bytes = assert(map:next_key_bytes())
    assert.equal(4, #bytes)
    assert.equal(4, #map:next_key_bytes(bytes))
    assert.equal(map:next_key(), map:next_key("\255\255\255\255")) -- a missing key begins again
    raises_in("bad argument #1 to 'next_key_bytes' (key has 3 bytes, 4 expected)", map, "next_key_bytes", "123")
  end)

  it("are as many as max_entries", function()
    for key = 1, 16 do
      assert(map:put(key, key))
    end
    refused('put into map "events": argument list too long (E2BIG): the map is full, or the index is '
      .. "beyond its end", errno.E2BIG, map:put(17, 17))
    assert.is_true(map:put(16, 0))
  end)

  it("name wrong arguments", function()
    raises_in("bad argument #1 to 'get' (key: integer expected, got nil)", map, "get")
    raises_in("bad argument #1 to 'put' (key: integer expected, got table)", map, "put", {}, 1)
    raises_in("bad argument #2 to 'put' (value: integer expected, got boolean)", map, "put", 1, true)
    raises_in("bad argument #3 to 'put' (flags must be nil or 'lock')", map, "put", 1, 1, "unlock")
    raises_in("bad argument #2 to 'get' (flags must be nil or 'lock')", map, "get", 1, 4)
    raises_in("bad argument #1 to 'delete' (key: unsigned integer of 32 bits expected, got -1)", map, "delete", -1)
    raises("ebpf.map expected, got table", map.get, {}, 1)
    raises("ebpf.map expected, got no value", map.delete)
    raises_in("queue, stack or bloom filter expected", map, "push", 1)
    raises_in("queue or stack expected", map, "pop")
    raises_in("queue or stack expected", map, "peek")
    raises_in("per-CPU map expected", map, "get_sum", 1)
    assert.is_nil(map:get(1))
  end)

  it("have no spin lock to take here", function()
    refused('put into map "events": invalid argument (EINVAL)', errno.EINVAL, map:put(1, 1, "lock"))
    refused('get from map "events": invalid argument (EINVAL)', errno.EINVAL, map:get(1, "lock"))
  end)
end)

describe("an array", function()
  it("has all its elements, always", function()
    local map = array()
    assert.equal(0, map:get(3))
    assert.is_nil((map:get(4)))
    assert.is_true(map:put(3, 9))
    assert.equal(9, map:get(3))
    refused('put into map "numbers": argument list too long (E2BIG): the map is full, or the index is '
      .. "beyond its end", errno.E2BIG, map:put(4, 1))
    refused('delete from map "numbers": invalid argument (EINVAL): elements of an array cannot be deleted',
      errno.EINVAL, map:delete(0))
    refused('create element of map "numbers": file exists (EEXIST)', errno.EEXIST, map:create(0, 1))
    local _, message = map:get_and_delete(0)
    assert.truthy(message:find("arrays cannot", 1, true))
    assert.equal(0, map:next_key())
    assert.equal(1, map:next_key(0))
    assert.is_nil((map:next_key(3)))
  end)

  it("is frozen for us, not for reading", function()
    local map = array()
    map:put(0, 1)
    assert.is_false(map:info().frozen)
    assert.is_true(map:freeze())
    assert.is_true(map:info().frozen)
    refused('put into map "numbers": operation not permitted (EPERM): the map is frozen or was opened read-only',
      errno.EPERM, map:put(0, 2))
    assert.equal(1, map:get(0))
    local frozen, message = map:freeze()
    assert.is_nil(frozen)
    assert.truthy(message:find("it is frozen already", 1, true), message)
  end)
end)

describe("values of a per-CPU map", function()
  local function percpu(fields)
    local spec = { name = "per_cpu", type = "percpu_array", key_size = 4, value_size = 4, max_entries = 2 }
    for field, value in pairs(fields or {}) do
      spec[field] = value
    end
    return new(spec)
  end

  local function counted(n)
    local values = {}
    for i = 1, n do
      values[i] = i * 10
    end
    return values
  end

  it("are arrays with a value for each possible CPU", function()
    for _, kind in ipairs { "percpu_array", "percpu_hash", "lru_percpu_hash" } do
      local map = percpu { type = kind }
      assert.is_true(map:put(0, counted(cpus)))
      assert.same(counted(cpus), map:get(0))
      assert.equal(8 * cpus, #map:get_bytes(0))
      assert.is_true(map:put_bytes(0, map:get_bytes(0)))
      assert.equal(10 * cpus * (cpus + 1) / 2, map:get_sum(0))
    end
  end)

  it("are zero where the array is short", function()
    local map = percpu()
    map:put(0, counted(cpus))
    map:put(0, { 7 })
    local expected = { 7 }
    for i = 2, cpus do
      expected[i] = 0
    end
    assert.same(expected, map:get(0))
    map:put(0, {})
    assert.equal(0, map:get_sum(0))
  end)

  it("are not more than CPUs, and not less than an array", function()
    local map = percpu()
    local words = ("bad argument #2 to 'put' (%d values, but there are %d possible CPUs)"):format(cpus + 1, cpus)
    raises_in(words, map, "put", 0, counted(cpus + 1))
    raises_in("bad argument #2 to 'put' (table of values, one per possible CPU, expected)", map, "put", 0, 1)
    raises_in("bad argument #2 to 'put' (value: integer expected, got boolean)", map, "put", 0, { true })
  end)

  it("may be of any size", function()
    local map = percpu { value_size = 12 }
    map:put(0, { "123456789012" })
    assert.equal("123456789012", map:get(0)[1])
    assert.equal(16 * cpus, #map:get_bytes(0))
    local none = percpu { type = "percpu_hash" }
    assert.is_nil((none:get(1)))
    assert.is_nil((none:get_sum(1)))
  end)

  it("are summed up beyond their size, also by fields", function()
    local map = percpu()
    local many, expected = {}, 0
    for i = 1, cpus do
      many[i], expected = 4294967295, expected + 4294967295
    end
    map:put(0, many)
    assert.equal(expected, map:get_sum(0))

    map = percpu { value = "i32" }
    map:put(0, { -5, 3 })
    assert.equal(cpus > 1 and -2 or -5, map:get_sum(0))

    local pair = {
      size = 2,
      encode = function(v) return string.char(v.a, v.b) end,
      decode = function(s) return { a = s:byte(1), b = s:byte(2), name = "x", ok = true } end,
    }
    map = percpu { value_size = 2, value = pair }
    map:put(0, { { a = 1, b = 200 }, { a = 2, b = 100 } })
    local a, b = 1, 200
    if cpus > 1 then
      a, b = 3, 300
    end
    assert.same({ a = a, b = b, name = "x", ok = true }, map:get_sum(0))
  end)
end)

describe("a map of maps", function()
  local outer, inner
  local template = { type = "array", key_size = 4, value_size = 4, max_entries = 2 }

  before_each(function()
    inner = array(2)
  end)

  for _, kind in ipairs { "array_of_maps", "hash_of_maps" } do
    it("takes maps and gives them, " .. kind, function()
      outer = new { name = "outer", type = kind, key_size = 4, max_entries = 4, inner_map = template }
      assert.is_true(outer:put(1, inner))
      assert.is_nil((outer:get(2)))
      inner:put(0, 77)
      local got = assert(outer:get(1))
      assert.not_equal(inner:fd(), got:fd())
      assert.equal(inner:info().id, got:info().id)
      assert.equal(77, got:get(0))
      got:close()
      inner:close()
      got = assert(outer:get(1)) -- the outer map keeps it
      assert.equal(77, got:get(0))
      got:close()
      assert.is_true(outer:delete(1))
      assert.is_nil((outer:get(1)))
    end)
  end

  it("takes nothing else", function()
    outer = new { name = "outer", type = "array_of_maps", key_size = 4, max_entries = 4, inner_map = template }
    raises_in("bad argument #2 to 'put' (value: map expected, got number)", outer, "put", 0, inner:fd())
    raises_in("bad argument #2 to 'put' (value: map expected, got nil)", outer, "put", 0)
    raises_in("bad argument #2 to 'put' (value: map expected, got userdata)", outer, "put", 0, program(0))
    inner:close()
    raises_in("bad argument #2 to 'put' (value: the map is closed)", outer, "put", 0, inner)
    refused('put into map "outer": invalid argument (EINVAL)', errno.EINVAL, outer:put(0, hash()))
  end)
end)

describe("a program array", function()
  it("takes programs and gives them", function()
    local map = new { name = "jumps", type = "prog_array", key_size = 4, value_size = 4, max_entries = 4 }
    local one = program(1)
    assert.is_nil((map:get(0)))
    assert.is_true(map:put(0, one))
    local got = assert(map:get(0))
    assert.equal(one:info().id, got:info().id)
    got:close()
    assert.is_true(map:delete(0))
    assert.is_nil((map:get(0)))
    raises_in("bad argument #2 to 'put' (value: program expected, got number)", map, "put", 0, one:fd())
    raises_in("value: program expected, got userdata", map, "put", 0, map)
    one:close()
    raises_in("value: the program is closed", map, "put", 0, one)
  end)
end)

describe("queues and stacks", function()
  local function keyless(kind)
    return new { name = "line", type = kind, value_size = 4, max_entries = 3 }
  end

  it("give back what was pushed, in their order", function()
    for kind, expected in pairs { queue = { 1, 2, 3 }, stack = { 3, 2, 1 } } do
      local map = keyless(kind)
      assert.equal(1, select("#", map:pop()))
      assert.is_nil((map:pop()))
      assert.is_nil((map:peek()))
      for value = 1, 3 do
        assert.is_true(map:push(value))
      end
      refused('push to map "line": argument list too long (E2BIG): the map is full', errno.E2BIG, map:push(4))
      for i = 1, 3 do
        assert.equal(expected[i], map:peek())
        assert.equal(expected[i], map:pop())
      end
      assert.is_nil((map:pop()))
    end
  end)

  it("drop the oldest if told to", function()
    local map = keyless("queue")
    for value = 1, 5 do
      assert.is_true(map:push(value, "exist"))
    end
    assert.equal(3, map:pop())
    raises_in("bad argument #2 to 'push' (flags must be nil or 'exist')", map, "push", 1, "any")
    raises_in("bad argument #1 to 'push' (value: integer expected, got nil)", map, "push")
  end)

  it("have no keys", function()
    local map = keyless("queue")
    raises_in("bad argument #1 to 'put' (this map has no keys: nil expected)", map, "put", 1, 1)
    raises_in("this map has no keys to iterate over", map, "iterate")
    assert.is_true(map:put(nil, 1))
    assert.equal(1, map:get(nil))
    assert.equal(1, map:get_and_delete(nil))
    assert.is_nil((map:next_key()))
    assert.truthy(select(2, map:next_key()):find('get the next key of map "line"', 1, true))
  end)
end)

describe("a storage of control groups", function()
  it("keeps a value with each group, by its file descriptor", function()
    support.needs("6.2", "a storage of control groups")
    local map = new { name = "notes", type = "cgrp_storage", key_size = 4, value_size = 12, flags = 1 }
    local group = support.cgroup()
    local file = assert(io.open(group))
    local fd
    for number_of, path in pairs(support.fds()) do
      fd = path == group and number_of or fd
    end
    assert.is_nil((map:get(fd)))
    assert.is_true(map:put(fd, "a group here"))
    assert.equal("a group here", map:get(fd))
    assert.is_true(map:delete_strict(fd))
    assert.is_nil((map:get(fd)))
    file:close()
  end)
end)

describe("a bloom filter", function()
  it("knows what may have been pushed", function()
    support.needs("5.16", "a bloom filter")
    local map = new { name = "seen", type = "bloom_filter", value_size = 4, max_entries = 1000 }
    assert.is_true(map:push(5))
    assert.is_true(map:peek(5))
    local wrong = 0
    for value = 1000, 1100 do
      wrong = wrong + (map:peek(value) and 1 or 0)
    end
    assert.is_true(wrong < 10)
    local none, message = map:pop()
    assert.is_nil(none)
    assert.truthy(message:find('pop from map "seen"', 1, true))
    raises_in("bad argument #1 to 'peek' (value: integer expected, got nil)", map, "peek")
  end)
end)
