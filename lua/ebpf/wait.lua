--- Waiters: how `reader:samples()` passes the time until more samples come.
--
-- C never yields and never calls back, because no host accepts that. So waiting is a Lua function,
-- waiter(reader), that returns true when it is worth looking again and false (or nil) to end the
-- loop. Write your own for a host that is not here. A reader that is closed by close() wakes who waits for it; one that
-- goes out of scope as a to-be-closed variable does not.

local wait = {}

--- What to do when a reader is closed while somebody waits for it: reader -> function(reader).
-- Event loops do not notice that an fd they watch is closed.
local closing = setmetatable({}, { __mode = "k" })

--- Called by the readers' close() before the fd goes.
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
  local co, is_main = coroutine.running()
  if not co or is_main then
    error("ebpf.wait.luv must be used in a coroutine", 0)
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

--- Hosts that can be recognised from within a coroutine, in this order.
local hosts = {
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
