"""Bounces that a real OpenSMTPD writes, and hands over as contrib/recipes/opensmtpd-bounces says."""

import os
import subprocess
import unittest

import debs
from harness import DSND, ROOT, free_port, wait_until
from mta import RECEIVER, Handover, Mta

RECIPE = ROOT / "contrib" / "recipes" / "opensmtpd-bounces"
PACKAGES = ("opensmtpd", "libevent-2.1-7")
WAYS = {"pipe.test": "stream", "lmtp.test": "lmtp", "maildir.test": "maildir"}
FATES = {"nobody": ("bounce", "hard", "user-unknown", "suppress", 550, "5.0.0")}

CONF = """
listen on 127.0.0.1 port {sender} hostname sender.test
listen on 127.0.0.1 port {remote} hostname mx.remote.test tag remote
match tag remote from any for any reject
{recipe}
match from any for domain "lmtp.test" action "bounces_lmtp"
match from any for domain "pipe.test" action "bounces_queue"
action "out" relay host smtp+notls://127.0.0.1:{remote}
match from any for any action "out"
"""

# It has its paths and users built in.
START = """
cp -a /etc {folder}/etc
echo 'opensmtpd:x:8:8::/var/lib/opensmtpd/empty:/bin/false' >>{folder}/etc/passwd
echo 'opensmtpq:x:10:10::/nonexistent:/bin/false' >>{folder}/etc/passwd
echo 'opensmtpq:x:10:' >>{folder}/etc/group
mount --bind {folder}/etc /etc
for path in /run /var/lib /var/spool; do mount -t tmpfs tmpfs $path; done
mkdir -p -m 711 /var/lib/opensmtpd/empty /var/spool/smtpd
exec smtpd -d -f {folder}/conf
"""


class OpenSmtpd(Mta):
    def __init__(self, folder, words):
        self.folder = folder / "opensmtpd"
        self.folder.mkdir()
        self.sender, self.remote = free_port(), free_port()
        recipe = RECIPE.read_text()
        for theirs, ours in words.items():
            assert theirs in recipe, theirs
            recipe = recipe.replace(theirs, str(ours))
        (self.folder / "conf").write_text(CONF.format(sender=self.sender, remote=self.remote, recipe=recipe))
        (self.folder / "start").write_text(START.format(folder=self.folder))

    def start(self):
        with open(self.folder / "out", "wb") as out:
            self.process = subprocess.Popen([*debs.over_usr(*PACKAGES), "sh", "-e", self.folder / "start"],
                                            stdout=out, stderr=out)
        wait_until(self.answers, "OpenSMTPD starts", limit_s=30)

    def log(self):
        return self.read_log("out")


@unittest.skipIf(os.geteuid() != 0, "OpenSMTPD starts as root alone, here in a mount namespace of its own")
class Bounces(Handover):
    def setUp(self):
        super().setUp()
        bounces = ", ".join(f'"bounces@{domain}" = {RECEIVER}' for domain in WAYS)
        self.begin(OpenSmtpd(self.folder, {
            '"bounces@bounce.example.net" = dsnd': bounces, "bounce.example.net": "maildir.test",
            "/var/lib/dsnd/bounces": self.maildir.path, "/run/dsnd/lmtp.sock": self.folder / "lmtp.sock",
            "/usr/bin/dsnd enqueue": f"{DSND} enqueue -c {self.conf}"}))

    def test_every_way_of_a_bounce_has_the_right_verdict(self):
        self.start()
        self.assert_verdicts(WAYS, FATES)
