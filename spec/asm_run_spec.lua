-- What instructions built from text compute in the kernel, next to what C computes.
local ebpf = require "ebpf"
local support = require "spec.support"

local asm = ebpf.asm
local unpack = rawget(table, "unpack") or rawget(_G, "unpack")

-- Both sides have r0, r1, r2 and a cell in memory, which r3 points to. C has u8 to u64 and s8 to s64, M(type) for the
-- cell, and its own words for what C leaves undefined: DIV and MOD by zero, shifts beyond the width.
local cases = {
  { "lock *(u64 *)(r3 + 0) += r2", "__atomic_fetch_add(&M(u64), r2, 5);" },
  { "lock *(u64 *)(r3 + 0) |= r2", "__atomic_fetch_or(&M(u64), r2, 5);", "5.12" },
  { "lock *(u64 *)(r3 + 0) &= r2", "__atomic_fetch_and(&M(u64), r2, 5);", "5.12" },
  { "lock *(u64 *)(r3 + 0) ^= r2", "__atomic_fetch_xor(&M(u64), r2, 5);", "5.12" },
  { "lock *(u32 *)(r3 + 0) += r2", "__atomic_fetch_add(&M(u32), r2, 5);" },
  { "lock *(u32 *)(r3 + 0) |= r2", "__atomic_fetch_or(&M(u32), r2, 5);", "5.12" },
  { "lock *(u32 *)(r3 + 0) &= r2", "__atomic_fetch_and(&M(u32), r2, 5);", "5.12" },
  { "lock *(u32 *)(r3 + 4) ^= r2", "__atomic_fetch_xor(&M(u32) + 1, r2, 5);", "5.12" },
  { "r2 = atomic_fetch_add((u64 *)(r3 + 0), r2)", "r2 = __atomic_fetch_add(&M(u64), r2, 5);", "5.12" },
  { "r2 = atomic_fetch_or((u64 *)(r3 + 0), r2)", "r2 = __atomic_fetch_or(&M(u64), r2, 5);", "5.12" },
  { "r2 = atomic_fetch_and((u64 *)(r3 + 0), r2)", "r2 = __atomic_fetch_and(&M(u64), r2, 5);", "5.12" },
  { "r2 = atomic_fetch_xor((u64 *)(r3 + 0), r2)", "r2 = __atomic_fetch_xor(&M(u64), r2, 5);", "5.12" },
  { "w2 = atomic_fetch_add((u32 *)(r3 + 0), w2)", "r2 = __atomic_fetch_add(&M(u32), r2, 5);", "5.12" },
  { "w2 = atomic_fetch_or((u32 *)(r3 + 4), w2)", "r2 = __atomic_fetch_or(&M(u32) + 1, r2, 5);", "5.12" },
  { "w2 = atomic_fetch_and((u32 *)(r3 + 0), w2)", "r2 = __atomic_fetch_and(&M(u32), r2, 5);", "5.12" },
  { "w2 = atomic_fetch_xor((u32 *)(r3 + 0), w2)", "r2 = __atomic_fetch_xor(&M(u32), r2, 5);", "5.12" },
  { "r2 = xchg_64(r3 + 0, r2)", "r2 = __atomic_exchange_n(&M(u64), r2, 5);", "5.12" },
  { "w2 = xchg32_32(r3 + 0, w2)", "r2 = __atomic_exchange_n(&M(u32), (u32)r2, 5);", "5.12" },
  { "r0 = cmpxchg_64(r3 + 0, r0, r2)", "__atomic_compare_exchange_n(&M(u64), &r0, r2, 0, 5, 5);", "5.12" },
  { "w0 = cmpxchg32_32(r3 + 0, w0, w2)",
    "u32 w0 = r0; __atomic_compare_exchange_n(&M(u32), &w0, (u32)r2, 0, 5, 5); r0 = w0;", "5.12" },
  { "w1 = load_acquire((u8 *)(r3 + 1))", "r1 = __atomic_load_n(&M(u8) + 1, 2);", "6.15" },
  { "w1 = load_acquire((u16 *)(r3 + 2))", "r1 = __atomic_load_n(&M(u16) + 1, 2);", "6.15" },
  { "w1 = load_acquire((u32 *)(r3 + 4))", "r1 = __atomic_load_n(&M(u32) + 1, 2);", "6.15" },
  { "r1 = load_acquire((u64 *)(r3 + 0))", "r1 = __atomic_load_n(&M(u64), 2);", "6.15" },
  { "store_release((u8 *)(r3 + 7), w2)", "__atomic_store_n(&M(u8) + 7, (u8)r2, 3);", "6.15" },
  { "store_release((u16 *)(r3 + 2), w2)", "__atomic_store_n(&M(u16) + 1, (u16)r2, 3);", "6.15" },
  { "store_release((u32 *)(r3 + 0), w2)", "__atomic_store_n(&M(u32), (u32)r2, 3);", "6.15" },
  { "store_release((u64 *)(r3 + 0), r2)", "__atomic_store_n(&M(u64), r2, 3);", "6.15" },

  { "r1 = bswap16 r1", "r1 = __builtin_bswap16(r1);", "6.6" },
  { "r1 = bswap32 r1", "r1 = __builtin_bswap32(r1);", "6.6" },
  { "r1 = bswap64 r1", "r1 = __builtin_bswap64(r1);", "6.6" },
  { "r1 = be16 r1", "r1 = htobe16(r1);" },
  { "r1 = be32 r1", "r1 = htobe32(r1);" },
  { "r1 = be64 r1", "r1 = htobe64(r1);" },
  { "r1 = le16 r1", "r1 = htole16(r1);" },
  { "r1 = le32 r1", "r1 = htole32(r1);" },
  { "r1 = le64 r1", "r1 = htole64(r1);" },
  { "r1 = (s8)r2", "r1 = (s64)(s8)r2;", "6.6" },
  { "r1 = (s16)r2", "r1 = (s64)(s16)r2;", "6.6" },
  { "r1 = (s32)r2", "r1 = (s64)(s32)r2;", "6.6" },
  { "w1 = (s8)w2", "r1 = (u32)(s32)(s8)r2;", "6.6" },
  { "w1 = (s16)w2", "r1 = (u32)(s32)(s16)r2;", "6.6" },
  { "r1 = *(s8 *)(r3 + 1)", "r1 = (s64)(&M(s8))[1];", "6.6" },
  { "r1 = *(s16 *)(r3 + 2)", "r1 = (s64)(&M(s16))[1];", "6.6" },
  { "r1 = *(s32 *)(r3 + 4)", "r1 = (s64)(&M(s32))[1];", "6.6" },
  { "r1 = *(u8 *)(r3 + 1)", "r1 = (&M(u8))[1];" },
  { "r1 = *(u16 *)(r3 + 2)", "r1 = (&M(u16))[1];" },
  { "r1 = *(u32 *)(r3 + 4)", "r1 = (&M(u32))[1];" },
  { "r1 = *(u64 *)(r3 + 0)", "r1 = M(u64);" },
  { "*(u8 *)(r3 + 1) = r2", "(&M(u8))[1] = r2;" },
  { "*(u16 *)(r3 + 2) = r2", "(&M(u16))[1] = r2;" },
  { "*(u32 *)(r3 + 4) = r2", "(&M(u32))[1] = r2;" },
  { "*(u64 *)(r3 + 0) = r2", "M(u64) = r2;" },
  { "*(u8 *)(r3 + 1) = 255", "(&M(u8))[1] = 255;" },
  { "*(u16 *)(r3 + 2) = -2", "(&M(u16))[1] = -2;" },
  { "*(u32 *)(r3 + 4) = 4294967295", "(&M(u32))[1] = -1;" },
  { "*(u64 *)(r3 + 0) = -3", "M(u64) = -3;" },
  { "r1 s/= r2", "r1 = DIV(s64, r1, r2);", "6.6" },
  { "r1 s/= -7", "r1 = DIV(s64, r1, -7);", "6.6" },
  { "r1 s%= r2", "r1 = MOD(s64, r1, r2);", "6.6" },
  { "r1 s%= -7", "r1 = MOD(s64, r1, -7);", "6.6" },
  { "w1 s/= w2", "r1 = (u32)DIV(s32, r1, r2);", "6.6" },
  { "w1 s/= -7", "r1 = (u32)DIV(s32, r1, -7);", "6.6" },
  { "w1 s%= w2", "r1 = (u32)MOD(s32, r1, r2);", "6.6" },
  { "w1 s%= -7", "r1 = (u32)MOD(s32, r1, -7);", "6.6" },
  { "r1 = -r1", "r1 = -r1;" },
  { "w1 = -w1", "r1 = (u32)-r1;" },
  { "r1 = 0x123456789abcdef0 ll", "r1 = 0x123456789abcdef0;" },
  { "r1 = -2 ll", "r1 = -2;" },
  { "if r1 == 5 goto other; gotol skip; other: r1 = 1; skip: r1 += 2", "if (r1 == 5) r1 = 1; r1 += 2;", "6.6" },
  { "if r1 == 5 goto other; goto skip; other: r1 = 1; skip: r1 += 2", "if (r1 == 5) r1 = 1; r1 += 2;" },
  { "r1 &= 255; again: may_goto done; r1 += 1; if r1 < 1000 goto again; done:", "r1 = 1000;", "6.9" },
}

local function add(asm_text, c)
  cases[#cases + 1] = { asm_text, c }
end

for op, c in pairs { ["+"] = "%s + %s", ["-"] = "%s - %s", ["*"] = "%s * %s", ["|"] = "%s | %s", ["&"] = "%s & %s",
  ["^"] = "%s ^ %s", ["/"] = "DIV(u%d, %s, %s)", ["%"] = "MOD(u%d, %s, %s)", ["<<"] = "%s << (%s & %d)",
  [">>"] = "%s >> (%s & %d)", ["s>>"] = "(s%d)%s >> (%s & %d)" } do
  for _, operand in ipairs { "2", "13", "-5" } do
    if not (operand == "-5" and (op == "/" or op == "%" or op:find("[<>]"))) then
      for bits, register in pairs { [64] = "r", [32] = "w" } do
        local mask = bits - 1
        local a = bits == 64 and "r1" or "(u32)r1"
        local b = operand == "2" and "r2" or operand
        b = bits == 64 and b or "(u32)" .. b
        local given = { a, b }
        if c:find("^DIV") or c:find("^MOD") then
          given = { bits, a, b }
        elseif c:find("^%(s") then
          given = { bits, a, b, mask }
        elseif op:find("[<>]") then
          given = { a, b, mask }
        end
        local expression = c:format(unpack(given))
        add(("%s1 %s= %s"):format(register, op, operand == "2" and register .. "2" or operand),
          ("r1 = (u%d)(%s);"):format(bits, expression))
      end
    end
  end
end

for _, op in ipairs { "==", "!=", ">", ">=", "<", "<=", "s>", "s>=", "s<", "s<=", "&" } do
  local sign = op:find("^s") and "s" or "u"
  for bits, register in pairs { [64] = "r", [32] = "w" } do
    for _, operand in ipairs { register .. "2", "-3", "5" } do
      local type = sign .. bits
      add(("if %s1 %s %s goto skip; r0 = 7; skip: r1 = 1"):format(register, op, operand),
        ("if (!((%s)r1 %s (%s)%s)) r0 = 7; r1 = 1;"):format(type, op:gsub("^s", ""), type, (operand:gsub("w", "r"))))
    end
  end
end

-- r0, r1, r2 and the cell.
local operands = {
  { "0000000000000000", "0000000000000000", "0000000000000000", "0000000000000000" },
  { "0000000000000005", "0000000000000007", "0000000000000003", "0000000000000005" },
  { "8877665544332211", "0123456789abcdef", "fedcba9876543210", "8877665544332211" },
  { "ffffffffffffffff", "8000000000000000", "ffffffffffffffff", "00000000ffffffff" },
  { "00000000ffffffff", "0000000080000000", "00000000ffffffff", "ffffffffffffffff" },
  { "deadbeef80808080", "fffffffffffffffd", "fffffffffffffffd", "deadbeef80808080" },
  { "0000000180000000", "ffffffff00000005", "0000000000000005", "7fffffff80000000" },
  { "1111111111111111", "0000000000000005", "ffffffff00000005", "8080808080808080" },
  { "0000000000000001", "7fffffffffffffff", "0000000000000041", "00ff00ff00ff00ff" },
}

local function write_c()
  local text = { [[
#define _DEFAULT_SOURCE
#include <endian.h>
#include <stdint.h>
#include <stdio.h>
typedef uint8_t u8; typedef uint16_t u16; typedef uint32_t u32; typedef uint64_t u64;
typedef int8_t s8; typedef int16_t s16; typedef int32_t s32; typedef int64_t s64;
#define M(type) (*(type *)&cell)
#define LEAST(type) ((type)-1 < 0 && (type)a == (type)((u64)1 << (sizeof(type) * 8 - 1)) && (type)b == (type)-1)
#define DIV(type, x, y) ({ u64 a = x, b = y; !(type)b ? 0 : LEAST(type) ? (type)a : (type)((type)a / (type)b); })
#define MOD(type, x, y) ({ u64 a = x, b = y; !(type)b ? (type)a : LEAST(type) ? 0 : (type)((type)a % (type)b); })
static void show(int c, u64 r0, u64 r1, u64 r2, u64 cell)
{
	printf("%d %016lx %016lx %016lx %016lx\n", c, (long)r0, (long)r1, (long)r2, (long)cell);
}
]] }
  for i, case in ipairs(cases) do
    text[#text + 1] = ("static void f%d(u64 r0, u64 r1, u64 r2, u64 cell)\n{ %s show(%d, r0, r1, r2, cell); }\n")
      :format(i, case[2], i)
  end
  text[#text + 1] = "int main(void)\n{\n"
  for i = 1, #cases do
    for _, given in ipairs(operands) do
      text[#text + 1] = ("f%d(0x%s, 0x%s, 0x%s, 0x%s);\n"):format(i, given[1], given[2], given[3], given[4])
    end
  end
  text[#text + 1] = "return 0; }\n"
  return table.concat(text)
end

-- What C computes: by case, the lines of its operands.
local function run_c()
  local directory = support.tmpdir()
  support.write_file(directory .. "/cases.c", write_c())
  support.check_run(("cc -O0 -fwrapv -fno-strict-aliasing -w -o %s/cases %s/cases.c"):format(directory, directory))
  local results = {}
  for case, line in support.check_run(directory .. "/cases"):gmatch("(%d+) ([^\n]+)\n") do
    case = tonumber(case)
    results[case] = results[case] or {}
    table.insert(results[case], line)
  end
  return results
end

local function to_bytes(hex)
  return (hex:gsub("..", function(pair) return string.char(tonumber(pair, 16)) end):reverse())
end

local function to_hex(bytes)
  return (bytes:reverse():gsub(".", function(c) return ("%02x"):format(c:byte()) end))
end

local frame = [[
  *(u32 *)(r10 - 4) = 0
  r2 = r10
  r2 += -4
  r1 = map cells ll
  call bpf_map_lookup_elem
  if r0 == 0 goto out
  r6 = r0
  r3 = r6
  r3 += 24
  r0 = *(u64 *)(r6 + 0)
  r1 = *(u64 *)(r6 + 8)
  r2 = *(u64 *)(r6 + 16)
  %s
  *(u64 *)(r6 + 0) = r0
  *(u64 *)(r6 + 8) = r1
  *(u64 *)(r6 + 16) = r2
out:
  r0 = 0
  exit
]]

local function load_case(text, cells)
  local list = assert(asm.parse((frame:gsub("%%s", function() return text end))))
  assert(list:rewrite_map("cells", cells))
  return ebpf.new_program { type = "sched_cls", license = "GPL", instructions = list }
end

describe("instructions from text", function()
  local cells

  before_each(function()
    cells = support.closing(assert(ebpf.new_map { type = "array", key_size = 4, value_size = 32, max_entries = 1 }))
  end)

  it("compute what C computes", function()
    local expected = run_c()
    local packet = ("\0"):rep(64)
    for i, case in ipairs(cases) do
      local p, message = load_case(case[1], cells)
      -- Older kernels refuse them in words such as "unknown opcode", "uses reserved fields".
      if p or not case[3] or support.kernel_is(case[3]) then
        assert(p, case[1] .. ": " .. tostring(message))
        for j, given in ipairs(operands) do
          assert(cells:put(0, to_bytes(given[1]) .. to_bytes(given[2]) .. to_bytes(given[3]) .. to_bytes(given[4])))
          assert(p:test(packet))
          local bytes = cells:get_bytes(0)
          local found = {}
          for word = 0, 3 do
            found[word + 1] = to_hex(bytes:sub(word * 8 + 1, word * 8 + 8))
          end
          assert.equal(expected[i][j], table.concat(found, " "), case[1] .. " / " .. case[2])
        end
        p:close()
      end
    end
  end)

  it("read packets", function()
    local packet = ("\0"):rep(14) .. "\1\2\3\4\5\6\7\8" .. ("\0"):rep(42)
    for text, expected in pairs {
      ["r0 = *(u8 *)skb[15]"] = 0x02,
      ["r0 = *(u16 *)skb[16]"] = 0x0304,
      ["r0 = *(u32 *)skb[18]"] = 0x05060708,
      ["r7 = 14; r0 = *(u8 *)skb[r7]"] = 0x01,
      ["r7 = 14; r0 = *(u16 *)skb[r7 + 2]"] = 0x0304,
      ["r7 = 20; r0 = *(u32 *)skb[r7 + -6]"] = 0x01020304,
    } do
      local p = support.closing(assert(ebpf.new_program {
        type = "sched_cls", license = "GPL", instructions = asm.parse("r6 = r1; " .. text .. "; exit"),
      }))
      assert.equal(expected, (assert(p:test(packet))), text)
    end
  end)

  it("call functions, also by their addresses", function()
    local p, message = ebpf.new_program { type = "sched_cls", license = "GPL", instructions = asm.parse [[
      main:
        *(u64 *)(r10 - 8) = 0
        r1 = 10
        r2 = func add ll
        r3 = r10
        r3 += -8
        r4 = 0
        call bpf_loop
        r1 = *(u64 *)(r10 - 8)
        call double
        exit
      add:                          // the number of the turn, and the pointer to the sum
        r3 = *(u64 *)(r2 + 0)
        r3 += r1
        *(u64 *)(r2 + 0) = r3
        r0 = 0
        exit
      double:
        r0 = r1
        r0 *= 2
        exit
    ]] }
    if not p then
      support.needs("5.17", "bpf_loop", message)
    end
    assert.equal(2 * 45, (assert(support.closing(assert(p, message)):test(("\0"):rep(64)))))
  end)

  it("cast pointers between address spaces", function()
    local arena, message = ebpf.new_map { type = "arena", name = "arena", max_entries = 4, flags = 0x400 }
    if not arena then
      support.needs("6.9", "arena", message)
    end
    support.closing(arena)
    local list = assert(asm.parse [[
      r1 = map arena ll
      r2 = 0
      r3 = 1
      r4 = -1
      r5 = 0
      call bpf_arena_alloc_pages
      r6 = r0
      r0 = 1
      if r6 == 0 goto out
      r6 = addr_space_cast(r6, 0, 1)
      *(u64 *)(r6 + 8) = 77
      r0 = *(u64 *)(r6 + 8)
      r6 = addr_space_cast(r6, 1, 0)
    out:
      exit
    ]])
    assert(list:rewrite_map("arena", arena))
    local sleepable = 16
    local p = support.closing(assert(ebpf.new_program {
      type = "syscall", flags = sleepable, license = "GPL", instructions = list,
    }))
    assert.equal(77, assert(p:run { context = ("\0"):rep(8) }).retval)
  end)
end)
