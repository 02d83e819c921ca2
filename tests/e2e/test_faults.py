"""Faults, each brought about for real while messages keep coming. At the end every message is counted: none is lost, none
counts twice, dsnd said what was wrong, used no CPU while there was nothing to do, kept its memory, and went on by itself."""

import ctypes
import json
import os
import pathlib
import random
import resource
import shutil
import signal
import subprocess
import threading
import unittest
import urllib.error
import urllib.request
from datetime import datetime, timedelta, timezone

from debs import unpacked
from harness import (DSND, LIMIT_S, PREFIX, ROOT, Case, Deaths, Maildir, Proxy, Redis, bounce, free_port, sanitizer,
                     slow_to_read, wait_until)

SANITIZED = sanitizer()
REFUSER = ROOT / "tests/e2e/malloc_fails.c"
PEAK_MIB = 1024 if SANITIZED else 96


class Load:
    """Delivers messages, a few at a time, as many as it is asked for."""

    AHEAD = 300  # are still to come when those that somebody waits for are there: the fault finds it at work

    def __init__(self, maildir, delivered=0):
        self.maildir, self.delivered, self.wanted = maildir, delivered, delivered
        self.ending = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while not self.ending.wait(0.005):
            for _ in range(min(5, self.wanted - self.delivered)):
                self.maildir.deliver(bounce(self.delivered))
                self.delivered += 1

    def ask(self, n):
        self.wanted = self.delivered + n + self.AHEAD

    def more(self, n):
        goal = self.delivered + n
        self.ask(n)
        wait_until(lambda: self.delivered >= goal, "more messages are delivered")

    def end(self):
        self.ending.set()
        self.thread.join()
        return self.delivered


class Faults(Case):
    def begin(self, conf=None, shards=1, prefix=()):
        """dsnd runs, has somebody who listens, and has its hands full."""
        self.prefixes = [PREFIX] if shards == 1 else ["{dsn:%d}:" % k for k in range(shards)]
        self.subscriber = self.subscribe()
        daemon = self.start(conf=conf, prefix=prefix)
        self.subscriber.wait_subscribed()
        self.load = Load(self.maildir)
        self.addCleanup(self.load.end)
        self.wait_more(100)
        return daemon

    def committed(self):
        return sum(self.redis.client.xlen(prefix + "events") for prefix in self.prefixes)

    def wait_loaded(self, condition, what):
        """Waits while messages keep coming."""
        def look():
            self.load.ask(0)
            return condition()
        return wait_until(look, what)

    def wait_more(self, n):
        goal = self.committed() + n
        self.wait_loaded(lambda: self.committed() >= goal, "more is committed")

    def finish(self, daemon):
        """Everything that was delivered is settled, and was published once. Returns how many messages."""
        self.load.more(100)
        n = self.load.end()
        self.wait_settled(n)
        wait_until(lambda: len(self.subscriber.receive()) >= n, "all on the feed")
        self.assertLess(daemon.peak_mib(), PEAK_MIB)
        self.assertEqual(daemon.end(), 0)
        self.assertEqual([event[2] for event in self.subscriber.receive()], list(range(1, n + 1)))
        self.assertEqual(len({json.loads(event[4])["id"] for event in self.subscriber.events}), n)
        self.assertEqual(self.maildir.names(".Failed"), [])
        return n

    def finish_counted(self, daemon):
        n = self.finish(daemon)
        ids = [fields["id"] for prefix in self.prefixes for _, fields in self.stream(prefix)]
        self.assertEqual((len(ids), len(set(ids))), (n, n))
        self.assertEqual(sum(self.stats("events", prefix) for prefix in self.prefixes), n)
        for prefix in self.prefixes:
            self.assertTrue(all(self.redis.client.hget(key, "hard") == "1"
                                for key in self.redis.client.keys(prefix + "rcpt:*")))
        self.assertEqual(sum(len(self.redis.client.keys(prefix + "rcpt:*")) for prefix in self.prefixes), n)

    def through(self, proxy_class, redis_keys="", **arguments):
        """A configuration with a proxy before Redis."""
        path = str(self.folder / "proxy.sock")
        proxy = proxy_class(path, self.redis.path, **arguments)
        self.addCleanup(proxy.close)
        conf = self.configure(redis_keys=redis_keys)
        conf.write_text(conf.read_text().replace(self.redis.path, path))
        return proxy

    def mount(self, *options):
        """A file system of its own that can be full."""
        if os.geteuid() != 0:
            self.skipTest("only root mounts a file system")
        path = self.folder / "mounted"
        path.mkdir()
        if subprocess.run(["mount", "-t", "tmpfs", "-o", ",".join(options), "dsnd-test", path]).returncode != 0:
            self.skipTest("no file system can be mounted here")
        self.addCleanup(subprocess.run, ["umount", "-l", path])
        return path

    def crash_redis(self):
        self.redis.process.kill()
        self.redis.process.wait()


class OfRedis(Faults):
    def test_killed_and_restarted_from_its_append_only_file(self):
        daemon = self.begin()
        for n in range(1, 4):
            self.crash_redis()
            wait_until(lambda: len(daemon.events("redis-away")) == n, "it is noticed")
            self.redis.start()
            self.wait_more(100)
        self.finish_counted(daemon)

    def test_stopped_and_restarted_from_its_snapshot(self):
        self.redis.stop()
        shutil.rmtree(self.folder / "appendonlydir")
        self.redis.keeping = ["--save", "3600 1", "--appendonly", "no"]
        self.redis.start()
        daemon = self.begin()
        for n in range(1, 4):
            self.redis.stop()
            wait_until(lambda: len(daemon.events("redis-away")) == n, "it is noticed")
            self.redis.start()
            self.wait_more(100)
        self.finish_counted(daemon)

    def test_killed_and_restarted_empty(self):
        # What Redis forgot after it had said that it has it is lost there, but nothing else is.
        daemon = self.begin()
        self.crash_redis()
        daemon.wait_event("redis-away")
        for path in (self.folder / "appendonlydir").iterdir():
            path.unlink()
        settled = set(self.maildir.names("cur"))
        self.redis.start()
        self.wait_more(100)
        self.load.more(100)
        n = self.load.end()
        self.wait_settled(n)
        wait_until(lambda: len(set(self.maildir.names("cur")) - settled) <= self.committed(), "all that came later")
        stored = {fields["id"] for _, fields in self.stream()}
        self.assertEqual(len(stored), self.committed())
        self.assertEqual(self.stats("events"), len(stored))
        wait_until(lambda: stored <= self.published(), "all on the feed")
        self.assertEqual(daemon.end(), 0)
        # No entry comes twice. An event does where Redis had it, told it, and forgot it before it answered.
        entries = [entry for _, _, _, entry, _ in self.subscriber.receive()]
        self.assertEqual(len(entries), len(set(entries)))

    def published(self):
        return {json.loads(event[4])["id"] for event in self.subscriber.receive()}

    def test_out_of_memory(self):
        daemon = self.begin()
        self.redis.client.config_set("maxmemory", self.redis.client.info("memory")["used_memory"] + 200_000)
        self.redis.client.config_set("maxmemory-policy", "noeviction")
        self.wait_loaded(lambda: daemon.events("redis-away"), "it is noticed")
        self.assertIn("OOM", daemon.events("redis-away")[0])
        self.load.more(500)
        daemon.wait_quiet()
        self.redis.client.config_set("maxmemory", 0)
        self.finish_counted(daemon)
        # At the edge Redis may take one more batch when it has freed a buffer: then it was back, and is away again.
        self.assertEqual(len(daemon.events("redis-back")), len(daemon.events("redis-away")))

    def test_a_replica_that_cannot_be_written(self):
        daemon = self.begin()
        self.redis.client.execute_command("REPLICAOF", "127.0.0.1", "1")
        self.wait_loaded(lambda: daemon.events("redis-away"), "it is noticed")
        self.assertIn("READONLY", daemon.events("redis-away")[0])
        self.load.more(500)
        daemon.wait_quiet()
        self.redis.client.execute_command("REPLICAOF", "NO", "ONE")
        self.finish_counted(daemon)

    def test_its_disk_is_full(self):
        folder = self.mount("size=2m")
        self.redis = Redis(folder)
        self.redis.start()
        self.addCleanup(self.redis.stop)
        self.conf = self.configure()
        daemon = self.begin()
        self.wait_loaded(lambda: daemon.events("redis-away"), "it is noticed")
        self.assertIn("MISCONF", daemon.events("redis-away")[0])
        self.load.more(100)
        daemon.wait_quiet()
        subprocess.run(["mount", "-o", "remount,size=200m", folder], check=True)
        self.finish_counted(daemon)

    def test_its_scripts_are_flushed_again_and_again(self):
        daemon = self.begin()
        for _ in range(20):
            self.redis.client.script_flush()
            self.wait_more(50)
        self.assertIn("NOSCRIPT", daemon.events("redis-away")[0])
        self.finish_counted(daemon)

    def test_a_shared_key_of_another_type(self):
        daemon = self.begin()
        day = self.redis.client.keys(PREFIX + "stats:*")[0]
        for n, key in enumerate([PREFIX + "events", PREFIX + "suppressed", day], 1):
            with self.redis.client.pipeline() as both:
                both.rename(key, "kept").set(key, "of another type").execute()
            wait_until(lambda: len(daemon.events("redis-away")) == n, "it is noticed")
            self.assertIn(f"DSNSHARED {key} is no ", daemon.events("redis-away")[n - 1])
            daemon.wait_quiet()
            self.redis.client.rename("kept", key)
            self.wait_more(100)
        self.finish_counted(daemon)

    def test_slow_and_too_slow(self):
        class Stalling(Proxy):
            stalls = 0

            def pass_on(self, data, client, is_request):
                # Each reply takes a while, and some longer than dsnd waits.
                stall = not is_request and self.stalls < 20 and random.random() < 0.1
                self.stalls += stall
                threading.Event().wait(0 if is_request else 0.5 if stall else 0.02)
                return data, True

        self.through(Stalling, redis_keys="timeout = 200ms")
        daemon = self.begin()
        self.wait_loaded(lambda: len(daemon.events("redis-away")) >= 3, "it is noticed")
        self.assertIn("no answer in time", daemon.events("redis-away")[0])
        self.finish_counted(daemon)

    def test_cut_in_the_middle_of_requests_and_replies(self):
        class Cutting(Proxy):
            cuts = 0

            def pass_on(self, data, client, is_request):
                if self.cuts >= 40 or random.random() > (0.1 if is_request else 0.3):
                    return data, True
                self.cuts += 1
                return data[:random.randrange(len(data))], False

        proxy = self.through(Cutting, redis_keys="shards = 4")
        daemon = self.begin(shards=4)
        self.wait_loaded(lambda: proxy.cuts >= 40, "it is cut often")
        self.finish_counted(daemon)

    def test_nobody_can_log_in_for_a_while(self):
        daemon = self.begin()
        self.redis.client.config_set("requirepass", "secret")
        client = self.redis.client
        client.connection_pool.connection_kwargs["password"] = "secret"
        client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        daemon.wait_event("redis-away")
        # Redis says NOAUTH, or, to what sends it the script first, "unauthenticated bulk length".
        self.assertRegex(daemon.wait_event("redis-still-away")[0], "NOAUTH|unauthenticated")
        daemon.wait_quiet()
        client.config_set("requirepass", "")
        del client.connection_pool.connection_kwargs["password"]
        client.connection_pool.disconnect()
        self.finish_counted(daemon)


class OfTheMachine(Faults):
    def test_no_file_descriptors_are_left(self):
        daemon = self.begin()
        hard = resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE)[1]
        resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE, (4, hard))
        self.redis.client.execute_command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        wait_until(lambda: "Too many open files" in daemon.log(), "it is noticed")
        self.load.more(200)
        count = self.load.end()
        daemon.wait_quiet()
        self.assertLess(self.committed(), count)
        resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE, (hard, hard))
        self.load = Load(self.maildir, delivered=count)
        self.finish_counted(daemon)

    def test_too_few_file_descriptors_to_start_with(self):
        done = subprocess.run(["prlimit", "--nofile=8", DSND, "run", "-c", self.conf], capture_output=True, text=True)
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("Too many open files", done.stderr)

    def test_the_disk_of_the_maildir_is_full(self):
        folder = self.mount("size=4m", "nr_inodes=4k")
        self.maildir = Maildir(folder / "bounces")
        self.conf = self.configure()
        daemon = self.start()
        for n in range(50):
            self.maildir.deliver(bounce(n))
        self.wait_settled(50)
        for n in range(20):
            (self.maildir.path / "tmp" / f"bad{n}").write_bytes(b"this is no message\n")
        filler = folder / "filler"
        with self.assertRaises(OSError), open(filler, "wb", buffering=0) as out:
            while True:
                out.write(b"x" * 4096)
        for n in range(20):
            os.rename(self.maildir.path / "tmp" / f"bad{n}", self.maildir.path / "new" / f"bad{n}")
        self.assertIn("No space left", daemon.wait_event("cannot-settle")[0])
        daemon.wait_quiet()
        self.assertEqual(len(self.maildir.names("new")) + len(self.maildir.names(".Failed/new")), 20)
        filler.unlink()
        wait_until(lambda: len(self.maildir.names(".Failed/new")) == 20, "they are set aside")
        for n in range(50, 100):
            self.maildir.deliver(bounce(n))
        self.wait_settled(100)
        self.assertEqual(daemon.end(), 0)
        self.assert_counted_once(100)
        for n in range(20):
            self.assertTrue((self.maildir.path / ".Failed" / f"bad{n}.error").read_text().strip())

    def test_stopped_and_continued(self):
        daemon = self.begin()
        for _ in range(5):
            daemon.process.send_signal(signal.SIGSTOP)
            self.load.more(300)
            daemon.process.send_signal(signal.SIGCONT)
            self.wait_more(100)
        self.finish_counted(daemon)

    @unittest.skipIf(SANITIZED, "AddressSanitizer wants to be loaded first")
    def test_the_clock_is_stepped_back_and_forth(self):
        library = next(unpacked("libfaketime").rglob("libfaketimeMT.so.1"), None)
        if not library:
            self.skipTest("the Debian package libfaketime cannot be had here")
        clock = self.maildir.path / "clock"  # where the threads that read mail may read
        clock.write_text("+0m")
        # It steps a thread's CPU clock as well, which no real clock does: max_time has to be longer than a step.
        conf = self.configure("[limits]\nmax_time = 1h")
        daemon = self.begin(conf=conf, prefix=["env", f"LD_PRELOAD={library}", f"FAKETIME_TIMESTAMP_FILE={clock}",
                                    "FAKETIME_CACHE_DURATION=1", "FAKETIME_DONT_FAKE_MONOTONIC=1",
                                    "FAKETIME_FORCE_MONOTONIC_FIX=0"])  # with that it spins itself
        for minutes in (50, -50, 0):
            (self.folder / "clock").write_text(f"{minutes:+}m")
            (self.folder / "clock").rename(clock)
            self.wait_loaded(lambda: round(self.ahead() / timedelta(minutes=1)) == minutes,
                             f"its clock is {minutes} minutes ahead")
            self.wait_more(100)
            daemon.wait_quiet()
        self.finish_counted(daemon)

    def ahead(self):
        """How far the clock was ahead that saw the last event."""
        event = json.loads(self.redis.client.xrevrange(PREFIX + "events", count=1)[0][1]["event"])
        return datetime.fromisoformat(event["observed_at"].replace("Z", "+00:00")) - datetime.now(timezone.utc)

    def test_more_is_delivered_than_inotify_can_tell(self):
        # Nothing but the overflow makes it look for what it was not told of.
        conf = self.configure(source_keys="rescan = 1d")
        daemon = self.begin(conf=conf)
        queue = int(pathlib.Path("/proc/sys/fs/inotify/max_queued_events").read_text())
        if queue > 1 << 20:
            self.skipTest("the queue is too long to be filled")
        daemon.process.send_signal(signal.SIGSTOP)
        new = self.maildir.path / "new"
        for n in range(queue + 1):  # two names in turn: the same event twice in a row counts as one
            open(new / f".other{n % 2}", "wb").close()
        self.load.more(100)
        daemon.process.send_signal(signal.SIGCONT)
        daemon.wait_event("watch-overflow")
        for n in range(2):
            (new / f".other{n}").unlink()
        self.finish_counted(daemon)


@unittest.skipIf(SANITIZED, "sanitizers have allocators of their own")
class OfMemory(Case):
    """--once, again and again, each time with other messages, and requests for memory that are refused."""

    MESSAGES, RUNS = 40, 5

    def setUp(self):
        super().setUp()
        self.refuser, self.count = self.folder / "malloc_fails.so", self.folder / "count"
        subprocess.run(["cc", "-shared", "-fPIC", "-Wall", "-Wextra", "-Werror", "-o", self.refuser, REFUSER], check=True)
        self.delivered = 0

    def refused(self, *command, message=None, at=0, times=0, at_least=0):
        """Exit status and log of a command that is refused memory."""
        env = {**os.environ, "LD_PRELOAD": str(self.refuser), "MALLOC_COUNT": str(self.count),
               "MALLOC_FAILS_FROM": str(at), "MALLOC_FAILS": str(times), "MALLOC_AT_LEAST": str(at_least)}
        done = subprocess.run([DSND, *command, "-c", self.conf], env=env, input=message, stderr=subprocess.PIPE,
                              timeout=LIMIT_S)
        return done.returncode, done.stderr.decode()

    def run_refused(self, recipients=1, **keys):
        """Takes in more messages."""
        for _ in range(self.MESSAGES // recipients + 1):
            self.maildir.deliver(bounce(self.delivered, text="h\u00e4re", recipients=recipients))
            self.delivered += 1
        return self.refused("run", "--once", **keys)

    def requests(self):
        """Which requests there are in a run, from main() on, evenly spread, and more of those while there is mail."""
        self.assertEqual(self.run_refused()[0], 0)
        n = int(self.count.read_text())
        self.assertGreater(n, 1000)
        return [n * i // self.RUNS for i in range(1, self.RUNS)] + [n - n * i // 100 for i in range(1, self.RUNS)]

    def assert_all_there(self, recipients=1):
        self.once()
        self.assert_counted_once(self.delivered * recipients)
        self.wait_settled(self.delivered)
        self.assertEqual(self.stats("type:hard"), self.delivered * recipients)
        self.assertEqual(len(self.redis.client.keys(PREFIX + "rcpt:*")), self.delivered * recipients)
        self.assertEqual(self.maildir.names(".Failed"), [])

    def test_once_refused_is_an_error_and_no_crash(self):
        for request in self.requests():
            status, log = self.run_refused(at=request, times=1)
            self.assertIn(status, (0, 1), log)
            self.assertTrue(status == 1 or self.maildir.names("new") == [], log)
            if status == 1:
                self.assertRegex(log, "memory|allocate")
        self.assert_all_there()

    def test_a_message_that_finds_no_room_is_read_again_and_whole(self):
        large = {"recipients": 200, "at_least": 50_000}
        self.assertEqual(self.run_refused(**large)[0], 0)
        n = int(self.count.read_text())
        for request in range(1, n + 1, n // 20 + 1):
            status, log = self.run_refused(at=n - request, times=1, **large)
            self.assertIn(status, (0, 1), log)
        self.assert_all_there(recipients=200)

    def test_refused_for_good_it_ends_and_loses_nothing(self):
        # GLib ends itself by a signal where it cannot even write why.
        for request in self.requests():
            status, log = self.run_refused(at=request, times=1 << 60)
            self.assertTrue(status != 0 or self.maildir.names("new") == [], log)
        self.assert_all_there()

    def test_a_mail_server_is_told_to_try_again(self):
        self.assertEqual(self.refused("enqueue", message=bounce(1))[0], 0)
        n = int(self.count.read_text())
        for request in range(n // self.RUNS, n, n // self.RUNS):
            for times in (1, 1 << 60):
                status, log = self.refused("enqueue", message=bounce(1), at=request, times=times)
                self.assertIn(status, (0, 75), log)


class Hanging:
    """A file that can be opened, and whose content does not come until this is closed: as of a server that does not
    answer. Or a folder that nobody may list till then, or a file that nobody may open. fanotify(7) has the kernel ask
    somebody who keeps silent, also of what this process does."""

    CONTENT_CLASS, CLOSE_ON_EXEC, ADD, CURRENT_FOLDER = 4, 1, 1, -100
    OPEN, CONTENT, FOLDER = 0x10000, 0x20000, 0x40020000

    def __init__(self, path, what=CONTENT):
        libc = ctypes.CDLL(None, use_errno=True)
        self.fd = libc.fanotify_init(self.CONTENT_CLASS | self.CLOSE_ON_EXEC, os.O_RDONLY)
        if self.fd < 0 or libc.fanotify_mark(self.fd, self.ADD, ctypes.c_uint64(what), self.CURRENT_FOLDER,
                                             bytes(path)) != 0:
            self.close()
            raise unittest.SkipTest(f"fanotify cannot be had: {os.strerror(ctypes.get_errno())}")

    def close(self):
        if self.fd >= 0:
            os.close(self.fd)
        self.fd = -1


class OfFiles(Case):
    """Messages whose file system does not answer."""

    def setUp(self):
        super().setUp()
        self.port = free_port()
        self.configure_for(workers=2)

    def configure_for(self, workers, more=""):
        self.configure(f"[limits]\nmax_time = 100ms\n[run]\nworkers = {workers}\ndrain = 10m\n"
                       f"[http]\nlisten = 127.0.0.1:{self.port}\n{more}")

    def hang(self, path, *what):
        hanging = Hanging(path, *what)
        self.addCleanup(hanging.close)
        return hanging

    def readiness(self):
        try:
            return urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz").read().decode()
        except urllib.error.HTTPError as error:
            return f"{error.code} {error.read().decode()}"

    def deliver(self, n):
        path = self.maildir.path / "tmp" / "hung"
        path.write_bytes(bounce(0))
        hanging = self.hang(path)
        os.rename(path, self.maildir.path / "new" / "hung")
        for k in range(1, n):
            self.maildir.deliver(bounce(k))
        return hanging

    def assert_left(self, n):
        self.assertEqual(self.maildir.names("new"), ["hung"])
        self.assertEqual(self.maildir.names(".Failed"), [])
        self.assertEqual(len(self.maildir.names("cur")), n - 1)

    def test_a_worker_that_cannot_read_is_told_and_goes_on_when_it_can(self):
        hanging = self.deliver(20)
        daemon = self.start()
        self.assertIn("source=bounces item=hung", daemon.wait_event("blocked")[0])
        wait_until(lambda: len(self.maildir.names("cur")) == 19, "the others get through")
        daemon.wait_quiet()
        self.assert_left(20)
        hanging.close()
        self.wait_settled(20)
        daemon.wait_event("unblocked")
        self.assertEqual(len(daemon.events("blocked")), 1)
        self.assertEqual(daemon.end(), 0)
        self.assert_counted_once(20)

    def test_where_no_worker_can_read_it_is_not_ready(self):
        self.configure_for(workers=1)
        hanging = self.deliver(1)
        daemon = self.start()
        daemon.wait_event("blocked")
        wait_until(lambda: self.readiness() == "503 no worker can read\n", "it is not ready")
        hanging.close()
        wait_until(lambda: self.readiness() == "ready\n", "it is ready")
        self.assertEqual(daemon.end(), 0)

    def test_who_is_asked_to_leave_does_not_wait_for_it_nor_blames_the_message(self):
        hanging = self.deliver(20)
        for _ in range(3):
            daemon = self.start()
            daemon.wait_event("blocked")
            self.assertEqual(daemon.end(), 0)
            self.assert_left(20)
        daemon = self.once(status=1)
        self.assert_left(20)
        hanging.close()
        daemon = self.once()
        self.assertEqual(daemon.events("died-reading"), [])
        self.wait_settled(20)
        self.assert_counted_once(20)

    def test_a_source_that_cannot_be_scanned_is_told_and_goes_on_when_it_can(self):
        hanging = self.hang(self.maildir.path / "new", Hanging.FOLDER)
        self.maildir.deliver(bounce(0))
        daemon = self.start()
        self.assertIn("source=bounces doing=scan", daemon.wait_event("blocked")[0])
        wait_until(lambda: self.readiness() == "503 no source can be read\n", "it is not ready")
        daemon.wait_quiet()
        hanging.close()
        self.wait_settled(1)
        daemon.wait_event("unblocked")
        self.assertEqual(len(daemon.events("blocked")), 1)
        wait_until(lambda: self.readiness() == "ready\n", "it is ready")
        self.assertEqual(daemon.end(), 0)

    def test_nobody_waits_for_a_source_that_cannot_be_scanned(self):
        other = Maildir(self.folder / "other")
        self.configure_for(workers=2, more=f"[source other]\npath = {other.path}")
        hanging = self.hang(self.maildir.path / "new", Hanging.FOLDER)
        self.maildir.deliver(bounce(0))
        other.deliver(bounce(1))
        daemon = self.start()
        daemon.wait_event("blocked")
        wait_until(lambda: len(other.names("cur")) == 1, "the other source gets on")
        self.assertEqual(self.readiness(), "ready\n")
        self.assertEqual(daemon.end(), 0)
        other.deliver(bounce(2))
        self.once(status=1)
        self.assertEqual(len(other.names("cur")), 2)
        self.assert_counted_once(2)
        hanging.close()
        self.once()
        self.wait_settled(1)
        self.assert_counted_once(3)

    def hang_failed(self):
        """Of a message that is none the file system does not let the committer open what it needs to put it away."""
        for folder in ("new", "cur", "tmp"):
            (self.maildir.path / ".Failed" / folder).mkdir(parents=True)
        marker = self.maildir.path / ".Failed/maildirfolder"
        marker.touch()
        self.maildir.deliver(b"no header at all")
        return self.hang(marker, Hanging.OPEN)

    def test_a_message_that_cannot_be_put_away_is_told_and_is_when_it_can(self):
        hanging = self.hang_failed()
        daemon = self.start()
        self.assertIn("source=bounces doing=settle", daemon.wait_event("blocked")[0])
        wait_until(lambda: self.readiness() == "503 messages cannot be put away\n", "it is not ready")
        daemon.wait_quiet()
        hanging.close()
        daemon.wait_event("unblocked")
        daemon.wait_event("set-aside")
        self.maildir.deliver(bounce(0))
        self.wait_settled(1)
        self.assertEqual(daemon.end(), 0)

    def test_nobody_waits_until_a_message_can_be_put_away(self):
        hanging = self.hang_failed()
        daemon = self.start()
        daemon.wait_event("blocked")
        for n in range(300):  # more than the queues hold
            self.maildir.deliver(bounce(n))
        self.assertEqual(daemon.end(), 0)
        self.once(status=1)
        hanging.close()
        self.once(status=1)
        self.assertEqual(len(self.maildir.names(".Failed/new")), 1)
        self.wait_settled(300)
        self.assert_counted_once(300)


class OfCrashes(Deaths, Case):
    """Messages on which dsnd dies."""

    SIGNAL = signal.SIGKILL if SANITIZED else signal.SIGSEGV  # a sanitizer would report it

    def setUp(self):
        super().setUp()
        self.conf = self.configure("[run]\nworkers = 2\n[limits]\nmax_time = 1h\nmax_bytes = 64MiB")

    def marks(self):
        return self.maildir.path / ".dsnd.reading"

    def die(self, name, number, times):
        self.kill_reading(self.start(prefix=["prlimit", "--core=0"]), name, number, times)

    def deliver(self, n, *slow):
        for name in slow:
            self.maildir.deliver(slow_to_read(), name=name)
        for k in range(n):
            self.maildir.deliver(bounce(k))

    def test_a_message_on_which_dsnd_dies_three_times_is_set_aside_and_no_other(self):
        self.deliver(20, "deadly", "innocent")
        self.die("deadly", signal.SIGKILL, times=1)
        self.die("deadly", self.SIGNAL, times=2)
        self.die("deadly", signal.SIGABRT, times=3)
        daemon = self.once(status=1)
        self.assertEqual(self.maildir.names(".Failed/new"), ["deadly"])
        self.assertIn("three times", (self.maildir.path / ".Failed/deadly.error").read_text())
        self.assertTrue([line for line in daemon.events("died-reading") if "item=deadly times=3" in line])
        self.assertIn("item=deadly", daemon.events("set-aside")[0])
        self.assert_counted_once(20)
        self.wait_settled(21)
        os.rename(self.maildir.path / ".Failed/new/deadly", self.maildir.path / "new/deadly")  # by who has mended it
        self.assertEqual(self.once().events("died-reading"), [])
        self.wait_settled(22)

    def test_a_message_in_hand_when_dsnd_is_killed_is_read_again(self):
        self.deliver(20, "slow")
        for times in (1, 2):
            self.die("slow", signal.SIGKILL, times)
        self.once()
        self.assert_counted_once(20)
        self.wait_settled(21)
        self.assertEqual(self.maildir.names(".Failed"), [])

    def test_mail_is_read_also_where_that_cannot_be_noted(self):
        (self.maildir.path / ".dsnd.reading.new").mkdir()
        self.deliver(20)
        self.assertIn("note what is being read", self.once().events("source-trouble")[0])
        self.assert_counted_once(20)

    def test_who_ends_in_order_leaves_nothing_behind(self):
        self.deliver(20)
        self.once()
        self.assertEqual(self.once().events("died-reading"), [])


class OfWorkers(Case):
    """Messages that take longer than they may."""

    def run_with(self, max_time, message, name):
        """Exit status and log where that message comes among others."""
        self.conf = self.configure(f"[limits]\nmax_time = {max_time}\nmax_bytes = 64MiB")
        self.maildir.deliver(message, name=name)
        for _ in range(20):
            self.delivered += 1
            self.maildir.deliver(bounce(self.delivered))
        daemon = self.start("--once", wait=False)
        return daemon.wait(), daemon.log()

    def setUp(self):
        super().setUp()
        self.delivered = 0

    def assert_set_aside(self, names):
        self.assertEqual(self.maildir.names(".Failed/new"), sorted(names))
        for name in names:
            self.assertIn("max_time", (self.maildir.path / ".Failed" / f"{name}.error").read_text())
        self.once()
        self.assert_counted_once(self.delivered)
        self.wait_settled(self.delivered)

    def test_a_message_that_takes_too_long_is_set_aside(self):
        status, log = self.run_with("40ms", bounce(0, recipients=10000), "slow")
        self.assertIn(status, (1, 3), log)  # 3: it took so long that it was given up
        self.assertIn("event=set-aside source=bounces item=slow" if status == 1 else "event=stuck", log)
        self.assert_set_aside(["slow"])

    def test_a_worker_that_does_not_come_back_is_told_and_the_others_finish(self):
        names, status = [], 0
        while status != 3:  # 1: it came back before anybody looked
            names.append(f"stuck{len(names)}")
            status, log = self.run_with("50ms", slow_to_read(), names[-1])
            self.assertIn(status, (1, 3), log)
            self.assertLess(len(names), 50)
        self.assertIn(f"event=stuck source=bounces item={names[-1]}", log)
        self.assertEqual(self.maildir.names("new"), [])
        self.assert_set_aside(names)
