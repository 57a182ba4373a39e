-- C declarations: which are understood, how large they are, and what is said of those that are wrong.
local ebpf = require "ebpf"
local support = require "spec.support"

local function size(text)
  return ebpf.type(text):size()
end

describe("C declarations", function()
  it("know the base types in any order of their words", function()
    for text, bytes in pairs {
      char = 1, ["signed char"] = 1, ["unsigned char"] = 1, short = 2, ["short int"] = 2, ["int short unsigned"] = 2,
      int = 4, unsigned = 4, signed = 4, long = 8, ["long int unsigned"] = 8, ["long long"] = 8,
      ["unsigned long long int"] = 8, ["long unsigned long"] = 8, float = 4, double = 8, bool = 1, _Bool = 1,
      ["const volatile int"] = 4, ["int const"] = 4, __int128 = 16, ["unsigned __int128"] = 16, ["void *"] = 8,
      ["char **"] = 8, ["struct any *"] = 8, ["int (*)(int, char *)"] = 8, ["int (*[3])(void)"] = 24,
      ["char (*)[100]"] = 8, ["char *[3]"] = 24,
    } do
      assert.equal(bytes, size(text), text)
    end
  end)

  it("know the names of the kernel and of stdint.h", function()
    for _, bits in ipairs { 8, 16, 32, 64 } do
      for _, pattern in ipairs { "u%d", "s%d", "__u%d", "__s%d", "uint%d_t", "int%d_t", "i%d", "u_int%d_t" } do
        assert.equal(bits / 8, size(pattern:format(bits)))
      end
      if bits > 8 then
        assert.equal(bits / 8, size(("__be%d"):format(bits)))
        assert.equal(bits / 8, size(("__le%d"):format(bits)))
      end
    end
    for name, bytes in pairs { size_t = 8, ssize_t = 8, pid_t = 4, uid_t = 4, gid_t = 4, __sum16 = 2, __wsum = 4,
      uintptr_t = 8, ulong = 8, uint = 4, umode_t = 2, loff_t = 8, __aligned_u64 = 8, ktime_t = 8 } do
      assert.equal(bytes, size(name))
    end
  end)

  it("calculate", function()
    for text, bytes in pairs {
      ["char[2 + 3 * 4]"] = 14, ["char[(2 + 3) * 4]"] = 20, ["char[1 << 4]"] = 16, ["char[0x10 | 1]"] = 17,
      ["char[010]"] = 8, ["char[0b101]"] = 5, ["char[100 / 7 % 5]"] = 4, ["char['A']"] = 65, ["char[~(-6)]"] = 5,
      ["char[sizeof(int) * 2]"] = 8, ["char[sizeof(struct { int a; char b; })]"] = 8, ["char[10UL]"] = 10,
      ["char[!0 + 1]"] = 2, ["enum { N = 7, M }; char[M]"] = 8, ["char[0xff & 0xf ^ 1]"] = 14, ["char[7 >> 1]"] = 3,
      ["char[sizeof(u64[3])]"] = 24, ["char[8 - 2 - 1]"] = 5,
    } do
      assert.equal(bytes, size(text), text)
    end
  end)

  it("may be several, of which the last is meant", function()
    assert.equal(16, size "typedef struct point { int x, y; } point_t, *p; struct { point_t a; struct point b; };")
    assert.equal(8, size "typedef struct { int x; } a, *b; b")
    assert.equal(12, size "typedef int triple[3]; triple")
    assert.equal(24, size "typedef int triple[3]; triple[2]")
    assert.equal(4, size "enum color { RED, GREEN }; enum color")
    assert.equal(4, size "struct a { int x; };")
  end)

  it("have comments, and lines", function()
    assert.equal(8, size "struct { // a comment\n  int a; /* another\n one */ int b; }")
  end)

  it("may be packed and aligned", function()
    for text, bytes in pairs {
      ["struct { char a; int b; } __attribute__((packed))"] = 5,
      ["struct __attribute__((packed)) x { char a; int b; }"] = 5,
      ["struct { char a; int b; } __packed"] = 5,
      ["struct { char a; int b __attribute__((packed)); }"] = 5,
      ["struct { char a; } __attribute__((aligned(8)))"] = 8,
      ["struct { char a; } __attribute__((__packed__, __aligned__(4)))"] = 4,
      ["struct { char a; } __attribute__((aligned))"] = 16,
      ["struct { char a; } __aligned(32)"] = 32,
      ["struct { char a; char b __attribute__((aligned(4))); }"] = 8,
      ["struct { char a; __attribute__((aligned(4))) char b; }"] = 8,
      ["struct { char a; _Alignas(8) char b; }"] = 16,
      ["struct { char a; _Alignas(long) char b; }"] = 16,
      ["struct { char a; int b; } __attribute__((preserve_access_index))"] = 8,
      ["typedef u64 __attribute__((aligned(4))) u64_4; struct { u32 a; u64_4 b; }"] = 12,
    } do
      assert.equal(bytes, size(text), text)
    end
  end)

  it("have bitfields", function()
    for text, bytes in pairs {
      ["struct { u32 a : 1, b : 31; }"] = 4, ["struct { u32 a : 1, b : 32; }"] = 8,
      ["struct { u8 a : 4; u32 b : 20; }"] = 4,
      ["struct { u8 a : 1; u8 : 0; u8 b : 1; }"] = 2, ["struct { u8 a : 7; u16 b : 10; } __packed"] = 3,
      ["struct { u64 a : 33; }"] = 8, ["struct { bool a : 1, b : 1; }"] = 1, ["union { u32 a : 3; u8 b; }"] = 4,
    } do
      assert.equal(bytes, size(text), text)
    end
  end)

  it("choose the size of an enum by its values", function()
    assert.equal(4, size "enum { A = 0xffffffff }")
    assert.equal(8, size "enum { A = 0x100000000 }")
    assert.equal(8, size "enum { A = 0xffffffff, B = -1 }")
    assert.equal(1, size "enum { A = 255 } __attribute__((packed))")
    assert.equal(2, size "enum { A = 255, B = -1 } __attribute__((packed))")
  end)

  it("say where they are wrong, and how", function()
    for text, message in pairs {
      [""] = "1:1: a type with a size expected",
      ["struct { int a }"] = "1:16: ',' or ';' expected, not '}'",
      ["struct {\n  int a;\n  foo b;\n}"] = "3:3: a type expected, not 'foo'",
      ["struct { int a;"] = "1:16: a type expected, not the end",
      ["struct { int 5; }"] = "1:14: ',' or ';' expected, not '5'",
      ["struct { u32 int; }"] = "1:14: a name expected, not 'int'",
      ["struct { int int; }"] = "1:10: no such combination of types",
      ["int x"] = "1:1: a type expected, not a variable",
      ["int;; int"] = "1:5: a type expected, not ';'",
      ["struct foo"] = "1:1: a type with a size expected",
      ["struct { struct foo x; }"] = "1:21: a member of a type without a size",
      ["struct a { struct a x; }"] = "1:21: a member of a type without a size",
      ["struct { void x; }"] = "1:15: a member of a type without a size",
      ["void"] = "1:1: a type with a size expected",
      ["int (void)"] = "1:1: a type with a size expected",
      ["struct { int a : 33; }"] = "1:16: a bitfield wider than its type",
      ["struct { int a : -1; }"] = "1:16: a bitfield wider than its type",
      ["struct { int a : 0; }"] = "1:16: a bitfield without a width but with a name",
      ["struct { float a : 3; }"] = "1:18: a bitfield of a type that is no integer",
      ["struct { bool a : 2; }"] = "1:17: a bitfield wider than its type",
      ["long short"] = "1:1: no such combination of types",
      ["unsigned float"] = "1:1: no such combination of types",
      ["long double"] = "1:1: no such combination of types",
      ["char[-1]"] = "1:5: the size of an array is out of range",
      ["char[1 / 0]"] = "1:8: a division by zero",
      ["char[1 << 64]"] = "1:8: a shift by less than 0 or more than 63",
      ["char[0xffffffffffffffff * 2]"] = "1:25: a number of more than 64 bits",
      ["char[18446744073709551616]"] = "1:6: a number of more than 64 bits",
      ["char[08]"] = "1:6: a malformed number",
      ["char[12abc]"] = "1:6: a malformed number",
      ["char[x]"] = "1:6: no constant of that name",
      ["char[268435457]"] = "1:5: the size of an array is out of range",
      ["u64[268435456]"] = "1:4: an array that is too large",
      ["int a; /* no end"] = "1:1: a type expected, not a variable",
      ["int /* no end"] = "1:5: a comment without an end",
      ["int #"] = "1:5: unexpected '#'",
      ["int \1"] = "1:5: unexpected byte 1",
      ["struct { int a; } __attribute__((vector_size(16)))"] = "1:34: an attribute this library does not know",
      ["struct { int a; } __attribute__((aligned(3)))"] = "1:42: an alignment must be a power of 2 up to 4096",
      ["struct { int a; } __attribute__((packed)"] = "1:41: ')' expected, not the end",
      ["enum { A, A }"] = "1:11: a constant of that name is there already",
      ["enum { }"] = "1:8: a name expected, not '}'",
      ["enum { A = 0xffffffffffffffff, B }"] = "1:32: an enum that is too large",
      ["enum { A = 0xffffffffffffffff, B = -1 }"] = "1:1: an enum whose values no type holds",
      ["struct a { int x; }; struct a { int y; }"] = "1:22: it is defined already",
      ["struct a { int x; }; union a *"] = "1:22: the tag belongs to another kind of type",
      ["typedef int a; typedef int a;"] = "1:16: a typedef of that name is there already",
      ["typedef int;"] = "1:1: a typedef without a name",
      ["struct { typedef int a; }"] = "1:22: a typedef among members",
      ["struct { int a; int a; }"] = "two fields are called 'a'",
      ["struct { int a; struct { int a; }; }"] = "two fields are called 'a'",
      [("struct { "):rep(40)] = "too deeply nested",
      ["char[" .. ("("):rep(100) .. "1"] = "too deeply nested",
      ["char" .. ("[1]"):rep(17)] = "too many dimensions or pointers",
      ["char " .. ("*"):rep(17)] = "too many dimensions or pointers",
      ["int '"] = "1:5: a quote without an end",
      ["struct { u64 a[1 << 24]; u64 b[1 << 24]; u64 c[1 << 24]; }"] = "a struct that is too large",
    } do
      local ok, wrong = pcall(ebpf.type, text)
      assert.is_false(ok, text)
      assert.truthy(wrong:find(message, 1, true), text .. ": " .. wrong)
    end
  end)

  it("of great depth, or unfolding to very much, end in an error", function()
    local lines = { "struct s0 { u8 a; };" }
    for i = 1, 30 do
      lines[#lines + 1] = ("struct s%d { struct s%d a, b; };"):format(i, i - 1)
    end
    local ok, message = pcall(ebpf.type, table.concat(lines, "\n"))
    assert.is_false(ok)
    assert.truthy(message:find("too large", 1, true), message)
    local empty = { "struct s0 { };" }
    for i = 1, 30 do
      empty[#empty + 1] = ("struct s%d { struct s%d a, b; };"):format(i, i - 1)
    end
    ok, message = pcall(ebpf.type, table.concat(empty, "\n"))
    assert.is_false(ok)
    assert.truthy(message:find("too large", 1, true), message)
    assert.is_false((pcall(ebpf.type, (" "):rep(2 ^ 20 + 1))))
  end)
end)

describe("declarations and types that are damaged in any way", function()
  local it_once = support.once and it or function() end

  it_once("are never unsafe or endless, and what is accepted prints as C of the same size", function()
    local path = support.harness "types_fuzz"
    local output, status = support.run(path .. " 10000 1")
    assert.equal(0, status, output)
    local declarations, types = output:match("(%d+) and (%d+) of them good\n$")
    assert.is_true(tonumber(declarations) > 1000, output)
    assert.is_true(tonumber(types) > 1000, output)
  end)
end)
