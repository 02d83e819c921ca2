"""The NDJSON file: whatever happens, it has each event of the stream once. And events in the envelope of CloudEvents."""

import json
import os
import signal

from harness import PREFIX, Case, bounce, wait_until
from test_tail import Tail


class Files(Case):
    def setUp(self):
        super().setUp()
        self.path = self.folder / "events.ndjson"
        self.conf = self.configure(f"[ndjson]\npath = {self.path}\n")

    def deliver(self, numbers):
        for n in numbers:
            self.maildir.deliver(bounce(n))

    def events(self):
        return [fields["event"] for _, fields in self.stream()]

    def lines(self, *paths):
        return "".join(p.read_text() for p in paths or (self.path,) if p.exists()).splitlines()

    def test_it_has_the_stream_and_what_was_there_before(self):
        self.deliver(range(50))
        self.once()
        self.assertEqual(self.lines(), self.events())
        self.redis.client.xadd(PREFIX + "events", {"id": "0" * 32, "topic": "other.-.-.-", "event": "{}"})
        self.start()
        self.deliver(range(50, 700))
        wait_until(lambda: len(self.lines()) == 701, "all")
        self.assertEqual(self.lines(), self.events())
        self.assertEqual(os.stat(self.path).st_mode & 0o777, 0o640)

    def test_killed_at_any_instant_it_has_each_event_once(self):
        for begin in range(0, 600, 100):
            daemon = self.start()
            self.deliver(range(begin, begin + 100))
            wait_until(lambda: len(self.lines()) > begin + 10, "some are written")
            daemon.end(signal.SIGKILL)
        self.once()
        self.assert_counted_once(600)
        self.assertEqual(self.lines(), self.events())

    def test_what_a_crash_left_half_written_is_written_again(self):
        self.deliver(range(30))
        self.once()
        with open(self.path, "a") as out:
            out.write(self.events()[0] + "\n" + '{"v":1,"id":"cut in t')
        self.deliver(range(30, 40))
        self.once()
        self.assertEqual(len(self.events()), 40)
        self.assertEqual(self.lines(), self.events())

    def test_a_position_that_cannot_be_read_is_told_and_nothing_is_written_again(self):
        self.deliver(range(3))
        self.once()
        position = self.folder / "events.ndjson.position"
        position.unlink()
        position.mkdir()
        daemon = self.start("--once", wait=False)
        self.assertEqual(daemon.wait(), 1)
        self.assertIn(str(position), daemon.log())
        self.assertEqual(self.lines(), self.events())

    def test_it_is_rotated(self):
        daemon = self.start()
        rotated = []
        for begin in range(0, 300, 100):
            self.deliver(range(begin, begin + 100))
            wait_until(lambda: len(self.lines(*rotated, self.path)) == begin + 100, "all")
            rotated.append(self.folder / f"events.ndjson.{begin}")
            os.rename(self.path, rotated[-1])
            daemon.process.send_signal(signal.SIGHUP)
            wait_until(self.path.exists, "a new file")
        self.assertEqual(daemon.end(), 0)
        self.deliver(range(300, 310))
        self.once()
        self.assertEqual(len(self.lines()), 10)
        self.assertEqual(self.lines(*rotated, self.path), self.events())

    def test_a_second_process_is_refused(self):
        self.start()
        other = self.folder / "other"
        for name in ("new", "cur", "tmp"):
            (other / name).mkdir(parents=True)
        conf = self.folder / "other.conf"
        conf.write_text(f"[redis]\nserver = unix:{self.redis.path}\n[source o]\npath = {other}\n[ndjson]\npath = {self.path}\n")
        second = self.start(conf=conf, wait=False)
        self.assertEqual(second.wait(), 1)
        self.assertIn("another dsnd writes to it", second.log())

    def test_a_disk_that_is_full_keeps_nobody_waiting(self):
        os.symlink("/dev/full", self.path)
        self.deliver(range(20))
        daemon = self.start()
        self.wait_settled(20)
        self.assertIn("No space left", daemon.wait_event("ndjson-failed")[0])
        self.assertEqual(daemon.end(), 0)
        self.assertEqual(len(self.events()), 20)


class CloudEvents(Case):
    def test_the_feed_the_replay_and_the_file_have_envelopes(self):
        path = self.folder / "events.ndjson"
        self.conf = self.configure(f"[ndjson]\npath = {path}\nformat = cloudevents\n", feed_keys="format = cloudevents")
        self.start()
        subscriber = self.subscribe()
        subscriber.wait_subscribed()
        for n in range(20):
            self.maildir.deliver(bounce(n))
        wait_until(lambda: len(subscriber.receive()) == 20, "all")
        wait_until(lambda: path.exists() and len(path.read_text().splitlines()) == 20, "all in the file")
        live = [event[4] for event in subscriber.events]
        self.assertEqual([event for _, _, event in self.asker().replay("0")[0]], live)
        self.assertEqual(path.read_text().splitlines(), live)
        for text, (_, fields) in zip(live, self.stream()):
            envelope, event = json.loads(text), json.loads(fields["event"])
            self.assertEqual(envelope, {
                "specversion": "1.0", "id": event["id"], "source": "/dsnd/dsn", "type": "dsnd.bounce",
                "subject": event["recipient"], "time": event["observed_at"], "datacontenttype": "application/json",
                "data": event})
        table = Tail("--feed", self.endpoint, "--replay", self.replay, "--from", "0", "--count", "1", "--format", "table")
        self.addCleanup(table.process.kill)
        self.assertEqual(table.wait(), 0)
        self.assertEqual(table.lines[1].split()[6], json.loads(live[0])["subject"])
