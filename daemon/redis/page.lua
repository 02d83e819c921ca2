-- page: some entries of a suppression list, with what is known of each. The keys of the addresses are those of the list's
-- own slot.
--
-- KEYS  1 suppressed
-- ARGV  1 cursor, 2 how many (about), 3 what the keys of its addresses begin with
-- Returns the next cursor, and for each entry: address, until, reason, rule, policy, provider, since, event, the last line of
-- its story.

local found = redis.call('ZSCAN', KEYS[1], ARGV[1], 'COUNT', ARGV[2])
local page = {found[1]}
for i = 1, #found[2], 2 do
    local address = found[2][i]
    local row = {address, found[2][i + 1]}
    local known = redis.call('HMGET', ARGV[3] .. 'rcpt:' .. address, 'reason', 'rule', 'policy', 'provider', 'since', 'event')
    for k = 1, 6 do row[#row + 1] = known[k] or '' end
    row[#row + 1] = redis.call('LINDEX', ARGV[3] .. 'why:' .. address, -1) or ''
    page[#page + 1] = row
end
return page
