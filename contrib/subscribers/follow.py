#!/usr/bin/python3
"""Prints every event of dsnd's feed, once and in order, whatever happens in between: see dsnd-feed(7), "How to miss nothing".

usage: follow.py FEED REPLAY [POSITION]      as in: follow.py tcp://127.0.0.1:5556 tcp://127.0.0.1:5557 0

Begins after POSITION; with what is new where none is given. Debian: apt-get install python3-zmq"""
import signal
import struct
import sys

import zmq


def number(entry):
    return tuple(map(int, entry.split(b"-")))


class Feed:
    def __init__(self, feed, replay, position=b"$"):
        self.position = position.split(b",")  # an entry for each shard
        self.feed, self.replay = zmq.Context.instance().socket(zmq.SUB), zmq.Context.instance().socket(zmq.REQ)
        self.feed.subscribe(b"")
        for option in zmq.RCVTIMEO, zmq.REQ_RELAXED, zmq.REQ_CORRELATE:  # asks again where no answer comes
            self.replay.setsockopt(option, 5000 if option == zmq.RCVTIMEO else 1)
        self.feed.connect(feed)
        self.replay.connect(replay)

    def ask(self, *request):
        while True:
            try:
                self.replay.send_multipart(request)
                answer = self.replay.recv_multipart()
            except zmq.Again:
                continue
            if answer[:2] != [b"ERROR", b"away"]:
                return answer

    def is_new(self, entry):
        """Whether it comes after the position, which it then is."""
        shard, _, entry = entry.rpartition(b"/")
        new = self.position == [b"$"] or number(entry) > number(self.position[int(shard or 0)])
        if new:
            self.position[int(shard or 0)] = entry
        return new

    def missed(self):
        frames = [b""]
        while frames:
            what, position, trimmed, *frames = self.ask(b"REPLAY", b",".join(self.position))
            if what != b"EVENTS" or trimmed:
                raise SystemExit(f"events are missing: {(trimmed or position).decode()}")
            self.position = self.position * (len(position.split(b",")) // len(self.position))
            yield from (event for entry, event in zip(frames[1::3], frames[2::3]) if self.is_new(entry))
            self.position = position.split(b",")

    def events(self):
        """Each event, in JSON. What is after self.position comes next time."""
        yield from self.missed()
        last = None
        while True:
            topic, numbers, entry, event = self.feed.recv_multipart()
            epoch, sequence = struct.unpack(">QQ", numbers)
            beat = topic == b"heartbeat"
            whole, last = last == (epoch, sequence - (not beat)), (epoch, sequence)
            if not whole:
                yield from self.missed()
            elif not beat and self.is_new(entry):
                yield event


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    for event in Feed(sys.argv[1], sys.argv[2], *map(str.encode, sys.argv[3:])).events():
        print(event.decode(), flush=True)
