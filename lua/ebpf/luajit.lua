--- LuaJIT's own short way to the elements of maps.
--
-- A call of a C function ends a trace; a call through the FFI becomes part of it, and a 64-bit value that is only
-- computed with is never allocated. So where the compiler is on, integers get and put themselves; whatever is out of
-- the ordinary (flags, other types, errors) is left to the C function. Elsewhere this room does nothing.
local core = require "ebpf.core"

local jit = rawget(_G, "jit")
if not jit or not jit.status() then
  return { installed = false }
end

local ffi = require "ffi"

-- The head of struct map in src/binding/map.h.
local map_pointer = ffi.typeof [[
  const struct {
    struct { const void *class; int fd; } handle;
    bool quick;
    uint64_t key_max;
    uint64_t value_max;
    uint32_t key_size;
    uint32_t value_size;
    uint8_t int64;
  } *
]]
local call = ffi.typeof "int (*)(int fd, const void *key, void *value, uint64_t flags)"
local lookup = ffi.cast(call, core.calls.lookup)
local update = ffi.cast(call, core.calls.update)

local cast, tonumber, type, getmetatable = ffi.cast, tonumber, type, getmetatable
local is_u64, u64 = ffi.istype, ffi.typeof "uint64_t"

local key_buffer = ffi.new "uint64_t[1]"
local value_buffer = ffi.new "uint64_t[1]"
local value_u32 = cast("uint32_t *", value_buffer)
local value_u16 = cast("uint16_t *", value_buffer)
local value_u8 = cast("uint8_t *", value_buffer)

local ENOENT = core.errno.ENOENT
local EXACT, DOUBLE = 0, 2 -- enum int64_mode
local EXACT_MAX = 2 ^ 53

local methods, map_metatable = core.methods.map, core.map_metatable
local c_get, c_put, c_iterate = core.calls.get, core.calls.put, core.calls.iterate
local walk_batches = core.calls.walk_batches

-- What they are called by users: a tail call leaves nothing of the functions below.
table.insert(core.public, { get = c_get, put = c_put, iterate = c_iterate })

--- Whether a number is a natural one that a field of that maximum holds.
local function is_natural(n, max)
  return n >= 0 and n <= EXACT_MAX and n <= tonumber(max) and n % 1 == 0
end

function methods.get(self, key, flags)
  if getmetatable(self) ~= map_metatable or type(key) ~= "number" or flags ~= nil then
    return c_get(self, key, flags)
  end
  local map = cast(map_pointer, self)
  if not map.quick or not is_natural(key, map.key_max) then
    return c_get(self, key)
  end
  key_buffer[0] = key
  local ret = lookup(map.handle.fd, key_buffer, value_buffer, 0)
  if ret == -ENOENT then
    return nil
  elseif ret ~= 0 then
    return c_get(self, key)
  end
  local size = map.value_size
  if size == 8 then
    local value = value_buffer[0]
    if map.int64 == EXACT then
      return value
    elseif map.int64 == DOUBLE or value <= EXACT_MAX then
      return tonumber(value)
    end
    return c_get(self, key)
  elseif size == 4 then
    return value_u32[0]
  elseif size == 2 then
    return value_u16[0]
  end
  return value_u8[0]
end

function methods.put(self, key, value, flags)
  if getmetatable(self) ~= map_metatable or type(key) ~= "number" or flags ~= nil then
    return c_put(self, key, value, flags)
  end
  local map = cast(map_pointer, self)
  if not map.quick or not is_natural(key, map.key_max) then
    return c_put(self, key, value)
  end
  if type(value) == "number" then
    if not is_natural(value, map.value_max) then
      return c_put(self, key, value)
    end
  elseif map.value_size ~= 8 or not is_u64(u64, value) then
    return c_put(self, key, value)
  end
  key_buffer[0] = key
  value_buffer[0] = value
  if update(map.handle.fd, key_buffer, value_buffer, 0) == 0 then
    return true
  end
  return c_put(self, key, value)
end

local pointers = {
  [1] = ffi.typeof "const uint8_t *",
  [2] = ffi.typeof "const uint16_t *",
  [4] = ffi.typeof "const uint32_t *",
  [8] = ffi.typeof "const uint64_t *",
}

function methods.iterate(self)
  if getmetatable(self) ~= map_metatable then
    return c_iterate(self)
  end
  local map = cast(map_pointer, self)
  local key_size, value_size = map.key_size, map.value_size
  if not map.quick or map.handle.fd < 0 or (map.int64 ~= EXACT and (key_size == 8 or value_size == 8)) then
    return c_iterate(self)
  end
  local next_batch = walk_batches(self)
  local key_pointer, value_pointer = pointers[key_size], pointers[value_size]
  local keys, values, at, count = nil, nil, 0, 0
  return function()
    -- next_batch() keeps the map from being collected, and raises when it was closed.
    if at == count or map.handle.fd < 0 then
      local key_memory, value_memory
      count, key_memory, value_memory = next_batch()
      if count == 0 then
        at = 0
        return nil
      end
      keys, values, at = cast(key_pointer, key_memory), cast(value_pointer, value_memory), 0
    end
    local i = at
    at = i + 1
    return keys[i], values[i]
  end
end

return { installed = true }
