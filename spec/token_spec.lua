--- BPF tokens, in user namespaces that a BPF file system delegates to.
local delegate = require "spec.support.delegate"
local ebpf = require "ebpf"
local support = require "spec.support"

local errno = ebpf.errno

-- In the user namespace: what fails is told on the way.
local prelude = [[
  local function refused(words, code, result, message, errno)
    assert(result == nil, "it was not refused")
    for _, word in ipairs(words) do
      assert(message:find(word, 1, true), message)
    end
    assert(errno == code, message)
  end
  local stack = { name = "stack", type = "stack", key_size = 0, value_size = 4, max_entries = 8 }
  local function xdp(text)
    return { name = "prog", type = "xdp", license = "GPL",
      instructions = assert(ebpf.asm.parse(text or "r0 = 2\nexit")) }
  end
  local E = ebpf.errno
]]

--- Runs a script and passes when it comes to its end.
local function passes(options, script, wrap)
  local output, status = delegate.run_lua(options, prelude .. script .. "\nprint 'passed'", wrap)
  assert.equal("passed\n", output)
  assert.equal(0, status)
end

local function without(option)
  local options = {}
  for _, given in ipairs(delegate.all) do
    if not given:find(option, 1, true) then
      options[#options + 1] = given
    end
  end
  return options
end

local function bpffs()
  support.bpffs() -- mounts it if it is not
  return support.mounted("bpf")
end

describe("new_token", function()
  it("says that the first user namespace needs none", function()
    local token, message, code = ebpf.new_token(bpffs())
    assert.is_nil(token)
    if support.kernel_is("6.9") then
      assert.equal(errno.EOPNOTSUPP, code)
      assert.matches("first user namespace, where capabilities count", message)
    else
      assert.equal(errno.EINVAL, code)
      assert.matches("BPF tokens came with Linux 6.9, and this is", message)
    end
  end)

  it("says what a path is that it cannot use", function()
    local token, message, code = ebpf.new_token(bpffs() .. "/missing")
    assert.is_nil(token)
    assert.matches("missing: open it: no such file or directory", message)
    assert.equal(errno.ENOENT, code)
    token, message, code = ebpf.new_token("/etc/passwd")
    assert.is_nil(token)
    assert.matches("not a directory", message)
    assert.equal(errno.ENOTDIR, code)
    support.needs("6.9", "token")
    token, message, code = ebpf.new_token("/")
    assert.is_nil(token)
    assert.matches("that is no BPF file system", message)
    assert.equal(errno.EINVAL, code)
  end)

  it("raises for what is no path", function()
    assert.error_matches(function() ebpf.new_token({}) end, "string expected")
    assert.error_matches(function() ebpf.new_token("/sys\0/fs") end, "NUL byte")
  end)

  it("gives a handle", function()
    passes(delegate.all, [[
      local token = assert(ebpf.new_token(bpffs))
      assert(tostring(token):find("^token #%d+$"), tostring(token))
      assert(token:fd() > 2 and token:is_closed() == false)
      assert(token:close() and token:close() and token:is_closed())
      assert(tostring(token) == "token (closed)")
      refused({ "token is closed" }, E.EBADF, token:fd())
    ]])
  end)

  it("takes the usual BPF file system by default", function()
    passes(delegate.all, [[
      assert(os.execute("mount --bind " .. bpffs .. " /sys/fs/bpf"))
      assert(ebpf.new_token())
    ]])
  end)

  it("says that nothing is delegated", function()
    passes({}, [[
      refused({ "delegates nothing", "delegate_cmds", "CAP_SYS_ADMIN" }, E.ENOENT, ebpf.new_token(bpffs))
    ]])
  end)

  it("says that the path is a directory in the file system", function()
    passes(delegate.all, [[
      assert(os.execute("mkdir " .. bpffs .. "/below"))
      refused({ "not the root" }, E.EINVAL, ebpf.new_token(bpffs .. "/below"))
    ]])
  end)

  it("says that it takes CAP_BPF in the user namespace", function()
    passes(delegate.all, [[
      refused({ "needs CAP_BPF in the user namespace" }, E.EPERM, ebpf.new_token(bpffs))
    ]], support.unprivileged)
  end)

  it("says that the file system is of another user namespace", function()
    passes(delegate.all, [[
      refused({ "another user namespace" }, E.EPERM, ebpf.new_token(bpffs))
    ]], function(command)
      return "unshare --user --map-root-user " .. command
    end)
  end)
end)

describe("a token", function()
  it("creates maps that take CAP_BPF, and leaves no trace in their flags", function()
    passes(delegate.all, [[
      local token = assert(ebpf.new_token(bpffs))
      refused({ "capabilities of a user namespace do not count" }, E.EPERM, ebpf.new_map(stack))
      local map = assert(ebpf.new_map(stack, { token = token }))
      assert(map:abi().flags == 0 and map:info().flags == 0)
      assert(map:push(7) and map:pop() == 7)
      -- What has to have BTF, and one map in another.
      local storage = assert(ebpf.new_map({ type = "sk_storage", key_size = 4, value_size = 8, flags = 1 },
        { token = token }))
      assert(storage:abi().flags == 1)
      local inner = { type = "hash", key_size = 4, value_size = 4, max_entries = 4 }
      local outer = assert(ebpf.new_map({ type = "hash_of_maps", key_size = 4, max_entries = 4, inner_map = inner },
        { token = token }))
      assert(outer:put(1, assert(ebpf.new_map(inner, { token = token }))))
    ]])
  end)

  it("loads programs that take all of CAP_BPF, CAP_PERFMON and CAP_NET_ADMIN", function()
    passes(delegate.all, [[
      local token = assert(ebpf.new_token(bpffs))
      -- bpf_get_current_task() is for CAP_PERFMON, XDP for CAP_NET_ADMIN, bpf_jiffies64() for CAP_BPF.
      local spec = xdp "call 35\ncall 118\nr0 = 2\nexit"
      refused({ 'load program "prog"', "user namespace do not count" }, E.EPERM, ebpf.new_program(spec))
      local program = assert(ebpf.new_program(spec, { token = token }))
      assert(program:test(("x"):rep(64)) == 2)
      -- A log is asked for by the same way.
      assert(ebpf.new_program(spec, { token = token, log_level = 2 }):verifier_log():find("call", 1, true))
      local broken, message, errno, log = ebpf.new_program(xdp "r0 = r3\nexit", { token = token })
      assert(broken == nil and errno == E.EACCES and log:find("R3 !read_ok"), message)
    ]])
  end)

  it("gives a program with callbacks the BTF it needs", function()
    passes(delegate.all, [[
      local token = assert(ebpf.new_token(bpffs))
      local spec = xdp "r1 = 4\nr2 = subprog[+6] ll\nr3 = 0\nr4 = 0\ncall 181\nr0 = 2\nexit\nr0 = 0\nexit"
      assert(ebpf.new_program(spec, { token = token }):test(("x"):rep(64)) == 2)
    ]])
  end)

  it("loads objects, with their types, and stays open", function()
    passes(delegate.all, ([[
      local token = assert(ebpf.new_token(bpffs))
      for _ = 1, 2 do
        local collection = assert(ebpf.load(%q, { token = token }))
        local map = collection.maps.events
        assert(map:abi().flags == 0)
        local replaced = assert(ebpf.load(%q, { token = token, maps = { events = map } }))
        assert(replaced:close() and collection:close())
      end
      assert(not token:is_closed())
    ]]):format(support.fixture("ring"), support.fixture("ring")))
  end)

  it("lets its programs be attached in the network of the user namespace", function()
    passes(delegate.all, [[
      local token = assert(ebpf.new_token(bpffs))
      local program = assert(ebpf.new_program(xdp(), { token = token }))
      local link = assert(ebpf.link.xdp { program = program, interface = "lo", mode = "generic" })
      assert(link:close())
      token:close() -- the program keeps what it stands for
      assert(ebpf.link.xdp { program = program, interface = "lo", mode = "generic" }:close())
    ]], function(command)
      return "unshare --net " .. command
    end)
  end)

  it("makes maps that are pinned by name, in its own file system", function()
    passes(delegate.all, [[
      local token = assert(ebpf.new_token(bpffs))
      local spec = { name = "kept", type = "hash", key_size = 4, value_size = 4, max_entries = 4, pinning = "by_name" }
      local map = assert(ebpf.new_map(spec, { pin_path = bpffs, token = token }))
      assert(map:put(1, 2) and map:close())
      assert(ebpf.new_map(spec, { pin_path = bpffs, token = token }):get(1) == 2)
    ]])
  end)

  it("says which command it does not delegate", function()
    local script = [[
      local token = assert(ebpf.new_token(bpffs))
      refused({ 'create map "stack"', "does not delegate the command map_create", "delegate_cmds=map_create" }, E.EPERM,
        ebpf.new_map(stack, { token = token }))
      refused({ "does not delegate the command prog_load" }, E.EPERM, ebpf.new_program(xdp(), { token = token }))
    ]]
    passes(without "cmds", script)
    passes({ "delegate_cmds=map_create", "delegate_maps=any" }, [[
      local token = assert(ebpf.new_token(bpffs))
      assert(ebpf.new_map(stack, { token = token }))
      refused({ "does not delegate the command btf_load" }, E.EPERM,
        ebpf.new_map({ type = "sk_storage", key_size = 4, value_size = 8, flags = 1 }, { token = token }))
    ]])
  end)

  it("says which type it does not delegate", function()
    passes({ "delegate_cmds=any", "delegate_maps=hash" }, [[
      local token = assert(ebpf.new_token(bpffs))
      refused({ "no maps of type stack", "delegate_maps=stack" }, E.EPERM, ebpf.new_map(stack, { token = token }))
      refused({ "no programs of type xdp", "delegate_progs=xdp" }, E.EPERM,
        ebpf.new_program(xdp(), { token = token }))
    ]])
    passes({ "delegate_cmds=any", "delegate_progs=xdp", "delegate_attachs=tcx_ingress" }, [[
      local token, spec = assert(ebpf.new_token(bpffs)), xdp()
      spec.attach_type = "xdp"
      refused({ "no programs of attach type xdp", "delegate_attachs=xdp" }, E.EPERM,
        ebpf.new_program(spec, { token = token }))
    ]])
  end)

  it("adds nothing to capabilities that the process lacks in its namespace", function()
    passes(delegate.all, [[
      local token = assert(ebpf.new_token(bpffs)) -- by CAP_BPF alone
      assert(ebpf.new_map(stack, { token = token }))
      refused({ "needs CAP_BPF and CAP_NET_ADMIN", "lacks CAP_NET_ADMIN" }, E.EPERM,
        ebpf.new_program(xdp(), { token = token }))
    ]], function(command)
      return support.unprivileged(command, { "bpf" })
    end)
  end)

  it("is of no use once it is closed", function()
    passes(delegate.all, ([[
      local token = assert(ebpf.new_token(bpffs))
      token:close()
      refused({ 'create map "stack"', "token is closed" }, E.EBADF, ebpf.new_map(stack, { token = token }))
      refused({ 'load program "prog"', "token is closed" }, E.EBADF, ebpf.new_program(xdp(), { token = token }))
      refused({ "token is closed" }, E.EBADF, ebpf.load(%q, { token = token }))
    ]]):format(support.fixture("ring")))
  end)

  it("tells what it delegates", function()
    passes(delegate.all, [[
      local token = assert(ebpf.new_token(bpffs))
      local info = assert(token:info())
      for _, field in ipairs { "commands", "maps", "programs", "attach_types" } do
        assert(info[field] == "any", field)
      end
      token:close()
      refused({ "token is closed" }, E.EBADF, token:info())
    ]])
    passes({ "delegate_cmds=0x20:map_create", "delegate_maps=0x8000000000000000:hash:array", "delegate_progs=xdp" }, [[
      local info = assert(assert(ebpf.new_token(bpffs)):info())
      assert(table.concat(info.commands, " ") == "map_create prog_load")
      assert(table.concat(info.maps, " ") == "hash array 63", table.concat(info.maps, " "))
      assert(table.concat(info.programs, " ") == "xdp")
      assert(#info.attach_types == 0)
    ]])
  end)

  it("is told from other things", function()
    local map = support.closing(assert(ebpf.new_map { type = "array", key_size = 4, value_size = 4, max_entries = 1 }))
    local program = { type = "socket_filter", license = "GPL", instructions = assert(ebpf.asm.parse("r0 = 0\nexit")) }
    for _, wrong in ipairs { "token", 7, {}, map, true } do
      assert.error_matches(function() ebpf.new_map({ type = "hash" }, { token = wrong }) end, "Token expected")
      assert.error_matches(function() ebpf.new_program(program, { token = wrong }) end, "Token expected")
      assert.error_matches(function() ebpf.load({ maps = {} }, { token = wrong }) end, "Token expected")
    end
  end)
end)

describe("ebpf.doctor", function()
  it("says what a token delegates here", function()
    passes(delegate.all, [[
      local report = ebpf.doctor()
      assert(report.token.state == "ok", tostring(report))
      assert(report.token.value:find(" delegates: commands any; maps any; programs any; attach types any", 1, true),
        report.token.value)
      assert(report.user_namespace.state == "note")
      assert(report.bpf.state ~= "problem", tostring(report))
    ]])
    passes({ "delegate_cmds=map_create", "delegate_maps=hash:array" }, [[
      local report = ebpf.doctor()
      assert(report.token.state == "note", tostring(report))
      assert(report.token.value:find(": commands map_create; maps hash, array; programs none; attach types none", 1,
        true), report.token.value)
      for _, words in ipairs { "Without delegate_cmds=prog_load programs cannot be loaded",
        "Without delegate_cmds=btf_load", "Without delegate_progs", "Without delegate_attachs" } do
        assert(report.token.meaning:find(words, 1, true), report.token.meaning)
      end
      assert(not report.token.meaning:find("map_create") and not report.token.meaning:find("delegate_maps"))
    ]])
  end)

  it("says why none can be had", function()
    passes({}, [[
      local report = ebpf.doctor()
      assert(report.token.state == "note" and report.token.value == "none can be had", tostring(report))
      assert(report.token.advice:find("delegate_cmds", 1, true) and report.user_namespace.state == "problem")
    ]])
    passes(delegate.all, [[
      local report = ebpf.doctor()
      assert(report.token.state == "warning" and report.token.value:find("needs CAP_BPF in the user namespace"),
        tostring(report))
    ]], support.unprivileged)
  end)

  it("says that the first user namespace needs none", function()
    local finding = ebpf.doctor().token
    assert.equal("ok", finding.state)
    assert.matches("^not needed here", finding.value)
  end)
end)
