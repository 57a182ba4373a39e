-- Writes what the LuaCATS comments say as Lua files with the tags of LDoc, which does not read LuaCATS:
--
--   lua5.4 spec/support/docs.lua lua/ebpf build/docs/source
local annotations = require "spec.support.annotations"

local from, to = ...

local function html(text)
  text = text:gsub("[&<>]", { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;" })
  return (text:gsub("`([^`]*)`", "<code>%1</code>"):gsub("@", "&#64;"))
end

-- Lines of text as HTML: what is indented is code.
local function add_text(out, lines)
  local in_code, first = false, true
  for _, line in ipairs(lines) do
    local is_code = line:find("^    %s*%S") ~= nil
    local text = html(line)
    if is_code ~= in_code then
      text = (is_code and "<pre>" or "</pre>") .. text
      in_code = is_code
    elseif line == "" and not first then
      text = "<p>"
    end
    out[#out + 1] = (first and "--- " or "-- ") .. text
    first = false
  end
  if first then
    out[#out + 1] = "---"
  end
  if in_code then
    out[#out + 1] = "-- </pre>"
  end
end

local function add_typed(out, tag, name, kind, text)
  out[#out + 1] = ("-- @%s %s<code>%s</code> %s"):format(tag, name and name .. " " or "", html(kind), html(text))
end

-- "fun(a: T, b?: U): V?, string? text" as parameters and results.
local function add_signature(out, signature)
  local arguments, rest = annotations.arguments(signature)
  if not arguments then
    return add_typed(out, "return", nil, signature, "")
  end
  for _, argument in ipairs(arguments) do
    add_typed(out, "param", argument.name, argument.type, "")
  end
  local kinds, text = annotations.split_type((rest:gsub("^:%s*", "")))
  for i, kind in ipairs(annotations.split_list(kinds)) do
    add_typed(out, "return", nil, kind, i == 1 and text or "")
  end
end

local function add_tags(out, tags)
  for _, tag in ipairs(tags) do
    if tag.tag == "param" then
      local name, mark, rest = tag.text:match("^([%w_.]+)(%??)%s+(.*)$")
      local kind, text = annotations.split_type(rest)
      add_typed(out, "param", name, kind .. mark, text)
    elseif tag.tag == "return" then
      local kind, text = annotations.split_type(tag.text)
      add_typed(out, "return", nil, kind, text)
    elseif tag.tag == "type" then
      add_signature(out, tag.text)
    end
  end
end

local function write(file)
  local out = {}
  add_text(out, file.text)
  out[#out + 1] = "-- @module " .. file.name
  out[#out + 1] = ""
  for _, class in ipairs(file.classes) do
    add_text(out, class.text)
    if class.parent ~= "" then
      out[#out + 1] = "-- <p>Has also what " .. class.parent .. " has."
    end
    out[#out + 1] = "-- @table " .. class.name
    for _, field in ipairs(class.fields) do
      add_typed(out, "field", field.name, field.type, field.text)
    end
    out[#out + 1] = ""
  end
  for _, item in ipairs(file.functions) do
    if #item.tags > 0 or #item.text > 0 then
      add_text(out, item.text)
      out[#out + 1] = "-- @function " .. item.name
      add_tags(out, item.tags)
      out[#out + 1] = ""
    end
  end
  local stream = assert(io.open(("%s/%s.lua"):format(to, file.name), "w"))
  assert(stream:write(table.concat(out, "\n"), "\n"))
  stream:close()
end

for _, file in ipairs(annotations.read_all(from)) do
  write(file)
end
