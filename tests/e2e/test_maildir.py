"""A maildir in which anything may lie: what is no message is set aside, what is one gets through, whatever its name."""

import os
import random
import re
import socket
import stat
import subprocess
import threading
import unittest

from harness import DSND, PREFIX, Case, bounce, wait_until

NAMES = [b"a\nb", b"tab\tname", b"\x1b[31mred", b"\xff\xfe\x80", b"-rf", b"--", b"n:2,", b"n2:2,FT", b"x:1,expunged",
         b"colons::2,,", b"quotes\"'\\", b" spaces ", "\u202ebidi".encode(), "\u2028line".encode(), b"%s%n%n", b"$(reboot)",
         "\u00e9".encode(), b"l" * 255, b"m" * 251 + b":2,S", b"o" * 250, b"p" * 247 + b":2,FRST"]
CONTROL = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
NOBODY = 65534


class Names(Case):
    def fill(self, content):
        for n, name in enumerate(NAMES):
            with open(os.path.join(os.fsencode(self.maildir.path), b"new", name), "wb") as out:
                out.write(content(n))

    def assert_log_is_clean(self, daemon):
        text = daemon.log_path.read_bytes().decode()
        self.assertEqual(CONTROL.findall(text), [])
        self.assertTrue(all(line.startswith("time=") for line in text.splitlines()))

    def test_messages_get_through_whatever_their_names(self):
        self.conf = self.configure("[log]\nlevel = debug")
        self.fill(bounce)
        daemon = self.once()
        self.assert_counted_once(len(NAMES))
        self.wait_settled(len(NAMES))
        self.assert_log_is_clean(daemon)
        for _, fields in self.stream():
            self.assertEqual(re.findall("[\x00-\x1f\x7f]", fields["event"]), [])

    def test_what_is_no_message_is_set_aside_whatever_its_name(self):
        self.conf = self.configure("[log]\nlevel = debug")
        self.fill(lambda n: b"no message")
        daemon = self.once(status=1)
        self.assertEqual(self.maildir.names("new"), [])
        self.assertEqual(len(self.maildir.names(".Failed/new")), len(NAMES))
        errors = [name for name in self.maildir.names(".Failed") if name.endswith(".error")]
        self.assertEqual(len(errors), len(NAMES))
        self.assert_log_is_clean(daemon)

    def test_long_names_that_begin_alike_do_not_overwrite_each_other(self):
        for n in range(10):
            self.maildir.deliver(bounce(n), name="l" * 254 + str(n))
        self.once()
        self.assert_counted_once(10)
        self.wait_settled(10)


class Files(Case):
    def test_what_is_no_file_is_set_aside_or_left_alone(self):
        new = self.maildir.path / "new"
        (new / "folder").mkdir()
        (new / "to-a-folder").symlink_to("/etc")
        (new / "to-nowhere").symlink_to("nowhere")
        (new / "to-itself").symlink_to("to-itself")
        (new / "to-a-message").symlink_to(self.folder / "message")
        (self.folder / "message").write_bytes(bounce(7))
        os.mkfifo(new / "fifo")
        with socket.socket(socket.AF_UNIX) as server:
            server.bind(str(new / "socket"))
        odd = ["fifo", "socket", "to-a-folder", "to-a-message", "to-itself", "to-nowhere"]
        if os.geteuid() == 0:
            os.mknod(new / "device", 0o666 | stat.S_IFCHR, os.makedev(1, 5))  # /dev/zero never ends
            odd = ["device", *odd]
        for n in range(5):
            self.maildir.deliver(bounce(n))
        daemon = self.once(status=1)
        self.assert_counted_once(5)
        self.wait_settled_but(["folder"], 5)
        self.assertEqual(self.maildir.names(".Failed/new"), odd)
        self.assertEqual(len(daemon.events("set-aside")), len(odd))
        self.assertTrue((self.folder / "message").exists())

    def wait_settled_but(self, left, n):
        self.assertEqual((self.maildir.names("new"), len(self.maildir.names("cur"))), (left, n))

    def test_a_message_with_several_names_counts_once_and_all_of_them_go(self):
        new, cur = self.maildir.path / "new", self.maildir.path / "cur"
        self.maildir.deliver(bounce(1), name="one")
        os.link(new / "one", new / "two")
        self.maildir.deliver(bounce(2), name="three")
        os.link(new / "three", cur / "three:2,S")  # a crash between link and unlink
        self.once()
        self.assert_counted_once(2)
        self.assertEqual(self.maildir.names("new"), [])
        self.assertEqual(self.maildir.names("cur"), ["one:2,S", "three:2,S", "two:2,S"])

    def test_files_that_shrink_and_grow_while_they_are_read_count_once(self):
        n, ending = 30, threading.Event()
        lengths = [len(bounce(k)) for k in range(n)]
        for k in range(n):
            self.maildir.deliver(bounce(k) + b"\n" * 1_000_000, name=f"m{k}")

        def disturb():
            while not ending.is_set():
                k = random.randrange(n)
                try:
                    os.truncate(self.maildir.path / "new" / f"m{k}", lengths[k] + random.randrange(2_000_000))
                except FileNotFoundError:
                    pass

        thread = threading.Thread(target=disturb)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(ending.set)
        daemon = self.start()
        wait_until(lambda: len(self.maildir.names("cur")) >= 3, "some are read all the same")
        ending.set()
        self.wait_settled(n)
        self.assertEqual(daemon.end(), 0)
        self.assert_counted_once(n)
        self.assertEqual(len(self.redis.client.keys(PREFIX + "rcpt:*")), n)

    def test_without_cur_it_does_not_start_and_says_why(self):
        (self.maildir.path / "cur").rmdir()
        self.assertIn("no maildir, cur/: No such file", self.once(status=1).log())

    def test_cur_that_goes_and_comes_back(self):
        daemon = self.start()
        os.rename(self.maildir.path / "cur", self.maildir.path / "cur.away")
        for n in range(20):
            self.maildir.deliver(bounce(n))
        self.assertIn("No such file", daemon.wait_event("cannot-settle")[0])
        wait_until(lambda: len(self.stream()) == 20, "all are in Redis")
        daemon.wait_quiet()
        self.assertEqual(len(self.maildir.names("new")), 20)
        os.rename(self.maildir.path / "cur.away", self.maildir.path / "cur")
        self.wait_settled(20)
        self.assertEqual(daemon.end(), 0)
        self.assert_counted_once(20)

    def test_new_that_goes_and_comes_back(self):
        conf = self.configure(source_keys="rescan = 1s")
        daemon = self.start(conf=conf)
        os.rename(self.maildir.path / "new", self.maildir.path / "new.away")
        daemon.wait_event("source-trouble")
        daemon.wait_quiet()
        (self.maildir.path / "new").mkdir()
        self.maildir.deliver(bounce(1))
        self.wait_settled(1)
        self.assertEqual(daemon.end(), 0)
        self.assert_counted_once(1)


class Permissions(Case):
    """As a user that may not do everything, for root may."""

    def start(self, *options, prefix=(), **keys):
        if os.geteuid() != 0:
            return super().start(*options, prefix=prefix, **keys)
        user = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
        if subprocess.run([*user, DSND, "--help"], capture_output=True).returncode != 0:
            self.skipTest("another user cannot start dsnd here")
        os.chmod(self.redis.path, 0o777)
        for path in [self.folder, *self.maildir.path.rglob("*"), self.maildir.path]:
            os.chown(path, NOBODY, NOBODY)
        return super().start(*options, prefix=[*user, *prefix], **keys)

    def test_a_file_that_may_not_be_read_is_left_until_it_may(self):
        for n in range(20):
            self.maildir.deliver(bounce(n), name=f"m{n}")
        os.chmod(self.maildir.path / "new" / "m3", 0)
        daemon = self.start()
        self.assertIn("Permission denied", daemon.wait_event("cannot-read")[0])
        wait_until(lambda: self.maildir.names("new") == ["m3"], "the others are settled")
        daemon.wait_quiet()
        os.chmod(self.maildir.path / "new" / "m3", 0o600)
        self.wait_settled(20)
        self.assertEqual(daemon.end(), 0)
        self.assert_counted_once(20)

    @unittest.skipIf(os.geteuid() != 0, "what a user's other threads leave of a limit is not known")
    def test_too_few_threads_to_start_with(self):
        for n in range(20):
            self.maildir.deliver(bounce(n))
        conf = self.configure("[run]\nworkers = 100\n")
        daemon = self.start(conf=conf, prefix=["prlimit", "--nproc=50"], wait=False)
        self.assertEqual(daemon.wait(), 1)
        self.assertIn("threads could not be started", daemon.log())
        daemon = self.start(conf=conf)
        self.wait_settled(20)
        self.assertEqual(daemon.end(), 0)
        self.assert_counted_once(20)

    def test_cur_that_may_not_be_written_is_waited_for(self):
        daemon = self.start()
        os.chmod(self.maildir.path / "cur", 0o500)
        for n in range(20):
            self.maildir.deliver(bounce(n))
        if os.geteuid() == 0:
            for path in (self.maildir.path / "new").iterdir():
                os.chown(path, NOBODY, NOBODY)
        self.assertIn("Permission denied", daemon.wait_event("cannot-settle")[0])
        wait_until(lambda: len(self.stream()) == 20, "all are in Redis")
        daemon.wait_quiet()
        os.chmod(self.maildir.path / "cur", 0o700)
        self.wait_settled(20)
        self.assertEqual(daemon.end(), 0)
        self.assert_counted_once(20)

    def test_a_maildir_that_may_not_be_written_is_refused_at_start(self):
        os.chmod(self.maildir.path / "new", 0o500)
        daemon = self.start("--once", wait=False)
        self.assertEqual(daemon.wait(), 1)
        self.assertIn("new/ must be readable and writable: Permission denied", daemon.log())
