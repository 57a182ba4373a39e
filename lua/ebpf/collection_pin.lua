--- The pins of a collection: <directory>/maps/<name> and <directory>/programs/<name>.
local core = require "ebpf.core"
local sorted_names = require "ebpf.sorted_names"

local collection_pin = {}

local ENOENT = core.errno.ENOENT

--- The name of a pin: a BPF file system has no names with dots.
local function pin_name(name)
  return (name:gsub("%.", "_"))
end

--- Pins an object, unless it is there already. What is pinned elsewhere stays there too.
-- @return the handle that owns the new pin, or false when there is none; or nil, message, errno
local function pin_at(object, path)
  local pinned, message, errno = object:is_pinned()
  if pinned == nil then
    return nil, message, errno
  end
  local owner = object
  if pinned then
    if message == path then
      return false
    end
    owner, message, errno = object:clone() -- a pin moves with its handle, and a clone has none yet
    if not owner then
      return nil, message, errno
    end
  end
  local ok
  ok, message, errno = owner:pin(path)
  if not ok then
    return nil, message, errno
  end
  return owner
end

local function pin_all(directory, objects, pinned)
  local ok, message, errno = core.make_directory(directory)
  if not ok then
    return nil, message, errno
  end
  for _, name in ipairs(sorted_names(objects)) do
    local owner
    owner, message, errno = pin_at(objects[name], directory .. "/" .. pin_name(name))
    if owner == nil then
      return nil, message, errno
    end
    pinned[#pinned + 1] = owner or nil
  end
  return true
end

--- Pins maps and programs; when one cannot be pinned, none of the new pins stays.
-- @return true; or nil, message, errno
function collection_pin.pin(directory, maps, programs)
  local pinned = {}
  local ok, message, errno = core.make_directory(directory)
  if ok then
    ok, message, errno = pin_all(directory .. "/maps", maps, pinned)
  end
  if ok then
    ok, message, errno = pin_all(directory .. "/programs", programs, pinned)
  end
  if ok then
    return true
  end
  for _, owner in ipairs(pinned) do
    owner:unpin()
  end
  return nil, message, errno
end

--- Opens all pins in a directory.
-- @return whether it is there; or nil, message, errno
local function open_all(directory, open, objects)
  local names, message, errno = core.list_directory(directory)
  if not names then
    if errno == ENOENT then
      return false
    end
    return nil, message, errno
  end
  for _, name in ipairs(names) do
    objects[name], message, errno = open(directory .. "/" .. name)
    if not objects[name] then
      return nil, message, errno
    end
  end
  return true
end

--- Opens what is pinned into two tables, by the names of the pins.
-- @return true; or nil, message, errno
function collection_pin.open(directory, maps, programs)
  local some_maps, some_programs, message, errno
  some_maps, message, errno = open_all(directory .. "/maps", core.load_pinned_map, maps)
  if some_maps == nil then
    return nil, message, errno
  end
  some_programs, message, errno = open_all(directory .. "/programs", core.load_pinned_program, programs)
  if some_programs == nil then
    return nil, message, errno
  elseif not (some_maps or some_programs) then
    return nil, "it has neither maps nor programs in it", ENOENT
  end
  return true
end

return collection_pin
