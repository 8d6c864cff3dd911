"""Texts of reports: made valid, cut visibly, found where pytest keeps them."""

from typing import Any, Dict, Optional

# The limits of `shared::limits`, in bytes of UTF-8.
MESSAGE_BYTES_MAX = 64 * 1024
TRACEBACK_BYTES_MAX = 256 * 1024
CAPTURED_BYTES_MAX = 64 * 1024
PROBLEM_TEXT_BYTES_MAX = 16 * 1024


def clean(text: object) -> str:
    """Makes valid Unicode of any text: lone surrogates and NUL become visible escapes."""
    if type(text) is not str:
        text = str.__str__(str(text))
    if "\0" in text:
        text = text.replace("\0", "\\x00")
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            text = text.encode("utf-8", "backslashreplace").decode()
    return text


def cut(text: object, bytes_max: int) -> str:
    """Cuts a text visibly, keeping its beginning and its end, as `shared::text::cut` does."""
    whole = clean(text)
    if len(whole) * 4 <= bytes_max:
        return whole
    data = whole.encode()
    if len(data) <= bytes_max:
        return whole
    room = bytes_max - len(f"\n[... {len(data)} bytes cut ...]\n")
    head = data[: room - room // 3].decode("utf-8", "ignore")
    tail = data[len(data) - room // 3 :].decode("utf-8", "ignore")
    missing = len(data) - len(head.encode()) - len(tail.encode())
    return f"{head}\n[... {missing} bytes cut ...]\n{tail}"


def subtest_description(report: Any) -> str:
    for name in ("_sub_test_description", "sub_test_description"):
        describe = getattr(report, name, None)
        if describe is not None:
            return str(describe())
    return "(<subtest>)"


def skip_reason(longrepr: object) -> Optional[str]:
    if isinstance(longrepr, tuple) and len(longrepr) == 3:
        reason = str(longrepr[2])
        return reason[len("Skipped: ") :] if reason.startswith("Skipped: ") else reason
    return None


def long_text(report: Any) -> str:
    try:
        return str(report.longreprtext)
    except Exception:
        return str(report.longrepr)


def short_text(report: Any, whole: str) -> str:
    if hasattr(report, "wasxfail"):
        reason = str(report.wasxfail)
        return reason[len("reason: ") :] if reason.startswith("reason: ") else reason
    reason = skip_reason(report.longrepr)  # type: ignore[assignment]
    if reason is not None:
        return reason
    crash = getattr(report.longrepr, "reprcrash", None)
    message = getattr(crash, "message", None)
    if message:
        return str(message)
    lines = [line for line in whole.splitlines() if line.strip()]
    return lines[-1].strip() if lines else ""


def add_texts(event: Dict[str, object], report: Any) -> None:
    whole = "" if report.longrepr is None else long_text(report)
    event["message"] = cut(short_text(report, whole), MESSAGE_BYTES_MAX)
    if report.outcome == "skipped":
        return
    event["traceback"] = cut(whole, TRACEBACK_BYTES_MAX)
    for title, field in (
        ("Captured stdout", "stdout"),
        ("Captured stderr", "stderr"),
        ("Captured log", "log"),
    ):
        texts = [
            cut(text, CAPTURED_BYTES_MAX)
            for name, text in report.sections
            if name.startswith(title)
        ]
        if texts:
            event[field] = cut("".join(texts), CAPTURED_BYTES_MAX)
