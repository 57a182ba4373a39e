--- Sockets for the specs (see net.c, which is compiled here), and scripts that run in network namespaces and cgroups of
-- their own.
local support = require "spec.support"

local build = os.getenv("EBPF_BUILD") or "build"

local directory = ("%s/%s/spec"):format(build, support.lua_name)
local path = directory .. "/net.so"

-- The scripts that a spec starts find it compiled.
if not os.getenv("EBPF_SPEC_NET") then
  local fresh = path .. "." .. support.prefix -- moved into place: a run beside this one never loads half a file
  support.check_run { "mkdir", "-p", directory }
  support.check_run(("cc -O2 -g -fPIC -shared -Wall -Wextra $(pkg-config --cflags %s) -o %s spec/support/net.c")
    :format(support.lua_name, fresh))
  support.check_run { "mv", fresh, path }
end

local net = assert(package.loadlib(path, "luaopen_net"))()

-- What each script begins with.
local prelude = [[
local ebpf = require "ebpf"
local support = require "spec.support"
local net = require "spec.support.net"
local errno, link = ebpf.errno, ebpf.link

-- What a call returns that needs that Linux, or else ends the script: see support.needs.
local function since(version, ok, message, ...)
  if ok == nil then
    io.write(("needs %%s: %%s"):format(version, message))
    os.exit(0)
  end
  return ok, message, ...
end

local coll = assert(since(%q, ebpf.load(%q, { programs = { %s } })))
local progs = coll.programs

-- How often the program of that slot ran.
local function count(slot)
  return tonumber(coll.maps.counts:get(slot))
end

-- Whether action makes the program of that slot run.
local function runs(slot, action)
  local before = count(slot)
  action()
  return support.wait_until(function() return count(slot) > before end, 0.5)
end

-- The order in which programs ran by that action, as the digits of a number.
local function order(action)
  coll.maps.order:put(0, 0)
  action()
  return tonumber(coll.maps.order:get(0))
end

-- That a call failed, with those words and that errno.
local function fails(words, code, ok, message, number)
  if ok ~= nil or not message:find(words, 1, true) or (code and number ~= code) then
    error(("%%s (%%s) instead of %%s (%%s)"):format(message, number, words, code), 2)
  end
end

-- That a call raised an error with those words.
local function raises(words, call, ...)
  local ok, message = pcall(call, ...)
  if ok or not tostring(message):find(words, 1, true) then
    error(("%%s instead of %%s"):format(message, words), 2)
  end
end

local function collect()
  collectgarbage()
  collectgarbage()
end

-- A datagram over the loopback to a port: what arrives, or nil and the errno of sending or waiting.
local function udp(port)
  local from, to = net.socket "udp", net.socket "udp"
  assert(net.bind(to, "127.0.0.1", port or 0))
  local _, bound = net.name(to)
  local ok, code = net.send(from, "hello", "127.0.0.1", bound)
  local data
  if ok then
    data, code = net.receive(to, 0.2)
  end
  net.close(from)
  net.close(to)
  return data, not data and code or nil
end
]]

--- Runs a script in a network namespace of its own, which must print nothing. It has the locals of the prelude above.
-- @param programs names of the fixture's programs to load, as an array
-- @param body the script
-- @param options nil or {fixture = "link_net", cgroup = path of one to run in, wrap = function(command) -> command,
-- since = version of the Linux that has such programs, feature = what support.needs is told}
function net.run(programs, body, options)
  options = options or {}
  local names = {}
  for i, name in ipairs(programs) do
    names[i] = ("%q"):format(name)
  end
  local fixture = support.fixture(options.fixture or "link_net")
  local script = prelude:format(options.since or "0.0", fixture, table.concat(names, ", ")) .. body
    .. '\nio.write "well"'
  local netns = support.netns()
  local output, status = support.run_lua(script, function(command)
    command = "EBPF_SPEC_NET=1 " .. (options.wrap and options.wrap(command) or command)
    if options.cgroup then
      command = ("echo $$ >%s/cgroup.procs && %s"):format(support.quote(options.cgroup), command)
    end
    return support.in_netns(netns, command)
  end)
  local version, refusal = output:match("^needs ([%d.]+): (.*)$")
  if version then
    support.needs(version, options.feature or "attaching the program " .. programs[1], refusal)
  end
  if status ~= 0 or output ~= "well" then
    error(("exit status %d: %s"):format(status, output), 2)
  end
end

return net
