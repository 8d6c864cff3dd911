//! Tests of what is let through.

use proptest::prelude::*;

use super::*;

struct Job {
    site: Site,
    fetched: Fetched,
    _folder: tempfile::TempDir,
}

fn job() -> Job {
    let folder = tempfile::tempdir().unwrap();
    let site = Site::new(folder.path().join("job"), folder.path().join("cache"));
    let source = site.source();
    std::fs::create_dir_all(source.join("tests/unit")).unwrap();
    for file in ["tests/test_a.py", "tests/unit/test [b].py", "@odd.py"] {
        std::fs::write(source.join(file), "").unwrap();
    }
    std::fs::write(folder.path().join("outside.py"), "").unwrap();
    std::os::unix::fs::symlink("../../outside.py", source.join("link.py")).unwrap();
    std::os::unix::fs::symlink("../..", source.join("up")).unwrap();
    let fetched = Fetched {
        folder: source,
        default_tests: Vec::new(),
        branch: None,
        commit: None,
        origin: String::new(),
    };
    Job {
        site,
        fetched,
        _folder: folder,
    }
}

impl Job {
    fn ask(&self, tests: &[&str], args: &[&str], further: &[&str]) -> Result<Arguments, String> {
        let owned = |words: &[&str]| {
            words
                .iter()
                .map(|&word| word.to_owned())
                .collect::<Vec<_>>()
        };
        let allowed = AllowedArguments::of(&owned(further)).unwrap();
        pytest_arguments(
            &owned(tests),
            &owned(args),
            &self.fetched,
            &self.site,
            &allowed,
        )
        .map_err(|failure| failure.text)
    }

    fn words(&self, args: &[&str]) -> Vec<String> {
        let arguments = self
            .ask(&[], args, &[])
            .unwrap_or_else(|why| panic!("{args:?}: {why}"));
        let words = arguments.words.into_iter();
        words.map(|word| word.into_string().unwrap()).collect()
    }

    fn refusal(&self, args: &[&str]) -> String {
        self.ask(&[], args, &[]).expect_err(&format!("{args:?}"))
    }
}

#[test]
fn what_selects_and_displays_is_let_through_in_one_spelling() {
    let job = job();
    for (given, got) in [
        (&["-k", "a or b"][..], &["-ka or b"][..]),
        (&["-ka or b"], &["-ka or b"]),
        (&["-k=a"], &["-ka"]),
        (&["-m", "slow"], &["-mslow"]),
        (&["-vvx"], &["-v", "-v", "-x"]),
        (&["-xk", "a"], &["-x", "-ka"]),
        (&["-xvka"], &["-x", "-v", "-ka"]),
        (&["-rA"], &["-rA"]),
        (&["--tb", "short"], &["--tb=short"]),
        (&["--tb=short"], &["--tb=short"]),
        (&["--exitfirst"], &["-x"]),
        (
            &["-n", "auto", "--dist", "loadfile"],
            &["-nauto", "--dist=loadfile"],
        ),
        (&["-n4"], &["-n4"]),
        (&["--cov", "-q"], &["--cov", "-q"]),
        (&["--cov=tests"], &["--cov=tests"]),
        (&["--durations=10", "--lf"], &["--durations=10", "--lf"]),
        (
            &["-W", "error::DeprecationWarning"],
            &["-Werror::DeprecationWarning"],
        ),
        (
            &["--deselect=tests/test_a.py::test[x-1]"],
            &["--deselect=tests/test_a.py::test[x-1]"],
        ),
        (&["-k", "@file"], &["-k@file"]),
        (&["tests/test_a.py", "-q"], &["tests/test_a.py", "-q"]),
        (&["-q", "tests"], &["tests", "-q"]),
        (
            &["--junit-xml=out/report.xml"],
            &["--junitxml=out/report.xml"],
        ),
        (&["--cov-report=xml:out.xml"], &["--cov-report=xml:out.xml"]),
        (
            &["--cov-report", "term-missing:skip-covered"],
            &["--cov-report=term-missing:skip-covered"],
        ),
    ] {
        assert_eq!(job.words(given), got, "{given:?}");
    }
}

#[test]
fn what_loads_reads_or_deletes_is_refused_in_every_spelling() {
    let job = job();
    for given in [
        &["-p", "evil"][..],
        &["-pevil"],
        &["-p=evil"],
        &["-xpevil"],
        &["-vp", "evil"],
        &["-c", "evil.ini"],
        &["-cevil.ini"],
        &["--config-file=evil.ini"],
        &["--rootdir=/"],
        &["--rootdir", "/"],
        &["--confcutdir=/"],
        &["--basetemp=/home"],
        &["--basetemp", "/home"],
        &["--baset=/home"],
        &["--root=/"],
        &["-o", "python_files=*"],
        &["-opython_files=*"],
        &["--override-ini=addopts=-p evil"],
        &["--pyargs", "os"],
        &["--debug=/etc/x"],
        &["--log-file=/etc/x"],
        &["--log-file", "x"],
        &["@/etc/passwd"],
        &["@odd.py"],
        &["--pdbcls=evil:Evil"],
        &["--pastebin=all"],
        &["--tx=popen//python=/bin/evil"],
        &["-f"],
        &["--unheard-of"],
        &["-Z"],
        &["--"],
        &["-"],
        &[""],
        &["-k", "a", "--", "-p", "evil"],
        &["-k", "-p"],
        &["-k"],
        &["--tb"],
        &["--tb=loud"],
        &["--maxfail=x"],
        &["--maxfail=-1"],
        &["-x=1"],
        &["--lf=1"],
        &["--cov", "tests"],
        &["-W", "error::evil.Warning"],
        &["-k", "a\nb"],
        &["-k", "a\0b"],
        &["--ignore=/etc"],
        &["--ignore=../.."],
        &["--cov=/etc"],
        &["--cov-config=../../x"],
        &["--junitxml=../../x"],
        &["--junitxml=up/x"],
        &["--junitxml=/../x"],
        &["--junitxml=$HOME/x"],
        &["--junitxml=~/x"],
        &["--junitxml="],
        &["--cov-report=xml:../x"],
        &["../outside.py"],
        &["/etc/passwd"],
    ] {
        let why = job.refusal(given);
        assert!(why.starts_with("args: "), "{why}");
    }
}

#[test]
fn a_refusal_names_the_option_the_reason_and_the_way_out() {
    let job = job();
    assert_eq!(
        job.refusal(&["-p", "evil"]),
        "args: -p is refused: it loads code; the agent's owner can allow it with --allow-arg=-p"
    );
    assert_eq!(
        job.refusal(&["--new"]),
        "args: --new is refused: it is not among the options that agents take; its owner can allow \
         it with --allow-arg=--new"
    );
}

#[test]
fn an_absolute_report_goes_below_the_folder_of_the_job_and_the_log_says_so() {
    let job = job();
    let arguments = job
        .ask(
            &[],
            &["--alluredir=/tmp/allure", "--cov-report=xml:/etc/cov.xml"],
            &[],
        )
        .unwrap();
    let reports = job.site.folder().join("reports");
    let allure = reports.join("tmp/allure").display().to_string();
    let coverage = reports.join("etc/cov.xml").display().to_string();
    assert_eq!(
        arguments.words,
        [
            OsString::from(format!("--alluredir={allure}")),
            OsString::from(format!("--cov-report=xml:{coverage}"))
        ]
    );
    assert_eq!(
        arguments.notes[0],
        format!("--alluredir writes below the job's folder: {allure}")
    );
}

#[test]
fn the_owner_can_allow_one_option_or_all() {
    let job = job();
    let words = |args: &[&str], further: &[&str]| job.ask(&[], args, further).map(|a| a.words);
    assert_eq!(words(&["-p", "x"], &["-p"]).unwrap(), ["-px"]);
    assert_eq!(words(&["--config-file=x"], &["-c"]).unwrap(), ["-cx"]);
    assert_eq!(
        words(&["--mine=1", "--mine"], &["--mine"]).unwrap(),
        ["--mine=1", "--mine"]
    );
    assert!(words(&["--mine", "x"], &["--mine"]).is_err());
    assert!(words(&["--mine2"], &["--mine"]).is_err());
    assert_eq!(
        words(&["@x", "-p", "y"], &["*"]).unwrap(),
        ["@x", "-p", "y"]
    );
    for wrong in ["p", "--", "-", "--a=b", "", "-pp"] {
        assert!(
            AllowedArguments::of(&[wrong.to_owned()]).is_err(),
            "{wrong}"
        );
    }
}

#[test]
fn variables_are_no_way_around() {
    let allowed = AllowedArguments::default();
    for name in ["PYTEST_ADDOPTS", "PYTEST_PLUGINS"] {
        let why = allowed.check_variable(name).unwrap_err().text;
        assert!(why.contains(name) && why.contains("args"), "{why}");
        let all = AllowedArguments::of(&["*".to_owned()]).unwrap();
        assert_eq!(all.check_variable(name), Ok(()));
    }
    assert_eq!(allowed.check_variable("PYTEST_TIMEOUT"), Ok(()));
}

#[test]
fn tests_are_there_and_inside_the_source() {
    let job = job();
    for test in [
        "tests",
        "tests/",
        "./tests/test_a.py",
        "tests/test_a.py::test_x[a b-@-::-é]",
        "tests/unit/test [b].py::TestX::test_y",
        "tests/../tests/test_a.py",
        "./@odd.py",
        ".",
    ] {
        let words = job.ask(&[test], &[], &[]).unwrap().words;
        assert_eq!(words, [test], "{test}");
    }
    for test in [
        "",
        "::test",
        "-p",
        "--pyargs",
        "@odd.py",
        "@/etc/passwd",
        "/etc/passwd",
        "../outside.py",
        "tests/../../..",
        "link.py",
        "up/outside.py",
        "missing.py",
        "tests/test_a.py\n",
        "a\0",
        "missing.py::test",
    ] {
        let why = job.ask(&[test], &[], &[]).expect_err(test);
        assert!(why.starts_with("tests: "), "{why}");
    }
}

#[test]
fn the_files_of_a_library_job_are_run_unless_it_names_tests() {
    let mut job = job();
    job.fetched.default_tests = vec!["tests".to_owned()];
    assert_eq!(job.ask(&[], &[], &[]).unwrap().words, ["tests"]);
    let named = job.ask(&["tests/test_a.py"], &[], &[]).unwrap().words;
    assert_eq!(named, ["tests/test_a.py"]);
}

#[test]
fn every_option_is_known_once() {
    let mut seen = std::collections::HashSet::new();
    for known in known::all() {
        assert!(!known.names.is_empty());
        for name in known.names {
            assert!(seen.insert(name), "{name}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    /// Whatever comes, each word that pytest gets is one option that is known and not refused, with its
    /// value in the same word, or a test that is there.
    #[test]
    fn no_word_means_anything_that_is_refused(
        args in proptest::collection::vec(
            prop_oneof![
                "-{0,3}[a-zA-Z]{0,3}(=.{0,4})?",
                "[-@=a-z/.~$]{0,8}",
                proptest::sample::select(vec![
                    "-p", "-c", "-o", "-k", "-x", "-xp", "-n", "--rootdir", "--basetemp", "--junitxml",
                    "--cov", "--cov-report", "--debug", "tests", "tests/test_a.py", "@odd.py", "/etc",
                    "..", "--tb=short", "--tb", "xml:/etc/x", "--log-file", "-W", "--pyargs",
                ]).prop_map(str::to_owned),
            ],
            0..6,
        )
    ) {
        let job = job();
        let words: Vec<&str> = args.iter().map(String::as_str).collect();
        if let Ok(arguments) = job.ask(&[], &words, &[]) {
            for word in arguments.words {
                let word = word.into_string().unwrap();
                prop_assert!(!word.starts_with('@') && word != "--" && word != "-");
                if let Some(long) = word.strip_prefix("--") {
                    let name = format!("--{}", long.split('=').next().unwrap());
                    let known = known::find(&name).unwrap();
                    prop_assert!(known.refused.is_none() && known.names[0] == name);
                } else if let Some(short) = word.strip_prefix('-') {
                    let name = format!("-{}", short.chars().next().unwrap());
                    let known = known::find(&name).unwrap();
                    prop_assert!(known.refused.is_none() && known.names[0] == name);
                    prop_assert!(known.takes != known::Takes::Nothing || short.chars().count() == 1);
                } else {
                    prop_assert!(["tests", "tests/test_a.py"].contains(&word.trim_start_matches("./")) || word.chars().all(|c| "./".contains(c)) , "{}", word);
                }
            }
        }
    }
}
