"""The suppression list by hand: dsnd suppress, against a real Redis that a real dsnd has filled."""

import csv
import io
import json
import signal
import subprocess

from harness import DSND, LIMIT_S, PREFIX, Case, bounce, wait_until

DAY_MS = 86400 * 1000


class ByHand(Case):
    def suppress(self, *arguments, text=None, status=0):
        command, *rest = arguments
        done = subprocess.run([DSND, "suppress", command, "-c", str(self.conf), *rest], input=text, capture_output=True,
                              text=True, timeout=LIMIT_S)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        self.said = done.stderr
        return done.stdout

    def listed(self, *filters):
        return sorted(json.loads(line)["address"] for line in self.suppress("export", "--format", "ndjson", *filters)
                      .splitlines())

    def state(self, address, prefix=PREFIX):
        return self.redis.client.hget(f"{prefix}rcpt:{address}", "state")

    def last_event(self, prefix=PREFIX):
        return json.loads(self.stream(prefix)[-1][1]["event"])

    def bounces(self, *numbers, **what):
        for n in numbers:
            self.maildir.deliver(bounce(n, **what))
        self.once()


class Suppress(ByHand):
    def test_get_tells_the_story(self):
        self.bounces(1)
        story = self.suppress("get", "USER1.0@Example1.com")
        known = self.redis.client.hgetall(PREFIX + "rcpt:user1.0@example1.com")
        self.assertTrue(story.startswith("user1.0@example1.com: suppressed since "), story)
        for part in ("reason=user-unknown", "policy=user-unknown", "hard=1", "ruleset=", f"event={known['event']}",
                     f"entry={known['entry']}", "status=5.1.1", "550 5.1.1 user unknown"):
            self.assertIn(part, story)
        self.suppress("remove", "--note", "wrote to us", "user1.0@example1.com")
        story = self.suppress("get", "user1.0@example1.com")
        self.assertTrue(story.startswith("user1.0@example1.com: ok since "), story)
        self.assertIn("retraction", story)
        self.assertIn("wrote to us", story)
        self.assertEqual(self.suppress("get", "nobody@example.com"), "nobody@example.com: not known\n")

    def test_add_and_remove_publish_what_they_did(self):
        self.suppress("add", "--reason", "asked-for", "--note", "by phone", "Jane@Example.com")
        self.assertEqual(self.redis.client.zscore(PREFIX + "suppressed", "jane@example.com"), float("inf"))
        event = self.last_event()
        self.assertEqual((event["kind"], event["reason"], event["recipient"], event["note"]),
                         ("suppression", "asked-for", "Jane@Example.com", "by phone"))
        self.assertEqual(event["decisions"], [{"state": "suppressed", "before": "ok", "scope": None, "until_ms": None}])
        self.assertEqual(self.stream()[-1][1]["topic"], "suppression.-.asked-for.example.com")
        self.suppress("add", "jane@example.com")
        self.assertIn("0 changed, 1 as they were", self.said)
        self.suppress("remove", "JANE@example.com")
        self.assertIsNone(self.redis.client.zscore(PREFIX + "suppressed", "jane@example.com"))
        event = self.last_event()
        self.assertEqual((event["kind"], event["decisions"]),
                         ("retraction", [{"state": "ok", "before": "suppressed", "scope": None}]))
        self.suppress("remove", "jane@example.com")
        self.assertEqual(len(self.stream()), 2)

    def test_what_is_suppressed_by_hand_can_bounce(self):
        self.suppress("add", "--for", "1d", "user1.0@example1.com")
        self.suppress("add", "user2.0@example2.com")
        self.bounces(1, 2)
        self.assertEqual(self.listed(), ["user1.0@example1.com", "user2.0@example2.com"])
        self.assertEqual(self.stats("events"), 2)
        until = {n: self.redis.client.zscore(PREFIX + "suppressed", f"user{n}.0@example{n}.com") for n in (1, 2)}
        self.assertEqual(until[2], float("inf"))
        self.assertGreater(until[1], int(self.redis.client.time()[0]) * 1000 + 2 * DAY_MS)  # a policy's is longer

    def test_a_delivery_clears_what_bounced_and_not_what_an_operator_said(self):
        self.suppress("add", "--reason", "asked-for", "user1.0@example1.com")
        self.bounces(2)
        for n in (1, 2):
            self.maildir.deliver(bounce(n + 100, "2.0.0", 250, "ok", "delivered").replace(
                f"user{n + 100}.0@example{n % 50}.com".encode(), f"user{n}.0@example{n}.com".encode()))
        self.once()
        self.assertEqual(self.stats("kind:delivered"), 2)
        self.assertEqual(self.listed(), ["user1.0@example1.com"])

    def test_it_can_end(self):
        self.suppress("add", "--for", "30d", "jane@example.com")
        until = self.redis.client.zscore(PREFIX + "suppressed", "jane@example.com")
        since = int(self.redis.client.hget(PREFIX + "rcpt:jane@example.com", "since"))
        self.assertLess(abs(until - since - 30 * DAY_MS), LIMIT_S * 1000)
        self.redis.client.zadd(PREFIX + "suppressed", {"old@example.com": 1})
        self.assertEqual(self.listed(), ["jane@example.com"])
        self.suppress("add", "--for", "30", "jane@example.com", status=2)

    def test_addresses_are_compared_whatever_their_case_also_beyond_ascii(self):
        self.suppress("add", "JÜRGEN@Bücher.example", "jane@EXAMPLE.com")
        self.assertEqual(self.listed(), ["jane@example.com", "jürgen@bücher.example"])
        self.suppress("remove", "ju\u0308rgen@BÜCHER.example", "JANE@example.com")
        self.assertEqual(self.listed(), [])
        self.suppress("add", "no address", status=1)

    def test_what_is_older_than_a_removal_counts_nothing(self):
        self.bounces(1)
        self.suppress("remove", "user1.0@example1.com")
        old = bounce(1).replace(b"Status: 5.1.1", b"Last-Attempt-Date: Tue, 24 Nov 2020 10:00:00 +0000\nStatus: 5.1.1")
        self.maildir.deliver(old)
        self.once()
        self.assertEqual(self.state("user1.0@example1.com"), "ok")
        self.maildir.deliver(bounce(1) + b"\n")
        self.once()
        self.assertEqual(self.state("user1.0@example1.com"), "suppressed")

    def test_list_filters(self):
        self.bounces(1, 2)
        self.bounces(3, code=556, status="5.1.10", text="does not accept mail")
        self.suppress("add", "jane@example.com")
        reason = self.redis.client.hget(PREFIX + "rcpt:user3.0@example3.com", "reason")
        self.assertEqual(self.listed("--reason", "user-unknown"), ["user1.0@example1.com", "user2.0@example2.com"])
        self.assertEqual(self.listed("--reason", reason), ["user3.0@example3.com"])
        self.assertEqual(self.listed("--policy", "operator"), ["jane@example.com"])
        self.assertEqual(len(self.listed("--since", "1h")), 4)
        self.assertEqual(self.listed("--until", "2020-01-01T00:00:00Z"), [])
        self.assertIn("jane@example.com", self.suppress("list", "--policy", "operator"))
        self.suppress("list", "--since", "yesterday", status=2)

    def test_export_has_the_columns_of_mail_services(self):
        self.bounces(1, text='user "x", unknown')
        self.suppress("add", "--reason", "complaint", "jane@example.com")

        def rows(name):
            return {"user1.0@example1.com" in row.values(): row
                    for row in csv.DictReader(io.StringIO(self.suppress("export", "--format", name)))}
        mailgun, ses, sendgrid, own = (rows(name) for name in ("mailgun", "ses", "sendgrid", "csv"))
        self.assertEqual(list(mailgun[True]), ["address", "code", "error", "created_at"])
        self.assertEqual((mailgun[True]["code"], mailgun[True]["error"]), ("550", '550 5.1.1 user "x", unknown'))
        self.assertRegex(mailgun[True]["created_at"], r"^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d UTC$")
        self.assertEqual(list(ses[True]), ["EmailAddress", "Reason", "LastUpdateTime"])
        self.assertEqual((ses[True]["Reason"], ses[False]["Reason"]), ("BOUNCE", "COMPLAINT"))
        self.assertEqual(list(sendgrid[True]), ["status", "reason", "email", "created"])
        self.assertEqual(sendgrid[True]["status"], "5.1.1")
        self.assertEqual(own[False]["until"], "never")

    def test_import_reads_what_was_exported(self):
        self.bounces(1, 2)
        self.suppress("add", "--reason", "complaint", "jane@example.com")
        before = self.listed()
        for name in ("csv", "ndjson", "mailgun", "ses", "sendgrid"):
            exported = self.suppress("export", "--format", name)
            self.redis.client.flushall()
            self.suppress("import", "-", text=exported)
            self.assertEqual(self.listed(), before, name)

    def test_import_reads_the_columns_of_mail_services(self):
        texts = ['EmailAddress,Reason,LastUpdateTime\r\na@example.com,COMPLAINT,2026-01-01T00:00:00Z\r\n',
                 'status,reason,email,created\n5.1.1,"550 5.1.1 ""no"", user",b@example.com,1443651154\n',
                 'address,code,error,created_at\nc@example.com,550,No such mailbox,"Mon, 06 May 2024 18:11:58 UTC"\n',
                 'd@example.com\ne@example.com,COMPLAINT\n',
                 '{"EmailAddress":"f@example.com","Reason":"BOUNCE"}\n']
        for text in texts:
            self.suppress("import", "-", text=text)
        reasons = [self.redis.client.hget(f"{PREFIX}rcpt:{letter}@example.com", "reason") for letter in "abcdef"]
        self.assertEqual(reasons, ["complaint", "imported", "imported", "imported", "complaint", "imported"])
        self.assertIn('550 5.1.1 "no", user', self.suppress("get", "b@example.com"))

    def reasons(self, text):
        """What an import of this brings, and why."""
        self.redis.client.flushall()
        self.suppress("import", "-", text=text)
        return {address: self.redis.client.hget(f"{PREFIX}rcpt:{address}", "reason") for address in self.listed()}

    def test_import_takes_only_whom_listmonk_blocklisted(self):
        text = ("uuid,email,name,attributes,status,created_at,updated_at\n"
                '5f0e0c5c-1d6e-4d3a-9a3c-5a0f6c1b2d10,a@example.com,"Doe, Jane","{""email"": ""x@example.com""}",blocklisted,'
                "2026-01-05 10:11:12.131415 +0000 UTC,2026-02-05 10:11:12.131415 +0000 UTC\n"
                "5f0e0c5c-1d6e-4d3a-9a3c-5a0f6c1b2d11,b@example.com,Joe,{},enabled,2026-01-05 10:11:12 +0000 UTC,\n"
                "5f0e0c5c-1d6e-4d3a-9a3c-5a0f6c1b2d12,c@example.com,Jim,{},disabled,2026-01-05 10:11:12 +0000 UTC,\n")
        self.assertEqual(self.reasons(text), {"a@example.com": "imported"})

    def test_import_keeps_what_postal_keeps_as_long_as_it_does(self):
        until = int(self.redis.client.time()[0]) + 86400
        text = ("id,type,address,reason,timestamp,keep_until\n"
                f"1,recipient,a@example.com,too many hard fails,1764000000.123456,{until}.250000\n"
                "2,recipient,b@example.com,too many soft fails,1764000000.123456,1766592000.123456\n")
        self.assertEqual(self.reasons(text), {"a@example.com": "imported"})
        self.assertEqual(self.redis.client.zscore(PREFIX + "suppressed", "a@example.com"), until * 1000 + 250)
        self.assertIn("too many hard fails", self.suppress("get", "a@example.com"))

    def test_import_takes_only_the_hard_bounces_of_sisimai(self):
        def bounced(recipient, reason, **more):
            return {"recipient": recipient, "addresser": "news@example.org", "alias": "", "action": "failed", "reason": reason,
                    "deliverystatus": "5.1.1", "diagnosticcode": f"550 {reason}, it says", "replycode": "550",
                    "timestamp": 1764000000, "timezoneoffset": "+0000", "catch": None, **more}
        five = [bounced("a@example.com", "userunknown", hardbounce=True, catch={"recipient": "x@example.com"}),
                bounced("b@example.com", "mailboxfull", hardbounce=False), bounced("c@example.com", "hostunknown", hardbounce=1),
                bounced("d@example.com", "blocked", hardbounce=0)]
        four = [bounced("e@example.com", "hasmoved", softbounce=0), bounced("f@example.com", "mailboxfull", softbounce=1),
                bounced("g@example.com", "feedback", softbounce=-1)]
        for indent in None, 2:
            self.assertEqual(self.reasons(json.dumps(five, indent=indent)),
                             {"a@example.com": "user-unknown", "c@example.com": "host-unknown"})
            self.assertIn("550 userunknown, it says", self.suppress("get", "a@example.com"))
        self.assertEqual(self.reasons("\n".join(map(json.dumps, four))), {"e@example.com": "user-moved"})
        self.assertEqual(self.reasons("[]"), {})

    def test_import_reads_what_the_cli_of_ses_prints(self):
        listed = {"SuppressedDestinationSummaries": [
            {"EmailAddress": "a@example.com", "Reason": "BOUNCE", "LastUpdateTime": "2026-04-10T21:03:05+00:00"},
            {"EmailAddress": "b@example.com", "Reason": "COMPLAINT", "LastUpdateTime": "2026-04-11T09:30:00+00:00"}],
            "NextToken": "AAEAAXvWeyY"}
        expected = {"a@example.com": "imported", "b@example.com": "complaint"}
        self.assertEqual(self.reasons(json.dumps(listed, indent=4)), expected)
        self.assertEqual(self.reasons(json.dumps({**listed, "NextToken": None}) + json.dumps(listed)), expected)

    def test_import_says_where_json_is_wrong(self):
        good = '{"address": "a@example.com",\n "tags": ["x", {"address": "x@example.com"}]}'
        for text, line in ((f"[{good},\n5]", 3), (f"[{good},\n[]]", 3), (f"{good}\n\nnonsense\n", 4), (f"[{good}\n", 3),
                           (f"{good}\n\0", 3)):
            self.redis.client.flushall()
            self.suppress("import", "-", text=text, status=1)
            self.assertIn(f"-:{line}: no JSON object", self.said)
            self.assertEqual(self.listed(), ["a@example.com"], text)
        self.suppress("import", "-", text='[\n{"address": "a@example.com"},\n{"address": "nonsense"}]', status=1)
        self.assertIn("-:3 was not imported", self.said)

    def test_import_goes_on_after_what_it_cannot_read_and_says_so(self):
        self.suppress("import", "-", text="address\na@example.com\nnonsense\nb@example.com\n", status=1)
        self.assertIn("-:3 was not imported", self.said)
        self.assertEqual(self.listed(), ["a@example.com", "b@example.com"])
        self.suppress("import", "--dry-run", "-", text="address\nc@example.com\n")
        self.assertEqual(self.listed(), ["a@example.com", "b@example.com"])

    def test_without_redis_it_ends_at_once_and_says_where(self):
        self.redis.stop()
        many = "".join(f"user{n}@example.com\n" for n in range(100))
        for command, *operands in (["add", "-"], ["remove", "-"], ["import", "-"], ["add", *many.split()]):
            self.suppress(command, *operands, text=many, status=1)
            self.assertEqual(len(self.said.splitlines()), 3 if command == "import" else 2, self.said)
            self.assertIn("is away: No such file or directory\n", self.said)
            self.assertIn("0 changed, 0 as they were, 1 failed", self.said)
            if command == "import":
                self.assertIn("-:1 was not imported, nor is what follows", self.said)

    def test_what_is_no_address_is_told_as_a_terminal_can_bear_it_and_the_others_are_added(self):
        self.suppress("add", "-", text="a@example.com\nred\x1b[31m\nb@example.com\n", status=1)
        self.assertIn("red?[31m: no mail address", self.said)
        self.assertEqual(self.listed(), ["a@example.com", "b@example.com"])

    def test_a_reason_is_a_word_of_the_topic(self):
        for reason in ("by.phone", "By Phone", "", "\u00e9t\u00e9", "x" * 41):
            self.suppress("add", "--reason", reason, "a@example.com", status=2)
            self.assertIn("is no reason", self.said)
        self.assertEqual(self.listed(), [])

    def test_import_passes_over_a_byte_order_mark_but_not_over_what_begins_like_one(self):
        self.suppress("import", "-", text="\ufeffreason,email\nold,a@example.com\n")
        self.suppress("import", "-", text="\ufb01b@example.com\n")
        self.assertEqual(self.listed(), ["a@example.com", "\ufb01b@example.com"])

    def test_a_dry_import_counts_no_address_that_is_none(self):
        self.suppress("import", "--dry-run", "-", text="address\na@example.com\nnonsense\n", status=1)
        self.assertIn("-:3 is no mail address and would not be imported", self.said)
        self.assertIn("1 would be changed, 0 as they were, 1 failed", self.said)

    def test_import_says_what_cannot_be_read(self):
        self.suppress("import", str(self.folder), status=1)
        self.assertIn(f"{self.folder}: Is a directory", self.said)

    def test_a_story_that_cannot_be_printed_is_a_failure(self):
        with open("/dev/full", "w") as full:
            done = subprocess.run([DSND, "suppress", "get", "-c", str(self.conf), "a@example.com"], stdout=full,
                                  timeout=LIMIT_S)
        self.assertEqual(done.returncode, 1)

    def test_undo_takes_back_what_a_rule_decided_and_tells_it(self):
        rules = self.knowledge / "rules"
        (rules / "mine.rules").write_text("[mine]\nmatch = purple elephant\nreason = user-unknown\n"
                                          "example = 550 5.1.1 purple elephant\n")
        self.bounces(1, 2, text="purple elephant")
        self.bounces(3)
        self.assertEqual(self.listed("--rule", "mine"), ["user1.0@example1.com", "user2.0@example2.com"])
        self.suppress("undo", "--rule", "mine", "--dry-run")
        self.assertIn("2 would be changed", self.said)
        self.assertEqual(len(self.listed()), 3)
        decided = self.redis.client.hget(PREFIX + "rcpt:user1.0@example1.com", "event")
        self.suppress("undo", "--rule", "mine", "--since", "1h")
        self.assertEqual(self.listed(), ["user3.0@example3.com"])
        retractions = [json.loads(fields["event"]) for _, fields in self.stream()[3:]]
        self.assertEqual([e["kind"] for e in retractions], ["retraction"] * 2)
        self.assertIn(decided, [e["retracts"] for e in retractions])
        self.suppress("undo", status=2)

    def test_retractions_come_with_the_feed(self):
        subscriber = self.subscribe()
        self.start()
        subscriber.wait_subscribed()
        self.maildir.deliver(bounce(1))
        wait_until(lambda: len(subscriber.receive()) >= 1, "the bounce")
        self.suppress("undo", "--reason", "user-unknown")
        wait_until(lambda: len(subscriber.receive()) >= 2, "the retraction")
        event = json.loads(subscriber.events[1][-1])
        self.assertEqual((event["kind"], event["recipient"]), ("retraction", "user1.0@example1.com"))

    def test_scopes_have_lists_of_their_own(self):
        self.configure(text="[policy]\nscope_headers = X-Tenant; List-Id\n[policy user-unknown]\nreach = scope\n")
        self.maildir.deliver(bounce(1).replace(b"Subject: News 1", b"List-Id: News <News.Example.org>"))
        self.maildir.deliver(bounce(2))
        self.once()
        self.assertEqual(self.listed(), ["user2.0@example2.com"])
        self.assertEqual(self.listed("--scope", "news.example.org"), ["user1.0@example1.com"])
        self.suppress("undo", "--reason", "user-unknown")
        self.assertEqual(self.listed() + self.listed("--scope", "news.example.org"), [])
        self.assertEqual({json.loads(f["event"])["decisions"][0]["scope"] for _, f in self.stream()[2:]},
                         {None, "news.example.org"})

    def test_a_return_address_can_name_the_scope(self):
        self.configure(text="[policy user-unknown]\nreach = scope\n"
                            "[recipient]\nverp = ^(?<scope>[^+@]+)\\+(?<recipient>[^@]+=[^@=]+)@\n")
        for n, mailbox in ((1, "tenant-a"), (2, "tenant-b")):
            for user in ("jane", "joe"):
                self.maildir.deliver(f"Delivered-To: {mailbox}+{user}=example.org@lists.example.net\n".encode() + bounce(n))
        self.maildir.deliver(bounce(3))
        self.once()
        self.assertEqual(self.listed(), ["user3.0@example3.com"])
        self.assertEqual(self.listed("--scope", "tenant-a"), ["jane@example.org", "joe@example.org"])
        self.suppress("remove", "--scope", "tenant-b", "jane@example.org")
        self.assertEqual((self.listed("--scope", "tenant-a"), self.listed("--scope", "tenant-b")),
                         (["jane@example.org", "joe@example.org"], ["joe@example.org"]))

    def test_undo_of_one_provider_leaves_the_others(self):
        self.maildir.deliver(bounce(1).replace(b"mx.example.com\nDiag", b"aspmx.l.google.com\nDiag"))
        self.maildir.deliver(bounce(2).replace(b"mx.example.com\nDiag", b"mx-aol.mail.gm0.yahoodns.net\nDiag"))
        self.bounces(3)
        self.assertEqual(len(self.listed()), 3)
        self.suppress("undo", "--provider", "google")
        self.assertEqual(self.listed(), ["user2.0@example2.com", "user3.0@example3.com"])
        self.suppress("undo", "--provider", "google", "--until", "2020-01-01T00:00:00Z")
        self.assertIn("0 changed", self.said)

    def test_undo_of_one_domain_leaves_the_others(self):
        self.bounces(1, 2, 12)
        self.suppress("undo", "--domain", "EXAMPLE2.com", "--since", "1h")
        self.assertEqual(self.listed(), ["user1.0@example1.com", "user12.0@example12.com"])
        self.assertEqual(self.listed("--domain", "example12.com"), ["user12.0@example12.com"])
        self.assertEqual(self.listed("--domain", "12.com"), [])

    def test_all_shards_are_listed(self):
        self.configure(redis_keys="shards = 4")
        self.bounces(*range(20))
        self.suppress("add", "jane@example.com")
        self.assertEqual(len(self.listed()), 21)
        self.suppress("remove", "jane@example.com")
        self.assertEqual(len(self.listed()), 20)

    def test_a_list_longer_than_a_page_comes_whole(self):
        self.suppress("import", "-", text="".join(f"user{n}@example.com\n" for n in range(3500)))
        self.assertEqual(self.listed(), sorted(f"user{n}@example.com" for n in range(3500)))

    def test_a_policy_for_no_reason_is_refused(self):
        self.configure(text="[policy no-such-reason]\nbounces = 2\n")
        daemon = self.start("--once", wait=False)
        self.assertEqual(daemon.wait(), 1)
        self.assertIn("[policy no-such-reason]: there is no such reason or category", daemon.log())


class Held(ByHand):
    """What the guard holds; the outage itself is in tests/unit/test_policy.c, with a clock that moves."""

    def held(self, *arguments, status=0):
        done = subprocess.run([DSND, "held", *arguments, "-c", str(self.conf)], capture_output=True, text=True, timeout=LIMIT_S)
        self.assertEqual(done.returncode, status, done.stderr)
        return done.stdout

    def outage(self, bounces=1, n=2):
        """Has learnt for a week, and so many bounces an hour are too much for it."""
        self.configure(text=f"[guard]\nbounces = {bounces}\n")
        born = int(self.redis.client.time()[0]) * 1000 - 8 * DAY_MS
        self.redis.client.hset(PREFIX + "guard", "*", f"0 0 0 0 {born} {born} 0")
        for k in range(1, n + 1):
            self.maildir.deliver(bounce(k).replace(b"mx.example.com\nDiag", b"aspmx.l.google.com\nDiag"))
        self.once()

    def test_list_release_and_discard(self):
        self.outage()
        self.assertEqual((self.state("user1.0@example1.com"), self.listed()), ("held", []))
        self.assertEqual(sum(fields["topic"] == "incident.-.open.google" for _, fields in self.stream()), 1)
        self.assertIn("user2.0@example2.com", self.held("list"))
        self.held("release", "--provider", "microsoft")
        self.assertEqual(self.listed(), [])
        self.held("release", "--provider", "google")
        self.assertEqual(self.listed(), ["user1.0@example1.com", "user2.0@example2.com"])
        self.assertEqual(self.last_event()["kind"], "suppression")
        self.assertNotIn("user", self.held("list"))

    def test_what_bounces_after_the_outage_is_held_no_more(self):
        self.outage(n=1)
        self.assertIn("user1.0@example1.com", self.redis.client.zrange(PREFIX + "held:google", 0, -1))
        self.redis.client.delete(PREFIX + "guard")
        self.maildir.deliver(bounce(1).replace(b"mx.example.com\nDiag", b"aspmx.l.google.com\nDiag").replace(b"<bounce", b"<b"))
        self.once()
        self.assertEqual((self.state("user1.0@example1.com"), self.listed()), ("suppressed", ["user1.0@example1.com"]))
        self.assertEqual(self.redis.client.zrange(PREFIX + "held:google", 0, -1), [])

    def test_what_was_suppressed_before_it_was_known_is_taken_back(self):
        self.outage(bounces=3, n=6)
        self.assertEqual((self.listed(), [self.state(f"user{n}.0@example{n}.com") for n in range(1, 7)]), ([], ["held"] * 6))
        events = [json.loads(fields["event"]) for _, fields in self.stream()]
        back = [e for e in events if e["kind"] == "retraction"]
        self.assertEqual({(e["action"], e["reason"], e["decisions"][0]["state"], e["decisions"][0]["before"]) for e in back},
                         {("hold", "user-unknown", "held", "suppressed")})
        self.assertEqual({e["retracts"] for e in back},
                         {e["id"] for e in events if e["kind"] == "bounce" and e["decisions"][0]["state"] == "suppressed"})
        self.assertGreaterEqual(len(back), 2)
        self.assertIn("it looks like an outage of google", self.suppress("get", back[0]["recipient"]))
        self.held("release")
        self.assertEqual(len(self.listed()), 6)

    def test_discard_clears(self):
        self.outage()
        self.held("discard", "--note", "it was an outage")
        self.assertEqual((self.state("user1.0@example1.com"), self.listed()), ("ok", []))
        self.assertEqual((self.last_event()["kind"], self.last_event()["note"]), ("retraction", "it was an outage"))
        self.assertEqual(self.redis.client.zcard(PREFIX + "held:google"), 0)
        self.held("nonsense", status=2)


class Together(Case):
    """Several daemons on one Redis, each with a maildir of its own, and bounces of the same addresses in all of them."""

    def confs(self, n):
        for i in range(n):
            (self.folder / f"box{i}").mkdir()
            for name in ("new", "cur", "tmp"):
                (self.folder / f"box{i}" / name).mkdir()
            conf = self.folder / f"dsnd{i}.conf"
            conf.write_text(f"[redis]\nserver = unix:{self.redis.path}\n"
                            f"[source box]\nkind = maildir\npath = {self.folder}/box{i}\n"
                            f"[knowledge]\ndir = {self.knowledge}\n")
            yield conf

    def fill(self, n, messages):
        for i in range(n):
            for m in range(messages):
                # Another message each, of the same five addresses.
                text = bounce(m % 5, status="4.2.2", code=452, text="mailbox full")
                (self.folder / f"box{i}" / "new" / f"{m}.host").write_bytes(text + f"{i} {m}\n".encode())

    def assert_every_count(self, total):
        counts = [int(self.redis.client.hget(f"{PREFIX}rcpt:user{m}.0@example{m}.com", "soft")) for m in range(5)]
        self.assertEqual(sum(counts), total)
        self.assert_counted_once(total)
        for m in range(5):
            known = self.redis.client.hgetall(f"{PREFIX}rcpt:user{m}.0@example{m}.com")
            self.assertEqual((known["state"], len(known["days:mailbox-full"].split())), ("watch", 1))

    def test_many_daemons_count_each_bounce_of_an_address_once(self):
        confs = list(self.confs(6))
        self.fill(6, 100)
        for daemon in [self.start("--once", conf=conf, wait=False) for conf in confs]:
            self.assertEqual(daemon.wait(), 0, daemon.log()[-2000:])
        self.assert_every_count(600)

    def test_killed_at_any_moment_they_leave_no_half_state(self):
        confs = list(self.confs(2))
        self.fill(2, 150)
        for moment in range(12):
            daemons = [self.start("--once", conf=conf, wait=False) for conf in confs]
            wait_until(lambda: len(self.stream()) > moment * 20 or all(d.process.poll() is not None for d in daemons),
                       "some are stored")
            for daemon in daemons:
                daemon.end(signal.SIGKILL)
        for conf in confs:
            self.assertEqual(self.start("--once", conf=conf, wait=False).wait(), 0)
        self.assert_every_count(300)
