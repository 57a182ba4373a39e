--- Links of struct_ops maps: what keeps a struct of programs registered in the place of the kernel's functions.
local core = require "ebpf.core"
local pass = require("ebpf.argument").pass
local struct_ops = require "ebpf.struct_ops"

local link = {}

local EBADF, EOPNOTSUPP = core.errno.EBADF, core.errno.EOPNOTSUPP

-- What the kernel says of a struct that is not registered any more.
local gone = { [core.errno.ENOENT] = true, [core.errno.EINPROGRESS] = true }

--- What has the methods of a Link for a map of the section ".struct_ops", which the kernel has no link for. The struct
--- stays registered, also when the process ends, until detach() or close() is called.
local Registration = {}
local registration = { __index = Registration, __name = "ebpf.registration" }

table.insert(core.public, Registration)

local function closed()
  return nil, "link is closed", EBADF
end

local function refused(self, what, why)
  return nil, ("%s %s: %s"):format(what, tostring(self), why), EOPNOTSUPP
end

function Registration:detach()
  core.check_self(self, registration)
  if not self.map then
    return closed()
  end
  local ok, message, errno = self.map:delete_strict(0)
  if not ok and not gone[errno] then
    return nil, ("detach %s: %s"):format(tostring(self), message), errno
  end
  return true
end

function Registration:close()
  core.check_self(self, registration)
  local map = self.map
  self.map = nil
  if map then
    map:delete(0)
    map:close()
  end
  return true
end

function Registration:is_closed()
  core.check_self(self, registration)
  return self.map == nil
end

function Registration:fd()
  core.check_self(self, registration)
  if not self.map then
    return closed()
  end
  return self.map:fd()
end

function Registration:info()
  core.check_self(self, registration)
  if not self.map then
    return closed()
  end
  local info, message, errno = self.map:info()
  if not info then
    return nil, message, errno
  end
  return { type = "struct_ops", map_id = info.id }
end

function Registration:update()
  core.check_self(self, registration)
  if not self.map then
    return closed()
  end
  return refused(self, "update", "only what the section .struct_ops.link has can be updated")
end

function Registration:pin()
  core.check_self(self, registration)
  if not self.map then
    return closed()
  end
  return refused(self, "pin", "it stays without a pin, until it is detached")
end

function Registration:unpin()
  core.check_self(self, registration)
  if not self.map then
    return closed()
  end
  return true
end

function Registration:is_pinned()
  core.check_self(self, registration)
  return false
end

registration.__close = Registration.close

function registration:__tostring()
  return ('struct_ops link "%s" %s'):format(self.name, self.map and "#" .. self.map:fd() or "(closed)")
end

local fields = { map = true }

--- Registers the struct of programs that is in a map of type struct_ops. Of the section ".struct_ops.link" (Linux 6.4)
--- it stays for as long as the Link, whose update(map) puts the struct of another map in its place. Of ".struct_ops"
--- (Linux 5.6) it stays until the Link is detached or closed by a call, even when the process ends.
---@class ebpf.StructOpsOptions
---@field map ebpf.Map of type struct_ops
---@param options ebpf.StructOpsOptions
---@return ebpf.Link? link
---@return string? message
---@return integer? errno EEXIST: another one of that name is registered
function link.struct_ops(options)
  if type(options) ~= "table" then
    core.refuse(1, ("table expected, got %s"):format(type(options)))
  end
  for field in pairs(options) do
    if not fields[field] then
      core.refuse(1, ("unknown struct_ops option '%s'"):format(tostring(field)))
    end
  end
  local map = options.map
  if not core.is_handle(map, "ebpf.map") then
    core.refuse(1, "field 'map': Map of type struct_ops expected")
  end
  local abi, message, errno = map:abi()
  if not abi then
    return nil, message, errno
  elseif abi.type ~= "struct_ops" then
    core.refuse(1, "field 'map': Map of type struct_ops expected")
  end
  if struct_ops.has_links(map) then
    return core.attach_struct_ops { map = map }
  end
  local own
  own, message, errno = map:clone()
  if not own then
    return nil, message, errno
  end
  local ok
  ok, message, errno = struct_ops.register(map)
  if not ok then
    own:close()
    return nil, message, errno
  end
  return setmetatable({ map = own, name = map:name() }, registration)
end

-- A struct_ops link gets another map instead of another program.
local update = core.methods.link.update
function core.methods.link:update(program)
  if core.is_handle(program, "ebpf.map") then
    return pass(core.update_struct_ops(self, program))
  end
  return pass(update(self, program))
end

-- A program is registered with the others of its struct.
local attachers = {
  struct_ops = {
    open = function(options)
      return link.struct_ops { map = options.map }
    end,
    needs = { "map" },
    hint = "a struct_ops program is attached with the map that it is in: ebpf.link.struct_ops{map = collection.maps.x}"
      .. ", or collection:attach()",
  },
}

return { functions = link, attachers = attachers }
