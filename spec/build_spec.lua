local support = require "spec.support"

local build = os.getenv("EBPF_BUILD") or "build"
local module = ("%s/%s/ebpf/core.so"):format(build, support.lua_name)

local function lines(command)
  local list = {}
  for line in support.check_run(command):gmatch("[^\n]+") do
    list[#list + 1] = line
  end
  return list
end

describe("the built module", function()
  it("exports luaopen_ebpf_core and nothing else", function()
    local symbols = support.check_run("nm -D --defined-only --format=posix " .. module .. " | cut -d' ' -f1")
    assert.equal("luaopen_ebpf_core\n", symbols)
  end)

  it("is not linked against a Lua, which its host brings", function()
    assert.is_nil(support.check_run("readelf -d " .. module .. " | grep NEEDED"):lower():find("lua", 1, true))
  end)

  it("is position-independent, without an executable stack", function()
    assert.is_nil(support.check_run("readelf -d " .. module):find("TEXTREL", 1, true))
    assert.is_nil(support.check_run("readelf -lW " .. module .. " | grep GNU_STACK"):find("RWE", 1, true))
  end)

  it("can be opened twice in one state", function()
    local output, status = support.run_lua([[
      local first = require "ebpf.core"
      package.loaded["ebpf.core"] = nil
      local second = require "ebpf.core"
      assert(first ~= second and first.errno.ENOENT == 2 and second.errno.ENOENT == 2)]])
    assert.same({ "", 0 }, { output, status })
  end)

  if support.lua_name == "luajit" then
    -- PUC 5.1 lacks functions that LuaJIT exports; dlopen() with RTLD_NOW misses them at once.
    it("serves PUC Lua 5.1 too", function()
      assert.equal("", support.check_run("lua5.1 -e 'require \"ebpf.core\"'"))
    end)
  end
end)

describe("the rockspec", function()
  it("lists the sources there are", function()
    local rockspec = {}
    local chunk
    if setfenv then -- luacheck: ignore
      chunk = assert(loadfile("rockspec/ebpf-scm-1.rockspec"))
      setfenv(chunk, rockspec) -- luacheck: ignore
    else
      chunk = assert(loadfile("rockspec/ebpf-scm-1.rockspec", "t", rockspec))
    end
    chunk()
    assert.same(lines("ls src/*/*.c | LC_ALL=C sort"), rockspec.build.modules["ebpf.core"].sources)
  end)
end)

describe("the walls between the rooms", function()
  it("keep Lua and the binding out of the engine", function()
    assert.equal("", (support.run([[grep -nE '#include.*(lua|binding)' src/engine/*]])))
  end)

  it("keep system calls in src/engine/sys.c and its like", function()
    local calls = support.run([=[grep -nE "\<(syscall|mmap|munmap|ioctl|socket)\(" src/*/*.c |
      grep -v -e "^src/engine/sys[a-z_]*.c:" -e ":[0-9]*:[[:space:]]*/*\*"]=])
    assert.equal("", calls)
  end)
end)
