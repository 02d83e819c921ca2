"""What dsnd costs, beside what the machine and GMime cost: /usr/bin/python3 tests/bench/speed.py [BUILD]

Makes a maildir of real-sized messages (of ../shared/corpus where it lies beside the checkout, else of tests/samples),
runs every measurement in turn, several rounds, and prints the medians. Keeps nothing. Redis is one of its own, on a UNIX
socket. Only figures of one run are to be compared: machines differ, and what else runs on one differs from hour to hour;
CPU time depends on that least."""

import argparse
import os
import pathlib
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "e2e"))
from harness import Maildir, Subscriber, wait_until  # noqa: E402

CORPUS = ROOT.parent / "shared" / "corpus" / "messages"
ROOMS = ["mail", "report", "verdict", "event"]


class Measured:
    def __init__(self, wall, cpu, peak_kb, redis_cpu=0.0):
        self.wall, self.cpu, self.peak_kb, self.redis_cpu = wall, cpu, peak_kb, redis_cpu


def originals():
    """Bounces as they came."""
    sources = sorted(CORPUS.iterdir()) if CORPUS.is_dir() else sorted((ROOT / "tests" / "samples").glob("**/*.eml"))
    return [source.read_bytes() for source in sources]


def copy(text, number):
    """Differs from other copies by a header, so that no event is another's duplicate."""
    return text if text.startswith(b"From ") else b"X-Copy: %d\n" % number + text


def fill(maildir, n):
    """`n` messages, each another one."""
    texts = originals()
    size = 0
    for i in range(n):
        text = copy(texts[i % len(texts)], i // len(texts))
        size += len(text)
        (maildir / "new" / f"{1700000000 + i // 1000}.{i}.bench").write_bytes(text)
    return len(texts), size / n


def refill(maildir):
    """Puts what was settled back."""
    if any((maildir / "cur").iterdir()):
        for name in os.listdir(maildir / "cur"):
            os.rename(maildir / "cur" / name, maildir / "new" / name.split(":")[0])


def one_cpu():
    return {min(os.sched_getaffinity(0))}


def run(argv, cpus=None, **options):
    """Runs a program to its end, on `cpus` where given."""
    begin = time.monotonic()
    pin = (lambda: os.sched_setaffinity(0, cpus)) if cpus else None
    process = subprocess.Popen([str(a) for a in argv], preexec_fn=pin, **options)
    output = process.stdout.read() if process.stdout else b""
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - begin
    if status != 0:
        raise SystemExit(f"{argv} ended with status {os.waitstatus_to_exitcode(status)}")
    return Measured(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss), output


class Bench:
    def __init__(self, build, folder, n):
        self.dsnd, self.stages = build / "daemon" / "dsnd", build / "tests" / "bench" / "bench_stages"
        self.folder, self.maildir = folder, folder / "maildir"
        Maildir(self.maildir)
        self.n = n
        self.cores = len(os.sched_getaffinity(0))

    def stage(self, name, threads):
        """Of tests/bench/stages.c; its own clocks, without its start."""
        _, output = run([self.stages, name, threads, self.maildir], one_cpu() if threads == 1 else None,
                        stdout=subprocess.PIPE)
        refill(self.maildir)
        wall, cpu = output.split()
        return Measured(float(wall), float(cpu), 0)

    def parse(self, cpus):
        return run([self.dsnd, "parse", self.maildir], cpus, stdout=subprocess.DEVNULL)[0]

    def start_redis(self, folder):
        path = folder / "redis.sock"
        process = subprocess.Popen(["redis-server", "--port", "0", "--unixsocket", str(path), "--dir", str(folder),
                                    "--save", "", "--appendonly", "no"], stdout=subprocess.DEVNULL)
        wait_until(path.exists, "redis-server starts")
        return process, path

    def configure(self, folder, redis_path, maildir):
        conf = folder / "dsnd.conf"
        conf.write_text(f"[redis]\nserver = unix:{redis_path}\n[feed]\nbind = ipc://{folder}/feed\nhwm = 1000000\n"
                        f"heartbeat = 50ms\n[source bench]\nkind = maildir\npath = {maildir}\n")
        return conf

    def daemon(self):
        """`dsnd run --once` from its start to the last message settled, into an empty Redis and the feed."""
        with tempfile.TemporaryDirectory(dir=self.folder) as name:
            folder = pathlib.Path(name)
            server, path = self.start_redis(folder)
            with open(folder / "log", "wb") as log:
                measured, _ = run([self.dsnd, "run", "--once", "-c", self.configure(folder, path, self.maildir)],
                                  stdout=log, stderr=log)
            server.terminate()
            usage = os.wait4(server.pid, 0)[2]
            server.returncode = 0
        if any((self.maildir / "new").iterdir()):
            raise SystemExit("dsnd run left messages behind")
        refill(self.maildir)
        measured.redis_cpu = usage.ru_utime + usage.ru_stime
        return measured

    def latencies(self, n):
        """Milliseconds from a message's rename into new/ to its event on the feed, one at a time, idle between them."""
        took = []
        with tempfile.TemporaryDirectory(dir=self.folder) as name:
            folder = pathlib.Path(name)
            server, path = self.start_redis(folder)
            maildir = Maildir(folder / "maildir")
            subscriber = Subscriber(f"ipc://{folder}/feed")
            with open(folder / "log", "wb") as log:
                daemon = subprocess.Popen([self.dsnd, "run", "-c", self.configure(folder, path, maildir.path)],
                                          stdout=log, stderr=log)
            subscriber.wait_subscribed()
            for i in range(n):
                text = (ROOT / "tests" / "samples" / "postfix-user-unknown.eml").read_bytes()
                (maildir.path / "tmp" / f"{i}.bench").write_bytes(b"X-Copy: %d\n" % i + text)
                seen, begin = len(subscriber.events), time.monotonic()
                os.rename(maildir.path / "tmp" / f"{i}.bench", maildir.path / "new" / f"{i}.bench")
                while len(subscriber.events) == seen:
                    subscriber.receive(1000)
                took.append((time.monotonic() - begin) * 1000)
            for process in (daemon, server):
                process.terminate()
                process.wait()
            subscriber.close()
        return took

    def start(self):
        return run([self.dsnd, "classify", "550 5.1.1 user unknown"], stdout=subprocess.DEVNULL)[0]


def median(rounds, attribute):
    return statistics.median(getattr(measured, attribute) for measured in rounds)


def machine():
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")),
                 platform.machine())
    return f"{len(os.sched_getaffinity(0))} cores of {model}, Linux {platform.release()}"


def print_table(bench, results):
    print(f"{'':34} {'messages/s':>10} {'us wall':>8} {'us CPU':>7} {'peak MiB':>8}")
    for name, rounds in results.items():
        wall, cpu = median(rounds, "wall"), median(rounds, "cpu") + median(rounds, "redis_cpu")
        peak = f"{median(rounds, 'peak_kb') / 1024:8.1f}" if name.startswith("dsnd") else ""
        print(f"{name:34} {bench.n / wall:10.0f} {wall / bench.n * 1e6:8.1f} {cpu / bench.n * 1e6:7.1f} {peak}")


def ratio(rounds_a, rounds_b, attribute="wall"):
    """Of two measurements in the same round, so that what disturbs a round disturbs both."""
    return statistics.median(getattr(a, attribute) / getattr(b, attribute) for a, b in zip(rounds_a, rounds_b))


def print_rooms(bench, results):
    print("\nCPU by room, one thread, messages in memory (us a message)")
    before = 0.0
    for room in ROOMS:
        cpu = median(results[room], "cpu") / bench.n * 1e6
        print(f"  {room:10} {cpu - before:6.1f}")
        before = cpu


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", nargs="?", type=pathlib.Path, default=ROOT / "build")
    parser.add_argument("--messages", type=int, default=10000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", help="where the maildir is made; by default /dev/shm, so that no disk is measured")
    options = parser.parse_args()
    shm = pathlib.Path("/dev/shm")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="dsnd-bench-", dir=options.folder or (shm if shm.is_dir() else None)))
    try:
        bench = Bench(options.build.resolve(), folder, options.messages)
        kinds, size = fill(bench.maildir, options.messages)
        print(f"{machine()}, {time.strftime('%Y-%m-%d')}\n{options.messages} messages made of {kinds}, {size:.0f} bytes "
              f"on average; medians of {options.rounds} rounds\n", flush=True)
        every = bench.cores
        steps = {
            "reading, 1 thread": lambda: bench.stage("read", 1),
            "and renaming, 1 thread": lambda: bench.stage("rename", 1),
            "and GMime alone, 1 thread": lambda: bench.stage("gmime", 1),
            f"and GMime alone, {every} threads": lambda: bench.stage("gmime", every),
            "dsnd parse, 1 core": lambda: bench.parse(one_cpu()),
            f"dsnd parse, {every} cores": lambda: bench.parse(None),
            f"dsnd run, {every} cores, with Redis": bench.daemon,
        }
        results = {name: [] for name in steps}
        rooms = {room: [] for room in ROOMS}
        for _ in range(options.rounds):
            for name, step in steps.items():
                results[name].append(step())
            for room in ROOMS:
                rooms[room].append(bench.stage(room, 1))
        print_table(bench, results)
        print_rooms(bench, rooms)
        _, _, gmime, _, parse_one, parse_all, daemon = results.values()
        print(f"\nGMime alone / dsnd parse, one core, CPU   {ratio(gmime, parse_one, 'cpu'):.2f}")
        work = statistics.median((d.cpu + d.redis_cpu) / p.cpu for d, p in zip(daemon, parse_all))
        print(f"dsnd run with Redis / dsnd parse, CPU     {work:.2f}")
        print(f"dsnd parse, {every} cores / 1 core            {ratio(parse_one, parse_all):.2f}")
        print(f"dsnd run / dsnd parse, {every} cores          {ratio(parse_all, daemon):.2f}")
        redis_us = median(daemon, "redis_cpu") / bench.n * 1e6
        print(f"Redis's own share of dsnd run, us CPU     {redis_us:.1f}")
        took = bench.latencies(100)
        print(f"file to feed, idle, ms                    median {statistics.median(took):.2f}, "
              f"95 % under {sorted(took)[94]:.2f}")
        starts = [bench.start() for _ in range(20)]
        print(f"dsnd classify, one answer, ms             wall {median(starts, 'wall') * 1e3:.1f}, "
              f"CPU {median(starts, 'cpu') * 1e3:.1f}")
    finally:
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
