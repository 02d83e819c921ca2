"""Messages handed over by LMTP: 250 when their events are committed or they are set aside, 451 otherwise."""

import json
import random
import resource
import signal
import socket
import threading
import urllib.request

import redis

from harness import PREFIX, Case, Deaths, bounce, dsnd, free_port, slow_to_read, wait_until


class Client:
    """A client of LMTP that sends one message at a time; smtplib's knows no reply for each recipient."""

    def __init__(self, address):
        self.socket = socket.socket(socket.AF_INET if isinstance(address, tuple) else socket.AF_UNIX)
        self.socket.connect(address)
        self.replies = self.socket.makefile("rb")
        self.read()
        self.ask(b"LHLO client.example.net")

    def read(self):
        while True:
            line = self.replies.readline()
            if not line:
                raise ConnectionError("the server has closed the connection")
            if line[3:4] != b"-":
                return line.decode().strip()

    def ask(self, line):
        self.socket.sendall(line + b"\r\n")
        return self.read()

    def send(self, message, *recipients):
        """What is said of each recipient: 250 or 451."""
        for line in (b"MAIL FROM:<>", *(b"RCPT TO:<%s>" % r.encode() for r in recipients)):
            assert self.ask(line).startswith("250 ")
        assert self.ask(b"DATA").startswith("354 ")
        lines = message.replace(b"\n.", b"\n..").replace(b"\n", b"\r\n")
        self.socket.sendall(lines + b".\r\n")
        return [int(self.read()[:3]) for _ in recipients]

    def close(self):
        self.replies.close()
        self.socket.close()


class Lmtp(Deaths, Case):
    def source(self):
        return f"kind = lmtp\nlisten = unix:{self.folder}/lmtp.sock"

    def connect(self, address=None):
        client = Client(address or str(self.folder / "lmtp.sock"))
        self.addCleanup(client.close)
        return client

    def send(self, message, *recipients, client=None):
        return (client or self.connect()).send(message, *(recipients or ["bounces@example.net"]))

    def send_aside(self, message):
        """Sends in a thread of its own; the list gets the answers when they come."""
        def send():
            try:
                result.append(self.send(message))
            except OSError:
                result.append("nobody listens any more")
        result = []
        thread = threading.Thread(target=send)
        thread.start()
        return thread, result

    def test_250_means_that_the_events_are_committed(self):
        daemon = self.start()
        client = self.connect()
        for n in range(100):
            self.assertEqual(self.send(bounce(n), client=client), [250])
            self.assertEqual(len(self.stream()), n + 1)
        self.assert_counted_once(100)
        self.assertEqual(daemon.end(), 0)
        self.assertFalse((self.folder / "lmtp.sock").exists())

    def test_events_name_the_source_and_the_envelope_names_who_bounced(self):
        self.start()
        self.assertEqual(self.send(bounce(1), "one@example.net", "bounces+ann=example.com@lists.example.net"),
                         [250, 250])
        event = json.loads(self.stream()[0][1]["event"])
        self.assertEqual((event["recipient"], event["recipient_from"]), ("ann@example.com", "verp"))
        self.assertEqual(event["source"]["kind"], "lmtp")
        self.assertTrue(event["source"]["name"].startswith("bounces/"))
        self.assert_counted_once(1)

    def test_the_same_message_has_the_same_events_whichever_way_it_comes(self):
        self.configure(f"[source other]\npath = {self.maildir.path}\n")
        self.start()
        self.assertEqual(self.send(bounce(1)), [250])
        self.maildir.deliver(b"Return-Path: <>\nDelivered-To: bounces@example.net\n" + bounce(1))
        wait_until(lambda: self.maildir.names("cur"), "the maildir's is done")
        self.assert_counted_once(1)

    def dead(self):
        client = redis.Redis(unix_socket_path=self.redis.path, decode_responses=True, encoding_errors="replace")
        return [fields for _, fields in client.xrange(PREFIX + "dead")]

    def test_what_cannot_be_processed_is_a_dead_letter_and_can_be_tried_again(self):
        self.redis.client.set(PREFIX + "rcpt:user1.0@example1.com", "not a hash")
        daemon = self.start()
        self.assertEqual(self.send(bounce(1), "a@example.net", "b@example.net"), [250, 250])
        self.assertEqual(self.send(b""), [250])
        refused, empty = self.dead()
        self.assertEqual((refused["from"], refused["to"], refused["source"]), ("", "b@example.net", "bounces"))
        self.assertIn("is no hash", refused["error"])
        self.assertEqual((empty["message"], empty["to"]), ("", "bounces@example.net"))
        wait_until(lambda: len(daemon.events("set-aside")) == 2, "it is logged, which comes after the answer")
        self.assertEqual(self.stream(), [])
        self.redis.client.delete(PREFIX + "rcpt:user1.0@example1.com")
        self.configure("[source queue]\nkind = stream")
        self.assertEqual(daemon.end(), 0)
        self.start()
        dsnd("dead", "retry", "--all", "-c", self.conf)
        wait_until(lambda: self.stream(), "it is read again")
        self.assertEqual(self.send(bounce(1), "a@example.net", "b@example.net"), [250, 250])
        wait_until(lambda: len(self.dead()) == 1, "the other one is dead again")
        self.assert_counted_once(1)

    def test_451_for_each_recipient_where_it_can_be_neither_stored_nor_set_aside(self):
        for key in ("rcpt:user1.0@example1.com", "dead"):
            self.redis.client.set(PREFIX + key, "of another type")
        daemon = self.start()
        self.assertEqual(self.send(bounce(1), "a@example.net", "b@example.net"), [451, 451])
        self.assertIn("WRONGTYPE", daemon.events("cannot-settle")[0])
        self.redis.client.delete(PREFIX + "dead")
        self.assertEqual(self.send(bounce(1), "a@example.net", "b@example.net"), [250, 250])
        self.assertEqual(len(self.dead()), 1)
        self.assertEqual(self.stream(), [])

    def test_what_a_worker_does_not_come_back_from_is_a_dead_letter_and_its_client_is_told(self):
        self.configure("[limits]\nmax_time = 50ms\nmax_bytes = 64MiB", redis_keys="timeout = 60s")  # for its disk
        tries, daemon = 0, self.start()
        while not daemon.events("stuck"):  # it came back before anybody looked
            self.assertEqual(self.send(slow_to_read()), [250])
            tries += 1
            self.assertLess(tries, 50)
        self.assertEqual(daemon.wait(), 3)
        self.assertEqual(len(self.dead()), tries)
        self.assertIn("max_time", self.dead()[-1]["error"])
        self.configure()  # which takes no ordinary message for stuck, where all is slow
        self.start()
        self.assertEqual(self.send(bounce(1)), [250])
        self.assert_counted_once(1)

    def send_and_kill(self, daemon, message, times):
        thread, result = self.send_aside(message)
        self.kill_reading(daemon, times=times)
        thread.join()
        self.assertEqual(result, ["nobody listens any more"])

    def test_a_message_on_which_dsnd_dies_three_times_is_a_dead_letter_and_no_other(self):
        self.configure("[run]\nworkers = 2\n[limits]\nmax_time = 1h\nmax_bytes = 64MiB", redis_keys="timeout = 60s")
        deadly, innocent = slow_to_read(), slow_to_read() + b"x\n"
        for times in (1, 2, 3):
            daemon = self.start()
            self.assertEqual(self.send(bounce(times)), [250])
            if times == 2:
                self.send_and_kill(daemon, innocent, times=1)
                daemon = self.start()
            self.send_and_kill(daemon, deadly, times)
        daemon = self.start()
        self.assertEqual(self.send(innocent), [250])
        self.assertEqual(self.send(deadly), [250])
        self.assertRegex(daemon.events("died-reading")[0], "item=[0-9-]+ times=1")
        self.assertRegex(daemon.events("died-reading")[1], "item=[0-9-]+ times=3")
        self.assertEqual([letter["error"] for letter in self.dead()],
                         ["dsnd ended three times while it was reading this message"])
        self.assertEqual(daemon.end(), 0)
        self.assert_counted_once(3)
        daemon = self.start()
        self.assertEqual(self.send(deadly), [250])  # of a client that did not hear it
        self.assertEqual((daemon.events("died-reading"), len(self.dead())), ([], 1))

    def test_mail_is_read_also_where_that_cannot_be_noted(self):
        nowhere = ["env", "-u", "STATE_DIRECTORY"]
        for prefix, path in ((nowhere, "path=$STATE_DIRECTORY"), (["env", "STATE_DIRECTORY=/nowhere:/tmp"], "path=/nowhere")):
            daemon = self.start(prefix=prefix)
            trouble, = daemon.events("source-trouble")
            self.assertIn("note what is being read", trouble)
            self.assertIn(path, trouble)
            self.assertEqual(self.send(bounce(1)), [250])
            self.assertEqual(daemon.end(), 0)
        self.assert_counted_once(1)

    def test_a_client_waits_while_redis_is_away_and_is_answered_when_it_is_back(self):
        self.redis.stop()
        daemon = self.start()
        daemon.wait_event("redis-away")
        thread, result = self.send_aside(bounce(1))
        self.redis.start()
        thread.join()
        self.assertEqual(result, [[250]])
        self.assert_counted_once(1)

    def test_leaving_while_redis_is_away_answers_451(self):
        port = free_port()
        self.configure(f"[http]\nlisten = 127.0.0.1:{port}\n")
        self.redis.stop()
        daemon = self.start()
        daemon.wait_event("redis-away")
        thread, result = self.send_aside(bounce(1))
        in_work = b'dsnd_messages_in_progress{source="bounces"} 1\n'
        wait_until(lambda: in_work in urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics").read(), "it is in work")
        self.assertEqual(daemon.end(), 0)
        thread.join()
        self.assertEqual(result, [[451]])
        self.redis.start()
        self.start()
        self.assertEqual(self.send(bounce(1)), [250])
        self.assert_counted_once(1)

    def test_many_clients_at_a_time(self):
        self.configure(source_keys="clients = 4")
        self.start()
        def work(k):
            client = self.connect()
            replies.extend(self.send(bounce(n), client=client) for n in range(k * 50, k * 50 + 50))
        replies = []
        threads = [threading.Thread(target=work, args=(k,)) for k in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(replies, [[250]] * 200)
        self.assert_counted_once(200)

    def test_who_is_one_too_many_waits_until_another_leaves(self):
        self.configure(source_keys="clients = 1")
        self.start()
        first = self.connect()
        second = socket.socket(socket.AF_UNIX)
        self.addCleanup(second.close)
        second.connect(str(self.folder / "lmtp.sock"))
        self.assertEqual(self.send(bounce(1), client=first), [250])
        self.assertTrue(first.ask(b"QUIT").startswith("221 "))
        self.assertTrue(second.recv(100).startswith(b"220 "))

    def test_who_finds_no_file_descriptor_waits_until_there_is_one(self):
        daemon = self.start()
        limits = resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE, (4, limits[1]))
        client = socket.socket(socket.AF_UNIX)
        self.addCleanup(client.close)
        client.connect(str(self.folder / "lmtp.sock"))
        daemon.wait_quiet()
        self.assertIn("Too many open files", daemon.events("source-trouble")[0])
        self.assertEqual(len(daemon.events("source-trouble")), 1)
        resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE, limits)
        self.assertTrue(client.recv(100).startswith(b"220 "))
        self.assertEqual(self.send(bounce(1)), [250])

    def test_pipelined_messages_are_answered_one_after_the_other(self):
        self.start()
        client = socket.socket(socket.AF_UNIX)
        self.addCleanup(client.close)
        client.connect(str(self.folder / "lmtp.sock"))
        transaction = b"MAIL FROM:<>\r\nRCPT TO:<a@example.net>\r\nDATA\r\n%s\r\n.\r\n"
        client.sendall(b"LHLO me\r\n" + b"".join(transaction % bounce(n).replace(b"\n", b"\r\n") for n in range(20)) +
                       b"QUIT\r\n")
        replies = client.makefile("rb").read().decode().splitlines()
        self.assertEqual([line.split()[1] for line in replies if line.startswith("250 2.0.0")], ["2.0.0"] * 20)
        self.assertEqual(replies[-1], "221 2.0.0 bye")
        self.assert_counted_once(20)

    def test_killed_at_random_and_resent_as_mail_servers_do_everything_counts_once(self):
        n, sent, client, daemon = 400, 0, None, None
        while sent < n:
            if not daemon or daemon.process.poll() is not None:
                daemon, client = self.start(), None
            if random.random() < 0.03:
                threading.Timer(random.uniform(0, 0.003), daemon.process.send_signal, [signal.SIGKILL]).start()
            try:
                client = client or self.connect()
                sent += self.send(bounce(sent), client=client) == [250]
            except OSError:
                client = None
                daemon.process.wait()
        daemon.process.kill()
        daemon.process.wait()
        self.assert_counted_once(n)

    def test_loopback_tcp_is_fine_and_anything_else_is_refused(self):
        port = free_port()
        self.conf.write_text(self.conf.read_text().replace(f"unix:{self.folder}/lmtp.sock", f"127.0.0.1:{port}"))
        self.start()
        self.assertEqual(self.send(bounce(1), client=self.connect(("127.0.0.1", port))), [250])
        self.conf.write_text(self.conf.read_text().replace("127.0.0.1:", "192.0.2.1:"))
        daemon = self.start(wait=False)
        self.assertEqual(daemon.wait(), 1)
        self.assertIn("loopback", daemon.log())

    def test_once_has_nothing_to_wait_for(self):
        self.once()
