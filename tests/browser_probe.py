"""Opens pages in Chromium and prints what happened as JSON; runs where playwright is installed.

Arguments: Chromium's program, then pages as file paths.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from playwright.sync_api import Browser, sync_playwright

TOO_WIDE = """() => [...document.querySelectorAll('body *')].filter(element => {
  const box = element.getBoundingClientRect();
  const clipped = element.closest('pre, svg, .unseen');
  return box.right > document.documentElement.clientWidth + 1 && !(clipped && clipped !== element);
}).map(element => element.tagName + '.' + element.className).slice(0, 5)"""


def look(browser: Browser, page_path: Path, width: int, scheme: Any) -> dict[str, Any]:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    trouble: list[str] = []
    page.on("console", lambda message: trouble.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: trouble.append(f"error: {error}"))
    page.on("dialog", lambda dialog: (trouble.append("dialog"), dialog.dismiss()))
    page.on(
        "request",
        lambda request: None
        if request.url.startswith(("file:", "data:"))
        else trouble.append(f"request: {request.url}"),
    )
    page.goto(page_path.as_uri())
    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
    seen = {
        "page": page_path.name,
        "width": width,
        "scheme": scheme,
        "trouble": trouble,
        "too_wide": page.evaluate(TOO_WIDE),
        "scroll_width": page.evaluate("document.documentElement.scrollWidth"),
        "title": page.title(),
        "heading": page.inner_text("h1"),
        "text": page.inner_text("body"),
        "background": page.evaluate("getComputedStyle(document.body).backgroundColor"),
        "scripts": page.locator("script, img, iframe, object, [onload], [onerror]").count(),
    }
    context.close()
    return seen


def main() -> None:
    chromium, *pages = sys.argv[1:]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        seen = [
            look(browser, Path(page).resolve(), width, scheme)
            for page in pages
            for width in (400, 1400)
            for scheme in ("light", "dark")
        ]
        browser.close()
    print(json.dumps(seen))


main()
