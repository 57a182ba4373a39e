--- Instructions written by hand, for programs that no compiler would make.
local insn = {}

local function little_endian(value, size)
  local bytes = {}
  for i = 1, size do
    bytes[i] = string.char(value % 256)
    value = math.floor(value / 256)
  end
  return table.concat(bytes)
end

--- One slot of 8 bytes, for a little-endian machine; numbers may be negative.
function insn.slot(code, dst, src, off, imm)
  return string.char(code, dst + src * 16) .. little_endian(off, 2) .. little_endian(imm, 4)
end

--- r<dst> = <imm>
function insn.mov(dst, imm)
  return insn.slot(0xb7, dst, 0, 0, imm)
end

--- r<dst> += <imm>
function insn.add(dst, imm)
  return insn.slot(0x07, dst, 0, 0, imm)
end

insn.exit = insn.slot(0x95, 0, 0, 0, 0)

--- A program that returns a number.
function insn.returning(value)
  return insn.mov(0, value) .. insn.exit
end

return insn
