"""A real Postfix, out of Debian's package and beside whatever mail server the machine has: its own configuration, queue
and ports, on the loopback interface only. It is two servers in one:

    sender   takes any mail, tries to deliver it to `remote`, and sends bounces back, to a maildir, a pipe or LMTP
    remote   refuses mail for remote.test, each local part in a way of its own, and for nobody elsewhere

What asks@sender.test sends is looked up before. What news@sender.test sends goes out with signed return addresses, as contrib/recipes/postfix-verp has it.

Postfix starts as root alone, and drops its rights to users that every Debian has."""

import os
import pathlib
import subprocess
import unittest

import debs
from harness import DSND, ROOT, free_port, wait_until
from mta import RECEIVER, RECEIVER_GROUP, Mta

RECIPE = ROOT / "contrib" / "recipes" / "postfix-verp"
OWNER = "mail"


MAIN = """
compatibility_level = 3.6
queue_directory = {folder}/queue
data_directory = {folder}/data
command_directory = {root}/usr/sbin
daemon_directory = {root}/usr/lib/postfix/sbin
shlib_directory = {root}/usr/lib/postfix
meta_directory = {folder}/conf
mail_owner = mail
setgid_group = uucp
import_environment = MAIL_CONFIG LANG=C LD_LIBRARY_PATH
export_environment = MAIL_CONFIG LD_LIBRARY_PATH
maillog_file = {folder}/maillog
maillog_file_prefixes = {folder}
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
myhostname = sender.test
mydestination =
alias_maps =
alias_database =
local_transport = error:no local mail here
mynetworks = 127.0.0.0/8
smtpd_relay_restrictions = permit_mynetworks, reject
smtpd_peername_lookup = no
smtp_tls_security_level = none
smtpd_tls_security_level = none
smtp_dns_support_level = disabled
recipient_delimiter = +
transport_maps = inline:{{ {{ remote.test = smtp:[127.0.0.1]:{remote} }}, {{ pipe.test = dsnd: }},
    {{ lmtp.test = lmtp:unix:{lmtp} }} }}
relay_domains = pipe.test lmtp.test
relay_recipient_maps =
virtual_mailbox_domains = maildir.test remote.test
virtual_mailbox_maps = static:{maildir}/
virtual_mailbox_base = /
virtual_uid_maps = static:{uid}
virtual_gid_maps = static:{gid}
virtual_minimum_uid = 1
delay_warning_time = 1s
queue_run_delay = 1s
minimal_backoff_time = 1s
maximal_backoff_time = 2s
dsnd_destination_recipient_limit = 1
smtpd_restriction_classes = news
news = check_recipient_access socketmap:unix:{lookup}:suppressed/news.sender.test
smtpd_recipient_restrictions = check_sender_access inline:{{ {{ asks@sender.test = news }} }}, permit
default_transport = smtp:[127.0.0.1]:{remote}
sender_dependent_default_transport_maps = inline:{{ {{ news@sender.test = verp: }} }}
verp_destination_recipient_limit = 1
"""

MASTER = """
postlog unix-dgram n - n - 1 postlogd
127.0.0.1:{sender} inet n - n - - smtpd
127.0.0.1:{remote} inet n - n - - smtpd
    -o myhostname=mx.remote.test
    -o cleanup_service_name=filter
    -o virtual_mailbox_maps=inline:{{content@remote.test=x,full@remote.test=x,later@remote.test=x}}
    -o {{smtpd_recipient_restrictions=check_recipient_access inline:{{ {{full@remote.test = 552 5.2.2 Mailbox is full}}, {{later@remote.test = 450 4.2.0 Try again later}}, {{nobody@ = 550 5.1.1 User unknown}} }}, reject_unlisted_recipient, permit}}
    -o smtpd_delay_reject=yes
filter unix n - n - 0 cleanup
    -o header_checks=regexp:{folder}/conf/refused
cleanup unix n - n - 0 cleanup
pickup unix n - n 1 1 pickup
qmgr unix n - n 1 1 qmgr
rewrite unix - - n - - trivial-rewrite
bounce unix - - n - 0 bounce
defer unix - - n - 0 bounce
trace unix - - n - 0 bounce
verify unix - - n - 1 verify
flush unix n - n 1000? 0 flush
proxymap unix - - n - - proxymap
smtp unix - - n - - smtp
relay unix - - n - - smtp
error unix - - n - - error
retry unix - - n - - error
discard unix - - n - - discard
virtual unix - n n - - virtual
lmtp unix - - n - - lmtp
anvil unix - - n - 1 anvil
scache unix - - n - 1 scache
dsnd unix - n n - 4 pipe
    user={receiver} null_sender= argv={dsnd} enqueue -c {conf} -f ${{sender}} -- ${{recipient}}
verp unix - n n - 10 pipe
    flags=q user={receiver} argv=/bin/sh {folder}/conf/postfix-verp ${{recipient}}
"""


class Postfix(Mta):
    def __init__(self, folder, conf, lmtp, maildir):
        """Bounces go to pipe.test (dsnd enqueue with `conf`), lmtp.test (the socket `lmtp`) and maildir.test."""
        if os.geteuid() != 0:
            raise unittest.SkipTest("Postfix starts as root alone")
        self.master = pathlib.Path(debs.program("postfix", "usr/lib/postfix/sbin/master"))
        self.folder, root = folder / "postfix", self.master.parents[4]
        self.environment = {**os.environ, "MAIL_CONFIG": str(self.folder / "conf"),
                            "LD_LIBRARY_PATH": str(root / "usr/lib/postfix")}
        libraries = subprocess.run(["ldd", str(self.master.parent / "smtpd")], env=self.environment, capture_output=True)
        if b"not found" in libraries.stdout:
            raise unittest.SkipTest("libraries that Postfix needs are not installed")
        self.sender, self.remote = free_port(), free_port()
        self.make_folders()
        owner = os.stat(maildir / "new")
        words = {"folder": self.folder, "root": root, "conf": conf, "lmtp": lmtp, "maildir": maildir, "dsnd": DSND,
                 "lookup": folder / "lookup.sock",
                 "uid": owner.st_uid, "gid": owner.st_gid, "sender": self.sender, "remote": self.remote,
                 "receiver": RECEIVER}
        (self.folder / "conf/main.cf").write_text(MAIN.format(**words))
        (self.folder / "conf/master.cf").write_text(MASTER.format(**words))
        (self.folder / "conf/refused").write_text("/^Subject: spam/ REJECT 5.7.1 Message content rejected\n")
        (self.folder / "conf/postfix-verp").write_text(self.recipe({"dsnd verp": f"{DSND} verp -c {conf}",
                                                                    "/usr/sbin/sendmail": f"{root}/usr/sbin/sendmail"}))

    @staticmethod
    def recipe(changes):
        text = RECIPE.read_text()
        for theirs, ours in changes.items():
            assert theirs in text, theirs
            text = text.replace(theirs, ours)
        return text

    def make_folders(self):
        def make(path, owner, group=None, mode=0o700):
            (self.folder / path).mkdir(parents=True)
            os.chmod(self.folder / path, mode)
            subprocess.run(["chown", f"{owner}:{group or ''}", str(self.folder / path)], check=True)
        make("conf", "root", mode=0o755)
        make("queue", "root", mode=0o755)
        make("data", OWNER)
        make("queue/pid", "root", mode=0o755)
        for name in ("active", "bounce", "corrupt", "defer", "deferred", "flush", "hold", "incoming", "private", "saved",
                     "trace"):
            make(f"queue/{name}", OWNER)
        # Out of the package, postdrop has no setgid: it is its caller who has to get in.
        make("queue/public", OWNER, RECEIVER_GROUP, 0o710)
        make("queue/maildrop", OWNER, RECEIVER_GROUP, 0o730)

    def start(self):
        with open(self.folder / "out", "wb") as out:
            self.process = subprocess.Popen([str(self.master), "-d", "-c", str(self.folder / "conf")],
                                            env=self.environment, stdout=out, stderr=out)
        wait_until(self.answers, "Postfix starts", limit_s=30)

    def postmap(self, key, table):
        """What a table has for a key, as Postfix reads it."""
        return subprocess.run([self.master.parents[3] / "sbin/postmap", "-q", key, table], env=self.environment,
                              capture_output=True, text=True, check=True).stdout

    def log(self):
        return self.read_log("maillog")

    def queued(self):
        """How many messages wait in the queue."""
        return sum(len(files) for name in ("incoming", "active", "deferred")
                   for _, _, files in os.walk(self.folder / "queue" / name))
