"""Whom a bounce is about: what the configuration says of it holds in what is published."""

import json
import unittest

from harness import Case, bounce

VERP = b"Delivered-To: news-jane-doe=example.org@bounce.example.net\n"


class Recipient(Case):
    def told(self, text):
        """The event of a bounce that came to a return address, under a configuration with `text`."""
        self.maildir.deliver(VERP + bounce(1))
        self.assertEqual(self.start("--once", conf=self.configure(text), wait=False).wait(), 0)
        return json.loads(self.stream()[-1][1]["event"])

    def test_a_return_address_of_ones_own_names_the_recipient(self):
        event = self.told("[recipient]\nverp = ^news-(?<recipient>[^@]+)@bounce\\.example\\.net$")
        self.assertEqual((event["recipient"], event["recipient_from"]), ("jane-doe@example.org", "verp"))
        self.assertEqual(event["addresses"]["final"], "user1.0@example1.com")
        self.assertEqual(self.redis.client.hget("{dsn}:rcpt:jane-doe@example.org", "state"), "suppressed")

    def test_it_is_not_guessed(self):
        event = self.told("")
        self.assertEqual((event["recipient"], event["recipient_from"]), ("user1.0@example1.com", "final"))
        self.assertIsNone(event["addresses"]["verp"])

    def test_the_order_is_the_configurations(self):
        event = self.told("[recipient]\norder = final; verp\n"
                          "verp = ^news-(?<recipient>[^@]+)@bounce\\.example\\.net$")
        self.assertEqual((event["recipient"], event["recipient_from"]), ("user1.0@example1.com", "final"))
        self.assertEqual(event["addresses"]["verp"], "jane-doe@example.org")


if __name__ == "__main__":
    unittest.main()
