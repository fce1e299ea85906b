-- Adds to a bucket what one node has let through.
--
-- KEYS[1]  thrum:{ns}:limit:<name>:<key>   hash: `level` that has not flowed off yet, `at`: ms of Redis' clock
-- ARGV[1]  what was let through since the last report; negative: given back
-- ARGV[2]  what flows off in a millisecond
-- ARGV[3]  level up to which nobody is refused
-- returns  ms until that level is reached; 0: it is not exceeded

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local rate, most = tonumber(ARGV[2]), tonumber(ARGV[3])
local known = redis.call('HMGET', KEYS[1], 'level', 'at')
local level = math.max(0, (tonumber(known[1]) or 0) - math.max(0, now - (tonumber(known[2]) or now)) * rate)

level = math.max(0, level + tonumber(ARGV[1]))
if level == 0 then
  redis.call('DEL', KEYS[1])
  return 0
end
redis.call('HSET', KEYS[1], 'level', string.format('%.17g', level), 'at', string.format('%.0f', now))
redis.call('PEXPIRE', KEYS[1], string.format('%.0f', math.ceil(level / rate) + 1))
return math.ceil(math.max(0, level - most) / rate)
