--- Links of programs that trace user space: the functions of `ebpf.link` for uprobes and statically defined tracepoints
-- (USDT), and how prog:attach() calls them.
local core = require "ebpf.core"
local pass = require("ebpf.argument").pass
local map = require "ebpf.map"
local trace = require "ebpf.link_trace"

local EINVAL, ENOENT, ENOSPC = core.errno.EINVAL, core.errno.ENOENT, core.errno.ENOSPC

local link = {}

local function wrong(words, ...)
  core.refuse(1, words:format(...))
end

-- A copy of the options, all of whose names are known and of the right types.
local function checked(what, options, known)
  if type(options) ~= "table" then
    wrong("table expected, got %s", type(options))
  end
  local copy = {}
  for key, value in pairs(options) do
    local kinds = known[key]
    if not kinds then
      wrong("unknown %s field '%s'", what, tostring(key))
    elseif not kinds:find(type(value), 1, true) then
      wrong("field '%s': %s expected", tostring(key), kinds)
    end
    copy[key] = value
  end
  if not core.is_handle(copy.program, "ebpf.program") then
    wrong("field 'program': Program expected")
  elseif copy.path == nil then
    wrong("field 'path': string expected")
  elseif copy.pid and not (copy.pid >= 0 and copy.pid < 2 ^ 31 and copy.pid % 1 == 0) then
    wrong("field 'pid': the number of a process expected, 0 for this one")
  elseif copy.offset and not (type(copy.offset) == "table" or copy.offset >= 0 and copy.offset < 2 ^ 53
    and copy.offset % 1 == 0) then
    wrong("field 'offset': bytes expected")
  end
  return copy
end

-- nil, message, errno of a failure to find what to attach to.
local function failed(options, what, message, errno)
  return nil, ('attach "%s": %s: %s'):format(options.program:name() or "", what, message), errno
end

--- The function and the rest: "f+0x10" is "f", 16.
local function split_offset(symbol)
  local name, offset = symbol:match("^(.+)%+(%w+)$")
  if name and tonumber(offset) then
    return name, tonumber(offset)
  end
  return symbol, 0
end

-- Calls find(exe) with the executable open, and closes it whatever comes.
local function with_exe(path, find)
  local exe, message, errno = core.open_exe(path)
  if not exe then
    return nil, message, errno
  end
  local results = { pcall(find, exe) }
  exe:close()
  if not results[1] then
    error(results[2], 0)
  end
  return (unpack or table.unpack)(results, 2, 4) -- luacheck: ignore
end

-- Where in the file a function is.
local function find_symbol(exe, symbol)
  local name, offset = split_offset(symbol)
  local at, message, errno = exe:find(name)
  if not at then
    return nil, message, errno
  end
  return at + offset
end

-- Where in the file options point: a function and an offset from it, an address, or the offset alone.
local function find_place(options, path)
  if options.symbol then
    local at, message, errno = with_exe(path, function(exe)
      return find_symbol(exe, options.symbol)
    end)
    if not at then
      return nil, message, errno
    end
    return at + (options.offset or 0)
  elseif options.address then
    local at, message, errno = with_exe(path, function(exe)
      local offset = exe:offset_of(options.address)
      return offset or nil, not offset and ("\"%s\" has nothing at that address"):format(path) or nil, ENOENT
    end)
    if not at then
      return nil, message, errno
    end
    return at + (options.offset or 0)
  end
  return options.offset
end

--- Runs the program when a process comes to an instruction of an executable or a library; the place of a function is
-- looked up in the file.
---@class ebpf.UprobeOptions
---@field program ebpf.Program of type kprobe
---@field path string the file: a path, or the name of a library ("libc.so.6", or "c") or of an executable ("bash"),
---which is looked for where the process `pid` has it mapped, in LD_LIBRARY_PATH or PATH, in /etc/ld.so.cache and in the
---usual directories
---@field symbol string? the function: "malloc", "malloc+0x10", "memcpy@GLIBC_2.14", "memcpy@@GLIBC_2.14"
---@field address integer|string|nil or an address, as nm(1) prints it
---@field offset integer? bytes from there; alone: in the file
---@field pid integer? of this process alone; 0: the caller
---@field ref_ctr_offset integer? in the file: a counter that is more than 0 while a program is attached (Linux 4.20)
---@field cookie integer|string|nil what bpf_get_attach_cookie() tells the program; from Linux 5.15
---@field retprobe boolean? where the function returns instead
---@field mode? "perf"|"tracefs" nil: by the perf PMU, or where the kernel has none (before Linux 4.17) by tracefs
local uprobe_fields = {
  program = "userdata", path = "string", symbol = "string", address = "number or string or cdata", offset = "number",
  pid = "number", ref_ctr_offset = "number", cookie = "number or string or cdata", retprobe = "boolean",
  mode = "string",
}

local function uprobe(what, given)
  local options = checked(what, given, uprobe_fields)
  if options.symbol and options.address then
    wrong("field 'symbol': a function or else an address expected")
  elseif not (options.symbol or options.address or options.offset) then
    wrong("field 'symbol': a function, an address or an offset expected")
  end
  local path, message, errno = core.find_exe(options.path, options.pid)
  if not path then
    return failed(options, what, message, errno)
  end
  local offset
  offset, message, errno = find_place(options, path)
  if not offset then
    return failed(options, what, message, errno)
  end
  return core.attach_uprobes {
    program = options.program, path = path, offsets = { offset }, pid = options.pid, mode = options.mode,
    ref_ctr_offsets = options.ref_ctr_offset and { options.ref_ctr_offset }, cookies = options.cookie and
      { options.cookie }, retprobe = options.retprobe,
    title = ("%s:%s"):format(path, options.symbol or ("0x%x"):format(offset)),
  }
end

---@param options ebpf.UprobeOptions
---@return ebpf.Link? link
---@return string? message
---@return integer? errno ENOENT: no such file or function; ENOTUNIQ: there are several
function link.uprobe(options)
  return pass(uprobe("uprobe", options))
end

--- Runs the program where a function of an executable or a library returns.
---@param options ebpf.UprobeOptions
---@return ebpf.Link?, string?, integer?
function link.uretprobe(options)
  local copy = {}
  for key, value in pairs(type(options) == "table" and options or {}) do
    copy[key] = value
  end
  copy.retprobe = true
  return pass(uprobe("uretprobe", type(options) == "table" and copy or options))
end

--- Runs the program where any of many functions of one file begins or, with `retprobe`, returns; both when its section
-- is uprobe.session. One link. From Linux 6.6.
---@class ebpf.UprobeMultiOptions
---@field program ebpf.Program of type kprobe, of the section uprobe.multi, uretprobe.multi or uprobe.session
---@field path string see ebpf.UprobeOptions
---@field symbols string[]? the functions, as ebpf.UprobeOptions names one
---@field pattern string? or all whose names match: "lua_*"
---@field offsets integer[]? for each of the symbols, bytes from there; alone: in the file
---@field ref_ctr_offsets integer[]? for each place, see ebpf.UprobeOptions
---@field cookies integer[]? for each place, what bpf_get_attach_cookie() tells the program there
---@field pid integer? of this process alone; 0: the caller
---@field retprobe boolean?
local uprobe_multi_fields = {
  program = "userdata", path = "string", symbols = "table", pattern = "string", offsets = "table",
  ref_ctr_offsets = "table", cookies = "table", pid = "number", retprobe = "boolean",
}

-- The places in the file of the functions of options.
local function find_places(exe, options)
  if options.pattern then
    local names, offsets, errno = exe:match(options.pattern)
    if not names then
      return nil, offsets, errno
    elseif #names == 0 then
      return nil, ('"%s" has no function that matches "%s"'):format(exe:path(), options.pattern), ENOENT
    end
    return offsets
  end
  local places = {}
  for i, symbol in ipairs(options.symbols) do
    local at, message, errno = find_symbol(exe, symbol)
    if not at then
      return nil, message, errno
    end
    places[i] = at + (options.offsets and options.offsets[i] or 0)
  end
  return places
end

---@param options ebpf.UprobeMultiOptions
---@return ebpf.Link? link
---@return string? message
---@return integer? errno
function link.uprobe_multi(options)
  options = checked("uprobe_multi", options, uprobe_multi_fields)
  if options.symbols and options.pattern or options.pattern and options.offsets
    or not (options.symbols or options.pattern or options.offsets) then
    wrong("field 'symbols': either symbols, a pattern or offsets expected")
  end
  for i, symbol in ipairs(options.symbols or {}) do
    if type(symbol) ~= "string" then
      wrong("field 'symbols': string expected at %d", i)
    end
  end
  local path, message, errno = core.find_exe(options.path, options.pid)
  if not path then
    return failed(options, "uprobe_multi", message, errno)
  end
  local offsets = options.offsets
  if options.symbols or options.pattern then
    offsets, message, errno = with_exe(path, function(exe)
      return find_places(exe, options)
    end)
    if not offsets then
      return failed(options, "uprobe_multi", message, errno)
    end
  end
  return pass(core.attach_uprobe_multi {
    program = options.program, path = path, offsets = offsets, ref_ctr_offsets = options.ref_ctr_offsets,
    cookies = options.cookies, pid = options.pid, retprobe = options.retprobe,
    title = ("%s:%s"):format(path, options.pattern or options.symbols and options.symbols[1] or #offsets .. " places"),
  })
end

-- The maps of <bpf/usdt.bpf.h>, by the programs they were loaded with, and by their names, of which the kernel keeps
-- 15 bytes.
local maps_of_programs = setmetatable({}, { __mode = "k" })
local map_names = { specs = "__bpf_usdt_specs", ips = "__bpf_usdt_ip_to_spec_id" }

--- Remembers with which maps programs were loaded: those of <bpf/usdt.bpf.h> are filled when one is attached.
local function remember(programs, maps)
  -- Weak, so that programs keep no maps open.
  local found = setmetatable({ specs = maps[map_names.specs], ips = maps[map_names.ips] }, { __mode = "v" })
  found.has_specs, found.has_ips = found.specs ~= nil, found.ips ~= nil
  for _, program in pairs(programs) do
    maps_of_programs[program] = found
  end
end

-- The same of a program that came by a pin or an id: opens its maps, which needs CAP_SYS_ADMIN.
local function open_maps(program)
  local info, message, errno = program:info()
  if not info then
    return nil, message, errno
  end
  local found = { opened = {} }
  for _, id in ipairs(info.map_ids) do
    local opened
    opened, message, errno = map.from_id(id)
    if not opened then
      return nil, message, errno
    end
    found.opened[#found.opened + 1] = opened
    local name = opened:name()
    for field, wanted in pairs(map_names) do
      if name == wanted or name == wanted:sub(1, 15) then
        found[field] = opened
      end
    end
  end
  return found
end

-- Whether what was there is still there, and open.
local function is_still_open(handle, was_there)
  return not was_there or handle ~= nil and not handle:is_closed()
end

-- The maps to tell the program of arguments by: {specs =, ips =}, both nil when it does not ask for any.
local function find_maps(options)
  if options.specs then
    return { specs = options.specs, ips = options.ips }
  end
  local found = maps_of_programs[options.program]
  if found and is_still_open(found.specs, found.has_specs) and is_still_open(found.ips, found.has_ips) then
    return found
  end
  return open_maps(options.program)
end

-- Which elements of maps of argument specifications are taken, and by which link, by the ids of these maps.
local taken_of_maps = {}

-- Those of links that are no more are free again; so are what they had in the other map.
local function reap(taken, ips)
  for id, entry in pairs(taken) do
    local holder = entry.holder[1]
    if not holder or holder:is_closed() then
      for _, ip in ipairs(entry.ips) do
        if ips and not ips:is_closed() then
          core.usdt_put(ips, ip, nil)
        end
      end
      taken[id] = nil
    end
  end
end

-- Writes each specification to an element that is free; equal ones share it.
-- @return the elements' numbers by specification; or nil, message, errno
local function write_specs(maps, taken, sites)
  local room = maps.specs:abi().max_entries
  local ids, id = {}, 0
  for _, site in ipairs(sites) do
    if not ids[site.spec] then
      while taken[id] do
        id = id + 1
      end
      if id >= room then
        return nil, ("all %d elements of the map %s are in use: define BPF_USDT_MAX_SPEC_CNT larger"):format(room,
          map_names.specs), ENOSPC
      end
      local ok, message, errno = core.usdt_put(maps.specs, id, site.spec)
      if not ok then
        return nil, message, errno
      end
      ids[site.spec] = id
      id = id + 1
    end
  end
  return ids
end

-- Where a place of the file is in the memory of a process, for kernels without cookies; nil when it is not there.
local function mapped_at(mappings, path, offset)
  local name = path:match("[^/]*$")
  for _, m in ipairs(mappings) do
    if m.executable and m.path:match("[^/]*$") == name and offset >= m.offset
      and offset - m.offset < m.stop - m.start then
      return m.start + (offset - m.offset)
    end
  end
end

-- Tells the program by the address it is at which specification to use, as kernels before 5.15 have no cookies.
-- @return the addresses; or nil, message, errno
local function write_ips(maps, ids, sites, path, pid, is_fixed)
  if not maps.ips then
    return nil, "kernels before 5.15 need the map " .. map_names.ips, EINVAL
  end
  local mappings, message, errno
  if not is_fixed then
    if not pid then
      return nil, "kernels before 5.15 need a pid for libraries and position-independent executables", EINVAL
    end
    mappings, message, errno = core.read_maps(pid)
    if not mappings then
      return nil, message, errno
    end
  end
  local ips = {}
  for i, site in ipairs(sites) do
    local ip = is_fixed and site.address or mapped_at(mappings, path, site.offset)
    if not ip then
      return nil, ("process %d has not mapped \"%s\""):format(pid, path), ENOENT
    end
    local ok
    ok, message, errno = core.usdt_put(maps.ips, ip, ids[site.spec])
    if not ok then
      return nil, message, errno
    end
    ips[i] = ip
  end
  return ips
end

-- Attaches to all sites by one link: of many places when the program was loaded for that, else of a uprobe each.
local function attach_sites(options, path, sites, ids, cookies)
  local fields = { program = options.program, path = path, pid = options.pid, offsets = {},
    title = ("%s:%s:%s"):format(path, options.provider, options.name) }
  local has_semaphore = false
  local counters, numbers = {}, {}
  for i, site in ipairs(sites) do
    fields.offsets[i], counters[i], numbers[i] = site.offset, site.semaphore, ids[site.spec] or 0
    has_semaphore = has_semaphore or site.semaphore ~= 0
  end
  fields.ref_ctr_offsets = has_semaphore and counters or nil
  fields.cookies = cookies and numbers or nil
  local kind = options.program:attach_type()
  if kind == "trace_uprobe_multi" or kind == "trace_uprobe_session" then
    return core.attach_uprobe_multi(fields)
  end
  fields.needs_cookies, fields.mode = cookies, options.mode
  return core.attach_uprobes(fields)
end

--- Runs the program at each site of a statically defined tracepoint of an executable or a library. The program reads
-- the arguments by bpf_usdt_arg() and so on of libbpf's <bpf/usdt.bpf.h>.
---@class ebpf.UsdtOptions
---@field program ebpf.Program of type kprobe
---@field path string see ebpf.UprobeOptions
---@field provider string
---@field name string
---@field pid integer? of this process alone; 0: the caller. Needed before Linux 5.15
---@field cookie integer|string|nil what bpf_usdt_cookie() tells the program
---@field mode? "perf"|"tracefs" see ebpf.UprobeOptions
---@field specs ebpf.Map? the program's map __bpf_usdt_specs, when it is neither known from ebpf.load nor found by id
---@field ips ebpf.Map? likewise __bpf_usdt_ip_to_spec_id
local usdt_fields = {
  program = "userdata", path = "string", provider = "string", name = "string", pid = "number",
  cookie = "number or string or cdata", mode = "string", specs = "userdata", ips = "userdata",
}

-- The sites of the tracepoint, and whether the file is loaded at its own addresses.
local function find_sites(path, options)
  return with_exe(path, function(exe)
    local sites, message, errno = exe:usdt(options.provider, options.name, options.cookie)
    if sites and #sites == 0 then
      return nil, ('"%s" has no tracepoint "%s:%s"'):format(path, options.provider, options.name), ENOENT
    elseif not sites then
      return nil, message, errno
    end
    return sites, exe:is_fixed()
  end)
end

-- Attaches, telling the program of arguments by cookies or, before Linux 5.15, by addresses.
-- @return the link, what it holds of the maps; or nil, message, errno
local function attach_with_args(options, path, maps, taken, sites, is_fixed)
  local ids, message, errno = write_specs(maps, taken, sites)
  if not ids then
    return nil, message, errno
  end
  local attached
  attached, message, errno = attach_sites(options, path, sites, ids, true)
  if attached or not (errno == EINVAL and message:find("a cookie needs", 1, true)) then
    return attached, attached and { ids = ids, ips = {} } or message, errno
  end
  local ips
  ips, message, errno = write_ips(maps, ids, sites, path, options.pid, is_fixed)
  if not ips then
    return nil, message, errno
  end
  attached, message, errno = attach_sites(options, path, sites, ids, false)
  return attached, attached and { ids = ids, ips = ips } or message, errno
end

-- The same, where the program may ask for no arguments at all; and sees to it that what the link holds is known.
local function attach_usdt(options, path, maps)
  local sites, is_fixed, errno = find_sites(path, options)
  if not sites then
    return nil, is_fixed, errno
  elseif not maps.specs then
    return attach_sites(options, path, sites, {}, false)
  end
  local info, message
  info, message, errno = maps.specs:info()
  if not info then
    return nil, message, errno
  end
  local taken = taken_of_maps[info.id] or {}
  taken_of_maps[info.id] = taken
  reap(taken, maps.ips)
  local attached, held
  attached, held, errno = attach_with_args(options, path, maps, taken, sites, is_fixed)
  if not attached then
    return nil, held, errno
  end
  local holder = setmetatable({ attached }, { __mode = "v" })
  for _, id in pairs(held.ids) do
    taken[id] = { holder = holder, ips = held.ips }
    held.ips = {}
  end
  return attached
end

---@param options ebpf.UsdtOptions
---@return ebpf.Link? link
---@return string? message
---@return integer? errno ENOENT: no such file or tracepoint; EOPNOTSUPP: an argument is where programs cannot read it
function link.usdt(options)
  options = checked("usdt", options, usdt_fields)
  for _, field in ipairs { "provider", "name" } do
    if not options[field] then
      wrong("field '%s': string expected", field)
    end
  end
  for _, field in ipairs { "specs", "ips" } do
    if options[field] and not core.is_handle(options[field], "ebpf.map") then
      wrong("field '%s': Map expected", field)
    end
  end
  local path, message, errno = core.find_exe(options.path, options.pid)
  local maps, attached
  if path then
    maps, message, errno = find_maps(options)
  end
  if maps then
    attached, message, errno = attach_usdt(options, path, maps)
    for _, opened in ipairs(maps.opened or {}) do
      opened:close()
    end
  end
  if attached then
    return attached
  end
  return failed(options, "usdt", (message:gsub("^attach \"[^\"]*\": ", "")), errno)
end

-- "PATH:what", of which the path may be that of a library of C++ or have no slash.
local function split_path(target)
  return target:match("^([^:]*):(.*)$")
end

local function uprobe_section(open)
  return {
    open = open,
    fields = function(target)
      local path, symbol = split_path(target)
      if not path then
        return { path = target }
      elseif tonumber(symbol) then
        return { path = path, offset = tonumber(symbol) }
      end
      return { path = path, symbol = symbol }
    end,
    overrides = { symbol = { "address", "offset" } },
    needs = { "path", { "symbol", "address", "offset" } },
    hint = 'a uprobe program needs a file and a function: attach{path = "/bin/bash", symbol = "readline"}',
  }
end

local function uprobe_multi_section(retprobe)
  return {
    open = link.uprobe_multi,
    fields = function(target)
      local path, pattern = split_path(target)
      return { path = path or target, pattern = pattern }
    end,
    defaults = { retprobe = retprobe },
    overrides = { pattern = { "symbols", "offsets" } },
    needs = { "path", { "pattern", "symbols", "offsets" } },
    hint = 'a uprobe.multi program needs a file and functions: attach{path = "libc.so.6", pattern = "mem*"}',
  }
end

local by_section = trace.by_section
by_section.uprobe = uprobe_section(link.uprobe)
by_section.uretprobe = uprobe_section(link.uretprobe)
by_section["uprobe.multi"] = uprobe_multi_section()
by_section["uretprobe.multi"] = uprobe_multi_section(true)
by_section["uprobe.session"] = uprobe_multi_section()
by_section.usdt = {
  open = link.usdt,
  fields = function(target)
    local path, provider, name = target:match("^([^:]*):([^:]*):(.*)$")
    return { path = path or target, provider = provider, name = name }
  end,
  needs = { "path", "provider", "name" },
  hint = 'a usdt program needs a file and a tracepoint: attach{path = "/bin/x", provider = "x", name = "query"}',
}

return { functions = link, attachers = {}, remember = remember }
