"""What dsnd answers by HTTP: metrics that Prometheus understands, health, and no to everything else."""

import http.client
import json
import re
import shutil
import socket
import subprocess
import time
import unittest
import urllib.error
import urllib.parse
import urllib.request

import debs
from harness import DSND, LIMIT_S, PREFIX, ROOT, Case, bounce, free_port, sanitizer, wait_until
from test_lookup import Client

PROMETHEUS = ROOT / "contrib" / "prometheus"


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=LIMIT_S)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(str(self.path))  # with a time limit it would fail at once where the listener's queue is full
        self.sock.settimeout(LIMIT_S)


def has_learnt(client):
    """The outage guard has had its week."""
    born = int(client.time()[0]) * 1000 - 8 * 86400000
    client.hset(PREFIX + "guard", "*", f"0 0 0 0 {born} {born} 0")


def at_google(n):
    return bounce(n).replace(b"mx.example.com\nDiag", b"aspmx.l.google.com\nDiag")


def outage(case, n=5):
    """Stores the bounces of one, of so many addresses."""
    has_learnt(case.redis.client)
    for k in range(n):
        case.maildir.deliver(at_google(k))
    conf = case.folder / "outage.conf"
    conf.write_text(case.conf.read_text() + "[guard]\nbounces = 3\n")
    case.assertEqual(case.start("--once", conf=conf, wait=False).wait(), 0)


class HttpCase(Case):
    listen = None

    def configure(self, text="", **more):
        self.listen = self.listen or f"unix:{self.folder}/http.sock"
        return super().configure(f"[http]\nlisten = {self.listen}\n{text}\n", **more)

    def listen_tcp(self):
        self.port = free_port()
        self.listen = f"127.0.0.1:{self.port}"
        self.conf = self.configure()

    def ask(self, path, method="GET", headers={}, body=None):
        """The status, the headers and the text of an answer."""
        kind, _, rest = self.listen.partition(":")
        connection = UnixConnection(rest) if kind == "unix" else http.client.HTTPConnection(kind, int(rest), timeout=LIMIT_S)
        try:
            connection.request(method, path, body, headers)
            response = connection.getresponse()
            return response.status, dict(response.getheaders()), response.read().decode()
        finally:
            connection.close()

    def metrics(self):
        """The samples of /metrics: {'dsnd_redis_up': 1.0, 'dsnd_actions_total{action="count"}': 2.0, ...}"""
        status, _, text = self.ask("/metrics")
        self.assertEqual(status, 200)
        lines = [line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")]
        self.assertEqual(len(lines), len({name for name, _ in lines}), "a series stands twice")
        return {name: float(value) for name, value in lines}


class Metrics(HttpCase):
    def test_lookups_are_counted_by_what_was_told(self):
        path = str(self.folder / "lookup.sock")
        self.conf = self.configure(f"[lookup]\nlisten = unix:{path}\ncache = 0s")
        self.redis.client.zadd(PREFIX + "suppressed", {"gone@example.com": "+inf"})
        self.start()
        client = Client(path)
        self.addCleanup(client.close)
        for address in ("gone@example.com", "here@example.com", "there@example.com"):
            client.ask(address)
        self.redis.stop()
        client.ask("gone@example.com")
        # An answer is counted after it was sent.
        wait_until(lambda: self.metrics()["dsnd_lookup_duration_seconds_count"] == 4, "four are counted")
        self.assertEqual([self.metrics()[f'dsnd_lookups_total{{result="{result}"}}']
                          for result in ("suppressed", "not_found", "redis_away")], [1, 2, 1])

    def test_counters_say_what_happened(self):
        self.start()
        for n in range(5):
            self.maildir.deliver(bounce(n))
        self.maildir.deliver(bounce(5, status="4.2.2", code=452, text="mailbox full", recipients=2))
        self.maildir.deliver(bounce(0))
        self.wait_settled(7)
        (self.maildir.path / "new" / "link").symlink_to("/etc/passwd")
        wait_until(lambda: self.maildir.names(".Failed/new"), "the link is set aside")
        wait_until(lambda: self.metrics()['dsnd_messages_in_progress{source="bounces"}'] == 0, "nothing is in work")
        metrics = self.metrics()
        for name, value in {
                'dsnd_events_total{kind="bounce",type="hard",reason="user-unknown"}': 5,
                'dsnd_events_total{kind="bounce",type="soft",reason="mailbox-full"}': 2,
                'dsnd_actions_total{action="suppress"}': 5,
                'dsnd_actions_total{action="count"}': 2,
                "dsnd_event_duplicates_total": 1,
                'dsnd_messages_total{source="bounces",outcome="settled"}': 7,
                'dsnd_messages_total{source="bounces",outcome="set_aside"}': 1,
                'dsnd_source_lag_seconds{source="bounces"}': 0,
                'dsnd_queue_messages{queue="work"}': 0,
                'dsnd_queue_messages{queue="done"}': 0,
                "dsnd_messages_unsettled": 0,
                "dsnd_redis_up": 1,
                "dsnd_message_duration_seconds_count": 8,
                'dsnd_message_duration_seconds_bucket{le="+Inf"}': 8}.items():
            self.assertEqual(metrics.get(name), value, name)
        self.assertGreater(metrics["process_resident_memory_bytes"], 1e6)
        self.assertEqual(sum(v for name, v in metrics.items() if name.startswith("dsnd_events_total{")),
                         self.stats("events"))

    def test_what_redis_has_is_told_while_it_is_there(self):
        outage(self)
        self.start()
        wait_until(lambda: "dsnd_suppressed_addresses" in self.metrics(), "Redis was looked at")
        told = {name: value for name, value in self.metrics().items() if re.match("dsnd_(suppr|held|incid)", name)}
        self.assertEqual(told, {"dsnd_suppressed_addresses": 0, 'dsnd_held_addresses{provider="google"}': 5,
                                'dsnd_incident_open{provider="google",answer="user-unknown"}': 1})
        self.redis.stop()
        wait_until(lambda: "dsnd_suppressed_addresses" not in self.metrics(), "Redis is away")
        self.redis.start()
        wait_until(lambda: "dsnd_suppressed_addresses" in self.metrics(), "Redis is there again")

    def test_names_units_and_types_are_as_prometheus_wants_them(self):
        promtool = debs.program("prometheus", "usr/bin/promtool")
        self.start()
        for n in range(3):
            self.maildir.deliver(bounce(n))
        self.wait_settled(3)
        checked = subprocess.run([promtool, "check", "metrics"], input=self.ask("/metrics")[2], text=True,
                                 capture_output=True)
        self.assertEqual((checked.returncode, checked.stdout + checked.stderr), (0, ""))

    def test_labels_are_bounded_whatever_comes_by_mail(self):
        vocabulary = set(re.findall(r"^\[([a-z-]+)\]", (ROOT / "config" / "reasons.conf").read_text(), re.M))
        self.start()
        for n in range(300):
            report = bounce(n, status=f"5.{n % 9}.{n}", code=500 + n % 99, text=f"word{n} \"x\\ny{{z=1}}")
            self.maildir.deliver(report.replace(b"mx.example.com", b"mx%d.google%d.com" % (n, n)))
        self.wait_settled(300)
        metrics = self.metrics()
        series = [re.findall(r'="([^"]*)"', name) for name in metrics if name.startswith("dsnd_events_total{")]
        self.assertLessEqual({reason for _, _, reason in series}, vocabulary)
        self.assertLessEqual({(kind, type) for kind, type, _ in series}, {("bounce", "hard"), ("bounce", "soft")})
        self.assertEqual(sum(v for name, v in metrics.items() if name.startswith("dsnd_events_total{")), 300)
        self.assertLess(len([n for n in metrics if n.startswith("dsnd_provider_events_total{")]), 5)


class Health(HttpCase):
    def test_ready_while_redis_is_there_and_healthy_anyway(self):
        daemon = self.start()
        wait_until(lambda: self.ask("/readyz")[0] == 200, "dsnd is ready")
        self.redis.stop()
        self.maildir.deliver(bounce(1))
        daemon.wait_event("redis-away")
        status, _, text = self.ask("/readyz")
        self.assertEqual((status, text), (503, "Redis is away\n"))
        self.assertEqual(self.ask("/healthz")[0], 200)
        metrics = self.metrics()
        self.assertEqual(metrics["dsnd_redis_up"], 0)
        self.assertEqual(metrics['dsnd_messages_in_progress{source="bounces"}'], 1)
        self.assertGreater(metrics['dsnd_source_lag_seconds{source="bounces"}'], 0)
        self.redis.start()
        wait_until(lambda: self.ask("/readyz")[0] == 200, "dsnd is ready again")


class Manners(HttpCase):
    def test_nothing_can_be_changed_and_nothing_else_is_there(self):
        self.start()
        for method in ("POST", "PUT", "DELETE", "OPTIONS", "TRACE", "PATCH"):
            status, headers, _ = self.ask("/metrics", method)
            self.assertEqual((status, headers.get("Allow")), (405, "GET, HEAD"), method)
        self.assertEqual(self.ask("/metrics", "HEAD")[0], 200)
        self.assertEqual(self.ask("/metrics", "HEAD")[2], "")
        for path in ("/nothing", "/metrics/", "/%2e%2e/etc/passwd", "//metrics"):
            self.assertEqual(self.ask(path)[0], 404, path)
        self.assertEqual(self.ask("/healthz", body="x" * 100000)[0], 200)

    def test_every_answer_is_closed_to_other_pages(self):
        self.start()
        for path in ("/", "/page.js", "/page.css", "/address?q=a@example.com", "/status", "/metrics", "/healthz", "/nothing"):
            headers = self.ask(path)[1]
            policy = headers["Content-Security-Policy"]
            self.assertIn("default-src 'none'", policy)
            self.assertIn("frame-ancestors 'none'", policy)
            self.assertNotIn("unsafe", policy)
            self.assertEqual(headers["X-Content-Type-Options"], "nosniff")
            self.assertEqual(headers["Cache-Control"], "no-store")
            self.assertNotIn("Access-Control-Allow-Origin", headers)

    def test_a_request_for_another_host_is_refused(self):
        self.listen_tcp()
        self.start()
        for host in (f"127.0.0.1:{self.port}", "localhost", f"LOCALHOST:{self.port}", "[::1]:80"):
            self.assertEqual(self.ask("/healthz", headers={"Host": host})[0], 200, host)
        for host in ("dsnd.example", f"dsnd.example:{self.port}", "127.0.0.1.example", "[::2]", "[", ""):
            self.assertEqual(self.ask("/healthz", headers={"Host": host})[0], 421, host)

    def test_many_who_only_connect_do_not_keep_bounces_waiting(self):
        self.start()
        idle = []
        for _ in range(200):
            s = socket.socket(socket.AF_UNIX)
            self.addCleanup(s.close)
            s.setblocking(False)
            try:
                s.connect(f"{self.folder}/http.sock")
            except BlockingIOError:
                break
            idle.append(s)
            s.send(b"GET /metrics HTTP/1.1\r\nX: ")
        self.assertGreater(len(idle), 16)
        for n in range(50):
            self.maildir.deliver(bounce(n))
        self.wait_settled(50)
        for s in idle:
            s.close()
        wait_until(lambda: self.ask("/healthz")[0] == 200, "it answers again")

    def test_it_is_off_unless_asked_for(self):
        Case.configure(self)
        daemon = self.start()
        self.assertFalse((self.folder / "http.sock").exists())
        self.assertEqual(daemon.events("http-open"), [])

    def test_a_socket_left_behind_is_replaced_and_one_in_use_is_not(self):
        daemon = self.start()
        other = self.folder / "other.conf"
        (self.folder / "other" / "new").mkdir(parents=True)
        (self.folder / "other" / "cur").mkdir()
        other.write_text(self.conf.read_text().replace(self.endpoint, self.endpoint + "2")
                         .replace(str(self.maildir.path), str(self.folder / "other")))
        second = self.start(conf=other, wait=False)
        self.assertEqual(second.wait(), 1)
        self.assertIn("cannot listen at", second.log())
        self.assertEqual(self.ask("/healthz")[0], 200)
        daemon.process.kill()
        daemon.process.wait()
        self.assertTrue((self.folder / "http.sock").exists())
        third = self.start()
        self.assertEqual(self.ask("/healthz")[0], 200)
        self.assertEqual(third.end(), 0)
        self.assertFalse((self.folder / "http.sock").exists())

    def test_an_address_that_leaves_the_host_is_refused(self):
        for listen, why in (("0.0.0.0:9925", "not the loopback interface"), ("[::]:9925", "not the loopback interface"),
                            ("example.com:80", "not the loopback interface"), ("9925", "no address"),
                            ("unix:http.sock", "no address"), ("unix:/" + "x" * 200, "too long")):
            self.listen = listen
            done = subprocess.run([DSND, "check", "-c", self.configure()], capture_output=True, text=True)
            self.assertEqual(done.returncode, 1, listen)
            self.assertIn(why, done.stderr)


class Page(HttpCase):
    """What the status page gets; what a browser makes of it is in test_page.py."""

    def watch(self):
        """An open connection to the server-sent events, and the lines of them."""
        connection = UnixConnection(self.listen.partition(":")[2])
        self.addCleanup(connection.close)
        connection.request("GET", "/stream")
        response = connection.getresponse()
        return connection, response

    def snapshots(self, response):
        for line in response:
            if line.startswith(b"data: "):
                yield json.loads(line[6:])

    def test_it_needs_nothing_from_elsewhere_and_has_no_inline_code(self):
        self.start()
        html = self.ask("/")[2]
        self.assertEqual(re.findall(r'(?:href|src)="([^"#]*)"', html), ["icon.svg", "page.css", "page.js", "metrics"])
        self.assertNotRegex(html, r"<script>|<style>|\son\w+=|\sstyle=")
        for path, kind in (("/page.css", "text/css"), ("/page.js", "text/javascript")):
            status, headers, text = self.ask(path)
            self.assertEqual((status, headers["Content-Type"].split(";")[0]), (200, kind))
            self.assertNotRegex(text, r"https?://(?!www\.w3\.org/2000/svg)|innerHTML\s*=|eval\(")

    def test_the_stream_tells_what_redis_has_and_goes_on_telling(self):
        self.start()
        self.maildir.deliver(bounce(1))
        self.maildir.deliver(bounce(2, status="4.2.2", code=452, text="mailbox full"))
        self.wait_settled(2)
        _, response = self.watch()
        self.assertEqual((response.status, response.getheader("Content-Type")), (200, "text/event-stream"))
        snapshots = self.snapshots(response)
        first = next(s for s in snapshots if s.get("n_events") == 2)
        today = first["days"][-1]
        self.assertEqual((today["events"], today["type"], today["reason"]),
                         (2, {"hard": 1, "soft": 1}, {"user-unknown": 1, "mailbox-full": 1}))
        self.assertEqual(len(first["days"]), 30)
        self.assertEqual(first["suppressed"]["total"], 1)
        self.assertEqual(first["suppressed"]["list"][0]["address"], "user1.0@example1.com")
        self.assertEqual(first["suppressed"]["list"][0]["reason"], "user-unknown")
        self.assertEqual([json.loads(e)["recipient"] for e in first["events"]],
                         [json.loads(f["event"])["recipient"] for _, f in reversed(self.stream())])
        self.assertEqual((first["sources"][0]["settled"], first["sources"][0]["where"]), (2, str(self.maildir.path)))
        self.assertEqual([(s["name"], s["where"]) for s in first["sinks"]], [("feed", self.endpoint)])
        status = json.loads(self.ask("/status")[2])
        self.assertEqual(sorted(status), sorted(first.keys() - {"days", "suppressed", "held", "incidents", "events", "n_events"}))
        self.assertEqual((status["started_ms"], status["sources"]), (first["started_ms"], first["sources"]))
        self.maildir.deliver(bounce(3))
        self.assertTrue(next(s for s in snapshots if s.get("n_events") == 3))
        self.redis.stop()
        self.assertTrue(next(s for s in snapshots if "days" not in s and s["obstacle"] == "Redis is away"))
        self.redis.start()
        self.assertTrue(next(s for s in snapshots if s.get("n_events") == 3 and not s["obstacle"]))

    @unittest.skipIf(sanitizer(), "AddressSanitizer wants to be loaded first")
    def test_days_are_right_however_the_clock_is_stepped(self):
        library = next(debs.unpacked("libfaketime").rglob("libfaketimeMT.so.1"), None)
        if not library:
            self.skipTest("the Debian package libfaketime cannot be had here")
        clock = self.maildir.path / "clock"  # where the threads that read mail may read
        days = [time.strftime("%Y%m%d", time.gmtime(time.time() - n * 86400)) for n in range(6)]

        def step(by):
            (self.folder / "clock").write_text(f"{by:+}d")
            (self.folder / "clock").rename(clock)

        def counted(last, *of):
            _, response = self.watch()
            told = next(s["days"] for s in self.snapshots(response) if s.get("days", [{}])[-1].get("day") == last)
            response.close()
            return [day["events"] for name in of for day in told if day["day"] == name]

        for n in (1, 5):
            self.redis.client.hset(f"{PREFIX}stats:{days[n]}", "events", 7)
        step(0)
        self.start(prefix=["env", f"LD_PRELOAD={library}", f"FAKETIME_TIMESTAMP_FILE={clock}", "FAKETIME_CACHE_DURATION=1",
                           "FAKETIME_DONT_FAKE_MONOTONIC=1", "FAKETIME_FORCE_MONOTONIC_FIX=0"])
        self.assertEqual(counted(days[0], days[1], days[5]), [7, 7])
        step(-1)
        self.assertEqual(counted(days[1], days[1], days[5]), [7, 7])
        self.redis.client.hset(f"{PREFIX}stats:{days[1]}", "events", 8)
        step(3)
        later = time.strftime("%Y%m%d", time.gmtime(time.time() + 3 * 86400))
        self.assertEqual(counted(later, days[1], days[5]), [8, 7])

    def test_what_redis_holds_is_a_text_whatever_it_is(self):
        self.redis.client.xadd(PREFIX + "events", {"id": "x", "topic": "x", "event": 'no "json"\n\ndata: {}'})
        self.redis.client.execute_command("ZADD", PREFIX + "suppressed", "+inf", b"\xff\xfe@example.com")
        self.redis.client.zadd(PREFIX + "held:google", {"a@gmail.com": "+inf", "over@gmail.com": 1})
        self.redis.client.zadd(PREFIX + "incidents", {"no incident": 1, "7 google/x/y": 8})
        self.redis.client.hset(PREFIX + "stats:" + time.strftime("%Y%m%d", time.gmtime()),
                               mapping={"events": "many", 'reason:"}': "7", "provider:google": "1"})
        self.start()
        data = next(s for s in self.snapshots(self.watch()[1]) if "days" in s)
        self.assertEqual(data["events"], ['no "json"\n\ndata: {}'])
        self.assertEqual(data["suppressed"]["list"][0]["address"], "\ufffd\ufffd@example.com")
        self.assertEqual(data["days"][-1]["reason"], {'"}': 7})
        self.assertEqual((data["held"]["total"], data["held"]["provider"], data["held"]["reason"]),
                         (1, {"google": 1}, {"unknown": 1}))
        self.assertEqual(data["incidents"], [{"provider": "google", "answer": "x/y", "began_ms": 7, "over_ms": 8}])

    def test_an_outage_and_what_is_held_for_it_are_told(self):
        outage(self)
        self.start()
        data = next(s for s in self.snapshots(self.watch()[1]) if "days" in s)
        self.assertEqual([(i["provider"], i["answer"], i["over_ms"]) for i in data["incidents"]], [("google", "user-unknown", 0)])
        held = data["held"]
        self.assertEqual((held["total"], held["counted"], held["reason"], held["provider"], data["suppressed"]["total"]),
                         (5, 5, {"user-unknown": 5}, {"google": 5}, 0))
        self.assertEqual({(a["address"], a["reason"], a["provider"]) for a in held["list"]},
                         {(f"user{n}.0@example{n}.com", "user-unknown", "google") for n in range(5)})

    def test_of_a_long_list_some_are_counted_and_from_all_parts(self):
        now_ms, pipe = int(time.time() * 1000), self.redis.client.pipeline()
        for n in range(5000):
            address, reason = f"a{n}@example.com", "user-unknown" if n < 4000 else "complaint"
            pipe.zadd(PREFIX + "suppressed", {address: now_ms + 10000000 + n})
            pipe.hset(PREFIX + "rcpt:" + address, mapping={"reason": reason, "provider": "google", "since": n})
        pipe.zadd(PREFIX + "suppressed", {f"over{n}@example.com": n for n in range(1, 100)})
        pipe.execute()
        self.start()
        suppressed = next(s for s in self.snapshots(self.watch()[1]) if "days" in s)["suppressed"]
        self.assertEqual((suppressed["total"], suppressed["counted"], len(suppressed["list"])), (5000, 1000, 100))
        self.assertEqual((suppressed["reason"], suppressed["provider"]),
                         ({"user-unknown": 800, "complaint": 200}, {"google": 1000}))
        self.assertEqual(suppressed["list"][0]["address"], "a4999@example.com")

    def test_an_address_is_looked_up(self):
        self.start()
        self.maildir.deliver(bounce(1))
        self.wait_settled(1)
        status, _, text = self.ask("/address?q=" + urllib.parse.quote(" User1.0@EXAMPLE1.com "))
        known = json.loads(text)
        fields = dict(zip(known["fields"][::2], known["fields"][1::2]))
        self.assertEqual((status, known["suppressed"], fields["state"], fields["reason"]),
                         (200, True, "suppressed", "user-unknown"))
        self.assertEqual([json.loads(e)["recipient"] for e in known["events"]], ["user1.0@example1.com"])
        known = json.loads(self.ask("/address?q=nobody@example.com")[2])
        self.assertEqual((known["suppressed"], known["fields"], known["events"]), (False, [], []))
        for nonsense in ("", "?q=", "?q=nobody", "?q=%00", "?q=%ff%fe@example.com", "?p=a@example.com"):
            self.assertEqual(self.ask("/address" + nonsense)[0], 400, nonsense)
        self.redis.stop()
        self.assertEqual(self.ask("/address?q=nobody@example.com")[0], 503)

    def test_shards_are_added_up(self):
        self.conf = self.configure(redis_keys="shards = 4")
        for shard in ("{dsn:1}:", "{dsn:3}:"):
            self.redis.client.zadd(shard + "incidents", {"7 google/no-such-user": "+inf"})
            self.redis.client.zadd(shard + "held:google", {"a@gmail.com": "+inf"})
        self.start()
        for n in range(100):
            self.maildir.deliver(bounce(n))
        self.wait_settled(100)
        data = next(s for s in self.snapshots(self.watch()[1]) if s.get("n_events") == 100)
        self.assertEqual((data["days"][-1]["events"], data["suppressed"]["total"], len(data["events"])), (100, 100, 50))
        self.assertTrue(all(a["reason"] == "user-unknown" for a in data["suppressed"]["list"]))
        self.assertEqual((data["held"]["total"], data["held"]["provider"], len(data["incidents"])), (2, {"google": 2}, 2))
        told = [name for name in self.metrics() if name.startswith("dsnd_incident_open")]
        self.assertEqual(told, ['dsnd_incident_open{provider="google",answer="no-such-user"}'])
        self.assertTrue(json.loads(self.ask("/address?q=user7.0@example7.com")[2])["suppressed"])

    def test_watchers_are_few_and_whoever_leaves_makes_room(self):
        daemon = self.start()
        watching = []
        while len(watching) < 20:
            connection, response = self.watch()
            if response.status != 200:
                break
            watching.append((connection, response))
        self.assertEqual(len(watching), 8)
        self.assertEqual(self.ask("/healthz")[0], 200)
        for connection, response in watching:
            response.close()
            connection.close()
        def again():
            for n in range(1000, 1003):  # what is sent shows who is gone
                self.maildir.deliver(bounce(int(time.monotonic() * 1000) + n))
            return self.watch()[1].status == 200
        wait_until(again, "there is room again")
        self.assertEqual(daemon.end(), 0)

    def test_leaving_does_not_wait_for_watchers(self):
        daemon = self.start()
        _, response = self.watch()
        next(self.snapshots(response))
        self.assertEqual(daemon.end(), 0)
        self.assertEqual(list(self.snapshots(response)), [])


class Prometheus(HttpCase):
    """The real Prometheus of Debian scrapes dsnd and evaluates the rules and the dashboard."""

    def test_alert_rules_are_valid_and_fire_when_they_should(self):
        promtool = debs.program("prometheus", "usr/bin/promtool")
        for arguments in (["check", "rules", "dsnd.rules.yml"], ["test", "rules", "dsnd.rules.test.yml"]):
            done = subprocess.run([promtool, *arguments], cwd=PROMETHEUS, capture_output=True, text=True)
            self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def start_prometheus(self):
        program, port = debs.program("prometheus", "usr/bin/prometheus"), free_port()
        shutil.copy(PROMETHEUS / "dsnd.rules.yml", self.folder)
        (self.folder / "prometheus.yml").write_text(
            "global: {scrape_interval: 1s, evaluation_interval: 1s}\nrule_files: [dsnd.rules.yml]\n"
            f"scrape_configs:\n  - job_name: dsnd\n    static_configs: [{{targets: ['127.0.0.1:{self.port}']}}]\n")
        log = open(self.folder / "prometheus.log", "w")
        self.addCleanup(log.close)
        process = subprocess.Popen(
            [program, f"--config.file={self.folder}/prometheus.yml", f"--storage.tsdb.path={self.folder}/tsdb",
             f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log)
        self.addCleanup(process.wait)
        self.addCleanup(process.terminate)
        self.base = f"http://127.0.0.1:{port}/api/v1/"
        wait_until(lambda: self.query('up{job="dsnd"}'), "Prometheus has scraped dsnd")

    def api(self, path, **arguments):
        with urllib.request.urlopen(f"{self.base}{path}?{urllib.parse.urlencode(arguments)}", timeout=LIMIT_S) as answer:
            return json.load(answer)["data"]

    def query(self, expression):
        try:
            return self.api("query", query=expression)["result"]
        except urllib.error.HTTPError as error:
            if error.code == 503:  # not ready yet
                return None
            raise AssertionError(f"{expression}: {error.read().decode()}")
        except OSError:
            return None

    def test_it_scrapes_dsnd_and_evaluates_rules_and_dashboard(self):
        self.listen_tcp()
        outage(self)
        self.start()
        for n in range(20, 40):
            self.maildir.deliver(bounce(n).replace(b"mx.example.com", b"gmail-smtp-in.l.google.com"))
        self.wait_settled(25)
        self.start_prometheus()
        counted = wait_until(lambda: self.query("sum(dsnd_events_total)"), "Prometheus has the events")
        self.assertEqual(counted[0]["value"][1], "20")
        names = {sample["metric"]["__name__"] for sample in self.query('{job="dsnd"}')}
        dashboard = json.loads((PROMETHEUS / "dashboard.json").read_text())
        expressions = [target["expr"] for panel in dashboard["panels"] for target in panel["targets"]]
        self.assertGreater(len(expressions), 15)
        for expression in expressions:
            expression = expression.replace("$__rate_interval", "1m")
            self.assertIsNotNone(self.query(expression))
            used = set(re.findall(r"\b(?:dsnd|process)_[a-z_]+", expression))
            self.assertTrue(used and used <= names, f"{expression}: {used - names} is not among the metrics")
        groups = wait_until(lambda: [g for g in self.api("rules")["groups"]
                                     if all(r["health"] != "unknown" for r in g["rules"])], "the rules are evaluated")
        for rule in (rule for group in groups for rule in group["rules"]):
            self.assertEqual(rule["health"], "ok", rule)


if __name__ == "__main__":
    unittest.main()
