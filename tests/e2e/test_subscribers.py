"""The subscribers of contrib/subscribers, each against the real daemon: whatever happens, each has exactly the stream."""

import base64
import http.server
import json
import os
import pathlib
import signal
import sqlite3
import subprocess
import sys
import threading
import unittest

from harness import LIMIT_S, PREFIX, ROOT, Case, bounce, wait_until

SUBSCRIBERS = ROOT / "contrib" / "subscribers"
NODE_MODULES = pathlib.Path(os.environ.get("NODE_PATH", pathlib.Path.home() / ".cache" / "dsnd-tests" / "node_modules"))


def node_has_zeromq():
    """Debian has no zeromq for Node: it comes from npm, once."""
    try:
        if not (NODE_MODULES / "zeromq").is_dir():
            NODE_MODULES.parent.mkdir(parents=True, exist_ok=True)
            subprocess.run(["npm", "install", "--no-audit", "--no-fund", "--prefix", str(NODE_MODULES.parent), "zeromq@6"],
                           check=True, capture_output=True, timeout=LIMIT_S)
        subprocess.run(["node", "-e", "require('zeromq')"], check=True, capture_output=True, timeout=LIMIT_S,
                       env={**os.environ, "NODE_PATH": str(NODE_MODULES)})
        return True
    except (OSError, subprocess.SubprocessError):
        return False


class Program:
    """A subscriber that writes to a file, so that it can be stopped and killed."""

    def __init__(self, case, *command):
        self.path = case.folder / f"out.{len(case.programs)}"
        case.programs.append(self)
        with open(self.path, "ab") as out:
            self.process = subprocess.Popen([str(c) for c in command], stdout=out, stderr=out,
                                            env={**os.environ, "NODE_PATH": str(NODE_MODULES)})
        case.addCleanup(self.end)

    def lines(self):
        return self.path.read_text().splitlines()

    def end(self, number=signal.SIGKILL):
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(LIMIT_S)


class Webhook(http.server.BaseHTTPRequestHandler):
    """Takes what is POSTed to it, after answering with what is in `answers`, if anything."""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        answer = self.server.answers.pop(0) if self.server.answers else 200
        self.server.asked.append((answer, self.path, self.headers["Authorization"], body))
        self.send_response(answer)
        if answer == 302:
            self.send_header("Location", "/elsewhere")
        self.end_headers()

    def log_message(self, *_):
        pass


class Subscribers(Case):
    def setUp(self):
        super().setUp()
        self.programs = []
        self.conf = self.configure(feed_keys="hwm = 10")

    def deliver(self, numbers, text="user unknown"):
        for n in numbers:
            self.maildir.deliver(bounce(n, text=text))

    def events(self):
        return [fields["event"] for _, fields in self.stream()]

    def follow_through_trouble(self, *command):
        """Late, stopped behind a full queue, and with a daemon that is killed and started again."""
        daemon = self.start()
        self.deliver(range(300))
        self.wait_settled(300)
        program = Program(self, *command, self.endpoint, self.replay, "0")
        wait_until(lambda: len(program.lines()) == 300, f"what was there before: {program.lines()[-1:]}")
        self.deliver(range(300, 310))
        wait_until(lambda: len(program.lines()) == 310, "what is new")
        program.process.send_signal(signal.SIGSTOP)
        self.deliver(range(310, 1000), text="user unknown " + "x" * 2000)
        self.wait_settled(1000)
        program.process.send_signal(signal.SIGCONT)
        wait_until(lambda: len(program.lines()) == 1000, "what was missed")
        daemon.end(signal.SIGKILL)
        self.deliver(range(1000, 1100))
        self.start()
        wait_until(lambda: len(program.lines()) == 1100, "what came after the daemon was killed")
        self.assertEqual(program.lines(), self.events())

    def test_python(self):
        self.follow_through_trouble(sys.executable, SUBSCRIBERS / "follow.py")

    @unittest.skipUnless(node_has_zeromq(), "no zeromq for Node")
    def test_node(self):
        self.follow_through_trouble("node", SUBSCRIBERS / "follow.js")

    def test_c(self):
        program = self.folder / "follow"
        flags = subprocess.run(["pkg-config", "--cflags", "--libs", "libzmq"], capture_output=True, text=True, check=True)
        subprocess.run(["cc", "-Wall", "-Wextra", "-Werror", "-o", program, SUBSCRIBERS / "follow.c", *flags.stdout.split()],
                       check=True)
        self.follow_through_trouble(program)

    def test_python_with_redis_only(self):
        self.start()
        self.deliver(range(100))
        program = Program(self, sys.executable, SUBSCRIBERS / "stream.py", f"unix://{self.redis.path}", "0")
        wait_until(lambda: len(program.lines()) == 100, "what was there")
        self.deliver(range(100, 200))
        wait_until(lambda: len(program.lines()) == 200, "what is new")
        self.assertEqual(program.lines(), self.events())

    def test_shards_are_followed_in_python(self):
        self.start(conf=self.configure(redis_keys="shards = 3", feed_keys="hwm = 10"))
        self.deliver(range(100))
        program = Program(self, sys.executable, SUBSCRIBERS / "follow.py", self.endpoint, self.replay, "0")
        self.deliver(range(100, 200))
        wait_until(lambda: len(program.lines()) >= 200, "all")
        for k in range(3):
            stored = [fields["event"] for _, fields in self.stream("{dsn:%d}:" % k)]
            self.assertEqual([line for line in program.lines() if line in set(stored)], stored)
        self.assertEqual(len(program.lines()), 200)

    def table(self, database):
        try:
            with sqlite3.connect(f"file:{database}?mode=ro", uri=True) as db:
                addresses = {row[0] for row in db.execute("SELECT address FROM suppressed")}
                return addresses, db.execute("SELECT position, events FROM progress").fetchone()
        except sqlite3.OperationalError:
            return set(), None

    def test_a_sqlite_table_is_filled_with_each_event_once(self):
        self.redis.client.zadd(PREFIX + "suppressed", {"before@example.com": float("inf")})
        self.deliver(range(20))
        daemon = self.start()
        self.wait_settled(20)
        database = self.folder / "suppressed.db"
        command = (sys.executable, SUBSCRIBERS / "sqlite.py", database, self.endpoint, self.replay)
        program = Program(self, *command)
        wait_until(lambda: len(self.table(database)[0]) == 21, "the list as it was")
        for begin in range(100, 400, 100):
            self.deliver(range(begin, begin + 100))
            wait_until(lambda: self.table(database)[1][1] > begin - 80, "some are in the table")
            program.end()
            program = Program(self, *command)
        daemon.end(signal.SIGKILL)
        self.deliver(range(400, 450))
        self.start()
        wait_until(lambda: self.table(database)[1][1] >= 350, f"all: {program.lines()[-1:]}")
        addresses, (position, events) = self.table(database)
        self.assertEqual(addresses, set(self.redis.client.zrange(PREFIX + "suppressed", 0, -1)))
        self.assertEqual((position, events), (self.stream()[-1][0], 350))

    def webhook(self):
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Webhook)
        server.answers, server.asked = [], []
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.addCleanup(server.server_close)
        self.addCleanup(server.shutdown)
        return server

    def test_a_webhook_is_told_of_each_dead_address_until_it_says_yes(self):
        conf = self.configure("[event]\nheaders = X-Listmonk-Campaign\n")
        self.start(conf=conf)
        secret = self.folder / "secret"
        secret.write_text("dsnd:token\n")
        server = self.webhook()
        url = f"http://127.0.0.1:{server.server_port}/webhooks/bounce"
        command = (sys.executable, SUBSCRIBERS / "post.py", f"unix://{self.redis.path}", url, secret)
        server.answers += [503, 302, 200, 400]
        campaign = b"From: news@example.net\nX-Listmonk-Campaign: 9f86b50d\n"
        self.maildir.deliver(bounce(1).replace(b"From: news@example.net\n", campaign))
        self.maildir.deliver(bounce(2, "4.2.2", 452, "mailbox full"))
        self.wait_settled(2)
        program = Program(self, *command)
        wait_until(lambda: len(server.asked) == 3, f"it is told: {program.lines()}")
        self.assertEqual([answer for answer, *_ in server.asked], [503, 302, 200])
        _, path, authorization, said = server.asked[2]
        self.assertEqual((path, authorization), ("/webhooks/bounce", "Basic " + base64.b64encode(b"dsnd:token").decode()))
        self.assertEqual(json.loads(said.pop("meta"))["reason"], "user-unknown")
        self.assertEqual(said, {"email": "user1.0@example1.com", "type": "hard", "source": "dsnd", "campaign_uuid": "9f86b50d"})
        self.deliver([3, 4])  # the first of them is no address in its eyes
        wait_until(lambda: len(server.asked) == 5, "it goes on")

        # It is killed while nothing is taken.
        server.answers += 1000 * [503]
        self.deliver(range(5, 25))
        wait_until(lambda: len(server.asked) > 5, "it tries")
        program.end()
        self.wait_settled(24)
        lost = self.redis.client.xpending_range(PREFIX + "events", "post", "-", "+", 20)[-1]["message_id"]
        self.redis.client.xdel(PREFIX + "events", lost)
        server.answers.clear()
        program = Program(self, *command)
        recipients = [json.loads(event)["recipient"] for event in self.events()]
        wait_until(lambda: [body["email"] for answer, *_, body in server.asked if answer == 200][2:] == recipients[4:],
                   f"all in order: {program.lines()}")
        wait_until(lambda: self.redis.client.xpending(PREFIX + "events", "post")["pending"] == 0, "all are done with")
        self.assertEqual(len(recipients), 23)
        self.assertIn(f"{lost} is lost", "\n".join(program.lines()))
