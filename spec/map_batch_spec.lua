-- Many elements in one call: how many were done, also when the kernel or the caller stops half-way.
local ebpf = require "ebpf"
local process = require "spec.support.process"
local support = require "spec.support"

local errno = ebpf.errno
local closing = support.closing

local function new(fields)
  local spec = { name = "batched", type = "hash", key_size = 4, value_size = 4, max_entries = 10000 }
  for field, value in pairs(fields or {}) do
    spec[field] = value
  end
  return closing(assert(ebpf.new_map(spec)))
end

-- The integers from `first` to `last`, times `factor`.
local function range(first, last, factor)
  local list = {}
  for i = first, last do
    list[#list + 1] = i * (factor or 1)
  end
  return list
end

local function count(map)
  local n = 0
  for _ in map:iterate() do
    n = n + 1
  end
  return n
end

local function raises(words, call, ...)
  local ok, message = pcall(call, ...)
  assert.is_false(ok)
  assert.truthy(tostring(message):find(words, 1, true), message)
end

-- An lpm_trie by addresses, as integers.
local prefix = {
  size = 8,
  encode = function(i)
    return "\32\0\0\0\10" .. string.char(math.floor(i / 65536) % 256, math.floor(i / 256) % 256, i % 256)
  end,
  decode = function(s)
    return s:byte(6) * 65536 + s:byte(7) * 256 + s:byte(8)
  end,
}

local function trie()
  return new { type = "lpm_trie", key_size = 8, key = prefix, flags = 1 }
end

local makers = {
  hash = new,
  lru_hash = function() return new { type = "lru_hash", max_entries = 100000 } end,
  lpm_trie = trie,
}

describe("put_batch", function()
  for kind, make in pairs(makers) do
    it("puts a table, or keys and values, " .. kind, function()
      local map = make()
      local entries = {}
      for i = 1, 5000 do
        entries[i] = i * 3
      end
      assert.equal(5000, map:put_batch(entries))
      assert.equal(300, map:get(100))
      assert.equal(5000, count(map))
      assert.equal(5000, map:put_batch(range(3001, 8000), range(3001, 8000, 2)))
      assert.equal(8000, count(map))
      assert.equal(16000, map:get(8000))
      assert.equal(9000, map:get(3000))
      assert.equal(0, map:put_batch({}))
      assert.equal(0, map:put_batch({}, {}))
    end)
  end

  it("puts 100 000 elements", function()
    local map = new { max_entries = 100000 }
    assert.equal(100000, map:put_batch(range(1, 100000), range(1, 100000)))
    assert.equal(100000, count(map))
    assert.equal(100000, map:delete_batch(range(1, 100000)))
    assert.equal(0, count(map))
  end)

  it("puts into arrays and per-CPU maps", function()
    local map = new { type = "array" }
    assert.equal(5000, map:put_batch(range(0, 4999), range(1, 5000)))
    assert.equal(5000, map:get(4999))
    for _, kind in ipairs { "percpu_hash", "lru_percpu_hash", "percpu_array" } do
      map = new { type = kind, value_size = 6, value = "bytes", max_entries = 6000 }
      local values = {}
      for i = 1, 5000 do
        values[i] = { ("%06d"):format(i) }
      end
      assert.equal(5000, map:put_batch(range(0, 4999), values))
      assert.equal("001235", map:get(1234)[1])
      if #support.possible_cpus() > 1 then
        assert.equal(("\0"):rep(6), map:get(1234)[2])
      end
    end
  end)

  it("puts maps into a map", function()
    local inner = { type = "array", key_size = 4, value_size = 4, max_entries = 1 }
    for _, kind in ipairs { "array_of_maps", "hash_of_maps" } do
      local map = new { type = kind, inner_map = inner, max_entries = 10 }
      local one, two = closing(assert(ebpf.new_map(inner))), closing(assert(ebpf.new_map(inner)))
      assert.equal(2, map:put_batch({ 3, 4 }, { one, two }))
      local got = assert(map:get(4))
      assert.equal(two:info().id, got:info().id)
      got:close()
      local values, found = map:get_batch({ 3, 9, 4 })
      assert.equal(2, found)
      assert.equal(one:info().id, values[1]:info().id)
      assert.is_nil(values[2])
      assert.equal(two:info().id, values[3]:info().id)
    end
  end)

  it("tells how many there was room for", function()
    local map = new { max_entries = 6000 }
    local done, message, code, n = map:put_batch(range(1, 8000), range(1, 8000))
    assert.is_nil(done)
    assert.equal('put into map "batched": argument list too long (E2BIG): the map is full, or the index is beyond its '
      .. "end", message)
    assert.equal(errno.E2BIG, code)
    assert.equal(6000, n)
    assert.equal(6000, count(map))
    assert.equal(6000, map:get(6000))
    assert.is_nil((map:get(6001)))

    map = new { type = "array", max_entries = 10 }
    assert.equal(5, select(4, map:put_batch({ 0, 1, 2, 3, 4, 10, 5 }, { 1, 1, 1, 1, 1, 1, 1 })))
    assert.equal(1, map:get(4))
    assert.equal(0, map:get(5))
    map:freeze()
    done, message, code, n = map:put_batch({ 0 }, { 1 })
    assert.is_nil(done)
    assert.truthy(message:find("the map is frozen", 1, true))
    assert.equal(errno.EPERM, code)
    assert.equal(0, n)
  end)

  it("raises at a wrong element, before which whole batches may have been put", function()
    local map = new()
    raises("(value: integer expected, got table)", map.put_batch, map, { 1, 2 }, { 1, {} })
    assert.equal(0, count(map))
    raises("(key: unsigned integer of 32 bits expected, got -1)", map.put_batch, map, { 1, -1 }, { 1, 1 })
    local keys = range(1, 10000)
    keys[9000] = "no"
    raises("(key has 2 bytes, 4 expected)", map.put_batch, map, keys, keys)
    assert.equal(8192, count(map))
    raises("as many values as keys expected", map.put_batch, map, { 1, 2 }, { 1 })
    raises("table expected, got nil", map.put_batch, map, nil)
    raises("table expected, got number", map.put_batch, map, { 1 }, 1)
    raises("this map has no keys", function()
      local queue = new { type = "queue", key_size = 0 }
      queue:put_batch({ 1 })
    end)
  end)

  it("points at the argument", function()
    local map = new()
    local ok, message = pcall(function()
      map:put_batch({ [1] = true })
    end)
    assert.is_false(ok)
    assert.truthy(message:find("bad argument #1 to 'put_batch' (value: integer expected, got boolean)", 1, true))
    ok, message = pcall(function()
      map:put_batch({ 1 }, { true })
    end)
    assert.is_false(ok)
    assert.truthy(message:find("bad argument #2 to 'put_batch' (value: integer expected, got boolean)", 1, true))
  end)
end)

describe("get_batch", function()
  for kind, make in pairs(makers) do
    it("gets what is there, " .. kind, function()
      local map = make()
      map:put_batch(range(1, 100), range(1, 100, 2))
      local values, found = map:get_batch({ 5, 1000, 7 })
      assert.same({ [1] = 10, [3] = 14 }, values)
      assert.equal(2, found)
      values, found = map:get_batch({})
      assert.same({}, values)
      assert.equal(0, found)
      assert.equal(100, select(2, map:get_batch(range(1, 5000))))
    end)
  end

  it("is wary of its arguments", function()
    local map = new()
    raises("table expected, got nil", map.get_batch, map, nil)
    raises("(key: integer expected, got boolean)", map.get_batch, map, { 1, true })
  end)
end)

describe("delete_batch", function()
  for kind, make in pairs(makers) do
    it("deletes what is there and tells how many that were, " .. kind, function()
      local map = make()
      map:put_batch(range(1, 8000), range(1, 8000))
      local keys = range(1, 3000)
      for i = 1, 3000, 10 do
        keys[i] = 9000 + i
      end
      assert.equal(2700, map:delete_batch(keys))
      assert.equal(5300, count(map))
      assert.equal(0, map:delete_batch({}))
      assert.equal(0, map:delete_batch({ 9000 }))
    end)
  end

  it("says when the kernel refuses", function()
    local map = new { type = "array" }
    local done, message, code, n = map:delete_batch({ 1, 2 })
    assert.is_nil(done)
    assert.equal('delete from map "batched": invalid argument (EINVAL): elements of an array cannot be deleted',
      message)
    assert.equal(errno.EINVAL, code)
    assert.equal(0, n)
    raises("(key: integer expected, got boolean)", map.delete_batch, map, { true })
  end)
end)

describe("drain", function()
  for kind, make in pairs(makers) do
    it("takes everything out, " .. kind, function()
      local map = make()
      map:put_batch(range(1, 9000), range(1, 9000, 2))
      local keys, values, n = map:drain()
      assert.equal(9000, n)
      assert.equal(9000, #keys)
      assert.equal(9000, #values)
      table.sort(keys)
      assert.same(range(1, 9000), keys)
      table.sort(values)
      assert.same(range(1, 9000, 2), values)
      assert.equal(0, count(map))
      keys, values, n = map:drain()
      assert.same({}, keys)
      assert.same({}, values)
      assert.equal(0, n)
    end)
  end

  it("keeps values with their keys", function()
    for _, kind in ipairs { "percpu_hash", "lru_percpu_hash" } do
      local map = new { type = kind, max_entries = 10000 }
      for i = 1, 100 do
        map:put(i, { i * 3 })
      end
      local keys, values, n = map:drain()
      assert.equal(100, n)
      for i = 1, n do
        assert.equal(keys[i] * 3, values[i][1])
        assert.equal(#support.possible_cpus(), #values[i])
      end
    end
  end)

  it("gives what queues and stacks hold in the order of pop", function()
    for kind, expected in pairs { queue = { 1, 2, 3 }, stack = { 3, 2, 1 } } do
      local map = new { type = kind, key_size = 0, max_entries = 3 }
      for i = 1, 3 do
        map:push(i)
      end
      local values, n = map:drain()
      assert.same(expected, values)
      assert.equal(3, n)
      values, n = map:drain()
      assert.same({}, values)
      assert.equal(0, n)
    end
  end)

  it("gives maps and programs open, also when nobody else holds them", function()
    local inner = { type = "array", key_size = 4, value_size = 4, max_entries = 1 }
    local map = new { type = "hash_of_maps", inner_map = inner, max_entries = 10 }
    for i = 1, 3 do
      local one = assert(ebpf.new_map(inner))
      one:put(0, i)
      map:put(i, one)
      one:close()
    end
    local keys, maps, n = map:drain()
    assert.equal(3, n)
    for i = 1, n do
      assert.equal(keys[i], maps[i]:get(0))
    end
    assert.equal(0, count(map))

    map = new { type = "prog_array", max_entries = 100 }
    local program = closing(assert(ebpf.new_program { name = "nothing", type = "socket_filter", license = "GPL",
      instructions = ebpf.asm.from_bytes("\183" .. ("\0"):rep(7) .. "\149" .. ("\0"):rep(7)) }))
    map:put(7, program)
    map:put(70, program)
    local indices, programs
    indices, programs, n = map:drain()
    assert.equal(2, n)
    assert.same({ 7, 70 }, indices)
    assert.equal(program:info().id, programs[2]:info().id)
    assert.is_nil((map:get(7)))
  end)

  it("says when the kernel refuses, and returns what it took", function()
    local map = new { type = "array", max_entries = 4 }
    local drained, message, code, keys, values, n = map:drain()
    assert.is_nil(drained)
    assert.equal('drain map "batched": invalid argument (EINVAL): elements of an array cannot be deleted', message)
    assert.equal(errno.EINVAL, code)
    assert.same({}, keys)
    assert.same({}, values)
    assert.equal(0, n)
    support.needs("5.16", "a bloom filter")
    local bloom = new { type = "bloom_filter", key_size = 0 }
    drained, message, code, values, n = bloom:drain()
    assert.is_nil(drained)
    assert.is_string(message)
    assert.is_number(code)
    assert.same({}, values)
    assert.equal(0, n)
  end)

  it("stops when the map is closed under way, and returns what it took", function()
    for _, kind in ipairs { "queue", "lpm_trie" } do
      local map
      map = new { type = kind, key_size = kind == "queue" and 0 or 8, flags = kind == "queue" and 0 or 1, value = {
        size = 4,
        encode = tostring,
        decode = function(s)
          if s == "bbbb" then
            map:close()
          end
          return s
        end,
      } }
      for _, value in ipairs { "aaaa", "bbbb", "cccc" } do
        if kind == "queue" then
          assert(map:push(value))
        else
          assert(map:put(prefix.encode(value:byte()), value))
        end
      end
      local results = { map:drain() }
      assert.equal("map is closed", results[2])
      assert.equal(errno.EBADF, results[3])
      assert.equal("aaaa", results[#results - 1][1])
      assert.is_true(results[#results] >= 1)
    end
  end)

  it("makes room for a bucket that is larger than a batch", function()
    -- A batch begins with room for one; of 128 entries in 128 buckets some share one.
    local size = 600 * 1024
    local map = new { max_entries = 128, value_size = size, flags = 1 }
    local value = ("x"):rep(size)
    for key = 1, 128 do
      assert(map:put(key, value))
    end
    local keys, values, n = map:drain()
    assert.equal(128, n)
    table.sort(keys)
    assert.same(range(1, 128), keys)
    for i = 1, n do
      assert(values[i] == value)
    end
  end)

  -- Another process puts 1, 2, 3... up to `last` by put(map, i), and ends.
  local function beside(map, last, put, drain)
    local id = map:info().id
    local child = process.fork(function()
      local own = assert(ebpf.map_from_id(id, { key = map:abi().type == "lpm_trie" and prefix or nil }))
      for i = 1, last do
        while not put(own, i) do -- full: wait for the other side
          support.sleep(0)
        end
      end
      return 0
    end)
    local ok, message = pcall(function()
      local seen, total = {}, 0
      local function take(list)
        for _, key in ipairs(list) do
          if seen[key] then
            error(("%d came twice"):format(key))
          end
          seen[key], total = true, total + 1
        end
      end
      local over
      repeat
        over = process.has_ended(child)
        take(drain())
      until over
      assert.equal(last, total)
    end)
    process.kill(child, 9)
    assert.equal(0, process.wait(child))
    assert(ok, message)
  end

  for kind, make in pairs { hash = new, lpm_trie = trie } do
    it("gets each entry once while another process puts them, " .. kind, function()
      local map = make()
      beside(map, 20000, function(own, i)
        return own:create(i, i)
      end, function()
        return (assert(map:drain()))
      end)
    end)
  end

  it("gets each element of a queue once, in order, while another process pushes them", function()
    local map = new { type = "queue", key_size = 0, max_entries = 1000 }
    local expected = 0
    beside(map, 20000, function(own, i)
      return own:push(i)
    end, function()
      local values, n = map:drain()
      assert.is_true(n <= 1000)
      for i = 1, n do
        expected = expected + 1
        assert.equal(expected, values[i])
      end
      return values
    end)
  end)
end)
