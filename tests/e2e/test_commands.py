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
            with_own, built_in = (int(re.search(r"(\d+) rules", dsnd("check", "--knowledge", directory))[1])
                                  for directory in (folder, path / "nothing"))
            self.assertEqual(with_own, built_in + 1)

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
