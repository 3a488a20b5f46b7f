-- Prolongs a lock or gives it back.
-- KEYS: lock
-- ARGV: its holder's token, new lease in ms or 0 to give it back, life of the hash beyond the lease in ms, channel of those that wait,
--       what is told there
-- Returns 1 while nobody else has taken it.
if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then return 0 end
local lease = tonumber(ARGV[2])
redis.call('PEXPIRE', KEYS[1], lease + ARGV[3])
if lease > 0 then
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  redis.call('HSET', KEYS[1], 'till', string.format('%.0f', now + lease))
  return 1
end
local awaited = redis.call('HGET', KEYS[1], 'awaited')
redis.call('HDEL', KEYS[1], 'token', 'till', 'awaited')
if awaited then redis.pcall('PUBLISH', ARGV[4], ARGV[5]) end
return 1
