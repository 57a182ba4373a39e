--- A list of blocked addresses that XDP drops: bans that expire by themselves, and a list of any size that is replaced
-- in one step. Copy this directory into your own project; blocklist.bpf.o is compiled once and works everywhere.
--
--     local blocklist = require "blocklist"
--     local blocked = assert(blocklist.open { pin_path = "/sys/fs/bpf/blocklist" })
--     assert(blocked:attach("eth0"))
--     blocked:ban("192.0.2.7", { seconds = 600 })
--
-- Opening, attaching and replacing want root (CAP_BPF, CAP_NET_ADMIN, CAP_PERFMON). The rest works in any process that
-- inherits the opened blocklist, whoever runs it, from Linux 5.19 on or where kernel.unprivileged_bpf_disabled is 0.
local address = require "blocklist_address"
local ebpf = require "ebpf"

local blocklist = {}

local errno = ebpf.errno
local SLOT, DRY_RUN, SAMPLE_EVERY = 0, 1, 2
local VERDICTS = { [0] = "passed", "dropped", "spared" }
-- An expired ban stays at least so long: who bans that address again meanwhile need not fear that it is taken away.
local GRACE_NS = 1000000000

-- The maps of bans and of the list, by family: those of single addresses and those of prefixes.
local BANS = {
  [4] = { hosts = "ban_hosts4", nets = "ban_nets4" },
  [6] = { hosts = "ban_hosts6", nets = "ban_nets6" },
}
local LISTS = {
  { name = "list_hosts4", family = 4, single = true },
  { name = "list_nets4", family = 4, single = false },
  { name = "list_hosts6", family = 6, single = true },
  { name = "list_nets6", family = 6, single = false },
}
local BAN_NAMES = { "ban_hosts4", "ban_nets4", "ban_hosts6", "ban_nets6" }

local Blocklist = {}
Blocklist.__index = Blocklist

local prefix_length = ebpf.type "u32"

-- The key of an address in a map of bans, whose keys are structs.
local function ban_key(bytes, single, length)
  return single and { bytes = bytes } or { length = length, address = bytes }
end

local function parse(text)
  if type(text) ~= "string" then
    return nil, ("address expected, got %s"):format(type(text)), errno.EINVAL
  end
  local family, bytes, length = address.parse(text)
  if not family then
    return nil, ('"%s" is neither an address nor a prefix'):format(text), errno.EINVAL
  end
  return family, bytes, length
end

local function find_ban(self, text)
  local family, bytes, length = parse(text)
  if not family then
    return nil, bytes, length
  end
  local single = address.is_single(family, length)
  return self.maps[BANS[family][single and "hosts" or "nets"]], ban_key(bytes, single, length), length
end

-- Nanoseconds from seconds, as an integer where there are integers.
local function in_ns(seconds)
  return math.floor(seconds * 1000000000)
end

-- What users see of an entry: numbers, and the seconds left.
local function describe(entry)
  local described = {
    packets = tonumber(entry.packets), bytes = tonumber(entry.bytes), reason = entry.reason, length = entry.length,
  }
  if entry.expires ~= 0 then
    local now = ebpf.ktime_get_ns()
    described.seconds = entry.expires > now and tonumber(entry.expires - now) / 1e9 or 0
  end
  return described
end

--- Bans an address or prefix from now on. A ban that is there already is changed, and goes on counting.
---@param text string
---@param options? {seconds?: number, reason?: integer} nil: for ever
---@return true? ok
---@return string? message
---@return integer? errno E2BIG or ENOSPC: there is no room, even after what has expired was thrown out
function Blocklist:ban(text, options)
  options = options or {}
  local map, key, length = find_ban(self, text)
  if not map then
    return nil, key, length
  end
  local before, message, code = map:get(key)
  if before == nil and message then
    return nil, message, code
  end
  local entry = before or { packets = 0, bytes = 0 }
  entry.reason, entry.length = options.reason or 0, length
  entry.expires = options.seconds and ebpf.ktime_get_ns() + in_ns(options.seconds) or 0
  local ok
  ok, message, code = map:put(key, entry)
  if not ok and (code == errno.E2BIG or code == errno.ENOSPC) and self:reclaim() > 0 then
    ok, message, code = map:put(key, entry)
  end
  return ok, message, code
end

--- Ends a ban; fine when there is none.
---@param text string
---@return true? ok
---@return string? message
---@return integer? errno
function Blocklist:unban(text)
  local map, key, length = find_ban(self, text)
  if not map then
    return nil, key, length
  end
  return map:delete(key)
end

--- What is known of the ban of exactly this address or prefix.
---@param text string
---@return {packets: number, bytes: number, reason: integer, length: integer, seconds: number?}? ban nil: there is none;
--- `seconds` that are left, 0: it has expired, nil: it never does
---@return string? message
---@return integer? errno
function Blocklist:get(text)
  local map, key, length = find_ban(self, text)
  if not map then
    return nil, key, length
  end
  local entry, message, code = map:get(key)
  if entry == nil then
    return nil, message, code
  end
  return describe(entry)
end

--- Iterates over all bans: for text, ban in blocked:bans() do.
---@return fun(): string?, table?
function Blocklist:bans()
  local index, step = 0, nil
  return function()
    while true do
      local key, entry
      if step then
        key, entry = step()
      end
      if key then
        local bytes = key.bytes or key.address
        return address.format(#bytes == 4 and 4 or 6, bytes, entry.length), describe(entry)
      end
      index = index + 1
      if not BAN_NAMES[index] then
        return nil
      end
      step = self.maps[BAN_NAMES[index]]:iterate()
    end
  end
end

-- Takes an expired entry out. Somebody may have banned the address again since it was looked at.
local function take_out(map, key)
  local taken, message, code = map:get_and_delete(key)
  if taken == nil and code == 524 then -- LPM tries cannot
    return map:delete(key)
  end
  if taken ~= nil and (taken.expires == 0 or taken.expires > ebpf.ktime_get_ns()) then
    return map:create(key, taken)
  end
  return taken ~= nil or message == nil
end

--- Throws bans out that have expired; they count for nothing anyway, but take room. It goes on where it ended the last
-- time, so that a timer may do a little each time.
---@param most? integer how many bans are looked at; nil: all
---@return integer reclaimed how many were thrown out
function Blocklist:reclaim(most)
  most = most or math.huge
  local looked, reclaimed, rounds = 0, 0, 0
  local at = self.reclaiming
  while looked < most and rounds <= #BAN_NAMES do
    local map = self.maps[BAN_NAMES[at.index]]
    local key = map:next_key(at.key)
    if key == nil then
      at.index, at.key, rounds = at.index % #BAN_NAMES + 1, nil, rounds + 1
    else
      local entry = map:get(key)
      local expired = entry and entry.expires ~= 0 and entry.expires + GRACE_NS < ebpf.ktime_get_ns()
      if expired and take_out(map, key) then
        reclaimed = reclaimed + 1 -- and at.key stays: what followed it follows it still
      else
        at.key = key
      end
      looked = looked + 1
    end
  end
  return reclaimed
end

-- What a list is made of: an array, an iterator, or the path of a file with an address or prefix a line, where "#"
-- begins a comment.
local function each_line(source)
  if type(source) == "function" then
    return source
  elseif type(source) == "table" then
    local i = 0
    return function()
      i = i + 1
      return source[i]
    end
  end
  local file, message, code = io.open(source)
  if not file then
    return nil, message, code
  end
  local text = file:read("*a")
  file:close()
  return text:gsub("%s*#[^\n]*", ""):gmatch("[^%s]+")
end

-- The keys and values of the four maps of a list, by family and whether they are single addresses; nothing yet.
local function new_lists()
  local lists = { [4] = {}, [6] = {} }
  for _, list in ipairs(LISTS) do
    lists[list.family][list.single] = { n = 0, keys = {}, values = {} }
  end
  return lists
end

local function add(list, key, value)
  local n = list.n + 1
  list.n, list.keys[n], list.values[n] = n, key, value
end

local function collect(source, reason)
  local next_line, message, code = each_line(source)
  if not next_line then
    return nil, message, code
  end
  local lists, prefixes, entries = new_lists(), {}, {}
  local parse_v4_bytes, hosts, nets = address.parse_v4_bytes, lists[4][true], lists[4][false]
  for length = 0, 128 do
    prefixes[length] = prefix_length:pack(length)
    entries[length] = blocklist.entry:pack { reason = reason, length = length }
  end
  for text in next_line do
    local a, b, c, d, length = parse_v4_bytes(text)
    if length == 32 then
      add(hosts, a .. b .. c .. d, entries[length])
    elseif length then
      add(nets, prefixes[length] .. a .. b .. c .. d, entries[length])
    else
      local family, bytes
      family, bytes, length = parse(text)
      if not family then
        return nil, bytes, length
      end
      local single = address.is_single(family, length)
      add(lists[family][single], single and bytes or prefixes[length] .. bytes, entries[length])
    end
  end
  return lists
end

local function new_list_maps(self, lists)
  local made = {}
  local function fail(message, code)
    for _, map in pairs(made) do
      map:close()
    end
    return nil, message, code
  end
  for _, list in ipairs(LISTS) do
    local spec, name = self.inner[list.name]:copy(), list.name
    local entries = lists[list.family][list.single]
    spec.max_entries = math.max(entries.n, 1)
    spec.key, spec.value = "bytes", "bytes"
    local message, code
    made[name], message, code = ebpf.new_map(spec)
    if not made[name] then
      return fail(message, code)
    end
    local ok
    ok, message, code = made[name]:put_batch(entries.keys, entries.values)
    if not ok then
      return fail(message, code)
    end
  end
  return made
end

-- Puts the maps of a list into a slot.
local function put_lists(self, made, slot)
  for _, list in ipairs(LISTS) do
    local ok, message, code = self.maps[list.name]:put(slot, made[list.name])
    if not ok then
      return nil, message, code
    end
  end
  return true
end

--- Replaces the list by another, between two packets. Bans stay. When something is wrong, the old list stays.
---@param source string|string[]|fun(): string? path of a file with an address or prefix a line, an array, an iterator
---@param options? {reason?: integer}
---@return integer? count of the addresses and prefixes
---@return string? message
---@return integer? errno
function Blocklist:replace(source, options)
  local lists, message, code = collect(source, options and options.reason or 0)
  if not lists then
    return nil, message, code
  end
  local made
  made, message, code = new_list_maps(self, lists)
  if not made then
    return nil, message, code
  end
  local slot = self.settings:get(SLOT)
  local ok
  ok, message, code = put_lists(self, made, 1 - slot)
  if ok then
    ok, message, code = self.settings:put(SLOT, 1 - slot)
  end
  if ok then
    -- Once more the same: since Linux 4.20 (1ae80cf31938) this waits for the programs that still use the old list.
    ok, message, code = put_lists(self, made, 1 - slot)
  end
  local count = 0
  for _, list in ipairs(LISTS) do
    made[list.name]:close()
    count = count + lists[list.family][list.single].n
    if ok then
      self.maps[list.name]:delete(slot)
    end
  end
  if not ok then
    return nil, message, code
  end
  return count
end

--- Whether packets are only counted, and pass.
---@param on boolean
---@return true? ok
---@return string? message
---@return integer? errno
function Blocklist:dry_run(on)
  return self.settings:put(DRY_RUN, on and 1 or 0)
end

--- How many of the packets dropped reader() tells of.
---@param every integer one in so many; 0: none
---@return true? ok
---@return string? message
---@return integer? errno
function Blocklist:sample(every)
  return self.settings:put(SAMPLE_EVERY, every)
end

--- What became of all packets.
---@return {passed: table, dropped: table, spared: table}? totals each {packets =, bytes =}; spared: in a dry run
---@return string? message
---@return integer? errno
function Blocklist:totals()
  local totals = {}
  for verdict, name in pairs(VERDICTS) do
    local sum, message, code = self.maps.totals:get_sum(verdict)
    if sum == nil then
      return nil, message, code
    end
    totals[name] = { packets = tonumber(sum.packets), bytes = tonumber(sum.bytes) }
  end
  return totals
end

--- A reader of dropped packets: `for drop in reader:samples() do print(blocklist.source(drop)) end`. One at a time.
-- Wants CAP_PERFMON to be made, and nothing to be read.
---@return ebpf.Reader? reader
---@return string? message
---@return integer? errno
function Blocklist:reader()
  return ebpf.new_perf_reader(self.maps.drops, { type = blocklist.drop, own = false })
end

--- The address that a dropped packet came from, and the prefix by which it was dropped.
---@return string source
---@return string matched
function blocklist.source(drop)
  local family = drop.family
  return address.format(family, drop.address),
    address.format(family, address.mask(drop.address, drop.length), drop.length)
end

local function link_path(self, interface)
  return self.pin_path and ("%s/link_%s"):format(self.pin_path, (tostring(interface):gsub("[^%w_]", "_")))
end

-- The link of an earlier run, with this program; nil alone when there is none that is of any use.
local function take_over(self, path)
  local link, message, code = ebpf.load_pinned_link(path)
  if not link then
    if code == errno.ENOENT then
      return nil
    end
    return nil, message, code
  end
  local info = link:info()
  if not info or info.ifindex == 0 then -- the interface is gone
    link:unpin()
    link:close()
    return nil
  end
  local ok
  ok, message, code = link:update(self.program)
  if not ok then
    return nil, message, code
  end
  return link
end

--- Lets the program see the packets of an interface; with a pin_path also after the process has ended. A program of an
-- earlier run is replaced in one step.
---@param interface string
---@param mode? "native"|"generic"|"offload" nil: native where the driver can, else generic
---@return string? mode that is used
---@return string? message
---@return integer? errno
function Blocklist:attach(interface, mode)
  if not self.program then
    return nil, "attach: the blocklist was connected to, not opened", errno.EINVAL
  end
  local path = link_path(self, interface)
  local link, message, code
  if path then
    link, message, code = take_over(self, path)
    if not link and message then
      return nil, message, code
    end
  end
  if not link then
    link, message, code = ebpf.link.xdp { program = self.program, interface = interface, mode = mode }
    if not link then
      return nil, message, code
    end
    local ok = true
    if path then
      ok, message, code = link:pin(path)
    end
    if not ok then
      link:close()
      return nil, message, code
    end
  end
  self.links[interface] = link
  return link:info().mode or "unknown"
end

--- Lets all packets of an interface pass again.
---@param interface string
---@return true? ok
---@return string? message
---@return integer? errno
function Blocklist:detach(interface)
  local link = self.links[interface]
  if not link and self.pin_path then
    local message, code
    link, message, code = ebpf.load_pinned_link(link_path(self, interface))
    if not link then
      return nil, message, code
    end
  end
  if not link then
    return nil, ('detach: nothing is attached to "%s"'):format(interface), errno.ENOENT
  end
  self.links[interface] = nil
  link:unpin()
  return link:close()
end

--- Closes what this process has open. What is pinned goes on; without a pin_path nothing drops packets any more.
---@return true
function Blocklist:close()
  for interface, link in pairs(self.links) do
    link:close()
    self.links[interface] = nil
  end
  self.settings:close()
  if self.program then
    self.program:close()
  end
  for _, map in pairs(self.maps) do
    map:close()
  end
  return true
end

local function new(maps, program, inner, pin_path)
  local settings, message, code = maps.settings:memory()
  if not settings then
    return nil, message, code
  end
  return setmetatable({
    maps = maps, program = program, inner = inner, pin_path = pin_path, settings = settings, links = {},
    reclaiming = { index = 1 },
  }, Blocklist)
end

-- Where the object lies: beside this file.
local function default_object()
  return (debug.getinfo(1, "S").source:match("^@(.*)[/\\]") or ".") .. "/blocklist.bpf.o"
end

local function prepare_spec(options)
  local spec, message, code = ebpf.load_spec(options.object or default_object())
  if not spec then
    return nil, message, code
  end
  blocklist.drop = ebpf.type("struct drop", spec)
  blocklist.entry = ebpf.type("struct entry", spec)
  for name, map in pairs(spec.maps) do
    if name:find("^ban_") then
      map.max_entries = options.max_bans or map.max_entries
    end
    if not options.pin_path then
      map.pinning = "none"
    end
  end
  return spec
end

-- What of an old entry the new one has a place for.
local function convert(old, known)
  local entry = {}
  for field in pairs(known) do
    entry[field] = old[field]
  end
  return entry
end

local function copy_bans(from, to)
  local copied = 0
  local known = blocklist.entry:unpack(("\0"):rep(blocklist.entry:size()))
  for _, name in ipairs(BAN_NAMES) do
    if not from[name] then
      return nil, ("no map %s is pinned"):format(name), errno.ENOENT
    end
    for key, old in from[name]:iterate() do
      local ok, message, code = to[name]:create(key, convert(old, known))
      if ok then
        copied = copied + 1
      elseif code ~= errno.EEXIST then
        return nil, message, code
      end
    end
  end
  return copied
end

local function close_all(maps)
  for _, map in pairs(maps) do
    map:close()
  end
end

-- Puts the pins of `made` in the place of those of `old`; when one cannot be made, all are as they were.
local function replace_pins(old, made, directory)
  local replaced = {}
  for name, map in pairs(made) do
    local ok, message, code = true, nil, nil
    if old[name] then
      ok, message, code = old[name]:unpin()
    end
    if ok then
      replaced[name] = map
      ok, message, code = map:pin(directory .. "/" .. name)
    end
    if not ok then
      for changed, pinned in pairs(replaced) do
        pinned:unpin()
        if old[changed] then
          old[changed]:pin(directory .. "/" .. changed)
        end
      end
      return nil, message, code
    end
  end
  return true
end

-- Makes everything anew with the bans of what an older version has pinned, whose pins go when that is done. The old
-- program goes on with the old maps until attach() replaces it.
local function migrate(spec, options)
  local old, made = {}, {}
  for name, map in pairs(spec.maps) do
    if map.pinning == "by_name" then
      map.pinning = "none"
      old[name] = ebpf.load_pinned_map(options.pin_path .. "/" .. name)
      made[name] = true
    end
  end
  local collection, message, code = ebpf.load(spec)
  local copied, replaced
  if collection then
    copied, message, code = copy_bans(old, collection.maps)
  end
  if copied then
    for name in pairs(made) do
      made[name] = collection.maps[name]
    end
    replaced, message, code = replace_pins(old, made, options.pin_path)
  end
  close_all(old)
  if replaced then
    return collection, copied
  elseif collection then
    collection:close()
  end
  return nil, message, code
end

--- Opens the blocklist: what is pinned under `pin_path`, or a new one that is pinned there. Without a pin_path it is
-- this process's, and gone with it. As root.
---@param options? {pin_path?: string, object?: string, max_bans?: integer, dry_run?: boolean, sample_every?: integer,
--- migrate?: boolean} pin_path: a directory of a BPF file system, made if it is not there; object: path of
--- blocklist.bpf.o, nil: beside this file; max_bans: of each kind; migrate: when what is pinned is of another version,
--- or of another size, take its bans over into maps of this one (its list has to be loaded again)
---@return table? blocklist
---@return string? message EINVAL: what is pinned is of another version
---@return integer? errno
function blocklist.open(options)
  options = options or {}
  local spec, message, code = prepare_spec(options)
  if not spec then
    return nil, message, code
  end
  local collection, migrated
  collection, message, code = ebpf.load(spec, { pin_path = options.pin_path })
  if not collection and code == errno.EINVAL and options.migrate and options.pin_path then
    collection, message, code = migrate(spec, options)
    migrated = message
  end
  if not collection then
    return nil, message, code
  end
  local inner = {}
  for _, list in ipairs(LISTS) do
    inner[list.name] = spec.maps[list.name].inner_map
  end
  local program = collection:take_program("blocklist")
  local self
  self, message, code = new(collection.maps, program, inner, options.pin_path)
  if not self then
    program:close()
    collection:close()
    return nil, message, code
  end
  self.migrated = migrated
  if options.dry_run ~= nil then
    self:dry_run(options.dry_run)
  end
  if options.sample_every then
    self:sample(options.sample_every)
  end
  return self
end

--- Connects to a blocklist that is open elsewhere: for bans, totals and settings, not for attaching or replacing. Needs
-- no more than the right to open the pins.
---@param pin_path string
---@return table? blocklist
---@return string? message
---@return integer? errno
function blocklist.connect(pin_path)
  local maps = {}
  for _, name in ipairs({ "ban_hosts4", "ban_nets4", "ban_hosts6", "ban_nets6", "settings", "totals" }) do
    local message, code
    maps[name], message, code = ebpf.load_pinned_map(pin_path .. "/" .. name)
    if not maps[name] then
      close_all(maps)
      return nil, message, code
    end
  end
  return new(maps, nil, nil, pin_path)
end

return blocklist
