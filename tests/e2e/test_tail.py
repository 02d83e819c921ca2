"""dsnd tail: whatever happens to a subscriber, it ends with exactly the events of the stream."""

import json
import pathlib
import re
import signal
import subprocess
import threading

from harness import DSND, LIMIT_S, PREFIX, Case, bounce, wait_until


class Tail:
    """A dsnd tail whose lines are collected."""

    def __init__(self, *options):
        self.process = subprocess.Popen([DSND, "tail", *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.lines, self.errors = [], []
        self.threads = [threading.Thread(target=self.collect, args=pair, daemon=True)
                        for pair in ((self.process.stdout, self.lines), (self.process.stderr, self.errors))]
        for thread in self.threads:
            thread.start()

    @staticmethod
    def collect(stream, lines):
        for line in stream:
            lines.append(line.rstrip("\n"))

    def listens(self, number):
        """Whether a signal does not just end it any more, or it has ended."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        blocked = re.search(r"^SigBlk:\s*(\w+)", status, re.M).group(1)
        return self.process.poll() is not None or int(blocked, 16) >> (number - 1) & 1

    def end(self, number=signal.SIGINT):
        wait_until(lambda: self.listens(number), "it looks for signals")
        self.process.send_signal(number)
        return self.wait()

    def wait(self):
        status = self.process.wait(LIMIT_S)
        for thread in self.threads:
            thread.join()
        self.process.stdout.close()
        self.process.stderr.close()
        return status

    def said(self, text):
        return [line for line in self.errors if text in line]


class Following(Case):
    def tail(self, *options, replay=True):
        tail = Tail("--feed", self.endpoint, *(["--replay", self.replay] if replay else []), *options)
        self.addCleanup(tail.process.kill)
        return tail

    def deliver(self, numbers, **options):
        for n in numbers:
            self.maildir.deliver(bounce(n, **options))

    def events(self):
        return [fields["event"] for _, fields in self.stream()]

    def assert_is_the_stream(self, tail, n, status=0):
        wait_until(lambda: len(tail.lines) >= n, f"{n} events")
        self.assertEqual(tail.end(), status, tail.errors)
        self.assertEqual(len(self.events()), n)
        self.assertEqual(tail.lines, self.events())

    def test_one_that_joins_late_has_everything(self):
        self.start()
        self.deliver(range(700))
        self.wait_settled(700)
        tail = self.tail("--from", "0")
        self.deliver(range(700, 1000))
        self.assert_is_the_stream(tail, 1000)
        self.assertEqual(tail.said("go on with"), ["dsnd tail: go on with --from " + self.stream()[-1][0]])

    def test_it_goes_on_where_it_stopped(self):
        self.start()
        self.deliver(range(100))
        self.wait_settled(100)
        first = self.tail("--from", "0", "--count", "37")
        self.assertEqual(first.wait(), 0)
        second = self.tail("--from", first.said("go on")[0].split()[-1])
        wait_until(lambda: len(second.lines) == 63, "the others")
        self.assertEqual(second.end(signal.SIGTERM), 0)
        self.assertEqual(first.lines + second.lines, self.events())

    def test_one_that_comes_before_the_daemon_has_everything_from_then_on(self):
        tail = self.tail()
        self.start()
        wait_until(lambda: self.asker().ask("REPLAY", "$"), "the replay is there")
        probe = 0
        while not tail.lines:
            self.deliver([probe])
            self.wait_settled(probe + 1)
            probe += 1
        self.deliver(range(1000, 1300))
        self.wait_settled(300 + probe)
        wait_until(lambda: tail.lines[-1:] == self.events()[-1:], "the last event")
        self.assertEqual(tail.end(), 0)
        self.assertEqual(tail.lines, self.events()[-len(tail.lines):])

    def test_one_that_is_stopped_behind_a_full_queue_mends_the_gap(self):
        self.start(conf=self.configure(feed_keys="hwm = 10"))
        tail = self.tail("--from", "0")
        self.deliver(range(10))
        wait_until(lambda: len(tail.lines) == 10, "the first events")
        sent = 10
        while not tail.said("a gap of"):
            tail.process.send_signal(signal.SIGSTOP)
            self.deliver(range(sent, sent + 1000), text="user unknown " + "x" * 2000)
            sent += 1000
            self.wait_settled(sent)
            tail.process.send_signal(signal.SIGCONT)
            wait_until(lambda: len(tail.lines) == sent, "all of them")
        self.assert_is_the_stream(tail, sent)

    def test_a_slow_subscriber_keeps_no_other_one_waiting(self):
        self.start(conf=self.configure(feed_keys="hwm = 100"))
        slow, fast = self.tail("--from", "0"), self.tail("--from", "0")
        self.deliver(range(10))
        for tail in (slow, fast):
            wait_until(lambda: len(tail.lines) == 10, "the first events")
        slow.process.send_signal(signal.SIGSTOP)
        self.deliver(range(10, 1500), text="user unknown " + "x" * 2000)
        wait_until(lambda: len(fast.lines) == 1500, "all, while the other one stands still")
        self.wait_settled(1500)
        slow.process.send_signal(signal.SIGCONT)
        self.assert_is_the_stream(fast, 1500)
        self.assert_is_the_stream(slow, 1500)

    def test_a_killed_daemon_and_what_others_store_meanwhile_leave_no_gap(self):
        daemon = self.start()
        tail = self.tail("--from", "0")
        quiet = self.folder / "quiet.conf"
        quiet.write_text("\n".join(line for line in self.conf.read_text().splitlines()
                                   if not line.startswith(("[feed]", "bind", "replay", "heartbeat", "hwm"))))
        for begin in range(0, 400, 100):
            self.deliver(range(begin, begin + 50))
            wait_until(lambda: len(self.maildir.names("cur")) > begin + 20, "some are settled")
            daemon.end(signal.SIGKILL)
            self.deliver(range(begin + 50, begin + 100))
            self.assertEqual(self.start("--once", conf=quiet, wait=False).wait(), 0)
            daemon = self.start()
        self.assert_is_the_stream(tail, 400)

    def test_shards_are_followed_together(self):
        self.start(conf=self.configure(redis_keys="shards = 3"))
        self.deliver(range(100))
        tail = self.tail("--from", "0")
        self.deliver(range(100, 200))
        wait_until(lambda: len(tail.lines) >= 200, "all")
        self.assertEqual(tail.end(), 0)
        for k in range(3):
            stored = [fields["event"] for _, fields in self.stream("{dsn:%d}:" % k)]
            self.assertEqual([line for line in tail.lines if line in set(stored)], stored)
        self.assertEqual(len(tail.lines), 200)

    def test_without_a_replay_a_gap_is_told_and_the_status_is_1(self):
        self.start(conf=self.configure(feed_keys="hwm = 10"))
        tail = self.tail(replay=False)
        sent = 0
        while not tail.lines:
            self.deliver([sent])
            self.wait_settled(sent + 1)
            sent += 1
        tail.process.send_signal(signal.SIGSTOP)
        self.deliver(range(1000, 3000), text="user unknown " + "x" * 2000)
        self.wait_settled(sent + 2000)
        tail.process.send_signal(signal.SIGCONT)
        wait_until(lambda: tail.said("there is no replay"), "the gap is told")
        self.assertEqual(tail.end(), 1)

    def test_what_was_trimmed_is_told_and_the_status_is_1(self):
        self.start()
        self.deliver(range(20))
        self.wait_settled(20)
        entry = self.stream()[3][0]
        self.redis.client.xtrim(PREFIX + "events", maxlen=10, approximate=False)
        tail = self.tail("--from", entry, "--count", "10")
        self.assertEqual(tail.wait(), 1)
        self.assertEqual(tail.lines, self.events())
        self.assertTrue(tail.said("trimmed"))

    def test_filters_and_the_configuration(self):
        self.start()
        self.deliver(range(60))
        self.deliver(range(60, 70), status="4.2.2", code=452, text="mailbox full", action="delayed")
        self.wait_settled(70)
        for options, n in ((["--kind", "delay"], 10), (["--topic", "bounce.hard."], 60),
                           (["--topic", "bounce.soft.", "--topic", "delay."], 10), (["--reason", "mailbox-full"], 10),
                           (["--domain", "example7.com", "--domain", "EXAMPLE8.com"], 4), (["--kind", "delay", "--domain", "example7.com"], 0)):
            tail = Tail("-c", str(self.conf), "--from", "0", *options)
            marker = self.tail("--from", "0", "--count", "70")
            self.assertEqual(marker.wait(), 0)
            wait_until(lambda: len(tail.lines) >= n, f"{options}: {n} events")
            self.assertEqual(tail.end(), 0)
            self.assertEqual(len(tail.lines), n, options)
        table = self.tail("--from", "0", "--format", "table", "--count", "1")
        self.assertEqual(table.wait(), 0)
        event = json.loads(self.events()[0])
        self.assertEqual(table.lines[0].split(), "KIND TYPE REASON ACTION CODE STATUS RECIPIENT SOURCE".split())
        self.assertEqual(table.lines[1].split(), ["bounce", "hard", "user-unknown", "suppress", "550", "5.1.1",
                                                  event["recipient"], event["source"]["name"]])

    def test_wrong_use(self):
        for options, status in ((["--format", "json"], 2), (["--count", "-1"], 2), (["x"], 2), (["--keys", "k"], 2),
                                (["--from", "yesterday"], 1), (["--feed", "nonsense"], 1)):
            done = subprocess.run([DSND, "tail", "--feed", self.endpoint, "--replay", self.replay, *options],
                                  capture_output=True, text=True, timeout=LIMIT_S)
            self.assertEqual((done.returncode, done.stdout), (status, ""), (options, done.stderr))
            self.assertIn("dsnd tail: ", done.stderr)
