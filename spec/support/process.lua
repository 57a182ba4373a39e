--- Processes for the specs: fork, wait, kill, pin, interrupt (see process.c, which is compiled here).
local support = require "spec.support"

local build = os.getenv("EBPF_BUILD") or "build"

local directory = ("%s/%s/spec"):format(build, support.lua_name)
local path = directory .. "/process.so"
local fresh = path .. "." .. support.prefix -- moved into place: a run beside this one never loads half a file
support.check_run { "mkdir", "-p", directory }
support.check_run(("cc -O2 -g -fPIC -shared -Wall -Wextra $(pkg-config --cflags %s) -o %s spec/support/process.c")
  :format(support.lua_name, fresh))
support.check_run { "mv", fresh, path }

return assert(package.loadlib(path, "luaopen_process"))()
