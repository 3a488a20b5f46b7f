-- Queues a write, and adds it to what readers see of the queue.
-- KEYS: stream, pending
-- ARGV: 'sum' | 'last', capacity, key, value
-- Returns 1, or 0 when the queue is full.
if redis.call('XLEN', KEYS[1]) >= tonumber(ARGV[2]) then return 0 end
if ARGV[1] == 'sum' then
  -- First: a sum that overflows is an error, and nothing is queued.
  redis.call('HINCRBY', KEYS[2], ARGV[3], ARGV[4])
  redis.call('XADD', KEYS[1], '*', 'k', ARGV[3], 'v', ARGV[4])
else
  local id = redis.call('XADD', KEYS[1], '*', 'k', ARGV[3], 'v', ARGV[4])
  redis.call('HSET', KEYS[2], ARGV[3], id .. ' ' .. ARGV[4])
end
return 1
