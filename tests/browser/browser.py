"""A headless Chromium for tests: one for all tests of a file, on a profile of its own."""

import json
import os
import shutil
import sys
import tempfile
import unittest

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

ROOT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
sys.path.insert(0, os.path.join(ROOT, "tests", "python"))

SHOTS = os.environ.get("SCREENSHOTS")  # a folder: keep what the tests see, for people to look at


def _start(profile):
    options = Options()
    for argument in ("--headless=new", "--disable-gpu", "--hide-scrollbars", "--no-first-run",
                     "--disable-dev-shm-usage", f"--user-data-dir={profile}"):
        options.add_argument(argument)
    if os.geteuid() == 0:
        options.add_argument("--no-sandbox")  # Chromium refuses to run as root with one
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    return webdriver.Chrome(service=Service(shutil.which("chromedriver")), options=options)


class InBrowser(unittest.TestCase):
    """`self.driver` shows whatever the test opens."""

    @classmethod
    def setUpClass(cls):
        profile = tempfile.TemporaryDirectory(prefix="looplab-chromium-")
        cls.addClassCleanup(profile.cleanup)
        cls.driver = _start(profile.name)
        cls.addClassCleanup(cls.driver.quit)

    def command(self, name, **arguments):
        return self.driver.execute_cdp_cmd(name, arguments)

    def run_script(self, script, *arguments):
        return self.driver.execute_script(script, *arguments)

    def look(self, width, theme="light", media=""):
        """The size of the window and what the system says that it prefers."""
        self.command("Emulation.setDeviceMetricsOverride", width=width, height=900,
                     deviceScaleFactor=1, mobile=False)
        self.command("Emulation.setEmulatedMedia", media=media,
                     features=[{"name": "prefers-color-scheme", "value": theme}])

    def open(self, url):
        """Shows it; what was logged and asked for before is forgotten."""
        for kind in ("browser", "performance"):
            self.driver.get_log(kind)
        self.driver.get(url)

    def complaints(self):
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def asked_for(self):
        """Every URL that the page asked for since it was opened."""
        found = []
        for entry in self.driver.get_log("performance"):
            message = json.loads(entry["message"])["message"]
            if message["method"] == "Network.requestWillBeSent":
                found.append(message["params"]["request"]["url"])
        return found

    def keep_picture(self, name):
        if SHOTS:
            os.makedirs(SHOTS, exist_ok=True)
            self.driver.save_screenshot(os.path.join(SHOTS, f"{name}.png"))


def contrast(one, other):
    """Of two CSS colours 'rgb(r, g, b)', as WCAG has it."""
    def luminance(colour):
        parts = [int(part) / 255 for part in colour[colour.index("(") + 1:-1].split(",")[:3]]
        linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    low, high = sorted((luminance(one), luminance(other)))
    return (high + 0.05) / (low + 0.05)
