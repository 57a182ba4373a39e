-- Lists the maps, programs and links of the system as bpftool does, with the processes that hold them and their pins.
--
--   lua lister.lua [maps|programs|links]
--
-- Objects come and go meanwhile: one that is gone when it is opened is left out.
local ebpf = require "ebpf"

local function check(result, message)
  if not result then
    io.stderr:write(message, "\n")
    os.exit(1)
  end
  return result
end

-- 64-bit numbers are cdata on LuaJIT.
local function number(value)
  return value and tonumber(value)
end

local owners = check(ebpf.owners())
local pins = check(ebpf.pins())

-- "  pinned /sys/fs/bpf/x" and "  pids nginx(17,18)", below each object.
local function print_holders(kind, id)
  for _, path in ipairs(pins[kind][id] or {}) do
    print("        pinned " .. path)
  end
  local names = {}
  for _, process in ipairs(owners[kind][id] or {}) do
    names[#names + 1] = ("%s(%d)%s"):format(process.comm, process.pid, process.perf_event and " by a perf event" or "")
  end
  if #names > 0 then
    print("        pids " .. table.concat(names, ", "))
  end
end

-- "  name value" for each field that is there.
local function describe(info, fields)
  local words = {}
  for _, field in ipairs(fields) do
    local value = info[field]
    if value ~= nil and value ~= "" then
      words[#words + 1] = ("%s %s"):format(field, type(value) == "cdata" and tostring(number(value)) or tostring(value))
    end
  end
  return table.concat(words, "  ")
end

local function print_map(info)
  print(("%d: %s  %s"):format(info.id, info.type, info.name))
  print("        " .. describe(info, { "bytes_key", "bytes_value", "max_entries", "flags", "bytes_memlock", "frozen" }))
end

local function print_program(info)
  print(("%d: %s  %s  tag %s%s"):format(info.id, info.type, info.name, info.tag, info.gpl_compatible and "  gpl" or ""))
  print(("        loaded_at %s  uid %d"):format(os.date("%Y-%m-%dT%H:%M:%S", number(info.loaded_at)), info.uid))
  print("        " .. describe(info, { "bytes_xlated", "bytes_jited", "bytes_memlock", "verified_insns" }))
  if (number(info.run_cnt) or 0) > 0 then -- Linux 5.1
    print("        " .. describe(info, { "run_time_ns", "run_cnt" }))
  end
  if #info.map_ids > 0 then
    print("        map_ids " .. table.concat(info.map_ids, ","))
  end
end

local link_fields = {
  "attach_type", "tp_name", "tracepoint", "func", "file", "offset", "path", "func_cnt", "missed", "retprobe",
  "event_type", "event_config", "devname", "ifindex", "mode", "cgroup_id", "netns_ino", "map_id", "target_name", "pf",
  "hook", "prio", "target_obj_id", "target_btf_id", "cookie",
}

local function print_link(info)
  print(("%d: %s  prog %d"):format(info.id, info.type, info.prog_id))
  local text = describe(info, link_fields)
  if text ~= "" then
    print("        " .. text)
  end
end

local kinds = {
  { "maps", ebpf.map_ids, ebpf.map_from_id, print_map },
  { "programs", ebpf.program_ids, ebpf.program_from_id, print_program },
  { "links", ebpf.link_ids, ebpf.link_from_id, print_link },
}

-- The iterators over ids raise where the kernel refuses.
local function list(kind, ids, open, show)
  for id in ids() do
    local object, message, errno = open(id)
    if object then
      local info = check(object:info())
      object:close()
      show(info)
      print_holders(kind, id)
    elseif errno ~= ebpf.errno.ENOENT then
      error(message, 0)
    end
  end
end

local wanted, found = arg and arg[1], false
for _, kind in ipairs(kinds) do
  if wanted == nil or wanted == kind[1] then
    found = true
    print(kind[1]:upper())
    local ok, message = pcall(list, kind[1], kind[2], kind[3], kind[4])
    check(ok, tostring(message):gsub("^[^:]*:%d+: ", ""))
  end
end
check(found, "usage: lister.lua [maps|programs|links]")
if owners.unreadable + pins.unreadable > 0 then
  print(("%d processes and %d files could not be looked at"):format(owners.unreadable, pins.unreadable))
end
