"""Bounces that a real procmail, out of Debian's package, hands over as contrib/recipes/procmailrc says."""

import subprocess

import debs
from harness import DSND, LIMIT_S, PREFIX, ROOT, Case, bounce, wait_until

RECIPE = ROOT / "contrib" / "recipes" / "procmailrc"


class Procmail(Case):
    def source(self):
        return "kind = stream"

    def setUp(self):
        super().setUp()
        self.procmail = debs.program("procmail", "usr/bin/procmail")
        recipe = RECIPE.read_text()
        self.assertIn("/usr/bin/dsnd enqueue", recipe)
        self.recipe = self.folder / "procmailrc"
        self.recipe.write_text(recipe.replace("/usr/bin/dsnd enqueue", f"{DSND} enqueue -c {self.conf}"))

    def deliver(self, message, recipient):
        return subprocess.run([self.procmail, "-m", f"DEFAULT={self.folder}/default", str(self.recipe), recipient],
                              input=message, capture_output=True, timeout=LIMIT_S)

    def test_a_bounce_comes_to_the_queue_with_its_recipient(self):
        done = self.deliver(b"From MAILER-DAEMON Wed Nov 25 10:00:00 2026\n" + bounce(1), "bounces+jane=example.com@b.test")
        self.assertEqual(done.returncode, 0, done.stderr)
        (_, fields), = self.redis.client.xrange(PREFIX + "inbox")
        self.assertEqual(fields["to"], "bounces+jane=example.com@b.test")
        self.start()
        wait_until(lambda: self.redis.client.xlen(PREFIX + "inbox") == 0, "it is settled")
        self.assert_counted_once(1)

    def test_while_redis_is_away_the_mail_server_has_to_keep_it(self):
        self.redis.stop()
        self.assertEqual(self.deliver(bounce(1), "bounces@b.test").returncode, 75)
        self.assertFalse((self.folder / "default").exists())
        self.redis.start()
        self.assertEqual(self.deliver(bounce(1), "bounces@b.test").returncode, 0)
        self.assertEqual(self.redis.client.xlen(PREFIX + "inbox"), 1)
