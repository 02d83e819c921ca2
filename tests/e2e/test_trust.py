"""A forged bounce suppresses nobody where return addresses are signed; dsnd verp signs them."""

import email.utils
import json
import os
import re
import signal
import subprocess
import sys
import time

from harness import DSND, LIMIT_S, PREFIX, ROOT, Case, bounce

sys.path.insert(0, str(ROOT / "contrib" / "recipes"))
import return_address as recipe  # noqa: E402 - what others make, with nothing of dsnd's

KEYS = {"a": "00112233445566778899aabbccddeeff" * 2, "b": "ffeeddccbbaa99887766554433221100" * 2}


def token(address, key="a", expires_in_s=86400, use="dsnd verp 1"):
    return recipe.token(key, bytes.fromhex(KEYS[key]), address, time.time() + expires_in_s, use)


def return_address(address, key="a", expires_in_s=86400):
    return recipe.return_address(key, bytes.fromhex(KEYS[key]), address, "bounces", "bounce.example.net",
                                 time.time() + expires_in_s)


def address_of(n):
    return f"user{n}.0@example{n % 50}.com"


class Trust(Case):
    def setUp(self):
        super().setUp()
        self.keys = self.folder / "verp.keys"
        self.write_keys("a")
        self.configure_trust()

    def write_keys(self, *ids):
        self.keys.write_text("".join(f"{key} = {KEYS[key]}\n" for key in ids))
        self.keys.chmod(0o640)

    def configure_trust(self, trust="", verp="domain = bounce.example.net\n"):
        self.conf = self.configure(f"[verp]\nkeys = {self.keys}\n{verp}[trust]\n{trust}\n")

    def verp(self, *arguments, text=None, status=0):
        done = subprocess.run([DSND, "verp", "-c", str(self.conf), *arguments], input=text, capture_output=True,
                              text=True, timeout=LIMIT_S)
        self.assertEqual(done.returncode, status, done.stderr)
        return done.stdout if status == 0 else done.stdout + done.stderr

    def deliver(self, n, to, **how):
        return self.maildir.deliver(f"Delivered-To: {to}\n".encode() + bounce(n, **how))

    def states(self, *numbers):
        return [self.redis.client.hget(f"{PREFIX}rcpt:{address_of(n)}", "state") for n in numbers]

    def stored(self, field):
        events = [json.loads(fields["event"]) for _, fields in self.stream()]
        return {event["recipient"]: event[field] for event in events}

    def suppressed(self):
        return self.redis.client.zrange(PREFIX + "suppressed", 0, -1)

    def test_only_a_verified_bounce_suppresses(self):
        self.deliver(1, return_address(address_of(1)))
        self.deliver(2, return_address(address_of(2)).upper())
        self.deliver(3, "bounces@bounce.example.net")
        self.deliver(4, return_address(address_of(4), expires_in_s=-7200))
        self.deliver(5, return_address(address_of(5)).replace("bounces+a", "bounces+b"))
        self.deliver(6, "bounces+" + token(address_of(6), use="dsnd message-id 1") + "@bounce.example.net")
        self.once()
        trust = self.stored("trust")
        self.assertEqual({n: trust[address_of(n)] for n in range(1, 7)},
                         {1: "verified", 2: "verified", 3: "unverified", 4: "unverified", 5: "unverified",
                          6: "unverified"})
        self.assertEqual(set(self.suppressed()), {address_of(1), address_of(2)})
        self.assertEqual({self.stored("action")[address_of(n)] for n in (3, 4, 5, 6)}, {"count"})
        self.assertEqual(self.stored("trust_by")[address_of(1)], "verp")

    def test_a_signature_does_not_end_while_the_message_waits(self):
        for n, days_ago in ((1, 3), (2, 1), (3, 0)):
            name = self.deliver(n, return_address(address_of(n), expires_in_s=-2 * 86400))
            came = time.time() - days_ago * 86400
            os.utime(self.maildir.path / "new" / name, (came, came))
        self.once()
        self.assertEqual(self.stored("trust"),
                         {address_of(1): "verified", address_of(2): "unverified", address_of(3): "unverified"})

    def test_a_replayed_signature_hurts_the_address_that_it_names_and_no_other(self):
        for n in range(1, 40):
            self.deliver(n, return_address(address_of(7)))
        self.once()
        self.assertEqual(self.suppressed(), [address_of(7)])
        self.assertEqual(set(self.stored("trust").items()), {(address_of(7), "verified")})

    def test_many_forged_bounces_suppress_nobody(self):
        for n in range(200):
            self.deliver(3, "bounces@bounce.example.net", text=f"user unknown, said {n} times")
        self.once()
        self.assertEqual(len(self.stream()), 200)
        self.assertEqual(self.suppressed(), [])

    def test_forged_bounces_on_many_days_suppress_nobody_and_real_ones_do(self):
        for days_ago in range(28, 0, -1):
            when = email.utils.formatdate(time.time() - days_ago * 86400).encode()
            for n, to in ((3, "bounces@bounce.example.net"), (4, return_address(address_of(4)))):
                full = bounce(n, status="4.2.2", code=452, text=f"mailbox full, day {days_ago}")
                dated = full.replace(b"Action: failed", b"Action: failed\nLast-Attempt-Date: " + when)
                self.maildir.deliver(f"Delivered-To: {to}\n".encode() + dated)
        self.once()
        self.assertEqual(len(self.stream()), 56)
        self.assertEqual(self.suppressed(), [address_of(4)])
        self.assertEqual(self.states(3, 4), ["watch", "suppressed"])

    def test_the_operator_may_let_unverified_reports_suppress_or_do_nothing(self):
        for number, (choice, action, suppressed) in enumerate((("suppress", "suppress", 1), ("none", "none", 0))):
            self.configure_trust(f"unverified = {choice}")
            self.redis.client.flushall()
            self.deliver(number, "bounces@bounce.example.net")
            self.once()
            self.assertEqual(self.stored("action"), {address_of(number): action})
            self.assertEqual(len(self.suppressed()), suppressed)

    def test_message_id_domains_count_only_where_the_operator_says_so(self):
        for weak, trust in (("unverified", "unverified"), ("verified", "verified")):
            self.configure_trust(f"message_id_domains = example.net\nweak = {weak}")
            self.redis.client.flushall()
            self.deliver(1, "bounces@bounce.example.net")
            self.once()
            self.assertEqual(self.stored("trust"), {address_of(1): trust})
            self.assertEqual(self.stored("trust_by"), {address_of(1): "message-id-domain"})
            self.assertEqual(len(self.suppressed()), int(trust == "verified"))

    def test_keys_rotate_while_it_runs(self):
        daemon = self.start()
        self.deliver(1, return_address(address_of(1), key="b"))
        self.wait_settled(1)
        self.write_keys("b", "a")
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait_event("reloaded")
        self.deliver(2, return_address(address_of(2), key="b"))
        self.deliver(3, return_address(address_of(3), key="a"))
        self.wait_settled(3)
        self.keys.chmod(0o644)
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait_event("reload-refused")
        self.deliver(4, return_address(address_of(4), key="b"))
        self.wait_settled(4)
        self.assertEqual(daemon.end(), 0)
        self.assertEqual(set(self.suppressed()), {address_of(2), address_of(3), address_of(4)})

    def test_verp_makes_what_others_can_make_and_check(self):
        addresses = ["jane@example.org", "Jane.Doe+news=1@Example.org", "o'hara@example.org", "a%b@example.org",
                     "a/b!c#d@example.org", '"quoted name"@example.org', "-x@example.org", "_@[192.0.2.1]"]
        addresses += ["n" * n + "@example.org" for n in (1, 20, 21, 22, 23, 63)]
        for address in addresses:
            before = return_address(address, expires_in_s=30 * 86400)
            made = self.verp("--", address).strip()
            self.assertIn(made, (before, return_address(address, expires_in_s=30 * 86400)))
            self.assertLessEqual(len(made.rpartition("@")[0]), 64)
            checked = self.verp("--check", "--", made.upper(), address)
            self.assertRegex(checked, r"^valid key=a expires=\S+Z address=" + re.escape(address.lower()) + "\n$")
        self.assertEqual(subprocess.run([sys.executable, recipe.__file__, self.keys, "bounces", "bounce.example.net",
                                         "jane@example.org"], capture_output=True, text=True).stdout,
                         self.verp("jane@example.org"))
        self.assertTrue(self.verp("--user", "my-list", "jane@example.org").startswith("my-list+a"))

    def test_verp_reads_lines_and_goes_on_after_a_bad_one(self):
        out = self.verp("-", text="jane@example.org\nnobody\x1b[31m\n\njoe@example.org\n", status=1)
        self.assertEqual([line.split("=")[0].rpartition("-")[2] for line in out.splitlines()[:2]], ["jane", "joe"])
        self.assertIn("nobody?[31m: no mail address", out)

    def test_verp_says_what_is_wrong_with_a_return_address(self):
        long = "someone.with.a.very.long.name.indeed@mail.example.org"
        short = f"bounces+{token(long)}@bounce.example.net"
        self.assertEqual(self.verp(long).count("-"), 0)
        self.assertTrue(self.verp("--check", short, long).startswith("valid "))
        self.assertTrue(self.verp("--check", short, status=1).startswith("untold "))
        self.assertTrue(self.verp("--check", short, "jane@example.org", status=1).startswith("forged "))
        old = return_address("jane@example.org", expires_in_s=-7200)
        self.assertRegex(self.verp("--check", old, status=1), "^expired .* address=jane@example.org\n$")
        self.assertEqual(self.verp("--check", "bounces@bounce.example.net", status=1), "none\n")
        message_id = self.verp("--message-id", "jane@example.org").strip()
        self.assertRegex(message_id, r"^<a[a-z2-7]{20}\.[a-z2-7]{16}@bounce\.example\.net>$")
        self.assertTrue(self.verp("--check", message_id, "jane@example.org").startswith("valid "))

    def test_keys_that_others_can_read_are_refused(self):
        for mode in (0o644, 0o660, 0o604, 0o602):
            self.keys.chmod(mode)
            self.assertIn("0640", self.verp("jane@example.org", status=1))
            self.assertEqual(self.start(wait=False).wait(), 1)
        self.keys.chmod(0o600)
        self.verp("jane@example.org")
        if os.geteuid() == 0:
            os.chown(self.keys, 12345, 0)
            self.assertIn("somebody else", self.verp("jane@example.org", status=1))
        self.keys.unlink()
        self.assertIn(str(self.keys), self.verp("jane@example.org", status=1))
        self.keys.mkdir()
        self.assertIn("no file", self.verp("jane@example.org", status=1))

    def test_keys_are_never_shown(self):
        self.keys.write_text(f"a {KEYS['a']}\nbb = {KEYS['b']}\nc = {KEYS['b']}x\n")
        for command in ("check", "run"):
            done = subprocess.run([DSND, command, "-c", str(self.conf)], capture_output=True, text=True)
            self.assertEqual(done.returncode, 1)
            self.assertEqual([line.count("verp.keys:") for line in done.stderr.splitlines() if "keys" in line],
                             [1, 1, 1], done.stderr)
            self.assertNotIn(KEYS["a"][:6], done.stderr)
            self.assertNotIn(KEYS["b"][:6], done.stderr)

    def test_what_is_missing_in_the_configuration_is_named(self):
        self.configure_trust(verp="")
        self.assertIn("domain = NAME", self.verp("jane@example.org", status=1))
        self.conf = self.configure()
        self.assertIn("keys = FILE", self.verp("jane@example.org", status=1))
        self.assertIn("no ADDRESS", self.verp(status=2))
        self.assertIn("local part", self.verp("--user", "a b", "jane@example.org", status=2))
