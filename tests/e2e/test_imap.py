"""Bounces in a mailbox elsewhere: a real mbsync fetches them from a real Dovecot, as contrib/recipes/mbsyncrc says."""

import imaplib
import os
import shutil
import ssl
import subprocess
import unittest

import debs
from harness import LIMIT_S, ROOT, Case, Server, bounce, free_port, wait_until
from mta import RECEIVER, RECEIVER_GROUP

RECIPES = ROOT / "contrib" / "recipes"
PACKAGES = ("isync", "dovecot-core", "dovecot-imapd", "libsasl2-2", "libunwind8")
USER, PASSWORD = "bounces@bounce.example.net", "secret"

CONF = """
base_dir = {folder}/run
state_dir = {folder}/state
log_path = {folder}/log
default_internal_user = daemon
default_internal_group = daemon
default_login_user = nobody
protocols = imap
listen = 127.0.0.1
ssl = required
ssl_cert = <{folder}/cert.pem
ssl_key = <{folder}/key.pem
mail_location = maildir:{folder}/mail
first_valid_uid = 1
service imap-login {{
  chroot =
  inet_listener imap {{
    port = 0
  }}
  inet_listener imaps {{
    port = {port}
  }}
}}
service anvil {{
  chroot =
}}
passdb {{
  driver = static
  args = password={password}
}}
userdb {{
  driver = static
  args = uid={user} gid={group} home={folder}/mail
}}
"""


def dovecot_version():
    return subprocess.run([*debs.over_usr(*PACKAGES), "dovecot", "--version"], capture_output=True, text=True).stdout


class Dovecot(Server):
    """On the loopback interface, with TLS, and with a mailbox for whoever knows the password."""

    def __init__(self, folder):
        self.folder, self.port = folder / "dovecot", free_port()
        self.certificate = self.folder / "cert.pem"
        (self.folder / "mail").mkdir(parents=True)
        shutil.chown(self.folder / "mail", RECEIVER, RECEIVER_GROUP)
        subprocess.run([*debs.over_usr("openssl"), "openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
                        "-nodes", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost",
                        "-keyout", self.folder / "key.pem", "-out", self.certificate], check=True, capture_output=True)
        (self.folder / "conf").write_text(CONF.format(folder=self.folder, port=self.port, user=RECEIVER, group=RECEIVER_GROUP,
                                                            password=PASSWORD))

    def start(self):
        with open(self.folder / "out", "wb") as out:
            self.process = subprocess.Popen([*debs.over_usr(*PACKAGES), "dovecot", "-F", "-c", self.folder / "conf"],
                                            stdout=out, stderr=out)
        wait_until(self.answers, "Dovecot starts", limit_s=30)

    def answers(self):
        if self.process.poll() is not None:
            raise AssertionError(f"Dovecot ends: {(self.folder / 'out').read_text()}")
        try:
            self.connect().logout()
            return True
        except (OSError, imaplib.IMAP4.error):
            return False

    def connect(self):
        client = imaplib.IMAP4_SSL("localhost", self.port, ssl_context=ssl.create_default_context(cafile=self.certificate))
        client.login(USER, PASSWORD)
        return client

    def keep(self, message, flags=None):
        with self.connect() as client:
            client.append("INBOX", flags, None, message)

    def kept(self):
        """How many messages are in the mailbox."""
        with self.connect() as client:
            return int(client.select()[1][0])


@unittest.skipIf(os.geteuid() != 0, "Dovecot starts as root alone, here in a mount namespace of its own")
class Fetched(Case):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        if not dovecot_version().startswith("2.3."):
            raise unittest.SkipTest("this Dovecot is not of the version, 2.3, that the configuration here is for")

    def setUp(self):
        super().setUp()
        os.chmod(self.folder, 0o755)
        for path in (self.maildir.path, *self.maildir.path.iterdir()):
            shutil.chown(path, RECEIVER, RECEIVER_GROUP)
        self.server = Dovecot(self.folder)
        self.server.start()
        self.addCleanup(self.server.stop)
        self.home = self.folder / "home"  # /etc/dsnd and /var/lib/dsnd in one
        self.home.mkdir()
        shutil.chown(self.home, RECEIVER, RECEIVER_GROUP)
        (self.home / "imap-password").write_text(PASSWORD)
        self.rc = {"Host imap.example.net": f"Host localhost\nPort {self.server.port}",
                   "SSLType IMAPS": f"SSLType IMAPS\nCertificateFile {self.server.certificate}"}
        self.recipe("mbsyncrc", self.rc)
        self.recipe("mbsync-bounces", {"/var/lib/dsnd/bounces": self.maildir.path})

    def recipe(self, name, changes):
        text = (RECIPES / name).read_text()
        for theirs, ours in {**changes, "/etc/dsnd": self.home, "/var/lib/dsnd": self.home}.items():
            self.assertIn(theirs, text)
            text = text.replace(theirs, str(ours))
        (self.home / name).write_text(text)

    def fetch(self):
        """Whether the recipe says that all went well."""
        done = subprocess.run([*debs.over_usr(*PACKAGES), "setpriv", f"--reuid={RECEIVER}", f"--regid={RECEIVER_GROUP}",
                               "--clear-groups", "sh", self.home / "mbsync-bounces"], capture_output=True, text=True, timeout=LIMIT_S)
        self.said = done.stderr
        return done.returncode == 0

    def test_every_bounce_is_fetched_once_whether_somebody_read_it_or_not(self):
        self.start()
        self.server.keep(bounce(1))
        self.server.keep(bounce(2), r"\Seen")
        self.assertTrue(self.fetch(), self.said)
        self.wait_settled(2)
        self.assertEqual(self.server.kept(), 2)
        self.server.keep(bounce(3))
        self.assertTrue(self.fetch(), self.said)
        self.wait_settled(3)
        self.assertEqual(self.server.kept(), 1)  # what had been handed over is gone
        self.assertTrue(self.fetch(), self.said)
        self.assertEqual(self.server.kept(), 0)
        self.assert_counted_once(3)

    def test_all_may_stay_on_the_server(self):
        self.recipe("mbsyncrc", {**self.rc, "PullNew PushDelete": "PullNew", "Expunge Far\n": ""})
        for n in range(3):
            self.server.keep(bounce(n))
            self.assertTrue(self.fetch(), self.said)
        self.assertEqual(self.server.kept(), 3)
        self.once()
        self.assert_counted_once(3)

    def test_what_cannot_be_handed_over_stays_on_the_server(self):
        self.server.keep(bounce(1))
        os.chmod(self.maildir.path / "new", 0o500)
        self.assertFalse(self.fetch())
        self.server.keep(bounce(2), r"\Seen")
        self.assertFalse(self.fetch())
        self.assertEqual(self.server.kept(), 2)
        os.chmod(self.maildir.path / "new", 0o700)
        self.server.stop()
        self.assertFalse(self.fetch())
        self.once()
        self.assert_counted_once(2)
        self.server.start()
        self.assertTrue(self.fetch(), self.said)
        self.assertEqual((self.server.kept(), self.maildir.names("new")), (0, []))
