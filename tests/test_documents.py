"""The documents name tests; each of them has to exist."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TEST_NAME = re.compile(r"`([\w/.-]+\.(?:py|rs))::(\w+)`")


def test_every_test_that_holds_a_guarantee_exists() -> None:
    named = TEST_NAME.findall((ROOT / "docs" / "guarantees.md").read_text())
    assert len(named) > 20
    missing = [
        f"{path}::{name}"
        for path, name in named
        if not (ROOT / path).is_file()
        or not re.search(rf"\b(?:def|fn) {name}\b", (ROOT / path).read_text())
    ]
    assert missing == []
