-- Stores a loaded answer, unless the key was invalidated since the load was announced.
-- KEYS: entry, fence, number of pushes
-- ARGV: the fence that the load was announced with, the entry, its ttl in ms, channel, push or '' for none
if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
redis.call('DEL', KEYS[2])
if ARGV[5] ~= '' then
  redis.pcall('PUBLISH', ARGV[4], redis.call('INCR', KEYS[3]) .. ' ' .. ARGV[5])
end
return 1
