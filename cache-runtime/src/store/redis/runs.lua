-- What is known of a job's runs.
-- KEYS: job, its history
-- ARGV: runs that are kept
-- Returns {the run that has not ended, as the fields of an entry, or {}; the entries of the history, the latest first}.
local holder, till, scheduled, began, by = unpack(redis.call('HMGET', KEYS[1], 'token', 'till', 'scheduled', 'began', 'by'))
local open = {}
if holder then
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  local outcome = tonumber(till) > now and 'running' or 'interrupted'
  open = { 'scheduled', scheduled, 'began', began, 'by', by, 'outcome', outcome }
end
return { open, redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', ARGV[1]) }
