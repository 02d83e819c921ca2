#!/usr/bin/python3
"""How many lines of each room of daemon/ were run, by the counts in a folder that was built with -Db_coverage=true:

    sh tests/run plain                  builds it, and runs all tests
    tests/coverage.py BUILD [ROOM...]   tells; of each ROOM also its files, with the lines that were not run

What reads, judges and decides has a floor; below it, or where nothing was counted, the exit status is 1."""

import collections
import json
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
FLOORS = {"mail": 90, "verdict": 90, "policy": 90}  # per cent


def read(build):
    """gcovr's files, by room."""
    done = subprocess.run(["gcovr", "--root", ROOT, "--filter", "daemon/", "--json", "-", build], stdout=subprocess.PIPE)
    if done.returncode:
        sys.exit("coverage: gcovr is needed, and a folder that was built with -Db_coverage=true")
    rooms = collections.defaultdict(dict)
    for file in json.loads(done.stdout)["files"]:
        _, room, *name = pathlib.PurePath(file["file"]).parts
        if name:  # main.c is in no room
            rooms[room]["/".join(name)] = {line["line_number"]: line["count"] > 0 for line in file["lines"]
                                           if not line["gcovr/noncode"]}
    return rooms


def share(lines):
    """Per cent."""
    lines = list(lines)
    return 100 * sum(lines) / max(len(lines), 1)


def main(build, *shown):
    rooms, below = read(build), 0
    for room in sorted(rooms):
        lines = [was_run for file in rooms[room].values() for was_run in file.values()]
        floor = FLOORS.get(room, 0)
        below += share(lines) < floor
        print(f"{room:10} {sum(lines):6} of {len(lines):6} lines {share(lines):6.1f} %"
              + (f"  (at least {floor})" if floor else "") + ("  FAILED" if share(lines) < floor else ""))
        for name, file in rooms[room].items() if room in shown else ():
            missing = [str(number) for number, was_run in file.items() if not was_run]
            print(f"    {name:20} {share(file.values()):5.1f} %  {' '.join(missing)}")
    missing = FLOORS.keys() - rooms.keys()
    if missing:
        sys.exit(f"coverage: nothing is known of {', '.join(sorted(missing))}")
    return 1 if below else 0


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    sys.exit(main(*sys.argv[1:]))
