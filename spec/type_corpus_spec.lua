-- C types against the compilers: hundreds of random structs, laid out by gcc, by clang for BPF and by this library.
-- EBPF_CORPUS_SEED picks others.
local ebpf = require "ebpf"
local corpus = require "spec.support.corpus"
local support = require "spec.support"

local SEED = tonumber(os.getenv("EBPF_CORPUS_SEED")) or 20260101
local structs = corpus.make(SEED, 600)

local prelude = [[
#include <linux/types.h>
typedef __u8 u8; typedef __u16 u16; typedef __u32 u32; typedef __u64 u64;
typedef __s8 s8; typedef __s16 s16; typedef __s32 s32; typedef __s64 s64;
typedef unsigned char uint8_t;
typedef __SIZE_TYPE__ size_t;
#define bool _Bool
]]

-- Prints the bytes of each struct with its value in it; given a file of such bytes, reads each field out of them.
local frame = [[
#include <stdio.h>
#include <string.h>

static FILE *input;

static void print_bytes(const void *bytes, size_t size)
{
	for (size_t i = 0; i < size; i++)
		printf("%02x", ((const unsigned char *)bytes)[i]);
	putchar('\n');
}

static void check(int same, const char *name, const char *field)
{
	if (!same)
		printf("%s.%s differs\n", name, field);
}
]]

local function declarations()
  local lines = { prelude }
  for i, struct in ipairs(structs) do
    lines[i + 1] = struct.declaration .. ";"
  end
  return table.concat(lines, "\n") .. "\n"
end

-- A function for each struct, and the main program.
local function program()
  local lines = { declarations(), frame }
  for _, struct in ipairs(structs) do
    lines[#lines + 1] = ("static void test_%s(void)\n{\n\tstruct %s v;\n\tmemset(&v, 0, sizeof(v));\n\tif (!input) {")
      :format(struct.name, struct.name)
    for _, leaf in ipairs(struct.leaves) do
      lines[#lines + 1] = ("\t\tv.%s = %s;"):format(leaf[1], leaf[2])
    end
    lines[#lines + 1] = "\t\tprint_bytes(&v, sizeof(v));\n\t\treturn;\n\t}\n"
      .. ('\tcheck(fread(&v, sizeof(v), 1, input) == 1, "%s", "size");'):format(struct.name)
    for _, leaf in ipairs(struct.leaves) do
      lines[#lines + 1] = ('\tcheck(v.%s == %s, "%s", "%s");'):format(leaf[1], leaf[2], struct.name, leaf[1])
    end
    lines[#lines + 1] = "}\n"
  end
  lines[#lines + 1] = "int main(int argc, char **argv)\n{\n\tinput = argc > 1 ? fopen(argv[1], \"rb\") : NULL;"
  for _, struct in ipairs(structs) do
    lines[#lines + 1] = ("\ttest_%s();"):format(struct.name)
  end
  lines[#lines + 1] = "\treturn 0;\n}\n"
  return table.concat(lines, "\n")
end

-- Makes <build>/corpus/<name> out of a text by a command, unless that has been done: for all Luas once.
local function built(name, source, text, command)
  local directory = (os.getenv("EBPF_BUILD") or "build") .. "/corpus"
  local from, to = directory .. "/" .. source, directory .. "/" .. name
  support.check_run { "mkdir", "-p", directory }
  if support.exists(to) and support.exists(from) and support.read_file(from) == text then
    return to
  end
  support.write_file(from .. ".new", text)
  os.rename(from .. ".new", from)
  support.check_run(command:format(to .. ".new", from))
  os.rename(to .. ".new", to)
  return to
end

local function hex(bytes)
  return (bytes:gsub(".", function(c)
    return ("%02x"):format(c:byte())
  end))
end

local function unhex(text)
  return (text:gsub("%x%x", function(digits)
    return string.char(tonumber(digits, 16))
  end))
end

-- What the bytes are, or the value itself where plain Lua 5.1 refuses numbers: other members of a union may read what
-- was written as an integer that no double holds.
local function unpacked(type, bytes, value)
  local ok, got = pcall(type.unpack, type, bytes)
  if not ok and support.lua_name == "lua5.1" and got:find("is not exact as a Lua number", 1, true) then
    return value
  end
  return ok and got or error(got, 0)
end

-- Whether what was read has all that was written; other members of unions are there too.
local function has(got, wanted)
  if type(wanted) == "table" then
    for key, value in pairs(wanted) do
      local ok, path = has(got[key], value)
      if not ok then
        return false, key .. (path and "." .. path or "")
      end
    end
    return true
  end
  return got == wanted
end

describe("random C structs", function()
  local gcc, lines, types

  setup(function()
    gcc = built("corpus", "corpus.c", program(), "gcc -w -O1 -o %s %s")
    lines = {}
    for line in support.check_run { gcc }:gmatch("%x+") do
      lines[#lines + 1] = line
    end
    types = {}
    for i, struct in ipairs(structs) do
      types[i] = ebpf.type(struct.declaration)
    end
  end)

  it("are as many as they should be", function()
    assert.is_true(#structs >= 500)
    assert.equal(#structs, #lines)
    local leaves = 0
    for _, struct in ipairs(structs) do
      leaves = leaves + #struct.leaves
    end
    assert.is_true(leaves > 5000)
  end)

  it("are packed as gcc lays them out", function()
    for i, struct in ipairs(structs) do
      assert.equal(#lines[i] / 2, types[i]:size(), struct.declaration)
      assert.equal(lines[i], hex(types[i]:pack(struct.value)), struct.declaration)
    end
  end)

  it("are read by C as they were packed", function()
    local packed = {}
    for i, struct in ipairs(structs) do
      packed[i] = types[i]:pack(struct.value)
    end
    local path = support.tmpdir() .. "/packed"
    support.write_file(path, table.concat(packed))
    assert.equal("", support.check_run { gcc, path })
  end)

  it("are unpacked as C wrote them", function()
    for i, struct in ipairs(structs) do
      local ok, field = has(unpacked(types[i], unhex(lines[i]), struct.value), struct.value)
      assert.is_true(ok, ("%s: %s"):format(tostring(field), struct.declaration))
    end
  end)

  it("are in the BTF that clang makes as they are here", function()
    local text = { declarations() }
    for _, struct in ipairs(structs) do
      text[#text + 1] = ("struct %s v_%s;"):format(struct.name, struct.name)
    end
    local object = built("corpus.bpf.o", "corpus.bpf.c", table.concat(text, "\n") .. "\n",
      "clang -w -g -O2 -target bpf -I/usr/include/$(uname -m)-linux-gnu -c -o %s %s")
    local spec = assert(ebpf.load_spec(object))
    for i, struct in ipairs(structs) do
      local found = assert(ebpf.type("struct " .. struct.name, spec))
      assert.equal(lines[i], hex(found:pack(struct.value)), struct.declaration)
      assert.equal(tostring(types[i]), tostring(found))
      local ok, field = has(unpacked(found, unhex(lines[i]), struct.value), struct.value)
      assert.is_true(ok, ("%s: %s"):format(tostring(field), struct.declaration))
    end
  end)

  it("are the same again when they are printed and compiled", function()
    for i, struct in ipairs(structs) do
      local again = ebpf.type(tostring(types[i]))
      assert.equal(types[i]:size(), again:size())
      assert.equal(lines[i], hex(again:pack(struct.value)), tostring(types[i]))
    end
  end)
end)
