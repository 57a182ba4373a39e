-- Readers in the loops of Debian's lua-socket, lua-copas and lua-http. Those of cqueues and luv are in wait_spec.lua.
local ebpf = require "ebpf"
local perf = require "spec.support.perf"
local process = require "spec.support.process"
local support = require "spec.support"

local wait = ebpf.wait
local new = perf.new

-- A child that sends a sample after each of `pauses` seconds.
local function later(emit, ...)
  local pauses = { ... }
  return process.fork(function()
    for _, seconds in ipairs(pauses) do
      support.sleep(seconds)
      emit()
    end
    return 0
  end)
end

local function count(reader, waiter, most)
  local step, n = assert(reader:samples { wait = waiter }), 0
  while n < most and step() do
    n = n + 1
  end
  return n
end

describe("luasocket", function()
  it("selects readers beside sockets", function()
    local socket = require "socket"
    local reader, emit = new()
    assert.same({}, { next((socket.select({ reader }, nil, 0))) })
    local child = later(emit, 0.05, 0.05, 0.05)
    local received = 0
    while received < 3 do
      assert.equal(reader, socket.select({ reader }, nil, 10)[1])
      for _ in reader:available() do
        received = received + 1
      end
    end
    process.wait(child)
  end)
end)

if support.lua_name == "luajit" then -- Debian's lua-copas and lua-http, with what they need, are for Lua 5.1
  describe("wait.copas", function()
    local copas = require "copas"

    it("waits in the loop, which goes on meanwhile", function()
      local reader, emit = new()
      local received, ticks = 0, 0
      copas.addthread(function()
        received = count(reader, wait.copas, 4)
      end)
      local child = later(emit, 0.1, 0, 0, 0.05)
      local ended = support.wait_until(function()
        copas.step(0.02)
        ticks = ticks + 1
        return received > 0
      end, 20)
      assert.is_true(ended)
      assert.equal(4, received)
      assert.is_true(ticks > 1)
      process.wait(child)
    end)

    it("ends when the reader is closed meanwhile", function()
      local reader = new()
      local received
      copas.addthread(function()
        received = count(reader, wait.copas, 1)
      end)
      copas.step(0.01)
      assert.is_nil(received)
      reader:close()
      assert.equal(0, support.wait_until(function()
        copas.step(0.01)
        return received
      end, 20))
    end)
  end)

  describe("lua-http", function()
    it("serves while a reader waits in the same loop", function()
      local child = process.fork(function() -- what cqueues opens stays open for as long as the process lives
        local cqueues = require "cqueues"
        local headers = require "http.headers"
        local http = require "http.server"
        local reader, emit = new()
        local received = 0
        local address = support.tmpdir() .. "/socket"
        local server = assert(http.listen {
          path = address, mode = 438, tls = false,
          onstream = function(_, stream)
            assert(stream:get_headers())
            local answer = headers.new()
            answer:append(":status", "200")
            assert(stream:write_headers(answer, false))
            assert(stream:write_chunk(tostring(received), true))
          end,
        })
        assert(server:listen())
        local loop = cqueues.new()
        loop:wrap(function()
          for _ in reader:samples() do
            received = received + 1
          end
        end)
        loop:wrap(function()
          assert(server:step(0))
          while received < 3 do
            assert(server:step(0.05))
          end
          reader:close()
        end)
        local answers = 0
        loop:wrap(function()
          while received < 3 do
            emit()
            os.execute("curl -s --unix-socket " .. address .. " http://x/ >" .. address .. ".out &")
            cqueues.sleep(0.2)
            if tonumber(support.read_file(address .. ".out")) then
              answers = answers + 1
            end
          end
        end)
        assert(loop:loop(20))
        server:close()
        return answers > 0 and received == 3 and 0 or 1
      end)
      assert.equal(0, process.wait(child))
    end)
  end)
end
