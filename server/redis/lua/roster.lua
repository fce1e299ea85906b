-- Says the entries of one node about one subject of the roster, and gives those of all nodes.
--
-- KEYS[1]  thrum:{ns}:presence:<userId> or thrum:{ns}:presence-org:<org>   sorted set: node/key -> its end, ms of Redis' clock
-- KEYS[2]  thrum:{ns}:presence-facts:<subject>                            hash: node/key -> what its node says of it
-- ARGV[1]  how long an entry lives unless it is said again, ms
-- ARGV[2]  1: list the entries
-- ARGV[3]  up to so many keys are listed
-- ARGV[4]  of more the first so many
-- ARGV[5…] entry, text, entry, text … ; an empty text removes the entry
-- returns  nothing when nothing is to be listed; else -1, entry, text, entry, text …
--          or, of too many, the number of keys that can be seen, entry, text … of the first
--
-- A text '-' is an entry that does not want to be seen; it is listed and not counted.

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local life = tonumber(ARGV[1])

for _, entry in ipairs(redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', now)) do
  redis.call('ZREM', KEYS[1], entry)
  redis.call('HDEL', KEYS[2], entry)
end
for i = 5, #ARGV, 2 do
  local entry, text = ARGV[i], ARGV[i + 1]
  if text == '' then
    redis.call('ZREM', KEYS[1], entry)
    redis.call('HDEL', KEYS[2], entry)
  else
    redis.call('ZADD', KEYS[1], string.format('%.0f', now + life), entry)
    redis.call('HSET', KEYS[2], entry, text)
  end
end
if #ARGV > 4 then
  redis.call('PEXPIRE', KEYS[1], life)
  redis.call('PEXPIRE', KEYS[2], life)
end
if ARGV[2] ~= '1' then return {} end

local all = redis.call('HGETALL', KEYS[2])
local most, sample = tonumber(ARGV[3]), tonumber(ARGV[4])
local counted, count, first = {}, 0, {}
for i = 1, #all, 2 do
  local key = string.match(all[i], '^[^/]*/(.*)$')
  if all[i + 1] ~= '-' and key and not counted[key] then
    counted[key] = true
    count = count + 1
    if #first < sample or key < first[#first] then
      local at = #first + 1
      while at > 1 and key < first[at - 1] do at = at - 1 end
      table.insert(first, at, key)
      if #first > sample then table.remove(first) end
    end
  end
end

if count <= most then
  local listed = { '-1' }
  for i = 1, #all do listed[i + 1] = all[i] end
  return listed
end
local listed, sampled = { tostring(count) }, {}
for _, key in ipairs(first) do sampled[key] = true end
for i = 1, #all, 2 do
  local key = string.match(all[i], '^[^/]*/(.*)$')
  if all[i + 1] ~= '-' and sampled[key] then
    listed[#listed + 1] = all[i]
    listed[#listed + 1] = all[i + 1]
  end
end
return listed
