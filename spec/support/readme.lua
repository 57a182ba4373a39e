--- The code in the README, as it is printed there, and the places that it names: what it says is run.
local support = require "spec.support"

local readme = {}

readme.text = support.read_file("README.md")

--- Each fenced block: {line =, info = what stands behind the fence, code =}.
function readme.blocks()
  local list, block, number = {}, nil, 0
  for line in (readme.text .. "\n"):gmatch("(.-)\n") do
    number = number + 1
    local info = line:match("^```(.*)$")
    if info and block then
      list[#list + 1] = { line = block.line, info = block.info, code = table.concat(block, "\n") .. "\n" }
      block = nil
    elseif info then
      block = { line = number, info = info }
    elseif block then
      block[#block + 1] = line
    end
  end
  assert(not block, "a block has no end")
  return list
end

--- The code of the only block of that kind, with those words in it.
-- @param info as "lua nginx"
-- @param words nil, or what tells it from others of its kind
function readme.block(info, words)
  local found
  for _, block in ipairs(readme.blocks()) do
    if block.info == info and (not words or block.code:find(words, 1, true)) then
      assert(not found, ("two blocks are %s: %s"):format(info, words))
      found = block.code
    end
  end
  return (assert(found, ("no block is %s: %s"):format(info, words)))
end

--- A command as one that has other files at some paths. What it mounts is gone with its last process.
-- @param mounts array of commands that mount
function readme.with_mounts(mounts, command)
  -- In the chroot of spec/support/run.lua all is private already, and "/" no mount point.
  local words = { "mount --make-rprivate / 2>/dev/null" }
  for _, mount in ipairs(mounts) do
    words[#words + 1] = mount .. " || exit 1"
  end
  words[#words + 1] = command
  return "exec unshare --mount --propagation unchanged sh -c " .. support.quote(table.concat(words, "\n"))
end

--- A directory with hits.bpf.o, the object of the recipes, compiled as the README says.
function readme.hits_directory()
  local directory = support.tmpdir()
  support.write_file(directory .. "/hits.bpf.c", readme.block("c"))
  support.check_run(("cd %s && %s"):format(directory, assert(readme.text:match("\n    (clang [^\n]*hits%.bpf%.c)\n"))))
  return directory
end

return readme
