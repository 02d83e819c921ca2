"""What the end-to-end tests share: a Redis of its own, a maildir, a configuration, the real dsnd, a subscriber.

Nothing here sleeps for a fixed time: whoever waits, waits for a condition, with a limit that only a broken program
reaches."""

import itertools
import os
import pathlib
import select
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time
import unittest

import redis
import zmq

ROOT = pathlib.Path(__file__).resolve().parents[2]
DSND = os.environ.get("DSND", str(ROOT / "build" / "daemon" / "dsnd"))
LIMIT_S = 120
PREFIX = "{dsn}:"


def wait_until(condition, what, limit_s=LIMIT_S):
    end = time.monotonic() + limit_s
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            raise AssertionError(f"waited {limit_s} s in vain: {what}")
        time.sleep(0.01)


def bounce(n, status="5.1.1", code=550, text="user unknown", action="failed", recipients=1):
    """A bounce as an MTA writes it; each `n` is another message to another address."""
    groups = "".join(
        f"Final-Recipient: rfc822; user{n}.{r}@example{n % 50}.com\n"
        f"Action: {action}\nStatus: {status}\nRemote-MTA: dns; mx.example.com\n"
        f"Diagnostic-Code: smtp; {code} {status} {text}\n\n"
        for r in range(recipients))
    return (
        f"From: MAILER-DAEMON@mx.example.net\nTo: bounces@example.net\nSubject: Undelivered Mail {n}\n"
        f"Message-ID: <bounce.{n}@mx.example.net>\nMIME-Version: 1.0\n"
        "Content-Type: multipart/report; report-type=delivery-status; boundary=\"b1\"\n\n"
        "--b1\nContent-Type: text/plain\n\nYour message could not be delivered.\n\n"
        "--b1\nContent-Type: message/delivery-status\n\nReporting-MTA: dns; mx.example.net\n\n"
        f"{groups}"
        "--b1\nContent-Type: text/rfc822-headers\n\n"
        f"From: news@example.net\nSubject: News {n}\nMessage-ID: <original.{n}@example.net>\n\n--b1--\n").encode()


class Redis:
    def __init__(self, folder):
        self.folder, self.path = folder, str(folder / "redis.sock")
        self.process = None
        self.client = redis.Redis(unix_socket_path=self.path, decode_responses=True)

    def start(self):
        self.process = subprocess.Popen(
            ["redis-server", "--port", "0", "--unixsocket", self.path, "--dir", str(self.folder), "--save", "",
             "--appendonly", "yes", "--appendfsync", "no"],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(self.answers, "redis-server starts")

    def answers(self):
        try:
            return self.client.ping()
        except redis.RedisError:
            return False

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait()
            self.process = None


class Maildir:
    serial = itertools.count(1)

    def __init__(self, path):
        self.path = path
        for folder in ("new", "cur", "tmp"):
            (path / folder).mkdir(parents=True)

    def deliver(self, content, name=None):
        """As an MTA does: written in tmp/, then renamed to new/."""
        name = name or f"{int(time.time())}.{next(self.serial)}.host"
        (self.path / "tmp" / name).write_bytes(content)
        os.rename(self.path / "tmp" / name, self.path / "new" / name)
        return name

    def names(self, folder):
        try:
            return sorted(os.listdir(self.path / folder))
        except FileNotFoundError:
            return []


class Daemon:
    def __init__(self, conf, *options, log):
        self.log_path = log
        with open(log, "ab") as out:
            self.process = subprocess.Popen([DSND, "run", "-c", str(conf), *options], stdout=out, stderr=out)

    def log(self):
        return self.log_path.read_text(errors="replace")

    def events(self, name):
        return [line for line in self.log().splitlines() if f" event={name} " in line]

    def wait_event(self, name):
        def look():
            if self.process.poll() is not None:
                raise AssertionError(f"dsnd ended before {name}:\n{self.log()[-4000:]}")
            return self.events(name)
        return wait_until(look, f"event={name} in the log:\n{self.log()[-4000:]}")

    def end(self, number=signal.SIGTERM):
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.wait()

    def wait(self):
        try:
            return self.process.wait(LIMIT_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise AssertionError(f"dsnd does not end:\n{self.log()[-4000:]}")


class Subscriber:
    """A real SUB socket. Made before dsnd is: it connects as soon as there is something to connect to."""

    def __init__(self, endpoint):
        self.socket = zmq.Context.instance().socket(zmq.SUB)
        self.socket.setsockopt(zmq.RCVHWM, 0)
        self.socket.setsockopt(zmq.SUBSCRIBE, b"")
        self.socket.setsockopt(zmq.RECONNECT_IVL, 20)
        self.socket.connect(endpoint)
        self.events, self.heartbeats = [], []

    def receive(self, timeout_ms=100):
        while self.socket.poll(timeout_ms):
            topic, numbers, entry, event = self.socket.recv_multipart()
            epoch, sequence = struct.unpack(">QQ", numbers)
            target = self.heartbeats if topic == b"heartbeat" else self.events
            target.append((topic.decode(), epoch, sequence, entry.decode(), event.decode()))
            timeout_ms = 0
        return self.events

    def wait_subscribed(self):
        wait_until(lambda: self.receive() is not None and self.heartbeats, "a heartbeat arrives")

    def close(self):
        self.socket.close(0)


class Case(unittest.TestCase):
    """A test with its own folder, Redis, maildir and configuration."""

    def setUp(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="dsnd-e2e-"))
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.redis = Redis(self.folder)
        self.redis.start()
        self.addCleanup(self.redis.stop)
        self.maildir = Maildir(self.folder / "bounces")
        self.knowledge = self.folder / "knowledge"
        self.forget_rules()
        self.endpoint = f"ipc://{self.folder}/feed"
        self.conf = self.configure()
        self.daemons = []
        self.addCleanup(self.kill_all)

    def kill_all(self):
        for daemon in self.daemons:
            if daemon.process.poll() is None:
                daemon.process.kill()
                daemon.process.wait()

    def forget_rules(self):
        """Puts empty files before the rules and formats that are built in: codes alone decide, whatever becomes of the
        rules, and dsnd starts at once."""
        for folder in ("rules", "formats"):
            (self.knowledge / folder).mkdir(parents=True)
            for file in (ROOT / "config" / folder).iterdir():
                (self.knowledge / folder / file.name).write_text("# nothing\n")

    def configure(self, text="", redis_keys="", source_keys="", name="dsnd.conf"):
        conf = self.folder / name
        conf.write_text(
            f"[redis]\nserver = unix:{self.redis.path}   # a socket of our own\n{redis_keys}\n"
            f"[feed]\nbind = {self.endpoint}\nheartbeat = 50ms\nhwm = 1000000\n"
            f"[source bounces]\nkind = maildir\npath = {self.maildir.path}\n{source_keys}\n"
            f"[knowledge]\ndir = {self.knowledge}\n{text}\n")
        return conf

    def start(self, *options, conf=None, wait=True):
        log = self.folder / f"log.{len(self.daemons)}"
        daemon = Daemon(conf or self.conf, *options, log=log)
        self.daemons.append(daemon)
        if wait:
            daemon.wait_event("started")
        return daemon

    def once(self, status=0):
        daemon = self.start("--once", wait=False)
        self.assertEqual(daemon.wait(), status, daemon.log()[-4000:])
        return daemon

    def subscribe(self):
        subscriber = Subscriber(self.endpoint)
        self.addCleanup(subscriber.close)
        return subscriber

    # What Redis knows

    def stream(self, prefix=PREFIX):
        return self.redis.client.xrange(prefix + "events")

    def stats(self, field, prefix=PREFIX):
        return sum(int(self.redis.client.hget(key, field) or 0) for key in self.redis.client.keys(prefix + "stats:*"))

    def assert_counted_once(self, n):
        """The stream, the counters, the idempotency keys and the addresses all say `n`."""
        ids = [fields["id"] for _, fields in self.stream()]
        self.assertEqual(len(ids), n)
        self.assertEqual(len(set(ids)), n)
        self.assertEqual(self.stats("events"), n)
        self.assertEqual(len(self.redis.client.keys(PREFIX + "seen:*")), n)

    def wait_settled(self, n):
        wait_until(lambda: len(self.maildir.names("cur")) >= n, f"{n} messages in cur/")
        self.assertEqual(self.maildir.names("new"), [])


class LosingProxy:
    """Stands before Redis and loses replies: passes on `commits` scripts' requests, then closes the connection instead of
    passing on what Redis answered. What was sent is committed, and nobody is told."""

    def __init__(self, path, server_path, losses):
        self.path, self.server_path, self.losses = path, server_path, losses
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(path)
        self.listener.listen()
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client = self.listener.accept()[0]
            except OSError:
                return
            server = socket.socket(socket.AF_UNIX)
            server.connect(self.server_path)
            self.serve(client, server)

    def serve(self, client, server):
        lose = False
        while True:
            for ready in select.select([client, server], [], [])[0]:
                data = ready.recv(1 << 20)
                lose = lose or (ready is client and self.losses > 0 and b"EVALSHA" in data)
                if not data or (ready is server and lose):
                    self.losses -= lose
                    client.close()
                    server.close()
                    return
                (server if ready is client else client).sendall(data)

    def close(self):
        self.listener.close()
