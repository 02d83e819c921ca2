"""Crashes, a Redis that comes and goes, and leaving."""

import random
import signal
import time

from harness import PREFIX, Case, LosingProxy, bounce, wait_until


class Trouble(Case):
    def test_killed_at_any_instant_it_counts_everything_exactly_once(self):
        n, kills, length = 4000, 0, 0
        for i in range(n):
            self.maildir.deliver(bounce(i))
        while length < n:
            daemon = self.start(wait=False)
            goal = min(n, length + random.randint(0, 300))
            wait_until(lambda: self.redis.client.xlen(PREFIX + "events") >= goal, "some are committed")
            time.sleep(random.uniform(0.0, 0.005))  # any instant will do
            daemon.process.kill()
            daemon.process.wait()
            length = self.redis.client.xlen(PREFIX + "events")
            kills += 1
        self.assertGreater(kills, 3)
        self.once()
        self.assert_counted_once(n)
        self.wait_settled(n)
        self.assertEqual(self.stats("type:hard"), n)
        self.assertEqual(len(self.redis.client.keys(PREFIX + "rcpt:*")), n)
        for key in self.redis.client.keys(PREFIX + "rcpt:*")[:100]:
            self.assertEqual(self.redis.client.hget(key, "hard"), "1")

    def test_killed_while_messages_keep_coming(self):
        delivered = 0
        for _ in range(10):
            daemon = self.start(wait=False)
            for _ in range(random.randint(50, 150)):
                self.maildir.deliver(bounce(delivered))
                delivered += 1
            daemon.process.kill()
            daemon.process.wait()
        self.once()
        self.assert_counted_once(delivered)
        self.wait_settled(delivered)

    def test_redis_is_away_at_start(self):
        self.redis.stop()
        for n in range(50):
            self.maildir.deliver(bounce(n))
        daemon = self.start()
        daemon.wait_event("redis-away")
        self.assertEqual(len(self.maildir.names("new")), 50)
        self.redis.start()
        self.wait_settled(50)
        self.assertEqual(daemon.end(), 0)
        self.assert_counted_once(50)
        self.assertEqual((len(daemon.events("redis-away")), len(daemon.events("redis-back"))), (1, 1))

    def test_redis_goes_and_comes_back_and_nothing_is_lost_or_counted_twice(self):
        daemon = self.start()
        subscriber = self.subscribe()
        subscriber.wait_subscribed()
        total = 0
        for round_number in range(4):
            for _ in range(400):
                self.maildir.deliver(bounce(total))
                total += 1
            wait_until(lambda: len(self.stream()) > 100 * round_number, "some are committed")
            self.redis.stop()
            for _ in range(100):
                self.maildir.deliver(bounce(total))
                total += 1
            wait_until(lambda: len(daemon.events("redis-away")) == round_number + 1, "it is noticed")
            self.redis.start()
            wait_until(lambda: len(daemon.events("redis-back")) == round_number + 1, "it is noticed")
        self.wait_settled(total)
        wait_until(lambda: len(subscriber.receive()) >= total, "all on the feed")
        self.assertEqual(daemon.end(), 0)
        self.assert_counted_once(total)
        self.assertEqual(len(subscriber.receive()), total)
        self.assertEqual([event[2] for event in subscriber.events], list(range(1, total + 1)))

    def test_a_commit_whose_reply_is_lost_is_counted_once_and_still_published(self):
        path = str(self.folder / "proxy.sock")
        proxy = LosingProxy(path, self.redis.path, losses=4)
        self.addCleanup(proxy.close)
        self.conf.write_text(self.conf.read_text().replace(self.redis.path, path))
        subscriber = self.subscribe()
        daemon = self.start()
        subscriber.wait_subscribed()
        for n in range(200):
            self.maildir.deliver(bounce(n))
            self.maildir.deliver(bounce(n))  # a copy in the same batch is a duplicate, not our own lost commit
        self.wait_settled(400)
        wait_until(lambda: len(subscriber.receive()) >= 200, "all on the feed")
        self.assertEqual(daemon.end(), 0)
        self.assertEqual(proxy.losses, 0)
        self.assert_counted_once(200)
        self.assertEqual([event[2] for event in subscriber.receive()], list(range(1, 201)))
        self.assertEqual(len({event[3] for event in subscriber.events}), 200)

    def test_a_redis_that_hangs_is_away_and_what_it_did_meanwhile_counts_once(self):
        conf = self.configure(redis_keys="timeout = 200ms")
        daemon = self.start(conf=conf)
        self.maildir.deliver(bounce(0))
        self.wait_settled(1)
        self.redis.process.send_signal(signal.SIGSTOP)
        for n in range(1, 50):
            self.maildir.deliver(bounce(n))
        self.assertIn("no answer in time", daemon.wait_event("redis-away")[0])
        self.redis.process.send_signal(signal.SIGCONT)
        self.wait_settled(50)
        self.assertEqual(daemon.end(), 0)
        self.assert_counted_once(50)

    def test_a_full_redis_is_waited_out(self):
        self.redis.client.config_set("maxmemory", 1)
        self.redis.client.config_set("maxmemory-policy", "noeviction")
        for n in range(20):
            self.maildir.deliver(bounce(n))
        daemon = self.start()
        self.assertIn("OOM", daemon.wait_event("redis-away")[0])
        self.assertEqual(len(self.maildir.names("new")), 20)
        self.redis.client.config_set("maxmemory", 0)
        self.wait_settled(20)
        self.assertEqual(daemon.end(), 0)
        self.assert_counted_once(20)

    def test_a_shared_key_of_another_type_is_waited_out_and_nothing_is_set_aside(self):
        self.redis.client.set(PREFIX + "suppressed", "not a set")
        self.maildir.deliver(bounce(1))
        daemon = self.start()
        self.assertIn("suppressed is no zset", daemon.wait_event("redis-away")[0])
        self.assertEqual(self.stream(), [])
        self.redis.client.delete(PREFIX + "suppressed")
        self.wait_settled(1)
        self.assert_counted_once(1)

    def test_sigterm_while_redis_is_away_leaves_at_once_and_leaves_the_messages(self):
        self.redis.stop()
        for n in range(1000):
            self.maildir.deliver(bounce(n))
        daemon = self.start()
        daemon.wait_event("redis-away")
        self.assertEqual(daemon.end(), 0)
        self.assertEqual(len(self.maildir.names("new")), 1000)
        self.redis.start()
        self.once()
        self.assert_counted_once(1000)

    def test_sigterm_drains_what_is_in_flight(self):
        for n in range(2000):
            self.maildir.deliver(bounce(n))
        daemon = self.start()
        wait_until(lambda: self.redis.client.exists(PREFIX + "events"), "it works")
        self.assertEqual(daemon.end(), 0)
        self.assertEqual(len(self.stream()), len(self.maildir.names("cur")))
        self.assertEqual(len(self.maildir.names("new")) + len(self.maildir.names("cur")), 2000)
        self.once()
        self.assert_counted_once(2000)

    def test_sigint_ends_it_too(self):
        self.assertEqual(self.start().end(signal.SIGINT), 0)
