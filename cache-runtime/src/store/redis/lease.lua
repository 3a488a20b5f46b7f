-- Asks for the lead of a load in the fleet.
-- KEYS: lease, fence
-- ARGV: token of the one who asks, the ticket that its load was announced with, life in ms, 1 when it will wait, the ticket's fence
-- Returns 'led' when it leads, 'free' when a load with this ticket has just failed, so that each process loads for itself, 'held', or 'over'
-- when a load with this ticket has ended, or something was invalidated, since it was announced.
if redis.call('GET', KEYS[2]) ~= ARGV[5] then return 'over' end
local token, ticket, failed = unpack(redis.call('HMGET', KEYS[1], 'token', 'ticket', 'failed'))
-- Another ticket is of a load from before an invalidation, or after one: nobody waits for it.
if ticket == ARGV[2] and token ~= ARGV[1] then
  if failed then return 'free' end
  if ARGV[4] == '1' then redis.call('HSET', KEYS[1], 'awaited', 1) end
  return 'held'
end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'token', ARGV[1], 'ticket', ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 'led'
