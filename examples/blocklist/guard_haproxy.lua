--- What haproxy.cfg loads: bans clients that ask for what nobody should ask for. Options come from the environment:
-- BLOCKLIST_INTERFACE ("eth0"), BLOCKLIST_PINS ("/sys/fs/bpf/blocklist"), BLOCKLIST_SECONDS of a ban (600).
local blocklist = require "blocklist"

local STRIKES, WITHIN = 3, 60 -- so many bad requests in so many seconds
local blocked, drops
local seconds = tonumber(os.getenv "BLOCKLIST_SECONDS" or 600)
local strikes = {} -- {count, since} by client

-- As root, after the configuration was read, and not under `haproxy -c`. A reload comes here in a new process, opens
-- the same pins, and puts its program in the place of the old one.
core.register_init(function()
  blocked = assert(blocklist.open {
    pin_path = os.getenv "BLOCKLIST_PINS" or "/sys/fs/bpf/blocklist",
    sample_every = 1,
    migrate = true,
  })
  local interface = os.getenv "BLOCKLIST_INTERFACE" or "eth0"
  core.log(core.notice, ("blocklist on %s, %s mode"):format(interface, assert(blocked:attach(interface))))
  drops = assert(blocked:reader())
end)

-- http-request lua.strike: counts a bad request, and bans who has made too many.
core.register_action("strike", { "http-req" }, function(txn)
  local client = txn.f:src()
  local now = core.now().sec
  local strike = strikes[client]
  if not strike or now - strike.since > WITHIN then
    strike = { count = 0, since = now }
    strikes[client] = strike
  end
  strike.count = strike.count + 1
  if strike.count >= STRIKES then
    local ok, message = blocked:ban(client, { seconds = seconds })
    core.log(core.warning, ok and "banned " .. client or ("cannot ban %s: %s"):format(client, message))
    strikes[client] = nil
  end
end)

core.register_task(function()
  for drop in drops:samples() do
    local source, matched = blocklist.source(drop)
    core.log(core.notice, ("dropped %d bytes from %s by %s"):format(drop.bytes, source, matched))
  end
end)

-- Throws out what has expired, here and in the kernel.
core.register_task(function()
  while true do
    core.msleep(10000)
    blocked:reclaim(1000)
    local now = core.now().sec
    for client, strike in pairs(strikes) do
      if now - strike.since > WITHIN then
        strikes[client] = nil
      end
    end
  end
end)
