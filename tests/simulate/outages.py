#!/usr/bin/python3
"""A month of a million hard bounces through the outage guard (daemon/redis/guard.lua) in a real Redis: which outages it
catches, after how many wrong suppressions, how many of these it takes back, and how often it cries wolf.

    tests/simulate/outages.py [--seed N] [--bounces N] [--factor N] [--least N]

Generated: six providers, whose mail and share of dead mailboxes differ; days and weekends; mailings, small and large, some of
them to one country and so mostly to one provider; and once in the last three weeks of the month for each kind of outage, a
provider that answers "no such user" for live mailboxes. The guard sees times, providers and answers, as in production, and
nothing of which bounce is right."""

import argparse
import collections
import pathlib
import random
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
sys.dont_write_bytecode = True

from harness import Redis  # noqa: E402

HOUR_MS, DAY_MS = 3600 * 1000, 86400 * 1000
RECENT_MS = 3 * HOUR_MS
START_MS = 20780 * DAY_MS
DAYS = 30
SHARES = {"google": 45, "microsoft": 20, "yahoo": 12, "apple": 6, "gmx": 12, "mimecast": 5}
# provider, day, hours, how many times its usual hourly bounces while it lasts
OUTAGES = [("google", 9, 4, 50), ("google", 13, 2, 10), ("google", 17, 6, 5), ("microsoft", 11, 3, 30), ("yahoo", 15, 1, 20),
           ("apple", 19, 8, 40), ("gmx", 22, 2, 100), ("mimecast", 25, 1, 60), ("mimecast", 27, 12, 8)]

SCRIPT = """
local least, factor, out = tonumber(ARGV[1]), tonumber(ARGV[2]), {}
for i = 3, #ARGV, 2 do
    local open, news = guard(KEYS[1], ARGV[i], tonumber(ARGV[i + 1]), least, factor)
    out[#out + 1] = (open and 1 or 0) + (news == 'open' and 2 or 0)
end
return out
"""


def day_and_night(hour, day):
    return (0.3 if hour < 6 else 1.2 if 8 <= hour <= 18 else 0.8) * (0.6 if day % 7 >= 5 else 1)


def spread(rng, begin_ms, length_ms, n, provider, wrong):
    return [(begin_ms + rng.randrange(length_ms), provider, wrong) for _ in range(n)]


def month(rng, total):
    """Bounces (time, provider, the outage that it is wrong by or None), in order of time."""
    events, names, weights = [], list(SHARES), list(SHARES.values())
    daily = total * 0.45 / DAYS  # the rest are mailings and outages
    for day in range(DAYS):
        for hour in range(24):
            n = rng.gauss(1, 0.15) * daily / 24 * day_and_night(hour, day)
            for provider in rng.choices(names, weights, k=max(0, int(n))):
                events += spread(rng, START_MS + day * DAY_MS + hour * HOUR_MS, HOUR_MS, 1, provider, None)
    while len(events) < total * 0.9:
        day, hour, n = rng.randrange(DAYS), rng.randrange(7, 20), int(rng.lognormvariate(8, 1))
        local = rng.random() < 0.2
        own = [w * (rng.choice((1, 1, 8)) if local and name in ("gmx", "yahoo") else 1) for name, w in SHARES.items()]
        for provider in rng.choices(names, own, k=n):
            events += spread(rng, START_MS + day * DAY_MS + hour * HOUR_MS, 2 * HOUR_MS, 1, provider, None)
    for outage in OUTAGES:
        provider, day, hours, times = outage
        n = int(times * hours * daily / 24 * SHARES[provider] / 100)
        events += spread(rng, START_MS + day * DAY_MS + 10 * HOUR_MS, hours * HOUR_MS, n, provider, outage)
    return sorted(events, key=lambda event: event[0])


def run(client, events, least, factor):
    source = ROOT / "daemon" / "redis"
    script = client.register_script((source / "book.lua").read_text() + (source / "guard.lua").read_text() + SCRIPT)
    for i in range(0, len(events), 1000):
        arguments = [least, factor]
        for at_ms, provider, _ in events[i:i + 1000]:
            arguments += [provider + "/no-such-user", at_ms]
        yield from script(keys=["guard"], args=arguments)


def report(events, answers):
    """What was suppressed within RECENT_MS before an outage was recognised is held with it (commit.lua, take_back)."""
    suppressed, back, held = ({outage: 0 for outage in OUTAGES} for _ in range(3))
    recent = {name: collections.deque() for name in SHARES}
    alarms, right_held, active = 0, 0, {}
    for (at_ms, provider, wrong), answer in zip(events, answers):
        if wrong:
            active[provider] = at_ms
        if answer & 2:
            alarms += at_ms - active.get(provider, 0) > HOUR_MS
        if not answer & 1:
            recent[provider].append((at_ms, wrong))
            if wrong:
                suppressed[wrong] += 1
            continue
        taken = [w for then_ms, w in recent[provider] if at_ms - then_ms <= RECENT_MS]
        recent[provider].clear()
        for outage in filter(None, taken):
            back[outage] += 1
        if wrong:
            held[wrong] += 1
        right_held += taken.count(None) + (not wrong)
    print(f"{'PROVIDER':10} {'HOURS':>5} {'TIMES':>5} {'WRONG':>7} {'SUPPRESSED':>10} {'TAKEN BACK':>10} {'LEFT':>7}")
    for outage in OUTAGES:
        provider, _, hours, times = outage
        print(f"{provider:10} {hours:5} {times:5} {suppressed[outage] + held[outage]:7} {suppressed[outage]:10} {back[outage]:10} "
              f"{suppressed[outage] - back[outage]:7}")
    caught = sum(held[outage] > 0 for outage in OUTAGES)
    wrong = sum(suppressed.values()) + sum(held.values())
    left = sum(suppressed.values()) - sum(back.values())
    print(f"{len(events)} bounces, {wrong} of them wrong: {caught} of {len(OUTAGES)} outages caught, {left} wrong suppressions left "
          f"({100 * left / wrong:.1f} %); false alarms: {alarms}; right bounces held: {right_held}")


def main():
    parser = argparse.ArgumentParser()
    for name, value in (("seed", 1), ("bounces", 1000000), ("factor", 3), ("least", 50)):
        parser.add_argument("--" + name, type=int, default=value)
    o = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        redis = Redis(pathlib.Path(folder))
        redis.start()
        try:
            events = month(random.Random(o.seed), o.bounces)
            report(events, run(redis.client, events, o.least, o.factor))
        finally:
            redis.stop()


if __name__ == "__main__":
    main()
