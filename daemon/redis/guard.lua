-- guard: tells a provider's outage from dead mailboxes. A provider that answers "no such user" for live ones does so all of a
-- sudden, and the others do not: so hard bounces of one provider with one answer are watched against what the others have,
-- and against its own past. Behind book.lua, before commit.lua.
--
-- Counters fade instead of being cut into hours: `fast` of the last hour, `slow` of the last two weeks. `top` is today's largest
-- excess of fast over what the others' bounces let expect (a mailing to one country has one, too), `peak` that of the days
-- before, which fades as slow does. One for each "provider/answer" and one, "*", for all, in the hash guard.

local FAST_MS, SLOW_MS, SETTLE_MS, LEARN_MS = 3600000, 14 * DAY_MS, 2 * DAY_MS, 7 * DAY_MS
local NUMBERS = {'fast', 'slow', 'peak', 'top', 'seen', 'born', 'open'}

local function read_counter(key, field, at)
    local c, i = {field = field, fast = 0, slow = 0, peak = 0, top = 0, seen = at, born = at, open = 0}, 0
    for text in string.gmatch(redis.call('HGET', key, field) or '', '%S+') do
        i = i + 1
        c[NUMBERS[i]] = tonumber(text)
    end
    local age = math.max(0, at - c.seen)
    if math.floor(at / DAY_MS) > math.floor(c.seen / DAY_MS) then c.peak, c.top = math.max(c.peak, c.top), 0 end
    c.fast, c.slow, c.peak = c.fast * math.exp(-age / FAST_MS), c.slow * math.exp(-age / SLOW_MS), c.peak * math.exp(-age / SLOW_MS)
    c.seen = c.seen + age
    return c
end

local function write_counter(key, c)
    local texts = {}
    for i, name in ipairs(NUMBERS) do texts[i] = string.format(i <= 4 and '%.3f' or '%.0f', c[name]) end
    redis.call('HSET', key, c.field, table.concat(texts, ' '))
end

-- How many there would be now, if this answer's share of all hard bounces were what it has been.
local function expected(c, all)
    local others = all.slow - c.slow
    return others > 0 and math.max(0, all.fast - c.fast) * c.slow / others or 0
end

-- Counts a hard bounce. Returns whether there is an outage, 'open' or 'closed' where that is new, when it began, and how many
-- there were and were to be expected in the last hour.
local function guard(key, field, at, least, factor)
    local c, all = read_counter(key, field, at), read_counter(key, '*', at)
    c.fast, all.fast = c.fast + 1, all.fast + 1
    local usual = expected(c, all)
    local excess, learnt, since, news = c.fast - usual, at - all.born >= LEARN_MS, c.open, nil
    if learnt and c.open == 0 and c.fast >= least and c.fast > factor * usual and excess > 2 * c.peak then
        c.open, c.top, since, news = at, 0, at, 'open' -- its rise was no excess of an ordinary day
    elseif c.open > 0 and (c.fast < least / 2 or c.fast < factor * usual / 2) then
        c.open, news = 0, 'closed'
    end
    -- What happens in an outage is no measure of what is usual.
    if c.open == 0 then
        c.slow, all.slow = c.slow + 1, all.slow + 1
        if at - all.born >= SETTLE_MS then c.top = math.max(c.top, excess) end
    end
    write_counter(key, c)
    write_counter(key, all)
    return c.open > 0, news, since, c.fast, usual
end
