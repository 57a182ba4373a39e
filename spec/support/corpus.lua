-- Random C structs and a value for each, the same on each Lua: to compare what compilers make of them with what this
-- library does. Give it a seed and a count.
local corpus = {}

-- Park and Miller's generator: its products are exact in a double.
local function generator(seed)
  local state = seed
  local random = {}

  --- An integer from 1 to n.
  function random.upto(n)
    state = state * 16807 % 2147483647
    return state % n + 1
  end

  function random.chance(percent)
    return random.upto(100) <= percent
  end

  function random.pick(list)
    return list[random.upto(#list)]
  end

  return random
end

-- Integers: C name, bits, signed.
local integers = {
  { "u8", 8 }, { "u16", 16 }, { "u32", 32 }, { "u64", 64 }, { "s8", 8, true }, { "s16", 16, true },
  { "s32", 32, true }, { "s64", 64, true }, { "__be16", 16 }, { "__be32", 32 }, { "__be64", 64 },
  { "unsigned int", 32 }, { "int", 32, true }, { "short", 16, true }, { "unsigned long", 64 },
  { "long long", 64, true },
  { "unsigned char", 8 }, { "long unsigned int", 64 }, { "signed char", 8, true }, { "size_t", 64 },
}

local make = {}

local function integer_value(random, bits, signed)
  local usable = math.min(bits - (signed and 1 or 0), 53) -- exact on each Lua
  local value = 0
  for _ = 1, usable do
    value = value * 2 + random.upto(2) - 1
  end
  return signed and random.chance(50) and -value - 1 or value
end

-- A literal that no compiler warns about.
local function literal(value, signed)
  if signed then
    return ("(%.0fLL - 1)"):format(value + 1)
  end
  return ("%.0fULL"):format(value)
end

-- Each maker returns a declaration without its semicolon, given the name, and the Lua value. It tells `leaf` of each
-- part that C can assign and compare.
function make.integer(state, name, path)
  local kind = state.random.pick(integers)
  local value = integer_value(state.random, kind[2], kind[3])
  state.leaf(path, literal(value, kind[3]))
  return kind[1] .. " " .. name, value
end

function make.bitfield(state, name, path)
  local kind = state.random.pick(integers)
  local width = state.random.upto(kind[2])
  local value = integer_value(state.random, width, kind[3])
  if kind[3] and width == 1 then
    value = -state.random.upto(2) + 1
  end
  state.leaf(path, literal(value, kind[3]))
  local unnamed = ""
  if state.random.chance(15) then
    local other = state.random.pick(integers)
    unnamed = ("%s : %d; "):format(other[1], state.random.chance(40) and 0 or state.random.upto(other[2]))
  end
  return ("%s%s %s : %d"):format(unnamed, kind[1], name, width), value
end

function make.boolean(state, name, path)
  local value = state.random.chance(50)
  state.leaf(path, value and "1" or "0")
  return "bool " .. name .. (state.random.chance(30) and " : 1" or ""), value
end

function make.float(state, name, path)
  local value = (state.random.upto(1000) - 500) / 4
  state.leaf(path, ("%.2f"):format(value))
  return state.random.pick({ "float ", "double " }) .. name, value
end

function make.pointer(state, name, path)
  local value = integer_value(state.random, 48)
  state.leaf(path, ("(void *)%.0fULL"):format(value))
  return state.random.pick({ "void *", "struct nowhere *", "const char *" }) .. name, value
end

function make.enum(state, name, path)
  state.enums = state.enums + 1
  local base = state.random.chance(40) and -state.random.upto(100) or state.random.upto(1000)
  local value = base + 1
  state.leaf(path, literal(value, base < 0))
  return ("enum { E%d = %d, F%d } %s"):format(state.enums, base, state.enums, name), value
end

function make.text(state, name, path)
  local size, text = state.random.upto(20), {}
  for i = 1, state.random.upto(size) do
    text[i] = string.char(96 + state.random.upto(26))
    state.leaf(("%s[%d]"):format(path, i - 1), ("'%s'"):format(text[i]))
  end
  return ("char %s[%d]"):format(name, size), table.concat(text)
end

function make.binary(state, name, path)
  local bytes, size = {}, state.random.upto(12)
  for i = 1, size do
    local byte = state.random.upto(256) - 1
    bytes[i] = string.char(byte)
    state.leaf(("%s[%d]"):format(path, i - 1), ("%d"):format(byte))
  end
  return ("%s %s[%d]"):format(state.random.pick({ "u8", "unsigned char", "uint8_t" }), name, size), table.concat(bytes)
end

local words = { { "u16", 16 }, { "u32", 32 }, { "s64", 64, true }, { "s8", 8, true }, { "int", 32, true } }

function make.array(state, name, path)
  local kind, rows = state.random.pick(words), state.random.chance(30) and state.random.upto(3)
  local columns, value = state.random.upto(4), {}
  local function row(at)
    local list = {}
    for i = 1, columns do
      list[i] = integer_value(state.random, kind[2], kind[3])
      state.leaf(("%s[%d]"):format(at, i - 1), literal(list[i], kind[3]))
    end
    return list
  end
  if not rows then
    return ("%s %s[%d]"):format(kind[1], name, columns), row(path)
  end
  for i = 1, rows do
    value[i] = row(("%s[%d]"):format(path, i - 1))
  end
  return ("%s %s[%d][%d]"):format(kind[1], name, rows, columns), value
end

local members

function make.struct(state, name, path)
  local body, value = members(state, path .. ".")
  return body .. " " .. name, value
end

local kinds = {
  "integer", "integer", "integer", "integer", "bitfield", "bitfield", "bitfield", "bitfield", "boolean", "float",
  "pointer", "enum", "text", "binary", "array", "struct", "union", "anonymous", "anonymous",
}

-- Of a union one member has a value; what the others would have is forgotten.
local function union_members(state, path)
  local count = state.random.upto(3)
  local chosen = state.random.upto(count)
  local lines, value, leaf = {}, {}, state.leaf
  for i = 1, count do
    local name = state.name()
    state.leaf = i == chosen and leaf or function() end
    local kind = state.depth < 3 and state.random.pick(kinds) or "integer"
    if kind == "anonymous" then
      kind = "struct"
    end
    local line, given = make[kind](state, name, path .. name)
    lines[i] = line
    if i == chosen then
      value[name] = given
    end
  end
  state.leaf = leaf
  return table.concat(lines, "; ") .. "; ", value
end

local function attribute(state, what)
  if what == "packed" then
    return state.random.pick({ " __attribute__((packed))", " __attribute__((__packed__))" })
  end
  return (" __attribute__((aligned(%d)))"):format(2 ^ state.random.upto(5))
end

function make.union(state, name, path)
  state.depth = state.depth + 1
  local body, value = union_members(state, path .. ".")
  state.depth = state.depth - 1
  local packed = state.random.chance(15) and attribute(state, "packed") or ""
  return ("union { %s}%s %s"):format(body, packed, name), value
end

-- Its fields are added to those of the struct around it.
local function anonymous(state, path, into)
  local body, value
  if state.random.chance(50) then
    state.depth = state.depth + 1
    body, value = union_members(state, path)
    state.depth = state.depth - 1
    body = "union { " .. body .. "}"
  else
    body, value = members(state, path)
  end
  for name, given in pairs(value) do
    into[name] = given
  end
  return body
end

function members(state, path)
  local lines, value = {}, {}
  state.depth = state.depth + 1
  for i = 1, state.random.upto(state.depth > 1 and 4 or 8) do
    local kind = state.random.pick(kinds)
    if state.depth > 3 and (kind == "struct" or kind == "union" or kind == "anonymous") then
      kind = "integer"
    end
    if kind == "anonymous" then
      lines[i] = anonymous(state, path, value)
    else
      local name = state.name()
      lines[i], value[name] = make[kind](state, name, path .. name)
      if kind ~= "bitfield" and kind ~= "boolean" then
        lines[i] = lines[i] .. (state.random.chance(8) and attribute(state, "aligned") or "")
          .. (state.random.chance(5) and attribute(state, "packed") or "")
      end
    end
  end
  state.depth = state.depth - 1
  local behind = (state.random.chance(25) and attribute(state, "packed") or "")
    .. (state.random.chance(10) and attribute(state, "aligned") or "")
  return ("struct { %s; }%s"):format(table.concat(lines, "; "), behind), value
end

--- Makes `count` structs.
-- @return an array of {name, declaration, value, leaves}; leaves is an array of {path in C, literal in C}
function corpus.make(seed, count)
  local random, structs = generator(seed), {}
  local state = { random = random, depth = 0, enums = 0 }
  for i = 1, count do
    local leaves, names = {}, 0
    state.leaf = function(path, value)
      leaves[#leaves + 1] = { path, value }
    end
    state.name = function()
      names = names + 1
      return "m" .. names
    end
    local name = "s" .. i
    local body, value = members(state, "")
    structs[i] = { name = name, value = value, leaves = leaves,
      declaration = "struct " .. name .. body:sub(#"struct" + 1) }
  end
  return structs
end

return corpus
