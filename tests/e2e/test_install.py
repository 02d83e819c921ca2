"""What meson install brings: where things are, a unit that systemd thinks well of, completions that complete."""

import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import unittest

from harness import DSND, LIMIT_S, ROOT

BUILD = pathlib.Path(DSND).resolve().parents[1]
COMMANDS = re.findall(r"^  ([a-z]+) ", subprocess.run([DSND, "--help"], capture_output=True, text=True).stdout, re.M)


@unittest.skipUnless((BUILD / "build.ninja").exists(), "no build folder")
class Install(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.root = pathlib.Path(tempfile.mkdtemp(prefix="dsnd-install-"))
        cls.addClassCleanup(shutil.rmtree, cls.root, True)
        done = subprocess.run(["meson", "install", "-C", BUILD, "--no-rebuild", "--destdir", cls.root],
                              capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        cls.prefix = cls.root / "usr" / "local"

    def run_shell(self, shell, script):
        env = {**os.environ, "PATH": f"{self.prefix}/bin:{os.environ['PATH']}", "HOME": str(self.root),
               "LD_LIBRARY_PATH": str(next(self.prefix.glob("**/libdsn.so")).parent)}
        done = subprocess.run([shutil.which(shell), "-c", script], capture_output=True, text=True, env=env, timeout=LIMIT_S)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.split("\n")

    def test_everything_is_in_its_place(self):
        for path in ("bin/dsnd", "include/dsn/dsn.h", "lib/systemd/system/dsnd.service", "lib/sysusers.d/dsnd.conf",
                     "lib/tmpfiles.d/dsnd.conf", "share/doc/dsnd/examples/dsnd.conf",
                     "share/doc/dsnd/examples/recipes/mbsyncrc", "share/doc/dsnd/examples/subscribers/post.py",
                     "share/man/man1/dsnd.1",
                     "share/man/man5/dsnd.conf.5", "share/man/man7/dsnd-http.7", "share/bash-completion/completions/dsnd",
                     "share/zsh/site-functions/_dsnd", "share/fish/vendor_completions.d/dsnd.fish"):
            self.assertTrue((self.prefix / path).is_file(), path)
        self.assertTrue(list(self.prefix.glob("**/pkgconfig/dsn.pc")))
        self.assertIn("ExecStart=/usr/local/bin/dsnd run\n", (self.prefix / "lib/systemd/system/dsnd.service").read_text())

    def test_every_manual_page_is_installed(self):
        pages = {page.name for page in (ROOT / "contrib" / "man").iterdir()}
        self.assertEqual({page.name for page in self.prefix.glob("share/man/man*/*")}, pages)

    @unittest.skipUnless(shutil.which("systemd-analyze"), "no systemd")
    def test_the_unit_is_locked_in(self):
        unit = self.prefix / "lib/systemd/system/dsnd.service"
        done = subprocess.run(["systemd-analyze", "security", "--offline=yes", "--threshold=20", unit],
                              capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout[-300:])
        verified = subprocess.run(["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True).stderr
        own = [line for line in verified.splitlines() if "dsnd.service" in line and "is not executable" not in line]
        self.assertEqual(own, [])

    def test_the_example_configuration_is_one(self):
        done = subprocess.run([DSND, "check", "-c", self.prefix / "share/doc/dsnd/examples/dsnd.conf"], capture_output=True,
                              text=True)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_bash_completes(self):
        script = f"source {self.prefix}/share/bash-completion/completions/dsnd\n" \
            'complete_it() { COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _dsnd; printf "%s\\n" "${COMPREPLY[@]}"; }\n'
        self.assertEqual(set(self.run_shell("bash", script + "complete_it dsnd ''")) - {""},
                         {*COMMANDS, "--help", "--version"})
        self.assertIn("--once", self.run_shell("bash", script + "complete_it dsnd run --"))
        self.assertEqual(self.run_shell("bash", script + "complete_it dsnd par"), ["parse", ""])

    @unittest.skipUnless(shutil.which("fish"), "no fish")
    def test_fish_completes(self):
        script = f"source {self.prefix}/share/fish/vendor_completions.d/dsnd.fish\n"
        self.assertEqual({line.split("\t")[0] for line in self.run_shell("fish", script + "complete -C 'dsnd '")} - {""},
                         set(COMMANDS))
        self.assertIn("--once", [line.split("\t")[0] for line in self.run_shell("fish", script + "complete -C 'dsnd run --'")])

    @unittest.skipUnless(shutil.which("zsh"), "no zsh")
    def test_zsh_completes(self):
        # What _describe is given, as it needs a terminal to show it.
        stub = '_describe() { print -l -- "$1" "${(@P)2}" }\n_files() { print files }\n'
        load = f"autoload -Uz +X _dsnd; words=(dsnd {{}}); CURRENT=$#words; _dsnd"
        script = f"fpath=({self.prefix}/share/zsh/site-functions $fpath)\n{stub}"
        lines = self.run_shell("zsh", script + load.format("''"))
        self.assertEqual([line.split(":")[0] for line in lines if ":" in line], COMMANDS)
        options = self.run_shell("zsh", script + load.format("run --"))
        self.assertIn("--once", [line.split(":")[0] for line in options])
        self.assertIn("files", self.run_shell("zsh", script + load.format("parse ''")))


if __name__ == "__main__":
    unittest.main()
