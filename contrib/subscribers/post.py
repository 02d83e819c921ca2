#!/usr/bin/python3
"""Tells a program by HTTP whom it is to mail no more: each address that dsnd suppresses is POSTed as JSON, in the words of
listmonk's /webhooks/bounce. Again and again until the answer is 2xx, so that nothing is lost: a consumer group of the Redis
stream knows what was handed over. Ends where Redis goes away: have it started again, and it goes on where it was.

usage: post.py REDIS URL [FILE]       FILE: user:password, on a line

as in: post.py redis://127.0.0.1:6379 http://127.0.0.1:9000/webhooks/bounce /etc/dsnd/listmonk

Begins with what the stream has. Debian: apt-get install python3-redis"""
import base64
import http.client
import json
import pathlib
import signal
import sys
import time
import urllib.request

import redis

STREAM, GROUP, NAME = "{dsn}:events", "post", "post"


class NoRedirect(urllib.request.HTTPRedirectHandler):
    """Following one would make a GET of a POST, and take its answer for ours."""

    def redirect_request(self, *_):
        return None


OPENER = urllib.request.build_opener(NoRedirect)


def entries(client):
    """Each entry of the stream; first those that the process before this one had not done with."""
    try:
        client.xgroup_create(STREAM, GROUP, id="0", mkstream=True)
    except redis.ResponseError as error:
        if "BUSYGROUP" not in str(error):
            raise
    begin = "0"
    while True:
        for _, found in client.xreadgroup(GROUP, NAME, {STREAM: begin}, count=100, block=60000):
            begin = begin if found else ">"
            yield from found


def post(url, headers, body):
    """Returns when it is taken, or never will be."""
    pause_s = 1
    while True:
        try:
            return OPENER.open(urllib.request.Request(url, body, headers), timeout=60).close()
        except (OSError, http.client.HTTPException) as error:
            print(f"{url}: {error}: {body.decode()}", file=sys.stderr, flush=True)
            if getattr(error, "code", None) == 400:  # not an address, in its eyes
                return None
        time.sleep(pause_s)
        pause_s = min(2 * pause_s, 60)


def is_dead(event):
    """Whether it suppresses an address for all lists: by one bounce, by one too many, or by an operator."""
    return any(decision["state"] == "suppressed" != decision["before"] and decision["scope"] is None
               for decision in event.get("decisions", ()))


def told(event):
    meta = {name: event.get(name) for name in ("id", "reason", "status", "diagnostic", "rule", "note")}
    said = {"email": event["recipient"], "type": "complaint" if event["kind"] == "complaint" else "hard",
            "source": "dsnd", "meta": json.dumps(meta)}
    campaign = event.get("message", {}).get("headers", {}).get("X-Listmonk-Campaign")
    return {**said, "campaign_uuid": campaign} if campaign else said


def main(server, url, credentials=None):
    headers = {"Content-Type": "application/json"}
    if credentials:
        secret = pathlib.Path(credentials).read_text().strip()
        headers["Authorization"] = "Basic " + base64.b64encode(secret.encode()).decode()
    client = redis.Redis.from_url(server, decode_responses=True)
    for entry, fields in entries(client):
        if not fields:
            print(f"{entry} is lost: the stream was cut before it was taken", file=sys.stderr, flush=True)
        event = json.loads(fields.get("event", "{}"))
        if is_dead(event):
            post(url, headers, json.dumps(told(event)).encode())
        client.xack(STREAM, GROUP, entry)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    main(*sys.argv[1:])
