"""What tests with a real mail server share: users, mail that bounces, and the verdicts that it has to get."""

import json
import os
import shutil
import smtplib

from harness import Case, Server, wait_until

RECEIVER, RECEIVER_GROUP = "nobody", "nogroup"
# What happens to mail to remote.test: kind, type, reason, action, code, status.
FATES = {
    "nobody": ("bounce", "hard", "user-unknown", "suppress", 550, "5.1.1"),
    "full": ("bounce", "soft", "mailbox-full", "count", 552, "5.2.2"),
    "content": ("bounce", "hard", "spam-detected", "none", 550, "5.7.1"),
}


class Mta(Server):
    """Two servers in one: `sender` takes any mail and tries to deliver it to `remote`, which refuses it."""

    sender = remote = None  # ports

    def answers(self):
        if self.process.poll() is not None:
            raise AssertionError(f"the mail server ends: {self.log()}\n{(self.folder / 'out').read_text()}")
        try:
            smtplib.SMTP("127.0.0.1", self.sender).quit()
            smtplib.SMTP("127.0.0.1", self.remote).quit()
            return True
        except OSError:
            return False

    def read_log(self, path):
        try:
            return (self.folder / path).read_text(errors="replace")[-6000:]
        except FileNotFoundError:
            return ""

    def send(self, sender, recipient, subject="News"):
        with smtplib.SMTP("127.0.0.1", self.sender) as client:
            client.sendmail(sender, [recipient], f"From: news@sender.test\nTo: {recipient}\nSubject: {subject}\n"
                                                 f"Message-ID: <{os.urandom(8).hex()}@sender.test>\n\nhello\n")


class Handover(Case):
    """Bounces come through a pipe, by LMTP and into a maildir."""

    def source(self):
        return (f"kind = stream\n[source handed]\nkind = lmtp\nlisten = unix:{self.folder}/lmtp.sock\naccess = all\n"
                f"[source kept]\nkind = maildir\npath = {self.maildir.path}")

    def setUp(self):
        super().setUp()
        self.remember_rules()
        # The users that the mail server becomes have to get at our configuration, our Redis and our maildir.
        os.chmod(self.folder, 0o755)
        os.chmod(self.redis.path, 0o777)
        for path in (self.maildir.path, *self.maildir.path.iterdir()):
            shutil.chown(path, RECEIVER, RECEIVER_GROUP)

    def begin(self, mta):
        self.mta = mta
        mta.start()
        self.addCleanup(mta.stop)

    def events(self):
        return [json.loads(fields["event"]) for _, fields in self.stream()]

    def wait_events(self, n):
        wait_until(lambda: len(self.stream()) >= n, f"{n} events:\n{self.mta.log()}", limit_s=60)
        return self.events()

    def assert_verdicts(self, ways, fates):
        """Mail of every fate, whose bounce goes every way (a domain, and the kind of source), gets its verdict."""
        for way in ways:
            for local in fates:
                self.mta.send(f"bounces+{local}=remote.test@{way}", f"{local}@remote.test",
                              "spam" if local == "content" else "News")
        found = {}
        for event in self.wait_events(len(ways) * len(fates)):
            local = event["recipient"].split("@")[0]
            self.assertEqual((event["recipient"], event["recipient_from"]), (f"{local}@remote.test", "verp"))
            self.assertEqual(event["reporting_mta"], "sender.test")
            found.setdefault(local, {})[event["source"]["kind"]] = (
                event["kind"], event["type"], event["reason"], event["action"], event["smtp_code"], event["status"])
        for local, fate in fates.items():
            self.assertEqual(set(found[local]), set(ways.values()), local)
            for way, verdict in found[local].items():
                expected = tuple(have if want is None else want for want, have in zip(fate, verdict))
                self.assertEqual(verdict, expected, (local, way))

    def assert_kept_while_redis_is_away(self, ways, was_tried):
        self.redis.stop()
        for way in ways:
            self.mta.send(f"bounces+nobody=remote.test@{way}", "nobody@remote.test")
        wait_until(was_tried, "it was tried")
        self.redis.start()
        os.chmod(self.redis.path, 0o777)
        self.assertEqual({event["source"]["kind"] for event in self.wait_events(len(ways))}, set(ways.values()))
        wait_until(lambda: self.mta.queued() == 0, "the mail server has handed over everything")
        self.assert_counted_once(len(ways))
