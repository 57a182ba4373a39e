-- Structs of functions that programs take the place of, on the real kernel: congestion controls, used by real sockets.
local ebpf = require "ebpf"
local insn = require "spec.support.insn"
local support = require "spec.support"

local errno = ebpf.errno
local fixture = support.fixture("struct_ops")
local LINK = 8192 -- BPF_F_LINK

-- What is registered stays so, also when it is collected: each test closes what it opened.
local opened = {}

local function closing(handle, message)
  opened[#opened + 1] = assert(handle, message)
  return handle
end

local function close_all()
  while opened[1] do
    table.remove(opened):close()
  end
end

-- Names of congestion controls are everybody's on the machine, and have at most 15 bytes.
local function unique(letter)
  return "ebpf" .. support.prefix:match("%d+$") .. letter
end

local function new_spec(names)
  local spec = assert(ebpf.load_spec(fixture))
  for name, letter in pairs(names or { counting = "c", registered = "r" }) do
    spec.maps[name].members.name = unique(letter)
  end
  for name, map in pairs(spec.maps) do
    map.autocreate = map.struct == nil or (names or { counting = true, registered = true })[name] ~= nil
  end
  return spec
end

local function load(spec, options)
  local collection, message, code = spec:load(options)
  return collection and closing(collection), message, code
end

local function available(letter)
  local names = support.read_file("/proc/sys/net/ipv4/tcp_available_congestion_control")
  return (" " .. names:gsub("%s", " ") .. " "):find(" " .. unique(letter) .. " ", 1, true) ~= nil
end

-- A connection of a process to itself, whose one end has the congestion control. Prints the one it has in the end.
local connection = [[
  use Socket qw(:DEFAULT IPPROTO_TCP);
  socket(L, PF_INET, SOCK_STREAM, 0) && bind(L, sockaddr_in(0, INADDR_LOOPBACK)) && listen(L, 1) or die "listen: $!";
  socket(C, PF_INET, SOCK_STREAM, 0) or die "socket: $!";
  setsockopt(C, IPPROTO_TCP, 13, $ARGV[0]) or die "setsockopt: $!";
  connect(C, getsockname(L)) && accept(A, L) or die "connect: $!";
  for (1 .. 10) {
    syswrite(C, "x" x 10000) == 10000 or die "write: $!";
    my $got = 0;
    while ($got < 10000) { $got += sysread(A, my $data, 10000) or die "read: $!"; }
  }
  print unpack("Z*", getsockopt(C, IPPROTO_TCP, 13));
]]

local function connect_by(letter)
  return support.run { "perl", "-e", connection, unique(letter) }
end

-- Calls counted since.
local function counts(collection)
  local variables = collection.variables
  return tonumber(variables.inits:get()), tonumber(variables.acks:get()), tonumber(variables.releases:get())
end

describe("a spec of struct_ops", function()
  after_each(close_all)

  it("has the members of each struct, and what programs are for", function()
    local spec = assert(ebpf.load_spec(fixture))
    local map = spec.maps.counting
    assert.equal('struct_ops "counting" (key_size=4, value_size=72, max_entries=1, flags=8192)', tostring(map))
    assert.equal("tcp_congestion_ops", map.struct)
    assert.same({ name = "ebpf_counting", flags = 0, key = 0, init = "count_init", release = "count_release",
      ssthresh = "halve", cong_avoid = "count_acks", undo_cwnd = "undo" }, map.members)
    assert.equal("tcp_congestion_ops:init", spec.programs.count_init.attach_to)
    assert.equal("struct_ops", spec.programs.count_init.type)
    assert.is_nil(spec.programs.spare.attach_to)
    assert.is_false(spec.programs.spare.autoload)
    assert.equal(0, spec.maps.registered.flags)
    assert.same({ true, true, false, false }, { map.autocreate, spec.maps.registered.autocreate,
      spec.maps.optional.autocreate, spec.maps.unknown.autocreate })
    assert.equal("tcp_congestion_ops___later", spec.maps.later.struct)
    assert.equal("ebpf_later", spec.maps.later.members.name)
    local copy = spec:copy()
    copy.maps.counting.members.name = "other"
    assert.equal("ebpf_counting", map.members.name)
  end)
end)

describe("struct_ops with a link", support.since("6.4", "links of struct_ops", function()
  after_each(close_all)

  it("serves real sockets until it is detached", function()
    local collection = assert(load(new_spec()))
    assert.is_false(available "c")
    local links = assert(collection:attach { "counting" })
    assert.equal(("struct_ops link \"counting\" #%d"):format(links.counting:fd()), tostring(links.counting))
    assert.equal("struct_ops", assert(links.counting:info()).type)
    assert.is_true(available "c")
    local output, status = connect_by "c"
    assert.equal(0, status, output)
    assert.equal(unique "c", output)
    local inits, acks = counts(collection)
    assert.equal(1, inits)
    assert.truthy(acks > 0)
    assert.truthy(support.wait_until(function()
      return select(3, counts(collection)) == 1
    end))
    local again, message, code = collection:attach { "counting" }
    assert.same({ nil, errno.EEXIST }, { again, code })
    assert.truthy(message:find("the collection has attached it already", 1, true))
    links.counting:close()
    assert.is_false(available "c")
    output, status = connect_by "c"
    assert.truthy(status ~= 0 and output:find("setsockopt", 1, true), output)
    assert(collection:attach { "counting" })
    assert.is_true(available "c")
    collection:close()
    assert.is_false(available "c")
  end)

  it("can be detached while it is open", function()
    local collection = assert(load(new_spec()))
    local link = closing(ebpf.link.struct_ops { map = collection.maps.counting })
    assert.is_true(available "c")
    assert.is_true((support.granted("6.9", "detaching struct_ops", link:detach())))
    assert.is_false(available "c")
    local ok, message, code = link:update(collection.maps.counting)
    assert.same({ nil, errno.ENOLINK }, { ok, code })
    assert.truthy(message:find("it is detached", 1, true))
  end)

  it("gives way to another map in one step", function()
    local collection = assert(load(new_spec { counting = "u", quiet = "u" }))
    local link = closing(ebpf.link.struct_ops { map = collection.maps.counting })
    assert.equal(0, select(2, connect_by "u"))
    local inits = counts(collection)
    assert.equal(1, inits)
    assert.is_true(assert(link:update(collection.maps.quiet)))
    assert.equal(0, select(2, connect_by "u"))
    assert.equal(inits, (counts(collection))) -- it has no init
    -- A second one of the name is refused.
    local other, message, code = ebpf.link.struct_ops { map = collection.maps.counting }
    assert.same({ nil, errno.EEXIST }, { other, code })
    assert.truthy(message:find('^attach "counting": file exists %(EEXIST%): another one of that name'), message)
    assert.is_true(assert(link:update(collection.maps.counting)))
  end)

  it("says why a map cannot take the place of another", function()
    local collection = assert(load(new_spec { counting = "u", optional = "o", registered = "r" }))
    local link = closing(ebpf.link.struct_ops { map = collection.maps.counting })
    for _, name in ipairs { "optional", "registered" } do
      local ok, message, code = link:update(collection.maps[name])
      assert.same({ nil, errno.EINVAL }, { ok, code })
      assert.truthy(message:find("the map must have a struct of the same type in it", 1, true), message)
    end
    assert.has_error(function() link:update(5) end)
    assert.has_error(function() link:update(collection.maps[".bss"]) end)
    assert.is_false(pcall(link.update, collection.maps.counting, collection.maps.counting))
    collection.maps.optional:close()
    assert.equal(errno.EBADF, (select(3, link:update(collection.maps.optional))))
    link:close()
    assert.equal(errno.EBADF, (select(3, link:update(collection.maps.counting))))
  end)

  it("stays pinned without the collection", function()
    local path = support.bpffs() .. "/link"
    local collection = assert(load(new_spec { counting = "p" }))
    assert(assert(collection:attach()).counting:pin(path))
    collection:close()
    assert.is_true(available "p")
    local link = closing(ebpf.load_pinned_link(path))
    assert.equal(0, select(2, connect_by "p"))
    assert(link:unpin())
    link:close()
    assert.is_false(available "p")
  end)
end))

describe("struct_ops without a link", function()
  after_each(close_all)

  it("stays registered until it is closed", function()
    local collection = assert(load(new_spec { registered = "r" }))
    assert.is_false(available "r")
    local link = assert(collection:attach()).registered
    assert.is_true(available "r")
    assert.truthy(tostring(link):find('^struct_ops link "registered" #%d+$'))
    assert.same({ type = "struct_ops", map_id = collection.maps.registered:info().id }, link:info())
    assert.same({ errno.EOPNOTSUPP, errno.EOPNOTSUPP, false }, { (select(3, link:pin "/nowhere")),
      (select(3, link:update(collection.maps.registered))), (link:is_pinned()) })
    assert.equal(unique "r", (connect_by "r"))
    assert.equal(1, (counts(collection)))
    assert.is_true(link:close())
    assert.is_true(link:close())
    assert.is_false(available "r")
    assert.is_true(link:is_closed())
    assert.equal('struct_ops link "registered" (closed)', tostring(link))
    for _, method in ipairs { "fd", "info", "detach", "update", "pin", "unpin" } do
      assert.equal(errno.EBADF, (select(3, link[method](link))))
    end
  end)

  it("can be detached, once", function()
    local collection = assert(load(new_spec { registered = "r" }))
    local link = closing(ebpf.link.struct_ops { map = collection.maps.registered })
    assert.is_true(available "r")
    assert.is_true(assert(link:detach()))
    assert.is_false(available "r")
    assert.is_true(assert(link:detach()))
    link:close()
  end)

  it("outlives its process unless it is closed", function()
    local script = ([[
      local ebpf = require "ebpf"
      local spec = assert(ebpf.load_spec(%q))
      for name, map in pairs(spec.maps) do
        map.autocreate = map.struct == nil or name == "registered"
      end
      spec.maps.registered.members.name = %q
      local collection = assert(spec:load())
      print(assert(collection:attach()).registered:info().map_id)
    ]]):format(fixture, unique "z")
    local output, status = support.run_lua(script)
    assert.equal(0, status, output)
    assert.is_true(available "z")
    local map = closing(ebpf.map_from_id(tonumber(output)))
    opened[#opened + 1] = { close = function()
      map:delete(0) -- also when the test fails
    end }
    assert.equal(unique "z", map:get(0).data.name)
    assert(map:delete(0))
    assert.is_false(available "z")
  end)

  it("needs programs that are still there", function()
    local collection = assert(load(new_spec { registered = "r" }))
    collection.programs.undo:close()
    local link, message, code = ebpf.link.struct_ops { map = collection.maps.registered }
    assert.same({ nil, errno.EBADF }, { link, code })
    assert.truthy(message:find('member "undo_cwnd": the program is closed', 1, true), message)
    -- A map opened elsewhere has nothing to be registered.
    local map = closing(ebpf.map_from_id(collection.maps.registered:info().id))
    link, message, code = ebpf.link.struct_ops { map = map }
    assert.same({ nil, errno.EINVAL }, { link, code })
    assert.truthy(message:find("it has no struct that could be registered", 1, true), message)
  end)
end)

describe("loading struct_ops", support.since("6.4", "links of struct_ops", function()
  after_each(close_all)

  it("goes by the members of the spec", function()
    local spec = new_spec { counting = "c" }
    local members = spec.maps.counting.members
    members.init = nil
    members.ssthresh = "spare"
    members.flags = 2 -- TCP_CONG_NEEDS_ECN
    local collection = assert(load(spec))
    assert.is_nil(collection.programs.count_init)
    assert.is_nil(collection.programs.halve)
    assert.equal("tcp_congestion_ops:ssthresh", collection.programs.spare:attach_to())
    local data = assert(collection.maps.counting:get(0)).data
    assert.same({ unique "c", 2 }, { data.name, data.flags })
    assert(collection:attach())
    assert.equal(0, select(2, connect_by "c"))
    assert.equal(0, (counts(collection)))
  end)

  it("creates optional maps only when asked for, and programs with them", function()
    local spec = assert(ebpf.load_spec(fixture))
    spec.maps.counting.autocreate, spec.maps.registered.autocreate = false, false
    local collection = assert(load(spec))
    assert.same({}, collection.programs)
    assert.is_nil(collection.maps.counting)
    assert.same({}, collection:attach())
    -- A map given for one is asked for, and is filled already.
    local other = assert(load(new_spec { counting = "c" }))
    collection = assert(load(spec, { maps = { optional = other.maps.counting } }))
    assert.same({}, collection.programs)
    assert.truthy(assert(collection:attach()).optional)
    assert.is_true(available "c")
  end)

  it("tells why the kernel does not take the struct of a map made by itself", function()
    local map, message, code = ebpf.new_map { name = "bare", type = "struct_ops", struct = "tcp_congestion_ops",
      flags = 0x2000 }
    assert.same({ nil, 'put into map "bare": invalid argument (EINVAL): the struct lacks what it needs, which the '
      .. "kernel's log, as of dmesg, may tell", errno.EINVAL }, { map, message, code })
  end)

  it("leaves structs out when programs are chosen", function()
    local collection = assert(load(new_spec(), { programs = { "undo" } }))
    assert.is_nil(collection.maps.counting)
    assert.equal("tcp_congestion_ops:undo_cwnd", collection.programs.undo:attach_to())
  end)

  it("ignores what the kernel lacks, if it is zero or a program", function()
    local spec = new_spec { later = "l" }
    local collection = assert(load(spec))
    assert.is_nil(collection.programs.tomorrow)
    assert(collection:attach())
    assert.equal(unique "l", (connect_by "l"))
    for member, value in pairs { budget = 5, range = { low = 0, high = 1 } } do
      spec = new_spec { later = "l" }
      spec.maps.later.members[member] = value
      local none, message, code = load(spec)
      assert.same({ nil, errno.EOPNOTSUPP }, { none, code })
      assert.truthy(message:find(('fill map "later": member "%s": this kernel has no such member, and it is not zero')
        :format(member), 1, true), message)
    end
  end)

  it("names a struct that the kernel lacks", function()
    local spec = new_spec {}
    spec.maps.unknown.autocreate = true
    local none, message, code = load(spec)
    assert.same({ nil, errno.ESRCH }, { none, code })
    assert.truthy(message:find('load map "unknown": no struct "no_such_ops"', 1, true), message)
  end)

  it("refuses members that cannot be", function()
    local cases = {
      { "has no member 'nothing' that could be set", { nothing = 1 } },
      { "member 'init' is a pointer", { init = 5 } },
      { "member 'owner' is a pointer", { owner = {} } },
      { "member 'name': ", { name = ("x"):rep(17) } },
      { "member 'flags': ", { flags = "many" } },
    }
    for _, case in ipairs(cases) do
      local spec = new_spec { counting = "c" }
      for member, value in pairs(case[2]) do
        spec.maps.counting.members[member] = value
      end
      local ok, message = pcall(load, spec)
      assert.is_false(ok)
      assert.truthy(message:find(case[1], 1, true), message)
    end
    local spec = new_spec { counting = "c" }
    spec.maps.counting.contents = { { 0, "short" } }
    local ok, message = pcall(load, spec)
    assert.is_false(ok)
    assert.truthy(message:find("its contents must be 72 bytes", 1, true), message)
  end)

  it("refuses programs that cannot be", function()
    local function refused(code, words, members)
      local spec = new_spec { counting = "c" }
      for member, value in pairs(members) do
        spec.maps.counting.members[member] = value
      end
      local none, message, actual = load(spec)
      assert.same({ nil, code }, { none, actual }, message)
      assert.truthy(message:find(words, 1, true), message)
    end
    refused(errno.ENOENT, 'member "init": no program is called "nobody"', { init = "nobody" })
    refused(errno.EINVAL, 'program "undo" cannot be tcp_congestion_ops:', { ssthresh = "undo" })
    refused(errno.EINVAL, "attach to invalid member owner", { owner = "spare" })
    local xdp = closing(ebpf.new_program { type = "xdp", license = "GPL",
      instructions = insn.returning(2) })
    refused(errno.EINVAL, 'put into map "counting"', { init = xdp })
    xdp:close()
    refused(errno.EBADF, 'member "init": the program is closed', { init = xdp })
  end)

  it("works without an object", function()
    local function program(member, value)
      return closing(ebpf.new_program { type = "struct_ops", license = "GPL",
        attach_to = "tcp_congestion_ops:" .. member, instructions = insn.returning(value) })
    end
    local spec = { name = "by_hand", type = "struct_ops", struct = "tcp_congestion_ops", flags = LINK,
      members = { name = unique "h", ssthresh = program("ssthresh", 2), undo_cwnd = program("undo_cwnd", 10),
        cong_avoid = program("cong_avoid", 0) } }
    local map = closing(ebpf.new_map(spec))
    local link = closing(ebpf.link.struct_ops { map = map })
    assert.equal(unique "h", (connect_by "h"))
    link:close()
    assert.equal(unique "h", map:get(0).data.name)
    spec.flags = 0
    map = closing(ebpf.new_map(spec))
    link = closing(ebpf.link.struct_ops { map = map })
    assert.equal(unique "h", (connect_by "h"))
    link:close()
    assert.is_false(available "h")
    spec.struct = "no_such_ops"
    assert.equal(errno.ESRCH, (select(3, ebpf.new_map(spec))))
    spec.struct = nil
    assert.has_error(function() ebpf.new_map(spec) end)
  end)

  it("does not attach programs one by one", function()
    local collection = assert(load(new_spec { counting = "c" }))
    local link, message, code = collection.programs.undo:attach()
    assert.same({ nil, errno.EINVAL }, { link, code })
    assert.truthy(message:find("is attached with the map that it is in: ebpf.link.struct_ops{map", 1, true), message)
    closing(collection.programs.undo:attach { map = collection.maps.counting })
    assert.is_true(available "c")
  end)

  it("takes only structs and maps of the type", function()
    local collection = assert(load(new_spec { counting = "c" }))
    for _, wrong in ipairs { {}, { map = 5 }, { map = collection.maps[".bss"] }, { map = collection.programs.undo },
      { map = collection.maps.counting, cookie = 5 } } do
      assert.is_false(pcall(ebpf.link.struct_ops, wrong))
    end
    assert.is_false(pcall(ebpf.link.struct_ops))
    assert.is_false(pcall(collection.attach, collection, { ".bss" }))
    collection.maps.counting:close()
    assert.equal(errno.EBADF, (select(3, ebpf.link.struct_ops { map = collection.maps.counting })))
  end)
end))

describe("broken types", function()
  local it_once = support.once and it or function() end

  it_once("never make filling a struct unsafe #host", function()
    local fuzz = support.harness "struct_ops_fuzz"
    local output, status = support.run { fuzz, fixture, support.fixture("struct_ops_target"), "20000" }
    assert.matches("^%d%d%d+ of 20000 filled\n$", output)
    assert.equal(0, status)
  end)
end)
