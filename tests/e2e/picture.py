#!/usr/bin/python3
"""Makes README's picture of the status page anew: /usr/bin/python3 tests/e2e/picture.py [FOLDER]

What it shows is real: thirty days of bounces with the answers of servers that the rules know, and those of tests/samples, read
by dsnd run; at the end an outage, as its guard saw it. Only the clock is moved. Takes chromium and faketime. With FOLDER, the
whole page is left there as a desktop and a phone show it, in the light and in the dark, for somebody to look at."""

import pathlib
import random
import subprocess
import sys
import tempfile
import time

from browser import Browser
from harness import DSND, ROOT, SAMPLES, Daemon, Maildir, Redis, bounce, free_port, wait_until

PICTURE = ROOT / "contrib" / "status-page.png"
DAYS = 30
GOOGLE = ("gmail-smtp-in.l.google.com", "gmail.com")
MICROSOFT = ("outlook-com.olc.protection.outlook.com", "outlook.com")
YAHOO = ("mta5.am0.yahoodns.net", "yahoo.com")
# How often an answer comes, whose it is, and what it says: as the examples of the rules.
ANSWERS = [
    (9, GOOGLE, 550, "5.1.1", "The email account that you tried to reach does not exist. Please try double-checking the "
                              "recipient's email address for typos or unnecessary spaces."),
    (4, GOOGLE, 452, "4.2.2", "The recipient's inbox is out of storage space. Please direct the recipient to "
                              "https://support.google.com/mail/?p=OverQuotaTemp"),
    (2, GOOGLE, 550, "5.7.26", "Your email has been blocked because the sender is unauthenticated."),
    (6, MICROSOFT, 550, "5.5.0", "Requested action not taken: mailbox unavailable (S2017062302)."),
    (2, MICROSOFT, 550, "5.7.1", "Unfortunately, messages from [203.0.113.61] weren't sent. Please contact your Internet "
                                 "service provider since part of their network is on our block list (S3150)."),
    (3, YAHOO, 554, "5.0.0", "delivery error: dd This user doesn't have a yahoo.com account - mta4017.mail.ne1.yahoo.com"),
    (2, YAHOO, 421, "4.7.0", "[TSS04] Messages from 203.0.113.61 temporarily deferred due to unexpected volume or user "
                             "complaints"),
    (5, ("mx.harbour.example", "harbour.example"), 550, "5.1.1", "<{}>: Recipient address rejected: User unknown in local "
                                                                 "recipient table"),
    (3, ("mail.mill.example", "mill.example"), 552, "5.2.2", "Mailbox size limit exceeded"),
    (2, ("mx1.post.example", "post.example"), 451, "4.7.1", "Greylisting in action, please come back later"),
]
NAMES = "anna ben carla david emma finn greta hugo ida jonas karla lars mia noah olga paul rosa simon tilda udo vera".split()


class Traffic:
    def __init__(self, folder, seed=1):
        self.rng, self.n, self.maildir = random.Random(seed), 0, Maildir(folder / "bounces")

    def deliver(self, answer):
        _, (host, domain), code, status, text = answer
        self.n += 1
        address = f"{self.rng.choice(NAMES)}.{self.n}@{domain}"
        report = bounce(self.n, status, code, text.format(address), "failed" if code >= 500 else "delayed")
        old = f"user{self.n}.0@example{self.n % 50}.com"
        self.maildir.deliver(report.replace(old.encode(), address.encode()).replace(b"mx.example.com", host.encode()))

    def deliver_day(self, n):
        for answer in self.rng.choices(ANSWERS, [answer[0] for answer in ANSWERS], k=n):
            self.deliver(answer)


def run_days(conf, traffic):
    """Each day's bounces are read on that day; in the morning of the last one Google does not know its own users."""
    today = int(time.time())
    for days_ago in range(DAYS - 1, -1, -1):
        weekend = time.gmtime(today - days_ago * 86400).tm_wday >= 5
        traffic.deliver_day(traffic.rng.randint(12, 20) if weekend else traffic.rng.randint(30, 55))
        if days_ago == 0:
            for _ in range(130):
                traffic.deliver(ANSWERS[0])
            for sample in sorted(SAMPLES.rglob("*.eml")):
                traffic.maildir.deliver(sample.read_bytes())
        moved = ["faketime", "-f", f"-{days_ago}d"] if days_ago else []
        subprocess.run([*moved, DSND, "run", "--once", "-c", conf], check=True, stderr=subprocess.DEVNULL)


def take(url, folder, more):
    pictures = [(PICTURE, False, 1080, 1160, False, "light")]
    pictures += [(more / f"{size}-{scheme}.png", True, width, 1000, size == "phone", scheme)
                 for size, width in (("desktop", 1280), ("phone", 390)) for scheme in ("light", "dark") if more]
    browser = Browser(folder)
    try:
        for path, whole, *look in pictures:
            browser.look_like(*look)
            browser.go(url)
            browser.wait("document.querySelectorAll('#time rect').length > 0 && document.querySelectorAll('#events tr').length")
            browser.picture(path, whole)
    finally:
        browser.close()


def main():
    with tempfile.TemporaryDirectory() as temporary:
        folder = pathlib.Path(temporary)
        redis, traffic, port = Redis(folder), Traffic(folder), free_port()
        conf = folder / "dsnd.conf"
        conf.write_text(f"[redis]\nserver = unix:{redis.path}\n[feed]\nbind = ipc://{folder}/feed\n"
                        f"[source bounces]\nkind = maildir\npath = {traffic.maildir.path}\n"
                        f"[http]\nlisten = 127.0.0.1:{port}\n[guard]\nbounces = 50\n")
        redis.start()
        try:
            run_days(conf, traffic)
            daemon = Daemon(conf, log=folder / "log")
            daemon.wait_event("started")
            try:
                take(f"http://127.0.0.1:{port}/", folder, pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else None)
            finally:
                daemon.end()
        finally:
            redis.stop()


if __name__ == "__main__":
    main()
