local ebpf = require "ebpf"
local perf = require "spec.support.perf"
local process = require "spec.support.process"
local support = require "spec.support"

local errno = ebpf.errno
local cpus = support.online_cpus()
local load = perf.load
local new = perf.new
local on_cpu = perf.on_cpu
local number_at = perf.number_at
local drain = perf.drain
local count_fds = perf.count_fds
local packet = perf.packet

describe("new_perf_reader", function()
  it("refuses what makes no sense", function()
    local map = load():take_map("events")
    local function refused(options, words)
      local ok, message = pcall(ebpf.new_perf_reader, map, options)
      assert.is_false(ok)
      assert.matches(words, message, 1, true)
    end
    refused({ size = 1 }, "unknown perf reader field 'size'")
    refused({ watermark = 65536 }, "'watermark': must be less than 'per_cpu_buffer'")
    refused({ per_cpu_buffer = 4096, watermark = 4096 }, "must be less")
    refused({ watermark = 100, wakeup_events = 1 }, "not both")
    refused({ per_cpu_buffer = 0 }, "must be positive")
    refused({ per_cpu_buffer = -1 }, "out of range")
    refused({ own = 1 }, "true or false expected")
    refused({ type = "u33" }, "unknown type 'u33'")
    refused({ type = {} }, "size is not a number")
    refused("64", "table expected")
    assert.is_false(map:is_closed())
    map:close()
    local reader, message, code = ebpf.new_perf_reader(map)
    assert.is_nil(reader)
    assert.equal("map is closed", message)
    assert.equal(errno.EBADF, code)
  end)

  it("refuses other maps", function()
    local hash = support.closing(assert(ebpf.new_map { type = "hash", key_size = 4, value_size = 4, max_entries = 1 }))
    local ok, message = pcall(ebpf.new_perf_reader, hash)
    assert.is_false(ok)
    assert.matches("perf_event_array expected, got hash", message, 1, true)
    assert.is_false((pcall(ebpf.new_perf_reader, {})))
  end)

  it("says when the map is too small", function()
    if #cpus < 2 then
      return
    end
    local map = support.closing(assert(ebpf.new_map { type = "perf_event_array", max_entries = 1 }))
    local before = count_fds()
    local reader, message, code = ebpf.new_perf_reader(map)
    assert.is_nil(reader)
    assert.matches("^create perf reader: put the perf buffer of CPU 1 into the map, which has too few entries", message)
    assert.equal(errno.E2BIG, code)
    assert.equal(before, count_fds())
    assert.is_false(map:is_closed())
  end)

  it("rounds the buffer to a power of two of pages", function()
    for asked, got in pairs { [1] = 4096, [4096] = 4096, [4097] = 8192, [12288] = 16384, [65536] = 65536 } do
      assert.equal(got, new({ per_cpu_buffer = asked }):buffer_size())
    end
    assert.equal(65536, new():buffer_size())
  end)

  it("names what the unprivileged lack", function()
    local script = [[
      local ebpf = require "ebpf"
      local map = assert(ebpf.new_map { type = "perf_event_array" })
      print(ebpf.new_perf_reader(map, { per_cpu_buffer = tonumber(os.getenv("BUFFER")) }))
    ]]
    local output = support.run_lua(script, function(command)
      return "BUFFER=4096 " .. support.unprivileged(command, { "bpf" })
    end)
    assert.matches("^nil%screate perf reader: open a perf event on CPU 0: .-: needs CAP_PERFMON", output)
    output = support.run_lua(script, function(command)
      return "BUFFER=268435456 " .. support.unprivileged("ulimit -l 1024; " .. command, { "bpf", "perfmon" })
    end)
    assert.matches("^nil%screate perf reader: map 262144 KiB of perf buffer for CPU 0: .-: over the limit", output)
  end)

  it("goes by the numbers of the online CPUs, which may have gaps", function()
    local private = "unshare --mount --propagation private "
    support.skip_unless_runs(private .. "true", "mounts of its own")
    -- What the kernel would list if only the last CPU were online, mounted over its own list.
    local last = cpus[#cpus]
    local list = support.tmpdir() .. "/online"
    support.write_file(list, last .. "\n")
    local output, status = support.run_lua(([[
      local last = %d
      local ebpf = require "ebpf"
      local process = require "spec.support.process"
      local coll = assert(ebpf.load(require("spec.support").fixture("perf_output")))
      local function emit(cpu)
        process.pin(cpu)
        return coll.programs.emit_packet:run({ data = ("x"):rep(64) }).retval
      end
      local reader = assert(ebpf.new_perf_reader(coll.maps.events))
      assert(emit(last) == 0)
      local sample, cpu = reader:read()
      assert(#sample == 68 and cpu == last)
      local _, lost = reader:lost_samples()
      assert(next(lost) == last and not next(lost, last))
      assert(last == 0 or emit(0) == ebpf.errno.ENOENT)
    ]]):format(last), function(command)
      return private .. "sh -c " .. support.quote(
        ("mount --bind %s /sys/devices/system/cpu/online && %s"):format(list, command))
    end)
    assert.equal("", output)
    assert.equal(0, status)
  end)

  it("collects garbage when files run out, and says so when that does not help", function()
    local map = load():take_map("events")
    collectgarbage("stop") -- so that nothing is collected before
    for _ = 1, 3 do
      assert(ebpf.new_perf_reader(map, { own = false }))
    end
    local limit = process.limit_files(count_fds() + 2)
    local ok, reader = pcall(ebpf.new_perf_reader, map, { own = false })
    process.limit_files(4)
    local _, none, message, code = pcall(ebpf.new_perf_reader, map, { own = false })
    process.limit_files(limit)
    collectgarbage("restart")
    assert.is_true(ok)
    assert.is_truthy(reader)
    assert.is_nil(none)
    assert.equal(errno.EMFILE, code)
    assert.matches("EMFILE", message)
  end)
end)

describe("a perf reader", function()
  it("reads samples with the number of their CPU", function()
    local reader, emit = new()
    for _, cpu in ipairs(cpus) do
      on_cpu(cpu, emit)
      local sample, from = reader:read()
      assert.equal(cpu, from)
      assert.equal(1, number_at(sample, 0, 8))
      assert.equal(cpu, number_at(sample, 8, 4))
    end
    assert.is_nil(reader:read())
    assert.equal(1, select("#", reader:read()))
  end)

  it("keeps the kernel's length, padding included", function()
    local reader, _, coll = new()
    for size = 14, 40 do
      local data = ("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMN"):sub(1, size)
      assert.equal(0, coll.programs.emit_packet:run({ data = data }).retval)
      local sample = reader:read()
      assert.equal(size, number_at(sample, 0, 4))
      assert.equal(data, sample:sub(5, 4 + size))
      assert.equal(0, (#sample + 4) % 8)
      assert.is_true(#sample - (4 + size) <= 7)
    end
  end)

  it("reads samples of any size across the end of the buffer", function()
    local reader, _, coll = new { per_cpu_buffer = 4096 }
    local seed = 1
    for i = 1, 500 do
      seed = seed * 16807 % 2147483647
      local size = 14 + seed % 3000
      local data = (string.char(i % 256)):rep(size - 1) .. "."
      assert.equal(0, coll.programs.emit_packet:run({ data = data }).retval)
      local sample = reader:read()
      assert.equal(size, number_at(sample, 0, 4))
      assert.is_true(data == sample:sub(5, 4 + size))
    end
    assert.equal(0, (reader:lost_samples()))
  end)

  it("decodes samples by their type", function()
    local reader, emit = new { type = "u64", int64 = "number" }
    emit(2)
    local first, cpu = reader:read()
    assert.equal(1, first)
    assert.equal("number", type(cpu))
    for n in reader:available() do
      assert.equal(2, n)
    end
    local custom
    custom, emit = new { type = {
      size = 12,
      encode = function() end,
      decode = function(bytes)
        return { number = number_at(bytes, 0, 8), cpu = number_at(bytes, 8, 4), size = #bytes }
      end,
    } }
    emit()
    local t
    t, cpu = custom:read()
    assert.same({ number = 1, cpu = cpu, size = 12 }, t)
  end)

  it("goes on after a sample that cannot be decoded", function()
    local function decode(bytes)
      return bytes:sub(5, 5) == "g" and "good" or error("bad", 0)
    end
    local reader, _, coll = new { type = { size = 28, encode = print, decode = decode } }
    for _, data in ipairs { ("b"):rep(24), ("s"):rep(14), ("g"):rep(24) } do
      coll.programs.emit_packet:run { data = data }
    end
    assert.has_error(function()
      reader:read()
    end, "bad")
    local sample, message, code = reader:read()
    assert.is_nil(sample)
    assert.equal("sample of 20 bytes is too short for its type of 28", message)
    assert.equal(errno.EMSGSIZE, code)
    assert.equal("good", (reader:read()))
    assert.is_nil(reader:read())
  end)

  it("reads in batches", function()
    local reader, emit = new()
    emit(10)
    local batch, n = reader:read_batch(4)
    assert.equal(4, n)
    assert.equal(4, #batch)
    assert.equal(1, number_at(batch[1], 0, 8))
    local same
    same, n = reader:read_batch(100, batch)
    assert.equal(batch, same)
    assert.equal(6, n)
    assert.equal(6, #batch)
    assert.equal(10, number_at(batch[6], 0, 8))
    same, n = reader:read_batch(5, batch)
    assert.equal(0, n)
    assert.is_nil(same[1])
    assert.equal(0, select(2, reader:read_batch(0)))
    assert.is_false((pcall(reader.read_batch, reader, -1)))
    assert.is_false((pcall(reader.read_batch, reader, 1, "x")))
  end)

  it("ends available() when nothing is left, and finds later samples anew", function()
    local reader, emit = new()
    local step = reader:available()
    assert.is_nil(step())
    emit(3)
    assert.is_string((step()))
    assert.equal(2, drain(reader))
    assert.is_nil(step())
    emit(1)
    assert.is_string((step()))
    assert.is_false((pcall(reader.available, reader, "pid")))
  end)

  it("polls", function()
    local reader, emit = new()
    local start = support.now()
    assert.is_false(reader:poll(0))
    assert.is_false(reader:poll(0.1))
    assert.is_true(support.now() - start >= 0.1)
    assert.is_false(reader:dirty())
    assert.is_nil(reader:timeout())
    emit(2)
    assert.is_true(reader:dirty())
    assert.equal(0, reader:timeout())
    assert.is_true(reader:poll())
    reader:read()
    assert.is_true(reader:poll(10))
    reader:read()
    assert.is_false(reader:dirty())
    assert.is_false(reader:poll(0.01)) -- the wakeups of samples that were read already do not count
    assert.is_false((pcall(reader.poll, reader, -1)))
    assert.is_false((pcall(reader.poll, reader, "soon")))
    assert.is_false((pcall(reader.poll, reader, 0 / 0)))
  end)

  it("is woken by samples", function()
    local reader, emit = new()
    local child = process.fork(function()
      support.sleep(0.1)
      emit()
      return 0
    end)
    local start = support.now()
    assert.is_true(reader:poll())
    assert.is_true(support.now() - start >= 0.05)
    assert.is_string((reader:read()))
    assert.equal(0, process.wait(child))
  end)

  it("sleeps its time also when signals come", function()
    local reader, emit = new()
    process.interrupt(0.01)
    local start = support.now()
    local ready = reader:poll(0.3)
    local took = support.now() - start
    emit()
    local ready_now = reader:poll(0.3)
    process.interrupt(0)
    assert.is_false(ready)
    assert.is_true(took >= 0.3 and took < 2)
    assert.is_true(ready_now)
  end)

  it("misses no sample under edge-triggered epoll", function()
    local reader, _, coll = new()
    local total = 20000
    local child = process.fork(function()
      process.pin(cpus[#cpus])
      for i = 1, total / 10 do
        coll.programs.emit_numbered:run { data = packet, times = 10 }
        if i % 100 == 0 then
          support.sleep(0.001)
        end
      end
      return 0
    end)
    local edge = process.watch_edges(reader:fd())
    local received = 0
    while received + reader:lost_samples() < total do
      -- Each wait ends by a new edge, for the one before was answered by reading to the end.
      if not process.wait_edge(edge, 5) then
        break
      end
      received = received + drain(reader)
    end
    process.close(edge)
    assert.equal(0, process.wait(child))
    assert.equal(total, received + reader:lost_samples())
    assert.is_false(reader:dirty())
  end)

  it("lets Ctrl-C through", function()
    local path = support.tmpdir() .. "/sleep.lua"
    support.write_file(path, [[
      local ebpf = require "ebpf"
      local reader = assert(ebpf.new_perf_reader(assert(ebpf.new_map { type = "perf_event_array" })))
      print "ready"
      io.stdout:flush()
      for _ in reader:samples() do end
    ]])
    local child, output = support.start(support.quote(support.lua) .. " " .. support.quote(path))
    assert(support.wait_until(function()
      return support.read_file(output):find("ready", 1, true)
    end))
    support.sleep(0.1)
    process.kill(child, 2)
    assert.is_truthy(support.wait_until(function()
      return support.read_file(output):find("interrupted!", 1, true)
    end))
  end)

  it("is woken by flush, once", function()
    local reader, emit = new { wakeup_events = 100 }
    assert.is_true(reader:flush())
    assert.is_true(reader:poll(5))
    assert.is_false(reader:poll(0.01))
    local child = process.fork(function()
      support.sleep(0.05)
      emit()
      reader:flush()
      return 0
    end)
    assert.is_true(reader:poll())
    assert.is_string((reader:read()))
    assert.equal(0, process.wait(child))
    reader:flush()
    assert.is_nil(reader:read()) -- takes the flush
    assert.is_false(reader:poll(0.01))
  end)

  it("counts what was lost, without waiting for another sample", function()
    local reader, emit = new { per_cpu_buffer = 32768 }
    on_cpu(cpus[#cpus], function()
      emit(1000)
    end)
    local total, per_cpu = reader:lost_samples()
    assert.equal(591, total)
    assert.equal(591, per_cpu[cpus[#cpus]])
    for _, cpu in ipairs(cpus) do
      assert.equal("number", type(per_cpu[cpu]))
    end
    assert.equal(409, drain(reader))
    on_cpu(cpus[#cpus], emit)
    assert.equal(1, drain(reader))
    assert.equal(591, (reader:lost_samples()))
  end)

  it("can be paused", function()
    local reader, emit = new()
    emit(1)
    assert.is_true(reader:pause())
    emit(2)
    assert.equal(1, drain(reader))
    assert.is_true(reader:resume())
    emit(3)
    assert.equal(3, drain(reader))
    assert.equal(2, (reader:lost_samples()))
  end)

  it("reads overwritable buffers while paused, newest first", function()
    local reader, emit = new { per_cpu_buffer = 4096, overwritable = true }
    on_cpu(cpus[1], function()
      emit(5)
    end)
    local sample, message, code = reader:read()
    assert.is_nil(sample)
    assert.equal(errno.EBUSY, code)
    assert.matches("pause it first", message)
    assert.is_false(reader:dirty())
    local function numbers()
      local list = {}
      for s in reader:available() do
        list[#list + 1] = number_at(s, 0, 8)
      end
      return list
    end
    reader:pause()
    assert.is_true(reader:dirty())
    assert.same({ 5, 4, 3, 2, 1 }, numbers())
    reader:resume()
    assert.is_false((pcall(numbers)))
    on_cpu(cpus[1], function()
      emit(2)
    end)
    reader:pause()
    assert.same({ 7, 6 }, numbers())
    reader:resume()
    on_cpu(cpus[1], function()
      emit(1000)
    end)
    reader:pause()
    local list = numbers()
    assert.equal(51, #list) -- 4096 / 80: the oldest is half overwritten
    for i, n in ipairs(list) do
      assert.equal(1008 - i, n)
    end
    assert.same({}, numbers())
  end)

  it("speaks luasocket's and copas' protocol", function()
    local reader, emit = new()
    assert.equal(reader:fd(), reader:getfd())
    assert.equal(reader:fd(), reader:pollfd())
    assert.equal("r", reader:events())
    assert.same({ nil, "timeout" }, { reader:receive() })
    emit()
    assert.is_string((reader:receive()))
    reader:close()
    assert.same({ nil, "closed" }, { reader:receive() })
  end)
end)

describe("exactness", function()
  -- How many samples the programs say they have tried to send on each CPU.
  local function sent(coll)
    local list = {}
    for _, cpu in ipairs(support.possible_cpus()) do
      list[cpu] = number_at(assert(coll.maps.counters:get_bytes(cpu)), 0, 8)
    end
    return list
  end

  it("holds for a million samples: received and lost are sent, on each CPU", function()
    local reader, _, coll = new { per_cpu_buffer = 256 * 1024, wakeup_events = 64 }
    local program = coll.programs.emit_numbered
    local children = {}
    for _, cpu in ipairs(cpus) do
      children[#children + 1] = process.fork(function()
        process.pin(cpu)
        for _ = 1, 100 do
          program:run { data = packet, times = 1000000 / 100 / #cpus }
        end
        return 0
      end)
    end
    local received, last = {}, {}
    for _, cpu in ipairs(cpus) do
      received[cpu], last[cpu] = 0, 0
    end
    local function read()
      for sample, cpu in reader:available() do
        local n = number_at(sample, 0, 4)
        if n <= last[cpu] then
          error(("CPU %d: %d after %d"):format(cpu, n, last[cpu]))
        end
        last[cpu] = n
        received[cpu] = received[cpu] + 1
      end
    end
    local running = #children
    while running > 0 do
      reader:poll(0.01)
      read()
      for i = #children, 1, -1 do
        if process.has_ended(children[i]) then
          assert.equal(0, process.wait(table.remove(children, i)))
          running = running - 1
        end
      end
    end
    read()
    local total, lost = reader:lost_samples()
    local sum = 0
    for cpu, n in pairs(sent(coll)) do
      assert.equal(n, (received[cpu] or 0) + (lost[cpu] or 0))
      sum = sum + n
    end
    assert.equal(1000000, sum)
    local all = total
    for _, n in pairs(received) do
      all = all + n
    end
    assert.equal(1000000, all)
  end)

  it("holds without any loss when the reader keeps up", function()
    local reader, emit, coll = new { per_cpu_buffer = 1024 * 1024 }
    local n = 0
    for round = 1, 20 do
      on_cpu(cpus[round % #cpus + 1], function()
        emit(10000)
      end)
      n = n + drain(reader)
    end
    assert.equal(200000, n)
    assert.equal(0, (reader:lost_samples()))
    local sum = 0
    for _, count in pairs(sent(coll)) do
      sum = sum + count
    end
    assert.equal(200000, sum)
  end)
end)

describe("a corrupt buffer", function()
  -- Where this process has perf buffers mapped.
  local function mappings()
    local list = {}
    for line in support.read_file("/proc/self/maps"):gmatch("[^\n]+") do
      local start = line:match("^(%x+)%-%x+ .*anon_inode:%[perf_event%]")
      if start then
        list[tonumber(start, 16)] = true
      end
    end
    return list
  end

  -- A reader of 3 samples on each CPU, and a function that says how far the producers are: the control page of a
  -- buffer can be written, unlike its data.
  local function new_corruptible()
    local before = mappings()
    local reader, emit = new()
    for _, cpu in ipairs(cpus) do
      on_cpu(cpu, function()
        emit(3)
      end)
    end
    return reader, function(bytes)
      local n = 0
      for start in pairs(mappings()) do
        if not before[start] then
          process.poke(start + 1024, bytes) -- data_head in struct perf_event_mmap_page
          n = n + 1
        end
      end
      assert.equal(#cpus, n)
    end
  end

  it("stops reading with an error", function()
    local reader, set_head = new_corruptible()
    set_head "\0\0\0\0\1\0\0\0"
    for _ = 1, 3 do
      local sample, message, code = reader:read()
      assert.is_nil(sample)
      assert.matches("^perf buffer of CPU %d+ is corrupt at position 0: the producer is further ahead than", message)
      assert.equal(errno.EBADMSG, code)
    end
    assert.is_true(reader:poll(1))
    for _, iterate in ipairs { "available", "samples", "flush_and_close" } do
      local ok, message = pcall(function()
        for _ in reader[iterate](reader) do
          error("read something")
        end
      end)
      assert.is_false(ok)
      assert.matches("is corrupt", message, 1, true)
    end
    assert.is_true(reader:close())
  end)

  it("gives what came before the damage", function()
    local reader, set_head = new_corruptible()
    set_head "\0\2\0\0\0\0\0\0" -- 512: zeros follow the 3 samples of 80 bytes
    local batch, n = reader:read_batch(100)
    assert.equal(3, n)
    assert.equal(68, #batch[3])
    local none, message, code = reader:read_batch(100)
    assert.is_nil(none)
    assert.matches("^perf buffer of CPU %d+ is corrupt at position 240: a record has an impossible size$", message)
    assert.equal(errno.EBADMSG, code)
  end)

  local it_once = support.once and it or function() end

  it_once("never makes reading unsafe or endless #host", function()
    local path = support.harness "perf_ring_fuzz"
    local output, status = support.run(path .. " 20000")
    assert.equal("", output)
    assert.equal(0, status)
  end)
end)
