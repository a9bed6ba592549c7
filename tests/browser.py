"""A real browser without a window: what a page says on its console, and asks for."""

import json
import re
import shutil
import subprocess
from html import escape
from typing import NamedTuple
from urllib.parse import urlsplit

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome")
BROWSER = "not an origin"
"""What a log calls the initiator of what the browser asks for, whatever the page."""
SCHEMES = {"http", "https", "ws", "wss", "ftp"}
QUIET = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr",
    "--no-first-run", "--hide-scrollbars", "--disable-sync", "--disable-extensions",
    "--disable-component-update", "--disable-background-networking",
    "--host-resolver-rules=MAP * ~NOTFOUND",
)  # fmt: skip
FRAME = """<!DOCTYPE html><title>frame</title>
<iframe style="border:0;width:{width}px;height:2000px" srcdoc="{page}" onload="
const root = this.contentDocument.documentElement;
document.body.dataset.seen = root.clientWidth + ' ' + root.scrollWidth"></iframe>
"""


class Opened(NamedTuple):
    """What was seen: lines of the console, hosts that were asked, the document."""

    console: list[str]
    hosts: set[str]
    document: str


def path_or_skip():
    found = next((path for name in NAMES if (path := shutil.which(name))), None)
    if found is None:
        pytest.skip("no browser: apt-get install chromium")
    return found


def open_page(html, folder, dark=False):
    """Open a page, with a profile of its own in the folder."""
    page, log = folder / "opened.html", folder / "requests.json"
    page.write_text(html)
    own = [f"--user-data-dir={folder / 'profile'}", f"--log-net-log={log}"]
    own += ["--window-size=1280,1000", "--dump-dom"]
    own += ["--force-dark-mode"] if dark else []
    command = [path_or_skip(), *QUIET, *own, page.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    console = [line for line in done.stderr.split("\n") if ":CONSOLE:" in line]
    return Opened(console, _hosts(log.read_text()), done.stdout)


def widths(html, folder, width):
    """Width of a frame that the page stands in, and of what the page takes in it.

    A window is never as narrow as a phone.
    """
    framed = FRAME.format(width=width, page=escape(html))
    seen = re.search(r'data-seen="(\d+) (\d+)"', open_page(framed, folder)[2])
    return int(seen[1]), int(seen[2])


def _hosts(text):
    """Hosts that a page asked, in a log that a browser that ends may leave unclosed."""
    found = set()
    for line in text.splitlines():
        if '"initiator"' in line and line.endswith("},"):
            request = json.loads(line.rstrip(","))["params"]
            url = urlsplit(request["url"])
            if request["initiator"] != BROWSER and url.scheme in SCHEMES:
                found.add(url.hostname)
    return found
