"""What dsnd costs and finds beside other programs that read bounces: /usr/bin/python3 tests/bench/rivals.py [BUILD]

Takes those that Debian has packages of, installing what is missing, as libraries in the language that each is for; all read the
same files, one after the other, on one core, and print whom they take for bounced. Where ../shared/corpus lies beside the
checkout, that is compared with its answers. Keeps nothing."""

import argparse
import collections
import csv
import pathlib
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True
from speed import CORPUS, ROOT, fill, machine, one_cpu, run  # noqa: E402

# Each prints "FILE ADDRESS..." for everybody that bounced, of the files in a folder.
DSND = """
import json, subprocess, sys
for line in subprocess.run([sys.argv[1], "parse", sys.argv[2]], stdout=subprocess.PIPE, check=True).stdout.splitlines():
    event = json.loads(line)
    if event["kind"] == "bounce":
        print(event["source"]["name"], event["final_recipient"] or event["recipient"], event["recipient"])
"""
SISIMAI = """
for my $file (sort glob "$ARGV[0]/*") {
    for my $bounce (@{Sisimai->make($file) || []}) {
        print "$file ", $bounce->recipient->address, "\\n";
    }
}
"""
BOUNCEPARSER = """
for my $file (sort glob "$ARGV[0]/*") {
    open my $message, '<', $file or die;
    my $bounce = eval { Mail::DeliveryStatus::BounceParser->new($message) } or next;
    print "$file $_\\n" for $bounce->addresses;
}
"""
FLUFL = """
import email, pathlib, sys
from flufl.bounce import all_failures
for path in sorted(pathlib.Path(sys.argv[1]).iterdir()):
    for address in set().union(*all_failures(email.message_from_bytes(path.read_bytes()))):
        print(path, address.decode(errors="replace"))
"""
# Debian's package, and how it is run.
RIVALS = {
    "Sisimai": ("libsisimai-perl", ["perl", "-MSisimai", "-e", SISIMAI]),
    "BounceParser": ("libmail-deliverystatus-bounceparser-perl", ["perl", "-MMail::DeliveryStatus::BounceParser", "-e", BOUNCEPARSER]),
    "flufl.bounce": ("python3-flufl.bounce", ["/usr/bin/python3", "-c", FLUFL]),
}


def bounced():
    """{message of the corpus: addresses that bounced}; of those that name any."""
    rows = collections.defaultdict(set)
    with open(CORPUS.parent / "expected.tsv", newline="") as table:
        for row in csv.DictReader(table, delimiter="\t", quoting=csv.QUOTE_NONE):
            if row["kind"] == "bounce" and row["recipient"]:
                rows[row["file"]].add(row["recipient"].lower())
    return rows


def found(argv):
    """{message of the corpus: for everybody whom a program takes for bounced the addresses that it has}"""
    said = subprocess.run([*argv, CORPUS], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, errors="replace").stdout
    rows = collections.defaultdict(list)
    for line in said.splitlines():
        path, *addresses = line.split(" ")
        rows[pathlib.Path(path).name.removesuffix(".eml")].append({address.lower() for address in addresses})
    return rows


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", nargs="?", type=pathlib.Path, default=ROOT / "build")
    parser.add_argument("--messages", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    if subprocess.run(["sh", ROOT / "contrib/packages", *(package for package, _ in RIVALS.values())]).returncode:
        raise SystemExit("rivals: their packages are needed")
    dsnd = options.build.resolve() / "daemon/dsnd"
    shm = pathlib.Path("/dev/shm")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="dsnd-rivals-", dir=shm if shm.is_dir() else None))
    try:
        messages = folder / "new"
        messages.mkdir()
        kinds, _ = fill(folder, options.messages)
        print(f"{machine()}, {time.strftime('%Y-%m-%d')}\n{options.messages} messages made of {kinds}, one core; medians of "
              f"{options.rounds} rounds\n", flush=True)
        programs = {"dsnd parse": ["dsnd", [dsnd, "parse"]], **RIVALS}
        cpu = {name: [] for name in programs}
        for _ in range(options.rounds):
            for name, (_, argv) in programs.items():
                cpu[name].append(run([*argv, messages], one_cpu(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)[0].cpu)
        wanted = bounced() if CORPUS.is_dir() else {}
        print(f"{'':14} {'us CPU a message':>16} {'times dsnd':>10}" + (f" {'found':>6} {'missed':>6} {'others':>6}" if wanted else ""))
        for name, (package, argv) in programs.items():
            us = statistics.median(cpu[name]) / options.messages * 1e6
            line = f"{name:14} {us:16.0f} {us / (statistics.median(cpu['dsnd parse']) / options.messages * 1e6):10.1f}"
            if wanted:
                rows = found(["/usr/bin/python3", "-c", DSND, dsnd] if package == "dsnd" else argv)
                hit = sum(len(addresses & set().union(*rows[file])) for file, addresses in wanted.items())
                others = sum(not who & addresses for file, addresses in wanted.items() for who in rows[file])
                line += f" {hit:6} {sum(map(len, wanted.values())) - hit:6} {others:6}"
            print(line)
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
