"""The server's page in Debian's Chromium, driven by Playwright.

`python tests/browser.py` writes docs/images/server-page.png: the demo voice in two recipes.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import models

PICTURE = models.REPOSITORY / "docs" / "images" / "server-page.png"
PATIENCE = 60_000  # ms


def chromium() -> str | None:
    """Where it is."""
    return shutil.which("chromium")


@contextmanager
def browser() -> Iterator[Any]:
    """One that plays sound without having been clicked on."""
    from playwright.sync_api import sync_playwright

    flags = ["--autoplay-policy=no-user-gesture-required"]
    if os.geteuid() == 0:  # it refuses its sandbox to root
        flags.append("--no-sandbox")
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium(), args=flags)
        yield opened
        opened.close()


def open_page(opened: Any, url: str, **options: Any) -> Any:
    """The page, once it knows what is served. Errors of its scripts are errors here."""
    page = opened.new_page(**options)
    page.set_default_timeout(PATIENCE)
    page.on("pageerror", _fail)
    page.goto(f"{url}/")
    wait_for(page, "done")
    return page


def _fail(error: Any) -> None:
    raise AssertionError(f"the page's script has failed: {error}")


def wait_for(page: Any, state: str) -> None:
    """Until it has ended what it was at: "done", "failed" or "stopped"."""
    page.wait_for_selector("body:not([data-state=busy])")
    assert page.get_attribute("body", "data-state") == state, page.inner_text("#error")


def main() -> None:
    """Writes the picture."""
    from server_process import ServerProcess

    words = [f"{recipe}={models.exported(f'demo-{recipe}')}" for recipe in ("balanced", "small")]
    with ServerProcess(*(part for word in words for part in ("--model", word))) as server, browser() as opened:
        page = open_page(opened, server.url, viewport={"width": 960, "height": 700}, device_scale_factor=1.5)
        page.select_option("#other", "small")
        page.click("#speak")
        wait_for(page, "done")
        page.screenshot(path=PICTURE)


if __name__ == "__main__":
    main()
