"""Redis as people run it: with a password, with a user of few rights, behind Sentinel, with replicas that are waited for."""

import pathlib
import subprocess

import redis

from harness import DSND, LIMIT_S, PREFIX, Case, Instance, bounce, wait_until


class Rights(Case):
    def set_password(self, text):
        password = self.write_secret("password", f"{text}\n# the first line is it\n")
        return f"password_file = {password}\n"

    def pass_through(self, conf):
        """A bounce by a maildir and one by the queue, with a feed and a look at the dead letters."""
        conf.write_text(conf.read_text() + "[source queue]\nkind = stream\n")
        subscriber = self.subscribe()
        daemon = self.start(conf=conf)
        subscriber.wait_subscribed()  # what is published before that is not for this subscriber
        self.maildir.deliver(bounce(1))
        done = subprocess.run([DSND, "enqueue", "-c", conf], input=bounce(2), capture_output=True, timeout=LIMIT_S)
        self.assertEqual(done.returncode, 0, done.stderr)
        wait_until(lambda: len(subscriber.receive()) >= 2, "both events on the feed")
        wait_until(lambda: self.redis.client.xlen(PREFIX + "inbox") == 0, "the queue is empty")
        self.assertEqual(subprocess.run([DSND, "dead", "-c", conf, "list"], timeout=LIMIT_S).returncode, 0)
        self.assertEqual(daemon.end(), 0)
        self.assertEqual(daemon.events("redis-away"), [])
        self.assert_counted_once(2)

    def test_a_password(self):
        self.redis.client.config_set("requirepass", "secret")
        self.redis.client = redis.Redis(unix_socket_path=self.redis.path, password="secret", decode_responses=True)
        self.pass_through(self.configure(redis_keys=self.set_password("secret")))

    def test_a_user_with_the_rights_that_the_manual_gives_him(self):
        self.redis.client.execute_command(
            "ACL", "SETUSER", "dsnd", "on", ">secret", "resetchannels", "~{dsn}:*", "+@read", "+@write", "+@connection",
            "+@scripting", "-@dangerous", "+role", "+info")
        self.pass_through(self.configure(redis_keys="user = dsnd\n" + self.set_password("secret")))
        self.assertEqual(self.redis.client.execute_command("ACL", "LOG"), [])

    def test_a_redis_that_drops_keys_when_it_is_full_is_told(self):
        def told(n):
            self.maildir.deliver(bounce(n))
            return self.once().events("redis-evicts")
        self.redis.client.config_set("maxmemory-policy", "allkeys-lru")
        self.assertEqual(told(1), [])  # it has no limit
        self.redis.client.config_set("maxmemory", "64mb")
        line, = told(2)
        self.assertIn("allkeys-lru", line)
        self.redis.client.config_set("maxmemory-policy", "noeviction")
        self.assertEqual(told(3), [])

    def test_whoever_may_not_ask_for_that_goes_on(self):
        self.redis.client.execute_command("ACL", "SETUSER", "default", "-info")
        self.assertRaises(redis.ResponseError, self.redis.client.info)
        self.pass_through(self.conf)

    def test_a_wrong_password_is_waited_out_and_not_shown(self):
        self.redis.client.config_set("requirepass", "secret")
        self.redis.client = redis.Redis(unix_socket_path=self.redis.path, password="secret", decode_responses=True)
        self.maildir.deliver(bounce(1))
        self.conf = self.configure(redis_keys=self.set_password("a-guess"))
        daemon = self.start()
        self.assertIn("WRONGPASS", daemon.wait_event("redis-away")[0])
        self.assertNotIn("a-guess", daemon.log() + pathlib.Path(f"/proc/{daemon.process.pid}/cmdline").read_text())
        done = subprocess.run([DSND, "stats", "-c", self.conf], capture_output=True, text=True, timeout=LIMIT_S)
        self.assertIn("is away: WRONGPASS", done.stderr)
        self.redis.client.config_set("requirepass", "a-guess")
        self.wait_settled(1)
        self.redis.client = redis.Redis(unix_socket_path=self.redis.path, password="a-guess", decode_responses=True)
        self.assert_counted_once(1)


class Sentinel(Case):
    def setUp(self):
        super().setUp()
        self.servers = [Instance(self.folder, "--repl-diskless-sync-delay", "0")]
        self.addCleanup(lambda: [server.kill() for server in self.servers + self.sentinels])
        self.sentinels = []
        master = self.servers[0].port
        self.servers.append(Instance(self.folder, "--replicaof", f"127.0.0.1 {master}"))
        wait_until(lambda: self.servers[1].client.info("replication")["master_link_status"] == "up", "the replica follows")
        conf = (f"sentinel monitor bounces 127.0.0.1 {master} 2\nsentinel down-after-milliseconds bounces 500\n"
                "sentinel failover-timeout bounces 3000\n")
        self.sentinels = [Instance(self.folder, conf=conf) for _ in range(3)]
        wait_until(lambda: all(s.client.sentinel_master("bounces")["num-other-sentinels"] == 2 and
                               s.client.sentinel_master("bounces")["num-slaves"] == 1 for s in self.sentinels),
                   "the Sentinels know each other")
        addresses = "; ".join(f"127.0.0.1:{s.port}" for s in self.sentinels)
        self.configure(redis_keys=f"sentinels = {addresses}\nmaster = bounces\ntimeout = 1s")

    def test_a_master_that_dies_under_load_is_followed_and_everything_counts_once(self):
        n = 600
        daemon = self.start()
        for i in range(n):
            self.maildir.deliver(bounce(i))
            if i == n // 2:
                wait_until(lambda: self.servers[0].client.xlen(PREFIX + "events") > 50, "it works")
                # What the master has, the replica has, too: without WAIT, Redis promises no more than that.
                self.servers[0].client.wait(1, 0)
                self.servers[0].kill()
                self.sentinels[0].kill()
        daemon.wait_event("redis-away")
        self.wait_settled(n)
        self.assertEqual(daemon.end(), 0)
        self.redis.client = self.servers[1].client
        self.assert_counted_once(n)

    def test_a_server_that_is_no_master_any_more_is_left(self):
        daemon = self.start()
        self.maildir.deliver(bounce(1))
        self.wait_settled(1)
        wait_until(lambda: self.sentinels[0].client.execute_command("SENTINEL", "FAILOVER", "bounces"), "it is asked for")
        # What the old one takes before it knows is lost, as Redis says: so wait until both know.
        wait_until(lambda: [s.role() for s in self.servers] == ["slave", "master"], "another master")
        self.maildir.deliver(bounce(2))
        self.wait_settled(2)
        self.assertEqual(daemon.end(), 0)
        self.redis.client = self.servers[1].client
        self.assert_counted_once(2)


class Replicas(Case):
    """A master and its replica, and a dsnd that counts as stored only what both have."""

    def setUp(self):
        super().setUp()
        self.master = Instance(self.folder, "--repl-diskless-sync-delay", "0")
        self.addCleanup(self.master.kill)
        self.replica = Instance(self.folder, "--replicaof", f"127.0.0.1 {self.master.port}")
        self.addCleanup(self.replica.kill)
        self.wait_linked()
        self.redis.client = self.master.client
        self.conf.write_text(self.conf.read_text().replace(
            f"unix:{self.redis.path}", f"127.0.0.1:{self.master.port}\ntimeout = 1s\nwait_replicas = 1"))

    def wait_linked(self):
        wait_until(lambda: self.replica.client.info("replication")["master_link_status"] == "up", "the replica follows")

    def enqueue(self, n):
        return subprocess.run([DSND, "enqueue", "-c", self.conf], input=bounce(n), capture_output=True,
                              timeout=LIMIT_S).returncode

    def test_without_the_replica_nothing_is_settled_and_with_it_everything_is_once(self):
        daemon = self.start()
        self.maildir.deliver(bounce(0))
        self.wait_settled(1)
        self.replica.kill()
        for i in range(1, 20):
            self.maildir.deliver(bounce(i))
        self.assertIn("0 of the 1 replicas", daemon.wait_event("redis-away")[0])
        self.assertEqual(self.enqueue(100), 75)
        self.assertEqual(len(self.maildir.names("new")), 19)
        self.replica.start()
        self.wait_settled(20)
        self.wait_linked()
        self.assertEqual(self.enqueue(101), 0)
        self.assertEqual(daemon.end(), 0)
        self.assert_counted_once(20)
        self.redis.client = self.replica.client
        self.assert_counted_once(20)

    def test_what_is_not_replicated_when_dsnd_ends_is_taken_again(self):
        self.replica.kill()
        daemon = self.start()
        self.maildir.deliver(bounce(1))
        daemon.wait_event("redis-away")
        daemon.end()
        self.assertEqual(len(self.maildir.names("new")), 1)
        self.replica.start()
        self.start()
        self.wait_settled(1)
        self.assert_counted_once(1)
