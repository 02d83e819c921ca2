"""What several dsnd on one Redis, and on a Redis Cluster, do and cost: /usr/bin/python3 tests/bench/scale.py [BUILD]

Each dsnd has a maildir of its own, with the messages of speed.py, and no feed but where that is said. All begin at once; the
clock stops when the last has settled everything. Wall times are up to the cores that there are; CPU time a message is what
sums are made of. Keeps nothing."""

import argparse
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

from speed import ROOT, fill

sys.path.insert(0, str(ROOT / "tests" / "e2e"))
from cluster import Cluster  # noqa: E402
from harness import Instance, Maildir  # noqa: E402

# What it is called, how many masters, with replicas or not, shards, more keys of [redis], how many dsnd, a feed or not
CASES = [
    ("one Redis", 1, False, 1, "", [1, 2, 4], False),
    ("one Redis, a feed each", 1, False, 1, "", [1, 4], True),
    ("one Redis, 64 shards", 1, False, 64, "", [1], False),
    ("cluster, 64 shards", 3, False, 64, "", [1, 2, 4], False),
    ("the same, wait_replicas", 3, True, 64, "wait_replicas = 1", [1, 4], False),
]


class Store:
    """One Redis, or a cluster."""

    def __init__(self, folder, masters, replicas):
        self.cluster = Cluster(folder, replicas=replicas) if masters > 1 else None
        self.nodes = self.cluster.nodes if self.cluster else [Instance(folder, "--appendonly", "yes")]
        addresses = "; ".join(f"127.0.0.1:{node.port}" for node in self.nodes)
        self.where = f"{'cluster' if self.cluster else 'server'} = {addresses}"

    def cpu_s(self):
        """Of each server."""
        infos = [node.client.info("cpu") for node in self.nodes]
        return [info["used_cpu_user"] + info["used_cpu_sys"] for info in infos]

    def clear(self):
        for node in self.nodes:
            if node.role() == "master":
                node.client.flushall()

    def stop(self):
        for node in self.nodes:
            node.kill()


def measure(dsnd, folder, store, n, n_dsnd, text, feed):
    """Returns wall seconds, seconds of CPU of all dsnd, and those of each server."""
    processes = []
    store.clear()
    maildirs = [Maildir(folder / f"maildir.{i}").path for i in range(n_dsnd)]
    fill(maildirs[0], n)
    for i, name in enumerate(sorted(os.listdir(maildirs[0] / "new"))):
        os.rename(maildirs[0] / "new" / name, maildirs[i % n_dsnd] / "new" / name)
    before, begin = store.cpu_s(), time.monotonic()
    for i, maildir in enumerate(maildirs):
        conf = folder / f"conf.{i}"
        conf.write_text(f"[redis]\n{store.where}\n{text}\n[source bounces]\nkind = maildir\npath = {maildir}\n" +
                        (f"[feed]\nbind = ipc://{folder}/feed.{i}\n" if feed else "") + "[log]\nlevel = warning\n")
        processes.append(subprocess.Popen([dsnd, "run", "--once", "-c", conf]))
    ends = [os.wait4(process.pid, 0) for process in processes]
    wall = time.monotonic() - begin
    for maildir in maildirs:
        shutil.rmtree(maildir)
    if any(os.waitstatus_to_exitcode(status) not in (0, 1) for _, status, _ in ends):  # 1: some were set aside
        raise SystemExit("a dsnd failed")
    cpu = sum(usage.ru_utime + usage.ru_stime for _, _, usage in ends)
    return wall, cpu, [after - b for after, b in zip(store.cpu_s(), before)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", nargs="?", type=pathlib.Path, default=ROOT / "build")
    parser.add_argument("--messages", type=int, default=10000)
    args = parser.parse_args()
    dsnd = args.build.resolve() / "daemon" / "dsnd"
    print(f"{args.messages} messages, {len(os.sched_getaffinity(0))} cores\n"
          f"{'':26} dsnd  messages/s  us CPU a message: dsnd   Redis  busiest server", flush=True)
    for name, masters, replicas, shards, keys, counts, feed in CASES:
        folder = pathlib.Path(tempfile.mkdtemp(prefix="dsnd-scale-"))
        store = Store(folder, masters, replicas)
        try:
            for n_dsnd in counts:
                wall, cpu, servers = measure(dsnd, folder, store, args.messages, n_dsnd, f"shards = {shards}\n{keys}", feed)
                us = 1e6 / args.messages
                print(f"{name:26} {n_dsnd:4} {args.messages / wall:11.0f} {cpu * us:23.0f} {sum(servers) * us:7.0f} "
                      f"{max(servers) * us:15.0f}", flush=True)
        finally:
            store.stop()
            shutil.rmtree(folder)


main()
