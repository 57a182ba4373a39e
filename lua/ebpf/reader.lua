--- What readers can do in Lua on top of what they do in C: wait for samples, and speak the
-- protocols of event loops.

local core = require "ebpf.core"
local wait = require "ebpf.wait"

--- Receives samples that programs send. Methods of a closed reader return nil, message, EBADF. There is one consumer:
--- after a fork, parent or child may read on, not both. Each sample comes with its source: the number of its CPU from a
--- perf reader, the number of its map in the array from a ring reader. The samples of one source come in their order;
--- those of several do not come in the order of time.
---@class ebpf.Reader
--- the next sample and its source, nil when there is none now; never waits
---@field read fun(self): any, integer|string?, integer?
--- up to `max` samples in an array, `into` or a new one, and how many
---@field read_batch fun(self, max: integer, into?: any[]): any[]?, integer|string, integer?
--- iterates over what is there now, in C, the fast way: for sample, source in reader:available() do. With names of
--- fields of the samples' type ("pid", "key.addr", "args[1]", counted from 1) it gives these instead, decoded in place:
--- for pid, addr, source in reader:available("pid", "key.addr") do. Numbers and booleans make no garbage that way, but
--- for 64-bit ones on LuaJIT, which are cdata unless the reader has int64 = "number"
---@field available fun(self, ...: string): fun(): any, ...
--- waits until something can be read, or flush() is called: true; false after `seconds` (nil: never)
---@field poll fun(self, seconds?: number): boolean?, string?, integer?
--- an epoll fd for any event loop; after it was readable, read until nil before waiting again
---@field fd fun(self): integer?, string?, integer?
---@field pollfd fun(self): integer? the same, for cqueues
---@field getfd fun(self): integer? the same, for luasocket
---@field events fun(self): string? "r", for cqueues
---@field timeout fun(self): integer? 0 when something can be read now, for cqueues
---@field dirty fun(self): boolean? whether something can be read now, for luasocket
---@field flush fun(self): boolean?, string?, integer? ends the wait of whoever waits now or next
---@field is_closed fun(self): boolean
--- discards what is unread, frees all, ends the loops of samples(); harmless when done twice
---@field close fun(self): boolean
--- closes, and iterates over what was left: for sample, source in reader:flush_and_close() do
---@field flush_and_close fun(self): (fun(): any, integer?)?, string?, integer?
---@field samples fun(self, options?: {wait?: ebpf.Waiter}): (fun(): any, integer?)?, string?, integer?
---@field receive fun(self): any, string? one sample, or nil and "timeout" or "closed", for copas

--- Receives what bpf_perf_event_output() sends.
---@class ebpf.PerfReader: ebpf.Reader
--- how many samples the kernel dropped, in all and by the number of the CPU
---@field lost_samples fun(self): integer?, table<integer, integer>|string, integer?
---@field buffer_size fun(self): integer? bytes of buffer each CPU has
--- stops the kernel's output; what it drops counts as lost. Overwritable buffers are read then
---@field pause fun(self): boolean?, string?, integer?
---@field resume fun(self): boolean?, string?, integer?

--- Receives what bpf_ringbuf_output() and bpf_ringbuf_submit() send. A program whose record does not fit is told at
--- once, and nobody else is: let it count.
---@class ebpf.RingReader: ebpf.Reader
--- bytes of records that were not read, in all and by the number of the map
---@field available_bytes fun(self): integer?, integer[]|string, integer?
--- how many records were met that programs had reserved and discarded, in all and by the number of the map
---@field discarded_samples fun(self): integer?, integer[]|string, integer?
--- bytes of records that programs overwrote before they were read, likewise, as far as reading has noticed: of maps
--- with the flag BPF_F_RB_OVERWRITE (0x80000), from Linux 6.19 on
---@field overwritten_bytes fun(self): integer?, integer[]|string, integer?
---@field buffer_size fun(self): integer?, integer[]|string, integer? bytes of the ring buffers, likewise

--- Passes the time until there may be more: true to go on, false or nil to end the loop.
---@alias ebpf.Waiter fun(reader: ebpf.Reader): boolean?

local reader = {}

local function check_options(options)
  if options == nil then
    return wait.default
  end
  if type(options) ~= "table" then
    core.refuse(1, ("table expected, got %s"):format(type(options)))
  end
  for name in pairs(options) do
    if name ~= "wait" then
      core.refuse(1, ("unknown field '%s'"):format(tostring(name)))
    end
  end
  local waiter = options.wait
  if waiter == nil then
    return wait.default
  end
  local meta = getmetatable(waiter)
  if type(waiter) ~= "function" and not (type(meta) == "table" and meta.__call) then
    core.refuse(1, "field 'wait': function expected")
  end
  return waiter
end

--- Adds the Lua methods to those a class of readers has in C.
---@param methods table
function reader.extend(methods)
  local close, flush_and_close = methods.close, methods.flush_and_close
  local available, is_closed, read = methods.available, methods.is_closed, methods.read

  --- Iterates over samples as they come. Between them it waits by `options.wait` (see
  -- ebpf.wait); it ends when that returns false or nil, or when the reader is closed. Raises when
  -- reading fails. A custom type must not decode a sample to nil, which would end the loop.
  --     for sample, cpu in reader:samples() do ... end
  ---@param options? {wait?: ebpf.Waiter}
  ---@return (fun(): any, integer?)? # sample and the number of its CPU; nil, message, EBADF when closed
  ---@return string? message
  ---@return integer? errno
  function methods:samples(options)
    is_closed(self) -- raises when it is no reader
    local waiter = check_options(options)
    local step, message, errno = available(self)
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
    if is_closed(self) then
      return nil, "closed"
    end
    local sample, message = read(self)
    if sample ~= nil then
      return sample
    end
    return nil, message or "timeout"
  end

  function methods:close()
    is_closed(self)
    wait.wake(self)
    return close(self)
  end

  if flush_and_close then
    function methods:flush_and_close()
      is_closed(self)
      wait.wake(self)
      return flush_and_close(self)
    end
  end
end

reader.extend(core.methods["perf reader"])
reader.extend(core.methods["ring reader"])

---@class ebpf.ReaderOptions
---@field type? ebpf.CType|string|table what samples are decoded to; nil: strings
---@field int64? "exact"|"number"|"double" how 64-bit integers come where Lua has none
---@field own? boolean false: the maps stay the caller's, and open when the reader closes

---@class ebpf.PerfReaderOptions: ebpf.ReaderOptions
---@field per_cpu_buffer? integer bytes for each CPU, rounded up to a power of two of pages; 65536
---@field wakeup_events? integer a waiter is woken each time so many samples have come on a CPU; 1
---@field watermark? integer or: each time so many bytes have come there
---@field overwritable? boolean new samples replace the oldest; read while paused, newest first
---@field order_by? string an integer field of the samples' type, a time, by which the CPUs' samples are merged
---@field window? number seconds for which samples are held back while another CPU has sent none; 0.1

--- Makes perf buffers for all CPUs that are online, and puts them into a perf_event_array.
---@type fun(map: ebpf.Map, options?: ebpf.PerfReaderOptions): ebpf.PerfReader?, string?, integer?
reader.new_perf_reader = core.new_perf_reader

--- Reads one ringbuf or many.
---@type fun(maps: ebpf.Map|ebpf.Map[], options?: ebpf.ReaderOptions): ebpf.RingReader?, string?, integer?
reader.new_ring_reader = core.new_ring_reader

--- Sends samples to programs, through a user_ringbuf that they drain by bpf_user_ringbuf_drain(). There is one
--- producer at a time. Methods of a closed one return nil, message, EBADF.
---@class ebpf.UserRing
--- sends one sample; nil, message, ENOSPC when there is no room now, E2BIG when there never is
---@field send fun(self, value: any): boolean?, string?, integer?
--- the same, but waits for room, at most `seconds` (nil: for ever): nil, message, ETIMEDOUT then
---@field send_wait fun(self, value: any, seconds?: number): boolean?, string?, integer?
--- room for a sample, of `size` bytes where there is no type. Programs get nothing of what is sent behind it before it
--- is submitted or discarded
---@field reserve fun(self, size?: integer): ebpf.Reservation?, string?, integer?
---@field reserve_wait fun(self, seconds?: number, size?: integer): ebpf.Reservation?, string?, integer?
--- waits until programs have drained since it was found full or polled last: true; false after `seconds` (nil: never)
---@field poll fun(self, seconds?: number): boolean?, string?, integer?
--- an epoll fd for any event loop, which gets readable when programs have drained
---@field fd fun(self): integer?, string?, integer?
---@field pollfd fun(self): integer? the same, for cqueues
---@field getfd fun(self): integer? the same, for luasocket
---@field events fun(self): string? "r", for cqueues
--- how much room there is; a sample takes its size, rounded up to 8, and 8 more
---@field free_bytes fun(self): integer?, string?, integer?
---@field buffer_size fun(self): integer?, string?, integer?
---@field is_closed fun(self): boolean
---@field close fun(self): boolean discards what is reserved; harmless when done twice

--- A place in a user ring. One that is collected is discarded.
---@class ebpf.Reservation
--- writes the sample and hands it to the programs; without a type, a string of exactly the size
---@field submit fun(self, value: any): boolean?, string?, integer?
---@field discard fun(self): boolean

---@type fun(map: ebpf.Map, options?: ebpf.ReaderOptions): ebpf.UserRing?, string?, integer?
reader.new_user_ring = core.new_user_ring

return reader
