-- Takes the slots that are free, or whose owner is gone or is the suspect.
--
-- ARGV[2]  node that claims
-- ARGV[3]  suspect, or an empty text
-- ARGV[4…] slots
-- returns  slot, epoch, slot, epoch … of those that are the node's afterwards; what was already keeps its epoch

local me, suspect = ARGV[2], ARGV[3]
local granted = {}
if not lives(me) then return granted end
local changed = false
for i = 4, #ARGV do
  local slot = ARGV[i]
  local owner, epoch = ownerOf(slot)
  local mine
  if owner == me then
    mine = digits(epoch)
  elseif owner == nil or owner == suspect or not lives(owner) then
    mine = give(slot, me, epoch)
    changed = true
  end
  if mine then
    granted[#granted + 1] = slot
    granted[#granted + 1] = mine
  end
end
if changed then bump() end
return granted
