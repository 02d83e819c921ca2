-- commit: stores a batch of events, each wholly or not at all, each once. What it must not do twice it does behind
-- seen:<id>. Redis does not roll back: so every key's type is checked before an event's first write. What many events change
-- is written once for all of them. book.lua and guard.lua are in front.
--
-- KEYS  1 events, 2 scopes, 3 guard, 4 incidents, then for each event: seen:<id>, stats:<day>, recent:<provider>/<answer>, and
--       for each of its books: rcpt:<address>, why:<address>, suppressed, held:<provider>
-- ARGV  1 longest stream, 2 3 4 expiry in ms of seen, rcpt and stats, 5 most domains in a day's stats, 6 after how many ms a
--       bounce is stale, 7 the policies (JSON), 8 9 10 the guard: from how many bounces an hour on, from how many
--       times what is usual on (0: never), after how many ms it discards, 11 how many events, then for each event: id, token,
--       topic, event (without its last brace where it has a policy or flag 'c': what is decided comes there), address,
--       kind, type, reason, provider, domain, rule, observed at (ms), happened at (ms), the policy's name or '', the answer that is
--       watched or '', flags ('w' weak, 'c' clears), evidence, how many books (0 to 2), and for each book its scope ('' is
--       everybody's)
-- Returns for each event "new ENTRY", "duplicate ENTRY" or "error TEXT". An error of the whole script: a key that events
-- share is of another type (DSNSHARED), or what Redis itself says.

local events, scopes, guards, incidents = KEYS[1], KEYS[2], KEYS[3], KEYS[4]
local maxlen, seen_ms, rcpt_ms, stats_ms = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
local max_domains, stale_ms = tonumber(ARGV[5]), tonumber(ARGV[6])
local policies = cjson.decode(ARGV[7])
local guard_least, guard_factor, discard_ms = tonumber(ARGV[8]), tonumber(ARGV[9]), tonumber(ARGV[10])

-- Who was suppressed by an answer of a provider is kept for so long, to be taken back where it was an outage; so many with each
-- further bounce, as a script keeps everybody waiting.
local RECENT_MS, TAKEN_AT_ONCE = 3 * FAST_MS, 100
local MAX_INCIDENTS = 50 -- that are remembered

local function remember(book, e)
    if e.answer == '' or guard_factor == 0 then return end
    redis.call('ZADD', e.recent, whole(e.at), book.scope .. ' ' .. e.address)
    redis.call('ZREMRANGEBYSCORE', e.recent, '-inf', whole(e.at - RECENT_MS))
    redis.call('PEXPIRE', e.recent, RECENT_MS)
end

local function publish(id, topic, event)
    return redis.call('XADD', events, 'MAXLEN', '~', maxlen, '*', 'id', id, 'topic', topic, 'event', event)
end

-- An id for what the event brings about: the same each time.
local function id_for(what, e)
    return string.sub(redis.sha1hex(what .. ' ' .. e.id), 1, 32)
end

local function observed_at(e)
    return string.match(e.event, '"observed_at":("[^"]*")') or 'null'
end

-- The book of an address that other events were about.
local function book_of(e, scope, address)
    local before = string.sub(events, 1, -#'events' - 1) .. (scope ~= '' and 'scope:' .. scope .. ':' or '')
    return {rcpt = before .. 'rcpt:' .. address, why = before .. 'why:' .. address, suppressed = before .. 'suppressed',
            held = before .. 'held:' .. e.provider, scope = scope}
end

-- Holds what was suppressed, and tells it. Not what rests on something else by now.
local function take_back_one(e, scope, address)
    local book = book_of(e, scope, address)
    local known, reason, rule, cause, provider = look(book, address, e.at, 'reason', 'rule', 'event', 'provider')
    if not known or known.state ~= 'suppressed' or provider ~= e.provider or (rule ~= e.answer and reason ~= e.answer) then return end
    local id = id_for('held ' .. cause, e)
    known.till = e.at + discard_ms
    set_state(known, 'held')
    put(known, 'until', whole(known.till))
    redis.call('ZREM', book.suppressed, address)
    redis.call('ZADD', book.held, whole(known.till), address)
    local note = cjson.encode('it looks like an outage of ' .. e.provider)
    local event = string.format('{"v":1,"id":"%s","kind":"retraction","type":null,"reason":%s,"action":"hold","recipient":%s,' ..
                                '"note":%s,"retracts":%s,"observed_at":%s,"decisions":[%s]}', id, cjson.encode(reason),
                                cjson.encode(address), note, cjson.encode(cause), observed_at(e), decision(book, known, ''))
    local entry = publish(id, 'retraction.-.' .. reason .. '.' .. (string.match(address, '@(.*)$') or '-'), event)
    tell(book, string.format('{"at_ms":%s,"event":"%s","kind":"retraction","reason":%s,"note":%s,"entry":"%s"}', whole(e.at), id,
                             cjson.encode(reason), note, entry))
    save(book, known, rcpt_ms)
end

local function take_back(e)
    for _, member in ipairs(redis.call('ZRANGEBYSCORE', e.recent, whole(e.at - RECENT_MS), '+inf', 'LIMIT', 0, TAKEN_AT_ONCE)) do
        local scope, address = string.match(member, '^(%S*) (.*)$')
        if address ~= e.address then -- whose books are being written
            redis.call('ZREM', e.recent, member)
            take_back_one(e, scope, address)
        end
    end
end

-- An incident begins or is over: an event of its own, and in the list of incidents. What is open scores highest there, and the
-- one that has been over for longest leaves it.
local function announce(e, news, since, fast, usual)
    local id = id_for('incident', e)
    local event = string.format('{"v":1,"id":"%s","kind":"incident","state":"%s","provider":%s,"answer":%s,"recent":%.0f,' ..
                                '"usual":%.1f,"observed_at":%s}', id, news, cjson.encode(e.provider), cjson.encode(e.answer),
                                fast, usual, observed_at(e))
    publish(id, 'incident.-.' .. news .. '.' .. e.provider, event)
    redis.call('ZADD', incidents, news == 'open' and 'inf' or whole(e.at), whole(since) .. ' ' .. e.provider .. '/' .. e.answer)
    redis.call('ZREMRANGEBYRANK', incidents, 0, -MAX_INCIDENTS - 1)
end

-- Since when there is an outage; nothing where there is none.
local function outage(e)
    if e.answer == '' or guard_factor == 0 then return nil end
    local is_open, news, since, fast, usual = guard(guards, e.provider .. '/' .. e.answer, e.at, guard_least, guard_factor)
    if news then announce(e, news, since, fast, usual) end
    if is_open then take_back(e) end
    return is_open and since or nil
end

-- When it ended that the address was held or suppressed by that policy, nobody having taken that back; infinite where it was not,
-- or still is. Who bounces again within the window, in an outage that began long after that, is taken to be dead.
local function ended_before(known, e)
    return known.till > 0 and known.till <= e.at and known.policy == e.policy and known.till or math.huge
end

-- A bounce or a complaint: returns whether it changed something.
local function accuse(book, known, e)
    local policy = policies[e.policy]
    if e.happened <= known.cleared or e.at - e.happened > stale_ms then return false end
    known.accused = true
    if e.weak then
        if known.state == 'ok' then set_state(known, 'watch') end
        return true
    end
    local days, over = count(known, e.policy, policy, known.noted, math.floor(e.happened / DAY_MS), math.floor(e.at / DAY_MS))
    known.days, known.over = days, over
    put(known, 'latest', whole(math.max(known.latest, e.happened)))
    local decided, enough, ended = false, days >= policy.bounces and over >= policy.over, ended_before(known, e)
    local since = enough and outage(e)
    if since and not (since - ended >= discard_ms and e.at - ended <= policy.window * DAY_MS) then
        decided = hold(book, known, e.policy, e.at + discard_ms)
    elseif enough then
        decided = suppress(book, known, e.policy, policy)
        if decided and book.scope ~= '' then redis.call('SADD', scopes, book.scope) end
        if decided and known.before ~= 'suppressed' and ended > e.at then remember(book, e) end
    elseif known.state == 'ok' then
        set_state(known, 'watch')
    end
    if decided or known.state == 'watch' then
        known.decided = true
        put(known, 'reason', e.reason)
        put(known, 'rule', e.rule)
        put(known, 'event', e.id)
        put(known, 'provider', e.provider)
    end
    return true
end

-- A delivery: the mailbox is there. It says nothing against a bounce that came later, nor against an operator's word.
local function acquit(book, known, e)
    local policy = policies[known.policy]
    local keeps = known.policy == 'operator' or (policy and policy.keeps)
    if e.happened < known.latest or (known.state ~= 'ok' and keeps) then return false end
    clear(book, known, e.happened)
    return known.before ~= 'ok'
end

local function counter_of(e)
    return e.type ~= '' and e.type or e.kind
end

-- What the event does to the address in one book. Returns the decision where there is one.
local function judge(book, known, e)
    local changed = false
    known.put = {counter_of(e), whole(number(known.counted) + 1), 'first_seen', known.first_seen or whole(e.at),
                 'last_seen', whole(math.max(number(known.last_seen), e.at)), 'last_reason', e.reason, 'state', known.state}
    if e.policy ~= '' then
        changed = accuse(book, known, e)
    elseif e.clears then
        changed = acquit(book, known, e)
    end
    return changed and decision(book, known, e.policy) or nil
end

-- The event's entry in the stream is known only when the decisions are: it becomes part of the evidence.
local function conclude(book, known, e, entry)
    if known.accused then tell(book, e.evidence .. ',"entry":"' .. entry .. '"}') end
    put(known, 'last_entry', entry)
    if known.decided then put(known, 'entry', entry) end
    save(book, known, rcpt_ms)
end

-- What a day's stats get from this batch: how many of each field, and the domains in the order in which they came.
local days = {}

local function add(counts, name, value)
    if value == '' then return end
    local field = name .. value
    counts[field] = (counts[field] or 0) + 1
end

local function count_stats(key, e)
    local day = days[key] or {counts = {events = 0}, domains = {}}
    local counts = day.counts
    days[key] = day
    counts.events = counts.events + 1
    add(counts, 'kind:', e.kind)
    add(counts, 'type:', e.type)
    add(counts, 'reason:', e.reason)
    add(counts, 'provider:', e.provider)
    add(counts, 'domain:', e.domain)
    if counts['domain:' .. e.domain] == 1 then day.domains[#day.domains + 1] = 'domain:' .. e.domain end
end

-- Anyone can bounce under any name: no more than max_domains are counted by name, the others together as domain:*.
local function cap_domains(day, old, put)
    local n = number(old.domains)
    for _, field in ipairs(day.domains) do
        if not old[field] and n < max_domains then
            n = n + 1
        elseif not old[field] then
            day.counts['domain:*'] = (day.counts['domain:*'] or 0) + day.counts[field]
            day.counts[field] = nil
        end
    end
    if n > number(old.domains) then put('domains', n) end
end

local function write_stats()
    for key, day in pairs(days) do
        local fields, old, set = {'domains', 'domain:*'}, {}, {}
        local function put(field, value)
            set[#set + 1] = field
            set[#set + 1] = whole(value)
        end
        for field in pairs(day.counts) do fields[#fields + 1] = field end
        for i, value in ipairs(redis.call('HMGET', key, unpack(fields))) do old[fields[i]] = value or nil end
        cap_domains(day, old, put)
        for field, n in pairs(day.counts) do put(field, number(old[field]) + n) end
        redis.call('HSET', key, unpack(set))
        redis.call('PEXPIRE', key, stats_ms)
    end
end

-- For each event: TYPE would make a table of its answer.
local function is_list(key)
    return type(redis.pcall('LLEN', key)) == 'number'
end

-- Reads all that the event may change. Returns what is known in each of its books, or why it is refused.
local function look_up(e)
    local all = {}
    for i, book in ipairs(e.books) do
        local known, counted, first_seen, last_seen, noted =
            look(book, e.address, e.at, counter_of(e), 'first_seen', 'last_seen', 'days:' .. e.policy)
        if not known then return nil, book.rcpt .. ' is no hash' end
        if e.policy ~= '' and not is_list(book.why) then return nil, book.why .. ' is no list' end
        known.counted, known.first_seen, known.last_seen, known.noted = counted, first_seen, last_seen, noted
        all[i] = known
    end
    return all
end

-- The event as it is published, with what was decided.
local function told(e, decisions)
    if #decisions > 0 then return e.event .. ',"decisions":[' .. table.concat(decisions, ',') .. ']}' end
    return (e.policy ~= '' or e.clears) and e.event .. '}' or e.event
end

local function commit(e)
    local seen = redis.pcall('GET', e.seen_key)
    if type(seen) == 'table' then return 'error ' .. e.seen_key .. ' is no string' end
    if seen then
        local token, entry = string.match(seen, '^(%S+) (%S+)$')
        -- Our own commit whose reply was lost is as good as new.
        return (token == e.token and 'new ' or 'duplicate ') .. (entry or '')
    end
    local known, refused = look_up(e)
    if not known then return 'error ' .. refused end
    local decisions = {}
    for i, book in ipairs(e.books) do decisions[#decisions + 1] = judge(book, known[i], e) end
    local entry = publish(e.id, e.topic, told(e, decisions))
    redis.call('SET', e.seen_key, e.token .. ' ' .. entry, 'PX', seen_ms)
    for i, book in ipairs(e.books) do conclude(book, known[i], e, entry) end
    count_stats(e.stats_key, e)
    return 'new ' .. entry
end

-- Keys and arguments are read from left to right; up to `k` and `a` they were.
local keys, args, k, a = KEYS, ARGV, 4, 11

local function read_book()
    local book = {rcpt = keys[k + 1], why = keys[k + 2], suppressed = keys[k + 3], held = keys[k + 4], scope = args[a + 1]}
    k, a = k + 4, a + 1
    return book
end

-- Its digits are as we would write them.
local function read_time(text)
    local value = number(text)
    digits[value] = text
    return value
end

local function read_event()
    local flags, books = args[a + 16], number(args[a + 18])
    local e = {
        seen_key = keys[k + 1], stats_key = keys[k + 2], recent = keys[k + 3], id = args[a + 1], token = args[a + 2],
        topic = args[a + 3], event = args[a + 4], address = args[a + 5], kind = args[a + 6], type = args[a + 7],
        reason = args[a + 8], provider = args[a + 9], domain = args[a + 10], rule = args[a + 11], at = read_time(args[a + 12]),
        happened = read_time(args[a + 13]), policy = args[a + 14], answer = args[a + 15], weak = flags == 'w', clears = flags == 'c',
        evidence = args[a + 17], books = {},
    }
    k, a = k + 3, a + 18
    for i = 1, books do e.books[i] = read_book() end
    return e
end

local batch, shared = {}, {[events] = 'stream', [scopes] = 'set', [guards] = 'hash', [incidents] = 'zset'}
for i = 1, tonumber(ARGV[11]) do
    local e = read_event()
    batch[i] = e
    shared[e.stats_key] = 'hash'
    if e.answer ~= '' then shared[e.recent] = 'zset' end
    for _, book in ipairs(e.books) do shared[book.suppressed], shared[book.held] = 'zset', 'zset' end
end
for name, want in pairs(shared) do
    if not is(name, want) then return redis.error_reply('DSNSHARED ' .. name .. ' is no ' .. want) end
end
-- What has run out leaves the lists, a little at a time.
local function sweep(e)
    for _, book in ipairs(e.books) do
        for _, list in ipairs({book.suppressed, book.held}) do
            local over = redis.call('ZRANGEBYSCORE', list, '-inf', whole(e.at), 'LIMIT', 0, 100)
            if #over > 0 then redis.call('ZREM', list, unpack(over)) end
        end
    end
end

local results, failed = {}, nil
for i, e in ipairs(batch) do
    local good, result = pcall(commit, e)
    if not good then
        failed = result
        break
    end
    results[i] = result
end
write_stats() -- of those that are committed, whatever came then
-- With what Redis says in front ("OOM command not allowed ..."); before 7 it stands behind a place in the script and a '-'.
if failed then return redis.error_reply(string.match(failed, '%-(%u+ .*)$') or failed) end
if #batch > 0 then sweep(batch[#batch]) end
return results
