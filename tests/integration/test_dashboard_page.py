# Copyright: (c) 2026, certops.rotation contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The dashboard in a real Chromium, as people use it: with a mouse, keys alone, a phone, a screen reader, on paper."""

from __future__ import annotations

import functools
import http.server
import pathlib
import re
import threading
import typing as t
from datetime import datetime, timezone

import pytest
from ansible_collections.certops.rotation.plugins.module_utils._core.record.page import filled
from ansible_collections.certops.rotation.plugins.module_utils._core.watch.dashboard import (
    DashboardSettings,
    dashboard_document,
)
from ansible_collections.certops.rotation.plugins.plugin_utils._dashboard import page_without_data
from ansible_collections.certops.rotation.tests.support.browser import Browser, chromium
from ansible_collections.certops.rotation.tests.support.watched_fleet import (
    DAY,
    Fleet,
    certificate,
    example_fleet,
    hostile,
    large_fleet,
)
from selenium.webdriver.common.keys import Keys

WWW = "#/endpoint/www.example.com%3A443"
VIEWS = ("", "#/?q=example", "#/?show=expired", WWW, "#/endpoint/mail.example.com%3A587", "#/endpoint/nothing")
MARKUP = "<img src=x onerror=alert(1)><script>alert(2)</script>&lt;b&gt;\"'"


def now() -> datetime:
    return datetime.now(timezone.utc).replace(microsecond=0)


def page_of(fleet: Fleet, path: pathlib.Path, **settings: t.Any) -> pathlib.Path:
    chosen = DashboardSettings(**{"title": "Certificates of example.com", **settings})
    document = dashboard_document(fleet.views, fleet.events, fleet.deployments, chosen, fleet.now)
    path.write_bytes(filled(page_without_data("watch"), document, "digest"))
    return path


@pytest.fixture(scope="module")
def chrome() -> t.Iterator[Browser]:
    with chromium() as made:
        yield made


@pytest.fixture
def browser(chrome: Browser) -> t.Iterator[Browser]:
    """Whatever a test does, the browser has nothing to say about it."""
    chrome.resize(1280)
    chrome.prefer()
    chrome.messages()
    yield chrome
    assert chrome.messages() == []


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> pathlib.Path:
    return tmp_path_factory.mktemp("pages")


@pytest.fixture(scope="module")
def example(folder: pathlib.Path) -> pathlib.Path:
    return page_of(example_fleet(now()), folder / "example.html")


@pytest.fixture(scope="module")
def medium(folder: pathlib.Path) -> pathlib.Path:
    return page_of(large_fleet(now(), 600), folder / "medium.html")


@pytest.fixture(scope="module")
def large(folder: pathlib.Path) -> pathlib.Path:
    return page_of(large_fleet(now(), 10_000), folder / "large.html")


def names(browser: Browser) -> list[str]:
    return browser.texts(".rows a")


# What it shows


def test_what_needs_a_person_comes_first(browser: Browser, example: pathlib.Path) -> None:
    browser.open(example)
    assert browser.one(".verdict").text == "5 endpoints need a person today"
    assert browser.one(".verdict + p").text == "3 soon, 7 fine. Next to end: edge in 5 days."
    needs = browser.texts(".needs li")
    assert len(needs) == 6
    assert "Expired" in needs[0]
    assert "legacy.example.com" in needs[0]
    assert "ended 2 days ago" in needs[0]
    assert re.search(r"Not served\n.*shop\.example\.com\n.*web/shop was deployed for it on lb1", needs[1], re.DOTALL)
    assert "Connection refused." in next(each for each in needs if "Unreachable" in each)
    assert "Last scan 4 minutes ago" in browser.one("#head p").text
    assert "mail.example.com" in browser.texts(".changes li")[0]


def test_nothing_needs_a_person(browser: Browser, folder: pathlib.Path) -> None:
    fleet = Fleet(now())
    fleet.add("a.example.com", certificate(["a.example.com"], fleet.now - DAY))
    browser.open(page_of(fleet, folder / "calm.html"))
    assert browser.one(".verdict").text == "Nothing needs a person today"
    assert browser.all(".needs") == []


def test_nothing_is_watched(browser: Browser, folder: pathlib.Path) -> None:
    browser.open(page_of(Fleet(now()), folder / "empty.html"))
    assert browser.one(".verdict").text == "No endpoint is watched yet."
    assert "nothing has been scanned yet" in browser.one("#head p").text


def test_what_time_changes_afterwards(browser: Browser, folder: pathlib.Path) -> None:
    """A page that has lain there for days says so, and does not go on to call things fine."""
    fleet = Fleet(now() - 3 * DAY)
    fleet.add("short.example.com", certificate(["short"], fleet.now - 4 * DAY, 6))
    fleet.add("long.example.com", certificate(["long"], fleet.now - DAY))
    fleet.add("due.example.com", certificate(["due"], fleet.now - 59 * DAY))
    browser.open(page_of(fleet, folder / "old.html"))
    assert browser.one("#head strong").text == "Out of date: last scan 3 days ago"
    found = dict(zip(names(browser), browser.texts(".rows tr[data-index] td:first-child"), strict=True))
    assert "Expired" in found["short.example.com"]
    assert "Fine" in found["long.example.com"]
    assert "Expiring" in found["due.example.com"]


def test_one_endpoint(browser: Browser, example: pathlib.Path) -> None:
    browser.open(example)
    browser.one(f'.rows a[href="{WWW}"]').click()
    assert browser.one("h1[tabindex]").text == "www.example.com"
    assert browser.focused() == "www.example.com"
    assert browser.driver.title == "www.example.com \u2013 Certificates of example.com"
    addresses = browser.texts(".wide tbody tr")
    assert "192.0.2.10" in addresses[0]
    assert "2001:db8::10" in addresses[1]
    assert "TLSv1.3, OCSP good" in addresses[0]
    facts = browser.all("dl.facts")[0].text
    for wanted in ("www.example.com\nexample.com\n*.example.com", "SHA-256", "SHA-1", "MD5", "ecdsa P-256"):
        assert wanted in facts.replace("   ", "\n") or wanted.replace("\n", " ") in " ".join(facts.split())
    chain = browser.texts(".chain li")
    assert [re.sub(r"\s+", " ", each).split(" ends ")[0] for each in chain] == [
        "www.example.com by R11",
        "R11 by ISRG Root X1",
    ]
    assert "A root is sent, too." in browser.texts(".notes")
    assert "lb1" in addresses[2]
    assert "Served" in addresses[2]


def test_an_endpoint_without_server_name(browser: Browser, folder: pathlib.Path) -> None:
    fleet = Fleet(now())
    served = certificate(["a"], fleet.now - 30 * DAY, subject="CN=Inc\\, \u202egnp.exe\\00")
    fleet.add("nothing.example.com", served, server_name="")
    browser.open(page_of(fleet, folder / "nothing.html"), "#/endpoint/nothing.example.com%3A443")
    assert "Server name none is sent" in " ".join(browser.all("dl.facts")[-1].text.split())
    assert browser.texts(".chain li")[0].startswith("Inc, \\u202egnp.exe\\00")


@pytest.mark.parametrize("name", ["edge", "mail.example.com", "new.example.com", "old-printer", "test.example.com"])
def test_odd_endpoints_have_their_page(browser: Browser, example: pathlib.Path, name: str) -> None:
    """An IPv6 address, STARTTLS, never scanned, without dates, not enabled."""
    browser.open(example)
    next(each for each in browser.all(".rows a") if each.text == name).click()
    assert browser.one("h1[tabindex]").text == name
    assert "Watched since" in browser.one("main").text
    fragment = browser.fragment
    browser.open(example, fragment)
    assert browser.one("h1[tabindex]").text == name


def test_history_is_exact(browser: Browser, folder: pathlib.Path) -> None:
    fleet = Fleet(datetime(2026, 11, 26, 12, 0, 7, tzinfo=timezone.utc))
    at = fleet.now
    leaf, old = certificate(["a"], at - 5 * DAY), certificate(["a"], at - 70 * DAY)
    fleet.add("a.example.com", leaf, since=5 * DAY, former=[old], addresses=("192.0.2.1", "192.0.2.2"))
    browser.open(page_of(fleet, folder / "history.html"), "#/endpoint/a.example.com%3A443")
    first, second = browser.texts(".past li")
    assert "192.0.2.1, 192.0.2.2" in first
    assert "21 Nov 2026, 12:00:07 UTC \u2013 now" in first
    assert "22 Sep 2026, 12:00:07 UTC \u2013 21 Nov 2026, 11:45:07 UTC" in second


def test_a_certificate_that_ends_today_is_in_the_timeline(browser: Browser, example: pathlib.Path) -> None:
    browser.open(example)
    bars = {each.get_attribute("aria-label"): each for each in browser.all(".ends button")}
    assert len(bars) == 15
    assert "1 endpoint ended" in bars
    next(drawn for label, drawn in bars.items() if label == "1 endpoint ended").click()
    assert names(browser) == ["legacy.example.com"]
    assert browser.one("#count").text == "1 of 17 endpoints, ended"
    browser.back()
    browser.wait(lambda: len(names(browser)) == 17)
    counts = [int(label.split()[0]) for label in bars]
    assert sum(counts) == 14  # all but those without an end, and the paused one


def test_what_happened_at_one_instant_is_one_thing(browser: Browser, folder: pathlib.Path) -> None:
    """Renewed, by another authority, at two addresses: that is one line."""
    fleet = Fleet(now())
    names_of = ["a.example.com"]
    view = fleet.add(
        "a", certificate(names_of, fleet.now - DAY), host="a.example.com", addresses=("192.0.2.1", "192.0.2.2")
    )
    for address in ("192.0.2.1", "192.0.2.2"):
        who = f"a (a.example.com:443, {address})"
        for kind, severity, text in (
            ("key_changed", "info", "has a new key."),
            ("issuer_changed", "warning", "has its certificate from 'CN=B' now."),
            ("renewed", "info", "serves a new certificate that ends at 2027-02-24T15:49:39Z."),
        ):
            fleet.tell(view, kind, severity, DAY, f"{who} {text}", address=address)
    fleet.tell(view, "new", "info", 2 * DAY, "a (a.example.com:443, 192.0.2.1) serves a certificate.")
    browser.open(page_of(fleet, folder / "occasions.html"))
    first, second = browser.texts(".changes li")
    assert [line for line in re.sub(r"^\W+", "", first).splitlines() if line][:3] == [
        "Renewed a other issuer, other key",
        "Serves a new certificate that ends at 24 Feb 2027, 15:49 UTC.",
        "Has its certificate from 'CN=B' now.",
    ]
    assert "Serves a certificate." in second


# Searching, sorting, filtering


def test_search(browser: Browser, example: pathlib.Path) -> None:
    browser.open(example)
    field = browser.one("#search")
    field.send_keys("internal ca")
    assert set(names(browser)) == {"vpn.example.com", "db1.example.com", "ldap.example.com"}
    assert browser.one("#count").text == "3 of 17 endpoints"
    assert browser.all(".verdict") == []
    browser.wait(lambda: browser.fragment == "#/?q=internal+ca")
    browser.wait(lambda: browser.script("return document.getElementById('said').textContent") == "3 endpoints found")
    field.clear()
    field.send_keys("smtp.example.com")  # a name of the certificate
    assert names(browser) == ["mail.example.com", "imap.example.com"]
    field.clear()
    field.send_keys("no such thing")
    assert browser.one(".nothing").text == "Nothing matches."
    field.send_keys(Keys.ESCAPE)
    assert len(names(browser)) == 17
    assert browser.one(".verdict").text


def test_what_is_found_can_be_sent_to_somebody(browser: Browser, example: pathlib.Path) -> None:
    browser.open(example, "#/?q=team%3Dmail&show=good&sort=-ends")
    assert names(browser) == ["imap.example.com"]
    assert browser.one("#search").get_attribute("value") == "team=mail"
    assert browser.one('.chip[aria-pressed="true"]').text.endswith("Fine 7")
    assert browser.one('th[aria-sort="descending"]').text.startswith("Ends")


@pytest.mark.parametrize(
    "fragment", ["#/?q=%E0%A4%A", "#/endpoint/%E0%A4%A", "#/nonsense", "#?", "#/?sort=nothing&ends=x"]
)
def test_an_address_that_nobody_wrote(browser: Browser, example: pathlib.Path, fragment: str) -> None:
    browser.open(example, fragment)
    assert browser.all("main h1, main h2")


def test_filters(browser: Browser, example: pathlib.Path) -> None:
    browser.open(example)
    chips = {re.sub(r"^\W+", "", each.text): each for each in browser.all(".chip")}
    assert {"Today 5", "Soon 3", "Expired 1", "Not served 1", "Paused 1", "Not scanned 1", "Not managed 12"} <= set(
        chips
    )
    chips["Today 5"].click()
    assert len(names(browser)) == 5
    assert browser.fragment == "#/?show=today"
    browser.one('.chip[aria-pressed="true"]').click()
    assert len(names(browser)) == 17
    browser.back()
    browser.wait(lambda: len(names(browser)) == 5)
    next(each for each in browser.all(".clear") if each.text == "Show all").click()
    assert len(names(browser)) == 17


def test_sorting(browser: Browser, example: pathlib.Path) -> None:
    browser.open(example)
    by_condition = names(browser)
    assert by_condition[0] == "legacy.example.com"
    for key, first in (("name", "api.example.com"), ("ends", "legacy.example.com"), ("since", "vpn.example.com")):
        index = ["condition", "name", "issuer", "ends", "since"].index(key)
        browser.all("thead button")[index].click()
        up = names(browser)
        assert up[0] == first
        assert browser.all("thead th")[index].get_attribute("aria-sort") == "ascending"
        browser.all("thead button")[index].click()
        down = names(browser)
        assert browser.fragment == f"#/?sort=-{key}"
        without = (
            {"new.example.com", "old-printer"} if key == "ends" else {"new.example.com"} if key == "since" else set()
        )
        assert set(down[len(down) - len(without) :]) == without  # what has no value comes last, whichever way
        kept = [name for name in up if name not in without]
        assert kept[0] == [name for name in down if name not in without][-1]


# Keys alone


def test_keys_alone(browser: Browser, medium: pathlib.Path) -> None:
    browser.open(medium)
    browser.press("/")
    assert browser.focused() == "search"
    browser.press(*"host000", Keys.ARROW_DOWN)
    shown = names(browser)
    assert browser.focused() == shown[0]
    browser.press(Keys.ARROW_DOWN, Keys.ARROW_DOWN, Keys.ARROW_UP)
    assert browser.focused() == shown[1]
    browser.press(Keys.END)
    assert browser.focused() == shown[-1]
    browser.press(Keys.ENTER)
    browser.wait(lambda: browser.fragment.startswith("#/endpoint/"))
    assert browser.focused() == shown[-1]
    browser.press(Keys.ESCAPE)
    browser.wait(lambda: browser.fragment == "#/?q=host000")
    assert browser.focused() == shown[-1]
    browser.back()
    browser.wait(lambda: browser.fragment.startswith("#/endpoint/"))
    browser.back()  # to what was typed, though it was left at once
    browser.wait(lambda: browser.fragment == "#/?q=host000")
    assert names(browser) == shown


def test_keys_go_through_rows_that_are_not_there_yet(browser: Browser, large: pathlib.Path) -> None:
    browser.open(large, "#/?sort=name")
    browser.one("#search").send_keys(Keys.ARROW_DOWN)
    assert browser.focused() == "host00000.example.com"
    browser.press(Keys.END)
    assert browser.focused() == "host09999.example.com"
    browser.press(Keys.PAGE_UP)
    assert re.fullmatch(r"host099\d\d\.example\.com", browser.focused())
    browser.press(Keys.HOME)
    assert browser.focused() == "host00000.example.com"


def test_tab_reaches_everything_in_order(browser: Browser, example: pathlib.Path) -> None:
    browser.open(example)
    reached = []
    for _step in range(60):
        browser.press(Keys.TAB)
        reached.append(browser.focused())
    order = ["skip", "Certificates of example.com", "search", "legacy.example.com"]
    assert [reached.index(each) for each in order] == sorted(reached.index(each) for each in order)
    assert any("Today" in each for each in reached)
    browser.open(example)
    browser.press(Keys.TAB, Keys.ENTER)
    assert browser.focused() == "main"


# Many


def test_ten_thousand(browser: Browser, large: pathlib.Path) -> None:
    browser.open(large)
    assert browser.one("#count").text == "10,000 endpoints"
    assert browser.script("return document.querySelectorAll('*').length") < 1500
    assert browser.heap_bytes() < 50_000_000
    assert browser.one("table").get_attribute("aria-rowcount") == "10001"
    browser.script("window.scrollTo(0, document.body.scrollHeight)")
    browser.wait(
        lambda: browser.script("return document.querySelector('.rows tr:nth-last-child(2)').ariaRowIndex") == "10001"
    )
    browser.script("window.scrollTo(0, document.body.scrollHeight / 2)")
    browser.wait(
        lambda: browser.script(
            "return [...document.querySelectorAll('.rows tr[data-index]')]"
            ".some(e => { const b = e.getBoundingClientRect(); return b.top > 0 && b.bottom < innerHeight })"
        )
    )
    assert len(names(browser)) < 60
    assert not [each for each in browser.all(".clear") if each.text.startswith("Put all")]
    browser.one("#search").send_keys("host01234")
    assert names(browser) == ["host01234.example.com"]


def test_ten_thousand_with_one_certificate(browser: Browser, folder: pathlib.Path) -> None:
    """Its names are told once, searched once, and kept once."""
    fleet = Fleet(now())
    shared = certificate([f"name{number}.example.com" for number in range(1000)], fleet.now - 30 * DAY)
    for number in range(10_000):
        fleet.add(f"host{number:05}.example.com", shared)
    browser.open(page_of(fleet, folder / "shared.html"))
    assert browser.heap_bytes() < 50_000_000
    browser.one("#search").send_keys("host0123 NAME999.example")
    assert len(names(browser)) == 10
    browser.one("#search").send_keys("x")
    assert names(browser) == []


def test_the_way_back_leads_to_the_same_place(browser: Browser, large: pathlib.Path) -> None:
    browser.open(large, "#/?sort=name")
    browser.script("window.scrollTo(0, 200000)")
    in_view = (
        "return [...document.querySelectorAll('.rows a')]"
        ".find(e => { const b = e.getBoundingClientRect(); return b.top > 200 && b.bottom < 600 })"
    )
    link = browser.wait(lambda: browser.script(in_view))
    wanted = link.text
    link.click()
    assert browser.one("h1[tabindex]").text == wanted
    assert browser.script("return scrollY") == 0
    browser.back()
    browser.wait(lambda: browser.script("return scrollY") == 200000)
    assert browser.focused() == wanted


def test_all_rows_on_request(browser: Browser, medium: pathlib.Path) -> None:
    browser.open(medium)
    assert len(names(browser)) < 60
    (button,) = [each for each in browser.all(".clear") if each.text.startswith("Put all")]
    assert button.text == "Put all 600 rows on the page"
    button.click()
    assert len(names(browser)) == 600
    browser.one("#search").send_keys("host0001")
    assert len(names(browser)) == 10


def test_paper_has_all_rows(browser: Browser, medium: pathlib.Path) -> None:
    browser.open(medium)
    browser.script(
        "window.addEventListener('beforeprint', () => { window.printed = document.querySelectorAll('.rows a').length })"
    )
    assert browser.pdf().startswith(b"%PDF")
    assert browser.script("return window.printed") == 600
    browser.wait(lambda: len(names(browser)) < 60)
    browser.prefer("dark", "print")
    assert browser.script("return getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert browser.all("#search, .chip") == []


# Phones, the dark, everybody


@pytest.mark.parametrize(
    ("view", "width", "scheme"),
    [
        *((view, width, scheme) for view in VIEWS for width, scheme in ((1280, "dark"), (320, "light"))),
        *((view, width, scheme) for view in ("", WWW) for width, scheme in ((1280, "light"), (320, "dark"))),
    ],
)
def test_nobody_is_left_out(browser: Browser, example: pathlib.Path, view: str, width: int, scheme: str) -> None:
    browser.resize(width, mobile=width < 400)
    browser.prefer(scheme)
    browser.open(example, view)
    assert browser.violations() == []
    assert browser.script("return document.documentElement.scrollWidth") <= width
    luminance = int(re.findall(r"\d+", browser.script("return getComputedStyle(document.body).backgroundColor"))[0])
    assert (luminance > 128) == (scheme == "light")


def test_on_a_phone(browser: Browser, medium: pathlib.Path) -> None:
    browser.resize(320, 640, mobile=True)
    browser.open(medium)
    assert browser.all("thead") == []
    browser.script(
        "arguments[0].value = 'ends'; arguments[0].dispatchEvent(new Event('change'))", browser.one("select")
    )
    browser.wait(lambda: browser.fragment == "#/?sort=ends")
    heights = set(
        browser.script("return [...document.querySelectorAll('.rows tr[data-index]')].map(e => e.offsetHeight)")
    )
    assert len(heights) == 1
    row = browser.texts(".rows tr[data-index]")[0]
    assert re.search(r"host\d+\.example\.com", row)
    assert "ago" in row or "in " in row or "now" in row


# Others' texts


@pytest.mark.parametrize(
    "text", [MARKUP, "</script><script>alert(3)</script>", "<!--<script>", "\u202egnp.exe", "a" * 3000]
)
def test_every_text_is_text(browser: Browser, folder: pathlib.Path, text: str) -> None:
    fleet = Fleet(now())
    hostile(text, fleet)
    page = page_of(fleet, folder / "hostile.html", title=text)
    for view in ("", "#/endpoint/hostile.example.com%3A443"):
        browser.open(page, view)
        assert browser.script("return document.querySelectorAll('img, iframe, main script').length") == 0
        assert browser.script("return document.scripts.length") == 1
        assert browser.script("return document.documentElement.scrollWidth") <= 1280
    if text == MARKUP:
        assert text in browser.one("main").text


def test_it_needs_no_network(browser: Browser, example: pathlib.Path) -> None:
    browser.open(example)
    browser.follow(WWW)
    assert browser.script("return performance.getEntriesByType('resource').map(e => e.name)") == []
    browser.script("fetch('http://127.0.0.1:9/').catch(() => { window.refused = true })")
    browser.wait(lambda: browser.script("return window.refused"))
    for injection in (
        "const s = document.createElement('script'); s.text = 'window.injected = true'; document.body.append(s)",
        "document.body.innerHTML = '<p>'",
        "document.body.setAttribute('onclick', 'window.injected = true'); document.body.click()",
    ):
        browser.script(f"try {{ {injection} }} catch {{}}")
    assert browser.script("return window.injected") is None
    assert browser.all(".rows a") or browser.all("h1")
    refusals = browser.messages()
    assert len(refusals) > 2
    assert all(
        "Content Security Policy" in each or "TrustedHTML" in each or "TrustedScript" in each for each in refusals
    )


def test_behind_a_web_server(browser: Browser, example: pathlib.Path) -> None:
    """It asks for nothing but itself."""
    asked: list[str] = []

    class Handler(http.server.SimpleHTTPRequestHandler):
        def log_message(self, format: str, *arguments: t.Any) -> None:  # noqa: A002  # its name there
            asked.append(str(arguments[0]))

    handler = functools.partial(Handler, directory=str(example.parent))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            browser.driver.get(f"http://127.0.0.1:{server.server_port}/{example.name}{WWW}")
            assert browser.one("h1[tabindex]").text == "www.example.com"
            browser.follow("#/?show=today")
            assert len(names(browser)) == 5
        finally:
            server.shutdown()
            thread.join()
    assert asked == [f"GET /{example.name} HTTP/1.1"]


def test_it_is_current_while_it_is_open(browser: Browser, example: pathlib.Path) -> None:
    script = "window.setInterval = (called) => { window.tick = called }"
    with browser.prepared(script):
        browser.open(example)
    browser.script("const real = Date.now; Date.now = () => real() + arguments[0]", 2 * 86400 * 1000)
    browser.script("window.tick()")
    assert browser.one("#head strong").text == "Out of date: last scan 2 days ago"
