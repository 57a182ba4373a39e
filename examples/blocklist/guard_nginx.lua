--- What nginx.conf calls: bans clients that ask for what nobody should ask for. Options come from the environment:
-- BLOCKLIST_INTERFACE ("eth0"), BLOCKLIST_PINS ("/sys/fs/bpf/blocklist"), BLOCKLIST_SECONDS of a ban (600).
local blocklist = require "blocklist"

local guard = {}

local STRIKES, WITHIN = 3, 60 -- so many bad requests in so many seconds
local blocked, drops
local seconds = tonumber(os.getenv "BLOCKLIST_SECONDS" or 600)

--- init_by_lua: in the master, as root; the workers inherit what is opened here. A reload comes here again, opens the
-- same pins, and puts its program in the place of the old one.
function guard.open()
  blocked = assert(blocklist.open {
    pin_path = os.getenv "BLOCKLIST_PINS" or "/sys/fs/bpf/blocklist",
    sample_every = 1,
    migrate = true,
  })
  local interface = os.getenv "BLOCKLIST_INTERFACE" or "eth0"
  ngx.log(ngx.NOTICE, "blocklist on ", interface, ", ", assert(blocked:attach(interface)), " mode")
  drops = assert(blocked:reader())
end

local function log_drops()
  for drop in drops:samples() do
    local source, matched = blocklist.source(drop)
    ngx.log(ngx.NOTICE, "dropped ", drop.bytes, " bytes from ", source, " by ", matched)
  end
end

local function reclaim(exiting)
  if not exiting then
    blocked:reclaim(1000)
  end
end

--- init_worker_by_lua: one worker reads the samples, and throws out what has expired.
function guard.start_worker()
  if ngx.worker.id() == 0 then
    assert(ngx.timer.at(0, log_drops))
    assert(ngx.timer.every(10, reclaim))
  end
end

--- access_by_lua, where a request is a bad sign: counts, and bans who has made too many.
function guard.strike()
  local client = ngx.var.remote_addr
  local count = ngx.shared.strikes:incr(client, 1, 0, WITHIN)
  if count and count >= STRIKES then
    local ok, message = blocked:ban(client, { seconds = seconds })
    ngx.log(ngx.WARN, ok and "banned " or "cannot ban ", client, message and ": " .. message or "")
    ngx.shared.strikes:delete(client)
  end
  return ngx.exit(ngx.HTTP_FORBIDDEN)
end

return guard
