"""The queue: dsnd enqueue puts messages in, any number of dsnd take them out."""

import json
import random
import signal
import subprocess
import time

from harness import DSND, LIMIT_S, PREFIX, Case, Deaths, bounce, slow_to_read, wait_until

INBOX, DEAD, GROUP = PREFIX + "inbox", PREFIX + "dead", "dsnd"


class Queue(Case):
    def source(self):
        return "kind = stream\nclaim_after = 1s"

    def configure(self, text="", name="dsnd.conf", feed=None, **keys):
        conf = super().configure(text, name=name, **keys)
        if feed:
            conf.write_text(conf.read_text().replace(self.endpoint, feed))
        return conf

    def add(self, message, **fields):
        return self.redis.client.xadd(INBOX, {**fields, "message": message})

    def enqueue(self, message, *options, status=0, conf=None):
        done = subprocess.run([DSND, "enqueue", "-c", str(conf or self.conf), *options], input=message,
                              capture_output=True, timeout=LIMIT_S)
        self.assertEqual(done.returncode, status, done.stderr)
        return done.stderr.decode()

    def wait_settled(self, n=0):
        wait_until(lambda: self.redis.client.xlen(INBOX) == 0, "the inbox is empty")

    def pending(self):
        return self.redis.client.xpending(INBOX, GROUP)["pending"]

    def consumers(self):
        return [consumer["name"] for consumer in self.redis.client.xinfo_consumers(INBOX, GROUP)]

    def events(self):
        return [json.loads(fields["event"]) for _, fields in self.stream()]


class Source(Deaths, Queue):
    def test_a_backlog_arrives_whole_and_leaves_the_inbox(self):
        for n in range(300):
            self.add(bounce(n))
        self.once()
        self.assert_counted_once(300)
        self.assertEqual((self.redis.client.xlen(INBOX), self.pending(), self.consumers()), (0, 0, []))
        self.assertEqual(self.redis.client.exists(DEAD), 0)

    def test_what_arrives_while_it_runs_is_seen_and_its_events_name_source_and_entry(self):
        daemon = self.start()
        entries = [self.add(bounce(n)) for n in range(50)]
        self.wait_settled()
        more = self.add(bounce(50))
        self.wait_settled()
        self.assert_counted_once(51)
        self.assertEqual({(e["source"]["kind"], e["source"]["name"]) for e in self.events()},
                         {("stream", f"bounces/{entry}") for entry in [*entries, more]})
        self.assertEqual(daemon.end(), 0)
        self.assertEqual(self.consumers(), [])

    def test_the_envelope_recipient_may_be_a_signed_return_address(self):
        keys = self.folder / "verp.keys"
        keys.write_text("a = " + "0f" * 32 + "\n")
        keys.chmod(0o600)
        self.configure(f"[verp]\nkeys = {keys}\ndomain = bounce.example.net\n")
        to = subprocess.run([DSND, "verp", "-c", self.conf, "user1.0@example1.com"], capture_output=True, text=True)
        self.enqueue(bounce(1), to.stdout.strip())
        self.enqueue(bounce(2), "bounces@bounce.example.net")
        self.once()
        self.assertEqual({e["recipient"]: (e["trust"], e["action"]) for e in self.events()},
                         {"user1.0@example1.com": ("verified", "suppress"),
                          "user2.0@example2.com": ("unverified", "count")})

    def test_the_envelope_recipient_names_who_bounced(self):
        self.add(bounce(1), **{"from": "", "to": "bounces+ann=example.com@lists.example.net"})
        self.once()
        self.assertEqual([(e["recipient"], e["recipient_from"]) for e in self.events()], [("ann@example.com", "verp")])

    def test_an_envelope_cannot_write_headers_of_its_own(self):
        self.add(bounce(1), to="a@example.com\nDelivered-To: bounces+eve=example.org@lists.example.net")
        self.once()
        self.assertEqual([e["recipient"] for e in self.events()], ["user1.0@example1.com"])

    def test_what_is_no_message_is_dead_and_keeps_nobody_waiting(self):
        entry = self.redis.client.xadd(INBOX, {"massage": "x"})
        self.add(b"no header at all")
        for n in range(20):
            self.add(bounce(n))
        self.once(status=1)
        self.assert_counted_once(20)
        dead = sorted((fields for _, fields in self.redis.client.xrange(DEAD)), key=lambda fields: "message" in fields)
        self.assertEqual([fields["source"] for fields in dead], ["bounces", "bounces"])
        self.assertEqual((dead[0]["massage"], dead[0]["entry"]), ("x", entry))
        self.assertEqual(dead[1]["message"], "no header at all")
        self.assertTrue(all(fields["error"] for fields in dead))
        self.assertEqual((self.redis.client.xlen(INBOX), self.pending()), (0, 0))

    def test_what_a_worker_does_not_come_back_from_is_dead(self):
        self.conf = self.configure("[limits]\nmax_time = 50ms\nmax_bytes = 64MiB")
        for n in range(10):
            self.add(bounce(n))
        slow, status = 0, 0
        while status != 3:  # 1: it came back before anybody looked
            slow += 1
            self.add(slow_to_read())
            status = self.start("--once", wait=False).wait()
            self.assertIn(status, (1, 3))
            self.assertLess(slow, 50)
        self.assertEqual((self.redis.client.xlen(DEAD), self.redis.client.xlen(INBOX)), (slow, 0))
        self.assert_counted_once(10)

    def test_what_a_dead_consumer_had_in_hand_is_taken_over(self):
        self.redis.client.xgroup_create(INBOX, GROUP, "0", mkstream=True)
        for n in range(40):
            self.add(bounce(n))
        self.redis.client.xreadgroup(GROUP, "somebody", {INBOX: ">"}, count=30)
        self.start()
        wait_until(lambda: len(self.stream()) >= 10, "the others")
        self.wait_settled()
        self.assert_counted_once(40)

    def test_what_a_living_consumer_has_in_hand_is_left_to_it(self):
        # Redis refuses the commits of the first for longer than claim_after: what it has in hand stays there.
        self.redis.client.set(PREFIX + "suppressed", "not a set")
        for n in range(5):
            self.add(bounce(n))
        first = self.start()
        first.wait_event("redis-away")
        owners = lambda: {p["consumer"] for p in self.redis.client.xpending_range(INBOX, GROUP, "-", "+", 10)}
        wait_until(lambda: self.pending() == 5, "it has them in hand")
        owner = owners()
        second = self.start(conf=self.configure(name="second.conf", feed=f"ipc://{self.folder}/feed2"))
        began = time.monotonic()
        wait_until(lambda: len(self.consumers()) == 2 or time.monotonic() - began > 4, "the second one is there")
        wait_until(lambda: time.monotonic() - began > 4, "several times claim_after pass")
        self.assertEqual(owners(), owner)
        deliveries = {p["times_delivered"] for p in self.redis.client.xpending_range(INBOX, GROUP, "-", "+", 10)}
        self.assertEqual(deliveries, {1})
        self.redis.client.delete(PREFIX + "suppressed")
        self.wait_settled()
        self.assert_counted_once(5)
        self.assertEqual((first.end(), second.end()), (0, 0))

    def test_what_was_delivered_too_often_is_dead(self):
        self.redis.client.xgroup_create(INBOX, GROUP, "0", mkstream=True)
        self.add(bounce(1), to="x@example.com")
        entry = self.redis.client.xreadgroup(GROUP, "a", {INBOX: ">"})[0][1][0][0]
        self.redis.client.execute_command("XCLAIM", INBOX, GROUP, "a", 0, entry, "RETRYCOUNT", 10)
        daemon = self.start()
        daemon.wait_event("set-aside")
        wait_until(lambda: self.redis.client.xlen(DEAD) == 1, "it is dead")
        fields = self.redis.client.xrange(DEAD)[0][1]
        self.assertIn("delivered 10 times", fields["error"])
        self.assertEqual((fields["entry"], fields["to"], fields["source"]), (entry, "x@example.com", "bounces"))
        self.assertEqual((self.redis.client.xlen(INBOX), self.pending(), self.stream()), (0, 0, []))

    def test_an_entry_on_which_dsnd_dies_three_times_is_dead_and_no_other(self):
        self.configure("[run]\nworkers = 2\n[limits]\nmax_time = 1h\nmax_bytes = 64MiB", source_keys="max_deliveries = 4",
                       redis_keys="timeout = 60s")
        entry = self.add(slow_to_read())
        for n in range(20):
            self.add(bounce(n))
        for times in (1, 2, 3):
            self.kill_reading(self.start(), entry, times=times)
        daemon = self.start()
        wait_until(lambda: self.redis.client.xlen(DEAD) == 1, "it is dead")
        self.wait_settled()
        self.assertIn(f"item={entry} times=3", daemon.events("died-reading")[0])
        letter = json.loads(subprocess.run([DSND, "dead", "list", "-c", self.conf], capture_output=True).stdout)
        self.assertIn("three times", letter["error"])
        self.assert_counted_once(20)
        self.assertEqual(daemon.end(), 0)
        self.assertEqual(self.start().events("died-reading"), [])

    def test_an_inbox_that_is_deleted_is_made_again(self):
        daemon = self.start()
        self.add(bounce(1))
        self.wait_settled()
        self.redis.client.delete(INBOX)
        self.add(bounce(2))
        wait_until(lambda: len(self.stream()) == 2, "the second one arrives")
        self.assertEqual(daemon.end(), 0)

    def test_redis_goes_and_comes_back(self):
        daemon = self.start()
        total = 0
        for round_number in range(3):
            for _ in range(200):
                self.add(bounce(total))
                total += 1
            wait_until(lambda: len(self.stream()) > 200 * round_number, "some are committed")
            self.redis.stop()
            self.redis.start()
        self.wait_settled()
        self.assertEqual(daemon.end(), 0)
        self.assert_counted_once(total)
        self.assertEqual(self.pending(), 0)

    def test_sigterm_while_redis_is_away_leaves_at_once(self):
        self.redis.stop()
        daemon = self.start()
        daemon.wait_event("redis-away")
        self.assertEqual(daemon.end(), 0)

    def test_a_maildir_beside_it_is_read_too(self):
        conf = self.configure(f"[source other]\npath = {self.maildir.path}\n")
        self.maildir.deliver(bounce(1))
        self.add(bounce(2))
        daemon = self.start("--once", conf=conf, wait=False)
        self.assertEqual(daemon.wait(), 0, daemon.log())
        self.assertEqual({e["source"]["kind"] for e in self.events()}, {"maildir", "stream"})


class Several(Queue):
    def test_three_on_one_queue_killed_at_random_count_everything_exactly_once(self):
        n, batch = 3000, 250
        confs = [self.configure(name=f"{k}.conf", feed=f"ipc://{self.folder}/feed{k}",
                                source_keys="max_deliveries = 1000") for k in range(3)]
        daemons = [self.start(conf=conf, wait=False) for conf in confs]
        for added in range(batch, n + 1, batch):
            for i in range(added - batch, added):
                self.add(bounce(i))
            goal = min(self.redis.client.xlen(PREFIX + "events") + random.randint(1, 200), added)
            wait_until(lambda: self.redis.client.xlen(PREFIX + "events") >= goal, "some are committed")
            time.sleep(random.uniform(0.0, 0.005))  # any instant will do
            k = random.randrange(3)
            daemons[k].process.kill()
            daemons[k].process.wait()
            daemons[k] = self.start(conf=confs[k], wait=False)
        self.wait_settled()
        for daemon in daemons:
            daemon.wait_event("started")
            self.assertEqual(daemon.end(), 0)
        self.assert_counted_once(n)
        self.assertEqual((self.pending(), self.redis.client.exists(DEAD)), (0, 0))
        for key in self.redis.client.keys(PREFIX + "rcpt:*")[:100]:
            self.assertEqual(self.redis.client.hget(key, "hard"), "1")


class Enqueue(Queue):
    def test_a_message_gets_through_with_its_envelope(self):
        message = bounce(1)
        self.enqueue(message, "-f", "<>", "-r", "one@example.net", "two@example.net", "<three@example.net>")
        # A script sees a field that stands there several times, redis-py does not.
        fields = self.redis.client.eval("return redis.call('XRANGE', KEYS[1], '-', '+')[1][2]", 1, INBOX)
        self.assertEqual(fields, ["from", "", "to", "one@example.net", "to", "two@example.net", "to",
                                  "three@example.net", "message", message.decode()])
        self.once()
        self.assert_counted_once(1)

    def test_verp_from_the_command_line(self):
        self.enqueue(bounce(1), "-f", "MAILER-DAEMON", "--", "bounces+ann=example.com@lists.example.net")
        self.once()
        self.assertEqual([e["recipient"] for e in self.events()], ["ann@example.com"])

    def test_an_mbox_line_in_front_is_no_part_of_the_message(self):
        self.enqueue(b"From MAILER-DAEMON Wed Nov 25 00:00:00 2026\n" + bounce(1), "x@example.net")
        self.once()
        self.assert_counted_once(1)

    def test_75_when_redis_is_away_hangs_or_refuses(self):
        conf = self.configure(redis_keys="timeout = 200ms")
        self.redis.process.send_signal(signal.SIGSTOP)
        self.assertIn("Redis", self.enqueue(bounce(1), status=75, conf=conf))
        self.redis.process.send_signal(signal.SIGCONT)
        self.redis.client.set(INBOX, "not a stream")
        self.assertIn("WRONGTYPE", self.enqueue(bounce(1), status=75))
        self.redis.client.delete(INBOX)
        self.redis.stop()
        self.assertIn("Redis", self.enqueue(bounce(1), status=75))
        self.redis.start()
        self.enqueue(bounce(1))
        self.once()
        self.assert_counted_once(1)

    def test_75_when_the_queue_is_full_and_nothing_is_dropped(self):
        conf = self.configure("[queue]\nmax_messages = 3\n")
        for n in range(3):
            self.enqueue(bounce(n), conf=conf)
        self.assertIn("full", self.enqueue(bounce(3), status=75, conf=conf))
        self.once()
        self.assert_counted_once(3)
        self.enqueue(bounce(3), conf=conf)

    def test_75_when_the_configuration_or_the_command_is_wrong_and_65_when_there_is_nothing(self):
        self.assertIn("nowhere", self.enqueue(bounce(1), status=75, conf="/nowhere"))
        self.assertIn("--help", self.enqueue(bounce(1), "--what", status=75))
        self.assertIn("no message", self.enqueue(b"", status=65))
        self.assertEqual(self.redis.client.exists(INBOX), 0)

    def test_of_a_large_message_no_more_is_kept_than_is_read(self):
        conf = self.configure("[limits]\nmax_bytes = 64KiB\n")
        self.enqueue(bounce(1) + b"x" * 10_000_000, conf=conf)
        self.assertEqual(len(self.redis.client.xrange(INBOX)[0][1]["message"]), 64 * 1024 + 1)
        self.assertEqual(self.start("--once", conf=conf, wait=False).wait(), 0)
        self.assert_counted_once(1)


class Dead(Queue):
    def setUp(self):
        super().setUp()
        for n in range(40):
            self.add(bounce(n), to=f"box{n}@example.net")
            self.redis.client.set(PREFIX + f"rcpt:user{n}.0@example{n}.com", "not a hash")
        self.once(status=1)
        self.assertEqual(self.redis.client.xlen(DEAD), 40)
        for key in self.redis.client.keys(PREFIX + "rcpt:*"):
            self.redis.client.delete(key)

    def dead(self, *arguments, status=0):
        done = subprocess.run([DSND, "dead", "-c", str(self.conf), *arguments], capture_output=True, text=True,
                              timeout=LIMIT_S)
        self.assertEqual(done.returncode, status, done.stderr)
        return done.stdout

    def test_they_are_listed_with_their_errors(self):
        letters = [json.loads(line) for line in self.dead("list").splitlines()]
        self.assertEqual(len({letter["id"] for letter in letters}), 40)
        self.assertEqual({letter["source"] for letter in letters}, {"bounces"})
        self.assertEqual({tuple(letter["to"]) for letter in letters}, {(f"box{n}@example.net",) for n in range(40)})
        self.assertTrue(all("is no hash" in letter["error"] and letter["from"] is None for letter in letters))
        header, *rows = self.dead("list", "--format", "table").splitlines()
        self.assertEqual(header.split(), ["ID", "DIED", "SOURCE", "BYTES", "ERROR"])
        self.assertEqual([row.split()[0] for row in rows], [letter["id"] for letter in letters])

    def test_one_is_shown_as_it_came(self):
        entry, fields = self.redis.client.xrange(DEAD)[7]
        self.assertEqual(self.dead("show", entry), fields["message"])
        self.dead("show", "1-1", status=1)

    def test_what_is_retried_is_counted_once_and_gone(self):
        first = self.redis.client.xrange(DEAD)[0][0]
        self.assertEqual(self.dead("retry", first), "1 put back into the queue\n")
        self.assertEqual(self.redis.client.xlen(DEAD), 39)
        self.assertEqual(sorted(self.redis.client.xrange(INBOX)[0][1]), ["message", "to"])
        self.assertIn("0 put back", self.dead("retry", first, status=1))
        self.assertEqual(self.dead("retry", "--all"), "39 put back into the queue\n")
        self.once()
        self.assert_counted_once(40)
        self.assertEqual(self.redis.client.xlen(DEAD), 0)

    def test_what_is_dropped_is_gone(self):
        first, second = [entry for entry, _ in self.redis.client.xrange(DEAD, count=2)]
        self.assertEqual(self.dead("drop", first, second), "2 dropped\n")
        self.assertEqual(self.dead("drop", "--all"), "38 dropped\n")
        self.assertEqual((self.redis.client.xlen(DEAD), self.redis.client.xlen(INBOX)), (0, 0))
        self.assertEqual(self.dead("list"), "")

    def test_what_cannot_be_printed_is_a_failure(self):
        entry = self.redis.client.xrange(DEAD)[0][0]
        for arguments in (["list"], ["show", entry]):
            with open("/dev/full", "w") as full:
                done = subprocess.run([DSND, "dead", "-c", str(self.conf), *arguments], stdout=full, timeout=LIMIT_S)
            self.assertEqual(done.returncode, 1, arguments)

    def test_wrong_use(self):
        for arguments in ([], ["revive"], ["list", "1-1"], ["retry"], ["drop", "--all", "1-1"], ["show"]):
            self.dead(*arguments, status=2)
        self.redis.stop()
        self.dead("list", status=1)
