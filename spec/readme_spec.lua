-- The code in the README: what is not for a host of its own runs as printed, here; the rest in spec/embed.
local readme = require "spec.support.readme"
local support = require "spec.support"

local build = os.getenv("EBPF_BUILD") or "build"

describe("a block of the README #host", function()
  local netns

  setup(function()
    netns = support.netns()
  end)

  local ran, compiled = 0, 0
  for _, block in ipairs(readme.blocks()) do
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
      readme.block("lua " .. host)
    end
  end)
end)

describe("the README", function()
  it("names files that are there", function()
    for path in readme.text:gmatch("%]%(([%w_/.]+)%)") do
      assert.is_true(support.exists(path), path)
    end
  end)

  it("names each example", function()
    for path in support.check_run("ls -d examples/*.lua examples/*/"):gmatch("[^\n]+") do
      assert.truthy(readme.text:find("(" .. path, 1, true), path)
    end
  end)
end)
