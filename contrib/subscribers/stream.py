#!/usr/bin/python3
"""Prints every event of the Redis stream, without ZeroMQ: where Redis can be reached, this is all that is needed.

usage: stream.py URL [STREAM-ID]     as in: stream.py redis://127.0.0.1:6379 0

Begins after STREAM-ID; with what is new where none is given. Debian: apt-get install python3-redis"""
import signal
import sys

import redis

if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    client, entry = redis.Redis.from_url(sys.argv[1], decode_responses=True), (sys.argv[2:] or ["$"])[0]
    while True:
        for _, entries in client.xread({"{dsn}:events": entry}, count=500, block=60000):
            for entry, fields in entries:
                print(fields["event"], flush=True)
