"""How the cost grows with the work: /usr/bin/python3 tests/bench/growth.py [BUILD] [--messages N...]

Maildirs of more and more messages, reports of more and more recipients, larger and larger messages: time and memory of each.
What is linear has the same figure in every line. Keeps nothing. A million messages need 10 GB in /dev/shm, or a --folder."""

import argparse
import pathlib
import shutil
import subprocess
import tempfile
import time

from speed import ROOT, Bench, fill, machine, one_cpu, run

REPORT = b"""From: MAILER-DAEMON@mx.example
To: bounces@list.example
Subject: Undelivered
MIME-Version: 1.0
Content-Type: multipart/report; report-type=delivery-status; boundary="b1"

--b1

%s
--b1
Content-Type: message/delivery-status

Reporting-MTA: dns; mx.example
%s
--b1--
"""

RECIPIENT = b"""
Final-Recipient: rfc822; user%d@post.example
Action: failed
Status: 5.1.1
Diagnostic-Code: smtp; 550 5.1.1 <user%d@post.example>: no such user
"""


def row(what, n, measured):
    print(f"{what:34} {n:9} {measured.wall / n * 1e6:9.1f} {measured.cpu / n * 1e6:8.1f} {measured.peak_kb / 1024:8.1f}",
          flush=True)


def of_messages(build, folder, sizes, redis):
    for n in sizes:
        with tempfile.TemporaryDirectory(dir=folder) as name:
            bench = Bench(build, pathlib.Path(name), n)
            fill(bench.maildir, n)
            row("dsnd parse, messages", n, bench.parse(None))
            if n <= redis:
                row("dsnd run with Redis, messages", n, bench.daemon())


def parse(build, folder, text, recipients):
    """`text` and `recipients` give what goes into the report, in pieces: what this process holds at its fork is counted in
    the other's peak."""
    path = folder / "message.eml"
    before, between, after = REPORT.split(b"%s")
    with open(path, "wb") as file:
        file.write(before)
        file.writelines(text)
        file.write(between)
        file.writelines(recipients)
        file.write(after)
    return run([build / "daemon" / "dsnd", "parse", path], one_cpu(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)[0]


def of_one(build, folder):
    for n in (10, 100, 1000, 10000):
        row("dsnd parse, recipients of a report", n,
            parse(build, folder, [b"Sorry.\n"], (RECIPIENT % (i, i) for i in range(n))))
    for mib in (1, 5, 50):
        line = b"This line says nothing at all about anybody's mailbox.\n"
        row("dsnd parse, MiB of text", mib,
            parse(build, folder, (line for _ in range(mib * 1024 * 1024 // len(line))), [RECIPIENT % (1, 1)]))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", nargs="?", type=pathlib.Path, default=ROOT / "build")
    parser.add_argument("--messages", type=int, nargs="+", default=[1000, 10000, 100000])
    parser.add_argument("--redis", type=int, default=100000, help="dsnd run, too, up to so many messages")
    parser.add_argument("--folder", default="/dev/shm")
    options = parser.parse_args()
    folder = pathlib.Path(tempfile.mkdtemp(prefix="dsnd-bench-", dir=options.folder))
    try:
        print(f"{machine()}, {time.strftime('%Y-%m-%d')}\n\n{'':34} {'of them':>9} {'us wall':>9} {'us CPU':>8} {'peak MiB':>8}")
        of_one(options.build.resolve(), folder)
        of_messages(options.build.resolve(), folder, options.messages, options.redis)
    finally:
        shutil.rmtree(folder)


main()
