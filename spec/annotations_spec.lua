-- Everything public is annotated, and everything annotated is there.
local annotations = require "spec.support.annotations"
local core = require "ebpf.core"
local ebpf = require "ebpf"
local sorted = require "ebpf.sorted_names"
local support = require "spec.support"

local files = annotations.read_all("lua/ebpf")

-- The classes that C makes, by the names of core.methods, and of what objects.
local CLASSES = {
  map = "ebpf.Map",
  program = "ebpf.Program",
  link = "ebpf.Link",
  btf = "ebpf.Btf",
  insns = "ebpf.Instructions",
  stats = "ebpf.Stats",
  ["perf reader"] = "ebpf.PerfReader",
  ["ring reader"] = "ebpf.RingReader",
  ["user ring"] = "ebpf.UserRing",
  token = "ebpf.Token",
}

-- What the Lua half alone has in hands, and a method that it alone calls.
local INTERNAL_CLASSES = { iterator = true, exe = true, ["btf handle"] = true }
local INTERNAL_METHODS = { ["map.get_integer_sum"] = true }

local classes, aliases = {}, {}
for _, file in ipairs(files) do
  for _, class in ipairs(file.classes) do
    classes[class.name] = class
  end
  for alias in support.read_file(file.path):gmatch("%-%-%-@alias ([%w_.]+)") do
    aliases[alias] = true
  end
end

-- What a name in a file stands for, as far as it is a function of a module.
local function value_of(file, name)
  local owner, last = annotations.split(name)
  if owner == "ebpf" then
    return ebpf[last]
  end
  local module = require(file.name)
  if type(module) == "table" and owner and not owner:find("[A-Z.]") then
    return (type(module.functions) == "table" and module.functions or module)[last]
  end
end

-- The names that are fields of a class, with those it has from its parents.
local function fields_of(class, fields)
  fields = fields or {}
  for _, field in ipairs(class.fields) do
    fields[field.name] = field.type
  end
  local parent = classes[class.parent]
  return parent and fields_of(parent, fields) or fields
end

-- The names of the parameters of a function in Lua; nil for one in C.
local function parameters_of(f)
  if debug.getinfo(f, "S").what == "C" then
    return nil
  end
  local names, info = {}, debug.getinfo(f, "u")
  for i = 1, info.nparams do
    names[i] = debug.getlocal(f, i)
  end
  names[#names + 1] = info.isvararg and "..." or nil
  return table.concat(names, ", ")
end

-- The names of what "fun(...)" takes; nil for another type.
local function names_in(signature)
  local arguments, names = annotations.arguments(signature), {}
  for i, argument in ipairs(arguments or {}) do
    names[i] = argument.name
  end
  return arguments and table.concat(names, ", ")
end

-- The names that the tags of an item say it takes.
local function names_of(item)
  local names = {}
  for _, tag in ipairs(item.tags) do
    if tag.tag == "param" then
      names[#names + 1] = tag.text:match("^[%w_.]+")
    end
  end
  return table.concat(names, ", ")
end

-- Whether the first names are among the others, in their order: where a function is not for users, its comment may
-- leave out what speaks for itself.
local function is_part(some, all)
  local at = 1
  for name in some:gmatch("[^, ]+") do
    at = select(2, (all .. ","):find("%f[%w_]" .. name .. ",", at))
    if not at then
      return false
    end
  end
  return true
end

describe("the annotations", function()
  it("have every public function", function()
    local annotated, missing = {}, {}
    for _, file in ipairs(files) do
      for _, item in ipairs(file.functions) do
        for name in (item.names or item.name):gmatch("[%w_.:]+") do
          local value = #item.tags > 0 and value_of(file, name)
          if value then
            annotated[value] = true
          end
        end
      end
    end
    for _, module in ipairs { "ebpf", "link", "wait", "asm", "btf", "features" } do
      for name, value in pairs(module == "ebpf" and ebpf or ebpf[module]) do
        if type(value) == "function" and not annotated[value] then
          missing[module .. "." .. name] = true
        end
      end
    end
    assert.same({}, sorted(missing))
  end)

  it("have every method, and no other", function()
    local wrong = {}
    for kind, methods in pairs(core.methods) do
      local class = classes[CLASSES[kind]]
      if not class and not INTERNAL_CLASSES[kind] then
        wrong["class " .. kind] = true
      end
      local fields = class and fields_of(class) or {}
      for name in pairs(class and methods or {}) do
        if not fields[name] and not INTERNAL_METHODS[kind .. "." .. name] then
          wrong[("%s.%s is not annotated"):format(kind, name)] = true
        end
      end
      for name, declared in pairs(fields) do
        if declared:find("^fun") and not methods[name] then
          wrong[("%s.%s does not exist"):format(kind, name)] = true
        end
      end
    end
    assert.same({}, sorted(wrong))
  end)

  it("have the methods of what is no handle", function()
    local array = support.closing(assert(ebpf.new_map { type = "array", key_size = 4, value_size = 4, max_entries = 1,
      flags = 1024 }))
    local objects = { ["ebpf.CType"] = ebpf.type "int", ["ebpf.Memory"] = support.closing(assert(array:memory())) }
    for name, object in pairs(objects) do
      for method, declared in pairs(fields_of(classes[name])) do
        if declared:find("^fun") then
          assert.equal("function", type(object[method]), name .. "." .. method)
        end
      end
    end
  end)

  it("name functions that are there", function()
    local missing = {}
    for _, file in ipairs(files) do
      for _, item in ipairs(file.functions) do
        local owner = annotations.split(item.name)
        if owner and not owner:find("[A-Z.]") and owner ~= "methods" and not item.indented
          and value_of(file, item.name) == nil then
          missing[file.name .. ": " .. item.name] = true
        end
      end
    end
    assert.same({}, sorted(missing))
  end)

  it("name classes that are there", function()
    local missing = {}
    for _, file in ipairs(files) do
      for line in support.read_file(file.path):gmatch("%-%-%-@[^\n]+") do
        for name in line:gmatch("ebpf%.%u[%w_]+") do
          if not classes[name] and not aliases[name] then
            missing[name] = true
          end
        end
      end
    end
    assert.same({}, sorted(missing))
  end)

  it("name the parameters in their order", function()
    local wrong = {}
    for _, file in ipairs(files) do
      for _, list in ipairs { file.functions, file.locals } do
        for _, item in ipairs(list) do
          local named = names_of(item)
          local actual = item.parameters
          if actual and annotations.split(item.name) and not named:find("^self") then
            actual = actual:gsub("^self,? ?", "")
          end
          if actual and not (item.is_typed and actual == named or not item.is_typed and is_part(named, actual)) then
            wrong[("%s: %s(%s) is told as (%s)"):format(file.path, item.name, actual, named)] = true
          end
        end
      end
    end
    assert.same({}, sorted(wrong))
  end)

  it("name the parameters of what is typed as a whole", function()
    local wrong = {}
    local function compare(name, f, signature)
      local named, actual = names_in(signature), type(f) == "function" and parameters_of(f)
      if named and actual and named:find("^self") then -- a method, which may call itself what it likes
        actual = actual:gsub("^[%w_]+", "self")
      end
      if named and actual and named ~= actual then
        wrong[("%s(%s) is told as (%s)"):format(name, actual, named)] = true
      end
    end
    for kind, methods in pairs(core.methods) do
      for name, signature in pairs(CLASSES[kind] and fields_of(classes[CLASSES[kind]]) or {}) do
        compare(kind .. ":" .. name, methods[name], signature)
      end
    end
    for _, file in ipairs(files) do
      for _, item in ipairs(file.functions) do
        for _, tag in ipairs(item.tags) do
          if tag.tag == "type" then
            compare(item.name, value_of(file, item.name), tag.text)
          end
        end
      end
    end
    assert.same({}, sorted(wrong))
  end)
end)

describe("the annotated options", function()
  -- What takes options of a class: {name =, call = the function, class = name}.
  local takers = {}

  local function add(name, call, signature)
    for _, argument in ipairs(annotations.arguments(signature) or {}) do
      local class = argument.type:match("^(ebpf%.%w+Options)%??$")
      if class and call and class ~= "ebpf.AttachOptions" then
        takers[#takers + 1] = { name = name:match("[%w_]+$"), call = call, class = class }
      end
    end
  end

  for _, file in ipairs(files) do
    for _, item in ipairs(file.functions) do
      for _, tag in ipairs(item.tags) do
        local name, kind = tag.text:match("^([%w_]+)%??%s+(%S+)")
        add(item.name, value_of(file, item.name), tag.tag == "type" and tag.text
          or tag.tag == "param" and ("fun(%s: %s)"):format(name, kind) or "")
      end
    end
  end
  for kind, methods in pairs(core.methods) do
    for name, signature in pairs(CLASSES[kind] and fields_of(classes[CLASSES[kind]]) or {}) do
      add(name, methods[name], signature)
    end
  end

  -- A map that a reader has not taken yet.
  local maps = {}
  local function map(kind, size, since)
    if not maps[kind] or maps[kind]:is_closed() then
      maps[kind] = support.closing(support.granted(since, kind, ebpf.new_map { type = kind, max_entries = size }))
    end
    return maps[kind]
  end

  local program_spec = { type = "xdp", license = "GPL", instructions = assert(ebpf.asm.parse "r0 = 0; exit") }
  local program

  setup(function()
    program = support.closing(assert(ebpf.new_program(program_spec)))
  end)

  -- What stands before the options, and options that are looked at before the others.
  local before = {
    parse = function() return "exit" end,
    load = function() return assert(ebpf.load_spec(support.fixture("program_basic"))) end,
    new = function() return { type = "array", key_size = 4, value_size = 4, max_entries = 1 } end,
    new_program = function() return program_spec end,
    run = function() return program end,
    new_perf_reader = function() return map("perf_event_array", 0, "4.3") end,
    new_ring_reader = function() return map("ringbuf", 4096, "5.8") end,
    new_user_ring = function() return map("user_ringbuf", 4096, "6.1") end,
  }
  local needed = { ksyscall = "name", kretsyscall = "name" }

  -- Whether the options may have that name. What it stands for fits nowhere, so nothing is done.
  local function takes(taker, first, name)
    local options = { [name] = print }
    if needed[taker.name] then
      options[needed[taker.name]] = "x"
    end
    local ok, result
    if first then
      ok, result = pcall(taker.call, first, options)
    else
      ok, result = pcall(taker.call, options)
    end
    if ok and type(result) == "userdata" then
      result:close()
    end
    return ok or not (result:find("unknown ", 1, true) and result:find("'" .. name .. "'", 1, true))
  end

  -- All words that can be names of options: those that the sources mention.
  local words = {}
  for word in support.check_run("cat src/binding/*.c"):gmatch('"([a-z_0-9]+)"') do
    words[word] = true
  end
  for word in support.check_run("cat lua/ebpf/*.lua"):gmatch("[a-z_][a-z_0-9]*") do
    words[word] = true
  end

  for _, taker in ipairs(takers) do
    it("are those that " .. taker.name .. " takes", function()
      local annotated, first = fields_of(classes[taker.class]), before[taker.name]
      assert.is_false(takes(taker, first and first(), "no_such_option"))
      local wrong = {}
      for word in pairs(words) do
        local taken = takes(taker, first and first(), word)
        if taken and not annotated[word] then
          wrong[word .. " is not annotated"] = true
        elseif annotated[word] and not taken then
          wrong[word .. " is not taken"] = true
        end
      end
      assert.same({}, sorted(wrong))
    end)
  end

  it("are those of all classes of options", function()
    local missing = {}
    for name in pairs(classes) do
      missing[name] = name:find("Options$") and name ~= "ebpf.AttachOptions" and true or nil
    end
    for _, taker in ipairs(takers) do
      missing[taker.class] = nil
    end
    assert.same({}, sorted(missing))
  end)

  it("of attach() are those of the functions of ebpf.link", function()
    local known = {}
    for name in pairs(ebpf.link) do
      for _, taker in ipairs(takers) do
        if taker.call == ebpf.link[name] then
          fields_of(classes[taker.class], known)
        end
      end
    end
    local unknown = {}
    for name in pairs(fields_of(classes["ebpf.AttachOptions"])) do
      unknown[name] = not known[name] or nil
    end
    assert.same({}, sorted(unknown))
  end)
end)
