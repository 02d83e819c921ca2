"""A real Exim, out of Debian's package and beside whatever mail server the machine has: its own configuration, spool and
ports, on the loopback interface only. It starts as root alone. It trusts no configuration but the one in /etc, insists on
a user Debian-exim, and as it has setuid, finds libraries by the system's cache alone: so it has an /etc of its own, a copy in
a mount namespace, where that user has the number of the user mail."""

import os
import pwd
import shutil
import subprocess
import unittest

import debs
from harness import DSND, ROOT, free_port, wait_until
from mta import RECEIVER, Mta

RECIPE = ROOT / "contrib" / "recipes" / "exim-bounces"
OWNER = pwd.getpwnam("mail")

CONF = """
exim_path = {exim}
keep_environment =
spool_directory = {folder}/spool
log_file_path = {folder}/spool/log/%slog
pid_file_path = {folder}/spool/pid
primary_hostname = sender.test
local_interfaces = 127.0.0.1
daemon_smtp_ports = {sender} : {remote}
tls_advertise_hosts =
host_lookup =
rfc1413_hosts =
acl_smtp_rcpt = rcpt
acl_smtp_data = data

begin acl

rcpt:
  accept condition = ${{if eq{{$received_port}}{{{sender}}}}}
  deny local_parts = full
       message = 552 5.2.2 Mailbox is full
  accept local_parts = content
  deny message = 550 5.1.1 User unknown

data:
  deny condition = ${{if eq{{$received_port}}{{{remote}}}}}
       message = 550 5.7.1 Message content rejected
  accept

{routers}
remote:
  driver = manualroute
  domains = remote.test
  route_list = * 127.0.0.1
  self = send
  transport = remote

{transports}
remote:
  driver = smtp
  port = {remote}
  allow_localhost

begin retry

* * F,1h,1s
"""

START = """
cp -a /etc {folder}/etc
echo 'Debian-exim:x:{uid}:{gid}::/:/bin/false' >> {folder}/etc/passwd
echo 'Debian-exim:x:{gid}:' >> {folder}/etc/group
mkdir -p {folder}/etc/exim4
mv {folder}/conf {folder}/etc/exim4/exim4.conf
ldconfig -X -C {folder}/etc/ld.so.cache {libraries}
mount --bind {folder}/etc /etc
exec {exim} -bdf -q1s
"""


class Exim(Mta):
    def __init__(self, folder, conf, lmtp):
        """Bounces go to pipe.test (dsnd enqueue with `conf`) and lmtp.test (the socket `lmtp`), as the recipe says."""
        if os.geteuid() != 0 or subprocess.run(["unshare", "-m", "true"], capture_output=True).returncode != 0:
            raise unittest.SkipTest("Exim starts as root alone, here in a mount namespace of its own")
        exim = debs.program("exim4-daemon-light", "usr/sbin/exim4")
        self.folder = folder / "exim"
        self.sender, self.remote = free_port(), free_port()
        for path in (self.folder, self.folder / "spool"):
            path.mkdir()
        shutil.chown(self.folder / "spool", OWNER.pw_uid, OWNER.pw_gid)
        words = {"exim": exim, "libraries": " ".join(self.libraries(exim)), "folder": self.folder, "sender": self.sender, "remote": self.remote,
                 "uid": OWNER.pw_uid, "gid": OWNER.pw_gid}
        routers, transports = self.recipe(conf, lmtp)
        (self.folder / "conf").write_text(CONF.format(**words, routers=routers, transports=transports))
        (self.folder / "start").write_text(START.format(**words))

    @staticmethod
    def libraries(exim):
        """Folders of what Exim needs and the machine does not have."""
        def is_whole(folders):
            done = subprocess.run(["ldd", exim], env={**os.environ, "LD_LIBRARY_PATH": ":".join(folders)},
                                  capture_output=True)
            return b"not found" not in done.stdout
        if is_whole([]):
            return []
        folders = [str(path.parent) for path in debs.unpacked("libidn12").glob("usr/lib/*/libidn.so.12")]
        if not is_whole(folders):
            raise unittest.SkipTest("libraries that Exim needs are not installed")
        return folders

    @staticmethod
    def recipe(conf, lmtp):
        """The recipe's routers and transports: its router twice, one for each transport."""
        text = RECIPE.read_text()
        for theirs, ours in (("/usr/bin/dsnd enqueue", f"{DSND} enqueue -c {conf}"), ("/run/dsnd/lmtp.sock", str(lmtp)),
                             ("user = dsnd", f"user = {RECEIVER}")):
            assert theirs in text, theirs
            text = text.replace(theirs, ours)
        routers, transports = text[text.index("begin routers"):].split("begin transports")
        router = routers.replace("begin routers", "")
        by_lmtp = router.replace("bounce.example.net", "lmtp.test")
        by_pipe = router.replace("bounce.example.net", "pipe.test").replace("bounces:", "piped:").replace(
            "bounces_lmtp", "bounces_queue")
        return "begin routers\n" + by_lmtp + by_pipe, "begin transports\n" + transports

    def start(self):
        with open(self.folder / "out", "wb") as out:
            self.process = subprocess.Popen(["unshare", "-m", "sh", "-e", str(self.folder / "start")],
                                            stdout=out, stderr=out)
        wait_until(self.answers, "Exim starts", limit_s=30)

    def log(self):
        return self.read_log("spool/log/mainlog")

    def queued(self):
        return len(list((self.folder / "spool" / "input").glob("**/*-H")))
