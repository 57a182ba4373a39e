-- Programs that end by bpf_throw(), and the functions that run in their place then.
local ebpf = require "ebpf"
local support = require "spec.support"

local errno = ebpf.errno
local path = support.fixture "exceptions"
local short, long = ("\0"):rep(64), ("\0"):rep(65) -- the programs throw 21 when a packet is longer than 64 bytes

local function keep(handle, message)
  return support.closing(assert(handle, message))
end

local function load(name)
  return ebpf.load(path, { programs = { name } })
end

-- The names of functions in the order they have in the program.
local function functions(instructions)
  local names = {}
  for name in tostring(instructions):gmatch("([%w_]+):\n") do
    if not name:find("^L%d") then
      names[#names + 1] = name
    end
  end
  return table.concat(names, " ")
end

describe("exception callbacks in an object", function()
  it("are parts of their programs, with what they call", function()
    local programs = assert(ebpf.load_spec(path)).programs
    assert.equal("uncaught check", functions(programs.uncaught.instructions))
    assert.equal("caught check double_it add_up", functions(programs.caught.instructions))
    assert.equal("caught_as_well add_up check hidden_it double_it",
      functions(programs.caught_as_well.instructions))
    assert.equal("caught_otherwise check negate_it", functions(programs.caught_otherwise.instructions))
    assert.equal("calling double_it add_up", functions(programs.calling.instructions))
  end)

  -- The object with another tag than that of `double_it`, of the same length, since it is filled up with NULs.
  local function with_tag(tag)
    local old = "exception_callback:double_it"
    return (support.read_file(path):gsub(old, tag .. ("\0"):rep(#old - #tag)))
  end

  it("have to be there, global, and no programs", function()
    for name, why in pairs {
      doub1e_it = "the object has no function of that name",
      add_up = "it has to be a global function: leave out static",
      hidden_it = "it has to be a global function: leave out __hidden",
      uncaught = "it is a program of section \"tc\": leave out its SEC()",
      bpf_throw = "the object has no function of that name",
      [""] = "its tag \"exception_callback:\" names none",
    } do
      local spec, message, code = ebpf.parse_spec(with_tag("exception_callback:" .. name), "it.o")
      assert.same({ nil, errno.ENOEXEC }, { spec, code })
      assert.truthy(message:find(("program \"[%%w_]+\": exception callback \"%s\": "):format(name)), message)
      assert.truthy(message:find(why, 1, true), message)
    end
  end)

  it("are none for other tags", function()
    for _, tag in ipairs { "exception_callback", "exception_callbacks:add_up", "exception", "" } do
      local spec = assert(ebpf.parse_spec(with_tag(tag)))
      assert.equal("caught check", functions(spec.programs.caught.instructions))
    end
  end)

  it("are programs' alone", function()
    local bytes = support.read_file(path):gsub("exception_cal1back", "exception_callback")
    local spec, message, code = ebpf.parse_spec(bytes, "it.o")
    assert.same({ nil, errno.ENOEXEC }, { spec, code })
    assert.truthy(message:find("the tag \"exception_callback:double_it\" is not on the function of a program: "
      .. "\"check\"", 1, true), message)
  end)
end)

describe("bpf_throw", support.since("6.7", "exceptions", function()
  local function results(name)
    local collection = keep(load(name))
    local p = collection.programs[name]
    local cookie = collection.variables.cookie
    return (p:test(short)), (p:test(long)), cookie and tonumber(cookie:get())
  end

  it("ends the program with what it throws, when there is no callback", function()
    assert.same({ 1, 21 }, { results "uncaught" })
  end)

  it("has the callback tell what the program returns", function()
    assert.same({ 1, 42, 21 }, { results "caught" })
    assert.same({ 1, 42, 21 }, { results "caught_as_well" })
    assert.same({ 1, 7 }, { results "caught_otherwise" })
  end)

  it("works also when all of the object is loaded", function()
    local programs = keep(ebpf.load(path)).programs
    assert.is_nil(programs.calling)
    for name, result in pairs { uncaught = 21, caught = 42, caught_as_well = 42, caught_otherwise = 7 } do
      assert.equal(result, (programs[name]:test(long)))
    end
  end)

  it("has callbacks with types and lines of source", function()
    local p = keep(load "caught").programs.caught
    assert.equal(4, p:info().nr_func_info)
    local names, sources = {}, {}
    for _, part in ipairs(assert(p:jited())) do
      names[part.name:match("([%w_]+)$")] = true
    end
    assert.is_true(names.double_it and names.add_up)
    for _, line in ipairs(assert(p:lines())) do
      sources[line.source:match("%S.*")] = true
    end
    assert.is_true(sources["return add_up(c, c);"])
  end)

  it("is the verifier's to judge", function()
    local collection, message, code = load "calling"
    assert.same({ nil, errno.EINVAL }, { collection, code })
    assert.truthy(message:find("cannot call exception cb directly", 1, true), message)
    collection, message = load "caught_twice"
    assert.is_nil(collection)
    assert.truthy(message:find("multiple exception callback tags", 1, true), message)
  end)
end, function()
  return load "uncaught"
end))
