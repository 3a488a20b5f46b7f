-- Makes things old, all at once; puts or removes the writer's marks; and tells the near caches. In a cluster it is called for each part by itself.
-- KEYS: hashes of generations, hashes of marks, keys to remove[, number of pushes]
-- ARGV: channel, push or '' for none, most fields of a hash of generations, number of generations, number of marks,
--       life of the marks in ms (0: remove them), what they say (1 held off, 2 announced),
--       most marks of a domain, then for each generation its field and its new value, and the marks
-- Returns 1, or 'push: ' and what kept it from being sent.
local scopes, marks, life = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6])
local key, arg = 0, 8

for _ = 1, scopes do
  key, arg = key + 1, arg + 2
  redis.call('HSET', KEYS[key], ARGV[arg - 1], ARGV[arg])
  -- Without its generations a whole domain is old, which is always safe: they stay bounded so.
  if redis.call('HLEN', KEYS[key]) > tonumber(ARGV[3]) then redis.call('DEL', KEYS[key]) end
end

local till
if life > 0 then
  local time = redis.call('TIME')
  till = time[1] * 1000 + math.floor(time[2] / 1000) + life
end
-- Forgets what has ended; one mark for the whole domain in place of too many.
local function gather(hash)
  local last, says, all = till, ARGV[7], redis.call('HGETALL', hash)
  for i = 1, #all, 2 do
    local said, ends = string.match(all[i + 1], '^(%d)(%d+)')
    if not ends or tonumber(ends) <= till - life then
      redis.call('HDEL', hash, all[i])
    else
      last, says = math.max(last, tonumber(ends)), math.max(says, said)
    end
  end
  if redis.call('HLEN', hash) <= tonumber(ARGV[8]) then return end
  redis.call('DEL', hash)
  redis.call('HSET', hash, 'root' .. string.rep('\0', 8), says .. string.format('%.0f', last))
end

for _ = 1, marks do
  key, arg = key + 1, arg + 1
  if life == 0 then
    redis.call('HDEL', KEYS[key], ARGV[arg])
  else
    local said, ends = string.match(redis.call('HGET', KEYS[key], ARGV[arg]) or '', '^(%d)(%d+)')
    -- The shorter of two hold-offs ends nothing.
    if said ~= ARGV[7] or tonumber(ends) < till then
      redis.call('HSET', KEYS[key], ARGV[arg], ARGV[7] .. string.format('%.0f', till))
    end
    if redis.call('HLEN', KEYS[key]) > tonumber(ARGV[8]) then gather(KEYS[key]) end
  end
end

local pushes = ARGV[2] ~= '' and KEYS[#KEYS]
for i = key + 1, #KEYS - (pushes and 1 or 0) do redis.call('UNLINK', KEYS[i]) end

if not pushes then return 1 end
-- Last, so that whoever hears of it finds all of it done.
local number = redis.call('INCR', pushes)
local sent = redis.pcall('PUBLISH', ARGV[1], number .. ' ' .. ARGV[2])
return type(sent) == 'table' and 'push: ' .. sent.err or 1
