--- Addresses and prefixes, from text to bytes and back: "192.0.2.1", "192.0.2.0/24", "2001:db8::/32".
local address = {}

local match = string.match

local BITS = { [4] = 32, [6] = 128 }

-- The byte of an octet's text, and its number; leading zeros are not there, which some read as octal.
local OCTETS, NUMBERS = {}, {}
for n = 0, 255 do
  OCTETS[tostring(n)], NUMBERS[tostring(n)] = string.char(n), n
end

local function parse_v4(text)
  local a, b, c, d = text:match("^(%d+)%.(%d+)%.(%d+)%.(%d+)$")
  a, b, c, d = OCTETS[a or ""], OCTETS[b or ""], OCTETS[c or ""], OCTETS[d or ""]
  return a and b and c and d and a .. b .. c .. d
end

-- The groups of a part of an IPv6 address as bytes: "db8:1" is four of them. The last of all may be an IPv4 address.
local function parse_groups(text, is_end)
  local bytes = {}
  if text == "" then
    return ""
  end
  for group in (text .. ":"):gmatch("([^:]*):") do
    local v4 = is_end and parse_v4(group)
    local number = group:find("^%x%x?%x?%x?$") and tonumber(group, 16)
    if not v4 and not number then
      return nil
    end
    bytes[#bytes + 1] = v4 or string.char(math.floor(number / 256), number % 256)
  end
  -- An IPv4 address in the middle would be no group of two bytes.
  for i = 1, #bytes - 1 do
    if #bytes[i] ~= 2 then
      return nil
    end
  end
  return table.concat(bytes)
end

local function parse_v6(text)
  local head, tail = text:match("^(.-)::(.*)$")
  if not head then
    local bytes = parse_groups(text, true)
    return bytes and #bytes == 16 and bytes or nil
  end
  head, tail = parse_groups(head), not tail:find("::", 1, true) and parse_groups(tail, true)
  if not head or not tail or #head + #tail > 14 then
    return nil
  end
  return head .. ("\0"):rep(16 - #head - #tail) .. tail
end

--- The bytes with all but the first `length` bits zero.
---@param bytes string
---@param length integer
---@return string
function address.mask(bytes, length)
  local whole, rest = math.floor(length / 8), length % 8
  if whole == #bytes then
    return bytes
  end
  local kept = bytes:sub(1, whole)
  if rest > 0 then
    local byte = bytes:byte(whole + 1)
    kept = kept .. string.char(byte - byte % 2 ^ (8 - rest))
  end
  return kept .. ("\0"):rep(#bytes - #kept)
end

local MAPPED = ("\0"):rep(10) .. "\255\255"

-- How many addresses a prefix of that length has; from 16 on.
local SIZES = {}
for length = 16, 32 do
  SIZES[length] = math.floor(2 ^ (32 - length))
end

--- Reads an IPv4 address or prefix into four bytes that exist already: lists have millions of them. It makes no string
-- and knows only what is common.
---@param text string
---@return string? a nil: address.parse() may know it
---@return string? b
---@return string? c
---@return string? d
---@return integer? length
function address.parse_v4_bytes(text)
  local a, b, c, d, slash, rest = match(text, "^(%d+)%.(%d+)%.(%d+)%.(%d+)(/?)(%d*)$")
  if not a then
    return nil
  end
  local length = slash == "" and 32 or NUMBERS[rest]
  local size = SIZES[length]
  local last, last_but_one = NUMBERS[d], NUMBERS[c]
  a, b = OCTETS[a], OCTETS[b]
  if not (size and a and b and last and last_but_one) or (last_but_one * 256 + last) % size ~= 0 then
    return nil
  end
  return a, b, OCTETS[c], OCTETS[d], length
end

--- Reads an address or a prefix. An IPv4 address in the clothes of IPv6 ("::ffff:192.0.2.1", as servers show it that
-- listen to both) is the IPv4 address. Bits behind the prefix count for nothing.
---@param text string
---@return integer? family 4 or 6; nil: it is neither
---@return string bytes 4 or 16
---@return integer length of the prefix; 32 or 128: a single address
function address.parse(text)
  local base, length = text:match("^([^/]+)/(%d%d?%d?)$")
  base = base or text
  local bytes = parse_v4(base)
  local family = bytes and 4 or 6
  bytes = bytes or parse_v6(base)
  if not bytes then
    return nil, "", 0
  end
  local bits = BITS[family]
  length = tonumber(length) or bits
  if length > bits then
    return nil, "", 0
  end
  if family == 6 and length >= 96 and bytes:sub(1, 12) == MAPPED then
    family, bytes, length = 4, bytes:sub(13), length - 96
  end
  return family, address.mask(bytes, length), length
end

--- Whether a prefix is a single address.
---@param family integer
---@param length integer
---@return boolean
function address.is_single(family, length)
  return length == BITS[family]
end

local function format_v6(bytes)
  local groups = {}
  for i = 1, 16, 2 do
    groups[#groups + 1] = ("%x"):format(bytes:byte(i) * 256 + bytes:byte(i + 1))
  end
  -- The longest run of zeros, the first of several, is "::" (RFC 5952); one group alone is not.
  local best, best_length = nil, 1
  local i = 1
  while i <= 8 do
    local from = i
    while i <= 8 and groups[i] == "0" do
      i = i + 1
    end
    if i - from > best_length then
      best, best_length = from, i - from
    end
    i = i + 1
  end
  if not best then
    return table.concat(groups, ":")
  end
  return table.concat(groups, ":", 1, best - 1) .. "::" .. table.concat(groups, ":", best + best_length)
end

--- The text of an address or prefix.
---@param family integer
---@param bytes string the first 4 or 16 count
---@param length? integer nil: a single address
---@return string
function address.format(family, bytes, length)
  local text = family == 4 and ("%d.%d.%d.%d"):format(bytes:byte(1, 4)) or format_v6(bytes)
  if length and length ~= BITS[family] then
    text = ("%s/%d"):format(text, length)
  end
  return text
end

return address
