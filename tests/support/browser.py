# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A real Chromium without a window, in which pages are used as people use them."""

from __future__ import annotations

import base64
import contextlib
import pathlib
import shutil
import typing as t

from axe_core_python.selenium import Axe
from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.wait import WebDriverWait

_ARGUMENTS = (
    "--headless=new",
    "--no-sandbox",  # tests may run as root
    "--disable-gpu",
    "--disable-dev-shm-usage",  # containers have little of it
    "--hide-scrollbars",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
)


class Browser:
    """One Chromium. driver: selenium's, for what is not here."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self.driver = driver

    # -- pages --------------------------------------------------------------------------------------------------

    def open(self, page: pathlib.Path, fragment: str = "") -> None:
        """A page from a file, loaded anew."""
        self.driver.get("about:blank")
        self.driver.get(f"{page.as_uri()}{fragment}")

    @contextlib.contextmanager
    def prepared(self, script: str) -> t.Iterator[None]:
        """Pages that are opened meanwhile run this before their own scripts."""
        command = self.driver.execute_cdp_cmd
        added = command("Page.addScriptToEvaluateOnNewDocument", {"source": script})
        try:
            yield
        finally:
            command("Page.removeScriptToEvaluateOnNewDocument", {"identifier": added["identifier"]})

    def follow(self, fragment: str) -> None:
        """Another view of the page that is open."""
        self.driver.execute_script("location.hash = arguments[0]", fragment)
        self.wait(lambda: self.fragment == fragment)

    @property
    def fragment(self) -> str:
        return str(self.driver.execute_script("return location.hash"))

    def back(self) -> None:
        self.driver.back()

    # -- looking ------------------------------------------------------------------------------------------------

    def all(self, selector: str) -> list[WebElement]:
        """Those that can be seen."""
        self._settle()
        return [each for each in self.driver.find_elements(By.CSS_SELECTOR, selector) if each.is_displayed()]

    def one(self, selector: str) -> WebElement:
        """The only one that can be seen, as soon as it can."""

        def found() -> list[WebElement] | None:
            seen = self.all(selector)
            return seen if len(seen) == 1 else None

        (element,) = self.wait(found)
        return t.cast(WebElement, element)

    def texts(self, selector: str) -> list[str]:
        """The same without a question for each of them."""
        self._settle()
        script = (
            "return [...document.querySelectorAll(arguments[0])].filter(e => e.checkVisibility()).map(e => e.innerText)"
        )
        return [str(text) for text in self.script(script, selector)]

    def _settle(self) -> None:
        """What a click or a key has begun is done: another address is told to the page a moment later."""
        self.driver.execute_async_script("requestAnimationFrame(() => setTimeout(arguments[0], 0))")

    def script(self, text: str, *arguments: t.Any) -> t.Any:
        return self.driver.execute_script(text, *arguments)

    def focused(self) -> str:
        return str(self.script("const e = document.activeElement; return e.id || e.innerText || e.tagName"))

    def wait(self, condition: t.Callable[[], t.Any], seconds: float = 60) -> t.Any:
        patient = WebDriverWait(self.driver, seconds, 0.02, ignored_exceptions=[StaleElementReferenceException])
        return patient.until(lambda _driver: condition())

    def messages(self) -> list[str]:
        """Of the console since they were last asked for."""
        return [f"{each['level']}: {each['message']}" for each in self.driver.get_log("browser")]

    def violations(self) -> list[str]:
        """What axe-core finds, and where."""
        found = Axe().run(self.driver)["violations"]
        return [f"{each['id']}: {[node['target'] for node in each['nodes']][:5]}" for each in found]

    # -- using --------------------------------------------------------------------------------------------------

    def press(self, *keys: str) -> None:
        """Each key alone, wherever the focus is."""
        for key in keys:
            ActionChains(self.driver).send_keys(key).perform()

    def resize(self, width: int, height: int = 900, *, mobile: bool = False, scale: float = 1) -> None:
        facts = {"width": width, "height": height, "deviceScaleFactor": scale, "mobile": mobile}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", facts)

    def prefer(self, scheme: str = "light", media: str = "") -> None:
        """scheme: light or dark; media: print, "" for the screen."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": media, "features": features})

    # -- keeping ------------------------------------------------------------------------------------------------

    def screenshot(self, path: pathlib.Path, height: int | None = None) -> None:
        """The whole page, or as many pixels of it from the top."""
        whole = self.driver.execute_cdp_cmd("Page.getLayoutMetrics", {})["cssContentSize"]
        clip = {"x": 0, "y": 0, "width": whole["width"], "height": min(height or whole["height"], whole["height"])}
        wanted = {"format": "png", "captureBeyondViewport": True, "clip": {**clip, "scale": 1}}
        path.write_bytes(base64.b64decode(self.driver.execute_cdp_cmd("Page.captureScreenshot", wanted)["data"]))

    def pdf(self) -> bytes:
        return base64.b64decode(self.driver.execute_cdp_cmd("Page.printToPDF", {"printBackground": True})["data"])

    def heap_bytes(self) -> int:
        """What the page's scripts hold after the garbage is gone."""
        self.driver.execute_cdp_cmd("HeapProfiler.collectGarbage", {})
        self.driver.execute_cdp_cmd("Performance.enable", {})
        metrics = self.driver.execute_cdp_cmd("Performance.getMetrics", {})["metrics"]
        return int(next(each["value"] for each in metrics if each["name"] == "JSHeapUsedSize"))


@contextlib.contextmanager
def chromium() -> t.Iterator[Browser]:
    """Raises AssertionError where there is none: scripts/bootstrap installs it."""
    program = shutil.which("chromium") or shutil.which("chromium-browser")
    driver_program = shutil.which("chromedriver")
    assert program, "there is no chromium"
    assert driver_program, "there is no chromedriver"
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for argument in _ARGUMENTS:
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(driver_program))
    try:
        made = Browser(driver)
        made.resize(1280)
        yield made
    finally:
        driver.quit()
