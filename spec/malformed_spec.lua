-- Whatever is in a file: reading it either succeeds, or says why not. Under `make asan` and `make valgrind` this also
-- shows that nothing is read that is not there, and that nothing leaks.
local core = require "ebpf.core"
local spec = require "ebpf.spec"
local malform = require "spec.support.malform"
local support = require "spec.support"

local TOO_LONG = 2 -- seconds for one file, which usually takes less than a millisecond; valgrind is slow

local expected = {}
for _, name in ipairs { "ENOEXEC", "E2BIG", "EINVAL", "EEXIST", "ENAMETOOLONG" } do
  expected[core.errno[name]] = true
end

local WALK_EACH = 16 -- files that work are alike, and valgrind is slow

-- Uses all of what came out.
local function walk(collection)
  assert(type(tostring(collection:copy())) == "string")
  for _, program in pairs(collection.programs) do
    program.instructions:references()
    program.instructions:symbols()
  end
end

local tried = 0
local function try(label, bytes)
  local started = os.clock()
  local collection, message, errno = spec.parse(bytes, "broken")
  tried = tried + 1
  if collection then
    if tried % WALK_EACH == 0 then
      walk(collection)
    end
  else
    assert(type(message) == "string" and message:find('^parse spec "broken": .'), label)
    assert(not message:find("%c"), label .. ": control characters in: " .. message)
    assert(not message:find("no error", 1, true), label .. ": " .. message)
    assert(expected[errno], ("%s: errno %s: %s"):format(label, tostring(errno), message))
  end
  assert(os.clock() - started < TOO_LONG, label .. " took too long")
  return collection ~= nil
end

describe("a broken object file", function()
  local fixtures = { { "object" }, { "values", "bigendian" }, { "legacy", "nodebug" }, { "ksyms" }, { "kconfig" },
    { "struct_ops" }, { "arena" } }
  for _, fixture in ipairs(fixtures) do
    local path = support.fixture(fixture[1], fixture[2])
    local bytes
    setup(function()
      local stripped = support.tmpdir() .. "/stripped.o" -- of debug sections, which are not looked at
      support.check_run { "llvm-strip", "-g", "-o", stripped, path }
      bytes = support.read_file(stripped)
    end)

    for _, sort in ipairs(malform.sorts) do
      it(("gives nil and a message, or works: %s, %s"):format(path:match("[^/]*$"), sort), function()
        local refused = 0
        local count = malform.each(bytes, function(label, broken)
          refused = refused + (try(label, broken) and 0 or 1)
        end, { sort })
        if sort:find("^btf") and path:find("nodebug") then
          assert.equal(0, count)
        else
          assert.is_true(count > 20 and refused > count / 10, count .. " files, refused " .. refused)
        end
      end)
    end
  end

  it("is refused wherever it is cut off", function()
    local bytes = support.read_file(support.fixture("object"))
    -- clang puts the section headers last.
    for length = 0, #bytes - 1, 7 do
      local collection, message = spec.parse(bytes:sub(1, length))
      assert.is_nil(collection)
      assert.is_string(message)
    end
  end)
end)

describe("a small object file", function()
  it("cannot ask for much memory by programs that call each other", function()
    local directory = support.tmpdir()
    -- Each of many programs calls the next, and so comes with all that follow.
    support.write_file(directory .. "/chain.s", [[
      .altmacro
      .macro program n, next
        .globl p\n
        .type p\n, @function
      p\n: call p\next
        exit
        .size p\n, .-p\n
      .endm
      .section xdp, "ax"
      .set i, 0
      .rept 3000
        program %i, %(i + 1)
        .set i, i + 1
      .endr
      .globl p3000
      .type p3000, @function
      p3000: exit
      .size p3000, .-p3000
    ]])
    support.check_run(("clang -target bpf -c %s/chain.s -o %s/chain.o"):format(directory, directory))
    local result, message, errno = spec.load(directory .. "/chain.o")
    assert.is_nil(result)
    assert.truthy(message:find("too many instructions", 1, true), message)
    assert.equal(core.errno.E2BIG, errno)
  end)
end)

describe("what is no object file", function()
  it("says so", function()
    local cases = {
      [""] = "parse spec: the file is empty",
      ["#!/bin/sh\nexit 0\n"] = "parse spec: not an ELF file",
      ["\127EL"] = "parse spec: not an ELF file",
      ["\127ELF"] = "parse spec: the ELF header is cut off",
      [("\0"):rep(5000)] = "parse spec: not an ELF file",
    }
    for bytes, message in pairs(cases) do
      assert.same({ n = 3, nil, message, core.errno.ENOEXEC }, { n = 3, spec.parse(bytes) })
    end
  end)

  it("may be a file of any kind", function()
    local directory = support.tmpdir()
    support.write_file(directory .. "/empty", "")
    support.write_file(directory .. "/text", "hello\n")
    support.check_run { "mkfifo", directory .. "/fifo" }
    local cases = {
      [directory] = { "is a directory", "EISDIR" },
      [directory .. "/empty"] = { "the file is empty", "ENOEXEC" },
      [directory .. "/text"] = { "not an ELF file", "ENOEXEC" },
      [directory .. "/fifo"] = { "not a regular file", "EINVAL" },
      [directory .. "/none"] = { "no such file", "ENOENT" },
      [directory .. "/text/x"] = { "not a directory", "ENOTDIR" },
      ["/dev/zero"] = { "not a regular file", "EINVAL" },
      ["/proc/self/maps"] = { "not an ELF file", "ENOEXEC" },
      [""] = { "no such file", "ENOENT" },
    }
    for path, wanted in pairs(cases) do
      local collection, message, errno = spec.load(path)
      assert.is_nil(collection)
      assert.truthy(message:find(('load spec "%s": '):format(path), 1, true), message)
      assert.truthy(message:find(wanted[1], 1, true), message)
      assert.equal(core.errno[wanted[2]], errno)
    end
  end)
end)
