--- Reads the LuaCATS comments of the module's Lua files: what is public, and what is said of it. For `make docs` and
-- for the spec that sees to it that nothing is missing.
local annotations = {}

-- The last word of "core.methods.map:get" and what is before it.
local function split(name)
  local owner, last = name:match("^(.*)[.:]([%w_]+)$")
  return owner, last or name
end

-- What a line of code declares: {name =, parameters =}, or {name =} for what is assigned; nil for anything else.
local function declared(code)
  local name, parameters = code:match("^%s*function ([%w_.:]+)%(([^)]*)%)")
  if name then
    return { name = name, parameters = parameters, indented = code:find("^%s") ~= nil }
  end
  name, parameters = code:match("^%s*local function ([%w_]+)%(([^)]*)%)")
  if name then
    return { name = name, parameters = parameters, is_local = true }
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

--- What stands between commas that are in no brackets.
-- @return array
function annotations.split_list(text)
  local list, depth, start = {}, 0, 1
  for i = 1, #text + 1 do
    local c = text:sub(i, i)
    if c:find("^[%(%{%[<]") then
      depth = depth + 1
    elseif c:find("^[%)%}%]>]") then
      depth = depth - 1
    elseif depth == 0 and (c == "," or c == "") then
      local item = text:sub(start, i - 1):match("^%s*(.-)%s*$")
      start = i + 1
      if item ~= "" then
        list[#list + 1] = item
      end
    end
  end
  return list
end

--- Takes "fun(a: T, b?: U): V?, string? text" apart.
-- @return array of {name =, type = with "?" behind what may be left out}, what follows; nil where it is no function
function annotations.arguments(signature)
  local inner, rest = signature:match("^fun(%b())(.*)$")
  if not inner then
    return nil
  end
  local arguments = {}
  for i, argument in ipairs(annotations.split_list(inner:sub(2, -2))) do
    local name, mark, kind = argument:match("^([%w_.]+)(%??):%s*(.*)$")
    arguments[i] = { name = name or argument, type = (kind or "") .. (mark or "") }
  end
  return arguments, rest
end

local function add_class(file, block, tag)
  local name, parent = tag.text:match("^([%w_.]+):?%s*([%w_.]*)")
  local class = { name = name, parent = parent, text = block.text, fields = {}, file = file.path }
  file.classes[#file.classes + 1] = class
  return class
end

local function add_block(file, lines, is_typed, code)
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
    what.after_class, what.is_typed = is_class, is_typed
    local list = what.is_local and file.locals or file.functions
    list[#list + 1] = what
  end
end

--- Reads one file.
-- @return {path =, name = of the module, text = lines about it, classes =, functions =, locals = functions that are}
function annotations.read(path)
  local file = { path = path, classes = {}, functions = {}, locals = {} }
  file.name = "ebpf." .. path:match("([%w_]+)%.lua$")
  file.name = file.name == "ebpf.init" and "ebpf" or file.name
  local block, is_typed -- whether there are tags of LuaCATS in it
  local stream = assert(io.open(path))
  for line in stream:lines() do
    local comment = line:match("^%s*%-%-%-%s?(.*)$")
    if comment and not block then
      block, is_typed = { comment }, line:find("^%s*%-%-%-@") ~= nil
    elseif block then
      is_typed = is_typed or line:find("^%s*%-%-%-@") ~= nil
      comment = comment or line:match("^%s*%-%-%s?(.*)$")
      if comment then
        block[#block + 1] = comment
      else
        if not file.text then
          file.text = block
        else
          add_block(file, block, is_typed, line)
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
