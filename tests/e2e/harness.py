"""What the end-to-end tests share: a Redis of its own, a maildir, a configuration, the real dsnd, a subscriber.

Nothing here sleeps for a fixed time: whoever waits, waits for a condition, with a limit that only a broken program
reaches."""

import itertools
import os
import pathlib
import re
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
SAMPLES = ROOT / "tests" / "samples"
LIMIT_S = 120
PREFIX = "{dsn}:"
REPORT = re.compile(r"Sanitizer: |: runtime error: ")  # of a sanitizer


def sanitizer(program=DSND):
    """asan, tsan or None: what the program was built with."""
    found = re.search(rb"__([at]san)_init", pathlib.Path(program).read_bytes())
    return found and found.group(1).decode()


def wait_until(condition, what, limit_s=LIMIT_S):
    end = time.monotonic() + limit_s
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > end:
            raise AssertionError(f"waited {limit_s} s in vain: {what}")
        time.sleep(0.01)


def dsnd(*arguments, text=None, status=0):
    """Standard output of dsnd, which ends with `status`."""
    done = subprocess.run([DSND, *map(str, arguments)], input=text, capture_output=True, text=True, timeout=LIMIT_S)
    if done.returncode != status:
        raise AssertionError(f"dsnd {arguments} ended with {done.returncode}, expected {status}:\n{done.stderr}")
    return done.stdout


def read_terminal(main):
    """All that was written to a pseudo terminal whose other end is closed. Closes it."""
    said = b""
    while True:
        try:
            got = os.read(main, 65536)
        except OSError:
            got = b""
        if not got:
            os.close(main)
            return said.decode().replace("\r\n", "\n")
        said += got


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


def slow_to_read():
    """A message that takes a worker long, in one go: max_bytes has to be 64MiB."""
    return b"From: a@example.com\nContent-Type: text/plain; charset=iso-8859-1\n\n" + (b"x\xe4" * 35 + b"\n") * 850_000


def free_ports(n):
    probes = [socket.socket() for _ in range(n)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def free_port():
    return free_ports(1)[0]


class Server:
    """A process that a test may end, and start again."""

    process = None

    def stop(self):
        if self.process:
            self.process.terminate()
            self.process.wait()
            self.process = None


class Redis(Server):
    keeping = ["--save", "", "--appendonly", "yes", "--appendfsync", "no"]

    def __init__(self, folder):
        self.folder, self.path = folder, str(folder / "redis.sock")
        self.client = redis.Redis(unix_socket_path=self.path, decode_responses=True)

    def start(self):
        self.process = subprocess.Popen(
            ["redis-server", "--port", "0", "--unixsocket", self.path, "--dir", str(self.folder),
             *self.keeping],
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(self.answers, "redis-server starts")

    def answers(self):
        try:
            return self.client.ping()
        except redis.RedisError:
            return False


class Instance(Redis):
    """A redis-server, or a Sentinel, on a port of its own."""

    def __init__(self, folder, *options, conf=None, port=None):
        self.port = port or free_port()
        self.folder = folder / f"redis.{self.port}"
        self.folder.mkdir()
        program = ["redis-server"]
        if conf:
            (self.folder / "conf").write_text(conf)
            program += [str(self.folder / "conf"), "--sentinel"]
        self.command = [*program, "--port", str(self.port), "--bind", "127.0.0.1", "--dir", str(self.folder), "--save", "",
                        *options]
        self.client = redis.Redis(port=self.port, decode_responses=True)
        self.start()

    def start(self):
        self.process = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(self.answers, "redis-server starts")

    def role(self):
        try:
            return self.client.info("replication")["role"]
        except redis.RedisError:  # Sentinel closes every connection when a server changes its role
            return None

    def kill(self):
        self.process.kill()
        self.process.wait()


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
    def __init__(self, conf, *options, log, prefix=()):
        self.log_path = log
        with open(log, "ab") as out:
            self.process = subprocess.Popen([*prefix, DSND, "run", "-c", str(conf), *options], stdout=out, stderr=out,
                                            env={"STATE_DIRECTORY": str(log.parent), **os.environ})

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

    def cpu_s(self):
        """Seconds of CPU that it has used."""
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def peak_mib(self):
        """The most memory that it ever had."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmHWM:")[1].split()[0]) / 1024

    def wait_quiet(self):
        """Waits for a second in which it hardly uses CPU time: what spins has none."""
        def is_quiet():
            before, end = self.cpu_s(), time.monotonic() + 1
            wait_until(lambda: time.monotonic() > end, "a second passes")
            return self.cpu_s() - before < 0.1
        wait_until(is_quiet, f"it spins:\n{self.log()[-4000:]}")

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


class Deaths:
    """For a Case whose dsnd dies while a message is being read: by a signal from here."""

    MARK = struct.Struct("256sI")
    WORKERS = 2

    def marks(self):
        """The file that says what is being read."""
        return self.folder / "bounces.reading"

    def is_read(self, name):
        """How often dsnd will have died on that message (None: on any) if it dies now."""
        marks = itertools.islice(self.MARK.iter_unpack(self.marks().read_bytes()), self.WORKERS)
        return max((deaths for text, deaths in marks if name is None or text.split(b"\0")[0] == name.encode()), default=0)

    def kill_reading(self, daemon, name=None, number=signal.SIGKILL, times=1):
        """Kills dsnd as soon as it reads that message, for the so many-th time."""
        wait_until(lambda: self.is_read(name) == times, "it is being read")
        daemon.process.send_signal(number)
        self.assertEqual(daemon.process.wait(), -number)


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


class Asker:
    """Asks at the replay endpoint, as REQ does."""

    def __init__(self, endpoint):
        self.socket = zmq.Context.instance().socket(zmq.REQ)
        self.socket.setsockopt(zmq.RCVTIMEO, LIMIT_S * 1000)
        self.socket.connect(endpoint)

    def ask(self, *frames):
        self.socket.send_multipart([f.encode() if isinstance(f, str) else f for f in frames])
        return [f.decode() for f in self.socket.recv_multipart()]

    def replay(self, position, *maximum):
        """All events after the position, as (topic, entry, event), and the position after them."""
        events = []
        while True:
            answer = self.ask("REPLAY", position, *maximum)
            assert answer[0] == "EVENTS", answer
            position, piece = answer[1], list(zip(*[iter(answer[3:])] * 3))
            if not piece:
                return events, position
            events += piece

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
        self.replay = f"ipc://{self.folder}/replay"
        self.conf = self.configure()
        self.daemons = []
        self.addCleanup(self.kill_all)

    def kill_all(self):
        for daemon in self.daemons:
            if daemon.process.poll() is None:
                daemon.process.kill()
                daemon.process.wait()
        for daemon in self.daemons:
            report = REPORT.search(daemon.log())
            if report:
                self.fail(daemon.log()[max(report.start() - 200, 0):][:8000])

    def forget_rules(self):
        """Puts empty files before the rules and formats that are built in: codes alone decide, whatever becomes of the
        rules, and dsnd starts at once."""
        for folder in ("rules", "formats"):
            (self.knowledge / folder).mkdir(parents=True)
            for file in (ROOT / "config" / folder).iterdir():
                (self.knowledge / folder / file.name).write_text("# nothing\n")

    def remember_rules(self):
        """The rules and formats that are built in decide again."""
        shutil.rmtree(self.knowledge)
        self.knowledge.mkdir()

    def source(self):
        """The keys of the source."""
        return f"kind = maildir\npath = {self.maildir.path}"

    def write_secret(self, name, text):
        """A file that nobody else may read."""
        path = self.folder / name
        path.touch(0o640)
        path.write_text(text)
        return path

    def configure(self, text="", redis_keys="", source_keys="", feed_keys="hwm = 1000000", name="dsnd.conf"):
        conf = self.folder / name
        conf.write_text(
            f"[redis]\nserver = unix:{self.redis.path}   # a socket of our own\n{redis_keys}\n"
            f"[feed]\nbind = {self.endpoint}\nreplay = {self.replay}\nheartbeat = 50ms\n{feed_keys}\n"
            f"[source bounces]\n{self.source()}\n{source_keys}\n"
            f"[knowledge]\ndir = {self.knowledge}\n{text}\n")
        return conf

    def start(self, *options, conf=None, wait=True, prefix=()):
        log = self.folder / f"log.{len(self.daemons)}"
        daemon = Daemon(conf or self.conf, *options, log=log, prefix=prefix)
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

    def asker(self):
        asker = Asker(self.replay)
        self.addCleanup(asker.close)
        return asker

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


class Proxy:
    """Stands before Redis, for any number of connections. What a subclass's `pass_on` makes of what is underway is the
    fault."""

    def __init__(self, path, server_path):
        self.server_path = server_path
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
            threading.Thread(target=self.serve, args=(client,), daemon=True).start()

    def serve(self, client):
        with client, socket.socket(socket.AF_UNIX) as server:
            try:
                server.connect(self.server_path)
                while self.exchange(client, server):
                    pass
            except OSError:
                pass  # one of them is gone

    def exchange(self, client, server):
        """Passes on what has come. Returns whether the connection goes on."""
        goes_on = True
        for ready in select.select([client, server], [], [])[0]:
            data = ready.recv(1 << 20)
            if data and goes_on:
                passed, goes_on = self.pass_on(data, client, ready is client)
                (server if ready is client else client).sendall(passed)
            goes_on = goes_on and bool(data)
        return goes_on

    def pass_on(self, data, client, is_request):
        """What of `data` the other side gets, and whether the connection goes on after that."""
        raise NotImplementedError

    def close(self):
        self.listener.close()


class LosingProxy(Proxy):
    """Loses replies: passes on `losses` scripts' requests, then closes the connection instead of passing on what Redis
    answered. What was sent is committed, and nobody is told."""

    def __init__(self, path, server_path, losses):
        self.losses, self.unlucky = losses, set()
        super().__init__(path, server_path)

    def pass_on(self, data, client, is_request):
        if client in self.unlucky and not is_request:
            self.unlucky.remove(client)
            self.losses -= 1
            return b"", False
        if is_request and self.losses > 0 and b"EVALSHA" in data:
            self.unlucky.add(client)
        return data, True
