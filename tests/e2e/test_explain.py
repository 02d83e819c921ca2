"""What `dsnd explain` says, to people and to programs."""

import fcntl
import json
import os
import pathlib
import pty
import shutil
import struct
import subprocess
import tempfile
import termios
import unittest

from harness import DSND, LIMIT_S, SAMPLES, bounce, dsnd


def explain(*subjects, **options):
    """What `dsnd explain --format json` says: an object for each subject."""
    return [json.loads(line) for line in dsnd("explain", "--format", "json", *subjects, **options).splitlines()]


class Explain(unittest.TestCase):
    def own(self, rules):
        """A folder of knowledge with these rules; each is (id, conditions...)."""
        folder = pathlib.Path(tempfile.mkdtemp(prefix="dsnd-explain-"))
        self.addCleanup(shutil.rmtree, folder)
        (folder / "rules").mkdir()
        (folder / "rules" / "own.rules").write_text("".join(
            "[%s]\n%s\nreason = blocked\nexample = x\n" % (name, "\n".join(conditions)) for name, *conditions in rules))
        return folder

    def message(self, text):
        with tempfile.NamedTemporaryFile(prefix="dsnd-explain-", suffix=".eml", delete=False) as file:
            file.write(text)
        self.addCleanup(pathlib.Path(file.name).unlink)
        return file.name

    def test_a_reply_code_is_its_entry(self):
        said, = explain("500")
        entry, = said["codes"]
        self.assertEqual([said["subject"], entry["code"], entry["type"], entry["severity"], entry["category"],
                          entry["reason"], entry["action"], entry["rfc"]],
                         ["500", "500", "hard", "high", "protocol", "syntax-error", "fix", "RFC 5321"])
        for field in ("causes", "remedies", "related"):
            self.assertGreater(len(entry[field]), 1, field)
            self.assertEqual(entry[field], [item.strip() for item in entry[field]])
        self.assertTrue(all(q["question"] and q["answer"] for q in entry["questions"]))
        self.assertEqual(said["verdicts"][0]["event"]["action"], "fix")

    def test_an_enhanced_code_and_both_together(self):
        self.assertEqual([c["code"] for c in explain("5.7.26")[0]["codes"]], ["5.7.26"])
        said, = explain("550 5.1.1")
        self.assertEqual([c["code"] for c in said["codes"]], ["550", "5.1.1"])
        verdict, = said["verdicts"]
        self.assertEqual([(c["code"], c["vague"], c["exact"]) for c in verdict["catalogue"]],
                         [("550", True, True), ("5.1.1", False, True)])
        self.assertEqual((verdict["event"]["reason"], verdict["event"]["rule"]), ("user-unknown", None))

    def test_a_code_without_an_entry_says_what_stands_in(self):
        verdict, = explain("5.1.99")[0]["verdicts"]
        self.assertEqual([(c["code"], c["exact"]) for c in verdict["catalogue"]], [("5.1.0", False)])
        self.assertEqual(verdict["event"]["confidence"], "low")

    def test_a_reason_is_its_entry(self):
        said, = explain("mailbox-full")
        self.assertEqual([said["reason"][k] for k in ("name", "category", "blame", "action", "transient")],
                         ["mailbox-full", "mailbox", "recipient", "count", True])
        self.assertNotIn("verdicts", said)

    def test_each_subject_is_a_line(self):
        self.assertEqual([said["subject"] for said in explain("500", "mailbox-full", SAMPLES / "exim.eml", "5.1.1")],
                         ["500", "mailbox-full", str(SAMPLES / "exim.eml"), "5.1.1"])

    def test_every_recipient_of_a_file_has_its_event_and_what_led_to_it(self):
        file = SAMPLES / "several-recipients.eml"
        events = [json.loads(line) for line in dsnd("parse", file).splitlines()]
        said, = explain(file)
        self.assertGreater(len(events), 1)
        self.assertEqual(len(said["verdicts"]), len(events))
        for verdict, event in zip(said["verdicts"], events):
            self.assertEqual({**verdict["event"], "observed_at": 0}, {**event, "observed_at": 0})
            self.assertEqual([rule["rule"] for rule in verdict["rules"] if rule["wins"]],
                             [event["rule"]] if event["rule"] else [])
            self.assertEqual({word: why is None for word, why in verdict["because"].items()},
                             {word: event[word] is None for word in ("reason", "confidence", "type", "action")})

    def test_every_rule_that_matches_is_named_with_what_it_lost_by(self):
        folder = self.own([
            ("own-vague", "match = flurbl", "vague = true"),
            ("own-text", "match = flurbl+ no"),
            ("own-later", "match = flurbl"),
            ("own-code", "match = flurbl", "code = 550; 554"),
            ("own-other-code", "match = flurbl", "code = 554"),
            ("own-codes", "match = flurbl", "code = 550", "status = 5.1.1; 5.7.*"),
            ("own-provider", "match = flurbl", "provider = google"),
        ])
        verdict, = explain("550 5.1.1 Flurbl no - gsmtp", "--knowledge", folder)[0]["verdicts"]
        own = [(r["rule"], r["wins"], r["loses_because"]) for r in verdict["rules"] if r["rule"].startswith("own-")]
        self.assertEqual(own, [
            ("own-provider", True, None),
            ("own-codes", False, "it is less specific"),
            ("own-code", False, "it is less specific"),
            ("own-text", False, "it is less specific"),
            ("own-later", False, "it is less specific"),
            ("own-vague", False, "it is vague"),
        ])
        by_name = {rule["rule"]: rule for rule in verdict["rules"]}
        self.assertEqual([by_name["own-codes"][k] for k in ("code", "status", "provider", "match", "words")],
                         [[550], ["5.1.1", "5.7.*"], None, "flurbl", "Flurbl"])
        self.assertEqual(verdict["provider_from"], "by its wording")
        verdict, = explain("550 flurbl no", "--knowledge", self.own([("own-text", "match = flurbl no"),
                                                                    ("own-later", "match = flurbl")]))[0]["verdicts"]
        self.assertEqual([r["loses_because"] for r in verdict["rules"]], [None, "it comes later in the files"])

    def test_what_made_the_action(self):
        def because(text):
            verdict, = explain(self.message(text))[0]["verdicts"]
            return verdict["event"]["action"], verdict["because"]["action"]
        self.assertEqual(because(bounce(1)), ("suppress", "the reason calls for it"))
        self.assertEqual(because(bounce(1, action="delayed"))[0], "none")
        self.assertIn("still to come", because(bounce(1, action="delayed"))[1])
        self.assertEqual(because(bounce(1, status="4.1.1", code=450))[0], "count")
        self.assertIn("soft", because(bounce(1, status="4.1.1", code=450))[1])
        whole = bounce(1)
        cut = whole[:whole.index(b"Diagnostic-Code: ") + 40]
        self.assertEqual(because(cut)[0], "count")
        self.assertIn("cut off", because(cut)[1])

    def test_for_people_the_steps_are_in_order(self):
        text = dsnd("explain", SAMPLES / "google-mailbox-full.eml")
        steps = ["format", "recipient", "taken from", "original tells", "final tells", "status", "reply code", "remote MTA", "diagnostic", "provider",
                 "best rule", "goes by", "other rule", "loses, as", "catalogue", "=> kind", "=> reason", "=> confidence",
                 "=> type", "=> action"]
        places = [text.index(step) for step in steps]
        self.assertEqual(places, sorted(places))
        self.assertNotIn("\033", text)

    def test_a_message_that_is_no_report_says_so(self):
        self.assertIn("this is no report", dsnd("explain", SAMPLES / "ordinary-mail.eml"))
        self.assertEqual(explain(SAMPLES / "ordinary-mail.eml")[0]["verdicts"], [])

    def test_what_is_in_a_message_commands_no_terminal(self):
        file = self.message(bounce(1, text="no \x1b[31msuch user"))
        self.assertNotIn("\x1b", dsnd("explain", file))

    def test_mistakes(self):
        dsnd("explain", status=2)
        dsnd("explain", "--format", "yaml", "500", status=2)
        dsnd("explain", "/nowhere/at/all", status=1)
        self.assertEqual([s["subject"] for s in explain("/nowhere/at/all", "500", status=1)], ["500"])


class Terminal(unittest.TestCase):
    def on_terminal(self, columns, *arguments, **environment):
        """What dsnd writes to a terminal of so many columns."""
        controller, terminal = pty.openpty()
        try:
            fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
            process = subprocess.Popen([DSND, *arguments], stdin=terminal, stdout=terminal, stderr=terminal,
                                       env={**os.environ, **environment})
            os.close(terminal)
            written = b""
            while True:
                try:
                    read = os.read(controller, 1 << 16)
                except OSError: # EIO: the other side is closed
                    read = b""
                if not read:
                    break
                written += read
            self.assertEqual(process.wait(LIMIT_S), 0)
            return written.decode().replace("\r\n", "\n")
        finally:
            os.close(controller)

    def test_text_is_as_wide_as_the_terminal(self):
        for columns in (50, 90):
            paragraphs = [line for line in self.on_terminal(columns, "explain", "500").splitlines()
                          if line.startswith("  ") and not line.startswith("  hard")]
            widest = max(len(line) for line in paragraphs)
            self.assertLessEqual(widest, columns)
            self.assertGreater(widest, columns - 20)

    def test_colour_is_for_terminals_that_want_it(self):
        self.assertIn("\033[1m", self.on_terminal(80, "explain", "500"))
        self.assertNotIn("\033", self.on_terminal(80, "explain", "500", NO_COLOR="1"))
        self.assertNotIn("\033", dsnd("explain", "500"))
        self.assertNotIn("\033", self.on_terminal(80, "explain", "--format", "json", "500"))


if __name__ == "__main__":
    unittest.main()
