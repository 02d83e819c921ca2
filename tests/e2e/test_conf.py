"""Mistakes in the configuration are named by file and line."""

import os
import subprocess
import unittest

from harness import DSND, ROOT, Case


class Configuration(Case):
    def problems(self, text, command="run"):
        """What dsnd says about a configuration that is wrong somewhere: a list of lines."""
        conf = self.folder / "bad.conf"
        conf.write_text(text)
        done = subprocess.run([DSND, command, "-c", str(conf)], capture_output=True, text=True)
        self.assertEqual(done.returncode, 1, done.stderr)
        return [line for line in done.stderr.splitlines() if "bad.conf:" in line]

    def assert_refused(self, text, line, *parts):
        lines = self.problems(text)
        where = f"bad.conf:{line}: " if line else "bad.conf: "
        self.assertTrue(any(where in l and all(part in l for part in parts) for l in lines), lines)

    def assert_fine(self, text):
        """One thing is wrong with it, and that is ours."""
        lines = self.problems(text + "\n[not-fine]\n")
        self.assertEqual(len(lines), 1, lines)
        self.assertIn("not-fine", lines[0])

    def test_the_example_is_fine_and_its_defaults_are_the_defaults(self):
        text = (ROOT / "config" / "dsnd.conf").read_text()
        self.assert_fine(text)
        self.assert_fine("\n".join(
            line[1:] if line.startswith("#") and not line.startswith("# ") and line != "#" and
            "password_file" not in line and line != "#user = dsnd" else line for line in text.splitlines()))

    def test_a_password_that_others_can_read_is_refused(self):
        password = self.folder / "password"
        text = f"[source a]\npath = /m\n[redis]\npassword_file = {password}\n"
        password.touch(0o600)
        self.assert_refused(text, 4, "empty")
        password.write_text("secret\n")
        for mode in (0o600, 0o640, 0o400):
            password.chmod(mode)
            self.assert_fine(text)
        for mode in (0o644, 0o660, 0o604, 0o602):
            password.chmod(mode)
            self.assert_refused(text, 4, str(password), "0640")
        password.chmod(0o600)
        if os.geteuid() == 0:
            os.chown(password, 12345, 0)
            self.assert_refused(text, 4, "somebody else")
        self.assert_refused(text.replace(str(password), "/dev/zero"), 4, "no file")

    def test_mistakes_are_named(self):
        source = "[source a]\npath = /m\n"
        self.assert_refused(source + "[redis]\nsever = x\n", 4, "sever", "server")
        self.assert_refused(source + "[reddis]\n", 3, "reddis", "[redis]")
        self.assert_refused(source + "[redis]\ntimeout = 5 mins\n", 4, "5 mins", "as in 30s")
        self.assert_refused(source + "[redis]\ntimeout = 5\n", 4, "no duration")
        self.assert_refused(source + "[redis]\ntimeout = 0s\n", 4, "out of range")
        self.assert_refused(source + "[limits]\nmax_bytes = 4 MB\n", 4, "no size", "MiB")
        self.assert_refused(source + "[redis]\nserver = localhost\n", 4, "HOST:PORT")
        self.assert_refused(source + "[redis]\nserver = tls:redis.example.net:6380\n", 4, "no TLS")
        self.assert_refused(source + "[redis]\nuser = dsnd\n", 4, "password_file")
        self.assert_refused(source + "[redis]\nsentinels = 127.0.0.1\n", 4, "HOST:PORT")
        for servers in ("sentinels =", "cluster = ;"):
            self.assert_refused(source + f"[redis]\n{servers}\n", 4, servers.split()[0], "HOST:PORT")
        self.assert_refused(source + "[redis]\nshards = many\n", 4, "no number")
        self.assert_refused(source + "[source b]\nkind = stream\npath = /n\n", 5, "path", "claim_after")
        self.assert_refused(source + "[source b]\nkind = lmtp\nlisten = 192.0.2.1:24\n", 5, "loopback")
        self.assert_refused(source + "[log]\nlevel = loud\n", 4, "loud", "error, warning, info, debug")
        self.assert_refused(source + "[log]\nlevel = info\nlevel = debug\n", 5, "level")
        self.assert_refused(source + "[redis]\npassword_file = /nowhere\n", 4, "/nowhere")
        self.assert_refused("[source a]\nkind = maildir\n", 1, "path")
        self.assert_refused("[source a]\nkind = pigeon\npath = /m\n", 2, "pigeon", "maildir")
        self.assert_refused("[source a]\npath = m\n", 2, "absolute")
        self.assert_refused(source + "[source b]\npath = /m\n", 3, "same path")
        self.assert_refused(source + "[policy]\nexpiry =\n", 4, "expiry", "as in 7d; 30d; never")
        self.assert_refused("[redis]\n", 0, "[source NAME]")
        self.assert_refused(source + "[recipient]\norder = final; cc\n", 4, "cc", "verp; original; header; final; prose")
        self.assert_refused(source + "[recipient]\norder = final; final\n", 4, "twice")
        self.assert_refused(source + "[recipient]\nverp = ^b-(?<recipient>\n", 4, "no regular expression")
        self.assert_refused(source + "[recipient]\nverp = ^b-(.*)@\n", 4, "(?<recipient>...)")

    def test_every_problem_is_printed(self):
        for command in ("run", "check"):
            self.assertEqual(len(self.problems("[redis]\nsever = x\ntimeout = 5\n[nonsense]\n", command)), 4)

    def test_the_feed_does_not_leave_the_host(self):
        for bind in ("tcp://0.0.0.0:5556", "tcp://*:5556", "tcp://192.0.2.1:5556", "tcp://127.evil.example:5556",
                     "tcp://[::]:5556", "tcp://[::1:5556", "udp://127.0.0.1:1", "tcp://127.0.0.1"):
            for key in ("bind", "replay"):
                self.assert_refused(f"[source a]\npath = /m\n[feed]\n{key} = {bind}\n", 4, bind, "tcp://127.0.0.1:")
        for bind in ("tcp://127.0.0.1:5556", "tcp://[::1]:5556", "ipc:///run/dsnd/feed"):
            self.assert_fine(f"[source a]\npath = /m\n[feed]\nbind = {bind}\nreplay = {bind}1\n")
        for more in ("insecure = anyone-may-read", "keys = /k\nclients = /c"):
            self.assert_fine(f"[source a]\npath = /m\n[feed]\nbind = tcp://*:5556\nreplay = tcp://[::]:1\n{more}\n")
        self.assert_refused("[source a]\npath = /m\n[feed]\ninsecure = yes\n", 4, "anyone-may-read")
        self.assert_refused("[source a]\npath = /m\n[feed]\nkeys = /k\n", 3, "go together")

    def test_lookups_do_not_leave_the_host(self):
        for listen in ("0.0.0.0:1", "192.0.2.1:1", "[::]:1", "localhost:1", "1", "tcp://127.0.0.1:1", "unix:relative",
                       "unix:/" + "x" * 108):
            self.assert_refused(f"[source a]\npath = /m\n[lookup]\nlisten = {listen}\n", 4, "listen", "expected")
        for listen in ("127.0.0.1:10026", "[::1]:10026", "unix:/run/dsnd/lookup.sock"):
            self.assert_fine(f"[source a]\npath = /m\n[lookup]\nlisten = {listen}\n")

    def test_return_addresses_are_what_mail_systems_take(self):
        source = "[source a]\npath = /m\n[verp]\n"
        for line in ("user = a b", "user = x@y", f"user = {'u' * 43}", "user = .x", "domain = a b", "domain = .",
                     "delimiter = !", "lifetime = 30", "keys = verp.keys"):
            self.assert_refused(source + line + "\n", 4, line.split()[0])
        self.assert_fine(source + "user = list-bounces\ndomain = bounce.example.net\ndelimiter = -\nlifetime = 2w\n")

    def test_a_maildir_that_is_none_is_named(self):
        conf = self.folder / "none.conf"
        conf.write_text(f"[source a]\npath = {self.folder}/nothing\n[knowledge]\ndir = {self.knowledge}\n")
        daemon = self.start(conf=conf, wait=False)
        self.assertEqual(daemon.wait(), 1)
        self.assertIn(f"{self.folder}/nothing", daemon.log())

    def test_a_feed_that_cannot_be_bound_is_named(self):
        conf = self.configure(name="busy.conf")
        conf.write_text(conf.read_text().replace(self.endpoint, "ipc:///nowhere/at/all"))
        daemon = self.start(conf=conf, wait=False)
        self.assertEqual(daemon.wait(), 1)
        self.assertIn("ipc:///nowhere/at/all", daemon.log())


if __name__ == "__main__":
    unittest.main()
