"""Bounces that a real Postfix writes, and hands over in each of the ways there are."""

import shutil
import smtplib

from harness import dsnd
from mta import FATES, RECEIVER_GROUP, Handover
from postfix import Postfix

WAYS = {"pipe.test": "stream", "lmtp.test": "lmtp", "maildir.test": "maildir"}


class Bounces(Handover):
    def setUp(self):
        super().setUp()
        self.begin(Postfix(self.folder, self.conf, self.folder / "lmtp.sock", self.maildir.path))

    def test_every_way_of_every_bounce_has_the_right_verdict(self):
        self.start()
        self.assert_verdicts(WAYS, {**FATES, "later": ("delay", "soft", None, None, 450, "4.2.0")})

    def test_postfix_keeps_what_redis_cannot_take_and_nothing_is_lost(self):
        self.start()
        self.assert_kept_while_redis_is_away(
            WAYS, lambda: "status=deferred" in self.mta.log() and self.maildir.names("new"))

    def test_return_addresses_that_postfix_verp_signs_are_verified(self):
        keys = self.folder / "verp.keys"
        keys.write_text(f"a = {'5a' * 32}\n")
        keys.chmod(0o640)
        shutil.chown(keys, group=RECEIVER_GROUP)
        self.configure(f"[verp]\nkeys = {keys}\ndomain = maildir.test\n")
        self.start()
        self.mta.send("news@sender.test", "nobody@far.test")
        self.mta.send("news@sender.test", "nobody@further.test")
        for event in self.wait_events(2):
            self.assertEqual((event["reason"], event["trust"], event["trust_by"], event["recipient_from"], event["action"]),
                             ("user-unknown", "verified", "verp", "verp", "suppress"))
            self.assertEqual(event["message"]["from"], "news@sender.test")
        self.assertEqual({event["recipient"] for event in self.events()}, {"nobody@far.test", "nobody@further.test"})
        self.assert_counted_once(2)

    def test_postfix_asks_before_it_sends(self):
        self.configure(f"[lookup]\nlisten = unix:{self.folder}/lookup.sock\naccess = all\ntimeout = 60s\n")
        self.start()
        dsnd("suppress", "add", "-c", self.conf, "jane@far.test")
        dsnd("suppress", "add", "-c", self.conf, "--scope", "news.sender.test", "joe@far.test")
        for recipient in ("jane@far.test", "joe@far.test"):
            self.mta.send("bounces@maildir.test", recipient)  # a sender for whom nobody asks
            with self.assertRaises(smtplib.SMTPRecipientsRefused) as refused:
                self.mta.send("asks@sender.test", recipient)
            code, text = refused.exception.recipients[recipient]
            self.assertEqual((code, text.decode()),
                             (550, f"5.7.1 <{recipient}>: Recipient address rejected: suppressed by dsnd: operator"))
        self.mta.send("asks@sender.test", "jim@far.test")
        self.assertEqual(self.mta.postmap("jane@far.test", f"socketmap:unix:{self.folder}/lookup.sock:suppressed"),
                         "550 5.7.1 suppressed by dsnd: operator\n")
