"""What an intruder who finds a hole would find: hardened programs, and threads that may do little."""

import json
import os
import pathlib
import platform
import re
import subprocess

import zmq
from zmq.utils.monitor import recv_monitor_message

from harness import DSND, LIMIT_S, PREFIX, Case, bounce, dsnd, sanitizer, wait_until


LIBRARY = pathlib.Path(DSND).with_name("libdsn.so")
ENDBR64 = b"\xf3\x0f\x1e\xfa"  # begins whatever may be jumped to (-fcf-protection)


def readelf(program, *options):
    return subprocess.run(["readelf", "-W", *options, program], stdout=subprocess.PIPE, check=True, text=True).stdout


class Security(Case):
    def test_program_and_library_are_hardened(self):
        for file in filter(os.path.exists, (DSND, LIBRARY)):
            header, segments, dynamic, symbols = (readelf(file, option) for option in ("-h", "-l", "-d", "-s"))
            self.assertRegex(header, r"Type:\s+DYN")  # position independent
            self.assertNotIn("TEXTREL", dynamic)
            self.assertIn("GNU_RELRO", segments)
            self.assertRegex(dynamic, "BIND_NOW|NOW")
            self.assertRegex(segments, r"GNU_STACK[^\n]* RW ")
            self.assertTrue("__stack_chk_fail" in symbols, file)
            if not sanitizer():
                self.assertTrue(re.search(r"__(v?snprintf|memcpy|fprintf)_chk", symbols), file)
            if platform.machine() == "x86_64":
                self.assertGreater(pathlib.Path(file).read_bytes().count(ENDBR64), 100, file)

    def test_the_threads_that_read_mail_are_locked_in(self):
        self.maildir.deliver(bounce(1))
        daemon = self.start()
        self.wait_settled(1)
        tasks = "/proc/%d/task" % daemon.process.pid
        workers = others = 0
        for task in os.listdir(tasks):
            with open(os.path.join(tasks, task, "comm")) as comm, open(os.path.join(tasks, task, "status")) as status:
                locked = re.search(r"Seccomp:\s+(\d)", status.read()).group(1) == "2"
                if comm.read().strip() == "worker":
                    workers += 1
                    self.assertTrue(locked)
                else:
                    others += 1
                    self.assertFalse(locked)
        self.assertGreater(workers, 0)
        self.assertGreater(others, 0)
        self.assertEqual(daemon.events("no-sandbox"), [])
        self.assertEqual(daemon.end(), 0)


    def test_who_subscribes_to_more_than_there_can_be_is_sent_away(self):
        self.start()
        subscriber = self.subscribe()
        subscriber.wait_subscribed()
        greedy = zmq.Context.instance().socket(zmq.SUB)
        monitor = greedy.get_monitor_socket(zmq.EVENT_DISCONNECTED)
        self.addCleanup(greedy.close, 0)
        greedy.setsockopt(zmq.SUBSCRIBE, b"x" * 10_000)
        greedy.connect(self.endpoint)
        self.assertTrue(monitor.poll(LIMIT_S * 1000))
        self.assertEqual(recv_monitor_message(monitor)["event"], zmq.EVENT_DISCONNECTED)
        greedy.disable_monitor()
        self.maildir.deliver(bounce(1))
        wait_until(lambda: subscriber.receive(), "the others have their events")


EVIL = ("\x1b[31mred\x1b]0;title\x07 \x9b31m \x7f \u2028line\u2029 \u202eright to left\u202c \u2066isolated \ufeff "
        "*3\\r\\n$8\\r\\nFLUSHALL \"}]--' $(reboot) %s%n \0 {dsn}:suppressed </script>").encode() + b" \xff\xfe\xc3 \r bare"
OBEYED = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


class Content(Case):
    """Whatever a message says is data, wherever it goes."""

    def hostile(self, n):
        """A bounce that says it in every field. It cannot get into the address of `n`, or nobody would be suppressed."""
        message = bounce(n, text="EVIL").replace(b"mx.example", b"mx.EVIL.example").replace(b"News", b"EVIL")
        message = message.replace(b"Message-ID: <", b"Message-ID: <EVIL").replace(b"From: news", b"From: EVIL <news")
        other = b"Final-Recipient: rfc822; \"EVIL\"@EVIL.example\nAction: failed\nStatus: 5.1.1\n\n"
        return message.replace(b"--b1\nContent-Type: text/rfc822", other + b"--b1\nContent-Type: text/rfc822").replace(
            b"EVIL", EVIL)

    def test_nothing_from_a_message_is_obeyed(self):
        file = self.folder / "events.ndjson"
        self.conf = self.configure(f"[log]\nlevel = debug\n[ndjson]\npath = {file}\n")
        subscriber = self.subscribe()
        daemon = self.start()
        subscriber.wait_subscribed()
        for n in range(10):
            self.maildir.deliver(self.hostile(n))
        self.maildir.deliver(EVIL + b"no message")
        wait_until(lambda: self.maildir.names("new") == [], "all are taken")
        wait_until(lambda: len(subscriber.receive()) >= len(self.stream()) >= 10, "all are on the feed")
        wait_until(lambda: len(file.read_text().splitlines()) == len(self.stream()), "all are in the file")
        self.assertEqual(daemon.end(), 0)
        told = [daemon.log_path.read_bytes().decode(), file.read_bytes().decode()]
        told += [text for event in subscriber.events for text in (event[0], event[4])]
        told += [fields["event"] for _, fields in self.stream()]
        shown = [dsnd("suppress", "list", "-c", self.conf), dsnd("stats", "-c", self.conf),
                 dsnd("parse", "--format", "table", self.maildir.path), dsnd("parse", self.maildir.path)]
        for text in told + shown:
            self.assertEqual(OBEYED.findall(text), [], text)
        for text in told[1:2] + [event[4] for event in subscriber.events]:
            self.assertIn("FLUSHALL", text)
        self.assertTrue(all(line.startswith("time=") for line in told[0].splitlines()))
        self.assertTrue(all(re.fullmatch(r"bounce\.hard\.user-unknown\.[-\w.]+", event[0]) for event in subscriber.events))
        self.assertTrue(all(json.loads(line)["id"] for line in told[1].splitlines()))
        self.assertEqual(self.redis.client.zcard(PREFIX + "suppressed"), len(self.redis.client.keys(PREFIX + "rcpt:*")))
        self.assertGreaterEqual(self.redis.client.zcard(PREFIX + "suppressed"), 10)
