-- Announces a load before it begins: sees to it that the roots and the key's fence are there, and tells what they are.
-- KEYS: entry, fence, generations of the domain[, generations of tags]
-- ARGV: 1 replace | 0 after a miss, head of the entry that was seen, its longest length, a new fence, its life in ms,
--       a new root, number of scopes, scopes…, tags…
-- Returns {fence, {root, scope…}[, {root, tag…}]}, or false when another entry took the place of the one that was seen.
local replace = ARGV[1] == '1'
if not replace then
  local head = redis.pcall('GETRANGE', KEYS[1], 0, tonumber(ARGV[3]) - 1)
  if type(head) == 'table' then head = '!' end -- a list or the like: not ours
  if head ~= ARGV[2] then return false end
end

local function generations(key, first, last)
  redis.call('HSETNX', key, 'root', ARGV[6])
  return redis.call('HMGET', key, 'root', unpack(ARGV, first, last))
end

local scopes = tonumber(ARGV[7])
local answer = { false, generations(KEYS[3], 8, 7 + scopes) }
if KEYS[4] then
  answer[3] = generations(KEYS[4], 8 + scopes, #ARGV)
end

local fence = not replace and redis.call('GET', KEYS[2])
if not fence then
  fence = ARGV[4]
  redis.call('SET', KEYS[2], fence, 'PX', ARGV[5])
end
answer[1] = fence
return answer
