-- book: what is known of an address in one book (everybody's, or a scope's), and how it changes. Every transition of its
-- state is here, for the scripts that begin with this file.
--
-- A book is the keys rcpt:ADDRESS (a hash), why:ADDRESS (a list, the story) and suppressed (a sorted set) of one scope. A
-- policy counts the days with a bounce, kept as day numbers in days:POLICY, so that neither the order in which bounces come
-- nor who stores them makes a difference. Times are given, never asked of Redis: a clock can be moved. A book is read once, and
-- what is put into it is written at the end, all at once: a command costs more than the work it does.

local DAY_MS = 86400000
local MAX_DAYS, MAX_STORY = 10, 20

local function is(key, want)
    local have = redis.call('TYPE', key).ok
    return have == 'none' or have == want
end

-- Numbers and their digits. Reading and writing them is dear, and many of a batch are the same: counts, and when it was read.
local values, digits = {inf = math.huge}, {[math.huge] = 'inf'}

local function number(text)
    if not text then return 0 end
    local value = values[text]
    if not value then
        value = tonumber(text) or 0
        values[text] = value
    end
    return value
end

local function whole(value)
    local text = digits[value]
    if not text then
        text = string.format(value < 1e15 and '%d' or '%.0f', value) -- '%d' is the cheaper one
        digits[value] = text
    end
    return text
end

-- What the book says of the address at that time, and the values of the further fields; nothing where rcpt is no hash. A
-- suppression that has run out is none; nor is what was held, and nobody released.
local function look(book, address, at, ...)
    local v = redis.pcall('HMGET', book.rcpt, 'state', 'until', 'times', 'cleared', 'policy', 'latest', ...)
    if v.err then return nil end
    local state, till = v[1] or 'ok', number(v[2])
    if (state == 'suppressed' or state == 'held') and till <= at then state = 'ok' end
    return {
        address = address, at = at, state = state, before = state, till = till, times = number(v[3]), cleared = number(v[4]),
        policy = v[5] or '', latest = number(v[6]), put = {},
    }, unpack(v, 7)
end

local function put(known, field, value)
    local list = known.put
    local n = #list
    list[n + 1], list[n + 2] = field, value
end

local function tell(book, entry)
    if redis.call('RPUSH', book.why, entry) > MAX_STORY then redis.call('LTRIM', book.why, -MAX_STORY, -1) end
end

-- Writes what was put. Forgets the address when nothing holds it any more: `keep_ms` after now, or after its suppression.
local function save(book, known, keep_ms)
    if #known.put > 0 then redis.call('HSET', book.rcpt, unpack(known.put)) end
    if known.state == 'suppressed' and known.till == math.huge then
        redis.call('PERSIST', book.rcpt)
        redis.call('PERSIST', book.why)
    else
        local left_ms = whole(keep_ms + (known.state == 'suppressed' and math.max(0, known.till - known.at) or 0))
        redis.call('PEXPIRE', book.rcpt, left_ms)
        redis.call('PEXPIRE', book.why, left_ms)
    end
end

local function set_state(known, state)
    known.state = state
    put(known, 'state', state)
    if state ~= known.before then put(known, 'since', whole(known.at)) end
end

-- Suppressed until the policy's expiry, which grows with each repetition; never shorter than it is.
local function suppress(book, known, name, policy)
    local repeated = known.till == math.huge or known.at - known.till <= policy['repeat']
    if known.before ~= 'suppressed' then known.times = (repeated and known.times or 0) + 1 end
    known.times = math.max(known.times, 1) -- an operator's suppression has none
    local expiry = policy.expiry[math.min(known.times, #policy.expiry)]
    local till = expiry < 0 and math.huge or known.at + expiry
    if known.before == 'suppressed' and till <= known.till then return false end
    known.till, known.policy = till, name
    set_state(known, 'suppressed')
    put(known, 'until', whole(till))
    put(known, 'times', whole(known.times))
    put(known, 'policy', name)
    redis.call('ZADD', book.suppressed, whole(till), known.address)
    if known.before == 'held' then redis.call('ZREM', book.held, known.address) end
    return true
end

-- Would be suppressed, but looks like an outage: until `till` the operator can say so.
local function hold(book, known, name, till)
    if known.before == 'suppressed' or known.before == 'held' then return false end
    known.till = till
    set_state(known, 'held')
    put(known, 'until', whole(till))
    put(known, 'policy', name)
    redis.call('ZADD', book.held, whole(till), known.address)
    return true
end

-- Adds a day to those, as they are written, with a bounce. Returns on how many days there was one, and over how many.
local function count(known, name, policy, before, day, today)
    local days = {day}
    for text in string.gmatch(before or '', '%d+') do
        local other = tonumber(text)
        if other ~= day and other > today - policy.window then days[#days + 1] = other end
    end
    table.sort(days)
    -- The first tells over how many days it goes, the last are enough to count.
    while #days > MAX_DAYS do table.remove(days, 2) end
    put(known, 'days:' .. name, table.concat(days, ' '))
    return #days, days[#days] - days[1]
end

-- Takes back all that speaks against the address, and what is older than now counts no more.
local function clear(book, known, when)
    for _, field in ipairs(redis.call('HKEYS', book.rcpt)) do
        if string.sub(field, 1, 5) == 'days:' then redis.call('HDEL', book.rcpt, field) end
    end
    redis.call('HDEL', book.rcpt, 'until', 'policy', 'times')
    set_state(known, 'ok')
    put(known, 'cleared', whole(math.max(known.cleared, when)))
    redis.call('ZREM', book.suppressed, known.address)
    if book.held then redis.call('ZREM', book.held, known.address) end
end

-- What was decided, as the event tells it.
local function decision(book, known, policy)
    local scope = book.scope == '' and 'null' or cjson.encode(book.scope)
    local parts = {'{"state":"', known.state, '","before":"', known.before, '","scope":', scope}
    if known.state == 'suppressed' or known.state == 'held' then
        parts[#parts + 1] = ',"until_ms":' .. (known.till == math.huge and 'null' or whole(known.till))
    end
    if policy ~= '' then parts[#parts + 1] = ',"policy":"' .. policy .. '"' end
    if known.days then parts[#parts + 1] = ',"days":' .. known.days end
    parts[#parts + 1] = '}'
    return table.concat(parts)
end
