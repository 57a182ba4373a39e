-- Executables and libraries: finding their files, their functions, and names for addresses. What is broken is told, and
-- never more.
local ebpf = require "ebpf"
local core = require "ebpf.core"
local malform = require "spec.support.malform"
local support = require "spec.support"
local trace = require "spec.support.trace"

local errno = ebpf.errno
local library = trace.library

local function open(path)
  return support.closing(assert(core.open_exe(path)))
end

describe("the file of an executable or a library", function()
  it("is found by what it is called", function()
    assert.equal("./x", core.find_exe("./x"))
    assert.equal("/a/b", core.find_exe("/a/b"))
    local libc = assert(core.find_exe("libc.so.6"))
    assert.truthy(libc:find("^/.*/libc%.so%.6$"), libc)
    assert.equal(libc, core.find_exe("c"))
    assert.equal(libc, core.find_exe("libc"))
    local sleep = assert(core.find_exe("sleep"))
    assert.truthy(sleep:find("/sleep$"), sleep)
  end)

  it("is found where a process has it mapped", function()
    local path = assert(core.find_exe("traced.so", trace.process))
    assert.truthy(path:find(("^/proc/%d/root/.*/spec/traced%%.so$"):format(trace.process)), path)
    assert.truthy(core.find_exe("traced", trace.process):find("/traced%.so$"))
    local none, message, code = core.find_exe("traced.so", support.start("sleep 60"))
    assert.is_nil(none)
    assert.truthy(message:find('no library "traced.so"', 1, true), message)
    assert.equal(errno.ENOENT, code)
  end)

  it("is found where only a process has it", function()
    support.skip_unless_runs("unshare --mount true", "mounts of its own")
    local directory = support.tmpdir()
    local child = support.start(("unshare --mount sh -c %s"):format(support.quote(
      ("mount -t tmpfs none %s && cp %s %s/x.so && exec sleep 60"):format(directory, library, directory))))
    local there = ("/proc/%d/root%s/x.so"):format(child, directory)
    assert.truthy(support.wait_until(function()
      return core.find_exe(directory .. "/x.so", child) == there
    end))
    assert.equal(directory .. "/x.so", core.find_exe(directory .. "/x.so"))
    assert.equal(library, core.find_exe(library, child))
  end)

  it("is found in LD_LIBRARY_PATH and PATH, scripts left aside", function()
    local directory = support.tmpdir()
    support.check_run { "cp", library, directory .. "/libmine.so.1" }
    support.check_run { "cp", library, directory .. "/mine" }
    support.check_run { "mkdir", directory .. "/scripts" }
    support.write_file(directory .. "/scripts/mine", "#!/bin/sh\n")
    support.check_run { "chmod", "+x", directory .. "/mine", directory .. "/scripts/mine" }
    local output = support.run_lua([[
      local core = require "ebpf.core"
      print((core.find_exe("libmine.so.1")))
      print((core.find_exe("mine")))
    ]], function(command)
      return ("LD_LIBRARY_PATH=/nowhere::%s PATH=%s/scripts:%s:$PATH %s")
        :format(directory, directory, directory, command)
    end)
    assert.equal(("%s/libmine.so.1\n%s/mine\n"):format(directory, directory), output)
  end)

  it("may not be there", function()
    for _, name in ipairs { "", "no_such_program", "libno_such.so.9", "soup.soda", ("x"):rep(5000) } do
      local none, message, code = core.find_exe(name)
      assert.is_nil(none)
      assert.truthy(#message > 10)
      assert.equal(errno.ENOENT, code)
    end
    local none, _, code = core.find_exe("/" .. ("x"):rep(5000))
    assert.same({ nil, errno.ENAMETOOLONG }, { none, code })
  end)
end)

describe("an executable", function()
  it("has functions", function()
    local exe = open(library)
    assert.equal(library, exe:path())
    assert.equal(('executable "%s"'):format(library), tostring(exe))
    assert.is_false(exe:is_fixed())
    local offset, address, size = exe:find("traced_add")
    assert.truthy(offset > 0 and address > 0 and size > 0)
    assert.equal(offset, exe:offset_of(address))
    assert.is_nil(exe:offset_of(2 ^ 40))
    assert.same({ "traced_add", 0 }, { exe:symbol_at(offset) })
    assert.same({ "traced_add", 1 }, { exe:symbol_at(offset + 1) })
    assert.is_nil(exe:symbol_at(2 ^ 40))
    assert.is_nil(exe:symbol_at(0))
    assert.not_equal(exe:find("traced_versioned@TRACED_1"), exe:find("traced_versioned"))
    assert.equal(exe:find("traced_versioned@@TRACED_2"), exe:find("traced_versioned"))
  end)

  it("has functions that match", function()
    local exe = open(library)
    local names, offsets = exe:match("traced_*")
    local found = {}
    for i, name in ipairs(names) do
      found[name] = offsets[i]
    end
    assert.equal(#names, #offsets)
    assert.equal(exe:find("traced_hidden"), found.traced_hidden)
    assert.is_nil(found.traced_chosen) -- it only chooses a function
    assert.same({ {}, {} }, { exe:match("") })
    assert.same({ "traced_add" }, (exe:match("?raced_a*d")))
    assert.same({ "traced_add" }, (exe:match("*_add")))
    assert.truthy(#exe:match("*") >= #names)
  end)

  it("has symbols in a file of their own, which has its build id", function()
    local directory = support.tmpdir()
    local function run(command)
      support.check_run(("cd %s && %s"):format(directory, command))
    end
    support.check_run { "cp", library, directory .. "/x.so" }
    run "mkdir .debug; objcopy --only-keep-debug x.so .debug/x.debug"
    run "strip x.so"
    local exe = open(directory .. "/x.so")
    assert.is_nil((exe:find("traced_hidden")))
    run "objcopy --add-gnu-debuglink=.debug/x.debug x.so"
    exe = open(directory .. "/x.so")
    assert.equal(open(library):find("traced_hidden"), exe:find("traced_hidden"))
    -- Not when it was made with another.
    run "echo 'int f(void){return 1;}' >y.c; cc -shared -Wl,--build-id -o .debug/x.debug y.c"
    exe = open(directory .. "/x.so")
    assert.is_nil((exe:find("traced_hidden")))
  end)

  it("says EBADF once closed", function()
    local exe = open(library)
    exe:close()
    exe:close()
    for _, method in ipairs { "find", "match", "symbol_at", "offset_of", "usdt", "is_fixed" } do
      local none, message, code = exe[method](exe, method:find("_") and 1 or "x")
      assert.same({ nil, "exe is closed", errno.EBADF }, { none, message, code })
    end
  end)

  it("may be none", function()
    for path, code in pairs { ["/nowhere"] = "ENOENT", ["/etc"] = "EINVAL", ["/dev/zero"] = "EINVAL",
      ["/etc/passwd"] = "ENOEXEC" } do
      local none, message, actual = core.open_exe(path)
      assert.is_nil(none)
      assert.truthy(message:find(path, 1, true), message)
      assert.equal(errno[code], actual)
    end
    assert.has_error(function()
      core.open_exe("a\0b")
    end)
  end)

  it("may be broken in any way", function()
    local path = support.tmpdir() .. "/broken.so"
    local total = 0
    malform.each(support.read_file(library), function(label, bytes)
      total = total + 1
      if total % 7 ~= 0 then -- there are very many
        return
      end
      support.write_file(path, bytes)
      local exe, message, code = core.open_exe(path)
      if not exe then
        assert.equal("string", type(message), label)
        assert.equal("number", type(code), label)
        return
      end
      exe:find("traced_versioned@@TRACED_2")
      exe:match("traced_*")
      exe:symbol_at(0x1180)
      exe:offset_of(0x1180)
      exe:usdt()
      exe:usdt("traced", "point")
      exe:close()
    end)
    assert.truthy(total > 100)
  end)

  local it_once = support.once and it or function() end

  it_once("and other files of others are never unsafe to read #host", function()
    local directory, fuzz = support.tmpdir(), support.harness "exe_fuzz"
    local output, status = support.run(("%s %s %s/scratch.so 1000"):format(fuzz, library, directory))
    assert.same({ "", 0 }, { output, status })
  end)
end)

describe("names for addresses", function()
  it("of this process are found", function()
    local symbols = assert(ebpf.process_symbols(0))
    local exe = open(library)
    local base
    for line in support.read_file("/proc/self/maps"):gmatch("[^\n]+") do
      local start, offset = line:match("^(%x+)%-%x+ r%-xp (%x+) .*traced%.so$")
      base = base or start and tonumber(start, 16) - tonumber(offset, 16)
    end
    local offset = exe:find("traced_hidden")
    local name, into, path = symbols:find(base + offset + 2)
    assert.same({ "traced_hidden", 2 }, { name, into })
    assert.truthy(path:find("traced%.so$"), path)
    assert.is_nil((symbols:find(1)))
    assert.is_nil(symbols:find("no address"))
    assert.is_nil(symbols:find(-1))
    assert.is_true(symbols:close())
    assert.equal("traced_hidden", (symbols:find(base + offset)))
    symbols:close()
  end)

  it("of another process are found, while there is one", function()
    local child = support.start("sleep 60")
    local libc
    support.wait_until(function()
      local maps = support.read_file(("/proc/%d/maps"):format(child))
      -- Before it is what it will be, the process is a shell, with other addresses.
      libc = maps:find("/sleep\n", 1, true) and maps:match("(%x+)%-%x+ r%-xp %x+ [^\n]*libc%.so%.6")
      return libc
    end)
    local symbols = assert(ebpf.process_symbols(child))
    local name, offset, path = symbols:find(tonumber(libc, 16) + 0x10000)
    assert.truthy(path:find("libc%.so%.6$"), path)
    assert.equal("number", type(offset))
    assert.truthy(name == nil or type(name) == "string")
    symbols:close()
    local none, message, code = ebpf.process_symbols(2 ^ 22 + 1)
    assert.is_nil(none)
    assert.truthy(message:find("no such process", 1, true), message)
    assert.equal(errno.ESRCH, code)
  end)

  it("of the kernel are found", function()
    local symbols, message, code = ebpf.kernel_symbols()
    if not symbols then
      assert.equal(errno.EPERM, code)
      return pending(message)
    end
    local count = 0
    for line in io.lines("/proc/kallsyms") do
      local address, name, module = line:match("^(%x+) T (vfs_[%w_]+)%s*(%S*)$")
      if address and module == "" then
        local found, offset, of = symbols:find("0x" .. address)
        if found == name then -- others may have the address too
          count = count + 1
        end
        assert.same({ 0, "" }, { offset, of })
        found, offset = symbols:find(("0x%s"):format(address:sub(1, -2) .. "1"))
        assert.truthy(found and offset >= 0)
      end
    end
    assert.truthy(count > 10)
    assert.is_nil((symbols:find(0)))
    assert.truthy(tostring(symbols):find("^%d+ functions of the kernel$"))
  end)

  it("of the kernel may be hidden", function()
    local output, status = support.run_lua([[
      local ebpf = require "ebpf"
      print(select(2, ebpf.kernel_symbols()))
    ]], support.unprivileged)
    assert.equal(0, status)
    assert.truthy(output:find("hides the addresses of its symbols: needs CAP_SYSLOG", 1, true)
      or output:find("^nil"), output)
  end)
end)
