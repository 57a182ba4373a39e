--- Structs of functions that programs take the place of: what a spec says about one, and how a map gets it.
-- An object knows such a struct as it was when the object was compiled. Members are found by their names in the struct
-- of the running kernel, which may have others, in another order.
local core = require "ebpf.core"
local sorted_names = require "ebpf.sorted_names"

local struct_ops = {}

local EBADF, EINVAL, ENOENT = core.errno.EBADF, core.errno.EINVAL, core.errno.ENOENT

local transparent = { typedef = true, const = true, volatile = true, restrict = true, type_tag = true }

--- The kind of a type behind its typedefs and qualifiers.
local function kind_of(types, id)
  local described = types:type(id)
  for _ = 1, 32 do
    if not (described and transparent[described.kind]) then
      break
    end
    described = types:type(described.type)
  end
  return described and described.kind
end

--- The members of a struct that have a name and are no bitfields.
-- @return {[name] = {type = id, offset = bytes, is_pointer = boolean}}, size; or nil, message, errno
local function members_of(types, id)
  local described, message, errno = types:type(id)
  if not described then
    return nil, message, errno
  end
  local members = {}
  for _, member in ipairs(described.members or {}) do
    if member.name and not member.bits and member.offset % 8 == 0 then
      members[member.name] = { type = member.type, offset = member.offset / 8,
        is_pointer = kind_of(types, member.type) == "ptr" }
    end
  end
  return members, described.size or 0
end

--- By which types the members of a spec are written: the object's, else the kernel's.
-- @return the types, the id of the struct; or nil, message, errno
local function types_of(spec, handles)
  if spec.btf then
    return spec.btf.types, spec.btf.value_type_id
  end
  return core.find_struct_ops(spec.struct, handles)
end

--- Raises for a spec that cannot be.
local function refuse(spec, wrong, ...)
  core.refuse(1, ("map '%s': %s"):format(tostring(spec.name), wrong:format(...)))
end

--- The bytes that the members are written over.
local function base_of(spec, size)
  local entry = spec.contents and spec.contents[1]
  local bytes = entry and entry[2]
  if bytes == nil then
    return ("\0"):rep(size)
  elseif type(bytes) ~= "string" or #bytes ~= size then
    refuse(spec, "its contents must be %d bytes; values of members go into the field 'members'", size)
  end
  return bytes
end

local function is_program(value)
  return core.is_handle(value, "ebpf.program")
end

--- What the spec has for the members that are pointers: names of programs, or Programs.
local function functions_of(spec, members)
  local functions = {}
  for name, value in pairs(spec.members or {}) do
    local member = members[name]
    if not member then
      refuse(spec, "struct %s has no member '%s' that could be set", spec.struct, tostring(name))
    elseif member.is_pointer then
      if type(value) ~= "string" and not is_program(value) then
        refuse(spec, "member '%s' is a pointer: name of a program, or Program expected, got %s", name, type(value))
      end
      functions[name] = value
    end
  end
  return functions
end

--- The struct as bytes of the spec's types, without its programs.
local function pack(spec, types, members, size)
  local bytes = base_of(spec, size)
  for name, value in pairs(spec.members or {}) do
    local member = members[name]
    if not member.is_pointer then
      local member_type, message = core.find_type(member.type, types)
      local packed, new = pcall(function()
        return member_type:pack(value)
      end)
      if not packed then
        refuse(spec, "member '%s': %s", name, message or tostring(new))
      end
      bytes = bytes:sub(1, member.offset) .. new .. bytes:sub(member.offset + #new + 1)
    end
  end
  return bytes
end

--- Tells the initial values of a spec straight from an object as members, besides the programs that it has there.
function struct_ops.describe(spec)
  local members = spec.btf and members_of(types_of(spec))
  for name, member in pairs(members or {}) do
    local member_type = not member.is_pointer and core.find_type(member.type, spec.btf.types)
    if member_type then
      local bytes = spec.contents[1][2]:sub(member.offset + 1, member.offset + member_type:size())
      local value = member_type:unpack(bytes)
      -- What is not told whole, as unions, stays as it is.
      local packed, again = pcall(member_type.pack, member_type, value)
      if packed and again == bytes then
        spec.members[name] = value
      end
    end
  end
end

--- The members that are to be programs and that the running kernel has.
-- @return {[member] = name or Program}; or nil, message, errno
function struct_ops.functions(spec, handles)
  local types, id, errno = types_of(spec, handles)
  if not types then
    return nil, id, errno
  end
  local members, message
  members, message, errno = members_of(types, id)
  if not members then
    return nil, message, errno
  end
  local functions = functions_of(spec, members)
  types, id, errno = core.find_struct_ops(spec.struct, handles)
  if not types then
    return nil, id, errno
  end
  members, message, errno = members_of(types, id)
  if not members then
    return nil, message, errno
  end
  for name in pairs(functions) do
    if not members[name] then
      functions[name] = nil
    end
  end
  return functions
end

--- What the map is to be given, by the programs that `resolve` has for the names.
-- @return bytes, which are good while the programs are open; or nil, message, errno
local function value_of(spec, resolve, handles)
  local functions, message, errno = struct_ops.functions(spec, handles)
  if not functions then
    return nil, message, errno
  end
  local programs = {}
  for member, program in pairs(functions) do
    programs[member] = type(program) == "string" and resolve(program) or program
    if type(programs[member]) == "string" then
      return nil, ('member "%s": no program is called "%s"'):format(member, program), ENOENT
    end
  end
  local types, id = types_of(spec, handles)
  if not types then
    return nil, id, EBADF
  end
  local members, size = members_of(types, id)
  if not members then
    return nil, size, EBADF
  end
  return core.struct_ops_value(spec.struct, types, id, pack(spec, types, members, size), programs, handles)
end

local LINK = 8192 -- BPF_F_LINK

local function has_links(map)
  local abi, message, errno = map:abi()
  if not abi then
    return nil, message, errno
  end
  return abi.flags % (2 * LINK) >= LINK
end

-- What is to be put into maps that register their struct when it is put there.
local prepared = setmetatable({}, { __mode = "k" })

--- Calls a function with a table of handles, which is given up afterwards.
local function with_handles(call)
  local handles = {}
  local called, ok, message, errno = pcall(call, handles)
  for _, handle in pairs(handles) do
    handle:close()
  end
  if not called then
    error(ok, 0)
  end
  return ok, message, errno
end

local function put(map, spec, resolve, handles)
  local value, message, errno = value_of(spec, resolve, handles)
  if value then
    return map:put_bytes(0, value)
  end
  return nil, ('fill map "%s": %s'):format(map:name(), message), errno
end

--- Gives a new map its struct, or keeps it for register() where the map registers what it gets.
-- @param resolve gives a Program for its name, or nil
-- @return true; or nil, message, errno
function struct_ops.fill(map, spec, resolve, handles)
  local later, message, errno = has_links(map)
  if later == nil then
    return nil, message, errno
  elseif later then
    return put(map, spec, resolve, handles)
  end
  -- What is wrong is told now.
  local value
  value, message, errno = value_of(spec, resolve, handles)
  if not value then
    return nil, ('fill map "%s": %s'):format(map:name(), message), errno
  end
  prepared[map] = { spec = spec, resolve = resolve }
  return true
end

--- The same for a map by itself, whose programs are there.
function struct_ops.complete(map, spec)
  return with_handles(function(handles)
    return struct_ops.fill(map, spec, function() end, handles)
  end)
end

--- Registers the struct of a map that has no links.
-- @return true; or nil, message, errno
local function register(map)
  local given = prepared[map]
  if not given then
    return nil, ('attach "%s": it has no struct that could be registered'):format(map:name()), EINVAL
  end
  local ok, message, errno = with_handles(function(handles)
    return put(map, given.spec, given.resolve, handles)
  end)
  if not ok then
    return nil, ('attach "%s": %s'):format(map:name(), message), errno
  end
  return true
end

--- The programs of type struct_ops that are in some struct of the spec: they are loaded for that, or not at all.
function struct_ops.programs(spec)
  local members = {}
  for _, candidate in pairs(spec.maps) do
    for _, value in pairs(candidate.members or {}) do
      if type(value) == "string" and spec.programs[value] and spec.programs[value].type == "struct_ops" then
        members[value] = true
      end
    end
  end
  return members
end

--- Fills the structs of a collection that is being loaded, now that their programs are there.
function struct_ops.fill_all(loading)
  for _, name in ipairs(sorted_names(loading.functions)) do
    if not loading.reopened[name] then
      loading.at = ('map "%s"'):format(name)
      local ok, message, errno = struct_ops.fill(loading.maps[name], loading.spec.maps[name], function(wanted)
        return loading.programs[wanted]
      end, loading.handles)
      if not ok then
        return nil, message, errno
      end
    end
  end
  return true
end

--- Says for which members programs are to be loaded.
local function name_targets(loading, name, functions)
  for _, member in ipairs(sorted_names(functions)) do
    local program = functions[member]
    local target = ("%s:%s"):format(loading.spec.maps[name].struct, member)
    local known = loading.targets[program]
    if known and known ~= target then
      return nil, ('load map "%s": program "%s" cannot be %s and %s'):format(name, program, known, target), EINVAL
    elseif type(program) == "string" then
      loading.targets[program] = target
    end
  end
  return true
end

--- Finds out which programs of struct_ops maps this kernel has a place for.
function struct_ops.find_functions(loading)
  for _, name in ipairs(sorted_names(loading.spec.maps)) do
    local wanted = loading.spec.maps[name]
    if wanted.struct and wanted.autocreate ~= false and not loading.options.maps[name]
      and not loading.options.programs then
      loading.at = ('map "%s"'):format(name)
      local functions, message, errno = struct_ops.functions(wanted, loading.handles)
      local ok
      if functions then
        loading.functions[name] = functions
        ok, message, errno = name_targets(loading, name, functions)
      else
        message = ('load map "%s": %s'):format(name, message)
      end
      if not ok then
        return nil, message, errno
      end
    end
  end
  return true
end

struct_ops.has_links = has_links
struct_ops.register = register

return struct_ops
