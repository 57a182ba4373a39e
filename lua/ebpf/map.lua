--- Maps. Most methods are C's, described above the functions in src/binding/map*.c; here is what is more pleasant in
--- Lua.
local core = require "ebpf.core"
local abi = require "ebpf.abi"
local argument = require "ebpf.argument"
local struct_ops = require "ebpf.struct_ops"
require "ebpf.luajit" -- replaces get and put where that pays

local pass = argument.pass

local map = {}

local methods = core.methods.map

--- A map in the kernel. Keys and values are what their types say: integers, strings, what a codec makes of them. Values
--- of per-CPU maps are arrays, one value per possible CPU; those of maps of maps and program arrays, maps and programs.
--- `tostring(m)` gives `hash "events" #7`, where 7 is the fd. Each method of a closed one returns nil, message, EBADF.
---@class ebpf.Map
---@field get fun(self: ebpf.Map, key: any, flags?: "lock"|ebpf.OneCpu): any, string?, integer? nil alone: no such key
---@field get_bytes fun(self: ebpf.Map, key: any): string?, string?, integer? the value as the kernel has it
---@field get_and_delete fun(self: ebpf.Map, key: any, flags?: "lock"): any, string?, integer?
---@field get_sum fun(self: ebpf.Map, key: any): any, string?, integer?
---@field put fun(self: ebpf.Map, key: any, value: any, flags?: ebpf.PutFlags): true?, string?, integer?
---@field put_bytes fun(self: ebpf.Map, key: any, bytes: string): true?, string?, integer?
---@field create fun(self: ebpf.Map, key: any, value: any, flags?: "lock"): true?, string?, integer? EEXIST: it is there
---@field replace fun(self: ebpf.Map, key: any, value: any, flags?: "lock"): true?, string?, integer? ENOENT: it is not
---@field delete fun(self: ebpf.Map, key: any): true?, string?, integer? a missing key is fine
---@field delete_strict fun(self: ebpf.Map, key: any): true?, string?, integer? ENOENT: it is not there
---@field next_key fun(self: ebpf.Map, key?: any): any, string?, integer? nil alone: the end
---@field next_key_bytes fun(self: ebpf.Map, key?: string): string?, string?, integer?
---@field iterate fun(self: ebpf.Map): fun(): any, any `for key, value in m:iterate() do`
---@field get_batch fun(self: ebpf.Map, keys: any[]): table?, integer|string, integer? values by position, how many
---@field put_batch fun(self: ebpf.Map, keys: table, values?: any[]): integer?, string?, integer?, integer? how many
---@field delete_batch fun(self: ebpf.Map, keys: any[]): integer?, string?, integer?, integer? how many there were
---@field drain fun(self: ebpf.Map): any[]?, any ... keys, values and how many; of queues and stacks: values, how many
---@field push fun(self: ebpf.Map, value: any, flags?: "exist"): true?, string?, integer?
---@field pop fun(self: ebpf.Map): any, string?, integer?
---@field peek fun(self: ebpf.Map, value?: any): any, string?, integer? of a bloom filter: whether `value` may be in it
---@field freeze fun(self: ebpf.Map): true?, string?, integer?
---@field memory fun(self: ebpf.Map): ebpf.Memory?, string?, integer? of arrays with BPF_F_MMAPABLE; EOPNOTSUPP: else.
--- Of an arena (Linux 6.9) its pages: the same Memory each time while it is open, as there is one place for them
---@field clone fun(self: ebpf.Map): ebpf.Map?, string?, integer? another for the same map; not pinned
---@field pin fun(self: ebpf.Map, path: string): true?, string?, integer? in a bpf file system
---@field unpin fun(self: ebpf.Map): true?, string?, integer?
---@field is_pinned fun(self: ebpf.Map): boolean, string?
---@field info fun(self: ebpf.Map): table?, string?, integer? fields of struct bpf_map_info, and `frozen`
---@field abi fun(self: ebpf.Map): table type, key_size, value_size, max_entries, flags
---@field name fun(self: ebpf.Map): string whole when it was made here, else the 15 bytes that the kernel keeps
---@field close fun(self: ebpf.Map): true
---@field is_closed fun(self: ebpf.Map): boolean
---@field fd fun(self: ebpf.Map): integer?, string?, integer?

--- One CPU's value of a per-CPU map, in the place of an array of all (Linux 7.0; before it is EINVAL). What is put
--- leaves those of other CPUs as they are; of a new key they are zero.
---@class ebpf.OneCpu
---@field cpu integer counted from 0, below the number of possible CPUs

--- "lock" where values have spin locks. Of per-CPU maps, one value for one CPU, or the same for all (Linux 7.0).
---@alias ebpf.PutFlags "lock"|"all_cpus"|ebpf.OneCpu

--- The contents of an array map in the memory of this process: no call of it is a system call. It is read-only when the
--- map is frozen or has BPF_F_RDONLY_PROG; the map cannot be frozen while one lives that is not. It stays when the
--- map's handle is closed, and is unmapped when it is closed or collected. Elements of 1, 2, 4 and 8 bytes are read and
--- written in one piece. Each method of a closed one returns nil, message, EBADF.
---@class ebpf.Memory
---@field get fun(self: ebpf.Memory, index: integer): any, string?, integer? from 0 on; nil alone: behind the last
---@field put fun(self: ebpf.Memory, index: integer, value: any): true?, string?, integer? EPERM: read-only; E2BIG
---@field bytes fun(self: ebpf.Memory, offset?: integer, size?: integer): string?, string?, integer? elements begin at
--- multiples of 8 bytes; raises when not all bytes are within the memory
---@field write fun(self: ebpf.Memory, offset: integer, bytes: string): true?, string?, integer? EPERM: read-only;
--- raises as bytes() does
---@field address fun(self: ebpf.Memory): integer?, string?, integer? where it lies in this process: what the pointers
--- in an arena count from
---@field size fun(self: ebpf.Memory): integer?, string?, integer? bytes, in whole pages
---@field is_read_only fun(self: ebpf.Memory): boolean?, string?, integer?
---@field close fun(self: ebpf.Memory): true
---@field is_closed fun(self: ebpf.Memory): boolean

local EEXIST, EINVAL, ENOENT = core.errno.EEXIST, core.errno.EINVAL, core.errno.ENOENT

-- The values of these are other maps, or programs.
local holds_objects = { array_of_maps = true, hash_of_maps = true, prog_array = true }

--- Whether the values of maps of that type are maps or programs.
function map.holds_objects(type)
  return holds_objects[type] or false
end

-- Arenas that this process has mapped.
local arenas = setmetatable({}, { __mode = "k" })

local map_memory = methods.memory
function methods:memory()
  local mapped = arenas[self]
  if mapped and not mapped:is_closed() then
    return mapped
  end
  local memory, message, errno = map_memory(self)
  if memory and self:abi().type == "arena" then
    arenas[self] = memory
  end
  return memory, message, errno
end

local function add(a, b)
  if type(b) == "number" or type(b) == "cdata" then
    return a + b
  elseif type(b) ~= "table" then
    return b
  end
  local sum = {}
  for field, value in pairs(b) do
    sum[field] = a[field] == nil and value or add(a[field], value)
  end
  return sum
end

--- The per-CPU values under a key added up, structs field by field; what is no number is the last CPU's. Raises for
-- a map that is not per CPU.
---@param key any
---@return any sum nil when there is no such key
---@return string? message
---@return integer? errno
function methods:get_sum(key)
  local sum, message, errno = methods.get_integer_sum(self, key)
  if sum ~= false then
    return sum, message, errno
  end
  local values
  values, message, errno = self:get(key)
  if values == nil then
    return nil, message, errno
  end
  sum = values[1]
  for i = 2, #values do
    sum = add(sum, values[i])
  end
  return sum
end

local function put_contents(target, spec, resolve)
  for _, entry in ipairs(spec.contents or {}) do
    local key, value = entry[1], entry[2]
    local put = target.put
    if type(value) == "string" then
      if holds_objects[spec.type] then
        value = resolve and resolve(value)
        if value == nil then
          return nil, ("map \"%s\": nothing is called \"%s\""):format(target:name(), entry[2]), ENOENT
        end
      elseif type(spec.value) ~= "table" then
        put = target.put_bytes
      end
    end
    local ok, message, errno = put(target, key, value)
    if not ok then
      return nil, message, errno
    end
  end
  return true
end

--- Puts the contents of a spec into a map. Strings are taken as bytes, unless functions of the spec encode them; in a
-- map that holds maps or programs they are names, which `resolve` turns into a Map or Program.
-- @return true, or nil, message, errno
function map.fill(target, spec, resolve)
  local called, ok, message, errno = pcall(put_contents, target, spec, resolve)
  if not called then
    argument.relay(1, ("contents of map '%s': "):format(tostring(spec.name or "")), ok)
  end
  return ok, message, errno
end

local function has_flag(flags, flag)
  return flags % (2 * flag) >= flag
end

local SEGV_ON_FAULT = 131072 -- BPF_F_SEGV_ON_FAULT

--- Maps a new arena, since the verifier wants to know where it lies, and puts the contents in: {offset, bytes} each.
local function fill_arena(new, spec)
  if has_flag(new:abi().flags, SEGV_ON_FAULT) then
    return true
  end
  local memory, message, errno = new:memory()
  if not memory then
    return nil, message, errno
  end
  -- Writing zeroes makes pages, too, which programs are not given for something else.
  for _, entry in ipairs(spec.contents or {}) do
    if entry[1] + #entry[2] > memory:size() then
      return nil, ('fill arena "%s": its contents are larger than its %d bytes'):format(new:name(), memory:size()),
        core.errno.E2BIG
    end
    memory:write(entry[1], entry[2])
  end
  return true
end

--- Puts the contents in that are plain data, and freezes. A struct waits for its programs where a collection is loaded.
local function complete(new, spec, handles)
  local ok, message, errno = true, nil, nil
  local kind = core.map_type(spec)
  if kind == "struct_ops" then
    if handles then
      return true
    end
    return struct_ops.complete(new, spec)
  elseif kind == "arena" then
    return fill_arena(new, spec)
  elseif not holds_objects[spec.type] then
    ok, message, errno = map.fill(new, spec)
  end
  if ok and spec.freeze then
    ok, message, errno = new:freeze()
  end
  return ok, message, errno
end

--- Creates a map, with its contents when they are plain data.
local function create(spec, handles, token)
  local new, message, errno = core.new_map(spec, handles, token)
  if not new then
    return nil, message, errno
  end
  local called, ok
  called, ok, message, errno = pcall(complete, new, spec, handles)
  if called and ok then
    return new
  end
  new:close()
  if not called then
    argument.relay(1, nil, ok)
  end
  return nil, message, errno
end

-- The kernel, or filling in, decides on these where a spec leaves them at 0.
local may_differ_from_zero = { key_size = true, value_size = true, max_entries = true }

-- The kernel turns on BPF_F_RDONLY_PROG for these, and rounds the size of an lru_percpu_hash, or lru_hash, with
-- BPF_F_NO_COMMON_LRU to the CPUs.
local RDONLY_PROG, NO_COMMON_LRU = 128, 2
local MMAPABLE = 1024
local gains_flag = { devmap = true, devmap_hash = true }

--- Whether `have` may serve in the place of a map made from `spec`.
---@param spec ebpf.MapSpec
---@param have ebpf.Map
---@return true? ok
---@return string? message
---@return integer? errno
function map.check_compatible(spec, have)
  local wanted = {}
  for _, field in ipairs({ "type", "key_size", "value_size", "max_entries", "flags" }) do
    if not (may_differ_from_zero[field] and spec[field] == 0) then
      wanted[field] = spec[field]
    end
  end
  wanted.type = core.map_type(spec)
  if spec.type == "struct_ops" then
    wanted.value_size = nil -- the kernel's
  end
  if spec.type == "perf_event_array" then
    wanted.max_entries = nil -- as many as there are CPUs, whatever the spec says
  end
  local actual, message, errno = have:abi()
  if not actual then
    return nil, message, errno
  end
  if gains_flag[spec.type] and has_flag(actual.flags, RDONLY_PROG) and not has_flag(spec.flags or 0, RDONLY_PROG) then
    actual.flags = actual.flags - RDONLY_PROG
  end
  if spec.mmapable and has_flag(actual.flags, MMAPABLE) and not has_flag(spec.flags or 0, MMAPABLE) then
    actual.flags = actual.flags - MMAPABLE
  end
  if has_flag(actual.flags, NO_COMMON_LRU) and actual.type:find("^lru_") then
    wanted.max_entries = nil
  end
  local ok, differences = abi.compare(wanted, actual, { "type", "key_size", "value_size", "max_entries", "flags" })
  if not ok then
    return nil, ("map \"%s\" is incompatible with its spec: %s"):format(spec.name or "", differences), EINVAL
  end
  return true
end

--- The types a spec gives to keys and values.
local function types_of(spec)
  return { key = spec.key, value = spec.value, int64 = spec.int64 }
end

--- The map pinned at a path, if it suits the spec.
-- @return the map, nil, nil, true; or nil, message, errno
local function open_for(spec, path)
  local found, message, errno = core.load_pinned_map(path)
  if not found then
    return nil, message, errno
  end
  local ok
  ok, message, errno = map.check_compatible(spec, found)
  if ok then
    return core.set_types(found, types_of(spec)), nil, nil, true
  end
  found:close()
  return nil, ("pin \"%s\": %s"):format(path, message), errno
end

--- The map pinned under the spec's name, or a new one that is pinned there.
local function open_or_create(spec, options, handles)
  local pin_path = options.pin_path
  local path = pin_path .. "/" .. (spec.name:gsub("%.", "_"))
  local found, message, errno = open_for(spec, path)
  if found then
    return found, nil, nil, true
  elseif errno ~= ENOENT then
    return nil, message, errno
  end
  found, message, errno = create(spec, handles, options.token)
  if not found then
    return nil, message, errno
  end
  local ok
  ok, message, errno = found:pin(path)
  if not ok and errno == ENOENT and core.make_directory(pin_path) then
    ok, message, errno = found:pin(path)
  end
  if ok then
    return found
  end
  found:close()
  if errno == EEXIST then -- another process was faster
    return open_for(spec, path)
  end
  return nil, message, errno
end

local new_options = { pin_path = true, token = true }

---@class ebpf.MapOptions
---@field pin_path? string a directory of a BPF file system; made if it alone is missing
---@field token? ebpf.Token creates it with what that delegates

--- Creates a map after a spec, which stays as it is. Its contents are put in, unless they are names of maps or
-- programs, and it is frozen if the spec says so. With `pinning = "by_name"` the map pinned as <pin_path>/<name> is
-- opened instead, if there is one that suits the spec, else the new one is pinned there.
---@param spec ebpf.MapSpec|table
---@param options? ebpf.MapOptions
---@param handles? table begun empty, where loading a collection keeps the BTF that its maps and programs share
---@return ebpf.Map? map
---@return string? message
---@return integer? errno
---@return true? reopened when it was there already, pinned by its name
function map.new(spec, options, handles)
  if options then
    abi.check_fields(2, "new_map options", options, new_options)
    if options.token ~= nil and not core.is_handle(options.token, "ebpf.token") then
      core.raise("new_map: option 'token': Token expected")
    end
  end
  if type(spec) ~= "table" or spec.pinning == nil or spec.pinning == "none" then
    return pass(create(spec, handles, options and options.token))
  end
  if spec.pinning ~= "by_name" then
    core.raise(("new_map: pinning must be 'none' or 'by_name', not '%s'"):format(tostring(spec.pinning)))
  end
  if not (options and options.pin_path) then
    core.raise(("new_map: map '%s' is pinned by name: pin_path is missing"):format(tostring(spec.name)))
  end
  if not spec.name or spec.name == "" then
    core.raise("new_map: a map that is pinned by name needs a name")
  end
  return pass(open_or_create(spec, options, handles))
end

local open_fields = { key = true, value = true, int64 = true, read_only = true, write_only = true }

--- Splits options into what the map must be like and how it is opened.
local function split(options)
  local wanted, open = {}, {}
  if options ~= nil and type(options) ~= "table" then
    core.refuse(2, ("table expected, got %s"):format(type(options)))
  end
  for field, value in pairs(options or {}) do
    if open_fields[field] then
      open[field] = value
    else
      wanted[field] = value
    end
  end
  return abi.map_of_argument(2, wanted), open
end

local function checked(found, message, errno, wanted)
  if not found then
    return nil, message, errno
  end
  local ok
  ok, message, errno = wanted:check(found)
  if not ok then
    found:close()
    return nil, message, errno
  end
  return found
end

--- Opens the map pinned at a path.
---@param path string in a BPF file system
---@param options? table fields of a MapABI, which are checked; `key`, `value` and `int64`, the types of a MapSpec;
---`read_only`, `write_only`
---@return ebpf.Map? map
---@return string? message
---@return integer? errno
function map.load_pinned(path, options)
  local wanted, open = split(options)
  local found, message, errno = core.load_pinned_map(path, open)
  return checked(found, message, errno, wanted)
end

--- Opens the map with an id of the kernel's. Needs CAP_SYS_ADMIN.
---@param id integer
---@param options? table as of load_pinned_map
---@return ebpf.Map? map
---@return string? message
---@return integer? errno
function map.from_id(id, options)
  local wanted, open = split(options)
  local found, message, errno = core.map_from_id(id, open)
  return checked(found, message, errno, wanted)
end

--- A handle of the map of a file descriptor that this process has otherwise: inherited over exec, received over a Unix
-- socket, opened in another Lua state. It has a descriptor of its own, which may do what that one may; `fd` stays the
-- caller's. What its types are the kernel tells with CAP_SYS_ADMIN alone, else `key` and `value` do.
---@param fd integer
---@param options? table fields of a MapABI, which are checked; `key`, `value` and `int64`, the types of a MapSpec
---@return ebpf.Map? map nil also when it is none: EBADF, it is closed; EINVAL, it is of something else
---@return string? message
---@return integer? errno
function map.from_fd(fd, options)
  local wanted, open = split(options)
  local found, message, errno = core.map_from_fd(fd, open)
  return checked(found, message, errno, wanted)
end

--- An iterator over ids, by the function that tells the one behind another. It raises when the kernel refuses.
function map.ids_by(next_id)
  local id
  return function()
    local message
    id, message = next_id(id)
    if message then
      core.raise(message)
    end
    return id
  end
end

--- Iterates over the ids of all maps of the system: `for id in ebpf.map_ids() do`. Needs CAP_SYS_ADMIN.
---@return fun(): integer?
function map.ids()
  return map.ids_by(core.next_map_id)
end

return map
