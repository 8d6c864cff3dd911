"""A client that knows only the written contract of results, on both store engines.

It was written from the contract, uses nothing but urllib and json, and checks every field, default,
parameter and answer that the contract names.
"""

from __future__ import annotations

import datetime
import json
import urllib.error
import urllib.request
from typing import Any

import pytest
from platform_under_test import Master

NOW_TOLERANCE = datetime.timedelta(minutes=5)
RUN_FIELDS = {
    "run_id": str,
    "worker_id": str,
    "project": str,
    "branch": str,
    "timestamp": str,
    "passed": int,
    "failed": int,
    "error": int,
    "skipped": int,
    "total": int,
    "duration": (int, float),
    "pass_rate": (int, float),
}


@pytest.fixture
def url(either_master: Master) -> str:
    return either_master.url


def call(url: str, body: Any = None) -> tuple[int, str, Any]:
    """Status, content type, and the answer read as JSON."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return answer.status, answer.headers["Content-Type"], json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.headers["Content-Type"], json.load(error)


def get(url: str) -> Any:
    status, content_type, answer = call(url)
    assert status == 200, answer
    assert content_type.startswith("application/json")
    return answer


def save(url: str, run_id: str, **fields: Any) -> None:
    status, _, answer = call(url + "/results", {"run_id": run_id, "worker_id": "w1", **fields})
    assert (status, answer) == (201, {"run_id": run_id, "status": "saved"})


def moment(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))


FULL = {
    "project": "shop",
    "branch": "main",
    "timestamp": "2026-11-21T08:00:00+00:00",
    "passed": 7,
    "failed": 2,
    "error": 1,
    "skipped": 0,
    "total": 10,
    "duration": 12.5,
    "pass_rate": 70.0,
    "failures": [
        {"nodeid": "tests/test_a.py::test_one", "duration": 0.25, "message": "assert 1 == 2"},
        {"nodeid": "tests/test_a.py::test_two"},
        {"nodeid": "tests/test_b.py::test_three[ключ-🔑]", "message": "Zeile 1\nZeile 2"},
    ],
}


def test_a_run_comes_back_as_it_was_sent(url: str) -> None:
    save(url, "run-1", **FULL)
    run = get(url + "/results/run-1")
    assert moment(run.pop("timestamp")) == moment(FULL["timestamp"])
    for field in ("project", "branch", "passed", "failed", "error", "skipped", "total"):
        assert run[field] == FULL[field], field
    assert run["duration"] == pytest.approx(12.5)
    assert run["pass_rate"] == pytest.approx(70.0)
    assert (run["run_id"], run["worker_id"]) == ("run-1", "w1")
    failures = {failure["nodeid"]: failure for failure in run["failures"]}
    assert len(run["failures"]) == len(failures) == 3
    first = failures["tests/test_a.py::test_one"]
    assert first["duration"] == pytest.approx(0.25)
    assert first["message"] == "assert 1 == 2"
    second = failures["tests/test_a.py::test_two"]
    assert (second["duration"], second["message"]) == (0, "")
    assert failures["tests/test_b.py::test_three[ключ-🔑]"]["message"] == "Zeile 1\nZeile 2"


def test_two_fields_are_enough_and_the_rest_has_its_default(url: str) -> None:
    save(url, "bare")
    run = get(url + "/results/bare")
    for field, kind in RUN_FIELDS.items():
        assert isinstance(run[field], kind), (field, run[field])
    assert run["project"] == run["branch"] == ""
    assert [run[f] for f in ("passed", "failed", "error", "skipped", "total")] == [0] * 5
    assert run["duration"] == 0
    assert run["failures"] == []
    age = datetime.datetime.now(datetime.timezone.utc) - moment(run["timestamp"])
    assert abs(age) < NOW_TOLERANCE, "an absent timestamp means the time of receipt"


@pytest.mark.parametrize(
    "sent",
    [
        "2026-11-21T10:00:00",
        "2026-11-21T10:00:00Z",
        "2026-11-21T12:00:00+02:00",
        "2026-11-21T10:00:00.000000",
        "2026-11-21 10:00:00",
    ],
)
def test_a_timestamp_without_an_offset_is_utc(url: str, sent: str) -> None:
    save(url, "r", timestamp=sent)
    expected = datetime.datetime(2026, 11, 21, 10, tzinfo=datetime.timezone.utc)
    assert moment(get(url + "/results/r")["timestamp"]) == expected


def test_a_pass_rate_that_was_not_sent_is_computed(url: str) -> None:
    save(url, "computed", passed=3, failed=1, total=4)
    assert get(url + "/results/computed")["pass_rate"] == pytest.approx(75.0)


def test_unknown_fields_are_ignored(url: str) -> None:
    save(url, "more", colour="green", nested={"a": [1, {"b": None}]}, passed=1, total=1)
    assert get(url + "/results/more")["passed"] == 1


@pytest.mark.parametrize(
    "run_id",
    ["0b9d4a3c-5d0e-7c2a-8f00-000000000001", "nightly #42", "ночь", "a" * 200, "x+y&z=1"],
)
def test_any_printable_run_id_is_taken(url: str, run_id: str) -> None:
    save(url, run_id, passed=1, total=1)
    path = urllib.request.quote(run_id, safe="")
    assert get(f"{url}/results/{path}")["run_id"] == run_id


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("run_id", None),
        ("run_id", 5),
        ("worker_id", None),
        ("passed", -1),
        ("passed", "many"),
        ("failed", 1.5),
        ("error", -1),
        ("skipped", []),
        ("total", -1),
        ("duration", -0.1),
        ("duration", "long"),
        ("pass_rate", 101),
        ("pass_rate", -1),
        ("timestamp", "yesterday"),
        ("failures", {}),
        ("failures", [{"duration": 1}]),
    ],
)
def test_a_bad_body_is_refused_by_the_name_of_its_field(url: str, field: str, value: Any) -> None:
    body = {"run_id": "bad", "worker_id": "w1", **FULL, field: value}
    if value is None:
        del body[field]
    status, content_type, answer = call(url + "/results", body)
    assert status == 422
    assert "json" in content_type
    assert field in json.dumps(answer), answer
    assert get(url + "/results") == [], "nothing may be stored"


def test_runs_are_listed_newest_first_with_an_id_and_without_failures(url: str) -> None:
    for hour in (8, 9, 10):
        save(url, f"run-{hour}", **{**FULL, "timestamp": f"2026-11-21T{hour:02}:00:00Z"})
    runs = get(url + "/results")
    assert [run["run_id"] for run in runs] == ["run-10", "run-9", "run-8"]
    for run in runs:
        assert "failures" not in run
        assert isinstance(run["id"], int)
        for field, kind in RUN_FIELDS.items():
            assert isinstance(run[field], kind), (field, run[field])
    assert len({run["id"] for run in runs}) == 3


def test_the_list_of_runs_is_filtered(url: str) -> None:
    save(url, "a", worker_id="w1", project="shop", branch="main")
    save(url, "b", worker_id="w2", project="shop", branch="main")
    save(url, "c", worker_id="w1", project="bank", branch="main")
    save(url, "d", worker_id="w1", project="shop", branch="next")

    def listed(query: str) -> set[str]:
        return {run["run_id"] for run in get(f"{url}/results?{query}")}

    assert listed("worker_id=w1") == {"a", "c", "d"}
    assert listed("project=shop") == {"a", "b", "d"}
    assert listed("branch=next") == {"d"}
    assert listed("worker_id=w1&project=shop&branch=main") == {"a"}
    assert listed("project=nobody") == set()


def test_the_list_of_runs_has_a_limit_of_50_when_none_is_named(url: str) -> None:
    for number in range(55):
        save(url, f"run-{number}")
    assert len(get(url + "/results")) == 50
    assert len(get(url + "/results?limit=1")) == 1
    assert len(get(url + "/results?limit=500")) == 55


@pytest.mark.parametrize(
    "path",
    [
        "/results?limit=0",
        "/results?limit=501",
        "/results?limit=-1",
        "/results?limit=ten",
        "/trend?limit=0",
        "/trend?limit=101",
        "/failures/stats?limit=0",
        "/failures/stats?limit=501",
    ],
)
def test_a_limit_out_of_range_is_refused(url: str, path: str) -> None:
    status, _, answer = call(url + path)
    assert status == 422
    assert "limit" in json.dumps(answer)


def test_an_unknown_run_is_404_with_a_detail(url: str) -> None:
    status, _, answer = call(url + "/results/nowhere")
    assert status == 404
    assert isinstance(answer["detail"], str) and answer["detail"]


def test_the_trend_is_oldest_first_and_the_last_ten_when_no_limit_is_named(url: str) -> None:
    for minute in range(12):
        save(
            url,
            f"run-{minute}",
            project="shop",
            timestamp=f"2026-11-21T08:{minute:02}:00Z",
            passed=minute,
            failed=1,
            total=minute + 1,
        )
    save(url, "other", project="bank", timestamp="2026-11-21T09:00:00Z")
    points = get(url + "/trend?project=shop")
    assert [point["passed"] for point in points] == list(range(2, 12))
    for point in points:
        assert point["worker_id"] == "w1"
        assert point["failed"] == 1
        assert point["total"] == point["passed"] + 1
        assert point["pass_rate"] == pytest.approx(100 * point["passed"] / point["total"])
    moments = [moment(point["timestamp"]) for point in points]
    assert moments == sorted(moments)
    assert len(get(url + "/trend?limit=100")) == 13
    assert len(get(url + "/trend?project=shop&limit=3")) == 3


def test_workers_are_listed_last_seen_first(url: str) -> None:
    save(url, "1", worker_id="early", passed=1, total=1)
    save(url, "2", worker_id="late", passed=1, failed=1, total=2)
    save(url, "3", worker_id="late", passed=4, total=4)
    workers = get(url + "/workers")
    assert [worker["worker_id"] for worker in workers] == ["late", "early"]
    late, early = workers
    assert (late["run_count"], early["run_count"]) == (2, 1)
    assert late["avg_pass_rate"] == pytest.approx(75.0)
    assert early["avg_pass_rate"] == pytest.approx(100.0)
    assert moment(late["last_seen"]) >= moment(early["last_seen"])


def test_failures_are_counted_most_failures_first(url: str) -> None:
    def failing(*names: str) -> list[dict[str, str]]:
        return [{"nodeid": f"t.py::{name}"} for name in names]

    save(url, "1", project="shop", failed=2, total=2, failures=failing("a", "b"))
    save(url, "2", project="shop", failed=1, total=2, failures=failing("b"))
    save(url, "3", project="bank", failed=1, total=1, failures=failing("z"))
    assert [
        (stat["nodeid"], stat["fail_count"]) for stat in get(url + "/failures/stats?project=shop")
    ] == [("t.py::b", 2), ("t.py::a", 1)]
    everywhere = get(url + "/failures/stats")
    assert everywhere[0] == {"nodeid": "t.py::b", "fail_count": 2}
    assert {stat["nodeid"] for stat in everywhere} == {"t.py::a", "t.py::b", "t.py::z"}
    assert len(get(url + "/failures/stats?limit=1")) == 1


def test_an_empty_master_answers_every_question_with_nothing(url: str) -> None:
    for path in ("/results", "/trend", "/workers", "/failures/stats"):
        assert get(url + path) == []


def test_the_master_says_that_it_is_well(url: str) -> None:
    assert get(url + "/health") == {"status": "ok"}


def test_docs_is_a_page_over_the_openapi_document(either_master: Master) -> None:
    page = either_master.request("GET", "/docs")
    if page.status in (301, 302, 303, 307, 308):
        page = either_master.request("GET", page.headers["location"])
    assert page.status == 200
    assert "swagger" in page.body.decode().lower()
    document = either_master.get("/openapi.json")
    for path in ("/results", "/trend", "/workers", "/failures/stats", "/health"):
        assert path in document["paths"], path


def test_the_master_produces_no_html_but_docs(either_master: Master) -> None:
    for path in ("/", "/results", "/nothing", "/results/nowhere"):
        answer = either_master.request("GET", path, accept="text/html")
        assert "html" not in (answer.headers["content-type"] or ""), path


def test_a_run_sent_twice_is_kept_once_and_other_content_is_a_conflict(url: str) -> None:
    body = {"run_id": "twice", "worker_id": "w1", **FULL}
    assert call(url + "/results", body)[0] == 201
    status, _, answer = call(url + "/results", body)
    assert (status, answer["run_id"], answer["status"]) == (200, "twice", "saved")
    assert call(url + "/results", {**body, "passed": 8})[0] == 409
    assert len(get(url + "/results")) == 1
    assert get(url + "/results/twice")["passed"] == 7
    assert get(url + "/failures/stats")[0]["fail_count"] == 1
