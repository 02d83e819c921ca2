"""`dsnd replay`: stored events judged by other rules, against a real Redis that a real dsnd has filled."""

import json
import signal
import subprocess
import time

from harness import DSND, LIMIT_S, PREFIX, ROOT, bounce, wait_until
from test_suppress import ByHand

MINE = "[mine]\nmatch = purple elephant\nreason = {}\nexample = 550 5.0.0 purple elephant\n"
OURS = PREFIX + "replay:*"


def vague(n, **what):
    """A bounce that no rule of ours would suppress anybody for."""
    return bounce(n, status="5.0.0", text="purple elephant", **what)


class Rejudge(ByHand):
    def setUp(self):
        super().setUp()
        self.rules(self.knowledge, "user-unknown")
        self.better = self.folder / "better"
        (self.better / "rules").mkdir(parents=True)
        self.rules(self.better, "blocked")

    def rules(self, folder, reason):
        (folder / "rules" / "mine.rules").write_text(MINE.format(reason))

    def deliver(self, *messages):
        for message in messages:
            self.maildir.deliver(message)
        self.once()

    def rejudge(self, *arguments, status=0):
        done = subprocess.run([DSND, "replay", "-c", str(self.conf), *arguments], capture_output=True, text=True,
                              timeout=LIMIT_S)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        self.said = done.stderr
        return done.stdout

    def changes(self, *arguments):
        return [json.loads(line) for line in self.rejudge("--format", "ndjson", *arguments).splitlines()]

    def ours(self):
        """What a replay left in Redis. The counts of a day are forgotten by themselves."""
        return [key for key in self.redis.client.keys(OURS.replace("{", "\\{")) if "stats:" not in key]

    def test_a_wrong_rule_is_found_and_taken_back(self):
        self.deliver(*(vague(n) for n in range(40)), bounce(100), bounce(101))
        before = self.stream()
        table = self.rejudge("--rules", str(self.better), "--diff")
        self.assertIn("40 events: user-unknown (mine, suppress) -> blocked (mine, ", table)
        self.assertEqual(sum(line.startswith("released") for line in table.splitlines()), 40)
        self.assertIn("42 events judged, 40 of them otherwise than before; 40 addresses would no longer be suppressed, "
                      "0 would be", self.said)
        self.assertEqual((len(self.listed()), self.stream()), (42, before))
        self.assertEqual(self.ours(), [])

        changes = self.changes("--rules", str(self.better), "--apply")
        self.assertEqual({(c["change"], c["was"]["reason"], c["was"]["rule"], c["is"]) for c in changes},
                         {("released", "user-unknown", "mine", None)})
        self.assertEqual(self.listed(), ["user100.0@example0.com", "user101.0@example1.com"])
        retractions = [json.loads(fields["event"]) for _, fields in self.stream()[len(before):]]
        self.assertEqual({e["kind"] for e in retractions}, {"retraction"})
        self.assertEqual({e["retracts"] for e in retractions}, {c["was"]["event"] for c in changes})
        self.assertIn("replay by ruleset", self.suppress("get", changes[0]["recipient"]))

        self.assertEqual(self.changes("--rules", str(self.better), "--apply"), [])
        self.assertEqual(len(self.stream()), len(before) + 40)

    def test_a_missing_rule_suppresses_by_the_policy(self):
        self.rules(self.knowledge, "blocked")
        self.deliver(vague(1), vague(2, action="delayed"), bounce(3))
        self.rules(self.better, "user-unknown")
        changes = self.changes("--rules", str(self.better), "--apply")
        self.assertEqual([(c["change"], c["recipient"], c["was"], c["is"]["reason"]) for c in changes],
                         [("suppressed", "user1.0@example1.com", None, "user-unknown")])
        self.assertEqual(self.listed(), ["user1.0@example1.com", "user3.0@example3.com"])
        own, rule = ({k: self.redis.client.hget(f"{PREFIX}rcpt:{address}", k) for k in ("state", "until", "reason")}
                     for address in ("user1.0@example1.com", "user3.0@example3.com"))
        self.assertEqual((own["state"], own["reason"]), (rule["state"], rule["reason"]))
        self.assertLess(abs(int(own["until"]) - int(rule["until"])), 60_000)
        self.assertEqual(self.changes("--rules", str(self.better), "--apply"), [])

    def test_other_evidence_and_other_people_keep_an_address_suppressed(self):
        self.deliver(vague(1), bounce(1, text="no such user here"), vague(2), vague(3))
        self.suppress("remove", "user2.0@example2.com")
        self.suppress("add", "user2.0@example2.com")
        self.assertEqual([c["recipient"] for c in self.changes("--rules", str(self.better), "--apply")],
                         ["user3.0@example3.com"])
        self.assertEqual(self.listed(), ["user1.0@example1.com", "user2.0@example2.com"])

    def test_other_evidence_counts_however_the_address_is_written(self):
        self.deliver(bounce(1, text="no such user here").replace(b"user1.0@", b"USER1.0@"))
        self.deliver(vague(1).replace(b"user1.0@", b"User1.0@"))
        self.assertEqual(self.changes("--rules", str(self.better), "--apply"), [])
        self.assertEqual(self.listed(), ["user1.0@example1.com"])

    def test_what_was_cleared_is_not_suppressed_by_older_bounces(self):
        self.rules(self.knowledge, "blocked")
        self.deliver(vague(1))
        self.suppress("add", "user1.0@example1.com")
        self.suppress("remove", "user1.0@example1.com")
        self.rules(self.better, "user-unknown")
        self.assertEqual(self.changes("--rules", str(self.better)), [])

    def test_scopes_and_shards(self):
        self.configure(redis_keys="shards = 4", text="[policy]\nscope_headers = List-Id\n[policy user-unknown]\nreach = scope\n")
        self.deliver(*(vague(n).replace(b"Subject: News", b"List-Id: <a.example.org>\nSubject: News") for n in range(20)),
                     vague(30))
        self.assertEqual(len(self.listed("--scope", "a.example.org")), 20)
        changes = self.changes("--rules", str(self.better), "--apply")
        self.assertEqual(sorted(c["scope"] or "" for c in changes), [""] + ["a.example.org"] * 20)
        self.assertEqual(self.listed() + self.listed("--scope", "a.example.org"), [])
        self.assertEqual([key for key in self.redis.client.keys("*replay:*") if "stats:" not in key], [])

    def test_a_scope_that_the_return_address_named_is_known_from_the_decision(self):
        self.configure(text="[policy user-unknown]\nreach = scope\n[recipient]\nverp = ^(?<scope>[^+@]+)\\+.*@\n")
        self.deliver(b"Delivered-To: tenant+x@lists.example.net\n" + vague(1))
        self.assertEqual(self.listed("--scope", "tenant"), ["user1.0@example1.com"])
        self.assertEqual([(c["recipient"], c["scope"]) for c in self.changes("--rules", str(self.better), "--apply")],
                         [("user1.0@example1.com", "tenant")])
        self.assertEqual(self.listed("--scope", "tenant"), [])

    def test_only_the_events_that_were_asked_for(self):
        self.deliver(vague(1))
        first = self.stream()[-1][0]
        self.deliver(vague(2))
        ms, sequence = first.split("-")
        self.assertEqual([c["recipient"] for c in self.changes("--rules", str(self.better), "--from",
                                                               f"{ms}-{int(sequence) + 1}")], ["user2.0@example2.com"])
        self.assertEqual([c["recipient"] for c in self.changes("--rules", str(self.better), "--to", first)],
                         ["user1.0@example1.com"])
        self.assertEqual(len(self.changes("--rules", str(self.better), "--from", "1h")), 2)
        self.assertEqual(self.changes("--rules", str(self.better), "--to", "2020-01-01T00:00:00Z"), [])

    def test_killed_at_any_moment_it_leaves_nothing_that_counts(self):
        self.deliver(*(vague(n) for n in range(300)))
        for n in range(8):
            daemon = subprocess.Popen([DSND, "replay", "-c", str(self.conf), "--rules", str(self.better), "--apply"],
                                      stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            if n % 2:
                wait_until(lambda: daemon.poll() is not None or self.redis.client.exists(PREFIX + "replay:keys"), "at work")
            time.sleep(0.02 * n)  # somewhere else each time, wherever that is
            daemon.send_signal(signal.SIGKILL)
            daemon.wait()
            self.redis.client.delete(PREFIX + "replay:lock")
        self.changes("--rules", str(self.better), "--apply")
        self.assertEqual((self.listed(), self.ours()), ([], []))
        kinds = [json.loads(fields["event"])["kind"] for _, fields in self.stream()]
        self.assertEqual((kinds.count("bounce"), kinds.count("retraction"), len(kinds)), (300, 300, 600))

    def test_two_at_once_are_refused(self):
        self.redis.client.set(PREFIX + "replay:lock", "1", px=60_000)
        self.rejudge("--rules", str(self.better), status=1)
        self.assertIn("another replay is at work", self.said)

    def test_the_same_rules_change_nothing(self):
        """What an event says is enough to judge it again, whatever wrote the report."""
        samples = [path.read_bytes() for path in sorted((ROOT / "tests" / "samples").rglob("*.eml"))]
        self.assertGreater(len(samples), 20)
        self.deliver(*samples)
        self.rejudge()
        self.assertRegex(self.said, r"^[1-9]\d* events judged, 0 of them otherwise than before; 0 addresses")

    def test_wrong_use_is_told(self):
        (self.better / "rules" / "mine.rules").write_text("[mine\n")
        self.rejudge("--rules", str(self.better), status=1)
        self.assertIn("mine.rules:1: ", self.said)
        for wrong in (["--from", "yesterday"], ["--format", "xml"], ["--diff", "--apply"], ["more"]):
            self.rejudge(*wrong, status=2)
        self.redis.process.kill()
        self.redis.process.wait()
        self.rejudge(status=1)
        self.assertIn("is away", self.said)
