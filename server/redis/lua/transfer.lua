-- Gives slots away that are the giver's at that epoch, if the receiver lives.
--
-- ARGV[2]  node that gives
-- ARGV[3]  node that receives
-- ARGV[4…] slot, epoch, slot, epoch …
-- returns  slot, new epoch, slot, new epoch … of those that moved

local me, to = ARGV[2], ARGV[3]
local moved = {}
if not lives(to) then return moved end
for i = 4, #ARGV, 2 do
  local slot = ARGV[i]
  local owner, epoch = ownerOf(slot)
  if owner == me and epoch == tonumber(ARGV[i + 1]) then
    moved[#moved + 1] = slot
    moved[#moved + 1] = give(slot, to, epoch)
  end
end
if #moved > 0 then bump() end
return moved
