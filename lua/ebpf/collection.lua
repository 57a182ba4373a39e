--- Collections: all maps and programs of an object file in the kernel, wired together.
local core = require "ebpf.core"
local pass = require("ebpf.argument").pass
local link_struct_ops = require "ebpf.link_struct_ops"
local link_user = require "ebpf.link_user"
local map = require "ebpf.map"
local pin = require "ebpf.collection_pin"
local sorted_names = require "ebpf.sorted_names"
local spec = require "ebpf.spec"
local struct_ops = require "ebpf.struct_ops"
local variable = require "ebpf.variable"

local collection = {}

local EEXIST, EINVAL, ENOEXEC = core.errno.EEXIST, core.errno.EINVAL, core.errno.ENOEXEC

---@class ebpf.Collection
---@field maps table<string, ebpf.Map> by the names of the spec
---@field programs table<string, ebpf.Program>
---@field variables table<string, ebpf.Variable> by name; reading this for the first time maps their sections
---@field links table<string, ebpf.Link> what attach() has attached, by the names of the programs and struct_ops maps
local Collection = {}
local mt = { __name = "ebpf.Collection" }

table.insert(core.public, Collection)

-- Where the variables of each collection lie, and the maps of their sections. Once they are in use, the memory instead.
local places = setmetatable({}, { __mode = "k" })
local memories = setmetatable({}, { __mode = "k" })

--- A copy of a spec to be changed; what is in its fields is shared.
local function shallow_copy(from)
  local copy = {}
  for field, value in pairs(from) do
    copy[field] = value
  end
  return copy
end

local function check_name(name)
  if type(name) ~= "string" then
    core.refuse(1, ("string expected, got %s"):format(type(name)))
  end
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
  core.check_self(self, mt)
  close_all(memories[self] or {})
  for _, field in ipairs({ "links", "programs", "maps" }) do
    close_all(self[field])
  end
  return true
end

--- Hands a map over: closing the collection leaves it open from now on.
---@param name string
---@return ebpf.Map? map nil when the collection has none of that name
function Collection:take_map(name)
  core.check_self(self, mt)
  check_name(name)
  local taken = self.maps[name]
  self.maps[name] = nil
  return taken
end

--- Hands a program over: closing the collection leaves it open from now on. Its link, if there is one, stays.
---@param name string
---@return ebpf.Program? program nil when the collection has none of that name
function Collection:take_program(name)
  core.check_self(self, mt)
  check_name(name)
  local taken = self.programs[name]
  self.programs[name] = nil
  return taken
end

local function is_unattached(self, name)
  local link = self.links[name]
  return not link or link:is_closed()
end

local function is_struct_ops(candidate)
  return candidate ~= nil and (candidate:abi() or {}).type == "struct_ops"
end

--- What to attach: names to options, from an array of names, a table of options by name, or a mixture.
-- @return the table, or nil and what is wrong with the argument
local function wanted_links(self, names)
  local wanted = {}
  if names == nil then
    for name in pairs(self.programs) do
      if is_unattached(self, name) and self.programs[name]:type() ~= "struct_ops" then
        wanted[name] = {}
      end
    end
    for name, candidate in pairs(self.maps) do
      if is_unattached(self, name) and is_struct_ops(candidate) then
        wanted[name] = {}
      end
    end
    return wanted
  elseif type(names) ~= "table" then
    return nil, ("attach: table expected, got %s"):format(type(names))
  end
  for key, value in pairs(names) do
    local name, options = key, value
    if type(key) == "number" then
      name, options = value, nil
    elseif type(options) ~= "table" then
      return nil, ("attach: the options of '%s' must be a table"):format(tostring(name))
    end
    if not self.programs[name] and not is_struct_ops(self.maps[name]) then
      return nil, ("attach: no program is called '%s'"):format(tostring(name))
    end
    wanted[name] = options or wanted[name] or {}
  end
  return wanted
end

--- Attaches one program by a name that has no link yet. Wrong options raise.
local function attach_one(self, name, options)
  if not is_unattached(self, name) then
    return nil, ("attach \"%s\": the collection has attached it already: close that link first, or attach the program "
      .. "itself"):format(name), EEXIST
  end
  if self.programs[name] then
    return self.programs[name]:attach(options)
  end
  options = shallow_copy(options)
  options.map = self.maps[name]
  return link_struct_ops.functions.struct_ops(options)
end

--- Attaches programs as their sections say, and registers struct_ops maps; when one cannot be, none is. The links are
--- kept in `links`.
---@param names? table names of programs and struct_ops maps, or options for prog:attach() by name, or both: {"count",
---filter = {interface = "eth0"}}; nil: all that the collection has not attached yet
---@return table<string, ebpf.Link>? links the new ones, by the names of the programs and maps
---@return string? message
---@return integer? errno EEXIST: the collection has attached a program named here already; else of prog:attach()
function Collection:attach(names)
  core.check_self(self, mt)
  local wanted, wrong = wanted_links(self, names)
  if not wanted then
    core.raise(wrong)
  end
  local new = {}
  for _, name in ipairs(sorted_names(wanted)) do
    local called, link, message, errno = pcall(attach_one, self, name, wanted[name])
    if not (called and link) then
      close_all(new)
      if not called then
        error(link, 0)
      end
      return nil, message, errno
    end
    new[name] = link
  end
  for name, link in pairs(new) do
    self.links[name] = link
  end
  return new
end

--- Pins all maps as <directory>/maps/<name> and all programs as <directory>/programs/<name>, dots in names as "_". The
-- directories are made where they are missing. What is pinned elsewhere, by its name for instance, stays pinned there.
-- When one cannot be pinned, none of the new pins stays.
---@param directory string in a BPF file system
---@return true? ok
---@return string? message
---@return integer? errno EEXIST: something else is pinned there
function Collection:pin(directory)
  core.check_self(self, mt)
  if type(directory) ~= "string" then
    core.raise(("pin: directory expected, got %s"):format(type(directory)))
  end
  return pass(pin.pin(directory, self.maps, self.programs))
end

mt.__close = Collection.close

function mt:__index(field)
  local place = field == "variables" and places[self]
  if not place then
    return Collection[field]
  end
  local variables
  variables, memories[self] = variable.live(place.variables, place.maps)
  places[self] = nil
  self.variables = variables
  return variables
end

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

--- Lets a new collection have the variables of the spec it was loaded from, in the maps it has now.
local function add_variables(self, specs)
  local place = { variables = {}, maps = {} }
  for name, variable_spec in pairs(specs or {}) do
    local where = variable_spec.place
    if self.maps[where.section] then
      place.variables[name], place.maps[where.section] = where, self.maps[where.section]
    end
  end
  places[self] = place
  return self
end

--- References of a program's instructions to maps that nobody has given it yet.
local function open_references(program)
  local open = {}
  if type(program.instructions) == "userdata" then -- plain bytes refer to nothing
    for _, reference in ipairs(program.instructions:references()) do
      if not reference.resolved and (reference.kind == "map" or reference.kind == "map_value") then
        open[reference.name] = true
      end
    end
  end
  return open
end

--- What of a spec is to be loaded: sets of names of maps and programs.
local function choose(loading)
  local self, options = loading.spec, loading.options
  local maps, programs = {}, {}
  local add_map

  local function add_program(name)
    local program = self.programs[name]
    if programs[name] or not program then
      return
    end
    programs[name] = true
    for reference in pairs(open_references(program)) do
      add_map(reference)
    end
  end

  -- With a map comes what the object puts into it: other maps, programs to call.
  function add_map(name)
    local chosen = self.maps[name]
    if maps[name] or not chosen or (chosen.autocreate == false and not options.maps[name]) then
      return
    end
    maps[name] = true
    for _, program in pairs(loading.functions[name] or {}) do
      add_program(program)
    end
    if map.holds_objects(chosen.type) and not options.maps[name] then
      local add = chosen.type == "prog_array" and add_program or add_map
      for _, entry in ipairs(chosen.contents or {}) do
        if type(entry[2]) == "string" then
          add(entry[2])
        end
      end
    end
  end

  if options.programs then
    for _, name in pairs(options.programs) do
      add_program(name)
    end
    return maps, programs
  end
  local members = struct_ops.programs(self)
  for name, program in pairs(self.programs) do
    if program.autoload ~= false and not members[name] then
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

--- The spec with a name for the kernel: its own, else the one it has in the collection. Sections of data may be called
-- what the kernel does not take: libbpf puts "_" there as well.
local function named(wanted, name)
  local for_kernel = wanted.name or name
  if for_kernel == name and name:find("^%.") then
    for_kernel = name:gsub("[^A-Za-z0-9_.]", "_")
  end
  if for_kernel ~= wanted.name then
    wanted = shallow_copy(wanted)
    wanted.name = for_kernel
  end
  return wanted
end

--- What is being loaded: the spec, the options, what there is so far, and what `at` this moment.
---@class ebpf.Loading
---@field spec ebpf.CollectionSpec
---@field options ebpf.CollectionOptions
---@field maps table<string, ebpf.Map>
---@field programs table<string, ebpf.Program>
---@field reopened table<string, boolean> maps that had been there, pinned by name
---@field kconfig ebpf.MapSpec? the map of that section with its values
---@field functions table<string, table<string, string|ebpf.Program>> of struct_ops maps to fill: programs by member
---@field targets table<string, string> what programs of struct_ops are for
---@field handles table<userdata, userdata> the BTF that is in the kernel for what is being loaded
---@field at string?

local function create_maps(loading, chosen)
  local maps, options = loading.maps, loading.options
  for _, name in ipairs(sorted_names(chosen)) do
    loading.at = ('map "%s"'):format(name)
    local wanted, replacement = loading.spec.maps[name], options.maps[name]
    if name == ".kconfig" then
      wanted = loading.kconfig or wanted
    end
    wanted = named(wanted, name)
    local message, errno
    if replacement then
      maps[name], message, errno = replace_map(wanted, replacement)
    elseif wanted.pinning == "by_name" and not options.pin_path then
      return nil, ('load map "%s": it is pinned by name: the option pin_path must say where'):format(name), EINVAL
    else
      local map_options = { pin_path = options.pin_path, token = options.token }
      maps[name], message, errno, loading.reopened[name] = map.new(wanted, map_options, loading.handles)
    end
    if not maps[name] then
      return nil, message, errno
    end
  end
  return true
end

--- The program's instructions with its maps; those of the spec stay as they are. What refers to maps that are not to
-- be created must not be reached.
local function wire(program, loading)
  local instructions, message, errno = program.instructions:copy()
  if not instructions then
    return nil, message, errno
  end
  for name in pairs(open_references(program)) do
    local ok = true
    if loading.maps[name] then
      ok, message, errno = instructions:rewrite_map(name, loading.maps[name])
    elseif loading.spec.maps[name] then
      ok, message, errno = core.poison_map(instructions, name)
    end
    if not ok then
      return nil, message, errno
    end
  end
  return instructions
end

--- The program whose function the program of that name is loaded for: its spec's, or what the option says, which, where
--- it names nobody, is meant for those that have to have one.
local function target_of(loading, name)
  local wanted, given = loading.spec.programs[name], loading.options.attach_target
  if wanted.attach_target ~= nil or given == nil then
    return wanted.attach_target
  elseif type(given) == "table" then
    return given[name]
  end
  return wanted.type == "ext" and given or nil
end

local function load_program(loading, name)
  local copy = shallow_copy(loading.spec.programs[name])
  copy.name = copy.name or name
  copy.attach_target = target_of(loading, name)
  copy.attach_to = loading.targets[name] or copy.attach_to
  if copy.license == nil or copy.license == "" then
    return nil, ('load program "%s": the object has no license: add char LICENSE[] SEC("license") = "GPL"; or set the '
      .. "license of its spec"):format(name), EINVAL
  elseif copy.type == "unspec" then
    return nil, ('load program "%s": the section "%s" does not tell the type of program: rename it, or set the type of '
      .. "the spec"):format(name, tostring(copy.section)), EINVAL
  end
  if type(copy.instructions) == "userdata" then
    local message, errno
    copy.instructions, message, errno = wire(copy, loading)
    if not copy.instructions then
      return nil, ('load program "%s": %s'):format(name, message), errno
    end
  end
  local log_options = { log_level = loading.options.log_level, log_size = loading.options.log_size,
    kernel_btf = loading.options.kernel_btf, token = loading.options.token }
  return core.new_program(copy, log_options, loading.handles)
end

local function load_programs(loading, chosen)
  for _, name in ipairs(sorted_names(chosen)) do
    loading.at = ('program "%s"'):format(name)
    local message, errno, log
    loading.programs[name], message, errno, log = load_program(loading, name)
    if not loading.programs[name] then
      return nil, message, errno, log
    end
  end
  return true
end

--- Whether what the spec puts into a map of maps or program array is still to be put there. A map of maps that was
-- there before has the maps that others share; a program array gets the new programs, as libbpf does it.
local function is_to_be_filled(loading, name)
  local type = loading.spec.maps[name].type
  return map.holds_objects(type) and not loading.options.maps[name]
    and (type == "prog_array" or not loading.reopened[name])
end

--- Fills maps of maps and program arrays, now that what they hold is there.
local function fill_maps(loading, chosen)
  for _, name in ipairs(sorted_names(chosen)) do
    if is_to_be_filled(loading, name) then
      loading.at = ('map "%s"'):format(name)
      local filled = loading.spec.maps[name]
      local specs = filled.type == "prog_array" and {} or loading.spec.maps
      local objects = filled.type == "prog_array" and loading.programs or loading.maps
      local missing
      local ok, message, errno = map.fill(loading.maps[name], filled, function(wanted)
        missing = not objects[wanted] and specs[wanted] and wanted
        return objects[wanted]
      end)
      if missing then
        message = ('map "%s": map "%s", which is to be in it, is not created: set autocreate of its spec to true')
          :format(name, missing)
      end
      if not ok then
        return nil, message, errno
      end
    end
  end
  return true
end

--- Gives the map of the kernel's configuration its values. The names of options that the kernel lacks, if any.
local function fill_kconfig(loading, chosen)
  local kconfig = chosen[".kconfig"] and not loading.options.maps[".kconfig"] and loading.spec.maps[".kconfig"]
  if not kconfig then
    return {}
  end
  local contents, missing, errno = variable.read_kconfig(loading.spec.variables or {}, kconfig, loading.options.kconfig)
  if not contents then
    return nil, 'map ".kconfig": ' .. missing, errno
  end
  loading.kconfig = shallow_copy(kconfig)
  loading.kconfig.contents = contents
  return missing
end

--- Looks up all that the programs ask of this kernel, so that one message tells of all that it lacks.
local function resolve_externs(loading, maps, programs)
  loading.at = "externs"
  local missing, message, errno = fill_kconfig(loading, maps)
  local lists = {}
  for _, name in ipairs(sorted_names(programs)) do
    local instructions = loading.spec.programs[name].instructions
    if type(instructions) == "userdata" then
      lists[#lists + 1] = instructions
    end
  end
  if missing then
    missing, message, errno = core.resolve_externs(loading.handles, lists, missing)
  end
  if not missing then
    return nil, "load: " .. message, errno
  end
  return true
end

local function load_all(loading)
  local log
  local ok, message, errno = struct_ops.find_functions(loading)
  if not ok then
    return nil, message, errno
  end
  local maps, programs = choose(loading)
  ok, message, errno = resolve_externs(loading, maps, programs)
  if ok then
    ok, message, errno = create_maps(loading, maps)
  end
  if ok then
    ok, message, errno, log = load_programs(loading, programs)
  end
  if ok then
    ok, message, errno = fill_maps(loading, maps)
  end
  if ok then
    ok, message, errno = struct_ops.fill_all(loading)
  end
  return ok, message, errno, log
end

-- The low byte of a number comes first in memory.
local native_order = core.little_endian and "little" or "big"

--- Names out of a hostile object stand in messages, which may go to a terminal.
local function printable(message)
  return (message:gsub("%c", "?"))
end

--- Loads what checked options ask for.
-- @param file whether the spec is straight from a file, so that what is wrong with it is no mistake of the caller's
local function load(self, options, file)
  if self.byte_order and self.byte_order ~= native_order then
    return nil, ("load: the object is %s-endian, this machine is %s-endian: compile it with -target bpf, or -target %s")
      :format(self.byte_order, native_order, core.little_endian and "bpfel" or "bpfeb"), ENOEXEC
  end
  local loading = { spec = self, options = options, maps = {}, programs = {}, reopened = {}, handles = {},
    functions = {}, targets = {} }
  local called, ok, message, errno, log = pcall(load_all, loading)
  for _, handle in pairs(loading.handles) do
    if handle ~= options.token then
      handle:close()
    end
  end
  if called and ok then
    link_user.remember(loading.programs, loading.maps)
    return add_variables(new_collection(loading.maps, loading.programs), self.variables)
  end
  close_all(loading.programs)
  close_all(loading.maps)
  if called then
    return nil, printable(message), errno, log
  end
  local wrong = type(ok) == "string" and ok:match("bad argument #1[^(]* %((.*)%)$")
  if not (wrong and file) then
    error(ok, 0)
  end
  return nil, printable(("load %s: %s"):format(loading.at, wrong)), ENOEXEC
end

local load_options = { maps = true, programs = true, pin_path = true, log_level = true, log_size = true,
  kernel_btf = true, kconfig = true, attach_target = true, token = true }
local types_of_options = { maps = "table", programs = "table", pin_path = "string", kconfig = "string" }

local function wrong_integer(options, field, least, most)
  local n = options[field]
  if n ~= nil and not (type(n) == "number" and n >= least and n <= most and n % 1 == 0) then
    return ("option '%s': integer from %.0f to %.0f expected, got %s"):format(field, least, most, tostring(n))
  end
end

--- What is wrong with options for a spec, or nil.
local function wrong_options(self, options)
  if type(options) ~= "table" then
    return ("table of options expected, got %s"):format(type(options))
  end
  for field in pairs(options) do
    if not load_options[field] then
      return ("unknown option '%s'"):format(tostring(field))
    end
  end
  for field, wanted in pairs(types_of_options) do
    if options[field] ~= nil and type(options[field]) ~= wanted then
      return ("option '%s': %s expected, got %s"):format(field, wanted, type(options[field]))
    end
  end
  for name, replacement in pairs(options.maps or {}) do
    if not self.maps[name] then
      return ("the spec has no map called '%s' to replace"):format(tostring(name))
    elseif not core.is_handle(replacement, "ebpf.map") then
      return ("the replacement for map '%s' is no map"):format(name)
    end
  end
  for _, name in pairs(options.programs or {}) do
    if not self.programs[name] then
      return ("no program is called '%s'"):format(tostring(name))
    end
  end
  local targets = type(options.attach_target) == "table" and options.attach_target or { options.attach_target }
  for name, target in pairs(targets) do
    if targets == options.attach_target and not self.programs[name] then
      return ("no program is called '%s'"):format(tostring(name))
    elseif not core.is_handle(target, "ebpf.program") then
      return "option 'attach_target': Program, or table of Programs by name expected"
    end
  end
  if options.kernel_btf ~= nil and type(options.kernel_btf) ~= "string"
    and not core.is_handle(options.kernel_btf, "ebpf.btf") then
    return "option 'kernel_btf': path, BTF or its bytes expected"
  end
  if options.token ~= nil and not core.is_handle(options.token, "ebpf.token") then
    return "option 'token': Token expected"
  end
  return wrong_integer(options, "log_level", 0, 2 ^ 32 - 1) or wrong_integer(options, "log_size", 128, 2 ^ 30 - 1)
end

--- The options, with all tables that loading looks into; raises for the caller of the caller.
local function checked_options(self, options)
  options = options == nil and {} or options
  local wrong = wrong_options(self, options)
  if wrong then
    core.raise("load: " .. wrong)
  end
  options = shallow_copy(options)
  options.maps = options.maps or {}
  return options
end

--- A table of maps and programs as a collection spec.
local function as_spec(object)
  local is_spec = type(object) == "table" and type(object.maps or {}) == "table"
    and type(object.programs or {}) == "table"
  if not is_spec then
    core.raise(("load: path or collection spec expected, got %s"):format(type(object)))
  end
  if object.maps and object.programs then
    return object
  end
  local whole = shallow_copy(object)
  whole.maps, whole.programs = object.maps or {}, object.programs or {}
  return whole
end

---@class ebpf.CollectionOptions
---@field maps? table<string, ebpf.Map> used in the place of the spec's maps of these names, when they are like them;
---the collection has clones of them
---@field programs? string[] load only these programs, and the maps they use; else all but those marked with "?", or
---whose section nobody knows
---@field pin_path? string a directory of a BPF file system, for maps that are pinned by name
---@field log_level? integer 1, 2, 4 (see ebpf.new_program): keeps the verifier's log of programs that load
---@field log_size? integer bytes that log may take
---@field kernel_btf? ebpf.Btf|string the types that CO-RE relocations go by, instead of those of the running kernel and
---its modules: BTF, its bytes, or the path of a file that has it
---@field kconfig? string lines as of a kernel's configuration file ("CONFIG_HZ=250\n"), which count more than the
---running kernel's for the variables in section .kconfig
---@field attach_target? ebpf.Program|table<string, ebpf.Program> whose function programs of type ext replace; of a
---table, that of the program of that name, which may also trace it
---@field token? ebpf.Token loads maps, BTF and programs with what that delegates

--- Puts what the spec describes into the kernel: the maps with their contents, then the programs. The spec stays as it
-- is, and can be loaded any number of times. When anything fails, all that was created is closed. Instructions that
-- rewrite_map() has given a map keep that one.
---@param options? ebpf.CollectionOptions
---@return ebpf.Collection? collection
---@return string? message
---@return integer? errno
---@return string? log the whole log of the verifier, when it was the verifier that refused
function spec.CollectionSpec:load(options)
  local whole = as_spec(self)
  options = checked_options(whole, options)
  return pass(load(whole, options, false))
end

--- Reads an object file, if it is one, and loads what it describes.
---@param object string|ebpf.CollectionSpec path or spec, also one made by hand: {maps = {...}, programs = {...}}
---@param options? ebpf.CollectionOptions
---@return ebpf.Collection? collection
---@return string? message
---@return integer? errno
---@return string? log
function collection.load(object, options)
  local is_file = type(object) == "string"
  if is_file then
    local message, errno
    object, message, errno = spec.load(object)
    if not object then
      return nil, message, errno
    end
  end
  object = as_spec(object)
  options = checked_options(object, options)
  return pass(load(object, options, is_file))
end

--- Opens what Collection:pin() has pinned. Names have "_" where they had dots.
---@param directory string
---@return ebpf.Collection? collection
---@return string? message
---@return integer? errno ENOENT: nothing is there
function collection.load_pinned(directory)
  if type(directory) ~= "string" then
    core.raise(("load_pinned_collection: directory expected, got %s"):format(type(directory)))
  end
  local maps, programs = {}, {}
  local called, ok, message, errno = pcall(pin.open, directory, maps, programs)
  if called and ok then
    return add_variables(new_collection(maps, programs))
  end
  close_all(programs)
  close_all(maps)
  if not called then
    error(ok, 0)
  end
  return nil, ('load pinned collection "%s": %s'):format(directory, message), errno
end

return collection
