-- What collections share with others: maps given to them, pins by name and in a directory, links, and what is taken out
-- of them.
local ebpf = require "ebpf"
local insn = require "spec.support.insn"
local support = require "spec.support"

local errno = ebpf.errno

local packet = ("\0"):rep(64)

local function keep(handle, message)
  return support.closing(assert(handle, message))
end

local path = support.fixture("collection_maps")

local function load_maps(directory, options)
  options = options or {}
  options.pin_path = directory
  return keep(ebpf.load(path, options))
end

local function data_spec()
  return support.drop_newer(assert(ebpf.load_spec(support.fixture("collection_data"))), { callbacks = "5.17" })
end

local function load_data()
  return keep(ebpf.load(data_spec()))
end

local function names(t)
  local list = {}
  for name in pairs(t) do
    list[#list + 1] = name
  end
  table.sort(list)
  return table.concat(list, " ")
end

-- The open maps, programs and links of this process, without any help of the collector.
local function open_files()
  local count = { ["bpf-map"] = 0, ["bpf-prog"] = 0, bpf_link = 0 }
  for _, target in pairs(support.fds()) do
    for kind in pairs(count) do
      count[kind] = count[kind] + (target:find(kind, 1, true) and 1 or 0)
    end
  end
  return count
end

local function settle()
  collectgarbage()
  collectgarbage()
  return open_files()
end

-- All below a directory, relative to it.
local function tree(directory)
  local list = {}
  for line in support.check_run("cd " .. directory .. " && find . -mindepth 1 | sort"):gmatch("%./([^\n]*)") do
    list[#list + 1] = line
  end
  return table.concat(list, " ")
end

describe("maps given to a collection", function()
  local function shared_like(fields)
    local spec = { name = "mine", type = "hash", key_size = 4, value_size = 8, max_entries = 16 }
    for name, value in pairs(fields or {}) do
      spec[name] = value
    end
    return keep(ebpf.new_map(spec))
  end

  it("take the place of its own, and stay the caller's", function()
    local mine = shared_like()
    local spec = assert(ebpf.load_spec(path))
    local collection = keep(spec:load { maps = { shared = mine }, programs = { "count" } })
    assert.equal(mine:info().id, collection.maps.shared:info().id)
    assert.not_equal(mine:fd(), collection.maps.shared:fd())
    assert(collection.programs.count:test(packet))
    assert(collection.programs.count:test(packet))
    assert.equal(2, tonumber(mine:get(1)))
    assert.is_true(collection:close())
    assert.is_false(mine:is_closed())
    assert.equal(2, tonumber(mine:get(1)))
    -- And the collection does not need it: it has another handle.
    collection = keep(spec:load { maps = { shared = mine }, programs = { "count" } })
    mine:close()
    assert(collection.programs.count:test(packet))
    assert.equal(3, tonumber(collection.maps.shared:get(1)))
  end)

  it("must be like its own, and all differences are told", function()
    local before = settle()
    local mine = shared_like { type = "lru_hash", key_size = 8, value_size = 16, max_entries = 5 }
    local collection, message, code = ebpf.load(path, { maps = { shared = mine }, programs = { "count" } })
    assert.same({ nil, errno.EINVAL }, { collection, code })
    assert.equal('map "shared" is incompatible with its spec: type is lru_hash instead of hash, key_size is 8 instead '
      .. "of 4, value_size is 16 instead of 8, max_entries is 5 instead of 16", message)
    mine:close()
    assert.same(before, open_files())
    local flagged = shared_like { flags = 1 }
    message = select(2, ebpf.load(path, { maps = { shared = flagged }, programs = { "count" } }))
    assert.equal('map "shared" is incompatible with its spec: flags is 1 instead of 0', message)
  end)

  it("must be open", function()
    local mine = shared_like()
    mine:close()
    local collection, message, code = ebpf.load(path, { maps = { shared = mine }, programs = { "count" } })
    assert.same({ nil, "map is closed", errno.EBADF }, { collection, message:match("map.-is closed"), code })
  end)

  it("keep what is in them: a program array is not filled anew", function()
    local tails = keep(ebpf.new_map { type = "prog_array", key_size = 4, value_size = 4, max_entries = 4 })
    local seven = keep(ebpf.new_program { type = "sched_cls", license = "GPL", instructions = insn.returning(7) })
    assert(tails:put(2, seven))
    local collection = keep(ebpf.load(path, { maps = { tails = tails }, programs = { "jump" } }))
    assert.equal("jump", names(collection.programs))
    assert.equal(1, (assert(collection.programs.jump:test(packet))))
    assert.equal(7, (assert(collection.programs.jump:test(packet .. "12"))))
  end)

  it("may also be given to the instructions, for one program alone", function()
    local mine = shared_like()
    local spec = assert(ebpf.load_spec(path))
    spec.maps.shared.pinning = "none"
    assert(spec.programs.count.instructions:rewrite_map("shared", mine))
    local collection = keep(spec:load { programs = { "count" } })
    assert.equal("", names(collection.maps))
    assert(collection.programs.count:test(packet))
    assert.equal(1, tonumber(mine:get(1)))
  end)
end)

describe("maps of maps", function()
  it("hold what the source puts into them", function()
    local spec = assert(ebpf.load_spec(path))
    spec.maps.outer.pinning = "none"
    local collection = keep(spec:load { programs = { "look_inside" } })
    assert.equal("first outer second", names(collection.maps))
    assert(collection.maps.second:put(0, 4711))
    assert.equal(4711, (assert(collection.programs.look_inside:test(packet))))
    local inside = keep(collection.maps.outer:get(0))
    assert.equal(collection.maps.first:info().id, inside:info().id)
    assert.is_nil(collection.maps.outer:get(1))
  end)
end)

describe("maps pinned by name", function()
  local directory

  before_each(function()
    directory = support.bpffs()
  end)

  after_each(function()
    support.check_run { "find", directory, "-mindepth", "1", "-delete" }
  end)

  it("are created once, and shared by all who load them", function()
    local one = load_maps(directory)
    assert.equal("outer shared", tree(directory))
    assert.is_true((one.maps.shared:is_pinned()))
    assert.is_false((one.maps.unrelated:is_pinned()))
    local two = load_maps(directory)
    assert.equal(one.maps.shared:info().id, two.maps.shared:info().id)
    assert.not_equal(one.maps.unrelated:info().id, two.maps.unrelated:info().id)
    assert(one.programs.count:test(packet))
    assert(two.programs.count:test(packet))
    assert.equal(2, tonumber(two.maps.shared:get(1)))
    one:close()
    two:close()
    assert.equal(2, tonumber(load_maps(directory).maps.shared:get(1)))
  end)

  it("keep the maps that others see in them", function()
    local one = load_maps(directory)
    assert(one.maps.second:put(0, 11))
    local two = load_maps(directory)
    assert(two.maps.second:put(0, 22))
    assert.equal(11, (assert(one.programs.look_inside:test(packet))))
    assert.equal(11, (assert(two.programs.look_inside:test(packet))))
  end)

  it("must suit the spec", function()
    local before = settle()
    local other = assert(ebpf.new_map { type = "hash", key_size = 4, value_size = 4, max_entries = 16 })
    assert(other:pin(directory .. "/shared"))
    local collection, message, code = ebpf.load(path, { pin_path = directory })
    assert.same({ nil, errno.EINVAL }, { collection, code })
    assert.equal(('pin "%s/shared": map "shared" is incompatible with its spec: value_size is 4 instead of 8')
      :format(directory), message)
    other:close()
    assert.same(before, open_files())
  end)

  it("need to know where", function()
    local before = settle()
    local collection, message, code = ebpf.load(path)
    assert.same({ nil, errno.EINVAL }, { collection, code })
    assert.equal('load map "outer": it is pinned by name: the option pin_path must say where', message)
    collection, message = ebpf.load(path, { pin_path = "/tmp" })
    assert.is_nil(collection)
    assert.truthy(message:find("is not on a bpf filesystem", 1, true), message)
    assert.same(before, open_files())
  end)

  it("are opened when another process was faster, or left pinned by a failure", function()
    local spec = assert(ebpf.load_spec(path))
    spec.programs.count.instructions = insn.exit
    local collection = spec:load { pin_path = directory }
    assert.is_nil(collection)
    assert(load_maps(directory).programs.count:test(packet))
  end)
end)

describe("a collection that is pinned", function()
  local directory

  before_each(function()
    directory = support.bpffs()
  end)

  after_each(function()
    support.check_run { "find", directory, "-mindepth", "1", "-delete" }
  end)

  it("is opened again, data sections included", function()
    local collection = load_data()
    assert(collection.programs.variables:test(packet))
    assert.is_true(collection:pin(directory .. "/all"))
    assert.is_true(collection:pin(directory .. "/all")) -- nothing left to do
    local maps, programs = names(collection.maps):gsub("%.", "_"), names(collection.programs)
    local paths = ("all all/maps %s all/programs %s"):format(maps:gsub("%S+", "all/maps/%0"),
      programs:gsub("%S+", "all/programs/%0"))
    assert.equal(paths, tree(directory))
    local ids = {}
    for name, map in pairs(collection.maps) do
      ids[name:gsub("%.", "_")] = map:info().id
    end
    collection:close()
    collectgarbage()

    local again = keep(ebpf.load_pinned_collection(directory .. "/all"))
    assert.equal(maps, names(again.maps))
    assert.equal(programs, names(again.programs))
    for name, id in pairs(ids) do
      assert.equal(id, again.maps[name]:info().id)
    end
    assert.equal(165, (assert(again.programs.variables:test(packet))))
    assert.equal(5 + 2 * 99, again.maps._data_own:get(0))
    assert.is_true(ebpf.collection_abi {
      maps = { elements = { type = "array", max_entries = 4 } }, programs = { variables = { type = "xdp" } },
    }:check(again))
  end)

  it("stays pinned nowhere when one pin fails", function()
    local collection = load_data()
    support.check_run { "mkdir", "-p", directory .. "/programs" }
    local other = keep(ebpf.new_program { type = "xdp", license = "GPL", instructions = insn.returning(0) })
    assert(other:pin(directory .. "/programs/pruned"))
    local ok, message, code = collection:pin(directory)
    assert.same({ nil, errno.EEXIST }, { ok, code })
    assert.truthy(message:find('^pin program "pruned": .*/programs/pruned'), message)
    assert.equal("maps programs programs/pruned", tree(directory))
    for _, map in pairs(collection.maps) do
      assert.is_false((map:is_pinned()))
    end
    other:unpin()
    assert.is_true(collection:pin(directory))
  end)

  it("keeps the pins that others share", function()
    local collection = load_maps(directory)
    assert.is_true(collection:pin(directory .. "/all"))
    assert.truthy(tree(directory):find("^all .*all/maps/shared .* outer shared$"))
    assert.same({ true, directory .. "/shared" }, { collection.maps.shared:is_pinned() })
    -- Also when it fails half-way.
    local other = keep(ebpf.new_program { type = "xdp", license = "GPL", instructions = insn.returning(0) })
    support.check_run { "mkdir", "-p", directory .. "/other/programs" }
    assert(other:pin(directory .. "/other/programs/jump"))
    assert.equal(errno.EEXIST, select(3, collection:pin(directory .. "/other")))
    assert.truthy(tree(directory):find("other other/maps other/programs other/programs/jump outer shared$"))
    assert.truthy(tree(directory):find("all/programs/jump", 1, true))
    other:unpin()
  end)

  it("needs a bpf file system, and to be open", function()
    local collection = load_data()
    local ok, message, code = collection:pin(support.tmpdir())
    assert.same({ nil, errno.EINVAL }, { ok, code })
    assert.truthy(message:find("is not on a bpf filesystem", 1, true), message)
    assert.error_matches(function() collection:pin() end, "pin: directory expected, got nil")
    collection:close()
    assert.equal(errno.EBADF, select(3, collection:pin(directory)))
  end)

  it("is refused when it is not one, and nothing stays open", function()
    local before = settle()
    local none, message, code = ebpf.load_pinned_collection(directory .. "/nothing")
    assert.same({ nil, errno.ENOENT }, { none, code })
    assert.truthy(message:find(('load pinned collection "%s/nothing": '):format(directory), 1, true))
    none, message, code = ebpf.load_pinned_collection(directory)
    assert.same({ nil, errno.ENOENT }, { none, code })
    assert.truthy(message:find("neither maps nor programs", 1, true))
    -- A program where maps should be.
    support.check_run { "mkdir", directory .. "/maps" }
    local map = assert(ebpf.new_map { type = "array", key_size = 4, value_size = 4, max_entries = 1 })
    local program = assert(ebpf.new_program { type = "xdp", license = "GPL", instructions = insn.returning(0) })
    assert(map:pin(directory .. "/maps/a"))
    assert(program:pin(directory .. "/maps/b"))
    map:close()
    program:close()
    none, message, code = ebpf.load_pinned_collection(directory)
    assert.same({ nil, errno.EINVAL }, { none, code })
    assert.truthy(message:find("it is a program, not a map", 1, true), message)
    assert.same(before, open_files())
    assert.error_matches(function() ebpf.load_pinned_collection() end, "directory expected, got nil")
    assert.error_matches(function() ebpf.load_pinned_collection(directory .. "\0") end, "")
  end)
end)

describe("taking out of a collection", function()
  it("leaves open what was taken", function()
    local collection = load_data()
    local elements, calls = keep(collection:take_map("elements")), keep(collection:take_program("calls"))
    local bss = collection.maps[".bss"]
    assert.is_nil(collection.maps.elements)
    assert.is_nil(collection.programs.calls)
    assert.is_nil(collection:take_map("elements"))
    assert.is_nil(collection:take_map("nothing"))
    assert.is_nil(collection:take_program("nothing"))
    assert.is_true(collection:close())
    assert.is_true(bss:is_closed())
    assert.is_false(elements:is_closed())
    assert(elements:put(0, 1))
    assert.equal(170, (assert(calls:test(packet))))
  end)

  it("does not close twice, and answers EBADF afterwards", function()
    local collection = load_data()
    local before, programs = open_files(), 0
    for _ in pairs(collection.programs) do
      programs = programs + 1
    end
    assert.is_true(collection:close())
    assert.same({ ["bpf-map"] = before["bpf-map"] - 6, ["bpf-prog"] = before["bpf-prog"] - programs,
      bpf_link = before.bpf_link }, open_files())
    assert.is_true(collection:close())
    assert.equal(errno.EBADF, select(3, collection.programs.calls:test(packet)))
    assert.equal(errno.EBADF, select(3, collection.maps.elements:get(0)))
    assert.equal(errno.EBADF, select(3, collection:attach { "calls" }))
  end)

  it("is done by the collector for what nobody reaches", function()
    local before = settle()
    assert(ebpf.load(data_spec()))
    assert.same(before, settle())
  end)

  it("is done at the end of a block, on Lua 5.4", function()
    if support.lua_name ~= "lua5.4" then
      return
    end
    local before = settle()
    assert(load([[
      local ebpf, path = ...
      local collection <close> = assert(ebpf.load(path))
      assert(next(collection.programs))]]))(ebpf, data_spec())
    assert.same(before, open_files())
  end)
end)

describe("attaching a collection", function()
  local function load_link(programs)
    return keep(ebpf.load(support.fixture("link"), { programs = programs }))
  end

  it("attaches all that says to what", function()
    local collection = load_link { "raw", "event" }
    support.tracefs()
    local links = assert(collection:attach())
    assert.equal("event raw", names(links))
    assert.equal(links.raw, collection.links.raw)
    assert.truthy(tostring(collection):find("raw_tracepoint link", 1, true))
    -- Those attached already stay as they are.
    assert.same({}, assert(collection:attach()))
    links.raw:close()
    assert.equal("raw", names(assert(collection:attach())))
    local before = open_files().bpf_link
    collection:close()
    assert.is_true(before >= 1)
    assert.is_true(collection.links.raw:is_closed() and collection.links.event:is_closed())
    assert.equal(0, settle().bpf_link)
  end)

  it("attaches by names, with options", function()
    local collection = load_link { "raw", "raw_anywhere", "event" }
    local links = assert(collection:attach { "raw", raw_anywhere = { name = "task_rename" } })
    assert.equal("raw raw_anywhere", names(links))
    assert.equal("raw raw_anywhere", names(collection.links))
    assert.equal("task_rename", links.raw_anywhere:info().tp_name)
    -- A name that comes twice keeps its options.
    collection:close()
    collection = load_link { "raw_anywhere" }
    assert(collection:attach { "raw_anywhere", raw_anywhere = { name = "task_rename" } })
  end)

  it("does not attach twice, which would lose a link", function()
    local collection = load_link { "raw" }
    local link = assert(collection:attach { "raw" }).raw
    local links, message, code = collection:attach { "raw" }
    assert.same({ nil, errno.EEXIST }, { links, code })
    assert.truthy(message:find('^attach "raw": the collection has attached it already'), message)
    assert.equal(link, collection.links.raw)
    assert.is_false(link:is_closed())
  end)

  it("detaches the new links when one cannot be", function()
    local collection = load_link { "event", "raw", "raw_anywhere", "unattachable" }
    local event = assert(collection:attach { "raw" }).raw
    local before = settle()
    local links, message, code = collection:attach { "event", "unattachable" }
    assert.same({ nil, errno.EOPNOTSUPP }, { links, code })
    assert.truthy(message:find('^attach "unattachable": '), message)
    assert.same(before, open_files())
    links, message, code = collection:attach()
    assert.same({ nil, errno.EINVAL }, { links, code }, message)
    assert.same(before, open_files())
    -- Also when it is the options that are wrong.
    local ok, raised = pcall(collection.attach, collection, { "event", raw_anywhere = { name = "x", group = "y" } })
    assert.is_false(ok)
    assert.truthy(raised:find("group", 1, true), raised)
    assert.same(before, open_files())
    assert.equal("raw", names(collection.links))
    assert.is_false(event:is_closed())
  end)

  it("raises on wrong arguments, at the caller", function()
    local collection = load_link { "raw" }
    for message, wrong in pairs {
      ["attach: table expected, got string"] = "raw",
      ["attach: no program is called 'nothing'"] = { "nothing" },
      ["attach: no program is called 'event'"] = { event = {} },
      ["attach: no program is called '5'"] = { 5 },
      ["attach: the options of 'raw' must be a table"] = { raw = true },
    } do
      local ok, raised = pcall(function() collection:attach(wrong) end)
      assert.is_false(ok)
      assert.truthy(raised:find("^[^:]*collection_share_spec.lua:%d+: "), raised)
      assert.truthy(raised:find(message, 1, true), raised)
    end
    assert.is_nil(next(collection.links))
  end)
end)
