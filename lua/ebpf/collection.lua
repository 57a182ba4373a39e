--- Collections: all maps and programs of an object file in the kernel, wired together.
local core = require "ebpf.core"
local abi = require "ebpf.abi"
local map = require "ebpf.map"
local spec = require "ebpf.spec"

local collection = {}

local ENOENT, EINVAL = core.errno.ENOENT, core.errno.EINVAL

---@class ebpf.Collection
---@field maps table<string, ebpf.Map> by the names of the spec
---@field programs table<string, ebpf.Program>
---@field links table<string, ebpf.Link> what attach() has attached, by the names of the programs
local Collection = {}

local function sorted_names(t)
  local names = {}
  for name in pairs(t) do
    names[#names + 1] = name
  end
  table.sort(names)
  return names
end

local function close_all(handles)
  for _, name in ipairs(sorted_names(handles)) do
    handles[name]:close()
  end
end

--- Detaches what attach() attached, and closes maps and programs that were not taken. The kernel keeps what is pinned,
-- attached or used elsewhere. Closing again is fine.
---@return true
function Collection:close()
  for _, field in ipairs({ "links", "programs", "maps" }) do
    close_all(self[field])
  end
  return true
end

--- Hands a map over: closing the collection leaves it open from now on.
---@param name string
---@return ebpf.Map? map nil when the collection has none of that name
function Collection:take_map(name)
  local taken = self.maps[name]
  self.maps[name] = nil
  return taken
end

--- Hands a program over: closing the collection leaves it open from now on. Its link, if there is one, stays.
---@param name string
---@return ebpf.Program? program nil when the collection has none of that name
function Collection:take_program(name)
  local taken = self.programs[name]
  self.programs[name] = nil
  return taken
end

--- What to attach: names to options, from an array of names, a table of options by name, or a mixture.
local function wanted_links(self, names)
  local wanted = {}
  if names == nil then
    for name in pairs(self.programs) do
      wanted[name] = {}
    end
    return wanted
  end
  for key, value in pairs(names) do
    local name, options = key, value
    if type(key) == "number" then
      name, options = value, {}
    end
    if not self.programs[name] then
      error(("attach: no program is called '%s'"):format(tostring(name)), 3)
    end
    wanted[name] = options
  end
  return wanted
end

--- Attaches programs as their sections say; when one cannot be, none is. The links are kept in `links`.
---@param names? table names of programs, or options for prog:attach() by name, or both: {"count", filter = {interface =
---"eth0"}}; all programs when nil
---@return table<string, ebpf.Link>? links the new ones, by the names of the programs
---@return string? message
---@return integer? errno
function Collection:attach(names)
  local wanted, new = wanted_links(self, names), {}
  for _, name in ipairs(sorted_names(wanted)) do
    local link, message, errno = self.programs[name]:attach(wanted[name])
    if not link then
      close_all(new)
      return nil, message, errno
    end
    new[name] = link
  end
  for name, link in pairs(new) do
    self.links[name] = link
  end
  return new
end

--- The name of a pin: a BPF file system has no names with dots.
local function pin_name(name)
  return (name:gsub("%.", "_"))
end

local function pin_all(directory, objects, pinned)
  local ok, message, errno = core.make_directory(directory)
  if not ok then
    return nil, message, errno
  end
  for _, name in ipairs(sorted_names(objects)) do
    ok, message, errno = objects[name]:pin(directory .. "/" .. pin_name(name))
    if not ok then
      return nil, message, errno
    end
    pinned[#pinned + 1] = objects[name]
  end
  return true
end

--- Pins all maps as <directory>/maps/<name> and all programs as <directory>/programs/<name>, dots in names as "_". The
-- directories are made where they are missing. When one cannot be pinned, none stays pinned.
---@param directory string in a BPF file system
---@return true? ok
---@return string? message
---@return integer? errno
function Collection:pin(directory)
  local pinned = {}
  local ok, message, errno = core.make_directory(directory)
  if ok then
    ok, message, errno = pin_all(directory .. "/maps", self.maps, pinned)
  end
  if ok then
    ok, message, errno = pin_all(directory .. "/programs", self.programs, pinned)
  end
  if ok then
    return true
  end
  for _, object in ipairs(pinned) do
    object:unpin()
  end
  return nil, message, errno
end

local mt = { __index = Collection, __name = "ebpf.Collection", __close = Collection.close }

function mt:__tostring()
  local lines = { "collection" }
  for _, field in ipairs({ "maps", "programs", "links" }) do
    for _, name in ipairs(sorted_names(self[field])) do
      lines[#lines + 1] = "  " .. tostring(self[field][name])
    end
  end
  return table.concat(lines, "\n")
end

local function new_collection(maps, programs)
  return setmetatable({ maps = maps, programs = programs, links = {} }, mt)
end

--- What of a spec is to be loaded: sets of names of maps and programs.
local function choose(self, names)
  local maps, programs = {}, {}
  local add_map

  local function add_program(name)
    local program = self.programs[name]
    if programs[name] or not program then
      return
    end
    programs[name] = true
    for _, reference in ipairs(program.instructions:references()) do
      if reference.kind == "map" or reference.kind == "map_value" then
        add_map(reference.name)
      end
    end
  end

  -- With a map comes what the object puts into it: other maps, programs to call.
  function add_map(name)
    local chosen = self.maps[name]
    if maps[name] or not chosen then
      return
    end
    maps[name] = true
    if map.holds_objects(chosen.type) then
      local add = chosen.type == "prog_array" and add_program or add_map
      for _, entry in ipairs(chosen.contents or {}) do
        if type(entry[2]) == "string" then
          add(entry[2])
        end
      end
    end
  end

  if names then
    for _, name in ipairs(names) do
      if not self.programs[name] then
        error(("load: no program is called '%s'"):format(tostring(name)), 4)
      end
      add_program(name)
    end
    return maps, programs
  end
  for name, program in pairs(self.programs) do
    if program.autoload ~= false then
      add_program(name)
    end
  end
  for name in pairs(self.maps) do
    add_map(name)
  end
  return maps, programs
end

--- A clone of the map that is to serve for `wanted`, so that the caller's own stays the caller's.
local function replace_map(wanted, replacement)
  local ok, message, errno = map.check_compatible(wanted, replacement)
  if not ok then
    return nil, message, errno
  end
  return replacement:clone()
end

local function create_maps(self, chosen, options, maps)
  for _, name in ipairs(sorted_names(chosen)) do
    local wanted, replacement = self.maps[name], options.maps and options.maps[name]
    local message, errno
    if replacement then
      maps[name], message, errno = replace_map(wanted, replacement)
    elseif wanted.pinning == "by_name" and not options.pin_path then
      return nil, ("map \"%s\" is pinned by name: the option pin_path must say where"):format(name), EINVAL
    else
      maps[name], message, errno = map.new(wanted, { pin_path = options.pin_path })
    end
    if not maps[name] then
      return nil, message, errno
    end
  end
  return true
end

--- The program's instructions with the fds of its maps; those of the spec stay as they are.
local function wire(program, maps)
  local instructions, done = program.instructions:copy(), {}
  for _, reference in ipairs(instructions:references()) do
    local target = maps[reference.name]
    if (reference.kind == "map" or reference.kind == "map_value") and target and not done[reference.name] then
      done[reference.name] = true
      local ok, message, errno = instructions:rewrite_map(reference.name, target)
      if not ok then
        return nil, message, errno
      end
    end
  end
  return instructions
end

local function load_program(program, maps, options)
  local wired, message, errno = wire(program, maps)
  if not wired then
    return nil, message, errno
  end
  local copy = {}
  for field, value in pairs(program) do
    copy[field] = value
  end
  copy.instructions = wired
  return core.new_program(copy, { log_level = options.log_level, log_size = options.log_size })
end

local function load_programs(self, chosen, options, maps, programs)
  for _, name in ipairs(sorted_names(chosen)) do
    local message, errno, log
    programs[name], message, errno, log = load_program(self.programs[name], maps, options)
    if not programs[name] then
      return nil, message, errno, log
    end
  end
  return true
end

--- Fills maps of maps and program arrays, now that what they hold is there.
local function fill_maps(self, chosen, options, maps, programs)
  for _, name in ipairs(sorted_names(chosen)) do
    local filled = self.maps[name]
    if map.holds_objects(filled.type) and not (options.maps and options.maps[name]) then
      local objects = filled.type == "prog_array" and programs or maps
      local ok, message, errno = map.fill(maps[name], filled, function(wanted)
        return objects[wanted]
      end)
      if not ok then
        return nil, message, errno
      end
    end
  end
  return true
end

local function load_all(self, options, maps, programs)
  local chosen_maps, chosen_programs = choose(self, options.programs)
  local ok, message, errno, log = create_maps(self, chosen_maps, options, maps)
  if ok then
    ok, message, errno, log = load_programs(self, chosen_programs, options, maps, programs)
  end
  if ok then
    ok, message, errno, log = fill_maps(self, chosen_maps, options, maps, programs)
  end
  return ok, message, errno, log
end

-- The low byte of a number comes first in memory.
local native_order = core.little_endian and "little" or "big"

local load_options = { maps = true, programs = true, pin_path = true, log_level = true, log_size = true }

local function check_options(self, options)
  abi.check_fields("load options", options, load_options)
  for name in pairs(options.maps or {}) do
    if not self.maps[name] then
      error(("load: the spec has no map called '%s' to replace"):format(tostring(name)), 3)
    end
  end
end

---@class ebpf.LoadOptions
---@field maps? table<string, ebpf.Map> used in the place of the spec's maps of these names, if they are like them; the
---collection has clones of them
---@field programs? string[] load only these programs, and the maps they use; else all but those marked with "?"
---@field pin_path? string a directory of a BPF file system, for maps that are pinned by name
---@field log_level? integer 1, 2, 4 (see ebpf.new_program): keeps the verifier's log of programs that load
---@field log_size? integer bytes that log may take

--- Puts what the spec describes into the kernel: the maps with their contents, then the programs. The spec stays as it
-- is, and can be loaded any number of times. When anything fails, all that was created is closed.
---@param options? ebpf.LoadOptions
---@return ebpf.Collection? collection
---@return string? message
---@return integer? errno
---@return string? log the whole log of the verifier, when it was the verifier that refused
function spec.CollectionSpec:load(options)
  options = options or {}
  check_options(self, options)
  if self.byte_order and self.byte_order ~= native_order then
    return nil, ("load: the object is %s-endian, this machine is %s-endian"):format(self.byte_order, native_order),
      EINVAL
  end
  local maps, programs = {}, {}
  local called, ok, message, errno, log = pcall(load_all, self, options, maps, programs)
  if called and ok then
    return new_collection(maps, programs)
  end
  close_all(programs)
  close_all(maps)
  if not called then
    error(ok, 0)
  end
  return nil, message, errno, log
end

--- Reads an object file, if it is one, and loads what it describes.
---@param object string|ebpf.CollectionSpec path or spec
---@param options? ebpf.LoadOptions
---@return ebpf.Collection? collection
---@return string? message
---@return integer? errno
---@return string? log
function collection.load(object, options)
  if type(object) == "string" then
    local message, errno
    object, message, errno = spec.load(object)
    if not object then
      return nil, message, errno
    end
  end
  return object:load(options)
end

--- Opens all pins in a directory; one that is not there holds nothing.
local function open_all(directory, open, objects)
  local names, message, errno = core.list_directory(directory)
  if not names then
    if errno == ENOENT then
      return true
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

--- Opens what Collection:pin() has pinned. Names have "_" where they had dots.
---@param directory string
---@return ebpf.Collection? collection
---@return string? message
---@return integer? errno
function collection.load_pinned(directory)
  local maps, programs = {}, {}
  local listed, message, errno = core.list_directory(directory)
  if not listed then
    return nil, message, errno
  end
  local ok
  ok, message, errno = open_all(directory .. "/maps", core.load_pinned_map, maps)
  if ok then
    ok, message, errno = open_all(directory .. "/programs", core.load_pinned_program, programs)
  end
  if ok then
    return new_collection(maps, programs)
  end
  close_all(programs)
  close_all(maps)
  return nil, message, errno
end

return collection
