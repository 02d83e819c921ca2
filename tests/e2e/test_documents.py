"""What documents say is there, is there; and every command in them works."""

import json
import os
import pty
import re
import shutil
import stat
import subprocess

from harness import DSND, LIMIT_S, ROOT, SAMPLES, Case, read_terminal

MAILBOX = SAMPLES / "formats"
FOLDERS = "daemon|config|contrib|include|tests"
COMMAND = re.compile(r"(?:^|[|;&$(`] ?|then )(?:build/daemon/|/usr/bin/)?(dsnd [a-z].*)")
READS_NO_CONF = ("parse", "classify", "explain", "check", "keys")

# Not run here, and why.
NOT_COMMANDS = {
    "dsnd unix - n n - 10 pipe": "a line of Postfix's master.cf: test_postfix.py",
    'dsnd enqueue -- "$1"': "of a recipe, whose mail server sets $1: test_queue.py",
    'dsnd verp -- "$1") || exit 75': "of a script that sets $1",
    "dsnd tail --feed tcp://192.0.2.1:5556 --replay tcp://192.0.2.1:5557 \\": "goes on for ever: test_curve.py",
}


def literal_lines(path):
    """Lines that the document shows as they are typed."""
    literal = False
    for line in path.read_text().splitlines():
        if path.suffix == ".md" and line.startswith("    "):
            yield line[4:]
        elif line.startswith(".Dl "):
            yield plain(line[4:])
        elif line.startswith((".Bd -literal", ".Ed")):
            literal = line.startswith(".Bd")
        elif literal:
            yield plain(line)


def plain(line):
    return line.replace("\\(dq", '"').replace("\\e", "\\").replace("\\-", "-")


def commands():
    """(name of the document, command); of a pipe, what dsnd does in it."""
    for path in [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "contrib/man").iterdir())]:
        for line in literal_lines(path):
            for command in COMMAND.findall(line):
                yield path.name, re.split(r" \| |  +#", command)[0].strip()


class Documents(Case):
    def test_paths_that_documents_name_exist(self):
        for name in ("ARCHITECTURE.md", "CONTRIBUTING.md", "README.md"):
            text = (ROOT / name).read_text()
            paths = re.findall(rf"`((?:{FOLDERS})/[\w./-]+)`", text) + re.findall(r"\]\(([\w./-]+)\)", text)
            self.assertTrue(paths, name)
            for path in paths:
                with self.subTest(document=name, path=path):
                    self.assertTrue((ROOT / path).exists(), f"{name} names {path}, which is not there")

    def test_every_warning_is_explained(self):
        """What is logged as a warning or an error stands in dsnd-operating(7)."""
        logged = set()
        for path in (ROOT / "daemon").rglob("*.c"):
            for level, event in re.findall(r'DSN_LOG\(([^"]*?),\s*"([a-z-]+)"', path.read_text()):
                if "INFO" not in level and not level.startswith("DSN_LOG_DEBUG"):
                    logged.add(event)
        self.assertGreater(len(logged), 15)
        page = (ROOT / "contrib/man/dsnd-operating.7").read_text()
        explained = {name for line in re.findall(r"^\.It Ql (.*)$", page, re.M) for name in line.split(" , ")}
        self.assertEqual(logged, explained)

    def test_every_promise_names_tests_that_exist(self):
        there = set()
        for path in (ROOT / "tests/e2e").glob("test_*.py"):
            for name, body in re.findall(r"^class (\w+)\(.*\):\n((?:\n|    .*\n)*)", path.read_text(), re.M):
                there |= {f"{path.stem}.{name}.{test}" for test in re.findall(r"^    def (test_\w+)\(", body, re.M)}
        for path in (ROOT / "tests/unit").glob("test_*.c"):
            there |= {f"{path.stem}.{test}" for test in re.findall(r"^START_TEST\((\w+)\)", path.read_text(), re.M)}
        page = ROOT / "contrib/man/dsnd-promises.7"
        named = [line for line in literal_lines(page) if line]
        self.assertGreater(len(named), 50)
        self.assertEqual([name for name in named if name not in there], [])
        promises = re.findall(r"^\.(?:Pp|Ss .*)\n((?:(?!\.Pp|\.S[sh]).*\n)*)", page.read_text(), re.M)
        self.assertEqual([promise for promise in promises if ".Bd -literal" not in promise], [])

    def test_every_key_of_a_format_is_explained(self):
        code = (ROOT / "daemon/mail/format_file.c").read_text().split("allowed[] = {")[1].split("}")[0]
        keys = {key.removesuffix(".*") for key in re.findall(r'"([^"]+)"', code)}
        page = (ROOT / "contrib/man/dsnd-formats.5").read_text().split(".Ss Keys")[1]
        explained = {name.removesuffix(".NAME") for line in re.findall(r"^\.It Cm (.*)$", page, re.M)
                     for name in line.split(" , ")}
        self.assertGreater(len(keys), 15)
        self.assertEqual(keys - explained, set())

    def test_every_reason_has_its_name_in_sisimai(self):
        ours = set(re.findall(r"^\[([a-z-]+)\]$", (ROOT / "config/reasons.conf").read_text(), re.M))
        table = (ROOT / "contrib/man/dsnd-sisimai.7").read_text().split(".Ss Reasons")[1]
        told = {name for row in re.findall(r"^\.It .* Ta ([a-z, -]+)$", table, re.M) for name in row.split(", ")}
        self.assertEqual(ours, told)

    def stage(self):
        """A folder in which the documents' paths are, and a dsnd on the PATH that reads our configuration."""
        keys = self.folder / "verp.keys"
        keys.write_text(f"a = {'5a' * 32}\n")
        keys.chmod(0o600)
        self.conf = self.configure(f"[verp]\nkeys = {keys}\ndomain = bounce.example.net\n")
        (self.folder / "config").symlink_to(ROOT / "config")
        shutil.copy(SAMPLES / "null-mx.eml", self.folder / "message.eml")
        for name in ("several-recipients.eml", "spamhaus-blocked.eml"):
            shutil.copy(SAMPLES / name, self.folder)
        self.describe_a_format()
        program = self.folder / "bin/dsnd"
        program.parent.mkdir()
        program.write_text(f"#!/bin/sh\ncommand=$1\nshift\ncase $command in\n{'|'.join(READS_NO_CONF)}) "
                           f'exec {DSND} "$command" "$@" ;;\n*) exec {DSND} "$command" "$@" -c {self.conf} ;;\nesac\n')
        program.chmod(program.stat().st_mode | stat.S_IXUSR)

    def describe_a_format(self):
        """What dsnd-formats(5) has its reader save in /etc/dsnd/formats."""
        page = (ROOT / "contrib/man/dsnd-formats.5").read_text()
        message, expected, described, _ = (plain(block) for block in re.findall(r"^\.Bd .*?\n(.*?)^\.Ed", page, re.M | re.S))
        (self.folder / "formats").mkdir()
        (self.folder / "formats/example-mta.eml").write_text(expected + message)
        (self.folder / "formats/example-mta.format").write_text(described)

    def shell(self, command, stdout=subprocess.PIPE, stderr=subprocess.PIPE):
        for path, ours in (("/path/to/bounces", MAILBOX), ("/var/mail/bounces", MAILBOX), ("/etc/dsnd", self.folder)):
            command = command.replace(path, str(ours))
        return subprocess.run(command, shell=True, cwd=self.folder, stdout=stdout, stderr=stderr, text=True, timeout=LIMIT_S,
                              env={**os.environ, "PATH": f"{self.folder}/bin:{os.environ['PATH']}"})

    def test_the_session_of_the_readme_is_what_a_terminal_shows(self):
        self.stage()
        session = re.findall(r"^ {4}\$ .*\n(?: {4}.*\n)+", (ROOT / "README.md").read_text(), re.M)
        shown = re.sub("^ {4}", "", "".join(session), flags=re.M).splitlines()
        seen = []
        for command in (line[2:] for line in shown if line.startswith("$ ")):
            main, terminal = pty.openpty()
            self.shell(command, stdout=terminal, stderr=terminal)
            os.close(terminal)
            seen += ["$ " + command, *(line.split("\x1b[K")[-1] for line in read_terminal(main).splitlines())]
        self.assertGreater(len(shown), 10)
        self.assertEqual(seen, shown)

    def test_the_worked_example_of_a_format(self):
        self.stage()
        def read(options):
            lines = self.shell(f"dsnd parse {options} /etc/dsnd/formats/example-mta.eml").stdout.splitlines()
            return [(e["format"], e["recipient"], e["reason"], e["remote_mta"]) for e in map(json.loads, lines)]
        self.assertNotIn("example-mta", [event[0] for event in read("")])
        self.assertEqual(read("--knowledge /etc/dsnd"),
                         [("example-mta", "lena.vogt@post.example", "user-unknown", "mx.post.example"),
                          ("example-mta", "tom@nowhere.example", "host-unknown", None)])
        checked = self.shell("dsnd check --knowledge /etc/dsnd")
        self.assertEqual(checked.returncode, 0, checked.stderr)
        wrong = self.folder / "formats/example-mta.eml"
        wrong.write_text(wrong.read_text().replace("5.1.1 550", "5.1.2 550"))
        self.assertEqual(self.shell("dsnd check --knowledge /etc/dsnd").returncode, 1)

    def test_commands_in_documents_work(self):
        self.stage()
        self.assertEqual(self.shell("dsnd suppress add someone@example.com").returncode, 0)
        found = list(commands())
        for name, command in found:
            if command not in NOT_COMMANDS:
                with self.subTest(document=name, command=command):
                    done = self.shell(command)
                    self.assertEqual(done.returncode, 0, done.stdout[-1000:] + done.stderr)
        self.assertGreater(len(found), 15)
        self.assertEqual(set(NOT_COMMANDS) - {command for _, command in found}, set(), "not in any document")
