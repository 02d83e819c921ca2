#!/usr/bin/python3
"""Runs `dsnd parse` on the sample messages and compares with samples/expected.tsv: a row of it is a test.

usage: samples.py DSND

The rows of a message stand in the order in which its events come. The last line is "N passed, N failed".
"""
import collections
import csv
import json
import os
import subprocess
import sys

SAMPLES = os.path.join(os.path.dirname(os.path.abspath(__file__)), "samples")
MANUAL = os.path.join(SAMPLES, "..", "..", "contrib", "man", "dsnd-events.7")


class Results:
    passed = failed = 0

    def check(self, name, good, detail=""):
        if good:
            self.passed += 1
        else:
            self.failed += 1
            print("FAILED %s: %s" % (name, detail))


def parse(dsnd, paths):
    done = subprocess.run([dsnd, "parse", *paths], stdout=subprocess.PIPE, timeout=600)
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


def text(value):
    return "" if value is None else str(value)


def compare(results, rows, events):
    found = collections.defaultdict(list)
    for event in events:
        found[os.path.basename(event["source"]["name"])].append(event)
    expected = collections.defaultdict(list)
    for row in rows:
        expected[row["file"]].append(row)
    for name in sorted(set(expected) | set(found)):
        results.check(name, len(expected[name]) == len(found[name]),
                      "%d events, expected %d" % (len(found[name]), len(expected[name])))
        for row, event in zip(expected[name], found[name]):
            wrong = ["%s is %r, expected %r" % (k, text(event[k]), v)
                     for k, v in row.items() if k != "file" and text(event[k]) != v]
            results.check("%s %s" % (name, row["recipient"]), not wrong, "; ".join(wrong))


def documented(results, events):
    """dsnd-events(7) has every field of an event."""
    with open(MANUAL, encoding="utf-8") as f:
        manual = f.read()
    for field in events[0]:
        results.check("manual of " + field, ".It Cm %s" % field in manual, "not in dsnd-events(7)")


def main():
    if len(sys.argv) != 2:
        sys.exit("usage: samples.py DSND")
    results = Results()
    names = sorted(n for n in os.listdir(SAMPLES) if n.endswith(".eml"))
    # All in one go: a start takes seconds where sanitizers are in.
    status, events = parse(sys.argv[1], [os.path.join(SAMPLES, n) for n in names])
    results.check("exit status", status == 0, status)
    with open(os.path.join(SAMPLES, "expected.tsv"), newline="", encoding="utf-8") as f:
        compare(results, list(csv.DictReader(f, delimiter="\t", quoting=csv.QUOTE_NONE)), events)
    ids = [e["id"] for e in events]
    results.check("ids", len(ids) == len(set(ids)), "an id stands for two events")
    documented(results, events)
    print("%d passed, %d failed" % (results.passed, results.failed))
    return 1 if results.failed else 0


sys.exit(main())
