#!/usr/bin/python3
"""Runs the end-to-end tests: a real dsnd, real redis-servers, real subscribers. DSND=PATH chooses the program.

    tests/e2e/run.py [--jobs N] [NAME...]      only tests whose name contains one of NAMEs

N classes of tests run side by side, by default two a core: most of their time goes into waiting. What a class says is shown
when all of it is done. What fails is run once more, alone, at the end: a machine that was too busy is told from a program
that is wrong. What passes then is named as unsteady, with how it failed: it is to be mended, not to be lived with. What a
sanitizer reports is wrong at once."""

import argparse
import io
import multiprocessing
import os
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


def discover(names):
    """Tests by their class, those with many first: the last one to be started is not to be the longest."""
    classes = {}
    for test in flatten(unittest.defaultTestLoader.discover(str(HERE))):
        if not names or any(name in test.id() for name in names):
            classes.setdefault(type(test), []).append(test)
    return sorted(classes.values(), key=len, reverse=True)


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
    """How many tests were run, what failed, which succeeded, and what was said."""
    said = io.StringIO()
    result = unittest.TextTestRunner(said, verbosity=2, resultclass=Result).run(unittest.TestSuite(tests))
    return result.testsRun, result.failed(), result.succeeded, said.getvalue()


def run_all(classes, jobs):
    """Each class in a process of its own."""
    n, failed, succeeded = 0, {}, set()
    with multiprocessing.get_context("fork").Pool(jobs, maxtasksperchild=1) as pool:
        for n_here, failed_here, succeeded_here, said in pool.imap_unordered(run, classes):
            print(said, end="", flush=True)
            n += n_here
            failed |= failed_here
            succeeded |= succeeded_here
    return n, failed, succeeded


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--jobs", type=int, default=2 * os.cpu_count(), help="classes at a time (two a core)")
    parser.add_argument("names", nargs="*", metavar="NAME")
    args = parser.parse_args()
    n, failed, _ = run_all(discover(args.names), args.jobs)
    again = [name for name in failed if not REPORT.search(failed[name])]
    if again:
        _, _, succeeded = run_all(discover(again), 1)
        for name in sorted(failed.keys() & succeeded):
            print(f"UNSTEADY: {name} failed at first:\n{failed.pop(name)}")
    print(f"{n - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
