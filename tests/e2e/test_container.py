"""contrib/Containerfile, as far as that can be tried without building it, which tests/container does."""

import json
import re
import subprocess

from harness import ROOT, Case, free_port, wait_until

TEXT = (ROOT / "contrib" / "Containerfile").read_text()
INSTRUCTIONS = re.sub(r"\\\n", "", TEXT)


class Container(Case):
    def test_its_health_is_that_of_the_daemon(self):
        port = free_port()
        command = json.loads(re.search(r"^HEALTHCHECK .*?CMD (.*)$", INSTRUCTIONS, re.M)[1])

        def is_healthy():
            return subprocess.run([word.replace("9925", str(port)) for word in command], capture_output=True).returncode == 0
        self.assertIn("/9925 ", " ".join(command))
        self.assertFalse(is_healthy())
        self.start(conf=self.configure(f"[http]\nlisten = 127.0.0.1:{port}\n"))
        wait_until(is_healthy, "it is healthy")

    def test_its_user_and_mailbox_are_those_of_the_package(self):
        name, home = re.match(r'u (\S+) - ".*" (\S+)', (ROOT / "contrib/systemd/dsnd.sysusers").read_text()).groups()
        self.assertRegex(INSTRUCTIONS, f"useradd .*--home-dir {home} .* {name} ")
        self.assertRegex(INSTRUCTIONS, f"(?m)^USER {name}$")
        self.assertRegex(INSTRUCTIONS, f"(?m)^VOLUME {home}$")
        for path in re.findall(r"^d (\S+/(?:new|cur|tmp)) ", (ROOT / "contrib/systemd/dsnd.tmpfiles").read_text(), re.M):
            self.assertIn(f" {path}", INSTRUCTIONS)
