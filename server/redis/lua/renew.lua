-- Registers a node, or keeps it registered.
--
-- ARGV[2]  id of the node
-- ARGV[3]  what it says of itself, JSON
-- ARGV[4]  length of the lease, ms
-- returns  version, then what each living node says of itself, in order of their ids

local key = ARGV[1] .. ARGV[2]
if redis.call('GET', key) ~= ARGV[3] then bump() end
redis.call('SET', key, ARGV[3], 'PX', ARGV[4])
redis.call('ZADD', KEYS[1], now, ARGV[2])
local found = members()
table.insert(found, 1, redis.call('GET', KEYS[3]) or '0')
return found
