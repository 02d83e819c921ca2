"""dsnd stats, and the summary of dsnd parse on a terminal."""

import os
import pty
import re
import subprocess
import time

from harness import DSND, LIMIT_S, PREFIX, ROOT, Case, bounce, read_terminal, wait_until
from test_http import HttpCase, at_google, has_learnt


def on_a_terminal(*arguments):
    """What a command writes to standard output, and to standard error where that is a terminal."""
    main, terminal = pty.openpty()
    done = subprocess.run([DSND, *map(str, arguments)], stdout=subprocess.PIPE, stderr=terminal, timeout=LIMIT_S)
    os.close(terminal)
    return done.stdout.decode(), read_terminal(main)


class Stats(Case):
    def stats(self, *options, status=0, conf=None):
        done = subprocess.run([DSND, "stats", "-c", str(conf or self.conf), *options], capture_output=True, text=True,
                              timeout=LIMIT_S)
        self.assertEqual(done.returncode, status, done.stderr)
        return done.stdout if status == 0 else done.stderr

    def deliver_some(self):
        for n in range(3):
            self.maildir.deliver(bounce(n))
        self.maildir.deliver(bounce(3, status="4.2.2", code=452, text="mailbox full"))
        self.once()

    def test_it_shows_what_redis_has(self):
        self.deliver_some()
        words = [line.split() for line in self.stats().splitlines()]
        today = time.strftime("%Y%m%d", time.gmtime())
        for row in ([today, "3", "1", "4", "#" * 30], ["bounce", "4", "#" * 30], ["user-unknown", "3", "#" * 30],
                    ["mailbox-full", "1", "#" * 10], ["Suppressed:", "3", "addresses"]):
            self.assertIn(row, words)
        self.assertIn(["user1.0@example1.com", "user-unknown"], [row[:2] for row in words])
        self.assertEqual([row for row in words if row[-1:] == ["user3.0@example3.com"]][0][1:5],
                         ["bounce", "soft", "mailbox-full", "count"])

    def test_shards_are_added_up(self):
        self.configure(redis_keys="shards = 4")
        self.deliver_some()
        self.assertIn("Suppressed: 3 addresses", self.stats())

    def test_what_is_in_redis_cannot_move_the_cursor(self):
        self.redis.client.zadd(PREFIX + "suppressed", {"a\x1b[2J@example.com": "+inf"})
        self.redis.client.xadd(PREFIX + "events", {"event": '{"reason":"\\u001b[31m","recipient":7}'})
        self.redis.client.xadd(PREFIX + "events", {"event": "no json"})
        self.redis.client.zadd(PREFIX + "incidents", {"1 a\x1b[2J/b": "+inf"})
        shown = self.stats()
        self.assertNotIn("\x1b", shown)
        self.assertEqual((shown.count("[2J"), shown.count("  open  ")), (2, 1))

    def test_it_says_why_addresses_are_suppressed_and_held(self):
        self.configure(text="[guard]\nbounces = 3\n")
        has_learnt(self.redis.client)
        for n in range(3):
            self.maildir.deliver(bounce(n))
        for n in range(10, 15):
            self.maildir.deliver(at_google(n))
        self.once()
        shown = self.stats()
        for lines in (r"Suppressed: 3 addresses\n\n  by reason\n  user-unknown +3  #+\n\n  by provider\n  unknown +3  #+\n\n  the latest\n",
                      r"Held: 5 addresses\n\n  by reason\n  user-unknown +5  #+\n\n  by provider\n  google +5  #+\n\n  the latest\n"
                      r"  user1\d.0@\S+ +user-unknown +google",
                      r"Incidents\n  \S+  open +google +user-unknown\n"):
            self.assertRegex(shown, lines)

    def test_of_a_long_list_it_says_how_many_were_looked_at(self):
        self.redis.client.zadd(PREFIX + "suppressed", {f"a{n}@example.com": "+inf" for n in range(3000)})
        shown = self.stats()
        self.assertIn("Suppressed: 3000 addresses\n\n  by reason, of 1000 of them\n  unknown ", shown)
        self.assertIn("\n  by provider, of 1000 of them\n  unknown ", shown)

    def test_it_watches_until_it_is_stopped(self):
        process = subprocess.Popen([DSND, "stats", "--watch", "-c", str(self.conf)], stdout=subprocess.PIPE, text=True)
        self.addCleanup(process.stdout.close)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        lines = iter(process.stdout.readline, "")
        self.assertIn("Suppressed: 0 addresses", next(line for line in lines if "Suppressed" in line))
        self.deliver_some()
        self.assertTrue(next(line for line in lines if "Suppressed: 3 addresses" in line))

    def test_a_redis_that_is_away_is_said(self):
        self.redis.stop()
        self.assertIn("is away", self.stats(status=1))


class Running(HttpCase):
    """What dsnd stats says of the daemon."""

    def stats(self):
        return subprocess.run([DSND, "stats", "-c", str(self.conf)], capture_output=True, text=True, timeout=LIMIT_S).stdout

    def wait_said(self, *lines):
        wait_until(lambda: all(re.search(line, self.stats(), re.M) for line in lines), f"{lines} in:\n{self.stats()}")

    def test_sources_and_sinks_and_how_far_they_are_behind(self):
        full = self.folder / "full.ndjson"
        full.symlink_to("/dev/full")
        self.conf = self.configure(f"[ndjson]\npath = {full}\n")
        self.start()
        for n in range(3):
            self.maildir.deliver(bounce(n))
        self.wait_settled(3)
        self.wait_said(r"^The daemon, started at \S+:  ready$", rf"^  bounces +{self.maildir.path} +- +0 +3 +0 +0$",
                       rf"^  Redis +unix:{self.redis.path} +0 of \d+ messages$", rf"^  feed +{self.endpoint} +-$",
                       rf"^  ndjson +{full} +[1-9]\d* s$")
        wait_until(lambda: self.metrics()['dsnd_sink_lag_seconds{sink="feed"}'] == 0, "the feed has told all")
        self.assertGreater(self.metrics()['dsnd_sink_lag_seconds{sink="ndjson"}'], 0)
        self.redis.stop()
        self.maildir.deliver(bounce(3))
        self.wait_said(r"^The daemon, started at \S+:  Redis is away$", r"^  bounces +\S+ +[1-9]\d* s +1 +3 +0 +0$")

    def test_a_daemon_that_cannot_be_asked_is_said(self):
        self.assertIn(f"The daemon: nobody answers at {self.listen} (No such file or directory)\n", self.stats())
        Case.configure(self)
        self.assertIn("The daemon: not asked, as its configuration has no [http]\n", self.stats())


class Summary(Case):
    def test_parse_ends_with_a_summary_on_a_terminal_and_only_there(self):
        for n in range(3):
            self.maildir.deliver(bounce(n, recipients=2))
        self.maildir.deliver(bounce(3, status="4.2.2", code=452, text="mailbox full"))
        self.maildir.deliver((ROOT / "tests" / "samples" / "ordinary-mail.eml").read_bytes())
        out, said = on_a_terminal("parse", self.maildir.path)
        self.assertEqual(len(out.splitlines()), 8)
        self.assertEqual(said.splitlines()[-1].split("\x1b[K")[-1], "5 messages: 7 bounce, 1 no report, 6 hard, 1 soft")
        done = subprocess.run([DSND, "parse", self.maildir.path], capture_output=True, text=True)
        self.assertEqual(done.stderr, "")
