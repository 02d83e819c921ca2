-- act: what an operator does to an address, and the event that tells of it, in one step. book.lua is in front.
--
-- KEYS  1 events, 2 scopes, 3 rcpt:<address>, 4 why:<address>, 5 suppressed, 6 held:<provider>
-- ARGV  1 suppress, clear, or, of what is held, release or discard, 2 address, 3 now (ms), 4 scope, 5 until (ms or inf), 6 reason, 7 the event that the decision must
--       rest on, or '' for any, 8 expiry of an address (ms), 9 longest stream, 10 id, 11 topic, 12 event, 13 the story's line
--       without its last brace
-- Returns the event's entry, or nothing where nothing changed.

local book = {rcpt = KEYS[3], why = KEYS[4], suppressed = KEYS[5], held = KEYS[6], scope = ARGV[4]}
local known, rests_on = look(book, ARGV[2], tonumber(ARGV[3]), 'event')
if not known then return redis.error_reply(book.rcpt .. ' is no hash') end

local acts = {}

function acts.suppress()
    local till = number(ARGV[5])
    if known.state == 'suppressed' and known.till >= till then return false end
    known.till = till
    set_state(known, 'suppressed')
    put(known, 'until', whole(till))
    put(known, 'reason', ARGV[6])
    put(known, 'policy', 'operator')
    put(known, 'rule', '')
    put(known, 'provider', '')
    put(known, 'event', ARGV[10])
    redis.call('ZADD', book.suppressed, whole(till), known.address)
    redis.call('ZREM', book.held, known.address)
    if book.scope ~= '' then redis.call('SADD', KEYS[2], book.scope) end
    return true
end

function acts.clear()
    if known.state == 'ok' then return false end
    clear(book, known, known.at)
    return true
end

function acts.discard()
    return known.state == 'held' and acts.clear()
end

-- What it rests on stays what it was.
function acts.release()
    if known.state ~= 'held' then return false end
    known.till = number(ARGV[5])
    set_state(known, 'suppressed')
    put(known, 'until', whole(known.till))
    put(known, 'times', 1)
    redis.call('ZADD', book.suppressed, whole(known.till), known.address)
    redis.call('ZREM', book.held, known.address)
    return true
end

if ARGV[7] ~= '' and rests_on ~= ARGV[7] then return false end
if not acts[ARGV[1]]() then return false end
local event = string.sub(ARGV[12], 1, -2) .. ',"decisions":[' .. decision(book, known, '') .. ']}'
local entry = redis.call('XADD', KEYS[1], 'MAXLEN', '~', ARGV[9], '*', 'id', ARGV[10], 'topic', ARGV[11], 'event', event)
if ARGV[1] == 'suppress' then put(known, 'entry', entry) end
tell(book, ARGV[13] .. ',"entry":"' .. entry .. '"}')
save(book, known, tonumber(ARGV[8]))
return entry
