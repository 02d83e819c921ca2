"""What a browser makes of the status page: headless Chromium, where it is installed (it is not in contrib/packages).
DSND_SCREENSHOTS=DIR keeps pictures of the page, for somebody to look at: light, dark, and as a phone shows it."""

import os
import pathlib
import unittest

from browser import Browser, find_chromium
from harness import bounce
from test_http import HttpCase, at_google, has_learnt

# The contrast of every text to what is behind it, as WCAG 2.1 counts it; texts of 4.5 and more are left out.
CONTRASTS = """(() => {
  const parse = (c) => c.match(/[0-9.]+/g).map(Number);
  const light = (c) => parse(c).slice(0, 3).map((v) => v / 255)
    .map((v) => (v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (e) => {
    for (; e; e = e.parentElement) {
      const c = getComputedStyle(e).backgroundColor;
      if ((parse(c)[3] ?? 1) > 0) return c;
    }
    return "rgb(255,255,255)";
  };
  return [...document.querySelectorAll("body *")]
    .filter((e) => !e.matches("title, noscript") && [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim()))
    .map((e) => {
      const style = getComputedStyle(e), svg = e instanceof SVGElement;
      const [a, b] = [light(svg ? style.fill : style.color), light(behind(e))].sort((x, y) => y - x);
      return [e.tagName + "." + (e.getAttribute("class") || ""), (a + 0.05) / (b + 0.05)];
    })
    .filter(([, ratio]) => ratio < 4.5);
})()"""


class Page(HttpCase):
    @classmethod
    def setUpClass(cls):
        if not find_chromium():
            raise unittest.SkipTest("no chromium that starts")

    def setUp(self):
        super().setUp()
        self.listen_tcp()
        self.start()
        for n in range(30):
            self.maildir.deliver(bounce(n, text="user unknown" if n % 3 else "blocked using a list"))
        self.maildir.deliver(bounce(30, text="<script>document.title='mail'</script><b id=mail>user unknown</b>"))
        self.wait_settled(31)
        self.browser = Browser(self.folder)
        self.addCleanup(self.browser.close)

    def open(self, fragment=""):
        self.browser.go(f"http://127.0.0.1:{self.port}/#{fragment}")
        self.browser.wait("document.querySelectorAll('#time rect').length > 0 && document.querySelectorAll('#events tr').length")

    def text(self, id):
        return self.browser.evaluate(f"document.getElementById('{id}').innerText")

    def test_it_draws_everything_and_takes_no_markup_from_mail(self):
        self.open("user30.0@example30.com")
        self.browser.wait("document.querySelector('#found td')")
        self.assertEqual(self.text("state"), "ready")
        self.assertRegex(self.text("tiles"), r"events today\n+31\n")
        self.assertIn("31 of the last 31", self.text("events"))
        self.assertRegex(self.text("found"), r"on the suppression list\n+yes")
        self.assertIn("<script>document.title='mail'</script><b id=mail>", self.text("found"))
        self.assertIn("bounces", self.text("sources"))
        self.assertRegex(self.browser.evaluate("document.querySelector('#time svg').getAttribute('aria-label')"),
                         "Events of each of the last 30 days by type: hard 31")
        self.assertEqual(self.browser.evaluate("document.title"), "dsnd")
        self.assertEqual(self.browser.evaluate("document.querySelectorAll('script').length"), 1)
        self.assertIsNone(self.browser.evaluate("document.querySelector('b#mail')"))
        self.assertEqual(self.browser.complaints, [])

    def test_an_outage_is_shown_and_why_addresses_are_held(self):
        self.open()
        self.assertTrue(self.browser.evaluate("document.getElementById('outages').hidden"))
        self.assertRegex(self.text("suppressed"), r"By reason\s+user-unknown\s+31\s+By provider")
        self.browser.go("about:blank")  # a page whose daemon ends complains
        self.daemons[0].end()
        self.conf = self.configure("[guard]\nbounces = 3\n")
        has_learnt(self.redis.client)
        self.start()
        self.open()
        for n in range(40, 45):
            self.maildir.deliver(at_google(n))
        self.browser.wait("document.getElementById('held').innerText.includes('5 addresses, the latest first')")
        self.assertRegex(self.text("outages"), r"google\s+user-unknown\s+[\d-]+ [\d:]+\s+not yet\s+5\s+Held\s+By reason\s+user-unknown\s+5")
        self.assertRegex(self.text("tiles"), r"outages now\n+1\n")
        self.browser.evaluate("document.querySelector('#held a').focus()")
        address = self.browser.evaluate("document.activeElement.innerText")
        self.browser.press("Enter", 13, "\r")
        self.browser.wait("document.querySelector('#found h3')")
        self.assertRegex(self.text("found"), rf"{address}\s+on the suppression list\s+no[\s\S]*state\s+held")
        self.assertEqual(self.browser.evaluate("document.activeElement.id"), "h-search")
        self.assertEqual(self.browser.complaints, [])

    def test_a_link_that_names_no_address_asks_nothing(self):
        for fragment in ("main", "%ff", "%"):
            self.open(fragment)
            self.assertEqual((self.browser.evaluate("document.getElementById('q').value"), self.text("found")), ("", ""))
        self.assertEqual(self.browser.complaints, [])

    def test_it_keeps_itself_up_to_date_and_says_when_it_cannot(self):
        self.open()
        self.maildir.deliver(bounce(77))
        self.browser.wait("document.getElementById('events').innerText.includes('user77.0@example27.com')")
        self.redis.stop()
        self.browser.wait("document.getElementById('state').innerText === 'Redis is away'")
        self.redis.start()
        self.browser.wait("document.getElementById('state').innerText === 'ready'")
        self.daemons[0].end()
        self.browser.wait("document.getElementById('state').innerText === 'connection lost'")

    def test_the_keyboard_reaches_everything(self):
        self.open()
        stops = []
        for _ in range(12):
            self.browser.press("Tab", 9)
            stops.append(self.browser.evaluate(
                "(({tagName, id, value, className}) => [tagName, id || value || className].join(' '))(document.activeElement)"))
        self.assertEqual(stops[:6], ["A skip", "INPUT type", "SUMMARY ", "INPUT q", "BUTTON ", "INPUT filter"])
        self.browser.evaluate("document.querySelector('[name=by]').focus()")
        self.browser.press("ArrowRight", 39)
        self.assertEqual(self.browser.evaluate("document.activeElement.value"), "reason")
        self.browser.wait("document.querySelector('#time svg').getAttribute('aria-label').includes('by reason')")
        self.browser.evaluate("document.querySelector('summary').focus()")
        self.browser.press("Enter", 13, "\r")
        self.browser.wait("document.querySelector('#time details').open && document.querySelector('#time table')")
        self.maildir.deliver(bounce(78))
        self.browser.wait("document.getElementById('tiles').innerText.includes('32')")
        self.assertEqual(self.browser.evaluate("[document.activeElement.tagName, document.querySelector('#time details').open]"),
                         ["SUMMARY", True])

    def test_everything_has_a_name_for_a_screen_reader(self):
        self.open()
        self.browser.call("Accessibility.enable")
        nodes = self.browser.call("Accessibility.getFullAXTree")["nodes"]
        nodes = [(n["role"]["value"], n.get("name", {}).get("value", "")) for n in nodes if not n["ignored"]]
        self.assertEqual([node for node in nodes if node[0] in
                          ("button", "textbox", "searchbox", "radio", "link", "image", "img", "table", "region") and not node[1]
                          and node != ("table", "")], [])
        headings = [name for role, name in nodes if role == "heading"]
        self.assertEqual(headings[:3], ["dsnd", "Now", "Bounces over time"])
        self.assertIn("status", {role for role, _ in nodes})

    def test_it_is_legible_in_the_light_in_the_dark_and_on_a_phone(self):
        keep = os.environ.get("DSND_SCREENSHOTS")
        for name, look in {"light": (1280, 2200, False, "light"), "dark": (1280, 2200, False, "dark"),
                           "phone": (390, 3000, True, "light")}.items():
            self.browser.look_like(*look)
            self.open("user1.0@example1.com")
            self.browser.wait("document.querySelector('#found td')")
            self.assertEqual(self.browser.evaluate(CONTRASTS), [], name)
            self.assertLessEqual(self.browser.evaluate("document.documentElement.scrollWidth"), look[0], name)
            picture = pathlib.Path(keep or self.folder) / f"page-{name}.png"
            self.browser.picture(picture)
            self.assertEqual(picture.read_bytes()[:4], b"\x89PNG")


if __name__ == "__main__":
    unittest.main()
