-- Takes the next batch, for the one consumer that holds the lease. What was taken before and not settled comes first, and alone, so
-- that it is the same entries again.
-- KEYS: stream, lease
-- ARGV: the consumer's token, life of the lease in ms, most entries
-- Returns {{id, key, value}…}, or false when another consumer has the lease.
local holder = redis.call('GET', KEYS[2])
if holder and holder ~= ARGV[1] then return false end
redis.call('SET', KEYS[2], ARGV[1], 'PX', ARGV[2])
if redis.call('EXISTS', KEYS[1]) == 0 then return {} end

-- One name for whoever holds the lease: the pending list of the group goes with it.
local function read(...)
  local found = redis.call('XREADGROUP', 'GROUP', 'sink', 'holder', ...)
  local batch = {}
  for _, entry in ipairs(found and found[1][2] or {}) do
    local fields = entry[2]
    if not fields then
      redis.call('XACK', KEYS[1], 'sink', entry[1]) -- deleted by somebody meanwhile
    elseif fields[1] == 'k' and fields[3] == 'v' then
      batch[#batch + 1] = { entry[1], fields[2], fields[4] }
    else
      batch[#batch + 1] = { entry[1], '', '' }
    end
  end
  return batch
end

local groups = redis.call('XINFO', 'GROUPS', KEYS[1])
if #groups == 0 then redis.call('XGROUP', 'CREATE', KEYS[1], 'sink', '0') end
local batch = read('STREAMS', KEYS[1], '0')
if #batch > 0 then return batch end
return read('COUNT', ARGV[3], 'STREAMS', KEYS[1], '>')
