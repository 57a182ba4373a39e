-- Walking maps: all of them, alone and while others write.
local ebpf = require "ebpf"
local process = require "spec.support.process"
local support = require "spec.support"

local closing = support.closing

local function new(fields)
  local spec = { name = "walked", type = "hash", key_size = 4, value_size = 4, max_entries = 1000 }
  for field, value in pairs(fields) do
    spec[field] = value
  end
  return closing(assert(ebpf.new_map(spec)))
end

local function filled(n, fields)
  local map = new(fields or {})
  local entries = {}
  for key = 1, n do
    entries[key] = key
  end
  assert.equal(n, map:put_batch(entries))
  return map
end

-- How often each key comes, and how many come.
local function walk(map)
  local seen, count = {}, 0
  for key in map:iterate() do
    seen[key], count = (seen[key] or 0) + 1, count + 1
  end
  return seen, count
end

local function each_once(n, seen)
  for key = 1, n do
    if seen[key] ~= 1 then
      error(("key %d came %s times"):format(key, tostring(seen[key])), 2)
    end
  end
end

local function raises(words, ...)
  local ok, message = pcall(...)
  assert.is_false(ok)
  assert.truthy(tostring(message):find(words, 1, true), message)
end

local function program()
  return closing(assert(ebpf.new_program { name = "nothing", type = "socket_filter", license = "GPL",
    instructions = ebpf.asm.from_bytes("\183" .. ("\0"):rep(7) .. "\149" .. ("\0"):rep(7)) }))
end

-- A key of an lpm_trie for one IPv4 address, as a string.
local function address(i)
  return "\32\0\0\0\10" .. string.char(math.floor(i / 65536) % 256, math.floor(i / 256) % 256, i % 256)
end

local function trie(fields)
  local spec = { type = "lpm_trie", key_size = 8, flags = 1, key = "bytes", max_entries = 20000 }
  for field, value in pairs(fields or {}) do
    spec[field] = value
  end
  return new(spec)
end

-- The loopback interface, whatever its index here, under each key.
local function devices(n)
  local map = new { type = "devmap_hash", max_entries = n * 2 }
  local index = tonumber((support.check_run("cat /sys/class/net/lo/ifindex")))
  for key = 1, n do
    assert(map:put(key, index))
  end
  return map, index
end

describe("a walk", function()
  it("meets every entry once", function()
    for _, kind in ipairs { "hash", "lru_hash" } do
      local map = filled(900, { type = kind, max_entries = 10000 })
      local count = 0
      local seen = {}
      for key, value in map:iterate() do
        assert.equal(key, value)
        seen[key], count = (seen[key] or 0) + 1, count + 1
      end
      assert.equal(900, count)
      each_once(900, seen)
    end
  end)

  it("meets every element of an array, in order", function()
    local map = new { type = "array", max_entries = 10000 }
    map:put(9999, 5)
    local next_index = 0
    for index, value in map:iterate() do
      assert.equal(next_index, index)
      assert.equal(index == 9999 and 5 or 0, value)
      next_index = next_index + 1
    end
    assert.equal(10000, next_index)
  end)

  it("gives per-CPU values as arrays", function()
    local cpus = #support.possible_cpus()
    for _, kind in ipairs { "percpu_hash", "lru_percpu_hash", "percpu_array" } do
      local map = new { type = kind, max_entries = 64, value_size = 12 }
      for key = 0, 9 do
        assert(map:put(key, { ("%012d"):format(key) }))
      end
      local count = 0
      for key, values in map:iterate() do
        assert.equal(cpus, #values)
        if key < 10 then
          assert.equal(("%012d"):format(key), values[1])
          count = count + 1
        end
      end
      assert.equal(10, count)
    end
  end)

  it("passes by the empty slots of a program array", function()
    local map = new { type = "prog_array", max_entries = 100 }
    local one = program()
    for _, index in ipairs { 3, 50, 99 } do
      assert(map:put(index, one))
    end
    local indices = {}
    for index, value in map:iterate() do
      indices[#indices + 1] = index
      assert.equal(one:info().id, value:info().id)
      value:close()
    end
    assert.same({ 3, 50, 99 }, indices)
  end)

  it("gives maps in maps handles of their own", function()
    local inner = { type = "array", key_size = 4, value_size = 4, max_entries = 1 }
    for _, kind in ipairs { "array_of_maps", "hash_of_maps" } do
      local map = new { type = kind, inner_map = inner, max_entries = 100 }
      local ids = {}
      for _, key in ipairs { 3, 50, 99 } do
        local one = assert(ebpf.new_map(inner))
        ids[key] = one:info().id
        assert(map:put(key, one))
        one:close()
      end
      local count = 0
      for key, value in map:iterate() do
        assert.equal(ids[key], value:info().id)
        assert.is_true(value:put(0, key))
        value:close()
        count = count + 1
      end
      assert.equal(3, count)
    end
  end)

  it("meets prefixes and devices", function()
    local map = trie()
    for i = 1, 5000 do
      assert(map:put(address(i), i))
    end
    assert(map:put("\8\0\0\0\10\0\0\0", 0))
    local seen, count = walk(map)
    assert.equal(5001, count)
    for i = 1, 5000 do
      assert.equal(1, seen[address(i)])
    end
    each_once(300, (walk((devices(300)))))
    local devmap = new { type = "devmap" }
    devmap:put(7, 1)
    assert.same({ [7] = 1 }, (walk(devmap)))
  end)

  it("ends at once where nothing is", function()
    for kind, fields in pairs {
      hash = {}, lru_hash = {}, percpu_hash = {}, prog_array = {}, lpm_trie = { key_size = 8, flags = 1 }, devmap = {},
      devmap_hash = {},
      sockmap = { value_size = 8 }, sockhash = { value_size = 8 }, cpumap = {},
      stack_trace = { value_size = 8 }, reuseport_sockarray = { value_size = 8 },
      array_of_maps = { inner_map = { type = "array", key_size = 4, value_size = 4, max_entries = 1 } },
    } do
      fields.type = kind
      local _, count = walk(new(fields))
      assert.equal(0, count, kind)
    end
  end)

  it("says when the kernel refuses", function()
    raises('iterate map "walked": ', walk, new { type = "perf_event_array", max_entries = 1 })
    raises('iterate map "walked": ', walk, new { type = "xskmap", max_entries = 1 })
    raises("only maps of sockets with value_size = 8 can be read", walk, new { type = "sockmap" })
    raises("this map has no keys to iterate over", walk, new { type = "queue", key_size = 0 })
  end)

  it("ends for good", function()
    local map = filled(3)
    local step = map:iterate()
    assert.is_truthy(step() and step() and step())
    assert.is_nil(step())
    map:put(77, 1)
    assert.is_nil(step())
    assert.equal(1, select("#", step()))
  end)

  it("is one of any number at once", function()
    local map = filled(50)
    local pairs_met = 0
    for _ in map:iterate() do
      for _ in map:iterate() do
        pairs_met = pairs_met + 1
      end
    end
    assert.equal(2500, pairs_met)
    local walks, sums = {}, {}
    for i = 1, 10 do
      walks[i], sums[i] = map:iterate(), 0
    end
    for _ = 1, 51 do
      for i = 1, 10 do
        sums[i] = sums[i] + (walks[i]() or 0)
      end
    end
    for i = 1, 10 do
      assert.equal(50 * 51 / 2, sums[i])
    end
  end)

  it("can be left and begun again", function()
    local map = filled(50)
    for _ = 1, 100 do
      for _ in map:iterate() do -- luacheck: ignore 512
        break
      end
    end
    each_once(50, (walk(map)))
  end)

  it("is what pairs does, from Lua 5.2 on", function()
    local map = filled(10)
    if _VERSION == "Lua 5.1" and not pcall(pairs, map) then
      return
    end
    local sum = 0
    for key, value in pairs(map) do
      sum = sum + key + value
    end
    assert.equal(110, sum)
  end)

  it("outlives its map variable", function()
    local step = ebpf.new_map({ type = "array", key_size = 4, value_size = 4, max_entries = 5000 }):iterate()
    local count = 0
    for _ in step do
      count = count + 1
      if count % 1000 == 0 then
        collectgarbage()
      end
    end
    assert.equal(5000, count)
  end)

  it("raises when its map is closed", function()
    for _, fields in ipairs { {}, { type = "array" }, { type = "devmap_hash" }, { type = "prog_array" } } do
      local map = new(fields)
      map:put(1, fields.type == "prog_array" and program() or 1)
      map:put(2, fields.type == "prog_array" and program() or 1)
      local step = map:iterate()
      step()
      map:close()
      raises("iterate: map is closed", step)
      raises("iterate: map is closed", step)
    end
  end)

  it("is over when a decode raises", function()
    local step
    local map = filled(10)
    local same = closing(assert(ebpf.map_from_id(map:info().id, { value = {
      size = 4,
      encode = function(v) return v end,
      decode = function(s)
        if s == "\5\0\0\0" then
          error("no fives")
        elseif s == "\6\0\0\0" then
          local ok, message = pcall(step)
          assert(not ok and message:find("called inside itself"))
        end
        return s
      end,
    } })))
    step = same:iterate()
    local ok, message
    repeat
      ok, message = pcall(step)
    until not ok or not message
    assert.is_false(ok)
    assert.truthy(message:find("no fives", 1, true))
    raises("or after it failed", step)
    step = same:iterate() -- another one is none the worse
    assert(same:delete(5))
    local count = 0
    for _ in step do
      count = count + 1
    end
    assert.equal(9, count)
  end)

  it("does not end at a key that decodes to nil", function()
    local map = filled(3)
    local same = closing(assert(ebpf.map_from_id(map:info().id, { key = {
      size = 4, encode = tostring, decode = function() end } })))
    raises("type of the key: decode returned nil", walk, same)
    raises("type of the key: decode returned nil", same.next_key, same)
  end)

  it("makes room for a bucket that is larger than a batch", function()
    -- Values so large that a batch begins with two; of 128 entries in 128 buckets some share one with two others.
    local size = 600 * 1024
    local map = new { max_entries = 128, value_size = size, flags = 1 }
    local value = ("x"):rep(size)
    for key = 1, 128 do
      assert(map:put(key, value))
    end
    local seen, count = {}, 0
    for key, got in map:iterate() do
      assert(got == value)
      seen[key], count = (seen[key] or 0) + 1, count + 1
    end
    assert.equal(128, count)
    each_once(128, seen)
  end)
end)

describe("a loop that writes its own map", function()
  -- Elements of a trie are as large as its values, and a put does not wait for memory.
  local function put(map, key, value)
    local ok, message, code
    support.wait_until(function()
      ok, message, code = map:put(key, value)
      return ok or code ~= ebpf.errno.ENOMEM
    end, 10)
    return assert(ok, message)
  end

  -- The maps of `make` are walked by batches of buckets, by batches of keys, by steps.
  local function big_trie(n)
    local map = trie { value_size = 16384 } -- a batch holds sixty
    for i = 1, n do
      put(map, address(i), ("v"):rep(16384))
    end
    return map
  end

  local ways = {
    { "by buckets", function(n) return filled(n, { value_size = 4, max_entries = 16384 }) end, 6000,
      function(i) return i end, 1 },
    { "by keys", big_trie, 200, address, ("w"):rep(16384) },
    { "by steps", devices, 200, function(i) return i end, 1 },
  }

  for _, way in ipairs(ways) do
    local name, make, n, key_of, value = way[1], way[2], way[3], way[4], way[5]

    -- Walks and calls visit(map, key, how many came); all the keys of `expected`, a function, came once.
    local function check(visit, expected)
      local map = make(n)
      local seen, count = {}, 0
      for key in map:iterate() do
        seen[key], count = (seen[key] or 0) + 1, count + 1
        if seen[key] > 1 then
          error("a key came twice")
        end
        visit(map, key, count)
        assert.is_true(count <= 2 * n)
      end
      for i = 1, n do
        if expected(i, seen) and not seen[key_of(i)] then
          error(("key %d did not come"):format(i), 2)
        end
      end
      return map, seen, count
    end

    local function all()
      return true
    end

    it("may delete each key it gets, " .. name, function()
      local map = check(function(map, key)
        assert(map:delete_strict(key))
      end, all)
      assert.is_nil((map:next_key()))
    end)

    it("may delete some keys it gets, " .. name, function()
      for _, every in ipairs { 2, 7, 15 } do
        check(function(map, key, count)
          if count % every == 0 then
            assert(map:delete_strict(key))
          end
        end, all)
      end
    end)

    it("may delete the keys it got all at once, " .. name, function()
      local got = {}
      check(function(map, key, count)
        got[#got + 1] = key
        if count % 30 == 0 then
          assert(map:delete_batch(got))
          got = {}
        end
      end, all)
    end)

    it("may delete the last few keys it got, " .. name, function()
      local got = {}
      check(function(map, key, count)
        got[#got + 1] = key
        if count % 40 == 0 then
          for _ = 1, 12 do
            assert(map:delete(table.remove(got)))
          end
        end
      end, all)
    end)

    it("may delete a key and put it again, " .. name, function()
      check(function(map, key, count)
        if count % 5 == 0 then
          assert(map:delete_strict(key))
          put(map, key, value)
        end
      end, all)
    end)

    it("may delete keys that are still to come, " .. name, function()
      local deleted = {}
      check(function(map, _, count)
        local key = key_of((count * 7) % n + 1)
        deleted[key] = true
        assert(map:delete(key))
      end, function(i)
        return not deleted[key_of(i)]
      end)
    end)

    it("may empty the map, " .. name, function()
      local _, _, count = check(function(map, _, count)
        if count == 3 then
          for i = 1, n do
            assert(map:delete(key_of(i)))
          end
        end
      end, function()
        return false
      end)
      assert.is_true(count >= 3 and count < n)
    end)

    it("may put new keys, " .. name, function()
      check(function(map, _, count)
        if count <= n then
          put(map, key_of(n + count), value)
        end
      end, all)
    end)
  end
end)

describe("a walk beside a busy writer", function()
  local directory

  setup(function()
    directory = support.bpffs()
  end)

  -- Pins the map, runs `write(map, round)` over and over in another process, and `read` here meanwhile. `rounds` is a
  -- map in which the other process counts.
  local function beside(map, write, read)
    local rounds = new { name = "rounds", type = "array", max_entries = 1 }
    local path = directory .. "/walked"
    assert(map:pin(path))
    local id = rounds:info().id
    local child = process.fork(function()
      local own = assert(ebpf.load_pinned_map(path, { key = map:abi().type == "lpm_trie" and "bytes" or nil }))
      local counter = assert(ebpf.map_from_id(id))
      local round = 0
      while true do
        round = round + 1
        write(own, round)
        if round % 100 == 0 then
          assert(counter:put(0, round))
        end
      end
    end)
    local ok, message = pcall(function()
      assert(support.wait_until(function()
        return rounds:get(0) > 0
      end))
      local before = rounds:get(0)
      read()
      assert.is_true(rounds:get(0) > before)
      assert.is_false(process.has_ended(child))
    end)
    process.kill(child, 9)
    process.wait(child)
    map:unpin()
    assert(ok, message)
  end

  -- Walks `times` times: keys for which stays(key) come once, `n` in all; the others at most once. Only `incomplete`
  -- walks may miss any.
  local function walk_and_check(map, times, n, stays, incomplete)
    local others, missed = 0, 0
    for _ = 1, times do
      local seen, stayed = {}, 0
      for key in map:iterate() do
        if seen[key] then
          error("a key came twice: " .. key)
        end
        seen[key] = true
        if stays(key) then
          stayed = stayed + 1
        else
          others = others + 1
        end
      end
      assert.is_true(stayed <= n)
      missed = missed + (stayed < n and 1 or 0)
    end
    assert.is_true(missed <= (incomplete or 0))
    assert.is_true(others > 0)
  end

  it("misses nothing of 100 000 entries, meets nothing twice, and ends", function()
    local n = 100000
    local map = filled(n, { max_entries = 200000 })
    beside(map, function(own, round)
      own:put(n + 1 + round * 7919 % 50000, round)
      own:delete(n + 1 + round * 104729 % 50000)
    end, function()
      walk_and_check(map, 3, n, function(key)
        return key <= n
      end)
    end)
  end)

  -- The kernel looks for the next key of a trie without its lock, and passes over a branch whose root is replaced at
  -- that moment (trie_get_next_key in kernel/bpf/lpm_trie.c): once in some hundred walks like these.
  it("meets nothing of an lpm_trie twice, misses next to nothing, and ends", function()
    local n = 8000
    local map = trie { max_entries = 30000 }
    for i = 1, n do
      assert(map:put(address(2 * i), i)) -- the others are put between these
    end
    beside(map, function(own, round)
      own:put(address(2 * (round * 7919 % n) + 1), round)
      own:delete(address(2 * (round * 104729 % n) + 1))
    end, function()
      walk_and_check(map, 10, n, function(key)
        return key:byte(8) % 2 == 0
      end, 2)
    end)
  end)

  it("goes by steps just as well", function()
    local n = 3000
    local map, index = devices(n)
    beside(map, function(own, round)
      own:put(n + 1 + round * 7919 % 3000, index)
      own:delete(n + 1 + round * 104729 % 3000)
    end, function()
      walk_and_check(map, 10, n, function(key)
        return key <= n
      end)
    end)
  end)
end)
