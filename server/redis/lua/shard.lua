-- What the scripts of the leases share; it stands before each of them.
--
-- KEYS[1]  thrum:{ns}:shard:nodes   sorted set: node -> last renewal, ms
-- KEYS[2]  thrum:{ns}:shard:slots   hash: slot -> node|epoch
-- KEYS[3]  thrum:{ns}:shard:ver     number that changes with the nodes and the slots
-- ARGV[1]  thrum:{ns}:shard:node:   the key of a node is this and its id; the key lives as long as the lease
--
-- The clock is that of Redis. A node is gone when its key is; scripts see it for as long as they run, or not at all.

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

local function digits(number)
  return string.format('%.0f', number)
end

-- Versions and epochs are never given twice, not even after everything was lost.
local function bump()
  local version = math.max((tonumber(redis.call('GET', KEYS[3])) or 0) + 1, now)
  redis.call('SET', KEYS[3], digits(version))
end

local function lives(node)
  return redis.call('EXISTS', ARGV[1] .. node) == 1
end

-- Takes those from the set whose leases have ended. Gives what the others say of themselves, in order of their ids.
local function members()
  local found = {}
  local ids = redis.call('ZRANGE', KEYS[1], 0, -1)
  table.sort(ids)
  for _, id in ipairs(ids) do
    local info = redis.call('GET', ARGV[1] .. id)
    if info then
      found[#found + 1] = info
    else
      redis.call('ZREM', KEYS[1], id)
      bump()
    end
  end
  return found
end

local function ownerOf(slot)
  local value = redis.call('HGET', KEYS[2], slot)
  if not value then return nil, 0 end
  local node, epoch = string.match(value, '^(.*)|(%d+)$')
  return node, tonumber(epoch)
end

-- Gives the slot a new owner and returns the new epoch.
local function give(slot, node, epoch)
  local fresh = digits(math.max(epoch + 1, now))
  redis.call('HSET', KEYS[2], slot, node .. '|' .. fresh)
  return fresh
end
