-- Takes a lock, unless another one holds it. Its hash outlives it, so that its fencing tokens rise.
-- KEYS: lock
-- ARGV: token of the one who asks, lease in ms, 1 when it will wait, life of the hash beyond the lease in ms
-- Returns {fencing token, 0} when it is taken, {'0', ms that are left of the holder's lease} when it is held.
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local held = redis.call('HMGET', KEYS[1], 'token', 'till', 'fence')
local token, till, fence = held[1], tonumber(held[2]) or 0, held[3]
if token and token ~= ARGV[1] and till > now then
  if ARGV[3] == '1' then redis.call('HSET', KEYS[1], 'awaited', 1) end
  return { '0', till - now }
end
-- Asked again by the same one, after a connection broke: the same lock.
if token ~= ARGV[1] then
  -- By the clock it rises also when the hash is lost.
  fence = string.format('%.0f', math.max((tonumber(fence) or 0) + 1, time[1] * 1000000 + time[2]))
end
redis.call('HSET', KEYS[1], 'token', ARGV[1], 'till', string.format('%.0f', now + ARGV[2]), 'fence', fence)
redis.call('PEXPIRE', KEYS[1], ARGV[2] + ARGV[4])
return { fence, 0 }
