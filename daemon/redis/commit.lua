-- commit: stores a batch of events, each wholly or not at all, each once. What it must not do twice it does behind
-- seen:<id>. Redis does not roll back: so every key's type is checked before an event's first write.
--
-- KEYS  1 events, 2 suppressed, then for each event: seen:<id>, rcpt:<address>, stats:<day>
-- ARGV  1 longest stream, 2 3 4 expiry in ms of seen, rcpt and stats, 5 most domains in a day's stats, then for each event:
--       id, token, topic, event, address, kind, type, reason, provider, domain, action, rule, observed at (ms)
-- Returns for each event "new ENTRY", "duplicate ENTRY" or "error TEXT". An error of the whole script: a key that all
-- events share is of another type (DSNSHARED), or what Redis itself says.

local KEYS_BEFORE, KEYS_EACH = 2, 3
local ARGS_BEFORE, ARGS_EACH = 5, 13
local events, suppressed = KEYS[1], KEYS[2]
local maxlen, seen_ms, rcpt_ms, stats_ms = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local max_domains = tonumber(ARGV[5])

local function is(key, want)
    local have = redis.call('TYPE', key).ok
    return have == 'none' or have == want
end

local function number(value)
    return tonumber(value or nil) or 0
end

local function whole(value)
    return string.format('%.0f', value)
end

-- What an event does to the state of an address. Suppressed stays so, whatever comes.
local function next_state(state, e)
    if state == 'suppressed' or e.action == 'suppress' then return 'suppressed' end
    if state == 'held' or e.action == 'hold' then return 'held' end
    if e.action == 'count' then return 'watch' end
    if e.kind == 'delivered' then return 'ok' end
    return state
end

local function count_address(key, e, entry)
    local counter = e.type ~= '' and e.type or e.kind
    local old = redis.call('HMGET', key, 'state', counter, 'first_seen', 'last_seen')
    local before = old[1] or 'ok'
    local state = next_state(before, e)
    local set = {
        counter, whole(number(old[2]) + 1),
        'first_seen', old[3] or e.at,
        'last_seen', whole(math.max(number(old[4]), tonumber(e.at))),
        'last_reason', e.reason, 'last_event', e.id, 'last_entry', entry,
    }
    -- The decision and its evidence: of the event that brought the state about, or was more of the same.
    if not old[1] or state ~= before or (state == 'watch' and e.action == 'count') then
        for _, v in ipairs({'state', state, 'reason', e.reason, 'rule', e.rule, 'event', e.id, 'entry', entry,
                            'since', state == old[1] and redis.call('HGET', key, 'since') or e.at}) do
            set[#set + 1] = v
        end
    end
    redis.call('HSET', key, unpack(set))
    if state == 'suppressed' then redis.call('PERSIST', key) else redis.call('PEXPIRE', key, rcpt_ms) end
    if e.action == 'suppress' then redis.call('ZADD', suppressed, '+inf', e.address) end
end

-- Anyone can bounce under any name: no more than max_domains are counted by name, the others together as domain:*.
local function domain_field(key, domain)
    local field = 'domain:' .. domain
    if redis.call('HEXISTS', key, field) == 1 then return field end
    local n = number(redis.call('HGET', key, 'domains'))
    if n >= max_domains then return 'domain:*' end
    redis.call('HSET', key, 'domains', whole(n + 1))
    return field
end

local function count_day(key, e)
    local fields = {'events', 'kind:' .. e.kind}
    if e.type ~= '' then fields[#fields + 1] = 'type:' .. e.type end
    if e.reason ~= '' then fields[#fields + 1] = 'reason:' .. e.reason end
    if e.provider ~= '' then fields[#fields + 1] = 'provider:' .. e.provider end
    if e.domain ~= '' then fields[#fields + 1] = domain_field(key, e.domain) end
    local set = {}
    for i, old in ipairs(redis.call('HMGET', key, unpack(fields))) do
        set[#set + 1] = fields[i]
        set[#set + 1] = whole(number(old) + 1)
    end
    redis.call('HSET', key, unpack(set))
    redis.call('PEXPIRE', key, stats_ms)
end

local function commit(e)
    if not is(e.seen_key, 'string') then return 'error ' .. e.seen_key .. ' is no string' end
    local seen = redis.call('GET', e.seen_key)
    if seen then
        local token, entry = string.match(seen, '^(%S+) (%S+)$')
        -- Our own commit whose reply was lost is as good as new: it was not published yet.
        return (token == e.token and 'new ' or 'duplicate ') .. (entry or '')
    end
    if e.address ~= '' and not is(e.rcpt_key, 'hash') then return 'error ' .. e.rcpt_key .. ' is no hash' end
    local entry = redis.call('XADD', events, 'MAXLEN', '~', maxlen, '*', 'id', e.id, 'topic', e.topic, 'event', e.event)
    redis.call('SET', e.seen_key, e.token .. ' ' .. entry, 'PX', seen_ms)
    if e.address ~= '' then count_address(e.rcpt_key, e, entry) end
    count_day(e.stats_key, e)
    return 'new ' .. entry
end

local function event(i)
    local k, a = KEYS_BEFORE + i * KEYS_EACH, ARGS_BEFORE + i * ARGS_EACH
    return {
        seen_key = KEYS[k + 1], rcpt_key = KEYS[k + 2], stats_key = KEYS[k + 3],
        id = ARGV[a + 1], token = ARGV[a + 2], topic = ARGV[a + 3], event = ARGV[a + 4], address = ARGV[a + 5],
        kind = ARGV[a + 6], type = ARGV[a + 7], reason = ARGV[a + 8], provider = ARGV[a + 9], domain = ARGV[a + 10],
        action = ARGV[a + 11], rule = ARGV[a + 12], at = ARGV[a + 13],
    }
end

local n = (#ARGV - ARGS_BEFORE) / ARGS_EACH
local shared = {[events] = 'stream', [suppressed] = 'zset'}
for i = 0, n - 1 do shared[KEYS[KEYS_BEFORE + i * KEYS_EACH + 3]] = 'hash' end
for key, want in pairs(shared) do
    if not is(key, want) then return redis.error_reply('DSNSHARED ' .. key .. ' is no ' .. want) end
end
local results = {}
for i = 0, n - 1 do results[i + 1] = commit(event(i)) end
return results
