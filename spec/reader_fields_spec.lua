local ebpf = require "ebpf"
local perf = require "spec.support.perf"
local ring = require "spec.support.ring"
local support = require "spec.support"

local packet = ring.packet
local is_jit = support.lua_name == "luajit"

-- Both kinds of readers, of the same events.
local kinds = {
  ring = function(options)
    local given = { type = "event", int64 = "number" }
    for name, value in pairs(options or {}) do
      given[name] = value
    end
    return ring.new(given)
  end,
  perf = function(options)
    local given = { int64 = "number" }
    for name, value in pairs(options or {}) do
      given[name] = value
    end
    return ring.new_perf(given)
  end,
}

for kind, new in pairs(kinds) do
  describe("fields of samples of a " .. kind .. " reader", function()
    it("are what the samples have", function()
      local reader, emit = new()
      emit()
      local event, source = reader:read()
      emit()
      local n = 0
      for number, negative, cpu, addr, port, hops, open, comm, mac, first, last, three, minus, rest, from
        in reader:available("number", "negative", "cpu", "key.addr", "key.port", "key.hops", "key.open", "comm",
          "mac", "args[1]", "args[3]", "three", "minus", "rest") do
        n = n + 1
        assert.same({ 2, -2, event.cpu, event.key.addr, event.key.port, event.key.hops, false, "cz", event.mac },
          { number, negative, cpu, addr, port, hops, open, comm, mac })
        assert.same({ event.args[1], event.args[3], event.three, event.minus, 2, source },
          { first, last, three, minus, rest, from })
      end
      assert.equal(1, n)
      emit()
      for key, args, byte, letter, low in reader:available("key", "args", "mac[6]", "comm[1]", "low") do
        n = n + 1
        assert.same({ addr = 0xfffffff0, port = 443, hops = -3, open = true }, key)
        assert.same({ -1, 2, -3 }, args)
        assert.same({ 255, ("d"):byte(), 0 }, { byte, letter, low })
      end
      assert.equal(2, n)
    end)

    it("may be one, and the same twice", function()
      local reader, emit = new()
      emit(3)
      local step = reader:available("number")
      assert.equal(1, (step()))
      assert.same({ 2, 2 }, { (function(a, b) return a, b end)(reader:available("number", "number")()) })
      assert.equal(3, (step()))
      assert.is_nil((step()))
      emit(1)
      assert.equal(4, (step()))
    end)

    it("must be there", function()
      local reader, emit = new()
      emit()
      for _, path in ipairs { "nope", "", ".", "key.", ".key", "key..addr", "key.addr.x", "key.nope", "number.x",
        "args[0]", "args[4]", "args[", "args[]", "args[1", "args[1]x", "args[x]", "args[-1]", "args[99999999999]",
        "args[1][1]", "key[1]", "number[1]", "[1]", "mac[7]", "comm[9]", "args.1", "Number", "numbe", "number\0" } do
        local ok, message = pcall(reader.available, reader, path)
        assert.is_false(ok)
        assert.matches("no field ", message, 1, true)
      end
      assert.is_false((pcall(reader.available, reader, "number", {})))
      assert.is_false((pcall(reader.available, reader, nil)))
      local many = {}
      for i = 1, 17 do
        many[i] = "number"
      end
      local unpack = table.unpack or unpack -- luacheck: ignore
      assert.is_false((pcall(reader.available, reader, unpack(many))))
      many[17] = nil
      assert.equal(17, select("#", reader:available(unpack(many))()))
    end)

    it("need a struct", function()
      for _, given in ipairs { { type = "u64" }, { type = "bytes" }, { type = { size = 8, decode = tostring } } } do
        local reader = new(given)
        local ok, message = pcall(reader.available, reader, "number")
        assert.is_false(ok)
        assert.matches("no fields can be chosen: samples have no struct type", message, 1, true)
      end
    end)

    it("make no garbage", function()
      local reader, emit = new()
      local function go()
        local sum = 0
        for number, cpu, open, hops, three in reader:available("number", "cpu", "key.open", "key.hops", "three") do
          sum = sum + number + cpu + hops + three + (open and 1 or 0)
        end
        return sum
      end
      emit(1)
      go()
      collectgarbage()
      collectgarbage("stop")
      local growth = math.huge
      for _ = 1, 5 do
        emit(700)
        local before = collectgarbage("count")
        local step = reader:available("number", "cpu", "key.open", "key.hops", "three")
        local between = collectgarbage("count") - before
        before = collectgarbage("count")
        for _, _, _, _ in step do -- luacheck: ignore 542
        end
        growth = math.min(growth, collectgarbage("count") - before)
        assert(between < 4)
      end
      collectgarbage("restart")
      assert.is_true(growth < (is_jit and 4 or 0.1), growth) -- LuaJIT's own, while it tries to compile
    end)

    it("are exact, or cost the sample that is not", function()
      local reader, emit = new { int64 = "exact" }
      emit()
      local wide = reader:available("wide")
      if _VERSION == "Lua 5.1" and not is_jit then
        assert.equal(0xfedcba98 * 2 ^ 32, (wide()))
      elseif is_jit then
        assert.equal("18364758542507835392ULL", tostring((wide())))
      else
        assert.equal("fedcba9800000000", ("%x"):format((wide())))
      end
      local strict, send, coll = new()
      if kind == "ring" and _VERSION == "Lua 5.1" then
        coll.programs.emit_packet:run { data = ("\255"):rep(64) }
        send(1)
        local step = strict:available("number", "cpu")
        assert.error_matches(step, "is not exact as a Lua number")
        local number = step()
        assert.equal(1, number)
      end
    end)

    it("raise where a sample is too short, and go on behind it", function()
      if kind == "perf" then
        return
      end
      local reader, emit, coll = new()
      coll.programs.emit_packet:run { data = ("x"):rep(63) }
      emit(1)
      local step = reader:available("number")
      assert.error_matches(step, "sample of 63 bytes is too short for its type of 64")
      assert.equal(1, (step()))
      assert.is_nil((step()))
    end)

    it("end when the reader is closed, also by what they allocate", function()
      local reader, emit = new()
      emit(10)
      local n = 0
      for _ in reader:available("number") do
        n = n + 1
        reader:close()
      end
      assert.equal(1, n)
      reader, emit = new()
      emit(300)
      n = 0
      local pause = collectgarbage("setpause", 50)
      for comm in reader:available("comm", "mac", "key") do
        n = n + 1
        assert.equal(2, #comm)
        if n == 100 then
          support.finalizing(function()
            reader:close()
          end)
        end
      end
      collectgarbage("setpause", pause)
      assert.is_true(n >= 100)
    end)

    it("and reading in a finalizer deliver no sample twice", function()
      local reader, emit = new()
      local seen, count = {}, 0
      local function see(number)
        assert(not seen[number], "seen twice")
        seen[number] = true
        count = count + 1
      end
      perf.on_cpu(0, function()
        emit(700)
      end)
      for _, number in reader:available("comm", "number", "key") do
        see(number)
        support.finalizing(function()
          local event = reader:read()
          if event then
            see(event.number)
          end
        end)
      end
      collectgarbage()
      assert.equal(700, count)
    end)
  end)
end

describe("fields of samples", function()
  it("are read across the end of a perf buffer", function()
    local reader, _, coll = ring.new_perf { per_cpu_buffer = 4096, int64 = "number" }
    for n = 1, 500 do
      coll.programs.emit_perf:run { data = packet }
      local number, rest, comm = reader:available("number", "rest", "comm")()
      local expected = 2 * n - 1
      assert.same({ expected, expected, string.char(97 + expected % 26) .. "z" }, { number, rest, comm })
      coll.programs.emit_perf:run { data = packet }
      number, rest = reader:available("cpu", "args[3]")()
      assert.equal("number", type(number))
      assert.equal(-3, rest)
    end
  end)

  it("lie in nested and nameless structs, unions and arrays", function()
    local map = support.closing(assert(ebpf.new_map { type = "ringbuf", max_entries = 4096 }))
    local reader = support.closing(assert(ebpf.new_ring_reader(map, { type = [[struct {
      struct { u8 x[4]; struct { u16 deep[2][3]; } grid[2]; };
      union { u32 whole; struct { u16 low; u16 high; }; } parts[2];
      float f; double d; bool flag : 1; u64 wide : 60; char text[3];
    }]] })))
    for _, path in ipairs { "x", "x[4]", "grid", "grid[2].deep[2][3]", "grid[1].deep[1]", "parts[2].high",
      "parts[1].whole", "f", "d", "flag", "wide", "text" } do
      assert.is_function((reader:available(path)))
    end
    for _, path in ipairs { "grid[2].deep[3][1]", "grid[2].deep[2][4]", "parts.low", "grid.deep" } do
      assert.is_false((pcall(reader.available, reader, path)))
    end
  end)
end)
