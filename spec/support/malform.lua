--- Breaks object files in every way that has a name: cut off at each boundary, each section taken away, each offset,
--- count, size and id of the ELF and BTF structures blown up, and some at random.
--
--   malform.each(object, function(label, bytes) ... end)
--
-- The same object gives the same files each time. Standalone, it writes them out for other tools:
--   lua5.4 spec/support/malform.lua object.o directory
local malform = {}

local EHDR = { size = 64, -- field, offset, width
  { "EI_CLASS", 4, 1 }, { "EI_DATA", 5, 1 }, { "EI_VERSION", 6, 1 }, { "e_type", 16, 2 }, { "e_machine", 18, 2 },
  { "e_version", 20, 4 }, { "e_shoff", 40, 8 }, { "e_ehsize", 52, 2 }, { "e_shentsize", 58, 2 }, { "e_shnum", 60, 2 },
  { "e_shstrndx", 62, 2 },
}
local SHDR = { size = 64,
  { "sh_name", 0, 4 }, { "sh_type", 4, 4 }, { "sh_flags", 8, 8 }, { "sh_offset", 24, 8 }, { "sh_size", 32, 8 },
  { "sh_link", 40, 4 }, { "sh_info", 44, 4 }, { "sh_addralign", 48, 8 }, { "sh_entsize", 56, 8 },
}
local SYM = { size = 24,
  { "st_name", 0, 4 }, { "st_info", 4, 1 }, { "st_shndx", 6, 2 }, { "st_value", 8, 8 }, { "st_size", 16, 8 },
}
local REL = { size = 16, { "r_offset", 0, 8 }, { "r_type", 8, 4 }, { "r_sym", 12, 4 } }
local REL_BIG = { size = 16, { "r_offset", 0, 8 }, { "r_sym", 8, 4 }, { "r_type", 12, 4 } }
local BTF = { size = 24,
  { "magic", 0, 2 }, { "version", 2, 1 }, { "hdr_len", 4, 4 }, { "type_off", 8, 4 }, { "type_len", 12, 4 },
  { "str_off", 16, 4 }, { "str_len", 20, 4 },
}
local INSN = { size = 8, { "code", 0, 1 }, { "registers", 1, 1 }, { "off", 2, 2 }, { "imm", 4, 4 } }
local WORD = { size = 4, { "word", 0, 4 } }

local SHT_SYMTAB, SHT_NOBITS, SHT_REL = 2, 8, 9

-- How many words, and words for each member, follow a BTF type of each kind.
local BTF_TAIL = {
  [1] = { 1, 0 }, [3] = { 3, 0 }, [4] = { 0, 3 }, [5] = { 0, 3 }, [6] = { 0, 2 }, [13] = { 0, 2 }, [14] = { 1, 0 },
  [15] = { 0, 3 }, [17] = { 1, 0 }, [19] = { 0, 3 },
}

local function read(image, offset, width)
  local value = 0
  for i = 0, width - 1 do
    local at = image.big and offset + i or offset + width - 1 - i
    value = value * 256 + (image.bytes:byte(at + 1) or 0)
  end
  return value
end

-- `value` in `width` bytes; negative numbers in two's complement.
local function encode(value, width, big)
  local bytes = {}
  for i = 1, width do
    bytes[big and width + 1 - i or i] = string.char(value % 256)
    value = math.floor(value / 256)
  end
  return table.concat(bytes)
end

local function splice(bytes, offset, replacement)
  return bytes:sub(1, offset) .. replacement .. bytes:sub(offset + #replacement + 1)
end

local function c_string(bytes, offset)
  return bytes:match("^[^%z]*", offset + 1)
end

-- The parts of a well-formed object.
local function open(bytes)
  local image = { bytes = bytes, big = bytes:byte(6) == 2 }
  image.table = read(image, 40, 8)
  image.count = read(image, 60, 2)
  image.sections = {}
  for i = 0, image.count - 1 do
    local at = image.table + i * SHDR.size
    image.sections[i] = {
      header = at, name = read(image, at, 4), type = read(image, at + 4, 4), flags = read(image, at + 8, 8),
      offset = read(image, at + 24, 8), size = read(image, at + 32, 8), info = read(image, at + 44, 4),
    }
  end
  local names = image.sections[read(image, 62, 2)]
  for i = 0, image.count - 1 do
    image.sections[i].name = c_string(bytes, names.offset + image.sections[i].name)
  end
  return image
end

-- What a field of that width may be set to: the extremes, and what is near something that matters.
local function values(image, old, width)
  local limit = 2 ^ (8 * width)
  local list, seen = {}, { [old] = true }
  local function add(value)
    value = value % limit
    if value == value and not seen[value] then
      seen[value] = true
      list[#list + 1] = encode(value, width, image.big)
    end
  end
  add(0)
  add(1)
  add(old + 1)
  add(old - 1)
  add(old * 2 + 7)
  if width >= 2 then
    add(#image.bytes)
    add(0xfff1)
  end
  if width >= 4 then
    add(#image.bytes + 1)
    add(#image.bytes - old)
    add(2 ^ 31)
    add(2 ^ 31 - 1)
    add(2 ^ 32 - 8)
  end
  if width == 8 then
    add(2 ^ 32)
    add(2 ^ 32 + old)
    list[#list + 1] = encode(2 ^ 63, 8, image.big)
    list[#list + 1] = ("\255"):rep(7):gsub("^", image.big and "" or "\248") .. (image.big and "\248" or "")
  end
  list[#list + 1] = ("\255"):rep(width)
  return list
end

local cases = {} -- functions(image, emit): each emits files of one sort

local function blow_up(image, emit, what, at, layout)
  for _, field in ipairs(layout) do
    local name, offset, width = field[1], field[2], field[3]
    for _, value in ipairs(values(image, read(image, at + offset, width), width)) do
      emit(("%s %s = %s"):format(what, name, value:gsub(".", function(c) return ("%02x"):format(c:byte()) end)),
        splice(image.bytes, at + offset, value))
    end
  end
end

function cases.truncated(image, emit)
  local cuts = { 0, 1, 4, 16, 63, 64, image.table }
  for i = 0, image.count - 1 do
    local section = image.sections[i]
    cuts[#cuts + 1] = section.header
    cuts[#cuts + 1] = section.header + SHDR.size
    cuts[#cuts + 1] = section.offset
    if section.type ~= SHT_NOBITS then
      cuts[#cuts + 1] = section.offset + section.size
    end
  end
  local seen = {}
  for _, cut in ipairs(cuts) do
    for length = cut - 1, cut + 1 do
      if length >= 0 and length < #image.bytes and not seen[length] then
        seen[length] = true
        emit(("cut to %d bytes"):format(length), image.bytes:sub(1, length))
      end
    end
  end
end

-- Renumbers what refers to sections behind the one deleted.
local function without_section(image, gone)
  local bytes = image.bytes
  local function renumber(at, width)
    local index = read(image, at, width)
    if index == gone or (index > gone and index < 0xff00) then
      bytes = splice(bytes, at, encode(index == gone and 0 or index - 1, width, image.big))
    end
  end
  for i = 1, image.count - 1 do
    local section = image.sections[i]
    renumber(section.header + 40, 4)
    if section.type == SHT_REL then
      renumber(section.header + 44, 4)
    elseif section.type == SHT_SYMTAB then
      for at = section.offset, section.offset + section.size - SYM.size, SYM.size do
        renumber(at + 6, 2)
      end
    end
  end
  renumber(62, 2)
  bytes = splice(bytes, 60, encode(image.count - 1, 2, image.big))
  local header = image.sections[gone].header
  return bytes:sub(1, header) .. bytes:sub(header + SHDR.size + 1)
end

function cases.without_sections(image, emit)
  for i = 1, image.count - 1 do
    local section = image.sections[i]
    emit("without section " .. section.name, without_section(image, i))
    emit("null section " .. section.name, splice(image.bytes, section.header + 4, ("\0"):rep(4)))
    emit("empty section " .. section.name, splice(image.bytes, section.header + 32, ("\0"):rep(8)))
    emit("section without data " .. section.name,
      splice(image.bytes, section.header + 4, encode(SHT_NOBITS, 4, image.big)))
    emit("compressed section " .. section.name, splice(image.bytes, section.header + 8,
      encode(section.flags % 2048 + 2048, 8, image.big)))
    emit("noise in section " .. section.name, section.type == SHT_NOBITS and image.bytes
      or splice(image.bytes, section.offset, ("\255"):rep(section.size)))
    emit("zeroes in section " .. section.name, section.type == SHT_NOBITS and image.bytes
      or splice(image.bytes, section.offset, ("\0"):rep(section.size)))
  end
end

function cases.header(image, emit)
  blow_up(image, emit, "header", 0, EHDR)
  -- With very many sections, section 0 has their number and where their names are.
  local many = splice(image.bytes, 60, "\0\0")
  for _, value in ipairs(values(image, image.count, 8)) do
    emit("e_shnum = 0, sh_size of section 0 blown up", splice(many, image.table + 32, value))
  end
  local names = splice(image.bytes, 62, "\255\255")
  for _, value in ipairs(values(image, read(image, 62, 2), 4)) do
    emit("e_shstrndx = SHN_XINDEX, sh_link of section 0 blown up", splice(names, image.table + 40, value))
  end
end

function cases.sections(image, emit)
  for i = 0, image.count - 1 do
    blow_up(image, emit, "section " .. i .. " " .. image.sections[i].name, image.sections[i].header, SHDR)
  end
end

local function is_debug(section)
  return section.name:find("debug", 1, true) or section.name == ".rel.BTF" or section.name == ".rel.BTF.ext"
end

function cases.records(image, emit)
  for i = 1, image.count - 1 do
    local section = image.sections[i]
    local layout
    if section.type == SHT_SYMTAB then
      layout = SYM
    elseif section.type == SHT_REL and not is_debug(section) then
      layout = image.big and REL_BIG or REL
    elseif section.type ~= SHT_NOBITS and math.floor(section.flags / 4) % 2 == 1 then
      layout = INSN
    elseif section.name:find("maps", 1, true) and section.type ~= SHT_REL then
      layout = WORD
    end
    if layout then
      for at = section.offset, section.offset + section.size - layout.size, layout.size do
        blow_up(image, emit, ("%s + %d"):format(section.name, at - section.offset), at, layout)
      end
    end
  end
end

function cases.btf(image, emit)
  local section
  for i = 1, image.count - 1 do
    section = image.sections[i].name == ".BTF" and image.sections[i] or section
  end
  if not section then
    return
  end
  blow_up(image, emit, "BTF header", section.offset, BTF)
  local at = section.offset + read(image, section.offset + 4, 4) + read(image, section.offset + 8, 4)
  local last = at + read(image, section.offset + 12, 4)
  local id = 0
  while at < last do
    id = id + 1
    local info = read(image, at + 4, 4)
    local tail = BTF_TAIL[math.floor(info / 2 ^ 24) % 32] or { 0, 0 }
    local words = 3 + tail[1] + tail[2] * (info % 65536)
    for word = 0, words - 1 do
      -- The last two are a type of another kind, and a struct of very many members.
      for _, value in ipairs { 0, 1, id, id + 1, 2 ^ 31, 2 ^ 32 - 1, info % 65536 + 2 ^ 24 * (id % 21),
        0xffff + 4 * 2 ^ 24 } do
        if value ~= read(image, at + 4 * word, 4) then
          emit(("BTF type %d word %d = %.0f"):format(id, word, value),
            splice(image.bytes, at + 4 * word, encode(value, 4, image.big)))
        end
      end
    end
    at = at + 4 * words
  end
end

local BTF_EXT_HEADER = { { "magic", 0, 2 }, { "version", 2, 1 }, { "header_size", 4, 4 }, { "func_offset", 8, 4 },
  { "func_size", 12, 4 }, { "line_offset", 16, 4 }, { "line_size", 20, 4 }, { "core_offset", 24, 4 },
  { "core_size", 28, 4 } }

-- The words of one part of .BTF.ext: the size of a record; the name of each section, its number of records, these.
local function ext_words(image, section, pair, emit_word)
  local at = section.offset + read(image, section.offset + 4, 4) + read(image, section.offset + pair, 4)
  local last = at + read(image, section.offset + pair + 4, 4)
  if at == last then
    return
  end
  local record_size = read(image, at, 4)
  emit_word("record size", at)
  at = at + 4
  while at < last do
    emit_word("section", at)
    emit_word("count", at + 4)
    local records = at + 8
    at = records + read(image, at + 4, 4) * record_size
    for word = records, at - 4, 4 do
      emit_word("word", word)
    end
  end
end

function cases.btf_ext(image, emit)
  for i = 1, image.count - 1 do
    local section = image.sections[i]
    if section.name == ".BTF.ext" then
      blow_up(image, emit, "BTF.ext header", section.offset, BTF_EXT_HEADER)
      for pair = 8, 24, 8 do
        ext_words(image, section, pair, function(what, at)
          blow_up(image, emit, ("BTF.ext %s at %d"):format(what, at - section.offset), at, { { "word", 0, 4 } })
        end)
      end
    end
  end
end

-- A generator of its own: math.random differs between the Luas.
local function random_from(seed)
  return function(n)
    seed = (seed * 16807) % 2147483647
    return seed % n
  end
end

function cases.random(image, emit)
  local random = random_from(20190618 + #image.bytes)
  for round = 1, 1000 do
    local bytes = image.bytes
    for _ = 0, random(6) do
      bytes = splice(bytes, random(#bytes), string.char(random(256)))
    end
    emit("random " .. round, bytes)
  end
end

malform.sorts = { "truncated", "without_sections", "header", "sections", "records", "btf", "btf_ext", "random" }

--- Calls `emit(label, bytes)` for each broken version of a well-formed object.
-- @param sorts array of names of `malform.sorts`; all by default
-- @return how many there were
function malform.each(bytes, emit, sorts)
  local image, count = open(bytes), 0
  for _, sort in ipairs(sorts or malform.sorts) do
    cases[sort](image, function(label, broken)
      count = count + 1
      emit(label, broken)
    end)
  end
  return count
end

if arg and arg[0] and arg[0]:find("malform%.lua$") then
  local file = assert(io.open(assert(arg[1], "usage: malform.lua object directory"), "rb"))
  local bytes, number = file:read("*a"), 0
  file:close()
  malform.each(bytes, function(_, broken)
    number = number + 1
    local out = assert(io.open(("%s/%06d"):format(arg[2], number), "wb"))
    out:write(broken)
    out:close()
  end)
end

return malform
