"""Redis Cluster: its slots are followed wherever they go, and nothing is lost or counted twice on the way."""

import itertools
import json
import socket
import subprocess

from cluster import Cluster
from harness import DSND, LIMIT_S, Case, bounce, dsnd, free_port, wait_until

SHARDS = 16
INBOX = "{dsn}:inbox"


def prefixes():
    return [f"{{dsn:{k}}}:" for k in range(SHARDS)]


class OnCluster(Case):
    node_timeout_ms = 10000

    def setUp(self):
        super().setUp()
        self.cluster = Cluster(self.folder, self.node_timeout_ms)
        self.addCleanup(self.cluster.stop)
        self.serial = itertools.count()
        # Nobody is at the first address.
        addresses = "; ".join(f"127.0.0.1:{port}" for port in [free_port(), *(n.port for n in self.cluster.nodes)])
        self.conf.write_text(self.conf.read_text().replace(
            f"server = unix:{self.redis.path}",
            f"cluster = {addresses}\nshards = {SHARDS}\ntimeout = 2s\nwait_replicas = 1")
            + "[source queue]\nkind = stream\nclaim_after = 2s\n")

    def enqueue(self, n):
        subprocess.run([DSND, "enqueue", "-c", self.conf], input=bounce(n), check=True, timeout=LIMIT_S)

    def deliver(self, n):
        for _ in range(n):
            self.maildir.deliver(bounce(next(self.serial)))

    def of_each(self, command):
        """What all masters say together."""
        return list(itertools.chain.from_iterable(command(master.client) for master in self.cluster.masters()))

    def is_done(self):
        return not self.maildir.names("new") and self.cluster.owner(INBOX).client.xlen(INBOX) == 0

    def assert_counted(self, n, subscriber):
        streams = self.of_each(lambda client: client.keys("{dsn:*}:events"))
        self.assertEqual(len(streams), len(set(streams)))
        ids = [fields["id"] for key in streams for _, fields in self.cluster.owner(key).client.xrange(key)]
        self.assertEqual(len(ids), n)
        self.assertEqual(len(set(ids)), n)
        self.assertEqual(len(self.of_each(lambda client: client.keys("{dsn:*}:seen:*"))), n)
        stats = self.of_each(lambda client: [client.hget(key, "events") for key in client.keys("{dsn:*}:stats:*")])
        self.assertEqual(sum(map(int, stats)), n)

        def published():
            return {json.loads(event)["id"] for *_, event in subscriber.receive()}
        wait_until(lambda: published() >= set(ids), "every event is on the feed")
        self.assertEqual(published(), set(ids))


class Whole(OnCluster):
    def test_every_command_finds_what_is_on_any_node(self):
        password = self.write_secret("password", "secret")
        conf = self.conf.read_text().replace("[feed]", f"user = dsnd\npassword_file = {password}\n[feed]")
        self.conf.write_text(conf + f"[lookup]\nlisten = unix:{self.folder}/lookup\n")
        for node in self.cluster.nodes:  # with the rights that the manual gives him
            node.client.execute_command(
                "ACL", "SETUSER", "dsnd", "on", ">secret", "resetchannels", "~{dsn*", "+@read", "+@write", "+@connection",
                "+@scripting", "-@dangerous", "+role", "+info", "+cluster|slots")
        subscriber = self.subscribe()
        daemon = self.start()
        subscriber.wait_subscribed()
        self.deliver(40)
        for n in range(100, 104):
            self.enqueue(n)
        subprocess.run([DSND, "enqueue", "-c", self.conf], input=b"\0", check=True, timeout=LIMIT_S)
        wait_until(self.is_done, "everything is settled")
        self.assert_counted(44, subscriber)
        self.assertEqual(len({self.cluster.owner(prefix).port for prefix in prefixes()}), 3)
        events, _ = self.asker().replay(",".join(["0-0"] * SHARDS))
        self.assertEqual(len(events), 44)

        dsnd("suppress", "add", "-c", self.conf, "someone@elsewhere.example")
        listed = dsnd("suppress", "list", "-c", self.conf).splitlines()
        self.assertEqual(len([line for line in listed if "@" in line]), 45)
        self.assertIn("someone@elsewhere.example", dsnd("suppress", "get", "-c", self.conf, "someone@elsewhere.example"))
        self.assertIn("44", dsnd("stats", "-c", self.conf))
        dsnd("held", "list", "-c", self.conf)
        with socket.socket(socket.AF_UNIX) as lookup:
            lookup.settimeout(LIMIT_S)
            lookup.connect(str(self.folder / "lookup"))
            for n in range(3):
                query = f"suppressed user{n}.0@example{n}.com".encode()
                lookup.sendall(b"%d:%s," % (len(query), query))
                self.assertIn(b"OK ", lookup.recv(4096))
        self.assertEqual(daemon.events("redis-away"), [])
        self.assertEqual(self.of_each(lambda client: client.execute_command("ACL", "LOG")), [])
        self.assertEqual(daemon.end(), 0)
        self.assertIn("1 put back", dsnd("dead", "-c", self.conf, "retry", "--all"))

    def test_a_node_that_is_taken_for_the_only_server_is_told_from_one(self):
        text = self.conf.read_text()
        begin = text.index("cluster = ")
        self.conf.write_text(text[:begin] + f"server = 127.0.0.1:{self.cluster.nodes[0].port}" +
                             text[text.index("\n", begin):])
        daemon = self.start()
        self.deliver(40)
        wait_until(lambda: "is a node of a Redis Cluster" in daemon.log(), "it says so")

    def test_slots_that_move_under_load_are_followed_and_everything_counts_once(self):
        subscriber = self.subscribe()
        daemon = self.start()
        subscriber.wait_subscribed()
        keys = [prefix + "events" for prefix in prefixes()] + [INBOX]
        for key in keys * 2:
            self.deliver(20)
            self.enqueue(next(self.serial))
            self.cluster.move(key)
        wait_until(self.is_done, "everything is settled")
        self.assert_counted(next(self.serial), subscriber)
        self.assertEqual(daemon.end(), 0)


class Failover(OnCluster):
    node_timeout_ms = 3000

    def test_a_master_that_dies_under_load_is_followed_and_everything_counts_once(self):
        subscriber = self.subscribe()
        daemon = self.start()
        subscriber.wait_subscribed()
        self.deliver(300)
        for _ in range(10):
            self.enqueue(next(self.serial))
        dying = self.cluster.owner(INBOX)
        wait_until(lambda: self.maildir.names("cur"), "it works")
        dying.kill()
        self.deliver(300)
        wait_until(lambda: len(self.cluster.masters()) == 3, "its replica takes over")
        # Until the dead one is back as a replica, nobody has a second copy of what comes there.
        dying.start()
        wait_until(self.is_done, "everything is settled")
        self.cluster.wait_whole()
        self.assert_counted(next(self.serial), subscriber)
        self.assertEqual(daemon.end(), 0)
