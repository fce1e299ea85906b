-- Counts a failed login, and locks the account when there were too many.
--
-- KEYS[1]  thrum:{ns}:login:failures:<key>   sorted set: failures within the window, ms of Redis' clock
-- KEYS[2]  thrum:{ns}:login:lock:<key>       text that lives as long as the lock
-- KEYS[3]  thrum:{ns}:login:locks:<key>      number of locks so far
-- ARGV[1]  window, ms
-- ARGV[2]  failures within the window that lock
-- ARGV[3]  longest lock, ms
-- returns  nothing of use

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local window, longest = tonumber(ARGV[1]), tonumber(ARGV[3])

redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - window)
local before = redis.call('ZCARD', KEYS[1])
redis.call('ZADD', KEYS[1], string.format('%.0f', now), string.format('%.0f', now) .. ':' .. before)
redis.call('PEXPIRE', KEYS[1], window)
if before + 1 >= tonumber(ARGV[2]) then
  local locks = redis.call('INCR', KEYS[3]) - 1
  local life = math.min(longest, window * 2 ^ math.min(locks, 30))
  redis.call('DEL', KEYS[1])
  redis.call('SET', KEYS[2], '1', 'PX', string.format('%.0f', life))
  redis.call('PEXPIRE', KEYS[3], string.format('%.0f', life + longest))
end
return 0
