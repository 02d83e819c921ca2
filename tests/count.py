#!/usr/bin/python3
"""Counts the test cases in a meson test log: those of Check and of our scripts one by one, any other test as one.

usage: count.py BUILD/meson-logs/testlog.json
"""
import json
import re
import sys

CHECK = re.compile(r"^\d+%: Checks: (\d+), Failures: (\d+), Errors: (\d+)$", re.M)
SCRIPT = re.compile(r"^(\d+) passed, (\d+) failed$", re.M)


def count(test):
    """(passed, failed) of one program that meson ran."""
    good = test["result"] in ("OK", "EXPECTEDFAIL", "SKIP")
    text = (test.get("stdout") or "") + "\n" + (test.get("stderr") or "")
    checks = [tuple(map(int, m)) for m in CHECK.findall(text)]
    scripts = [tuple(map(int, m)) for m in SCRIPT.findall(text)]
    failed = sum(f + e for _, f, e in checks) + sum(f for _, f in scripts)
    passed = sum(n - f - e for n, f, e in checks) + sum(p for p, _ in scripts)
    if not checks and not scripts:
        return (1, 0) if good else (0, 1)
    return (passed, failed) if good else (passed, max(failed, 1))


def main():
    passed = failed = 0
    try:
        with open(sys.argv[1], encoding="utf-8") as log:
            for line in log:
                test = json.loads(line)
                p, f = count(test)
                print("%-40s %4d passed, %d failed" % (test["name"], p, f))
                passed, failed = passed + p, failed + f
    except OSError as why:
        print("no unit tests ran: %s" % why)
        failed += 1
    print("%d passed, %d failed" % (passed, failed))
    return 1 if failed else 0


sys.exit(main())
