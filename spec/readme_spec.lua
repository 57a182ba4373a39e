-- The code in the README: what is not for a host of its own runs as printed, here; the rest in spec/embed.
local readme = require "spec.support.readme"
local support = require "spec.support"

local build = os.getenv("EBPF_BUILD") or "build"

-- What everybody on the machine shares is not as printed: the name of a congestion control, and the build may be in
-- another directory.
local function adapted(code)
  return (code:gsub('"build/', ('"%s/'):format(build)):gsub('"readme"', ('"readme%s"'):format(
    support.prefix:match("%d+$"))))
end

describe("a block of the README #host", function()
  local netns

  setup(function()
    netns = support.netns()
  end)

  local ran = 0
  for _, block in ipairs(readme.blocks()) do
    if block.info == "lua" then
      ran = ran + 1
      it("runs, from line " .. block.line, function()
        local output, status = support.run_lua(adapted(block.code), function(command)
          return support.in_netns(netns, readme.with_mounts({ "mount -t bpf bpf /sys/fs/bpf" }, command))
        end)
        assert.equal(0, status, output)
        assert.is_nil(output:find("traceback", 1, true), output)
        assert.truthy(#output > 0 or not block.code:find("print", 1, true), "it prints nothing")
        local lines = "\n" .. output:gsub("[ \t]+", " ")
        for promised in block.code:gmatch("%-%->( [^\n]+\n)") do -- a line that is printed
          assert.truthy(lines:find("\n" .. promised:gsub(" +", " "):sub(2), 1, true), output)
        end
      end)
    end
  end

  it("runs, here or elsewhere", function()
    local others = support.check_run "cat spec/readme_fragments*.lua spec/embed/readme_*.lua spec/support/readme.lua"
    for _, block in ipairs(readme.blocks()) do
      local info = ("%q"):format(block.info)
      assert.truthy(block.info == "lua" or others:find("block " .. info, 1, true)
        or others:find("block(" .. info, 1, true), ("line %d: %s"):format(block.line, info))
    end
    assert.is_true(ran > 5)
  end)
end)

describe("the README", function()
  it("tells how to use what is not installed #host", function()
    local line = assert(readme.text:match("\n    (LUA_PATH=[^\n]* lua5%.4 first%.lua)\n"))
    local script = support.tmpdir() .. "/first.lua"
    support.write_file(script, adapted(readme.block("lua", "-- Which programs are started?")))
    line = line:gsub(" lua5%.4 first%.lua", (" %s %s"):format(support.quote(support.lua), script))
    local output = support.check_run("unset LUA_PATH LUA_CPATH; "
      .. line:gsub("build/lua5%.4", ("%s/%s"):format(build, support.lua_name)))
    assert.truthy(output:find("CPU %d+ executed /bin/ls\n"), output)
  end)

  it("quotes what is said of a program that is not safe #host", function()
    local quoted = assert(readme.text:match('\n    (load program "count_wrong".-) %(10 more')):gsub("%s+", " ")
    local output = support.check_run(("OBJECT=%s/examples/verifier_error.bpf.o %s examples/verifier_error.lua")
      :format(build, support.quote(support.lua)))
    assert.equal(quoted, output:sub(1, #quoted))
  end)

  it("quotes what a failure prints #host", function()
    local quoted = assert(readme.text:match("\n    (nil +create map .-)\n\n"))
    local output = support.run_lua([[
      print(require("ebpf").new_map { name = "events", type = "perf_event_array" })
    ]], support.unprivileged)
    assert.equal(quoted:gsub("%s+", " "), (output:gsub("%s+", " "):gsub(" $", "")))
  end)

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
