#!/usr/bin/python3
"""Prints who bounced, why, and what to do: recipient, reason and action of each recipient of message files, with tabs between
them; "-" where there is none. An example of contrib/python/dsn.py.

usage: bounces.py FILE...

The module is found by PYTHONPATH, and a library that is not installed by LD_LIBRARY_PATH, as in
    LD_LIBRARY_PATH=build/daemon PYTHONPATH=contrib/python contrib/examples/bounces.py bounce.eml"""
import sys

import dsn


def main(paths):
    reader, status = dsn.Reader(), 0
    for path in paths:
        try:
            with open(path, "rb") as file:
                events = reader.read(file.read(), path)
        except (OSError, dsn.Error) as error:
            print(f"bounces.py: {path}: {getattr(error, 'strerror', error)}", file=sys.stderr)
            status = 1
            continue
        for event in events:
            print(*(event[key] or "-" for key in ("recipient", "reason", "action")), sep="\t")
    return status


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]) if sys.argv[1:] else __doc__)
