-- Asks for a run of a job, by this server's clock. Of all that ask for one instant one gets it.
-- KEYS: job, its history
-- ARGV: 'look' | 'run' | 'miss' | 'hand'; the instant in ms; token of the one who asks; lease in ms; who asks; runs that are kept; life of the names
--       in ms; 1 when the one who asks has had an answer about this job before
-- Returns {this server's time in ms, the last instant that was settled, 'no' | 'busy' | 'yours'}.
local what, token, by = ARGV[1], ARGV[3], ARGV[5]
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local held = redis.call('HMGET', KEYS[1], 'last', 'token', 'till', 'scheduled', 'began', 'by')
local last, holder, till = tonumber(held[1]), held[2], tonumber(held[3]) or 0
local at = what == 'hand' and now or tonumber(ARGV[2])

local function plain(number) return string.format('%.0f', number) end

local function record(scheduled, began, who, outcome)
  redis.call('XADD', KEYS[2], 'MAXLEN', ARGV[6], '*', 'scheduled', scheduled, 'began', began, 'by', who, 'outcome', outcome)
end

local function say(answer)
  redis.call('HSET', KEYS[1], 'last', plain(last))
  for _, name in ipairs(KEYS) do redis.call('PEXPIRE', name, ARGV[7]) end
  return { now, last, answer }
end

-- What is known was lost: a run may be under way, whose holder tells so soon.
if not last and ARGV[8] == '1' then
  till = now + ARGV[4] / 3
  redis.call('HSET', KEYS[1], 'till', plain(till))
end
-- Whatever was due before may have been run. And a clock that was a day ahead must not keep the job from running.
if not last or last > now + 86400000 then last = now end
if what == 'look' then return say('no') end

-- The same one again, after an answer was lost.
local again = holder == token
if what ~= 'hand' and not again then
  if at <= last or at > now then return say('no') end
  last = at
end
if what == 'miss' then
  record(plain(at), plain(now), by, 'missed')
  return say('no')
end
if not again and till > now then
  record(plain(at), plain(now), by, 'skipped')
  return say('busy')
end
if holder and not again then record(held[4], held[5], held[6], 'interrupted') end
redis.call('HSET', KEYS[1], 'token', token, 'till', plain(now + ARGV[4]), 'scheduled', plain(at), 'began', plain(now), 'by', by)
return say('yours')
