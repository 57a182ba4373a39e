-- Instructions as text: what is written, what is read, and that both agree.
local ebpf = require "ebpf"
local support = require "spec.support"

local asm, errno = ebpf.asm, ebpf.errno

-- The instructions of a text, printed without numbers.
local function reprint(text, options)
  return (tostring(assert(asm.parse(text, options))):gsub("%f[^\n%z] +%d+: ", ""))
end

local function lines(text)
  local result = {}
  for line in text:gmatch("[^\n]+") do
    result[#result + 1] = line
  end
  return result
end

-- Every form there is, spelled as it is printed.
local forms = [[
r1 += 5
r1 -= -5
r1 *= r2
r1 /= r2
r1 |= 1
r1 &= r10
r1 <<= 63
r1 >>= r2
r1 %= 7
r1 ^= r2
r1 s>>= 3
r1 = 2147483647
r1 = -2147483648
r1 = r2
w1 += 5
w1 s>>= w2
w1 = -1
w1 = w2
r1 = -r1
w9 = -w9
r1 s/= 3
r1 s/= r2
w1 s/= 3
w1 s/= w2
r1 s%= 3
r1 s%= r2
w1 s%= 3
w1 s%= w2
r1 = (s8)r2
r1 = (s16)r2
r1 = (s32)r2
w1 = (s8)w2
w1 = (s16)w2
r1 = addr_space_cast(r2, 0, 1)
r1 = addr_space_cast(r2, 65535, 65535)
r1 = &(void __percpu *)(r2)
r1 = be16 r1
r1 = be32 r1
r1 = be64 r1
r1 = le16 r1
r1 = le32 r1
r1 = le64 r1
r1 = bswap16 r1
r1 = bswap32 r1
r1 = bswap64 r1
r1 = *(u8 *)(r2 + 0)
r1 = *(u16 *)(r2 - 32768)
r1 = *(u32 *)(r2 + 32767)
r1 = *(u64 *)(r10 - 8)
r1 = *(s8 *)(r2 + 1)
r1 = *(s16 *)(r2 + 2)
r1 = *(s32 *)(r2 + 4)
*(u8 *)(r1 + 0) = 255
*(u16 *)(r1 + 2) = -1
*(u32 *)(r1 + 4) = -2147483648
*(u64 *)(r1 + 8) = 7
*(u8 *)(r1 + 0) = r2
*(u16 *)(r1 + 2) = r2
*(u32 *)(r1 + 4) = r2
*(u64 *)(r10 - 8) = r2
r0 = *(u8 *)skb[5]
r0 = *(u16 *)skb[r1]
r0 = *(u32 *)skb[r1 + 14]
r0 = *(u32 *)skb[r1 + -14]
lock *(u64 *)(r1 + 0) += r2
lock *(u32 *)(r1 - 4) |= r2
lock *(u64 *)(r1 + 0) &= r2
lock *(u32 *)(r1 + 0) ^= r2
r2 = atomic_fetch_add((u64 *)(r1 + 0), r2)
w2 = atomic_fetch_or((u32 *)(r1 + 0), w2)
r2 = atomic_fetch_and((u64 *)(r1 + 0), r2)
w2 = atomic_fetch_xor((u32 *)(r1 - 8), w2)
r2 = xchg_64(r1 + 0, r2)
w2 = xchg32_32(r1 + 0, w2)
r0 = cmpxchg_64(r1 + 0, r0, r2)
w0 = cmpxchg32_32(r1 + 0, w0, w2)
w1 = load_acquire((u8 *)(r2 + 0))
w1 = load_acquire((u16 *)(r2 + 0))
w1 = load_acquire((u32 *)(r2 + 0))
r1 = load_acquire((u64 *)(r2 + 0))
store_release((u8 *)(r1 + 0), w2)
store_release((u16 *)(r1 + 0), w2)
store_release((u32 *)(r1 + 0), w2)
store_release((u64 *)(r1 + 0), r2)
goto +32767
gotol +70000
gotox r3
may_goto +9000
if r1 == 5 goto +9000
if r1 != r2 goto -32768
if w1 > 5 goto +9000
if w1 >= w2 goto +9000
if r1 < -1 goto +9000
if r1 <= r2 goto +9000
if r1 s> 5 goto +9000
if r1 s>= r2 goto +9000
if w1 s< 5 goto +9000
if w1 s<= w2 goto +9000
if r1 & 8 goto +9000
exit
call bpf_map_lookup_elem
call bpf_cgrp_storage_delete
call 244800
call -1
call pc+9000
call kfunc 12345
call kfunc 12345 fd 2
callx r5
call bpf_cast_to_kern_ctx
r1 = 1311768467463790320 ll
r1 = -1 ll
r1 = map events ll
r1 = map "a name with blanks and \"quotes\" \\ \x01" ll
r1 = map .data + 8 ll
r1 = func callback ll
r1 = extern MY_CONSTANT ll
r1 = map[fd:5] ll
r1 = map[fd:5][0] + 8 ll
r1 = map[idx:2] ll
r1 = map[idx:2][0] + 8 ll
r1 = btf[id:77] ll
r1 = btf[id:77, fd:3] ll
r1 = subprog[+9000] ll
nospec
.insn 0xff, 15, 14, -1, -1
r1 = 0 <core byte_off #12 "0:1" task_struct>
call pc+8000 <call helper>
call 244800 <kernel array_map_lookup_elem>
r1 = map[fd:5] ll <map events>
r1 = 5 ll <extern MY_CONSTANT>
exit <map_value .bss + 4, unresolved>
]]

describe("assembly text", function()
  it("is a program", function()
    local p = support.closing(assert(ebpf.new_program {
      type = "xdp", license = "GPL", instructions = asm.parse "r0 = 2; exit",
    }))
    assert.equal(2, (assert(p:test(("\0"):rep(64)))))
  end)

  it("has a form for each instruction, which is read as it is written", function()
    for _, order in ipairs { "little", "big" } do
      local list = assert(asm.parse(forms, { byte_order = order }))
      -- The types of relocations are not in the text.
      local expected = forms:gsub(" task_struct>", ">")
      assert.same(lines(expected), lines(reprint(forms, { byte_order = order })))
      assert.equal(list:bytes(), assert(asm.parse(tostring(list), { byte_order = order })):bytes())
      assert.same(list:references(), assert(asm.parse(tostring(list), { byte_order = order })):references())
    end
  end)

  it("is written in the encoding of Linux", function()
    for text, bytes in pairs {
      ["r1 += 5"] = "07 01 0000 05000000",
      ["w1 s>>= w2"] = "cc 21 0000 00000000",
      ["r1 s%= r2"] = "9f 21 0100 00000000",
      ["w1 s/= 3"] = "34 01 0100 03000000",
      ["r1 = (s32)r2"] = "bf 21 2000 00000000",
      ["w1 = (s8)w2"] = "bc 21 0800 00000000",
      ["r1 = be16 r1"] = "dc 01 0000 10000000",
      ["r1 = le32 r1"] = "d4 01 0000 20000000",
      ["r1 = bswap64 r1"] = "d7 01 0000 40000000",
      ["r1 = *(s16 *)(r2 - 2)"] = "89 21 feff 00000000",
      ["*(u64 *)(r10 - 8) = -2"] = "7a 0a f8ff feffffff",
      ["r0 = *(u32 *)skb[r1 + 14]"] = "40 10 0000 0e000000",
      ["r2 = atomic_fetch_xor((u64 *)(r1 + 0), r2)"] = "db 21 0000 a1000000",
      ["w2 = xchg32_32(r1 + 0, w2)"] = "c3 21 0000 e1000000",
      ["r0 = cmpxchg_64(r1 + 0, r0, r2)"] = "db 21 0000 f1000000",
      ["w1 = load_acquire((u16 *)(r2 + 0))"] = "cb 21 0000 00010000",
      ["store_release((u8 *)(r1 + 0), w2)"] = "d3 21 0000 10010000",
      ["gotol +70000"] = "06 00 0000 70110100",
      ["may_goto +1"] = "e5 00 0100 00000000",
      ["if w1 s<= w2 goto -1"] = "de 21 ffff 00000000",
      ["call bpf_redirect"] = "85 00 0000 17000000",
      ["r1 = addr_space_cast(r2, 0, 1)"] = "bf 21 0100 01000000",
      ["r1 = 0x1122334455667788 ll"] = "18 01 0000 88776655 00 00 0000 44332211",
      ["r3 = map[fd:7][0] + 8 ll"] = "18 23 0000 07000000 00 00 0000 08000000",
      ["call pc+3"] = "85 10 0000 03000000",
      ["call kfunc 5"] = "85 20 0000 05000000",
    } do
      local list = assert(asm.parse(text, { byte_order = "little" }))
      local found = list:bytes():gsub(".", function(c) return ("%02x"):format(c:byte()) end)
      assert.equal((bytes:gsub(" ", "")), found, text)
    end
  end)

  it("is understood as others write it", function()
    for written, mine in pairs {
      ["   12: (b7) r1 = 0"] = "r1 = 0",
      ["0: (b7) r0 = 0                        ; R0_w=0"] = "r0 = 0",
      ["3: (18) r1 = 0x123456789a"] = "r1 = 78187493530 ll",
      ["3: (18) r1 = 0x5"] = "r1 = 5 ll",
      ["(61) r0 = *(u32 *)(r1 +4)"] = "r0 = *(u32 *)(r1 + 4)",
      ["(7b) *(u64 *)(r10 -8) = r1"] = "*(u64 *)(r10 - 8) = r1",
      ["(15) if r0 == 0x0 goto pc+9"] = "if r0 == 0 goto +9",
      ["(55) if r0 != 0xffffffff goto pc+9"] = "if r0 != -1 goto +9",
      ["(05) goto pc-9"] = "goto -9",
      ["(85) call bpf_map_lookup_elem#1"] = "call bpf_map_lookup_elem",
      ["(85) call bpf_task_acquire#98765"] = "call kfunc 98765",
      ["(85) call pc+9"] = "call pc+9",
      ["(db) r2 = atomic64_fetch_add((u64 *)(r1 +0), r2)"] = "r2 = atomic_fetch_add((u64 *)(r1 + 0), r2)",
      ["(c3) r2 = atomic_fetch_add((u32 *)(r1 +0), r2)"] = "w2 = atomic_fetch_add((u32 *)(r1 + 0), w2)",
      ["(db) r2 = atomic64_xchg((u64 *)(r1 +0), r2)"] = "r2 = xchg_64(r1 + 0, r2)",
      ["(c3) r2 = atomic_xchg((u32 *)(r1 +0), r2)"] = "w2 = xchg32_32(r1 + 0, w2)",
      ["(db) r0 = atomic64_cmpxchg((u64 *)(r1 +0), r0, r2)"] = "r0 = cmpxchg_64(r1 + 0, r0, r2)",
      ["(c3) r0 = atomic_cmpxchg((u32 *)(r1 +0), r0, r2)"] = "w0 = cmpxchg32_32(r1 + 0, w0, w2)",
      ["(18) r1 = map[id:5]"] = "r1 = map[id:5] ll",
      ["(18) r1 = map[id:5][0]+8"] = "r1 = map[id:5][0] + 8 ll",
      ["       0:	b7 00 00 00 02 00 00 00	r0 = 2"] = "r0 = 2",
      ["       4:	18 01 00 00 00 00 00 00 00 00 00 00 00 00 00 00	r1 = 0 ll"] = "r1 = 0 ll",
      ["w1 = *(u32 *)(r2 + 0x4)"] = "r1 = *(u32 *)(r2 + 4)",
      ["*(u32 *)(r2 + 0x4) = w1"] = "*(u32 *)(r2 + 4) = r1",
      ["lock *(u32 *)(r1 + 0x0) += w2"] = "lock *(u32 *)(r1 + 0) += r2",
      ["r1 = MY_CONSTANT ll"] = "r1 = extern MY_CONSTANT ll",
      ["r1=*(u8*)(r2)"] = "r1 = *(u8 *)(r2 + 0)",
      ["w1 = 0xffffffff"] = "w1 = -1",
      ["*(u32 *)(r1 + 0) = 4294967295"] = "*(u32 *)(r1 + 0) = -1",
    } do
      assert.equal(mine .. "\n", reprint(written), written)
    end
  end)

  it("has labels and functions", function()
    local text = [[
main:
  r6 = 10
again: r6 -= 1
  call helper
  if r6 != 0 goto again
  if r0 > 5 goto done
  gotol done
  r1 = func helper ll
done:
  exit
helper:
  r0 = 7
  exit
]]
    local list = assert(asm.parse(text))
    assert.same({ main = 1, helper = 10 }, list:symbols())
    assert.same({ { "call", 3 }, { "func", 7 } }, (function()
      local found = {}
      for i, ref in ipairs(list:references()) do
        found[i] = { ref.kind, ref.index }
      end
      return found
    end)())
    assert.same({ -3, 3, 2 }, { list[4].off, list[5].off, list[6].imm })
    assert.same(lines [[
main:
    0: r6 = 10
L1:
    1: r6 -= 1
    2: call helper
    3: if r6 != 0 goto -3 <L1>
    4: if r0 > 5 goto +3 <L8>
    5: gotol +2 <L8>
    6: r1 = func helper ll
L8:
    8: exit
helper:
    9: r0 = 7
   10: exit]], lines(tostring(list)))
    assert.equal(tostring(list), tostring(assert(asm.parse(tostring(list)))))
  end)

  it("lets labels decide where both are given, so that it can be edited", function()
    local text = tostring(assert(asm.parse "if r1 == 0 goto end; r0 = 1; exit; end: r0 = 2; exit"))
    assert.truthy(text:find("goto +2 <L3>", 1, true))
    local edited = text:gsub("    1: ", "r5 = 1\nr4 = 1\n%0")
    assert.equal(4, assert(asm.parse(edited))[1].off)
    -- A label that is nowhere says nothing.
    assert.equal(2, assert(asm.parse("if r1 == 0 goto +2 <LBB0_2>; exit; exit; exit"))[1].off)
  end)

  it("has comments and constants", function()
    local text = [[
; a line of source: r1 = 5
# another comment
// and another
.equ LIMIT, 0x10 // 16
.set OTHER, -2
r1 = LIMIT /* in
between */ ; r2 = -LIMIT # behind
r3 = OTHER; r4 = GIVEN
*(u8 *)(r10 - LIMIT) = LARGE
r5 = LARGE ll
if r1 == LIMIT goto +0
]]
    assert.same(lines [[
r1 = 16
r2 = -16
r3 = -2
r4 = 3
*(u8 *)(r10 - 16) = -1
r5 = 4294967295 ll
if r1 == 16 goto +0]], lines(reprint(text, { constants = { GIVEN = 3, LARGE = "0xffffffff" } })))
    assert.same({ nil, "parse instructions: 1:6: a number or the name of a constant or a register (r0 to r10) "
      .. "expected, not \"NONE\"", errno.EINVAL }, { asm.parse("r1 = NONE") })
  end)

  it("tells where and what is wrong", function()
    for text, message in pairs {
      ["r0 = 2\n  frob r1"] = '2:3: there is no instruction "frob r1"',
      ["goto nowhere"] = '1:6: there is no label "nowhere"',
      ["a: exit\na: exit"] = "2:1: there is a label of that name already",
      ["exit\nend:"] = '2:1: no instruction follows the label "end"',
      ["goto end\nend:"] = '2:1: no instruction follows the label "end"',
      ["r0 = *(u32 *)(r1 + 70000)"] = "1:20: the offset does not fit into 16 bits with a sign",
      ["r0 = *(u32 *)(r1 + 32768)"] = "1:18: the offset does not fit into 16 bits with a sign",
      ["r0 = 5000000000"] = "1:6: the number does not fit into 32 bits with a sign: only \"r1 = 0x123456789 ll\" "
        .. "takes a larger one",
      ["r0 = 0xffffffff"] = "1:6: the number does not fit into 32 bits with a sign: only \"r1 = 0x123456789 ll\" "
        .. "takes a larger one",
      ["r0 = 0x1ffffffffffffffff ll"] = "1:6: the number does not fit into 64 bits",
      ["r0 = 012"] = "1:6: this is no number: decimal digits, or 0x and hexadecimal ones, are",
      ["if r0 == 5 goto +40000"] = "1:17: the number does not fit into 16 bits with a sign",
      ["r1 = be16 r2"] = "1:11: this must be the same register as before",
      ["r1 = be24 r2"] = '1:6: a number or the name of a constant or a register (r0 to r10) expected, not "be24"',
      ["exit exit"] = '1:6: the end of the instruction expected, not "exit"',
      ["r16 = 5"] = '1:1: there is no instruction "r16 = 5"',
      ['r1 = map "open ll'] = "1:10: the name has no closing quote",
      ["(b7) r1 = r2"] = "1:6: the opcode in front is another instruction's",
      [".equ X, 1 <map x>"] = '1:11: the end of the instruction expected, not "<"',
      ["call bpf_map_lookup_elem <map x> <map y>"] = "1:38: the instruction refers to something already",
    } do
      local list, found, code = asm.parse(text)
      assert.same({ nil, errno.EINVAL }, { list, code })
      assert.equal("parse instructions: " .. message, found)
    end
    local far = "goto end\n" .. ("r1 = 1\n"):rep(32768) .. "end: exit"
    assert.same({ nil, "parse instructions: 1:6: label \"end\" is 32768 instructions away, which is too far: "
      .. "gotol reaches it", errno.EINVAL }, { asm.parse(far) })
    assert.truthy(asm.parse((far:gsub("^goto", "gotol"))))
  end)

  it("refuses wrong arguments", function()
    for _, options in ipairs {
      { unknown = 1 },
      { constants = 5 }, { constants = { 5 } }, { constants = { x = 1.5 } }, { constants = { x = {} } },
      { byte_order = "middle" }, { types = {} }, { types = "btf" },
    } do
      assert.has_error(function() asm.parse("exit", options) end)
    end
    assert.has_error(function() asm.parse() end)
    assert.has_error(function() asm.parse({}) end)
    assert.has_error(function() asm.parse("exit", 5) end)
    assert.equal(0, #assert(asm.parse("")))
    assert.equal(0, #assert(asm.parse("\n ; nothing\n")))
    assert.equal(errno.EINVAL, select(3, asm.parse("exit\0")))
  end)
end)

-- Calls a function with each program of each object.
local function each_program(check)
  local programs = 0
  for path in support.run("ls build/bpf/*.bpf.o build/examples/*.bpf.o"):gmatch("[^\n]+") do
    local spec = ebpf.load_spec(path)
    for name, program in pairs(spec and spec.programs or {}) do
      check(program.instructions, spec, path .. " " .. name)
      programs = programs + 1
    end
  end
  return programs
end

describe("the text of an object's programs", function()
  it("gives the same bytes, references and functions", function()
    local programs = each_program(function(list, spec, where)
      local options = { byte_order = spec.byte_order, types = spec.types }
      local again = assert(asm.parse(tostring(list), options), where)
      assert.equal(list:bytes(), again:bytes(), where)
      assert.same(list:references(), again:references(), where)
      assert.same(list:symbols(), again:symbols(), where)
      -- Types are what the text alone does not give.
      again = assert(asm.parse(tostring(list), { byte_order = spec.byte_order }), where)
      assert.equal(list:bytes(), again:bytes(), where)
    end)
    assert.is_true(programs > 100)
  end)

  it("keeps CO-RE relocations, which need the types", function()
    local spec = assert(ebpf.load_spec(support.fixture("core_kernel")))
    local program = spec.programs.flavours:copy()
    local text = tostring(program.instructions)
    program.instructions = assert(asm.parse(text, { types = spec.types }))
    assert.equal(text:gsub("; [^\n]*\n", ""), (tostring(program.instructions)))
    local whole = spec:copy()
    whole.programs = { flavours = program }
    support.closing(assert(whole:load()))
    program.instructions = assert(asm.parse(text))
    local coll, message = whole:load()
    assert.is_nil(coll)
    assert.truthy(message:find("its types are not known: parse the text with the option types", 1, true))
  end)
end)

describe("the table of helpers", function()
  it("is the kernel's", function()
    local kernel = assert(ebpf.btf.load_kernel())
    local text = kernel:c_dump("bpf_func_id")
    local count = 0
    for name, number in text:gmatch("%f[%w_]BPF_FUNC_([%w_]+) = (%d+)") do
      assert.equal(tonumber(number), assert(asm.parse("call bpf_" .. name))[1].imm)
      count = count + 1
    end
    assert.is_true(count <= 212)
    assert.is_true(count == 212 or not support.kernel_is("6.2"))
    assert.equal("call 212", assert(asm.parse("call 212"))[1].text)
  end)
end)

describe("random instructions and text", function()
  local it_once = support.once and it or function() end

  -- `make fuzz` does a million of each.
  it_once("come back the same, or are refused at a place #host", function()
    local fuzz = support.harness "asm_fuzz"
    for mode, expected in pairs {
      valid = "^%d+ slots in %d+ lists came back the same\n$",
      bytes = "^%d+ slots in %d+ lists came back the same\n$",
      text = "^%d+ of 50000 mutations were read\n$",
    } do
      local output, status = support.run(("%s %s 50000 7"):format(fuzz, mode))
      assert.matches(expected, output)
      assert.equal(0, status)
    end
  end)
end)
