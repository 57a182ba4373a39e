--- Reads the LuaCATS comments of the module's Lua files: what is public, and what is said of it. For `make docs` and
-- for the spec that sees to it that nothing is missing.
local annotations = {}

-- The last word of "core.methods.map:get" and what is before it.
local function split(name)
  local owner, last = name:match("^(.*)[.:]([%w_]+)$")
  return owner, last or name
end

-- What a line of code declares: {name =, parameters =}, or {name =} for what is assigned; nil for anything private.
local function declared(code)
  local name, parameters = code:match("^%s*function ([%w_.:]+)%(([^)]*)%)")
  if name then
    return { name = name, parameters = parameters, indented = code:find("^%s") ~= nil }
  end
  local names = code:match("^([%w_.]+[%w_., ]*) = ")
  if names and names:find(".", 1, true) then
    return { name = names:match("[%w_.]+"), names = names }
  end
  local field = code:match("^  ([%w_]+) = core%.[%w_]+,$") or code:match("^  ([%w_]+) = doctor%.doctor,$")
  return field and { name = "ebpf." .. field }
end

-- Cuts comments into text and tags; a text below a tag goes on with it.
local function parse_block(lines)
  local block = { text = {}, tags = {} }
  local leads = false -- whether text stands above the field that it is about
  local pending = {}
  for i, line in ipairs(lines) do
    local tag, rest = line:match("^@([%w]+)%s*(.*)$")
    if tag then
      block.tags[#block.tags + 1] = { tag = tag, text = rest, lead = table.concat(pending, " ") }
      pending = {}
      local below = lines[i + 1]
      leads = leads or tag == "class" and below ~= nil and not below:find("^@")
    elseif #block.tags == 0 then
      block.text[#block.text + 1] = line
    elseif leads then
      pending[#pending + 1] = line
    else
      local last = block.tags[#block.tags]
      last.text = last.text .. " " .. line:match("^%s*(.*)$")
    end
  end
  return block
end

--- Splits "name? type text", where types may have blanks within brackets.
-- @return type, text
function annotations.split_type(text)
  local depth, i = 0, 1
  while i <= #text do
    local c = text:sub(i, i)
    if c:find("[%(%{%[<]") then
      depth = depth + 1
    elseif c:find("[%)%}%]>]") then
      depth = depth - 1
    elseif c == " " and depth == 0 and not text:sub(1, i - 1):find("[,:|]$") and not text:find("^ [|,]", i) then
      break
    end
    i = i + 1
  end
  return text:sub(1, i - 1), (text:sub(i + 1):gsub("^[#%s]*", ""))
end

local function add_class(file, block, tag)
  local name, parent = tag.text:match("^([%w_.]+):?%s*([%w_.]*)")
  local class = { name = name, parent = parent, text = block.text, fields = {}, file = file.path }
  file.classes[#file.classes + 1] = class
  return class
end

local function add_block(file, lines, code)
  local block = parse_block(lines)
  local class, is_class
  for _, tag in ipairs(block.tags) do
    if tag.tag == "class" then
      class = add_class(file, block, tag)
      is_class = true
    elseif tag.tag == "field" and class then
      local name, mark, rest = tag.text:match("^([%w_]+)(%??)%s+(.*)$")
      if name and name ~= "private" then
        local kind, text = annotations.split_type(rest)
        class.fields[#class.fields + 1] = {
          name = name, type = kind .. mark, text = tag.lead ~= "" and tag.lead .. " " .. text or text,
        }
      end
    end
  end
  local what = declared(code)
  if what then
    what.text, what.tags = block.text, block.tags
    what.after_class = is_class
    file.functions[#file.functions + 1] = what
  end
end

--- Reads one file.
-- @return {path =, name = of the module, text = lines about it, classes =, functions =}
function annotations.read(path)
  local file = { path = path, classes = {}, functions = {} }
  file.name = "ebpf." .. path:match("([%w_]+)%.lua$")
  file.name = file.name == "ebpf.init" and "ebpf" or file.name
  local block
  local stream = assert(io.open(path))
  for line in stream:lines() do
    local comment = line:match("^%s*%-%-%-%s?(.*)$")
    if comment and not block then
      block = { comment }
    elseif block then
      comment = comment or line:match("^%s*%-%-%s?(.*)$")
      if comment then
        block[#block + 1] = comment
      else
        if not file.text then
          file.text = block
        else
          add_block(file, block, line)
        end
        block = nil
      end
    end
  end
  stream:close()
  return file
end

--- Reads all files of a directory.
-- @return array, in the order of their names
function annotations.read_all(directory)
  local files = {}
  local pipe = assert(io.popen("ls " .. directory .. "/*.lua"))
  for path in pipe:lines() do
    files[#files + 1] = annotations.read(path)
  end
  pipe:close()
  return files
end

annotations.split = split

return annotations
