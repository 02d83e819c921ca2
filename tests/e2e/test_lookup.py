"""Mail servers ask dsnd, before they send, whether an address is suppressed (Postfix's socketmap)."""

import os
import re
import signal
import socket
import stat
import threading
import time

from harness import LIMIT_S, PREFIX, Case, bounce, free_port, wait_until


def netstring(text):
    data = text if isinstance(text, bytes) else text.encode()
    return b"%d:%s," % (len(data), data)


class Client:
    """A socketmap client: one connection."""

    def __init__(self, address):
        self.socket = socket.socket(socket.AF_UNIX if isinstance(address, str) else socket.AF_INET)
        self.socket.settimeout(LIMIT_S)
        self.socket.connect(address)
        self.buffer = b""

    def send(self, data):
        self.socket.sendall(data)

    def receive(self):
        """The next answer; None where the server has closed the connection."""
        while not (match := re.match(rb"(\d+):", self.buffer)) or len(self.buffer) < match.end() + int(match[1]) + 1:
            try:
                data = self.socket.recv(4096)
            except ConnectionResetError:
                data = b""
            if not data:
                return None
            self.buffer += data
        end = match.end() + int(match[1])
        answer, self.buffer = self.buffer[match.end():end], self.buffer[end + 1:]
        return answer.decode()

    def ask(self, address, name="suppressed"):
        self.send(netstring(f"{name} {address}"))
        return self.receive()

    def close(self):
        self.socket.close()


class Lookup(Case):
    def setUp(self):
        super().setUp()
        self.path = str(self.folder / "lookup.sock")
        self.configure_lookup()

    def configure_lookup(self, keys="", listen=None, cache="0s", redis_keys=""):
        self.conf = self.configure(f"[lookup]\nlisten = {listen or 'unix:' + self.path}\ncache = {cache}\n{keys}",
                                   redis_keys=redis_keys)

    def connect(self, address=None):
        client = Client(address or self.path)
        self.addCleanup(client.close)
        return client

    def suppress(self, address, until="+inf", reason="user-unknown", prefix=PREFIX):
        self.redis.client.zadd(prefix + "suppressed", {address: until})
        if reason:
            self.redis.client.hset(f"{prefix}rcpt:{address}", mapping={"state": "suppressed", "reason": reason})

    def test_an_address_is_suppressed_from_its_bounce_until_it_is_removed(self):
        self.start()
        client = self.connect()
        self.assertEqual(client.ask("user1.0@example1.com"), "NOTFOUND ")
        self.maildir.deliver(bounce(1))
        self.wait_settled(1)
        self.assertEqual(client.ask("user1.0@example1.com"), "OK 550 5.7.1 suppressed by dsnd: user-unknown")
        self.assertEqual(client.ask("USER1.0@Example1.COM"), "OK 550 5.7.1 suppressed by dsnd: user-unknown")
        self.assertEqual(client.ask("user2.0@example1.com"), "NOTFOUND ")
        self.redis.client.zrem(PREFIX + "suppressed", "user1.0@example1.com")
        self.assertEqual(client.ask("user1.0@example1.com"), "NOTFOUND ")

    def test_a_suppression_ends(self):
        now_ms = int(time.time() * 1000)
        self.suppress("over@example.com", now_ms - 1000)
        self.suppress("not-yet@example.com", now_ms + 3600_000, reason="complaint")
        self.suppress("bare@example.com", reason=None)
        self.start()
        client = self.connect()
        self.assertEqual(client.ask("over@example.com"), "NOTFOUND ")
        self.assertEqual(client.ask("not-yet@example.com"), "OK 550 5.7.1 suppressed by dsnd: complaint")
        self.assertEqual(client.ask("bare@example.com"), "OK 550 5.7.1 suppressed by dsnd")

    def test_what_is_no_address_is_not_found_and_another_map_is_an_error(self):
        self.start()
        client = self.connect()
        for key in ("", "example.com", "@example.com", "user@", "a b@example.com", "user\x01@example.com",
                    "x" * 900 + "@example.com", "user@exa\nmple.com"):
            self.assertEqual(client.ask(key), "NOTFOUND ", key)
        client.send(netstring(b"suppressed \xff\xfe@example.com"))
        self.assertEqual(client.receive(), "NOTFOUND ")
        self.assertTrue(client.ask("user@example.com", name="relay").startswith("PERM "))
        client.send(netstring("suppressed"))
        self.assertTrue(client.receive().startswith("PERM "))

    def test_a_scope_has_a_list_of_its_own_besides_the_one_for_all(self):
        scope = PREFIX + "scope:news.example.net:"
        self.suppress("all@example.com")
        self.suppress("scoped@example.com", reason="complaint", prefix=scope)
        self.suppress("over@example.com", int(time.time() * 1000) - 1000, prefix=scope)
        self.start()
        client = self.connect()
        answers = {(name, user): client.ask(f"{user}@example.com", name=name)
                   for name in ("suppressed", "suppressed/news.example.net", "suppressed/NEWS.example.net", "suppressed/other")
                   for user in ("all", "scoped", "over", "nobody")}
        refused = {key for key, answer in answers.items() if answer.startswith("OK 550 ")}
        self.assertEqual(refused, {(name, "all") for name, _ in answers} |
                         {("suppressed/news.example.net", "scoped"), ("suppressed/NEWS.example.net", "scoped")})
        self.assertEqual(answers["suppressed/news.example.net", "scoped"],
                         "OK 550 5.7.1 suppressed by dsnd: complaint")
        self.assertEqual({answer for key, answer in answers.items() if key not in refused}, {"NOTFOUND "})
        for name in ("suppressed/", "suppressedX", "suppress"):
            self.assertTrue(client.ask("all@example.com", name=name).startswith("PERM "), name)

    def test_shards_are_asked_like_the_sink_writes_them(self):
        self.configure_lookup(redis_keys="shards = 4")
        for n in range(50):
            self.maildir.deliver(bounce(n))
        self.start()
        self.wait_settled(50)
        client = self.connect()
        for n in range(50):
            self.assertTrue(client.ask(f"user{n}.0@example{n}.com").startswith("OK 550 "), n)

    def test_an_answer_is_remembered_for_a_while(self):
        self.configure_lookup(cache="1h")
        self.suppress("user@example.com")
        self.start()
        client = self.connect()
        self.assertTrue(client.ask("user@example.com").startswith("OK "))
        self.assertEqual(client.ask("other@example.com"), "NOTFOUND ")
        self.redis.client.flushall()
        self.suppress("other@example.com")
        self.assertTrue(self.connect().ask("USER@example.com").startswith("OK "))
        self.assertEqual(client.ask("other@example.com"), "NOTFOUND ")
        self.assertTrue(client.ask("other@example.com", name="suppressed/news").startswith("OK "))

    def test_nobody_is_suppressed_while_redis_is_away(self):
        self.suppress("user@example.com")
        self.start()
        client = self.connect()
        self.assertTrue(client.ask("user@example.com").startswith("OK "))
        self.redis.stop()
        for _ in range(100):
            self.assertEqual(client.ask("user@example.com"), "NOTFOUND ")
        self.redis.start()
        wait_until(lambda: client.ask("user@example.com").startswith("OK "), "dsnd asks Redis again")

    def test_a_redis_that_hangs_keeps_nobody_waiting_for_ever(self):
        self.suppress("user@example.com")
        daemon = self.start()
        client = self.connect()
        self.redis.process.send_signal(signal.SIGSTOP)
        try:
            self.assertEqual(client.ask("user@example.com"), "NOTFOUND ")
            self.assertEqual(client.ask("user@example.com"), "NOTFOUND ")
        finally:
            self.redis.process.send_signal(signal.SIGCONT)
        wait_until(lambda: client.ask("user@example.com").startswith("OK "), "dsnd asks Redis again")
        self.assertEqual(daemon.end(), 0)

    def test_redis_that_refuses_is_redis_that_is_away(self):
        self.redis.client.set(PREFIX + "suppressed", "no sorted set")
        self.start()
        self.assertEqual(self.connect().ask("user@example.com"), "NOTFOUND ")

    def test_what_is_no_netstring_ends_the_connection_and_no_other(self):
        self.suppress("user@example.com")
        self.start()
        good = self.connect()
        for bad in (b"GET / HTTP/1.0\r\n\r\n", b"9999:", b"99999999999999999999:", b"5:hellox", b":,", b"-1:,", b"\0" * 5000,
                    b"1001:" + b"x" * 1001 + b","):
            client = self.connect()
            try:
                client.send(bad)
            except (BrokenPipeError, ConnectionResetError):
                pass
            self.assertIsNone(client.receive(), bad)
            self.assertTrue(good.ask("user@example.com").startswith("OK "))

    def test_questions_may_come_in_pieces_and_in_heaps(self):
        self.suppress("user@example.com")
        self.start()
        client = self.connect()
        for byte in netstring("suppressed user@example.com"):
            client.send(bytes([byte]))
        self.assertTrue(client.receive().startswith("OK "))
        client.send(b"".join(netstring(f"suppressed {'user' if n % 3 else n}@example.com") for n in range(2000)))
        for n in range(2000):
            self.assertEqual(client.receive()[:3], "OK " if n % 3 else "NOT", n)

    def test_whoever_asks_and_closes_his_side_is_answered(self):
        self.suppress("user@example.com")
        self.start()
        client = self.connect()
        client.send(netstring("suppressed user@example.com") * 3)
        client.socket.shutdown(socket.SHUT_WR)
        self.assertEqual([client.receive()[:2] for _ in range(3)], ["OK"] * 3)
        self.assertIsNone(client.receive())

    def test_many_clients_at_once(self):
        self.suppress("user@example.com")
        self.start()
        wrong = []

        def ask():
            client = Client(self.path)
            for n in range(200):
                if not client.ask("user@example.com").startswith("OK ") or client.ask(f"{n}@example.com") != "NOTFOUND ":
                    wrong.append(n)
            client.close()
        threads = [threading.Thread(target=ask) for _ in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(wrong, [])

    def test_the_oldest_client_leaves_for_a_new_one(self):
        self.configure_lookup("clients = 3")
        self.start()
        clients = []
        for _ in range(4):
            clients.append(self.connect())
            self.assertEqual(clients[-1].ask("user@example.com"), "NOTFOUND ")
        self.assertIsNone(clients[0].receive())
        for client in clients[1:]:
            self.assertEqual(client.ask("user@example.com"), "NOTFOUND ")

    def test_a_port_of_the_loopback_interface(self):
        port = free_port()
        self.configure_lookup(listen=f"127.0.0.1:{port}")
        self.suppress("user@example.com")
        self.start()
        self.assertTrue(self.connect(("127.0.0.1", port)).ask("user@example.com").startswith("OK "))

    def test_the_socket_is_for_whom_the_configuration_says(self):
        for access, mode in (("owner", 0o600), ("group", 0o660), ("all", 0o666)):
            self.configure_lookup(f"access = {access}")
            daemon = self.start()
            self.assertEqual(stat.S_IMODE(os.stat(self.path).st_mode), mode)
            self.assertEqual(daemon.end(), 0)
            self.assertFalse(os.path.exists(self.path))

    def test_a_socket_left_behind_is_taken_and_one_in_use_is_not(self):
        daemon = self.start()
        self.assertEqual(daemon.end(signal.SIGKILL), -signal.SIGKILL)
        self.assertTrue(os.path.exists(self.path))
        daemon = self.start()
        self.assertEqual(self.connect().ask("user@example.com"), "NOTFOUND ")
        self.assertEqual(daemon.end(), 0)
        for occupy in (self.occupy_by_server, self.occupy_by_file):
            with self.subTest(occupy.__name__):
                occupy()
                daemon = self.start(wait=False)
                self.assertEqual(daemon.wait(), 1)
                self.assertIn("[lookup] listen", daemon.log())
                self.assertTrue(os.path.exists(self.path))

    def occupy_by_server(self):
        server = socket.socket(socket.AF_UNIX)
        server.bind(self.path)
        server.listen()
        self.addCleanup(server.close)

    def occupy_by_file(self):
        os.unlink(self.path)
        with open(self.path, "w") as file:
            file.write("precious")

    def test_it_ends_with_clients_connected(self):
        daemon = self.start()
        client = self.connect()
        self.assertEqual(client.ask("user@example.com"), "NOTFOUND ")
        client.send(b"27:suppressed ")
        self.assertEqual(daemon.end(), 0)
        self.assertIsNone(client.receive())
