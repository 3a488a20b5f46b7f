-- Adds to a counter.
-- KEYS: counter
-- ARGV: by how much, life in ms, 1 when every change prolongs it | 0 when only its first sets its life
-- Returns the new number as text: a number of Lua's would lose what is past 2^53.
redis.call('INCRBY', KEYS[1], ARGV[1])
if ARGV[3] == '1' or redis.call('PTTL', KEYS[1]) < 0 then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return redis.call('GET', KEYS[1])
