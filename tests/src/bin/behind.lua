-- Counts a write once.
-- KEYS: hash
-- ARGV: key, sum, id
local counted = redis.call('HGET', 'last', ARGV[1])
if counted and counted >= ARGV[3] then return 0 end
redis.call('HSET', 'last', ARGV[1], ARGV[3])
return redis.call('HINCRBY', KEYS[1], ARGV[1], ARGV[2])
