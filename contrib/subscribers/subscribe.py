#!/usr/bin/python3
"""Prints what comes by dsnd's live feed: a line for each event. Shows gaps. See dsnd-feed(7).

usage: subscribe.py [ENDPOINT [TOPIC...]]

ENDPOINT is the `bind` of [feed], tcp://127.0.0.1:5556 by default; TOPIC is the beginning of a topic, as in
bounce.hard. or complaint. (all where none is given). Debian: apt-get install python3-zmq
"""
import json
import signal
import struct
import sys

import zmq


def main():
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    endpoint = sys.argv[1] if len(sys.argv) > 1 else "tcp://127.0.0.1:5556"
    topics = [t.encode() for t in sys.argv[2:]] or [b""]
    socket = zmq.Context().socket(zmq.SUB)
    socket.setsockopt(zmq.RCVHWM, 100000)
    socket.setsockopt(zmq.SUBSCRIBE, b"heartbeat")
    for topic in topics:
        socket.setsockopt(zmq.SUBSCRIBE, topic)
    socket.connect(endpoint)
    everything = b"" in topics
    epoch = last = None
    while True:
        topic, numbers, entry, event = socket.recv_multipart()
        now_epoch, sequence = struct.unpack(">QQ", numbers)
        beat = topic == b"heartbeat"
        if last is None:
            print("connected", file=sys.stderr, flush=True)
        elif now_epoch != epoch:
            print("dsnd was started again", file=sys.stderr)
        elif everything and sequence > last + (not beat):
            print("%d events were missed: read the Redis stream from the last entry on" % (sequence - last - (not beat)),
                  file=sys.stderr)
        epoch, last = now_epoch, sequence
        if beat:
            continue
        e = json.loads(event)
        print(entry.decode(), topic.decode(), e["recipient"], e["action"], e["diagnostic"] or "", flush=True)


if __name__ == "__main__":
    main()
