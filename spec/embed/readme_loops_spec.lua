-- What the README says to event loops, in the real ones. What they print for each sample is looked at from outside.
local ebpf = require "ebpf"
local perf = require "spec.support.perf"
local readme = require "spec.support.readme"
local support = require "spec.support"

-- What the recipes take from what is above them in the README.
local prelude = [[
io.stdout:setvbuf "no"
local ebpf = require "ebpf"
local collection = assert(ebpf.load(%q))
local reader = assert(ebpf.new_perf_reader(collection:take_map "events"))
assert(collection.programs.emit_numbered:pin(%q))
]]

-- Starts a recipe, sends samples one after the other, and waits each time for what is printed.
local function run(recipe, more)
  local pin = support.bpffs() .. "/emit"
  local script = support.tmpdir() .. "/script.lua"
  support.write_file(script, prelude:format(support.fixture("perf_output"), pin) .. (more or "") .. recipe)
  local pid, output = support.start(support.quote(support.lua) .. " " .. script)
  local program
  assert(support.wait_until(function()
    program = ebpf.load_pinned_program(pin)
    return program
  end, 20), "it does not begin: " .. support.read_file(output))
  support.closing(program):unpin()
  support.sleep(0.1)
  for n = 1, 3 do
    program:run { data = perf.packet }
    local printed = support.wait_until(function()
      return select(2, support.read_file(output):gsub("%d+\n", "")) >= n
    end, 20)
    assert(printed, support.read_file(output))
  end
  assert.equal(("68\n"):rep(3), support.read_file(output))
  support.stop(pid)
end

describe("the recipe for", function()
  it("cqueues prints what comes", function()
    run(readme.block "lua cqueues")
  end)

  it("luv prints what comes", function()
    run(readme.block "lua luv")
  end)

  it("luasocket prints what comes, and watches a server", function()
    run(readme.block "lua luasocket", 'local server = assert(require("socket").bind("127.0.0.1", 0))\n')
  end)

  if support.lua_name == "luajit" then -- Debian's lua-copas is for Lua 5.1
    it("copas prints what comes", function()
      run(readme.block "lua copas")
    end)
  end
end)
