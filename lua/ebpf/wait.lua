--- Waiters: how `reader:samples()` passes the time until more samples come.
--
-- C never yields and never calls back, because no host accepts that. So waiting is a Lua function,
-- waiter(reader), that returns true when it is worth looking again and false (or nil) to end the
-- loop. Write your own for a host that is not here. A reader that is closed by close() wakes who waits for it; one that
-- goes out of scope as a to-be-closed variable does not.

local core = require "ebpf.core"

local wait = {}

local function check(reader)
  if not (core.is_handle(reader, "ebpf.perf_reader") or core.is_handle(reader, "ebpf.ring_reader")) then
    core.refuse(1, ("reader expected, got %s"):format(type(reader)))
  end
end

--- What to do when a reader is closed while somebody waits for it: reader -> function(reader).
-- Event loops do not notice that an fd they watch is closed.
local closing = setmetatable({}, { __mode = "k" })

--- Called by the readers' close() before the fd goes.
---@param reader ebpf.Reader
function wait.wake(reader)
  local action = closing[reader]
  if action then
    closing[reader] = nil
    action(reader)
  end
end

--- Sleeps in epoll, which stops the whole program. The default on the main coroutine.
---@param reader ebpf.Reader
---@return boolean? # false or nil when the reader is closed
function wait.block(reader)
  check(reader)
  local ready, message = reader:poll()
  if ready == nil and not reader:is_closed() then
    error(message, 0)
  end
  -- false: poll() stepped back for a debug hook (Ctrl-C), which has run now.
  return ready ~= nil
end

--- Yields the reader to whoever resumes the coroutine, who decides when to go on, by any means:
-- reader:poll(), the reader's fd in an event loop, a timer. Resuming with false ends the loop. The
-- default in a coroutine. On PUC Lua 5.1 a coroutine cannot be yielded from within the iterator
-- of a generic for: call the iterator yourself there, or loop over read().
---@param reader ebpf.Reader
---@return boolean
function wait.yield(reader)
  check(reader)
  return coroutine.yield(reader) ~= false
end

--- After an event loop woke us. A look by ourselves takes what no read takes: a flush() of
-- another process, or the end of a CPU.
local function woken(reader)
  if reader:is_closed() then
    return false
  end
  if not reader:dirty() then
    reader:poll(0)
  end
  return true
end

--- Waits in the running cqueues controller. Its default in a coroutine of its own.
---@param reader ebpf.Reader
---@return boolean
function wait.cqueues(reader)
  check(reader)
  local cqueues = require "cqueues"
  closing[reader] = function(closed)
    cqueues.cancel(closed:fd())
  end
  cqueues.poll(reader)
  closing[reader] = nil
  return woken(reader)
end

--- Waits in the libuv loop of luv, for a coroutine that the loop resumes. Its default while the
-- loop runs; a coroutine that starts before uv.run() has to ask for it.
---@param reader ebpf.Reader
---@return boolean
function wait.luv(reader)
  check(reader)
  local co, is_main = coroutine.running()
  if not co or is_main then
    core.raise("ebpf.wait.luv must be used in a coroutine")
  end
  local uv = require "luv"
  local poll = assert(uv.new_poll(reader:fd()))
  -- The handle lets go of the fd in close(); resuming comes later, from the loop.
  local function go_on()
    closing[reader] = nil
    if not poll:is_closing() then
      poll:stop()
      poll:close(function()
        assert(coroutine.resume(co))
      end)
    end
  end
  closing[reader] = go_on
  assert(poll:start("r", go_on))
  if reader:timeout() == 0 then
    go_on()
  end
  coroutine.yield()
  return woken(reader)
end

-- A look by ourselves every now and then, where the host has no way to wait for an fd: soon after the last sample,
-- then ever later. Milliseconds.
local SHORTEST, LONGEST = 1, 50

--- Looks until there is something to read.
---@param reader ebpf.Reader
---@param sleep fun(milliseconds: number): boolean? false: no more
---@return boolean
local function look_again(reader, sleep)
  local pause = SHORTEST
  while not reader:is_closed() do
    if reader:dirty() or reader:poll(0) then
      return not reader:is_closed()
    end
    if sleep(pause) == false then
      return false
    end
    pause = math.min(pause * 2, LONGEST)
  end
  return false
end

local function sleep_in_ngx(milliseconds)
  local ngx = rawget(_G, "ngx")
  if ngx.worker.exiting() then
    return false
  end
  ngx.sleep(milliseconds / 1000)
end

--- Waits by ngx.sleep in a light thread, a timer or a request of OpenResty, from 1 ms to 50 ms at a time; the loop ends
-- when the worker exits. The default there.
---@param reader ebpf.Reader
---@return boolean
function wait.ngx(reader)
  check(reader)
  return look_again(reader, sleep_in_ngx)
end

local function sleep_in_haproxy(milliseconds)
  rawget(_G, "core").msleep(milliseconds)
end

--- Waits by core.msleep in a task, a service or an action of HAProxy, from 1 ms to 50 ms at a time. The default there.
-- In a coroutine of your own core.msleep does not sleep, so that the loop would spin: read from the task itself.
---@param reader ebpf.Reader
---@return boolean
function wait.haproxy(reader)
  check(reader)
  return look_again(reader, sleep_in_haproxy)
end

-- What copas takes for a socket: it says whether there is a sample, and leaves it there. A closed reader is ready, too:
-- luasocket's select looks no further at the fd of a socket that is dirty.
local function new_socket(reader)
  local socket, fd = {}, reader:fd()

  function socket.getfd()
    return fd
  end

  function socket.dirty()
    return reader:is_closed() or reader:dirty() or reader:poll(0) or false
  end

  function socket.receive()
    if socket.dirty() then
      return true
    end
    return nil, "timeout"
  end

  -- Copas closes what a thread waited for when the thread ends; the reader is not its own.
  function socket.close() end

  return socket
end

--- Waits in the loop of copas, in one of its threads. The default there from copas 3 on; before, ask for it.
---@param reader ebpf.Reader
---@return boolean
function wait.copas(reader)
  check(reader)
  require("copas").receive(new_socket(reader))
  return woken(reader)
end

--- Hosts that can be recognised from within a coroutine, in this order.
local hosts = {
  {
    waiter = wait.ngx,
    runs_us = function()
      local ngx = rawget(_G, "ngx")
      return type(ngx) == "table" and ngx.sleep and ngx.worker
    end,
  },
  {
    waiter = wait.haproxy,
    runs_us = function()
      local host = rawget(_G, "core")
      return type(host) == "table" and host.msleep and host.register_task
    end,
  },
  {
    waiter = wait.cqueues,
    runs_us = function()
      local cqueues = package.loaded["cqueues"]
      if not cqueues then
        return false
      end
      local _, is_ours = cqueues.running()
      return is_ours
    end,
  },
  {
    waiter = wait.copas,
    runs_us = function()
      local copas = package.loaded["copas"]
      return copas and copas.running
    end,
  },
  {
    waiter = wait.luv,
    runs_us = function()
      local uv = package.loaded["luv"]
      return uv and uv.loop_mode and uv.loop_mode() ~= nil
    end,
  },
}

--- The waiter that suits where it is called: block on the main coroutine, the event loop's where
-- one is seen to run this coroutine, else yield.
---@param reader ebpf.Reader
---@return boolean?
function wait.default(reader)
  check(reader)
  local co, is_main = coroutine.running()
  if not co or is_main then
    return wait.block(reader)
  end
  for _, host in ipairs(hosts) do
    if host.runs_us() then
      return host.waiter(reader)
    end
  end
  return wait.yield(reader)
end

return wait
