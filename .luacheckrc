-- The Lua of this project runs on 5.1, LuaJIT, 5.3 and 5.4 alike: only what all have may be used.
std = "min"
max_line_length = 120
exclude_files = { "build" }
files["spec"] = { std = "+busted" }
files["**/*.rockspec"] = { std = "+rockspec" }
files["examples/**/*_nginx.lua"].std = "ngx_lua"
files["examples/**/*_haproxy.lua"].read_globals = { "core" }
