"""Messages become events in Redis and on the feed."""

import json
import os
import signal
import subprocess
import unittest

from harness import DSND, PREFIX, ROOT, Case, bounce, wait_until


class Delivery(Case):
    def test_a_backlog_arrives_whole_in_redis(self):
        for n in range(500):
            self.maildir.deliver(bounce(n))
        self.once()
        self.assert_counted_once(500)
        self.wait_settled(500)
        self.assertTrue(all(name.endswith(":2,S") for name in self.maildir.names("cur")))
        self.assertEqual(self.stats("kind:bounce"), 500)
        self.assertEqual(self.stats("type:hard"), 500)
        self.assertEqual(self.stats("reason:user-unknown"), 500)
        self.assertEqual(self.stats("domain:example7.com"), 10)

    def test_what_arrives_while_it_runs_is_seen_at_once_and_published(self):
        subscriber = self.subscribe()
        daemon = self.start()
        subscriber.wait_subscribed()
        for n in range(300):
            self.maildir.deliver(bounce(n, recipients=1 + n % 3))
        total = sum(1 + n % 3 for n in range(300))
        wait_until(lambda: len(subscriber.receive()) >= total, "events on the feed")
        self.wait_settled(300)
        self.assertEqual(daemon.end(), 0)
        self.assert_counted_once(total)
        self.assert_feed_is_the_stream(subscriber, total)

    def assert_feed_is_the_stream(self, subscriber, total):
        stream = {entry: fields for entry, fields in self.stream()}
        self.assertEqual([event[2] for event in subscriber.events], list(range(1, total + 1)))
        self.assertEqual(len({event[1] for event in subscriber.events}), 1)
        for topic, _, _, entry, text in subscriber.events:
            self.assertEqual(stream[entry]["event"], text)
            self.assertEqual(stream[entry]["topic"], topic)
            event = json.loads(text)
            self.assertEqual(event["id"], stream[entry]["id"])
            self.assertEqual(topic, "bounce.hard.user-unknown." + event["recipient"].split("@")[1])

    def test_a_heartbeat_carries_the_sequence_of_the_last_event(self):
        subscriber = self.subscribe()
        self.start()
        subscriber.wait_subscribed()
        for n in range(3):
            self.maildir.deliver(bounce(n))
        wait_until(lambda: subscriber.receive() and subscriber.heartbeats[-1][2] == 3, "a heartbeat with sequence 3")
        self.assertEqual(subscriber.heartbeats[-1][3], subscriber.events[-1][3])

    def test_the_same_message_delivered_twice_counts_once(self):
        subscriber = self.subscribe()
        self.start()
        subscriber.wait_subscribed()
        for _ in range(5):
            self.maildir.deliver(bounce(1))
        self.wait_settled(5)
        self.maildir.deliver(bounce(1))
        self.maildir.deliver(bounce(2))
        self.wait_settled(7)
        wait_until(lambda: len(subscriber.receive()) >= 2, "both events")
        self.assert_counted_once(2)
        self.assertEqual(len(subscriber.events), 2)

    def test_an_address_is_suppressed_with_its_evidence(self):
        self.maildir.deliver(bounce(1))
        self.once()
        client, address = self.redis.client, "user1.0@example1.com"
        known = client.hgetall(PREFIX + "rcpt:" + address)
        week_ms = 7 * 86400 * 1000
        self.assertEqual(client.zscore(PREFIX + "suppressed", address), int(known["since"]) + week_ms)
        self.assertEqual((known["state"], known["reason"], known["hard"]), ("suppressed", "user-unknown", "1"))
        self.assertEqual(known["entry"], self.stream()[0][0])
        self.assertGreater(client.pttl(PREFIX + "rcpt:" + address), 180 * 86400 * 1000)  # address_expiry after its end
        self.assertEqual(json.loads(self.stream()[0][1]["event"])["decisions"],
                         [{"state": "suppressed", "before": "ok", "scope": None, "policy": "user-unknown", "days": 1,
                           "until_ms": int(known["since"]) + week_ms}])
        story = json.loads(client.lindex(PREFIX + "why:" + address, 0))
        self.assertEqual((story["entry"], story["event"], story["diagnostic"]),
                         (known["entry"], known["event"], "550 5.1.1 user unknown"))

    def test_suppressed_and_watched_until_delivered(self):
        def states():
            return [self.redis.client.hget(PREFIX + f"rcpt:user{n}.0@example{n}.com", "state") for n in (1, 2)]
        self.maildir.deliver(bounce(1))
        self.maildir.deliver(bounce(2, status="4.2.2", code=452, text="mailbox full", action="failed"))
        self.once()
        self.assertEqual(states(), ["suppressed", "watch"])
        for n in (1, 2):
            self.maildir.deliver(bounce(n, status="2.0.0", code=250, text="ok", action="delivered"))
        self.once()
        self.assertEqual(states(), ["ok", "ok"])
        self.assertEqual(self.redis.client.zcard(PREFIX + "suppressed"), 0)
        self.assertGreater(self.redis.client.ttl(PREFIX + "rcpt:user2.0@example2.com"), 0)

    def test_what_is_no_report_is_settled_and_not_published(self):
        self.maildir.deliver(b"From: a@example.com\nTo: b@example.com\nSubject: hello\n\nHow are you?\n")
        self.once()
        self.wait_settled(1)
        self.assertEqual(self.stream(), [])

    def test_shards_spread_by_domain(self):
        conf = self.configure(redis_keys="shards = 4")
        for n in range(200):
            self.maildir.deliver(bounce(n))
        self.assertEqual(self.start("--once", conf=conf, wait=False).wait(), 0)
        shards = [{json.loads(f["event"])["recipient"].split("@")[1] for _, f in self.stream("{dsn:%d}:" % k)}
                  for k in range(4)]
        self.assertEqual(sum(len(s) for s in shards), 50)
        self.assertEqual(len(set().union(*shards)), 50)
        self.assertTrue(all(shards))
        self.assertEqual(sum(self.stats("events", "{dsn:%d}:" % k) for k in range(4)), 200)

    def test_done_messages_can_be_deleted(self):
        self.configure(source_keys="done = delete")
        self.maildir.deliver(bounce(1))
        self.once()
        self.assertEqual((self.maildir.names("new"), self.maildir.names("cur")), ([], []))
        self.assert_counted_once(1)

    def test_another_message_in_cur_is_not_overwritten(self):
        (self.maildir.path / "cur" / "same.host:2,S").write_bytes(b"precious")
        self.maildir.deliver(bounce(1), name="same.host")
        self.once()
        self.assertEqual(self.maildir.names("cur"), ["same.host.1:2,S", "same.host:2,S"])
        self.assertEqual((self.maildir.path / "cur" / "same.host:2,S").read_bytes(), b"precious")

    def test_reload_takes_new_rules_and_refuses_bad_ones(self):
        rules = self.knowledge / "rules"
        daemon = self.start()
        (rules / "mine.rules").write_text("[mine]\nmatch = purple elephant\nreason = mailbox-full\n"
                                          "example = 550 5.1.1 purple elephant\n")
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait_event("reloaded")
        self.maildir.deliver(bounce(1, text="purple elephant"))
        self.wait_settled(1)
        self.assertEqual(json.loads(self.stream()[0][1]["event"])["rule"], "mine")
        (rules / "mine.rules").write_text("[mine\n")
        daemon.process.send_signal(signal.SIGHUP)
        daemon.wait_event("reload-refused")
        self.maildir.deliver(bounce(2, text="purple elephant"))
        self.wait_settled(2)
        self.assertEqual(json.loads(self.stream()[1][1]["event"])["rule"], "mine")
        self.assertEqual(daemon.end(), 0)


CORPUS = ROOT.parent / "shared" / "corpus" / "messages"


@unittest.skipUnless(CORPUS.is_dir(), "no corpus")
class Corpus(Case):
    def test_real_bounces_arrive_whole_with_everything_that_dsnd_knows(self):
        self.remember_rules()
        for file in sorted(CORPUS.iterdir()):
            self.maildir.deliver(file.read_bytes(), name=file.name)
        # One file of the corpus could be an mbox of two: parse takes it for one, a maildir's file never is.
        parsed = subprocess.run([DSND, "parse", str(self.maildir.path)], capture_output=True, text=True)
        events = [json.loads(line) for line in parsed.stdout.splitlines()]
        mboxes = {e["source"]["name"].split("/")[-1] for e in events if e["source"]["kind"] == "mbox"}
        self.start()
        self.wait_settled(len(list(CORPUS.iterdir())))
        self.assert_counted_once(len(self.stream()))
        stored = [json.loads(fields["event"]) for _, fields in self.stream()]
        self.assertEqual({e["id"] for e in stored if e["source"]["name"].split("/")[-1] not in mboxes},
                         {e["id"] for e in events if e["kind"] != "none" and e["source"]["kind"] != "mbox"})
        self.assertEqual(self.maildir.names(".Failed"), [])


class Maildirs(Case):
    def test_a_file_that_is_being_written_is_left_until_it_is_closed(self):
        self.start()
        message = bounce(1)
        with open(self.maildir.path / "new" / "slow", "wb") as out:
            out.write(message[:200])
            out.flush()
            self.maildir.deliver(bounce(2))
            self.assertTrue(wait_until(lambda: len(self.maildir.names("cur")) == 1, "the other one"))
            self.assertEqual(self.maildir.names("new"), ["slow"])
            out.write(message[200:])
        self.wait_settled(2)
        self.assert_counted_once(2)

    def test_what_cannot_be_processed_is_set_aside_with_its_error(self):
        os.utime(self.maildir.path / "new" / self.maildir.deliver(b"", name="empty"), (1, 1))
        os.symlink("/etc/passwd", self.maildir.path / "new" / "link")
        os.mkfifo(self.maildir.path / "new" / "fifo")
        self.maildir.deliver(bounce(1))
        self.once(status=1)
        self.assert_counted_once(1)
        self.assertEqual(self.maildir.names(".Failed/new"), ["empty", "fifo", "link"])
        self.assertEqual([n for n in self.maildir.names(".Failed") if n.endswith(".error")],
                         ["empty.error", "fifo.error", "link.error"])
        self.assertTrue((self.maildir.path / ".Failed" / "empty.error").read_text().strip())

    def test_a_message_that_redis_refuses_does_not_block_the_others(self):
        self.redis.client.set(PREFIX + "rcpt:user7.0@example7.com", "not a hash")
        for n in range(20):
            self.maildir.deliver(bounce(n), name=f"m{n}")
        self.once(status=1)
        self.assertEqual(self.maildir.names(".Failed/new"), ["m7"])
        self.assertIn("is no hash", (self.maildir.path / ".Failed" / "m7.error").read_text())
        self.assert_counted_once(19)

    def test_what_cannot_be_put_away_is_kept_and_put_away_later(self):
        os.rename(self.maildir.path / "cur", self.maildir.path / "cur.away")
        os.mkdir(self.maildir.path / "cur")
        daemon = self.start()
        os.rmdir(self.maildir.path / "cur")
        for n in range(20):
            self.maildir.deliver(bounce(n))
        daemon.wait_event("cannot-settle")
        wait_until(lambda: len(self.stream()) == 20, "all are in Redis")
        os.rename(self.maildir.path / "cur.away", self.maildir.path / "cur")
        self.wait_settled(20)
        self.assertEqual(daemon.end(), 0)
        self.assert_counted_once(20)
        self.assertEqual(len(daemon.events("cannot-settle")), 1)

    def test_a_second_process_is_refused(self):
        daemon = self.start()
        other = self.configure(name="other.conf").read_text().replace(self.endpoint, self.endpoint + "2")
        (self.folder / "other.conf").write_text(other)
        second = self.start(conf=self.folder / "other.conf", wait=False)
        self.assertEqual(second.wait(), 1)
        self.assertIn(f"{self.maildir.path} is already in use by another dsnd (pid {daemon.process.pid})", second.log())
        self.assertEqual(daemon.end(), 0)
        self.once()
