"""What the commands print that need no server: parse, classify, check."""

import json
import pathlib
import re
import subprocess
import tempfile
import unittest

from harness import DSND, LIMIT_S, SAMPLES, bounce, dsnd

HEADINGS = ["KIND", "TYPE", "REASON", "ACTION", "CODE", "STATUS", "RECIPIENT", "SOURCE"]


class Tables(unittest.TestCase):
    def rows(self, output):
        """The rows of a table as dictionaries, cut where its headings stand."""
        header, *lines = output.splitlines()
        self.assertEqual(header.split(), HEADINGS)
        starts = [header.index(heading) for heading in HEADINGS] + [None]
        return [{heading: line[start:end].strip() for heading, start, end in zip(HEADINGS, starts, starts[1:])}
                for line in lines]

    def test_parse_has_headings_over_its_columns(self):
        rows = self.rows(dsnd("parse", "--format", "table", SAMPLES / "exim.eml", SAMPLES / "ordinary-mail.eml"))
        self.assertEqual(rows, [
            {"KIND": "bounce", "TYPE": "hard", "REASON": "user-unknown", "ACTION": "suppress", "CODE": "550",
             "STATUS": "5.1.1", "RECIPIENT": "dario@vineyard.example", "SOURCE": str(SAMPLES / "exim.eml")},
            {"KIND": "none", "TYPE": "-", "REASON": "-", "ACTION": "none", "CODE": "-", "STATUS": "-",
             "RECIPIENT": "-", "SOURCE": str(SAMPLES / "ordinary-mail.eml")}])

    def test_classify_has_the_same_ones_and_once(self):
        answers = ["452 4.2.2 mailbox full", "550 5.1.1 no such user"]
        rows = self.rows(dsnd("classify", "--format", "table", answers[0], "-", text=answers[1] + "\n"))
        self.assertEqual([(r["TYPE"], r["REASON"], r["CODE"], r["STATUS"], r["SOURCE"]) for r in rows],
                         [("soft", "mailbox-full", "452", "4.2.2", answers[0]),
                          ("hard", "user-unknown", "550", "5.1.1", answers[1])])

    def test_formats_for_programs_have_none(self):
        self.assertEqual(len(json.loads(dsnd("parse", "--format", "json", SAMPLES / "exim.eml"))), 1)
        for command, operand in (("parse", SAMPLES / "exim.eml"), ("classify", "550 no")):
            lines = dsnd(command, operand).splitlines()
            self.assertEqual([json.loads(line)["kind"] for line in lines], ["bounce"])


class Mbox(unittest.TestCase):
    def mbox(self, n, text=""):
        return "".join(f"From someone Sun Sep  7 21:40:07 2008\n{bounce(i).decode()}{text}\n" for i in range(n))

    def test_one_larger_than_a_message_is_read_to_its_end_from_a_file_and_from_a_pipe(self):
        text = self.mbox(20, "x" * 500_000 + "\n")
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "mbox")
            path.write_text(text)
            for lines in (dsnd("parse", path), dsnd("parse", "-", text=text)):
                numbers = [json.loads(line)["source"]["number"] for line in lines.splitlines()]
                self.assertEqual(numbers, list(range(1, 21)))

    def test_prose_that_begins_as_its_lines_do_begins_no_message(self):
        text = self.mbox(2, "\nFrom 10:30 on nobody is here.\n")
        self.assertEqual(len(dsnd("parse", "-", text=text).splitlines()), 2)


class Mistakes(unittest.TestCase):
    def test_what_was_found_is_said(self):
        for arguments, status, text in ((["explain", "nonsense"], 1, '"nonsense" is no code, no reason'),
                                        (["dead", "revive"], 2, 'found "revive"; expected one of list, show, retry, drop'),
                                        (["dead", "--format", "xml", "list"], 2, '"xml"; expected ndjson or table'),
                                        (["keys", ""], 2, "expected one NAME"),
                                        (["held", "keep"], 2, 'found "keep"; expected one of list, release, discard'),
                                        (["tail", "--format", "xml"], 2, '"xml"; expected ndjson or table'),
                                        (["tail", "x"], 2, '"x"')):
            done = subprocess.run([DSND, *arguments], capture_output=True, text=True, timeout=LIMIT_S)
            self.assertEqual(done.returncode, status, arguments)
            self.assertIn(text, done.stderr)

    def test_a_configuration_that_is_not_there_makes_no_rule_wrong(self):
        done = subprocess.run([DSND, "check", "-c", "/nowhere/dsnd.conf"], capture_output=True, text=True, timeout=LIMIT_S)
        self.assertEqual(done.returncode, 1)
        self.assertIn("/nowhere/dsnd.conf", done.stderr)
        self.assertIn("all as they should be", done.stdout)


class RemoteMta(unittest.TestCase):
    """Who gave an answer decides whose rules it is judged by."""
    ANSWER = "550 5.7.708 Service unavailable. Access denied, traffic not accepted from this IP"
    HOST = ["--remote-mta", "example-net.mail.protection.outlook.com"]

    def test_the_rules_of_its_provider_apply(self):
        known, unknown = (json.loads(dsnd("classify", *host, self.ANSWER)) for host in (self.HOST, []))
        self.assertEqual((known["provider"], known["rule"], known["remote_mta"]),
                         ("microsoft", "microsoft-banned-sending-ip", self.HOST[1]))
        self.assertEqual((unknown["provider"], unknown["remote_mta"]), (None, None))
        self.assertNotEqual(unknown["rule"], known["rule"])

    def test_explain_tells_it(self):
        self.assertIn("microsoft: by the name of the remote MTA", dsnd("explain", *self.HOST, self.ANSWER))


class Printing(unittest.TestCase):
    def test_what_cannot_be_printed_is_a_failure_however_much_it_is(self):
        for arguments in (["classify", "550 no"], ["classify", *["550 no"] * 50], ["explain", "550"], ["parse", SAMPLES],
                          ["check", "--knowledge", "."]):
            with open("/dev/full", "w") as full:
                done = subprocess.run([DSND, *map(str, arguments)], stdout=full, stderr=subprocess.PIPE, text=True, timeout=LIMIT_S)
            self.assertEqual(done.returncode, 1, arguments[:2])
            self.assertIn("not all could be written to standard output", done.stderr)


class OwnKnowledge(unittest.TestCase):
    def test_every_command_takes_it(self):
        answer = "550 5.1.1 flurbl: no such user"
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder)
            (path / "rules").mkdir()
            (path / "rules" / "own.rules").write_text(
                f"[own-flurbl]\nstatus = 5.1.1\ncode = 550\nmatch = flurbl\nreason = blocked\nexample = {answer}\n")
            (path / "bounce.eml").write_bytes(bounce(1, text="flurbl: no such user"))
            for command, operands in (("parse", [path / "bounce.eml"]), ("classify", [answer])):
                event = json.loads(dsnd(command, "--knowledge", folder, *operands))
                self.assertEqual((event["rule"], event["reason"]), ("own-flurbl", "blocked"))
            for operand in (path / "bounce.eml", answer):
                self.assertIn("own-flurbl", dsnd("explain", "--knowledge", folder, operand))
            (path / "nothing").mkdir()
            with_own, built_in = (int(re.search(r"(\d+) rules", dsnd("check", "--knowledge", directory))[1])
                                  for directory in (folder, path / "nothing"))
            self.assertEqual(with_own, built_in + 1)

    def test_a_directory_that_is_not_there_is_told(self):
        for command in (["parse", SAMPLES], ["classify", "550 no"], ["explain", "550 no"], ["check"]):
            done = subprocess.run([DSND, *command, "--knowledge", "/nowhere"], capture_output=True, text=True, timeout=LIMIT_S)
            self.assertEqual((done.returncode, done.stdout), (1, ""), command[0])
            self.assertIn("/nowhere: is no directory", done.stderr)

    def test_a_mistake_in_a_rule_is_named_by_file_and_line(self):
        mistakes = [("status = 3.*", "2, 4 or 5"), ("status = 0.*", "2, 4 or 5"), ("status = 5.1", "such as 5.1.1"),
                    ("status = 5.1.*x", "such as 5.1.1"), ("code = 5xx", "such as 550")]
        for mistake, expected in mistakes:
            with tempfile.TemporaryDirectory() as folder:
                rules = pathlib.Path(folder, "rules", "own.rules")
                rules.parent.mkdir()
                rules.write_text(f"[own]\n{mistake}\nreason = blocked\nexample = 550 no\n")
                done = subprocess.run([DSND, "check", "--knowledge", folder], capture_output=True, text=True, timeout=LIMIT_S)
            self.assertEqual(done.returncode, 1, mistake)
            self.assertIn(f"{rules}:2: ", done.stderr, mistake)
            self.assertIn(expected, done.stderr.split(f"{rules}:2: ")[1], mistake)

    def test_a_folder_that_cannot_be_read_is_named(self):
        for name in ("rules", "formats"):
            with tempfile.TemporaryDirectory() as folder:
                pathlib.Path(folder, name).write_text("it should be a folder")
                done = subprocess.run([DSND, "check", "--knowledge", folder], capture_output=True, text=True, timeout=LIMIT_S)
                self.assertEqual(done.returncode, 1)
                self.assertIn(f"{folder}/{name}: ", done.stderr)


MINE = """[mine]
sample    = mine.eml
body      = ^Purple elephant post
recipient = ^To (?<recipient>\\S+@\\S+)$
class     = 5
"""
SAMPLE = "X-Expect: mine bounce %s 5.*\nReturn-Path: <>\nSubject: oh\n\nPurple elephant post\nTo lena.vogt@post.example\n"


class Samples(unittest.TestCase):
    """`dsnd check` tries a format on its sample."""

    def problems(self, sample):
        with tempfile.TemporaryDirectory() as directory:
            formats = pathlib.Path(directory, "formats")
            formats.mkdir()
            (formats / "mine.format").write_text(MINE)
            if sample:
                (formats / "mine.eml").write_text(sample)
            done = subprocess.run([DSND, "check", "--knowledge", directory], capture_output=True, text=True,
                                  timeout=LIMIT_S)
        self.assertEqual(done.returncode, 1 if done.stderr else 0)
        return [line.split("formats/", 1)[1] for line in done.stderr.splitlines()]

    def test_a_format_that_reads_its_sample_is_fine(self):
        self.assertEqual(self.problems(SAMPLE % "lena.vogt@post.example"), [])

    def test_one_that_reads_it_otherwise_is_named_by_file_and_line(self):
        self.assertEqual(self.problems(SAMPLE % "tom@post.example"), [
            'mine.format:2: [mine] sample = mine.eml: it gives "mine bounce lena.vogt@post.example 5.*"; '
            'expected "mine bounce tom@post.example 5.*"'])

    def test_a_sample_that_is_not_there_is_named(self):
        self.assertEqual(self.problems(None), ["mine.format:2: [mine] sample = mine.eml: there is no such file beside it"])


if __name__ == "__main__":
    unittest.main()
