-- Announces a load before it begins: sees to it that the roots and the key's fence are there, and tells what they are.
-- In a cluster the two parts may be on two nodes; then it is called for the key, and after that for what the key depends on.
-- KEYS: [entry, fence][, generations of the domain, marks of the domain[, generations of tags, marks of tags]]
-- ARGV: 1 replace | 0 after a miss | '' nothing of the key, head of the entry that was seen, its longest length, a new fence, its life in ms,
--       a new root, the mark of the key itself, number of scopes, scopes…, tags…
-- Returns {fence, what marks say, {root, scope…}[, {root, tag…}]} as far as it was asked for, with false for no fence; or false when another entry
-- took the place of the one that was seen.
local of_key, replace = ARGV[1] ~= '', ARGV[1] == '1'
if of_key and not replace then
  local head = redis.pcall('GETRANGE', KEYS[1], 0, tonumber(ARGV[3]) - 1)
  if type(head) == 'table' then head = '!' end -- a list or the like: not ours
  if head ~= ARGV[2] then return false end
end

local function generations(key, first, last)
  redis.call('HSETNX', key, 'root', ARGV[6])
  return redis.call('HMGET', key, 'root', unpack(ARGV, first, last))
end

-- What writers say of that on which the key depends: 0 nothing, 1 held off, 2 announced. A mark's field is what it names and
-- 8 bytes of its writer; its value is one digit for what it says, and until when it holds, by this server's clock.
local function marked(key, first, last, own)
  local marks = redis.call('HGETALL', key)
  if #marks == 0 then return 0 end
  local names = { root = true }
  if own then names[own] = true end
  for i = first, last do names[ARGV[i]] = true end
  local time = redis.call('TIME')
  local now = time[1] * 1000 + math.floor(time[2] / 1000)
  local said = 0
  for i = 1, #marks, 2 do
    local says, till = string.match(marks[i + 1], '^(%d)(%d+)')
    if not till or tonumber(till) <= now then
      redis.call('HDEL', key, marks[i])
    elseif names[string.sub(marks[i], 1, -9)] then
      said = math.max(said, tonumber(says))
    end
  end
  return said
end

local answer = { false }
if of_key then
  local fence = not replace and redis.call('GET', KEYS[2])
  if not fence then
    fence = ARGV[4]
    redis.call('SET', KEYS[2], fence, 'PX', ARGV[5])
  end
  answer[1] = fence
end

local last, first = 8 + tonumber(ARGV[8]), of_key and 3 or 1
if KEYS[first] then
  answer[2] = marked(KEYS[first + 1], 9, last, ARGV[7])
  answer[3] = generations(KEYS[first], 9, last)
end
if KEYS[first + 2] then
  answer[2] = math.max(answer[2], marked(KEYS[first + 3], last + 1, #ARGV))
  answer[4] = generations(KEYS[first + 2], last + 1, #ARGV)
end
return answer
