-- Asks a rate limit, by this server's clock. The same arithmetic as `Window` in rate_limit.rs, which explains it.
-- KEYS: window
-- ARGV: limit, length of a window in ms, how many are asked for, 1 sliding | 0 fixed
-- Returns {1 allowed | 0 refused, how many remain, ms until it is worth asking again or -1, ms until all of it is free}.
local limit, per, n, sliding = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), ARGV[4] == '1'
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local held = redis.call('HMGET', KEYS[1], 'from', 'count', 'before')
local from, count, before = tonumber(held[1]) or now, tonumber(held[2]) or 0, tonumber(held[3]) or 0

-- A clock that was set back.
from = math.min(from, now)
if sliding and now - from >= per and now - from < 2 * per then
  from, count, before = from + per, 0, count
elseif now - from >= per then
  from, count, before = now, 0, 0
end

local gone = now - from
local used = count + before * (per - gone) / per
local allowed, retry = used + n <= limit, -1
if allowed then
  count, used = count + n, used + n
  redis.call('HSET', KEYS[1], 'from', string.format('%.0f', from), 'count', count, 'before', before)
  redis.call('PEXPIRE', KEYS[1], (sliding and 2 or 1) * per - gone)
elseif n <= limit then
  if not sliding then
    retry = per - gone
  elseif count + n <= limit then
    retry = math.ceil(per * (1 - (limit - count - n) / before)) - gone
  else
    retry = per - gone + math.max(0, math.ceil(per * (1 - (limit - n) / count)))
  end
  retry = math.max(1, retry)
end

local reset = 0
if count > 0 then
  reset = (sliding and 2 or 1) * per - gone
elseif before > 0 then
  reset = per - gone
end
return { allowed and 1 or 0, math.max(0, math.floor(limit - used)), retry, reset }
