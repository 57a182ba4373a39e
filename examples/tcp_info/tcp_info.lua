--- Round-trip times and retransmits of the connections that a server has, by the addresses it sees.
local ebpf = require "ebpf"

local tcp_info = {}

local function default_object()
  return (debug.getinfo(1, "S").source:match("^@(.*)[/\\]") or ".") .. "/tcp_info.bpf.o"
end

local Connections = {}
Connections.__index = Connections

--- What is known of a connection. The times are those of the kernel's last look, at most a round trip ago.
---@param address string the peer's, 4 or 16 bytes
---@param port integer the peer's
---@param local_port integer
---@return {rtt: integer, retransmits: integer, lost: integer, window: integer, sent: integer, received: integer}? info
--- rtt in microseconds; nil: no such connection
---@return string? message
---@return integer? errno
function Connections:get(address, port, local_port)
  return self.map:get { address = address .. ("\0"):rep(16 - #address), port = port, local_port = local_port }
end

--- Watches the connections of the processes in a cgroup (version 2), those made from now on. As root.
---@param options {cgroup: string, object?: string}
---@return table? connections keep it: when it is collected, nobody watches any more
---@return string? message
---@return integer? errno
function tcp_info.open(options)
  local collection, message, code = ebpf.load(options.object or default_object())
  if not collection then
    return nil, message, code
  end
  local link
  link, message, code = collection.programs.tcp_info:attach { cgroup = options.cgroup }
  if not link then
    collection:close()
    return nil, message, code
  end
  return setmetatable({ map = collection.maps.connections, collection = collection, link = link }, Connections)
end

return tcp_info
