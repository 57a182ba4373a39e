-- Whatever is wrong with arguments is told of the function as the user calls it, at the line of the user.
local annotations = require "spec.support.annotations"
local core = require "ebpf.core"
local ebpf = require "ebpf"
local support = require "spec.support"

local load_text = rawget(_G, "loadstring") or load

-- How users call a function: each gets the table or object, and two arguments. All calls are in line 2.
local WAYS = {
  [".%s()"] = "local x, a, b = ...\nlocal result = x.%s()\nreturn result",
  [".%s(a)"] = "local x, a, b = ...\nlocal result = x.%s(a)\nreturn result",
  [".%s(a, b)"] = "local x, a, b = ...\nlocal result = x.%s(a, b)\nreturn result",
  [".%s(b, a)"] = "local x, a, b = ...\nlocal result = x.%s(b, a)\nreturn result",
  ["pcall(.%s, a)"] = "local x, a, b = ...\nlocal ok, message = pcall(x.%s, a)\n"
    .. "if not ok then error(message, 0) end",
}
local METHOD_WAYS = {
  [":%s()"] = "local x, a, b = ...\nlocal result = x:%s()\nreturn result",
  [":%s(a)"] = "local x, a, b = ...\nlocal result = x:%s(a)\nreturn result",
  [":%s(a, b)"] = "local x, a, b = ...\nlocal result = x:%s(a, b)\nreturn result",
  ["pcall(.%s, x, a)"] = "local x, a, b = ...\nlocal ok, message = pcall(x.%s, x, a)\n"
    .. "if not ok then error(message, 0) end",
}

-- With arguments these wait, or end the object.
local NEVER_CALLED = { poll = true, close = true, flush_and_close = true, detach = true, unpin = true }

-- One function that has several names: what pcall() calls has no other than the first.
local ALIASES = { ntoh16 = "hton16", ntoh32 = "hton32", ntoh64 = "hton64", tracing = "lsm",
  load_pinned = "load_pinned_link", from_id = "link_from_id", from_fd = "link_from_fd" }

-- What is nowhere right.
local function garbage()
  local closed = assert(ebpf.new_map { type = "array", key_size = 4, value_size = 4, max_entries = 1 })
  closed:close()
  local program = support.closing(assert(ebpf.new_program {
    type = "xdp", license = "GPL", instructions = assert(ebpf.asm.parse "r0 = 0; exit") }))
  return {
    ["true"] = true,
    ["a number"] = 1e9,
    ["a negative number"] = -1.5,
    ["a string"] = "/dev/null/no such",
    ["a table"] = { no_such_option = true },
    ["a list"] = { false },
    ["options of a program"] = { program = program, no_such_option = 1 },
    ["options without a program"] = { program = 1 },
    ["options of a string"] = { program = program, path = 1, name = true, map = {}, socket = {}, symbol = false },
    ["a map of wrong types"] = { type = "hash", key = "no_such_type", value = 5, max_entries = 1 },
    ["a map of wrong contents"] = { type = "hash", key_size = 4, value_size = 4, max_entries = 1,
      contents = { { 1, {} } } },
    ["types of a map"] = { value = {}, int64 = 5, type = "no_such_type" },
    ["a closed map"] = closed,
    ["a foreign handle"] = io.stdout,
    ["a function"] = print,
  }
end

-- What is wrong with an error message; nil when nothing is.
local function flaw(name, message)
  if type(message) ~= "string" then
    return "is no string: " .. tostring(message)
  end
  local words = message:match("^caller:2: (.*)$")
  if not words then
    return "is not at the caller's line: " .. message
  end
  for _, inner in ipairs { "ebpf.core", "ebpf/core", "lua/ebpf", "'?'", "attempt to" } do
    if words:find(inner, 1, true) then
      return "tells of what is within: " .. message
    end
  end
  for _, called in ipairs { name, ALIASES[name] } do
    if words:find(("^bad argument #%%d to '%s' %%("):format(called)) or words:find("^" .. called .. ": ")
      or words:find(("^calling '%s' on bad self %%("):format(called)) then
      return nil
    end
  end
  return "does not name the function: " .. message
end

-- Calls a function or method in those ways with all sorts of garbage, and adds to `flaws`.
local function try(ways, owner, of, name, values, flaws)
  for way, text in pairs(ways) do
    local call = assert(load_text(text:format(name), "=caller"))
    for sort, value in pairs(values) do
      local ok, message = pcall(call, of, value, "x")
      local wrong = not ok and flaw(name, message)
      if wrong then
        flaws[#flaws + 1] = ("%s%s, a = %s: %s"):format(owner, way:format(name), sort, wrong)
      end
    end
  end
end

local function functions_of(t)
  local names = {}
  for name, value in pairs(t) do
    if type(name) == "string" and not name:find("^__") and type(value) == "function" then
      names[#names + 1] = name
    end
  end
  table.sort(names)
  return names
end

local function load_data()
  local data = assert(ebpf.load_spec(support.fixture("collection_data")))
  return ebpf.load(support.drop_newer(data, { callbacks = "5.17" }))
end

-- Objects of all classes that can be had here; each a function, as some take away what they are made of.
local objects = {
  map = function() return ebpf.new_map { name = "x", type = "hash", key_size = 4, value_size = 8, max_entries = 4 } end,
  ["per-CPU map"] = function()
    return ebpf.new_map { type = "percpu_array", key_size = 4, value_size = 8, max_entries = 4 }
  end,
  queue = function() return ebpf.new_map { type = "queue", value_size = 8, max_entries = 4 } end,
  program = function()
    return ebpf.new_program { name = "x", type = "xdp", license = "GPL",
      instructions = assert(ebpf.asm.parse "r0 = 0; exit") }
  end,
  link = function()
    local program = assert(ebpf.new_program { type = "raw_tracepoint", license = "GPL",
      instructions = assert(ebpf.asm.parse "r0 = 0; exit") })
    return support.granted("4.17", "raw_tracepoint",
      ebpf.link.raw_tracepoint { program = program, name = "sched_process_exec" })
  end,
  insns = function() return ebpf.asm.parse "r0 = 0; exit" end,
  btf = function() return assert(ebpf.load_spec(support.fixture("variables"))).types end,
  ["perf reader"] = function()
    return ebpf.new_perf_reader(assert(ebpf.new_map { type = "perf_event_array" }))
  end,
  ["ring reader"] = function()
    return ebpf.new_ring_reader(support.granted("5.8", "ringbuf",
      ebpf.new_map { type = "ringbuf", max_entries = 4096 }))
  end,
  ["user ring"] = function()
    return ebpf.new_user_ring(support.granted("6.1", "user_ringbuf",
      ebpf.new_map { type = "user_ringbuf", max_entries = 4096 }))
  end,
  stats = function() return support.granted("5.8", "statistics", ebpf.enable_stats()) end,
  memory = function()
    local map = assert(ebpf.new_map { type = "array", key_size = 4, value_size = 4, max_entries = 4, flags = 1024 })
    return support.granted("5.5", "BPF_F_MMAPABLE", map:memory())
  end,
  type = function() return ebpf.type "struct { int a; char b[3]; }" end,
  ["collection spec"] = function() return ebpf.load_spec(support.fixture("variables")) end,
  ["map spec"] = function() return select(2, next(assert(ebpf.load_spec(support.fixture("variables"))).maps)) end,
  ["program spec"] = function()
    return select(2, next(assert(ebpf.load_spec(support.fixture("variables"))).programs))
  end,
  ["variable spec"] = function()
    return select(2, next(assert(ebpf.load_spec(support.fixture("variables"))).variables))
  end,
  collection = function() return load_data() end,
  variable = function() return select(2, next(assert(load_data()).variables)) end,
  ["map abi"] = function() return ebpf.map_abi { type = "hash" } end,
  ["program abi"] = function() return ebpf.program_abi { type = "xdp" } end,
  ["collection abi"] = function() return ebpf.collection_abi { maps = { x = { type = "hash" } } } end,
  ["kernel symbols"] = function() return ebpf.kernel_symbols() end,
  ["process symbols"] = function() return ebpf.process_symbols(0) end,
}

-- The methods of an object, by the class of handles, its metatable or, where that has a function, the annotations.
local function methods_of(kind, object)
  local metatable = getmetatable(object)
  if core.methods[kind] then
    return functions_of(core.methods[kind])
  elseif type(metatable.__index) == "table" then
    return functions_of(metatable.__index)
  end
  local names = {}
  for _, file in ipairs(annotations.read_all("lua/ebpf")) do
    for _, item in ipairs(file.functions) do
      local owner, last = annotations.split(item.name)
      names[#names + 1] = owner and "ebpf." .. owner == metatable.__name and last or nil
    end
  end
  return names
end

describe("wrong arguments", function()
  local values

  setup(function()
    values = garbage()
    values["nothing"] = nil
  end)

  for module, functions in pairs { ebpf = ebpf, ["ebpf.link"] = ebpf.link, ["ebpf.asm"] = ebpf.asm,
    ["ebpf.btf"] = ebpf.btf, ["ebpf.features"] = ebpf.features, ["ebpf.wait"] = ebpf.wait } do
    it("of the functions of " .. module .. " are the caller's", function()
      local flaws = {}
      for _, name in ipairs(functions_of(functions)) do
        try(WAYS, module, functions, name, values, flaws)
      end
      assert.equal("", table.concat(flaws, "\n"))
    end)
  end

  it("in the place of self are the caller's", function()
    local flaws = {}
    for _, methods in ipairs(core.public) do
      if methods ~= ebpf and methods ~= ebpf.wait then
        for _, name in ipairs(functions_of(methods)) do
          try(WAYS, "methods", methods, name, values, flaws)
        end
      end
    end
    assert.equal("", table.concat(flaws, "\n"))
  end)

  for kind, new in pairs(objects) do
    it("of the methods of a " .. kind .. " are the caller's", function()
      local object, flaws = assert(new()), {}
      local names = methods_of(kind, object)
      assert.is_true(#names > 0)
      for _, name in ipairs(names) do
        if not NEVER_CALLED[name] then
          try(METHOD_WAYS, kind, object, name, values, flaws)
        end
        try({ [".%s(a)"] = WAYS[".%s(a)"] }, kind, object, name, values, flaws)
      end
      if object.close then
        object:close()
      end
      assert.equal("", table.concat(flaws, "\n"))
    end)
  end

  it("keep their place behind a tail call", function()
    local call = assert(load_text("local x = ...\nlocal function f() return x.sanitize_name() end\nlocal y = f()\n"
      .. "return y", "=caller"))
    local ok, message = pcall(call, ebpf)
    assert.is_false(ok)
    assert.truthy(message:find("^caller:%d: sanitize_name: name expected"), message)
  end)
end)
