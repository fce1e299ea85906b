-- The whole table as of one moment.
--
-- returns  version, then slot, node|epoch, slot, node|epoch …

members()
local found = redis.call('HGETALL', KEYS[2])
table.insert(found, 1, redis.call('GET', KEYS[3]) or '0')
return found
