-- Stores a loaded answer, unless the key was invalidated since the load was announced.
-- KEYS: entry, fence[, lease][, number of pushes]
-- ARGV: the fence that the load was announced with, the entry, its life in ms, the lease's token or '' for none, channel of those that wait for it,
--       the key, channel, push or '' for none: in a cluster it follows
local lease, pushes = ARGV[4] ~= '' and KEYS[3], ARGV[8] ~= '' and KEYS[#KEYS]

-- Ends the lease in any case: who waits looks again.
local function release()
  if not lease or redis.call('HGET', lease, 'token') ~= ARGV[4] then return end
  local awaited = redis.call('HGET', lease, 'awaited')
  redis.call('DEL', lease)
  if awaited then redis.pcall('PUBLISH', ARGV[5], ARGV[6]) end
end

if redis.call('GET', KEYS[2]) ~= ARGV[1] then
  release()
  return 0
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
redis.call('DEL', KEYS[2])
if pushes then
  redis.pcall('PUBLISH', ARGV[7], redis.call('INCR', pushes) .. ' ' .. ARGV[8])
end
release()
return 1
