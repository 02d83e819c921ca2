#!/usr/bin/python3
"""Runs the end-to-end tests: a real dsnd, real redis-servers, real subscribers. DSND=PATH chooses the program.

    tests/e2e/run.py [NAME...]      only tests whose name contains one of NAMEs"""

import pathlib
import sys
import unittest

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE))
sys.dont_write_bytecode = True


def flatten(suite):
    for test in suite:
        if isinstance(test, unittest.TestSuite):
            yield from flatten(test)
        else:
            yield test


def main(names):
    tests = [t for t in flatten(unittest.defaultTestLoader.discover(str(HERE)))
             if not names or any(name in t.id() for name in names)]
    result = unittest.TextTestRunner(verbosity=2).run(unittest.TestSuite(tests))
    failed = len({id(test) for test, _ in result.failures + result.errors})
    print(f"{result.testsRun - failed} passed, {failed} failed")
    return 1 if failed or not result.wasSuccessful() else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
