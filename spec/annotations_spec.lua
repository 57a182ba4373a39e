-- Everything public is annotated, and everything annotated is there.
local annotations = require "spec.support.annotations"
local core = require "ebpf.core"
local ebpf = require "ebpf"
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
}

-- What the Lua half alone has in hands, and a method that it alone calls.
local INTERNAL_CLASSES = { iterator = true, exe = true, ["btf handle"] = true, token = true }
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

local function sorted(set)
  local names = {}
  for name in pairs(set) do
    names[#names + 1] = name
  end
  table.sort(names)
  return names
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
end)
