--- Mistakes of the caller's. core.refuse() and core.raise() blame the first function outside of this library and name
-- what that called, however deep in the library they are called.
local core = require "ebpf.core"

core.set_face() -- this file and those beside it are the library

local argument = {}

--- Raises what pcall() caught. When it is about an argument of an inner call, which users know nothing of, then as what
-- is wrong with argument `n` of theirs.
---@param n integer
---@param where string? in front of what is wrong: "field 'contents': "
---@param caught any
function argument.relay(n, where, caught)
  local wrong = type(caught) == "string" and caught:match("bad argument #%d+[^(]* %((.*)%)$")
  if wrong then
    core.refuse(n, (where or "") .. wrong)
  end
  error(caught, 0)
end

--- What it is given. `return pass(f())` in the place of `return f()` is no tail call, which would leave no trace of the
-- function that users called.
function argument.pass(...)
  return ...
end

return argument
