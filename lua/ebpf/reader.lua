--- What readers can do in Lua on top of what they do in C: wait for samples, and speak the
-- protocols of event loops.

local core = require "ebpf.core"
local wait = require "ebpf.wait"

local reader = {}

local function check_options(options)
  if options == nil then
    return wait.default
  end
  if type(options) ~= "table" then
    error(("bad argument #1 to 'samples' (table expected, got %s)"):format(type(options)), 3)
  end
  for name in pairs(options) do
    if name ~= "wait" then
      error(("bad argument #1 to 'samples' (unknown field '%s')"):format(tostring(name)), 3)
    end
  end
  local waiter = options.wait
  if waiter == nil then
    return wait.default
  end
  local meta = getmetatable(waiter)
  if type(waiter) ~= "function" and not (type(meta) == "table" and meta.__call) then
    error("bad argument #1 to 'samples' (field 'wait': function expected)", 3)
  end
  return waiter
end

--- Adds the Lua methods to those a class of readers has in C.
---@param methods table
function reader.extend(methods)
  local close, flush_and_close = methods.close, methods.flush_and_close

  --- Iterates over samples as they come. Between them it waits by `options.wait` (see
  -- ebpf.wait); it ends when that returns false or nil, or when the reader is closed. Raises when
  -- reading fails. A custom type must not decode a sample to nil, which would end the loop.
  --     for sample, cpu in reader:samples() do ... end
  ---@param options? {wait: fun(reader: ebpf.Reader): boolean?}
  ---@return (fun(): any, integer?)? # sample and the number of its CPU; nil, message, EBADF when closed
  ---@return string? message
  ---@return integer? errno
  function methods:samples(options)
    local waiter = check_options(options)
    local step, message, errno = self:available()
    if not step then
      return nil, message, errno
    end
    return function()
      while true do
        local sample, cpu = step()
        if sample ~= nil then
          return sample, cpu
        end
        if self:is_closed() or not waiter(self) then
          return nil
        end
      end
    end
  end

  --- One sample in the manner of a luasocket, so that copas.receive(reader) just works.
  ---@return any? sample
  ---@return string? # "timeout" when there is none now, "closed", or what went wrong
  function methods:receive()
    if self:is_closed() then
      return nil, "closed"
    end
    local sample, message = self:read()
    if sample ~= nil then
      return sample
    end
    return nil, message or "timeout"
  end

  function methods:close()
    wait.wake(self)
    return close(self)
  end

  if flush_and_close then
    function methods:flush_and_close()
      wait.wake(self)
      return flush_and_close(self)
    end
  end
end

reader.extend(core.methods["perf reader"])

return reader
