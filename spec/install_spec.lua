local support = require "spec.support"

local version = _VERSION:match("%d%.%d") -- LuaJIT uses the modules of 5.1

-- What a user does first, given the paths of what was installed and nothing else.
local first_script = [[
  local ebpf = require "ebpf"
  local map = assert(ebpf.new_map { type = "hash", key_size = 4, value_size = 8, max_entries = 3 })
  assert(map:put(1, 2))
  assert(tonumber(map:get(1)) == 2)
  map:close()
  for line in io.lines("/proc/self/maps") do
    local path = line:match("/.*/ebpf/core%.so")
    if path then
      io.write(path)
      return
    end
  end]]

-- A copy, so that nothing is built or left in the tree under test.
local function copy_tree()
  local dir = support.tmpdir()
  support.check_run("cp -r Makefile src lua rockspec examples " .. dir)
  return dir
end

-- Runs the first script with what is installed in these directories.
-- @return the path of the C module that was loaded
local function load_from(lua, lua_dir, c_dir)
  local script = support.tmpdir() .. "/first.lua"
  support.write_file(script, first_script)
  return support.check_run(("cd / && LUA_PATH='%s/?.lua;%s/?/init.lua' LUA_CPATH='%s/?.so' %s %s")
    :format(lua_dir, lua_dir, c_dir, lua, script))
end

describe("LuaRocks", function()
  it("installs the module offline", function()
    local dir = copy_tree()
    support.check_run(("cd %s && HOME=%s unshare --net luarocks --lua-version=%s make --tree=%s/tree")
      :format(dir, dir, version, dir))
    local c_dir = dir .. "/tree/lib/lua/" .. version
    local module = c_dir .. "/ebpf/core.so"
    local luas = { support.lua }
    if version == "5.1" then
      luas[2] = "lua5.1"
    end
    for _, lua in ipairs(luas) do
      assert.equal(module, load_from(lua, dir .. "/tree/share/lua/" .. version, c_dir))
    end
    -- LuaRocks passes no -fvisibility=hidden: the sources hide their symbols themselves.
    assert.equal("luaopen_ebpf_core\n",
      support.check_run("nm -D --defined-only --format=posix " .. module .. " | cut -d' ' -f1"))
    assert.is_nil(support.check_run("readelf -d " .. module .. " | grep NEEDED"):lower():find("lua", 1, true))
  end)
end)

describe("make install", function()
  it("puts the module where the Lua looks for it", function()
    local dir = copy_tree()
    local lua_dir = support.check_run("pkg-config --variable=INSTALL_LMOD " .. support.lua_name):gsub("\n", "")
    local c_dir = support.check_run("pkg-config --variable=INSTALL_CMOD " .. support.lua_name):gsub("\n", "")
    -- The variables of the make that runs the suite are not for this one.
    support.check_run(("cd %s && env -i PATH=\"$PATH\" make -j2 install DESTDIR=%s/dest LUA_PKG=%s")
      :format(dir, dir, support.lua_name))
    local dest = dir .. "/dest"
    assert.equal(dest .. c_dir .. "/ebpf/core.so", load_from(support.lua, dest .. lua_dir, dest .. c_dir))
    local path = support.check_run(("%s -e 'io.write(package.path, package.cpath)'"):format(support.lua))
    assert.truthy(path:find(lua_dir .. "/?.lua", 1, true))
    assert.truthy(path:find(c_dir .. "/?.so", 1, true))
  end)
end)
