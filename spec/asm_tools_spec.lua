-- The text of instructions next to what llvm-objdump and bpftool print of the same ones.
local ebpf = require "ebpf"
local support = require "spec.support"

local asm = ebpf.asm

-- The instructions of a list, without numbers, by function.
local function by_function(list)
  local functions = {}
  local current
  for line in tostring(list):gmatch("[^\n]+") do
    local name = line:match("^([%w_.]+):$")
    local text = line:match("^ *%d+: (.*)$")
    if name and not name:match("^L%d+$") then
      current = name
      functions[name] = {}
    elseif text and current then
      table.insert(functions[current], text)
    end
  end
  return functions
end

-- What llvm-objdump prints, by function: texts, each with the symbol it is relocated to.
local function objdump(path)
  local functions, current, last = {}, nil, nil
  -- Functions of several sections may share a name; none of the fixtures' do.
  for line in support.check_run("llvm-objdump -dr --no-show-raw-insn " .. path):gmatch("[^\n]+") do
    local name = line:match("^%x+ <(.*)>:$")
    local text = line:match("^ *%d+:\t(.*)$")
    local symbol = line:match("R_BPF_[%w_]+\t(.*)$")
    if name and not name:match("^LBB") then
      current = functions[name] or {}
      functions[name] = current
    elseif text and current then
      last = { text = text }
      current[#current + 1] = last
    elseif symbol and last then
      last.symbol = symbol
    end
  end
  return functions
end

-- The differences in spelling. llvm-objdump prints
--   calls of helpers by number:                          call 1          for  call bpf_map_lookup_elem
--   calls of functions by what the object has in place:  call -1         for  call add_one
--   loads that are relocated likewise:                   r1 = 0 ll       for  r1 = map counters ll
--   its own labels behind jumps:                         goto +2 <LBB0_2>
-- and nothing of CO-RE relocations and of declarations. LLVM 14 takes a cast between address spaces for a move, and
-- LLVM before 18 encodes `callx r3` with the register in imm, which is .insn here.
local function as_objdump(text, theirs)
  text = text:gsub(" <core .*>$", ""):gsub(" <ksym .*>$", ""):gsub(" <L%d+>$", "")
  theirs = theirs.text:gsub(" <[%w_.+]+>$", "")
  local cast, from = text:match("^(r%d+) = addr_space_cast%((r%d+),")
  if cast then
    return cast .. " = " .. from, theirs
  end
  if text:match("^%.insn 0x8d, 0, 0, 0, ") then
    return "callx r" .. text:match("%d+$"), theirs
  end
  if text:match("^call [%a_]") then
    local call = assert(asm.parse(text))[1]
    if call.reference then
      return "call", (theirs:gsub("^call %-?%d+$", "call"))
    end
    return "call " .. call.imm, theirs
  end
  local register = text:match("^(r%d+) = %l+ [%w_.\"]+.* ll$")
  if register and not text:match("= %-?%d+ ll$") then
    return register .. " = NAME ll", (theirs:gsub("= %-?%d+ ll$", "= NAME ll"))
  end
  return text, theirs
end

-- That a reference is to what the object is relocated to; symbols inside a section are told by the section's name.
local function check_symbol(text, symbol, functions, where)
  local kind, name = text:match("^r%d+ = (%l+) ([%w_.]+)")
  if not kind then
    kind, name = "call", text:match("^call ([%w_.]+)")
  end
  if kind == "map" and text:find(name .. " + ", 1, true) then
    return -- the variable's section
  end
  -- A symbol that is no function is a section.
  assert.truthy(symbol == name or kind == "call" and not functions[symbol] or symbol:match("^%."),
    where .. ": " .. text .. " / " .. symbol)
end

describe("what llvm-objdump prints", function()
  it("is printed of each function of each object", function()
    local compared = 0
    for path in support.run("ls build/bpf/*.bpf.o build/examples/*.bpf.o"):gmatch("[^\n]+") do
      local spec = ebpf.load_spec(path)
      local theirs = spec and objdump(path)
      for _, program in pairs(spec and spec.programs or {}) do
        for name, lines in pairs(by_function(program.instructions)) do
          local other = theirs[name]
          if other then
            local where = path .. " " .. name
            assert.equal(#other, #lines, where)
            for i, line in ipairs(lines) do
              local mine, expected = as_objdump(line, other[i])
              assert.equal(expected, mine, where)
              if other[i].symbol then
                check_symbol(line, other[i].symbol, theirs, where)
              end
              compared = compared + 1
            end
          end
        end
      end
    end
    assert.is_true(compared > 2000, compared)
  end)
end)

-- The differences in spelling: what bpftool prints of a line of ours, behind the opcode.
local function as_bpftool(text)
  text = text:gsub(" <L%d+>", "")
  local number, name = text:match("^call (%-?%d+) <kernel ([%w_.]+)>$")
  if number then
    return ("call %s#%s"):format(name, number)
  end
  if text:match("^call bpf_") then
    return text .. "#" .. assert(asm.parse(text))[1].imm
  end
  text = text:gsub("%((r%d+) ([+-]) (%d+)%)", "(%1 %2%3)")
  text = text:gsub("(goto) ([+-])", "%1 pc%2")
  text = text:gsub("^(if .- )(%-?%d+)( goto)", function(before, value, after)
    return ("%s0x%x%s"):format(before, tonumber(value) % 2 ^ 32, after)
  end)
  text = text:gsub("^(r%d+ = map%[id:%d+%]) ll$", "%1"):gsub("^(r%d+ = map%[id:%d+%]%[0%]) %+ (%d+) ll$", "%1+%2")
  text = text:gsub("^(r%d+ = )(%-?%d+) ll$", function(before, value)
    return before .. (value:find("^-") and value or ("0x%x"):format(tonumber(value)))
  end)
  return (text:gsub("^(r%d+ = subprog%[.-)%]? ll$", "%1]"))
end

describe("what bpftool prints", function()
  -- Opcodes that bpftool of Linux 6.1 does not know.
  local function is_known(line)
    return not line:find("BUG", 1, true) and not line:find("__percpu", 1, true)
  end

  it("is printed of programs in the kernel", function()
    local compared, differences = 0, {}
    for _, object in ipairs { "program_basic", "perf_output", "variables", "link", "bench", "object" } do
      local spec = assert(ebpf.load_spec(support.fixture(object)))
      for _, program in pairs(spec.programs) do
        program.autoload = program.type == "xdp" or program.type == "sched_cls" or program.type == "socket_filter"
      end
      local coll = spec:load()
      for _, p in pairs(coll and coll.programs or {}) do
        support.closing(p)
        local theirs = {}
        local dump = support.check_run("env -u LD_PRELOAD bpftool prog dump xlated id " .. p:info().id)
        for line in dump:gmatch("[^\n]+") do
          theirs[#theirs + 1] = line:match("^ *%d+: %(%x%x%) (.*)$")
        end
        local index = 0
        for line in tostring(assert(p:instructions())):gmatch("[^\n]+") do
          local text = line:match("^ *%d+: (.*)$")
          if text then
            index = index + 1
            if is_known(theirs[index]) and is_known(text) and as_bpftool(text) ~= theirs[index] then
              differences[#differences + 1] = text .. " / " .. theirs[index]
            end
            compared = compared + 1
          end
        end
        assert.equal(#theirs, index)
      end
      if coll then
        coll:close()
      end
    end
    assert.same({}, differences)
    assert.is_true(compared > 100, compared)
  end)

  it("is read", function()
    local coll = assert(ebpf.load(support.fixture("program_basic"), { programs = { "count_packets" } }))
    support.closing(coll)
    local p = coll.programs.count_packets
    local text = support.check_run("env -u LD_PRELOAD bpftool prog dump xlated id " .. p:info().id)
    -- Without what it prints of functions, which is C.
    text = text:gsub("^int [^\n]*\n", "")
    local list = assert(asm.parse(text))
    assert.equal(#p:instructions(), #list)
    for i = 1, #list do
      local mine = p:instructions()[i]
      assert.equal(mine.code, list[i].code)
      assert.equal(mine.off, list[i].off)
      assert.equal(mine.imm, list[i].imm)
    end
  end)
end)

describe("what the verifier prints", function()
  it("is read", function()
    local checked = 0
    for _, object in ipairs { "program_basic", "calls", "variables", "core_kernel", "perf_output" } do
      local spec = assert(ebpf.load_spec(support.fixture(object)))
      for name, program in pairs(spec.programs) do
        local coll = ebpf.load(spec, { programs = { name }, log_level = 2 })
        local log = coll and coll.programs[name]:verifier_log() or ""
        for line in log:gmatch("[^\n]+") do
          local index, opcode = line:match("^(%d+): %((%x%x)%) ")
          if index then
            local read = assert(asm.parse(line))[1]
            local loaded = program.instructions[tonumber(index) + 1]
            assert.equal(tonumber(opcode, 16), read.code)
            assert.same({ loaded.code, loaded.dst }, { read.code, read.dst }, line)
            if loaded.class ~= "ld" and loaded.op ~= "call" and object ~= "core_kernel" then
              assert.same({ loaded.src, loaded.off, loaded.imm }, { read.src, read.off, read.imm }, line)
            end
            checked = checked + 1
          end
        end
        if coll then
          coll:close()
        end
      end
    end
    assert.is_true(checked > 500, checked)
  end)
end)

describe("every program of the running system", function()
  it("gives the same bytes again", function()
    local objects = {}
    -- Some of our own, so that there are any.
    for _, object in ipairs { "program_basic", "perf_output", "calls", "variables", "link" } do
      objects[#objects + 1] = ebpf.load(support.fixture(object))
    end
    local checked = 0
    for id in ebpf.program_ids() do
      local p = ebpf.program_from_id(id)
      local list = p and p:instructions()
      if list then
        local again = assert(asm.parse(tostring(list)))
        assert.equal(list:bytes(), again:bytes())
        assert.equal(#list:references(), #again:references())
        checked = checked + 1
      end
      if p then
        p:close()
      end
    end
    for _, object in ipairs(objects) do
      object:close()
    end
    assert.is_true(checked > 0)
  end)
end)
