"""The ROUTER endpoint of the feed: events from a position on, the suppression list, and what is no request."""

import zmq

from harness import PREFIX, Case, bounce, wait_until


class Replay(Case):
    def store(self, numbers, **options):
        for n in numbers:
            self.maildir.deliver(bounce(n, **options))
        wait_until(lambda: not self.maildir.names("new"), "all are taken")

    def stored(self, prefix=PREFIX):
        return [(fields["topic"], entry, fields["event"]) for entry, fields in self.stream(prefix)]

    def test_all_events_come_in_bounded_pieces(self):
        self.start()
        self.store(range(600))
        self.wait_settled(600)
        asker = self.asker()
        first = asker.ask("REPLAY", "0")
        self.assertEqual((first[0], first[2], len(first)), ("EVENTS", "", 3 + 3 * 256))
        self.assertEqual(first[1], first[-2])
        events, position = asker.replay("0")
        self.assertEqual(events, self.stored())
        self.assertEqual(position, self.stream()[-1][0])
        self.assertEqual(asker.replay("0", "7"), (events, position))
        self.assertEqual(len(asker.ask("REPLAY", "0", "7")), 3 + 3 * 7)

    def test_a_large_event_does_not_hide_those_after_it(self):
        self.start()
        for event in ("x" * (5 << 20), "y"):
            self.redis.client.xadd(PREFIX + "events", {"topic": "t", "event": event})
        self.assertEqual([len(event) for _, _, event in self.asker().replay("0")[0]], [5 << 20, 1])

    def test_events_after_a_position_come_and_no_others(self):
        self.start()
        self.store(range(20))
        self.wait_settled(20)
        stored, asker = self.stored(), self.asker()
        self.assertEqual(asker.replay(stored[11][1])[0], stored[12:])
        self.assertEqual(asker.replay(stored[-1][1])[0], [])
        self.assertEqual(asker.ask("REPLAY", "$"), ["EVENTS", stored[-1][1], ""])

    def test_an_empty_stream_is_replayed_too(self):
        self.start()
        asker = self.asker()
        self.assertEqual(asker.ask("REPLAY", "$"), ["EVENTS", "0-0", ""])
        self.assertEqual(asker.ask("REPLAY", "123-4"), ["EVENTS", "123-4", ""])
        self.assertEqual(asker.ask("SNAPSHOT"), ["SUPPRESSED", "", "0-0", ""])

    def test_shards_have_a_position_each(self):
        self.start(conf=self.configure(redis_keys="shards = 3"))
        subscriber = self.subscribe()
        subscriber.wait_subscribed()
        self.store(range(100))
        wait_until(lambda: len(subscriber.receive()) >= 100, "all on the feed")
        stored = {(f"{k}/{entry}", topic) for k in range(3) for topic, entry, _ in self.stored("{dsn:%d}:" % k)}
        self.assertEqual({(entry, topic) for topic, _, _, entry, _ in subscriber.events}, stored)
        asker = self.asker()
        for start in ("0", "0,0-0,0"):
            events, position = asker.replay(start, "10")
            self.assertEqual(len(events), 100)
            self.assertEqual({(entry, topic) for topic, entry, _ in events}, stored)
        wait_until(lambda: subscriber.receive() and subscriber.heartbeats[-1][3] == position, "a heartbeat tells it")
        self.assertEqual(asker.ask("REPLAY", "$")[1], position)
        self.assertEqual(asker.ask("REPLAY", "1,2")[:2], ["ERROR", "malformed"])

    def test_what_was_trimmed_is_told(self):
        self.start()
        self.store(range(50))
        self.wait_settled(50)
        stored, asker = self.stored(), self.asker()
        self.redis.client.xtrim(PREFIX + "events", maxlen=20, approximate=False)
        self.assertEqual(asker.ask("REPLAY", stored[10][1])[2], "trimmed")
        self.assertEqual(asker.ask("REPLAY", stored[40][1])[2], "")
        self.assertEqual(asker.ask("REPLAY", "0")[2], "")
        self.assertEqual(asker.replay("0")[0], stored[30:])

    def test_the_suppression_list_comes_whole_with_the_position_to_go_on_from(self):
        self.start()
        self.store(range(3))
        self.wait_settled(3)
        self.redis.client.zadd(PREFIX + "suppressed", {f"many{n}@example.com": 1e15 + n for n in range(5000)})
        asker, cursor, lines, pieces = self.asker(), "", [], 0
        while cursor or not pieces:
            answer = asker.ask("SNAPSHOT", cursor)
            self.assertEqual(answer[0], "SUPPRESSED")
            if pieces == 0:
                self.assertEqual(answer[2], self.stream()[-1][0])
            cursor, pieces = answer[1], pieces + 1
            lines += answer[3].splitlines()
        self.assertGreater(pieces, 5)
        listed = {line.split(" ", 1)[1]: float(line.split(" ", 1)[0]) for line in lines}
        self.assertEqual(listed, dict(self.redis.client.zrange(PREFIX + "suppressed", 0, -1, withscores=True)))

    def test_what_is_no_request_is_answered_with_an_error(self):
        self.start()
        asker = self.asker()
        for frames in (["HELLO"], [""], ["REPLAY"], ["REPLAY", "yesterday"], ["REPLAY", "1-"], ["REPLAY", ""],
                       ["REPLAY", "99999999999999999999"], ["REPLAY", "0", "many"], ["REPLAY", "0", "0"],
                       ["REPLAY", "0", "1", "2"], ["SNAPSHOT", "5:0"], ["SNAPSHOT", "x"], ["SNAPSHOT", "", ""],
                       ["REPLAY"] + ["0"] * 5000, [b"\xff\x00" * 1000], ["REPLAY", "9" * 100000]):
            code = asker.ask(*frames)[:2]
            self.assertEqual(code, ["ERROR", "malformed"], str(frames)[:200])
        self.assertEqual(asker.ask("REPLAY", "$")[0], "EVENTS")

    def test_a_request_without_envelope_is_answered_with_an_error(self):
        self.start()
        socket = zmq.Context.instance().socket(zmq.DEALER)
        self.addCleanup(socket.close, 0)
        socket.connect(self.replay)
        for frames in ([b"REPLAY", b"0"], [b"x"] * 20 + [b"", b"REPLAY", b"0"]):
            socket.send_multipart(frames)
            self.assertTrue(socket.poll(120_000))
            self.assertEqual(socket.recv_multipart()[:3], [b"", b"ERROR", b"malformed"])
        socket.send_multipart([b"one", b"two", b"", b"REPLAY", b"$"])
        self.assertTrue(socket.poll(120_000))
        self.assertEqual(socket.recv_multipart()[:4], [b"one", b"two", b"", b"EVENTS"])

    def test_a_frame_that_is_too_long_closes_the_connection_and_harms_nobody(self):
        self.start()
        socket = zmq.Context.instance().socket(zmq.DEALER)
        self.addCleanup(socket.close, 0)
        socket.connect(self.replay)
        socket.send_multipart([b"", b"REPLAY", b"0" * (1 << 20)])
        self.assertEqual(self.asker().ask("REPLAY", "$")[0], "EVENTS")

    def test_while_redis_is_away_it_says_so_and_then_goes_on(self):
        daemon = self.start(conf=self.configure(redis_keys="timeout = 200ms"))
        self.store(range(5))
        self.wait_settled(5)
        asker = self.asker()
        self.redis.stop()
        self.assertEqual(asker.ask("REPLAY", "0")[:2], ["ERROR", "away"])
        self.redis.start()
        wait_until(lambda: asker.ask("REPLAY", "0")[0] == "EVENTS", "it answers again")
        self.assertEqual(asker.replay("0")[0], self.stored())
        self.assertEqual(daemon.end(), 0)

    def test_events_that_others_put_into_the_stream_are_published(self):
        """Another dsnd, a command or a script: whoever stores an event, each feed has it, in the order of the stream."""
        self.start()
        subscriber = self.subscribe()
        subscriber.wait_subscribed()
        for n in range(200):
            self.redis.client.xadd(PREFIX + "events", {"id": f"{n:032x}", "topic": "other.-.-.example.com", "event": "{}"})
            if n % 2:
                self.maildir.deliver(bounce(n))
        wait_until(lambda: len(subscriber.receive()) >= 300, "all on the feed")
        self.assertEqual([(topic, entry, event) for topic, _, _, entry, event in subscriber.events], self.stored())

    def test_two_feeds_of_one_redis_publish_the_same(self):
        other = self.folder / "other"
        (other / "bounces").mkdir(parents=True)
        for name in ("new", "cur", "tmp"):
            (other / "bounces" / name).mkdir()
        text = self.conf.read_text().replace(f"{self.folder}/feed", f"{other}/feed").replace(
            f"{self.folder}/replay", f"{other}/replay").replace(f"path = {self.maildir.path}", f"path = {other}/bounces")
        (other / "dsnd.conf").write_text(text)
        self.start()
        self.start(conf=other / "dsnd.conf")
        one = self.subscribe()
        self.endpoint = f"ipc://{other}/feed"
        two = self.subscribe()
        one.wait_subscribed()
        two.wait_subscribed()
        self.store(range(100))
        for subscriber in (one, two):
            wait_until(lambda: len(subscriber.receive()) >= 100, "all on the feed")
            self.assertEqual([(topic, entry, event) for topic, _, _, entry, event in subscriber.events], self.stored())
