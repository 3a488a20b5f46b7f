-- Stores a loaded answer, unless the key was invalidated since the load was announced.
-- KEYS: entry, fence, number of pushes[, lease]
-- ARGV: the fence that the load was announced with, the entry, its life in ms, channel, push or '' for none[, the lease's token,
--       channel of those that wait for it, the key]

-- Ends the lease in any case: who waits looks again.
local function release()
  if not KEYS[4] or redis.call('HGET', KEYS[4], 'token') ~= ARGV[6] then return end
  local awaited = redis.call('HGET', KEYS[4], 'awaited')
  redis.call('DEL', KEYS[4])
  if awaited then redis.pcall('PUBLISH', ARGV[7], ARGV[8]) end
end

if redis.call('GET', KEYS[2]) ~= ARGV[1] then
  release()
  return 0
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
redis.call('DEL', KEYS[2])
if ARGV[5] ~= '' then
  redis.pcall('PUBLISH', ARGV[4], redis.call('INCR', KEYS[3]) .. ' ' .. ARGV[5])
end
release()
return 1
