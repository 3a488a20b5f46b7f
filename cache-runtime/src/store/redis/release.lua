-- Prolongs or ends a lease.
-- KEYS: lease
-- ARGV: its holder's token, new life in ms or 0 to end it, life of the note that the load failed in ms or 0, channel, the key
-- Returns 1 while the holder held it.
if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then return 0 end
if ARGV[2] ~= '0' then
  if redis.call('HEXISTS', KEYS[1], 'failed') == 1 then return 0 end
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  return 1
end
local awaited = redis.call('HGET', KEYS[1], 'awaited')
if ARGV[3] == '0' then
  redis.call('DEL', KEYS[1])
else
  redis.call('HSET', KEYS[1], 'failed', 1)
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
end
if awaited then redis.pcall('PUBLISH', ARGV[4], ARGV[5]) end
return 1
