#!/usr/bin/python3
"""The same messages, carried otherwise: with CR LF, with CR, as one mbox, attached to a mail that a person forwards, and as
gateways, scanners and mail programs leave them. What dsnd says of them has to be the same, and where the message is the same,
the ids too.

usage: variants.py DSND [--score SCORE --corpus CORPUS]

A message in one variant is a test. With --corpus, its messages are tried too, and each variant is scored, which has to give
what the messages as they are give. The last line is "N passed, N failed".
"""
import argparse
import base64
import collections
import html
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


def header_and_body(message):
    header, _, body = unix(message).partition(b"\n\n")
    return header + b"\n", body


def take_fields(header, pattern):
    """The header without the fields whose names match, and these."""
    field = re.compile(rb"(?im)^(?:%s):.*\n(?:[ \t].*\n)*" % pattern)
    return field.sub(b"", header), b"".join(found.group(0) for found in field.finditer(header))


def marked(message):
    header, body = header_and_body(message)
    return re.sub(rb"(?im)^(Subject:) *", rb"\1 [EXTERNAL] ***SPAM*** ", header, count=1) + b"\n" + body


def with_disclaimer(message):
    """A gateway puts the message into a part, and what a company has to say into another."""
    header, body = header_and_body(message)
    header, content = take_fields(header, rb"Content-[\w-]+|MIME-Version")
    return (header + b'MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary="=_disclaimer"\n\n--=_disclaimer\n' + content
            + b"\n" + body.rstrip(b"\n") + b"\n\n--=_disclaimer\nContent-Type: text/plain\n\n"
            b"This e-mail is confidential.\nIt was scanned for viruses.\n\n--=_disclaimer--\n")


def parts_as_files(message):
    """The machines' parts are files of no type, of which their first field alone tells."""
    pattern = (rb"(?im)^Content-Type: *message/(?:delivery-status|feedback-report)\b"
               rb"(?=[^\n]*\n(?:[^\n]+\n)*\n(?:Reporting-MTA|Original-Envelope-Id|Feedback-Type):)")
    return re.sub(pattern, b"Content-Type: application/octet-stream", unix(message))


def of_text(change, content_type=b"text/plain", encoding=b"8bit"):
    """A variant of messages that are a single text which is not encoded; others stay as they are."""
    def variant(message):
        header, body = header_and_body(message)
        other, content = take_fields(header, rb"Content-(Type|Transfer-Encoding)")
        charset = re.search(rb'(?i)charset *= *"?([\w-]+)', content)
        if re.search(rb"(?i)multipart|html|message/|base64|quoted-printable|iso-2022", content):
            return unix(message)
        return (other + b"Content-Type: %s; charset=%s\nContent-Transfer-Encoding: %s\n\n"
                % (content_type, charset.group(1) if charset else b"utf-8", encoding) + change(body))
    return variant


def typographic(body):
    """Apostrophes and spaces as word processors have them, in a text of ASCII."""
    if not body.isascii() or b"\x1b" in body:
        return body
    body = re.sub(rb"(?<=\w)'(?=\w)", "\N{RIGHT SINGLE QUOTATION MARK}".encode(), body)
    return re.sub(rb"(?<=\w) (?=\w+ \w)", "\N{NO-BREAK SPACE}".encode(), body)


def page(body):
    return (b"<html><head><title>x</title></head>\n<body><pre>"
            + html.escape(body.decode("latin-1"), False).encode("latin-1") + b"</pre></body></html>\n")


SCANNED = (b"\n\n-- \nThis message has been scanned for viruses and\ndangerous content by MailScanner, and is\n"
           b"believed to be clean.\n")

# How a message is written to a file of its own, and whether its ids stay.
VARIANTS = {
    "empty lines before": (lambda m: b"\n\r\n" + unix(m), True),
    "of an mbox": (lambda m: b">From MAILER-DAEMON Tue Nov 24 10:00:00 2026\n" + unix(m), True),
    "marked": (marked, False),
    "disclaimer": (with_disclaimer, False),
    "parts as files": (parts_as_files, False),
    "base64": (of_text(lambda body: base64.encodebytes(body.replace(b"\n", b"\r\n")), encoding=b"base64"), False),
    "page": (of_text(page, content_type=b"text/html"), False),
    "scanned": (of_text(lambda body: body.rstrip(b"\n") + SCANNED), False),
    "white space": (of_text(lambda body: body.replace(b"\n", b" \t\n")), False),
    "typographic": (of_text(typographic), False),
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
