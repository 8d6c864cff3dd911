//! Lists that stop at their limit while they are read, so that a body full of tiny items cannot
//! take many times its own size in memory before [`crate::validate`] sees it.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use crate::case::{CaseFailure, NewCase};
use crate::limits;
use crate::outcome::Outcome;
use crate::run::{Problem, RunFailure};

/// A list of at most `MAX` items.
struct List<T, const MAX: usize>(Vec<T>);

struct Items<T, const MAX: usize>(PhantomData<T>);

impl<'de, T: Deserialize<'de>, const MAX: usize> Deserialize<'de> for List<T, MAX> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_seq(Items::<T, MAX>(PhantomData)).map(List)
    }
}

impl<'de, T: Deserialize<'de>, const MAX: usize> Visitor<'de> for Items<T, MAX> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<T>, A::Error> {
        let mut items = Vec::new();
        while let Some(item) = list.next_element()? {
            if items.len() == MAX {
                return Err(A::Error::custom(format_args!(
                    "must have at most {MAX} items"
                )));
            }
            items.push(item);
        }
        Ok(items)
    }
}

macro_rules! bounded_lists {
    ($($(#[$doc:meta])* $name:ident: $item:ty, $max:expr;)*) => {$(
        $(#[$doc])*
        pub(crate) fn $name<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<$item>, D::Error> {
            List::<$item, { $max }>::deserialize(from).map(|list| list.0)
        }
    )*};
}

bounded_lists! {
    /// `failures` of a run.
    run_failures: RunFailure, limits::RUN_FAILURES_MAX;
    /// `running` and `not_run` of a run.
    nodeids: String, limits::NODEIDS_LISTED_MAX;
    /// `cases` of a batch.
    batch_cases: NewCase, limits::BATCH_CASES_MAX;
    /// `problems` of a run.
    problems: Problem, limits::PROBLEMS_MAX;
    /// `plugins` of a run.
    plugins: String, limits::PLUGINS_MAX;
    /// `markers` of a case.
    markers: String, limits::CASE_MARKERS_MAX;
    /// `failures` of a case.
    case_failures: CaseFailure, limits::CASE_FAILURES_MAX;
    /// `tests` of a job, and `files` of a library.
    job_tests: String, limits::JOB_TESTS_MAX;
    /// `args` of a job.
    job_arguments: String, limits::JOB_ARGUMENTS_MAX;
}

/// `cases` of a run.
pub(crate) fn cases<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<NewCase>>, D::Error> {
    let list = Option::<List<NewCase, { limits::RUN_CASES_MAX }>>::deserialize(from)?;
    Ok(list.map(|list| list.0))
}

/// `outcomes` of a case.
pub(crate) fn outcomes<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<Vec<Outcome>>, D::Error> {
    let list = Option::<List<Outcome, { limits::CASE_OUTCOMES_MAX }>>::deserialize(from)?;
    Ok(list.map(|list| list.0))
}

/// `variant` of a run, `labels` of a job or an agent.
pub(crate) fn labels<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<BTreeMap<String, String>, D::Error> {
    from.deserialize_map(Texts::<{ limits::VARIANT_LABELS_MAX }>)
}

/// `env` of a job.
pub(crate) fn variables<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<BTreeMap<String, String>, D::Error> {
    from.deserialize_map(Texts::<{ limits::JOB_VARIABLES_MAX }>)
}

/// An object of at most `MAX` texts.
struct Texts<const MAX: usize>;

impl<'de, const MAX: usize> Visitor<'de> for Texts<MAX> {
    type Value = BTreeMap<String, String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of texts")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut texts = BTreeMap::new();
        while let Some((name, value)) = map.next_entry()? {
            texts.insert(name, value);
            if texts.len() > MAX {
                return Err(A::Error::custom(format_args!(
                    "must have at most {MAX} items"
                )));
            }
        }
        Ok(texts)
    }
}

/// A name that may be written as a number: `environment` of a job.
pub(crate) fn text_or_number<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<String>, D::Error> {
    struct Name;

    impl<'de> Visitor<'de> for Name {
        type Value = Option<String>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a text or a whole number")
        }

        fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_none<E: Error>(self) -> Result<Self::Value, E> {
            Ok(None)
        }

        fn visit_some<D: Deserializer<'de>>(self, from: D) -> Result<Self::Value, D::Error> {
            from.deserialize_any(self)
        }

        fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
            Ok(Some(text.to_owned()))
        }

        fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
            Ok(Some(number.to_string()))
        }

        fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
            Ok(Some(number.to_string()))
        }
    }

    from.deserialize_any(Name)
}

#[cfg(test)]
mod tests {
    use crate::limits;
    use crate::run::NewRun;

    fn read(field: &str, items: &str) -> Result<NewRun, serde_json::Error> {
        serde_json::from_str(&format!(
            r#"{{"run_id": "r", "worker_id": "w", "{field}": {items}}}"#
        ))
    }

    #[test]
    fn a_list_is_read_up_to_its_limit() {
        let list = |count: usize| format!("[{}]", vec!["\"x\""; count].join(","));
        let full = read("running", &list(limits::NODEIDS_LISTED_MAX)).unwrap();
        assert_eq!(full.running.len(), limits::NODEIDS_LISTED_MAX);
        let error = read("running", &list(limits::NODEIDS_LISTED_MAX + 1)).unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("must have at most 1000 items"),
            "{error}"
        );
        assert!(read("cases", "null").unwrap().cases.is_none());
        assert_eq!(
            read("variant", r#"{"os": "linux"}"#).unwrap().variant["os"],
            "linux"
        );
    }
}
