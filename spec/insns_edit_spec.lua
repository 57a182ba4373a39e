-- Instructions put in, taken out and exchanged: what led somewhere still leads there.
local ebpf = require "ebpf"
local support = require "spec.support"

local asm, errno = ebpf.asm, ebpf.errno
local packet = ("\0"):rep(64)

local function parse(text)
  return assert(asm.parse(text))
end

-- The instructions alone, without numbers and labels.
local function code(list)
  local result = {}
  for line in tostring(list):gmatch("[^\n]+") do
    result[#result + 1] = line:match("^ *%d+: (.-)$")
  end
  return result
end

local function run(list)
  local p = support.closing(assert(ebpf.new_program { type = "xdp", license = "GPL", instructions = list }))
  return (assert(p:test(packet)))
end

-- The sum of 1 to 10, by a loop that a function does.
local function new_sum()
  return parse [[
main:
  r6 = 10
  r0 = 0
again:
  r1 = r0
  r2 = r6
  call add
  r6 -= 1
  if r6 > 0 goto again
  exit
add:
  r0 = r1
  r0 += r2
  exit
]]
end

-- Where each instruction leads, by its slot.
local function targets(list)
  local result = {}
  for i = 1, #list do
    local insn = list[i]
    if (insn.class == "jmp" or insn.class == "jmp32") and insn.op ~= "exit" and insn.op ~= "call" then
      result[i] = i + 1 + insn.off
    end
  end
  return result
end

describe("inserting", function()
  it("keeps jumps, calls and functions right, wherever it is", function()
    for at = 1, #new_sum() + 1 do
      for _, what in ipairs { "r5 = 1", "r5 = 5000000000 ll", "r5 = 1; if r5 == 1 goto +1; r5 = 2" } do
        local list = new_sum()
        local size = #parse(what)
        assert.is_true(list:insert(at, what))
        assert.equal(#new_sum() + size, #list)
        if at <= #new_sum() then
          assert.equal(55, run(list), at .. " " .. what)
          assert.same({ main = 1, add = at <= 8 and 9 + size or 9 }, list:symbols())
        end
        for i, target in pairs(targets(new_sum())) do
          local now = i >= at and i + size or i
          assert.equal(target > at and target + size or target, targets(list)[now])
        end
      end
    end
  end)

  it("is undone by removing", function()
    local checked = 0
    for path in support.run("ls build/bpf/*.bpf.o"):gmatch("[^\n]+") do
      local spec = ebpf.load_spec(path)
      for name, program in pairs(spec and spec.programs or {}) do
        local original = program.instructions
        local i = 1
        while i <= #original and i < 60 do
          local list = original:copy()
          assert(list:insert(i, "r1 = 7 ll; r2 = 1"))
          assert.is_true(list:remove(i, 3))
          assert.equal(tostring(original), tostring(list), path .. " " .. name .. " " .. i)
          assert.equal(original:bytes(), list:bytes())
          assert.same(original:references(), list:references())
          i = i + (original[i].code == 0x18 and 2 or 1)
          checked = checked + 1
        end
      end
    end
    assert.is_true(checked > 500)
  end)

  it("takes instructions, text, and tables as insns[i] gives them", function()
    local list = parse "r0 = 1; exit"
    assert(list:insert(2, parse "r0 += 1"))
    assert(list:insert(3, { code = 0x07, dst = 0, imm = 5 }))
    assert(list:insert(1, { code = 0x18, dst = 3, imm = "0x123456789abcdef0" }))
    local copied = parse "r1 = map events ll"
    assert(list:append(copied[1]))
    assert.same({ "r3 = 1311768467463790320 ll", "r0 = 1", "r0 += 1", "r0 += 5", "exit", "r1 = map events ll" },
      code(list))
    assert.same(copied:references()[1].name, list:references()[1].name)
    for i = 1, #list do
      local insn = list[i]
      if insn.text then
        assert.is_true(list:replace(i, insn))
      end
    end
    assert.equal(6, #code(list))
  end)

  it("brings what the instructions refer to", function()
    local map = support.closing(assert(ebpf.new_map {
      type = "array", key_size = 4, value_size = 8, max_entries = 1,
    }))
    local count = parse [[
      *(u32 *)(r10 - 4) = 0
      r2 = r10
      r2 += -4
      r1 = map counts ll
      call bpf_map_lookup_elem
      if r0 == 0 goto end
      r1 = 1
      lock *(u64 *)(r0 + 0) += r1
      end: r0 = 0
    ]]
    count:remove(#count)
    assert(count:rewrite_map("counts", map))
    local list = parse "r0 = 2; exit"
    assert(list:insert(1, count))
    count = nil
    collectgarbage()
    assert.equal(2, run(list))
    assert.equal(1, tonumber(map:get(0)))
    assert.is_nil(count)
    local other = parse "r1 = map counts ll"
    assert(other:rewrite_map("counts", support.closing(assert(map:clone()))))
    assert.same({ nil, "edit instructions: \"counts\" has been given two different maps", errno.EEXIST },
      { list:append(other) })
  end)

  it("brings functions", function()
    local list = parse "call twice; exit"
    assert(list:append "twice: r0 = 21; r0 *= 2; exit")
    assert.same({ twice = 3 }, list:symbols())
    assert.equal("call", (function()
      assert(list:link(list:copy()))
      return list:references()[1].kind
    end)())
    assert.equal(42, run(list))
    assert.same({ nil, "edit instructions: duplicate symbol \"twice\"", errno.EEXIST },
      { list:append "twice: exit" })
  end)

  it("keeps the lines of source", function()
    local spec = assert(ebpf.load_spec(support.fixture("program_basic")))
    local list = spec.programs.count_packets.instructions
    local before = list[7].line
    local first = list[1].line
    assert(list:insert(7, "r5 = 1"))
    assert.same(before, list[8].line)
    assert.same(before, list[7].line)
    assert(list:insert(1, "r5 = 2"))
    assert.same(first, list[1].line)
    assert.same(first, list[2].line)
    assert.same(before, list[9].line)
    -- Those of another object are not mixed in.
    assert(list:insert(3, assert(ebpf.load_spec(support.fixture("calls"))).programs.outer.instructions))
    assert.truthy(tostring(list):find("program_basic.bpf.c", 1, true))
    assert.falsy(tostring(list):find("calls.bpf.c", 1, true))
  end)

  it("is loaded with types and lines", function()
    local spec = assert(ebpf.load_spec(support.fixture("program_basic")))
    local program = spec.programs.count_packets
    program.instructions:insert(1, "r5 = 1; r5 = 2")
    spec.programs = { count_packets = program }
    local coll = support.closing(assert(spec:load()))
    assert.equal(2, (assert(coll.programs.count_packets:test(packet))))
    local id = coll.programs.count_packets:info().id
    local out = support.run(("env -u LD_PRELOAD bpftool prog dump xlated id %d"):format(id))
    assert.truthy(out:find("int count_packets", 1, true))
    assert.truthy(out:find("; ", 1, true))
  end)
end)

describe("removing", function()
  it("leads what led there to what follows", function()
    local list = parse "if r1 == 0 goto a; r2 = 1; a: r2 = 2; r2 = 3; exit"
    assert.is_true(list:remove(3))
    assert.same({ "if r1 == 0 goto +1 <L2>", "r2 = 1", "r2 = 3", "exit" }, code(list))
    assert.is_true(list:remove(2, 2))
    assert.same({ "if r1 == 0 goto +0 <L1>", "exit" }, code(list))
  end)

  it("takes both slots of a 64-bit load", function()
    local list = parse "r1 = map a ll; r2 = map b ll; exit"
    assert.is_true(list:remove(1))
    assert.same({ "r2 = map b ll", "exit" }, code(list))
    assert.same({ { index = 1, name = "b", kind = "map" } }, list:references())
    for _, at in ipairs { { 2 }, { 1, 1 }, { 2, 1 } } do
      assert.same({ nil, "edit instructions: slot 2 is the second half of a 64-bit load", errno.EINVAL },
        { list:remove(at[1], at[2]) })
    end
    assert.equal(errno.EINVAL, select(3, list:insert(2, "exit")))
  end)

  it("drops a function that has nothing left, unless it is called", function()
    local list = parse "main: r0 = 1; exit; f: r0 = 2; exit; g: r0 = 3; exit"
    assert.is_true(list:remove(3, 2))
    assert.same({ main = 1, g = 3 }, list:symbols())
    assert.is_true(list:remove(3))
    assert.same({ main = 1, g = 3 }, list:symbols())
    assert.is_true(list:remove(3))
    assert.same({ main = 1 }, list:symbols())
    list = parse "call pc+1; exit; f: r0 = 2; exit; g: exit"
    assert.same({ nil, "edit instructions: instruction 0 calls the function that is removed", errno.EINVAL },
      { list:remove(3, 2) })
    assert.equal(5, #list)
  end)

  it("refuses what would leave a jump leading nowhere", function()
    local list = parse "if r1 == 0 goto +1; exit; exit"
    assert.same({ nil, "edit instructions: instruction 0 jumps to what is removed, and nothing follows it",
      errno.EINVAL }, { list:remove(3) })
    assert.equal(3, #list)
    assert.is_true(list:remove(1, 3))
    assert.equal(0, #list)
  end)
end)

describe("replacing", function()
  it("leads what led there to the new instructions", function()
    local list = parse "if r1 == 0 goto a; r2 = 1; a: r2 = map old ll; exit"
    assert.is_true(list:replace(3, "r2 = 5; r3 = 6"))
    assert.same({ "if r1 == 0 goto +1 <L2>", "r2 = 1", "r2 = 5", "r3 = 6", "exit" }, code(list))
    assert.same({}, list:references())
    assert.is_true(list:replace(1, parse "goto +3", 1))
    assert.is_true(list:replace(2, "", 3))
    assert.same({ "goto +0 <L1>", "exit" }, code(list))
  end)

  it("refuses a jump that becomes too long, unless it has 32 bits", function()
    local long = ("r1 = 1\n"):rep(32760)
    local list = parse "if r1 == 0 goto a; r2 = 1; a: exit"
    assert.is_true(list:insert(2, long))
    assert.same({ nil, "edit instructions: the jump of instruction 0 becomes too long", errno.ERANGE },
      { list:insert(2, ("r1 = 1\n"):rep(10)) })
    assert.equal(32760 + 3, #list)
    list = parse "gotol a; r2 = 1; a: exit"
    assert.is_true(list:insert(2, long))
    assert.is_true(list:insert(2, long))
    assert.equal(2 * 32760 + 1, list[1].imm)
  end)
end)

describe("editing", function()
  it("refuses wrong arguments", function()
    local list = parse "r0 = 1; exit"
    for _, call in ipairs {
      function() list:insert(0, "exit") end, function() list:insert(4, "exit") end,
      function() list:insert(1) end, function() list:insert(1, 5) end, function() list:insert(1.5, "exit") end,
      function() list:insert("x", "exit") end, function() list:replace(3, "exit") end,
      function() list:replace(1, "exit", 3) end, function() list:remove(3) end, function() list:remove(1, 3) end,
      function() list:remove(1, -1) end, function() list:append() end,
      function() list:append { code = 300 } end, function() list:append { code = 7, dst = 16 } end,
      function() list:append { code = 7, imm = 2 ^ 31 } end, function() list:append { code = 7, off = 40000 } end,
      function() list:append { code = 7, imm = "x" } end, function() list:append { unknown = 1 } end,
      function() list:append { code = 0x18, reference = {} } end,
      function() list:append { code = 0x18, reference = { kind = "map" } } end,
      function() list:append { code = 0x18, reference = 5 } end,
      function() list[1] = "exit" end,
    } do
      assert.has_error(call)
    end
    assert.same({ nil, errno.EINVAL }, { (list:append "frob"), (select(3, list:append "frob")) })
    assert.equal("edit instructions: 1:1: there is no instruction \"frob\"", select(2, list:append "frob"))
    assert.same({ "r0 = 1", "exit" }, code(list))
  end)

  it("understands the other byte order", function()
    local list = assert(asm.parse("r0 = 1; exit", { byte_order = "big" }))
    assert(list:insert(1, "if r1 == 0 goto +1"))
    assert.same({ "if r1 == 0 goto +1 <L2>", "r0 = 1", "exit" }, code(list))
    assert.equal("\21\16\0\1", list:bytes():sub(1, 4))
    assert.same({ nil, "edit instructions: the instructions differ in byte order", errno.EINVAL },
      { list:append(parse "exit") })
    -- An empty list has none yet.
    assert.is_true(parse "":append(list))
  end)

  it("never changes a spec or an original by loading", function()
    local spec = assert(ebpf.load_spec(support.fixture("calls")))
    local before = {}
    for name, program in pairs(spec.programs) do
      before[name] = { program.instructions:bytes(), tostring(program.instructions), program.instructions:references() }
    end
    support.closing(assert(spec:load()))
    for name, program in pairs(spec.programs) do
      assert.same(before[name],
        { program.instructions:bytes(), tostring(program.instructions), program.instructions:references() })
    end
    local list = new_sum()
    local text = tostring(list)
    assert.equal(55, run(list))
    assert.equal(text, tostring(list))
  end)
end)
