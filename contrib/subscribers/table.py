#!/usr/bin/python3
"""Prints events as a table. Reads JSON objects, a line each; lines of any other sort are skipped, so that the output of
`redis-cli XRANGE {dsn}:events - +` will do as well as that of `dsnd parse`."""
import json
import sys

ROW = "%-30.30s  %-10s %-4s  %-17s %-8s  %-7s  %s"


def main():
    print((ROW % ("recipient", "kind", "type", "reason", "action", "status", "diagnostic")).rstrip())
    for line in sys.stdin:
        if not line.startswith("{"):
            continue
        e = json.loads(line)
        row = ROW % (e["recipient"], e["kind"], e["type"] or "-", e["reason"], e["action"], e["status"] or "-",
                     (e["diagnostic"] or "")[:60])
        print(row.rstrip())


if __name__ == "__main__":
    main()
