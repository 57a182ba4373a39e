-- The code in the README: what is not for a host of its own runs as printed, the rest compiles.
local support = require "spec.support"

local build = os.getenv("EBPF_BUILD") or "build"

-- {line =, info =, code =} of each fenced block.
local function blocks()
  local list, block, number = {}, nil, 0
  for line in (support.read_file("README.md") .. "\n"):gmatch("(.-)\n") do
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

describe("a block of the README #host", function()
  local netns

  setup(function()
    netns = support.netns()
  end)

  local ran, compiled = 0, 0
  for _, block in ipairs(blocks()) do
    if block.info == "lua" then
      ran = ran + 1
      it("runs, from line " .. block.line, function()
        local script = block.code:gsub('"build/', ('"%s/'):format(build))
        local output, status = support.run_lua(script, function(command)
          return support.in_netns(netns, command)
        end)
        assert.equal(0, status, output)
        assert.is_nil(output:find("traceback", 1, true), output)
        assert.truthy(#output > 0 or not script:find("print", 1, true), "it prints nothing")
      end)
    elseif block.info:find("^lua ") then
      compiled = compiled + 1
      it(("compiles, for %s, from line %d"):format(block.info:match("^lua (.*)"), block.line), function()
        assert((loadstring or load)(block.code, "=README.md")) -- luacheck: ignore 113
      end)
    end
  end

  it("is there for a script, each host and each way to wait", function()
    assert.is_true(ran > 5)
    assert.is_true(compiled > 5)
    for _, host in ipairs { "nginx", "haproxy", "cqueues", "luv", "luasocket", "copas" } do
      assert.truthy(support.read_file("README.md"):find("\n```lua " .. host .. "\n", 1, true), host)
    end
  end)
end)

describe("the README", function()
  it("names files that are there", function()
    for path in support.read_file("README.md"):gmatch("%]%(([%w_/.]+)%)") do
      assert.is_true(support.exists(path), path)
    end
  end)

  it("names each example", function()
    local text = support.read_file("README.md")
    for path in support.check_run("ls -d examples/*.lua examples/*/"):gmatch("[^\n]+") do
      assert.truthy(text:find("(" .. path, 1, true), path)
    end
  end)
end)
