#!/usr/bin/python3
"""The same messages, carried otherwise: with CR LF, with CR, as one mbox, and attached to a mail that a person forwards.
What dsnd says of them has to be the same, and but for the forward the ids too.

usage: variants.py DSND [--score SCORE --corpus CORPUS]

A message in one variant is a test. With --corpus, its messages are tried too, and each variant is scored, which has to give
what the messages as they are give. The last line is "N passed, N failed".
"""
import argparse
import collections
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

SAMPLES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "samples")
CARRIED = {"source", "observed_at"}
# What is no report is none forwarded, too; that is all that is said of it.
OF_NONE = ("kind", "action", "recipient")

FORWARD = b"""From: Ines Araujo <ines@shop.example>\r
To: bounces@shop.example\r
Subject: Fwd: have a look at this\r
Date: Tue, 24 Nov 2026 10:00:00 +0000\r
Message-ID: <fwd.1@shop.example>\r
MIME-Version: 1.0\r
Content-Type: multipart/mixed; boundary="=_forwarded_by_a_person"\r
\r
--=_forwarded_by_a_person\r
Content-Type: text/plain; charset=utf-8\r
\r
This came in today.\r
\r
--=_forwarded_by_a_person\r
Content-Type: message/rfc822\r
Content-Disposition: attachment\r
\r
%s\r
--=_forwarded_by_a_person--\r
"""


def unix(message):
    """With LF, and without an mbox line."""
    message = message.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return message.split(b"\n", 1)[1] if message.startswith(b"From ") else message


def forwarded(message):
    return FORWARD.replace(b"\r\n", b"\n") % unix(message)


# How a message is written to a file of its own, and whether its ids stay.
VARIANTS = {
    "cr lf": (lambda m: unix(m).replace(b"\n", b"\r\n"), True),
    "cr": (lambda m: unix(m).replace(b"\n", b"\r"), True),
    "forward": (forwarded, False),
}


def as_mbox(messages):
    """mboxrd: a line that begins with "From " is quoted."""
    parts = []
    for message in messages:
        text = unix(message)
        text += b"" if text.endswith(b"\n") else b"\n"
        parts.append(b"From MAILER-DAEMON Tue Nov 24 10:00:00 2026\n" + re.sub(rb"(?m)^(>*From )", rb">\1", text) + b"\n")
    return b"".join(parts)


def parse(dsnd, path):
    done = subprocess.run([dsnd, "parse", path], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=600)
    return [json.loads(line) for line in done.stdout.splitlines()]


def by_message(events, names):
    """The events of each message; those of an mbox go by number."""
    said = collections.defaultdict(list)
    for event in events:
        number = event["source"].get("number")
        said[names[number - 1] if number else os.path.basename(event["source"]["name"])].append(event)
    return said


def differences(event, other, ids):
    fields = OF_NONE if event["kind"] == "none" and not ids else event.keys() - CARRIED - (set() if ids else {"id"})
    return ["%s is %r, not %r" % (k, other.get(k), event[k]) for k in sorted(fields) if other.get(k) != event[k]]


class Results:
    passed = failed = 0

    def compare(self, variant, plain, carried, ids):
        for name in sorted(plain):
            wrong = [d for a, b in zip(plain[name], carried[name]) for d in differences(a, b, ids)]
            if len(plain[name]) != len(carried[name]):
                wrong.append("%d events, not %d" % (len(carried[name]), len(plain[name])))
            self.check("%s: %s" % (variant, name), wrong)

    def check(self, name, wrong):
        self.passed += not wrong
        self.failed += bool(wrong)
        if wrong:
            print("FAILED %s: %s" % (name, "; ".join(wrong)))


def write(folder, files):
    os.makedirs(folder)
    for name, content in files.items():
        with open(os.path.join(folder, name), "wb") as out:
            out.write(content)
    return folder


def score(arguments, messages):
    """The score of `messages`, a folder, as a line for each field."""
    folder = os.path.dirname(messages)
    shutil.copy(os.path.join(arguments.corpus, "expected.tsv"), folder)
    done = subprocess.run([sys.executable, arguments.score, "--dsnd", arguments.dsnd, "--corpus", folder, "--json"],
                          stdout=subprocess.PIPE, timeout=600, check=True)
    return json.loads(done.stdout)


def try_all(results, arguments, messages, scored):
    """Tries every variant of `messages` (content by name)."""
    with tempfile.TemporaryDirectory() as temporary:
        names = sorted(messages)
        path = write(os.path.join(temporary, "plain", "messages"), {n: unix(m) for n, m in messages.items()})
        plain = by_message(parse(arguments.dsnd, path), names)
        reached = score(arguments, path) if scored else None
        for variant, (make, ids) in VARIANTS.items():
            path = write(os.path.join(temporary, variant, "messages"), {n: make(m) for n, m in messages.items()})
            results.compare(variant, plain, by_message(parse(arguments.dsnd, path), names), ids)
            if scored:
                got = score(arguments, path)
                results.check("%s: score" % variant, [] if got == reached else ["%s, not %s" % (got, reached)])
        path = os.path.join(write(os.path.join(temporary, "mbox"), {"mbox": as_mbox(messages[n] for n in names)}), "mbox")
        results.compare("mbox", plain, by_message(parse(arguments.dsnd, path), names), True)


def read(folder, prefix=""):
    messages = {}
    for name in os.listdir(folder):
        if name.endswith(".eml"):
            with open(os.path.join(folder, name), "rb") as f:
                messages[prefix + name] = f.read()
    return messages


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("dsnd")
    parser.add_argument("--score")
    parser.add_argument("--corpus")
    arguments = parser.parse_args()
    results = Results()
    if arguments.corpus:
        try_all(results, arguments, read(os.path.join(arguments.corpus, "messages")), True)
    else:
        try_all(results, arguments, {**read(SAMPLES), **read(os.path.join(SAMPLES, "formats"), "format-")}, False)
    print("%d passed, %d failed" % (results.passed, results.failed))
    return 1 if results.failed else 0


sys.exit(main())
