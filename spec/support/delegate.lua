--- BPF file systems that delegate to a user namespace (see delegate.c, which is compiled here).
local support = require "spec.support"

local delegate = {}

local launcher

local function compiled()
  if not (launcher and support.exists(launcher)) then
    launcher = support.tmpdir() .. "/delegate"
    support.check_run { "cc", "-Wall", "-Wextra", "-o", launcher, "spec/support/delegate.c" }
  end
  return launcher
end

delegate.all = { "delegate_cmds=any", "delegate_maps=any", "delegate_progs=any", "delegate_attachs=any" }

--- Runs a script in a new user namespace, where a BPF file system with these mount options is mounted. The script finds
--- that in its local `bpffs`, and the module in `ebpf`.
-- @param wrap nil or a function that turns the command in the user namespace into another one
-- @return its output, its exit status
function delegate.run_lua(options, script, wrap)
  support.needs("6.9", "token")
  support.skip_unless_runs("unshare --user true", "user namespaces")
  local directory = support.tmpdir()
  local words = { support.quote(compiled()), support.quote(directory) }
  for _, option in ipairs(options) do
    words[#words + 1] = support.quote(option)
  end
  local prelude = ("local ebpf, bpffs = require 'ebpf', %q\n"):format(directory)
  return support.run_lua(prelude .. script, function(command)
    return table.concat(words, " ") .. " -- sh -c " .. support.quote(wrap and wrap(command) or command)
  end)
end

return delegate
