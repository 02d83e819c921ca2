"""libdsn as others see it: contrib/python/dsn.py and its example on the library that was built say what dsnd says."""

import json
import os
import pathlib
import re
import subprocess
import sys
import unittest

from harness import DSND, LIMIT_S, ROOT, SAMPLES, dsnd, sanitizer

LIBRARY = pathlib.Path(DSND).resolve().parent / "libdsn.so.0"
MESSAGES = sorted(SAMPLES.rglob("*.eml"))
READ = """import dsn, json, sys
reader = dsn.Reader()
for path in sys.argv[1:]:
    for event in reader.read(open(path, "rb").read(), path):
        print(json.dumps(event))"""
CLASSIFY = """import dsn, json, sys
for text in sys.argv[1:]:
    print(json.dumps(dsn.Reader().classify(text, "mx.google.com")))"""


def events(lines):
    """When they were seen is another time each."""
    return [{key: value for key, value in json.loads(line).items() if key != "observed_at"} for line in lines.splitlines()]


@unittest.skipUnless(LIBRARY.exists(), "no library beside dsnd")
class Python(unittest.TestCase):
    def python(self, *arguments, status=0):
        env = {**os.environ, "PYTHONPATH": str(ROOT / "contrib" / "python"), "LD_LIBRARY_PATH": str(LIBRARY.parent)}
        if sanitizer(LIBRARY):  # it has to come first; what Python itself leaks is not ours
            runtime = subprocess.run(["cc", f"-print-file-name=lib{sanitizer(LIBRARY)}.so"], capture_output=True, text=True)
            env |= {"LD_PRELOAD": runtime.stdout.strip(), "ASAN_OPTIONS": "detect_leaks=0"}
        done = subprocess.run([sys.executable, "-B", *map(str, arguments)], capture_output=True, text=True,
                              timeout=LIMIT_S, env=env)
        self.assertEqual(done.returncode, status, done.stderr)
        self.said = done.stderr
        return done.stdout

    def test_it_reads_what_dsnd_reads(self):
        self.assertGreater(len(MESSAGES), 10)
        self.assertEqual(events(self.python("-c", READ, *MESSAGES)), events(dsnd("parse", *MESSAGES)))

    def test_it_classifies_as_dsnd_does(self):
        answers = ["550 5.1.1 <jürgen@example.com>: user unknown", "452 4.2.2 mailbox full", "550", "words"]
        self.assertEqual(events(self.python("-c", CLASSIFY, *answers)), events(dsnd("classify", "--remote-mta", "mx.google.com", *answers)))

    def test_the_example_tells_who_why_and_what_to_do(self):
        program, folder = ROOT / "contrib" / "examples" / "bounces.py", SAMPLES
        expected = "".join("\t".join(event[key] or "-" for key in ("recipient", "reason", "action")) + "\n"
                           for event in events(dsnd("parse", *MESSAGES)))
        self.assertEqual(self.python(program, *MESSAGES), expected)
        self.assertIn("user-unknown\tsuppress\n", expected)
        said = self.python(program, folder / "no-such-file", os.devnull, MESSAGES[0], status=1)
        self.assertTrue(expected.startswith(said) and said)
        self.assertEqual(self.said.count("bounces.py: "), 2, self.said)
        self.assertIn("no-such-file: No such file or directory\n", self.said)

    def test_every_public_function_can_be_called(self):
        declared = {name for header in (ROOT / "include" / "dsn").iterdir()
                    for name in re.findall(r"^[^/ ].*?\b(dsn_\w+)\(", header.read_text(), re.M)}
        self.assertIn("dsn_reader_read", declared)
        found = "import ctypes, sys; lib = ctypes.CDLL('libdsn.so.0'); print([n for n in sys.argv[1:] if not hasattr(lib, n)])"
        self.assertEqual(self.python("-c", found, *sorted(declared)), "[]\n")


if __name__ == "__main__":
    unittest.main()
