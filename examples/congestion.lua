-- Registers a congestion control for TCP that is made of BPF programs, and lets connections use it.
--
--   lua congestion.lua                       for connections of its own to itself
--   lua congestion.lua window [seconds]      for those of others, who ask for it by setsockopt(TCP_CONGESTION) or
--                                            `ip route add ... congctl ebpf_fixed`; 10 seconds by default
--
-- OBJECT in the environment is congestion.bpf.c, compiled by clang -O2 -g -target bpf; NAME another name than
-- ebpf_fixed.
local ebpf = require "ebpf"

local object = os.getenv("OBJECT") or "build/examples/congestion.bpf.o"
local window, seconds = tonumber(arg[1] or 4), tonumber(arg[2] or 10)

-- A connection that sends a million bytes to itself, and tells what its window is then (tcpi_snd_cwnd of TCP_INFO).
local connection = [[
  use Socket qw(:DEFAULT IPPROTO_TCP);
  socket(L, PF_INET, SOCK_STREAM, 0) && bind(L, sockaddr_in(0, INADDR_LOOPBACK)) && listen(L, 1) or die "listen: $!";
  socket(C, PF_INET, SOCK_STREAM, 0) or die "socket: $!";
  setsockopt(C, IPPROTO_TCP, 13, $ARGV[0]) or die "setsockopt: $!";
  connect(C, getsockname(L)) && accept(A, L) or die "connect: $!";
  for (1 .. 100) {
    syswrite(C, "x" x 10000) == 10000 or die "write: $!";
    my $left = 10000;
    while ($left) { my $got = sysread(A, my $data, $left) or die "read: $!"; $left -= $got; }
  }
  printf "%s, window of %d segments\n", unpack("Z*", getsockopt(C, IPPROTO_TCP, 13)),
    unpack("x80 L", getsockopt(C, IPPROTO_TCP, 11));
]]

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

local function run(command)
  local result = os.execute(command)
  check(result == true or result == 0)
end

-- What the object says can be changed before it is loaded: constants and members of structs.
local spec = check(ebpf.load_spec(object))
local members = spec.maps.fixed.members
members.name = os.getenv("NAME") or members.name
spec.variables.window:set(window)

local collection = check(spec:load())
local links = check(collection:attach())
print(("%s: %s"):format(members.name, tostring(links.fixed)))
io.stdout:flush()
if arg[1] then
  run("sleep " .. seconds)
else
  run(("perl -e %s %s"):format(quote(connection), quote(members.name)))
end

local variables = collection.variables
print(("%d connections, %d segments acknowledged"):format(tonumber(variables.connections:get()),
  tonumber(variables.acknowledged:get())))
collection:close()
