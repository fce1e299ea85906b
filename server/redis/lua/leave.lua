-- Unregisters a node; what it still has can be claimed at once.
--
-- ARGV[2]  id of the node

local gone = redis.call('DEL', ARGV[1] .. ARGV[2]) + redis.call('ZREM', KEYS[1], ARGV[2])
if gone > 0 then bump() end
return gone
