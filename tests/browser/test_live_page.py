"""The live page of --live in a real browser, of a lab that is loaded meanwhile."""

import http.client
import os
import unittest

from selenium.webdriver.support.ui import WebDriverWait

from browser import InBrowser, contrast
import support  # noqa: F401: bench/ on the path
from driver.servers import Server, Spec

DEADLINE = 30  # seconds; only turns a hang into a failure
COLOUR = "return getComputedStyle(document.querySelector(arguments[0]))[arguments[1]]"


def lab(number, *arguments):
    program = os.path.join(os.environ["LAB_BIN_DIR"], f"lab{number}")
    return Server(Spec(f"lab{number}", (program, "--port", "0", "--live", *arguments)))


class Live(InBrowser):
    def text(self, selector):
        return self.run_script("return document.querySelector(arguments[0]).textContent", selector)

    def wait(self, condition):
        WebDriverWait(self.driver, DEADLINE, poll_frequency=0.05).until(lambda _: condition())

    def frames(self):
        return int(self.run_script("return document.body.dataset.frames || 0"))

    def load(self, server, count=50):
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=DEADLINE)
        for _ in range(count):
            connection.request("GET", "/")
            connection.getresponse().read()
        connection.close()

    def show(self, server, width=1200, theme="light"):
        """Until there is something in every table."""
        self.look(width, theme)
        self.open(f"http://127.0.0.1:{server.port}/_lab")

        def filled():
            self.load(server)
            return self.run_script("return document.querySelectorAll('#hops tr').length") > 0

        self.wait(filled)

    def test_every_lab_shows_itself(self):
        for number in (1, 2, 3, 4, 5):
            with lab(number, *(("--workers", "1") if number == 5 else ())) as server:
                self.show(server)
                self.assertEqual(self.complaints(), [])
                base = f"http://127.0.0.1:{server.port}/_lab"
                asked = {url for url in self.asked_for() if not url.startswith("data:")}
                self.assertEqual(asked, {base, f"{base}/page.css", f"{base}/page.js",
                                         f"{base}/events"})
                self.assertIn(f"lab{number}_", self.text("#lab"))
                self.assertEqual(self.text("#connection"), "live")
                self.assertIn("http", self.text("#threads"))
                self.assertIn("parsed → attached", self.text("#hops"))
                self.assertIn("answers for the HTTP thread", self.text("#queues"))
                self.keep_picture(f"live-lab{number}")
                self.open("about:blank")

    def test_frames_go_on(self):
        with lab(1) as server:
            self.show(server)
            seen = self.frames()
            self.wait(lambda: self.frames() >= seen + 3)
            points = self.run_script(
                "return document.getElementById('curve').getAttribute('points')")
            self.assertEqual(len(points.split()), self.frames())
            self.open("about:blank")

    def test_a_phone_scrolls_down_only_and_both_themes_can_be_read(self):
        with lab(2) as server:
            for width, theme in ((380, "light"), (380, "dark"), (1400, "light"), (1400, "dark")):
                self.show(server, width, theme)
                widest = self.run_script("return document.documentElement.scrollWidth")
                self.assertLessEqual(widest, width)
                ground = self.run_script(COLOUR, "html", "backgroundColor")
                for selector in ("h1", "td", ".soft", "figcaption"):
                    colour = self.run_script(COLOUR, selector, "color")
                    self.assertGreaterEqual(contrast(colour, ground), 4.5, (theme, selector))
                self.keep_picture(f"live-{width}-{theme}")
            self.open("about:blank")

    def test_who_leaves_the_page_looks_no_more(self):
        with lab(1) as server:
            for _ in range(3):
                self.show(server)
            self.wait(lambda: self.text("#about").endswith("; 1 looking"))
            self.open("about:blank")

    def test_a_lab_that_is_gone_is_said_and_one_that_comes_back_is_shown(self):
        with lab(1) as server:
            self.show(server)
            port = server.port
        self.wait(lambda: self.text("#connection") != "live")
        self.assertIn("doesn't answer", self.text("#connection"))
        with Server(Spec("lab1", (*server.spec.command[:2], str(port), "--live"))):
            self.wait(lambda: self.text("#connection") == "live")
        self.open("about:blank")


if __name__ == "__main__":
    unittest.main()
