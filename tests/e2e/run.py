#!/usr/bin/python3
"""Runs the end-to-end tests: a real dsnd, real redis-servers, real subscribers. DSND=PATH chooses the program.

    tests/e2e/run.py [NAME...]      only tests whose name contains one of NAMEs

What fails is run once more when all others are done: a machine that was too busy is told from a program that is wrong.
What passes then is named as unsteady, with how it failed: it is to be mended, not to be lived with. What a sanitizer reports
is wrong at once."""

import pathlib
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.dont_write_bytecode = True

from harness import REPORT  # noqa: E402


def flatten(suite):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from flatten(test)
        else:
            yield test


class Result(unittest.TextTestResult):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.succeeded = set()

    def addSuccess(self, test):
        super().addSuccess(test)
        self.succeeded.add(test.id())

    def failed(self):
        """What failed, by the test's name (not its subtests'): how."""
        return {test.id().split(" ")[0]: how for test, how in self.failures + self.errors}


def run(tests):
    return unittest.TextTestRunner(verbosity=2, resultclass=Result).run(unittest.TestSuite(tests))


def main(names):
    tests = [t for t in flatten(unittest.defaultTestLoader.discover(str(HERE)))
             if not names or any(name in t.id() for name in names)]
    first = run(tests)
    failed = first.failed()
    if failed:
        again = run(test for test in tests if test.id() in failed and not REPORT.search(failed[test.id()]))
        for name in sorted(failed.keys() & again.succeeded):
            print(f"UNSTEADY: {name} failed at first:\n{failed.pop(name)}")
    print(f"{first.testsRun - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
