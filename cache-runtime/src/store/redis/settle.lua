-- Forgets entries that were delivered, moves those aside that cannot be, and prolongs or ends the consumer's lease.
-- KEYS: stream, pending, lease, dead
-- ARGV: the consumer's token, new life of its lease in ms or 0 to end it, 'sum' | 'last', most dead entries, number of dead ones, ids of
--       dead ones…, ids of delivered ones…
-- Returns 1, or 0 when the lease is another's now: nothing was done.
if redis.call('GET', KEYS[3]) ~= ARGV[1] then return 0 end
if ARGV[2] == '0' then
  redis.call('DEL', KEYS[3])
else
  redis.call('PEXPIRE', KEYS[3], ARGV[2])
end
for i = 6, #ARGV do
  local id = ARGV[i]
  local entry = redis.call('XRANGE', KEYS[1], id, id)[1]
  if entry then
    local fields = entry[2]
    if i < 6 + tonumber(ARGV[5]) then
      redis.call('XADD', KEYS[4], 'MAXLEN', ARGV[4], '*', unpack(fields))
    end
    local pending = fields[1] == 'k' and redis.call('HGET', KEYS[2], fields[2])
    if pending and ARGV[3] == 'last' then
      -- Not when a later write waits.
      if string.sub(pending, 1, #id + 1) == id .. ' ' then redis.call('HDEL', KEYS[2], fields[2]) end
    elseif pending and string.match(fields[4] or '', '^%-?%d+$') then
      local less = string.sub(fields[4], 1, 1) == '-' and string.sub(fields[4], 2) or '-' .. fields[4]
      if redis.call('HINCRBY', KEYS[2], fields[2], less) == 0 then redis.call('HDEL', KEYS[2], fields[2]) end
    end
    redis.call('XACK', KEYS[1], 'sink', id)
    redis.call('XDEL', KEYS[1], id)
  end
end
return 1
