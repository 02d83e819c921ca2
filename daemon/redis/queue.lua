-- queue: what becomes of entries of the inbox and of the dead letters, each in one step.
--
-- KEYS  1 inbox, 2 dead
-- ARGV  1 what to do, then
--       done ID...              takes entries that are done out of the inbox
--       bury ERROR SOURCE ID    moves an entry to the dead letters
--       revive ID...            moves dead letters back into the inbox
--       leave CONSUMER          forgets a consumer that has nothing in hand
--       tidy IDLE_MS            forgets every such consumer that was idle for so long
-- Returns how many entries, or consumers, it was done to.

local GROUP = 'dsnd'
local inbox, dead = KEYS[1], KEYS[2]
-- What a dead letter has besides the fields of its entry.
local OWN = {error = true, source = true, entry = true}

local function remove(ids)
    redis.call('XACK', inbox, GROUP, unpack(ids))
    return redis.call('XDEL', inbox, unpack(ids))
end

-- The fields of an entry as a list; nil: it is not there.
local function fields_of(key, id)
    local found = redis.call('XRANGE', key, id, id)[1]
    return found and found[2]
end

local function forget(consumer)
    if #redis.call('XPENDING', inbox, GROUP, '-', '+', 1, consumer) > 0 then return 0 end
    redis.call('XGROUP', 'DELCONSUMER', inbox, GROUP, consumer)
    return 1
end

-- A map that Redis answers as a list.
local function map(list)
    local out = {}
    for i = 1, #list, 2 do out[list[i]] = list[i + 1] end
    return out
end

local operations = {}

operations.done = function(...) return remove({...}) end

operations.bury = function(error, source, id)
    local fields = fields_of(inbox, id)
    if not fields then return 0 end
    for _, v in ipairs({'error', error, 'source', source, 'entry', id}) do fields[#fields + 1] = v end
    redis.call('XADD', dead, '*', unpack(fields))
    return remove({id})
end

operations.revive = function(...)
    local n = 0
    for _, id in ipairs({...}) do
        local fields, kept = fields_of(dead, id), {}
        for i = 1, fields and #fields or 0, 2 do
            if not OWN[fields[i]] then
                kept[#kept + 1] = fields[i]
                kept[#kept + 1] = fields[i + 1]
            end
        end
        if #kept > 0 then
            redis.call('XADD', inbox, '*', unpack(kept))
            n = n + redis.call('XDEL', dead, id)
        end
    end
    return n
end

operations.leave = forget

operations.tidy = function(idle_ms)
    local n = 0
    for _, consumer in ipairs(redis.call('XINFO', 'CONSUMERS', inbox, GROUP)) do
        local c = map(consumer)
        if c.pending == 0 and c.idle > tonumber(idle_ms) then n = n + forget(c.name) end
    end
    return n
end

return operations[ARGV[1]](unpack(ARGV, 2))
