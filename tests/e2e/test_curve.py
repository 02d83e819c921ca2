"""The encrypted feed: who is on the list reads it, and nobody else does."""

import os
import signal
import stat
import subprocess

import zmq
from zmq.auth import load_certificate

from harness import DSND, LIMIT_S, Case, bounce, dsnd, wait_until
from test_tail import Tail


class Curve(Case):
    def setUp(self):
        super().setUp()
        for name in ("server", "friend", "stranger"):
            setattr(self, name, dsnd("keys", self.folder / name).strip())
        self.clients = self.folder / "clients"
        self.clients.write_text(f"# who may read\n\n{self.friend} a friend\n")
        self.conf = self.configure(feed_keys=f"keys = {self.folder}/server.key_secret\nclients = {self.clients}")

    def tail(self, name, *options, server="server"):
        tail = Tail("--feed", self.endpoint, "--replay", self.replay, "--keys", str(self.folder / (name + ".key_secret")),
                    "--server-key", str(self.folder / (server + ".key")), *options)
        self.addCleanup(tail.process.kill)
        return tail

    def test_keys_are_kept_safely(self):
        mode = stat.S_IMODE(os.stat(self.folder / "friend.key_secret").st_mode)
        self.assertEqual(mode, 0o600)
        public, secret = load_certificate(str(self.folder / "friend.key_secret"))
        self.assertEqual((public.decode(), load_certificate(str(self.folder / "friend.key"))), (self.friend, (public, None)))
        self.assertEqual(zmq.curve_public(secret), public)
        before = (self.folder / "friend.key_secret").read_text()
        self.assertEqual(dsnd("keys", self.folder / "friend", status=1), "")
        self.assertEqual((self.folder / "friend.key_secret").read_text(), before)
        dsnd("keys", status=2)

    def test_who_is_on_the_list_reads_and_nobody_else(self):
        daemon = self.start()
        for n in range(20):
            self.maildir.deliver(bounce(n))
        self.wait_settled(20)
        friend, stranger = self.tail("friend", "--from", "0"), self.tail("stranger", "--from", "0")
        plain = Tail("--feed", self.endpoint, "--replay", self.replay, "--from", "0")
        self.addCleanup(plain.process.kill)
        wrong = self.tail("friend", "--from", "0", server="stranger")
        wait_until(lambda: len(friend.lines) == 20, "the replay")
        self.maildir.deliver(bounce(21))
        wait_until(lambda: len(friend.lines) == 21, "the feed")
        wait_until(lambda: stranger.said("does not answer") and plain.said("does not answer") and
                   wrong.said("does not answer"), "nobody answers the others")
        for tail in (stranger, plain, wrong):
            self.assertEqual(tail.end(), 0)
            self.assertEqual(tail.lines, [])
        self.assertEqual(friend.end(), 0)
        self.assertIn('name="a friend"', "".join(daemon.events("feed-client")))
        self.assertTrue(daemon.events("feed-refused"))

    def test_a_client_can_be_added_and_taken_away_while_it_runs(self):
        daemon = self.start()
        self.maildir.deliver(bounce(1))
        self.wait_settled(1)
        self.clients.write_text(f"{self.stranger} no stranger any more\n")
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait_event("reloaded")
        friend = self.tail("friend", "--from", "0")
        stranger = self.tail("stranger", "--from", "0", "--count", "1")
        self.assertEqual(stranger.wait(), 0)
        wait_until(lambda: daemon.events("feed-refused"), "the other one is refused")
        self.assertEqual((friend.end(), friend.lines), (0, []))
        self.clients.write_text("nonsense\n")
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait_event("reload-refused")
        self.assertIn("clients:1", daemon.events("reload-problem")[0])
        self.assertEqual(self.tail("stranger", "--from", "0", "--count", "1").wait(), 0)

    def test_bad_key_files_are_named(self):
        def refused(text, *options):
            done = subprocess.run([DSND, *map(str, options)], capture_output=True, text=True, timeout=LIMIT_S)
            self.assertEqual(done.returncode, 1)
            self.assertIn(text, done.stderr)
        for command in ("run", "check"):
            os.chmod(self.folder / "server.key_secret", 0o644)
            refused("server.key_secret: can be read by anybody", command, "-c", self.conf)
            os.chmod(self.folder / "server.key_secret", 0o600)
            self.clients.write_text("x\n")
            refused("clients:1: no key", command, "-c", self.conf)
            self.clients.write_text(f"{self.friend}\n")
        os.chmod(self.folder / "friend.key", 0o600)
        refused("friend.key: has no keys", "tail", "--feed", self.endpoint, "--server-key", self.folder / "server.key",
                "--keys", self.folder / "friend.key")
