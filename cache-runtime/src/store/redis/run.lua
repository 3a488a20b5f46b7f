-- Prolongs the lease of a job's run, or ends the run and keeps what became of it.
-- KEYS: job, its history
-- ARGV: token; lease in ms, or 0 when it has ended; scheduled; began; by whom; runs that are kept; life of the names in ms; when it has ended the
--       outcome, ms that it took, error, figures
-- Returns 1, or 0 when the lease has ended and another run has begun since: nothing was done.
local holder, scheduled = unpack(redis.call('HMGET', KEYS[1], 'token', 'scheduled'))
-- A job of which no run is known was lost, and is set up again.
if holder ~= ARGV[1] and (holder or scheduled) then return 0 end
redis.call('HSET', KEYS[1], 'scheduled', ARGV[3], 'began', ARGV[4], 'by', ARGV[5])
if ARGV[2] == '0' then
  redis.call('HDEL', KEYS[1], 'token', 'till')
  redis.call('XADD', KEYS[2], 'MAXLEN', ARGV[6], '*', 'scheduled', ARGV[3], 'began', ARGV[4], 'by', ARGV[5],
    'outcome', ARGV[8], 'took', ARGV[9], 'error', ARGV[10], 'figures', ARGV[11])
else
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  redis.call('HSET', KEYS[1], 'token', ARGV[1], 'till', string.format('%.0f', now + ARGV[2]))
end
for _, name in ipairs(KEYS) do redis.call('PEXPIRE', name, ARGV[7]) end
return 1
