#!/usr/bin/python3
"""Keeps a suppression table in SQLite in step with dsnd. The position in the stream is kept in the same transaction as what
an event brings about: killed at any instant, it goes on where it was, and nothing is done twice or left out.

usage: sqlite.py DATABASE FEED REPLAY     as in: sqlite.py suppressed.db tcp://127.0.0.1:5556 tcp://127.0.0.1:5557

A new table begins with the suppression list that dsnd has. PostgreSQL takes the same statements."""
import json
import signal
import sqlite3
import sys

from follow import Feed

TABLES = """
CREATE TABLE IF NOT EXISTS suppressed (address TEXT PRIMARY KEY, reason TEXT, event TEXT);
CREATE TABLE IF NOT EXISTS progress (one INTEGER PRIMARY KEY CHECK (one = 1), position TEXT, events INTEGER);
"""
SUPPRESS = """INSERT INTO suppressed VALUES (?, ?, ?)
    ON CONFLICT (address) DO UPDATE SET reason = excluded.reason, event = excluded.event"""
PROGRESS = """INSERT INTO progress VALUES (1, ?, ?)
    ON CONFLICT (one) DO UPDATE SET position = excluded.position, events = progress.events + excluded.events"""


def take_snapshot(db, feed):
    """The list as it is, and the position from which on events tell what changes."""
    cursor, position = b"", None
    with db:
        while cursor or position is None:
            what, cursor, at, lines = feed.ask(b"SNAPSHOT", cursor)
            if what != b"SUPPRESSED":
                raise SystemExit(at.decode())
            position = position or at
            for line in lines.decode().splitlines():
                db.execute(SUPPRESS, (line.split(" ", 1)[1], None, None))
        db.execute(PROGRESS, (position.decode(), 0))


def take(db, feed, event):
    address = (event["recipient"] or "").lower()
    with db:
        if event["kind"] == "retraction":
            db.execute("DELETE FROM suppressed WHERE address = ?", (address,))
        elif event["action"] == "suppress":
            db.execute(SUPPRESS, (address, event["reason"], event["id"]))
        db.execute(PROGRESS, (b",".join(feed.position).decode(), 1))


def main(database, *endpoints):
    db = sqlite3.connect(database)
    db.executescript(TABLES)
    feed = Feed(*endpoints)
    if not db.execute("SELECT 1 FROM progress").fetchone():
        take_snapshot(db, feed)
    feed.position = db.execute("SELECT position FROM progress").fetchone()[0].encode().split(b",")
    for event in feed.events():
        take(db, feed, json.loads(event))


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    main(*sys.argv[1:])
