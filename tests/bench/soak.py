"""Whether dsnd stays as it is: /usr/bin/python3 tests/bench/soak.py [BUILD] [--minutes N]

Keeps a maildir full of messages (those of speed.py) for so long, with a Redis of its own and a subscriber, and prints memory,
descriptors, CPU time and latency (from a message's arrival to its event on the feed) sixty times; with each line the
knowledge is loaded again and the metrics are asked for. The first tenth is for warming up; of the rest, the last third is
compared with the first. Ends with status 1 where something has grown, or a message is left behind. Keeps nothing."""

import argparse
import os
import pathlib
import re
import shutil
import signal
import statistics
import sys
import tempfile
import time
import urllib.request

from speed import ROOT, copy, machine, originals

sys.path.insert(0, str(ROOT / "tests" / "e2e"))
import harness  # noqa: E402

WAITING = 1000  # messages in new/
LINES = 60
SOURCE = re.compile(r'"source":\{"kind":"maildir","name":"(?:[^"]*/)?([^"/]*)"')
# What may not grow, and how many times as much it may be at the end: a machine has other work, too.
LIMITS = {"rss_mib": 1.1, "descriptors": 1.0, "threads": 1.0, "median_ms": 2.0, "cpu_us": 1.3}
COLUMNS = [("at_min", "minutes"), ("rate", "messages/s"), ("rss_mib", "RSS MiB"), ("descriptors", "descriptors"),
           ("threads", "threads"), ("cpu_us", "us CPU each"), ("median_ms", "median ms"), ("late_ms", "99 % ms"),
           ("redis_mib", "Redis MiB")]


class Sample:
    """Of the time since the last one."""

    def __init__(self, soak, began, seconds, cpu_s):
        pid, latencies = soak.daemon.process.pid, sorted(soak.latencies)
        if not latencies:
            raise SystemExit(f"no event in {seconds:.0f} s:\n{soak.daemon.log()[-4000:]}")
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
        self.rss_mib = int(status.split("VmRSS:")[1].split()[0]) / 1024
        self.threads = int(status.split("Threads:")[1].split()[0])
        self.descriptors = len(os.listdir(f"/proc/{pid}/fd"))
        self.at_min = (time.monotonic() - began) / 60
        self.rate = len(latencies) / seconds
        self.cpu_us = cpu_s / len(latencies) * 1e6
        self.median_ms = statistics.median(latencies) * 1e3
        self.late_ms = latencies[len(latencies) * 99 // 100] * 1e3
        self.redis_mib = soak.redis.client.info("memory")["used_memory"] / 1048576

    def __str__(self):
        return " ".join(f"{getattr(self, name):{len(title)}.{0 if name == 'rate' else 1}f}" for name, title in COLUMNS)


class Soak:
    def __init__(self, folder):
        self.folder = folder
        self.maildir = harness.Maildir(folder / "maildir")
        self.redis = harness.Instance(folder)
        port = harness.free_port()
        self.metrics = f"http://127.0.0.1:{port}/metrics"
        endpoint = f"ipc://{folder}/feed"
        conf = folder / "dsnd.conf"
        conf.write_text(f"[redis]\nserver = 127.0.0.1:{self.redis.port}\nstream_maxlen = 10000\nseen_expiry = 1m\n"
                        f"[feed]\nbind = {endpoint}\n[http]\nlisten = 127.0.0.1:{port}\n"
                        f"[source soak]\nkind = maildir\npath = {self.maildir.path}\ndone = delete\n")
        self.texts = self.choose()
        self.subscriber = harness.Subscriber(endpoint)
        self.daemon = harness.Daemon(conf, log=folder / "log")
        self.subscriber.wait_subscribed()
        self.delivered, self.waiting, self.latencies = 0, {}, []

    def choose(self):
        """The originals that give an event: the others' end would not be seen on the feed."""
        path = self.folder / "originals"
        path.mkdir()
        texts = {}
        for number, text in enumerate(originals()):
            (path / str(number)).write_bytes(copy(text, 0))
            if not text.startswith(b"From "):
                texts[str(path / str(number))] = text
        told = re.findall(r'"kind":"(?!none)[^"]*".*"source":\{"kind":"[^"]*","name":"([^"]*)"',
                          harness.dsnd("parse", path))
        shutil.rmtree(path)
        return [texts[name] for name in dict.fromkeys(told) if name in texts]

    def deliver(self):
        while len(self.waiting) < WAITING:
            text = copy(self.texts[self.delivered % len(self.texts)], self.delivered)
            self.delivered += 1
            name = f"{self.delivered}.soak"
            self.waiting[name] = time.monotonic()
            self.maildir.deliver(text, name)

    def receive(self):
        """Takes note of the messages whose events have come."""
        for *_, event in self.subscriber.receive():
            begin = self.waiting.pop(SOURCE.search(event).group(1), None)
            if begin:
                self.latencies.append(time.monotonic() - begin)
        self.subscriber.events.clear()
        self.subscriber.heartbeats.clear()

    def run(self, seconds):
        """Returns the samples."""
        samples, began = [], time.monotonic()
        for i in range(LINES):
            self.latencies = []
            start, cpu_s = time.monotonic(), self.daemon.cpu_s()
            while time.monotonic() < began + seconds * (i + 1) / LINES:
                self.deliver()
                self.receive()
                if self.daemon.process.poll() is not None:
                    raise SystemExit(f"dsnd ended:\n{self.daemon.log()[-4000:]}")
            samples.append(Sample(self, began, time.monotonic() - start, self.daemon.cpu_s() - cpu_s))
            print(samples[-1], flush=True)
            self.daemon.process.send_signal(signal.SIGHUP)
            urllib.request.urlopen(self.metrics, timeout=harness.LIMIT_S).read()
        return samples

    def finish(self):
        """Whether everything was settled, and dsnd ended as it should."""
        harness.wait_until(lambda: self.receive() or not self.waiting, "the rest is told")
        harness.wait_until(lambda: not self.maildir.names("new"), "the rest is settled")
        return self.daemon.end() == 0 and not (self.maildir.path / ".Failed").exists()

    def stop(self):
        self.subscriber.close()
        if self.daemon.process.poll() is None:
            self.daemon.process.kill()
        self.daemon.process.wait()
        self.redis.kill()


def grown(samples):
    """What has grown, in words."""
    warm = samples[len(samples) // 10:]
    first, last = warm[:len(warm) // 3], warm[-(len(warm) // 3):]
    for name, limit in LIMITS.items():
        before, after = (statistics.median(getattr(s, name) for s in third) for third in (first, last))
        print(f"{name:12} {before:8.1f} in the first third, {after:8.1f} in the last")
        if not after <= before * limit:
            yield name


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("build", nargs="?", type=pathlib.Path, default=ROOT / "build")
    parser.add_argument("--minutes", type=float, default=60)
    options = parser.parse_args()
    harness.DSND = str(options.build.resolve() / "daemon" / "dsnd")
    shm = pathlib.Path("/dev/shm")
    folder = pathlib.Path(tempfile.mkdtemp(prefix="dsnd-soak-", dir=shm if shm.is_dir() else None))
    try:
        soak = Soak(folder)
        try:
            print(f"{machine()}, {time.strftime('%Y-%m-%d')}; {len(soak.texts)} different messages, {WAITING} of them waiting\n"
                  f"{' '.join(title for _, title in COLUMNS)}", flush=True)
            samples = soak.run(options.minutes * 60)
            print(f"{soak.delivered} messages")
            bad = list(grown(samples)) + ([] if soak.finish() else ["messages left behind, or a bad end"])
        finally:
            soak.stop()
    finally:
        shutil.rmtree(folder)
    print("FAILED: " + ", ".join(bad) if bad else "nothing has grown")
    sys.exit(1 if bad else 0)


if __name__ == "__main__":
    main()
