-- One server of luv answers on a thousand ports, though it listens on one: a program chooses its socket for connections
-- to any of them.
--
--   lua sk_lookup.lua          in a network namespace of its own, with clients of its own; needs lua-luv and bash
--
-- OBJECT in the environment is sk_lookup.bpf.c, compiled by clang -O2 -g -target bpf.
local ebpf = require "ebpf"
local uv = require "luv"

local object = os.getenv("OBJECT") or "build/examples/sk_lookup.bpf.o"
local listening, first, last = 7000, 8000, 8999

-- Whether the command succeeded: Lua 5.1 answers a number, later ones true or nil.
local function run(command)
  local result = os.execute(command)
  return result == true or result == 0
end

local function quote(word)
  return "'" .. word:gsub("'", "'\\''") .. "'"
end

-- Failures of the library come as nil and a message that says what to do.
local function check(result, message)
  if not result then
    io.stderr:write(message or "a command failed", "\n")
    os.exit(1)
  end
  return result
end

if not arg[1] then
  os.exit(run(("unshare --net %s %s here"):format(quote(arg[-1]), quote(arg[0]))) and 0 or 1)
end
check(run "ip link set lo up")

-- Tells each client which port it asked for.
local server = uv.new_tcp()
check(server:bind("127.0.0.1", listening))
check(server:listen(16, function()
  local client = uv.new_tcp()
  server:accept(client)
  client:write(("this is port %d\n"):format(client:getsockname().port), function()
    client:close()
  end)
end))

local spec = check(ebpf.load_spec(object))
spec.variables.first_port:set(first)
spec.variables.last_port:set(last)
local collection = check(spec:load())
check(collection.maps.server:put(0, server:fileno()))

-- What a client at that port is told; the loop runs meanwhile.
local function ask(port)
  local answer, output = "", uv.new_pipe(false)
  local process = uv.spawn("bash", {
    args = { "-c", ("cat </dev/tcp/127.0.0.1/%d 2>/dev/null || echo no answer"):format(port) },
    stdio = { nil, output, nil },
  }, function() end)
  local ended = false
  output:read_start(function(_, data)
    answer = answer .. (data or "")
    ended = data == nil
  end)
  while not ended do
    uv.run("once")
  end
  process:close()
  output:close()
  return (answer:gsub("\n$", ""))
end

local function ask_all()
  for _, port in ipairs { listening, first, 8080, last, last + 1 } do
    print(("%d: %s"):format(port, ask(port)))
  end
end

local link = check(collection.programs.steer:attach { netns = "/proc/self/ns/net" })
print(("steering ports %d to %d to the one at %d"):format(first, last, listening))
ask_all()
link:close()
print("no more")
ask_all()
collection:close()
server:close()
uv.run()
