//! The test suites whose slowing down is measured, written to disk.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::Result;

/// A suite.
#[derive(Debug)]
pub(crate) struct Suite {
    /// Such as `10,000 trivial tests`.
    pub(crate) name: &'static str,
    /// Where it is.
    pub(crate) folder: PathBuf,
    /// pytest's exit code for it.
    pub(crate) exit_code: i32,
    /// Tests in it.
    pub(crate) tests: u64,
    /// How often each way of running it is measured: a short run needs more to be told from noise.
    pub(crate) rounds: usize,
}

const CONFIGURATION: &str = "[pytest]\naddopts = -q -p no:cacheprovider\n";

/// 100 files with 100 tests that do nothing.
pub(crate) fn trivial(parent: &Path) -> Result<Suite> {
    let folder = parent.join("trivial");
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("pytest.ini"), CONFIGURATION)?;
    for file in 0..100 {
        let mut text = String::new();
        for test in 0..100 {
            let _ = write!(text, "def test_{test}():\n    pass\n\n\n");
        }
        std::fs::write(folder.join(format!("test_{file:03}.py")), text)?;
    }
    Ok(Suite {
        name: "10,000 trivial tests",
        folder,
        exit_code: 0,
        tests: 10_000,
        rounds: 5,
    })
}

/// 20 files with 50 tests: fixtures, parameters, a little work, some output, one failure a file.
pub(crate) fn mixed(parent: &Path) -> Result<Suite> {
    let folder = parent.join("mixed");
    std::fs::create_dir_all(&folder)?;
    std::fs::write(folder.join("pytest.ini"), CONFIGURATION)?;
    std::fs::write(folder.join("conftest.py"), MIXED_CONFTEST)?;
    for file in 0..20 {
        std::fs::write(folder.join(format!("test_{file:03}.py")), MIXED_TESTS)?;
    }
    Ok(Suite {
        name: "1,000 mixed tests",
        folder,
        exit_code: 1,
        tests: 1_000,
        rounds: 11,
    })
}

const MIXED_CONFTEST: &str = r#"
import json

import pytest


def work(rounds):
    data = {str(n): list(range(20)) for n in range(20)}
    for _ in range(rounds):
        assert json.loads(json.dumps(data)) == data


@pytest.fixture(scope="module")
def shop():
    return {"open": True}


@pytest.fixture
def cart(shop, tmp_path):
    (tmp_path / "cart.txt").write_text("tea")
    yield {"shop": shop, "file": tmp_path / "cart.txt"}


@pytest.fixture
def busy():
    return lambda: work(10)
"#;

const MIXED_TESTS: &str = r#"
import logging

import pytest

log = logging.getLogger(__name__)


@pytest.mark.parametrize("number", range(24))
def test_numbers(number, busy):
    busy()
    assert number >= 0


@pytest.mark.parametrize("word", ["tea", "cup", "pot"])
@pytest.mark.parametrize("upper", [False, True])
def test_words(word, upper, cart, busy):
    busy()
    print("word", word)
    assert cart["file"].read_text() == "tea"


class TestShop:
    @pytest.mark.parametrize("number", range(15))
    def test_is_open(self, shop, number, busy):
        log.info("looking %d", number)
        busy()
        assert shop["open"]

    def test_closes(self, shop, busy):
        print("closing time")
        log.warning("the door is stuck")
        busy()
        assert shop == {"open": False}


@pytest.mark.skip(reason="not today")
def test_skipped():
    raise AssertionError


@pytest.mark.xfail(reason="known")
def test_known(busy):
    busy()
    assert False


def test_temporary(tmp_path, monkeypatch, busy):
    monkeypatch.chdir(tmp_path)
    busy()


def test_captured(capsys, busy):
    print("seen")
    busy()
    assert capsys.readouterr().out == "seen\n"
"#;
