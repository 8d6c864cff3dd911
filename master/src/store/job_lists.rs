//! Lists of jobs: table `jobs` under conditions.

use std::fmt::Write;

use super::engine::on_read;
use super::jobs::{JobRow, job_columns};
use super::{Store, StoreError};

const SELECT: &str = concat!("select ", job_columns!(), " from jobs where ");

const COUNT: &str = "select count(*) from jobs where ";

/// One value that a condition compares with.
#[derive(Debug, Clone)]
enum Bound {
    Text(String),
    Number(i64),
}

/// Conditions on jobs, each a fixed text such as `project =` with the value to the right of it.
/// Jobs that are forgotten are never seen.
#[derive(Debug, Default)]
pub(crate) struct JobConditions(Vec<(&'static str, Bound)>);

impl JobConditions {
    /// Adds a condition when there is a text to compare with.
    pub(crate) fn text(&mut self, left: &'static str, right: Option<&str>) {
        let bound = right.map(|text| (left, Bound::Text(text.to_owned())));
        self.0.extend(bound);
    }

    /// Adds a condition when there is a number to compare with.
    pub(crate) fn number(&mut self, left: &'static str, right: Option<i64>) {
        self.0
            .extend(right.map(|number| (left, Bound::Number(number))));
    }

    fn statement(&self, head: &str, tail: &str) -> String {
        let mut text = String::from(head);
        for (index, (left, _)) in self.0.iter().enumerate() {
            // Writing to a String cannot fail.
            let _ = write!(text, "{left} ${} and ", index + 1);
        }
        let next = self.0.len() + 1;
        let tail = tail
            .replace("$limit", &format!("${next}"))
            .replace("$offset", &format!("${}", next + 1));
        text + "forgotten = 0" + &tail
    }
}

/// The last jobs under some conditions, newest first, after the first `offset` of them.
pub(crate) async fn newest(
    store: &Store,
    conditions: &JobConditions,
    limit: u32,
    offset: u64,
) -> Result<Vec<JobRow>, StoreError> {
    let text = conditions.statement(SELECT, " order by id desc limit $limit offset $offset");
    let offset = i64::try_from(offset).unwrap_or(i64::MAX);
    let rows = on_read!(store, pool => {
        let mut query = sqlx::query_as(sqlx::AssertSqlSafe(text));
        for (_, right) in &conditions.0 {
            query = match right {
                Bound::Text(text) => query.bind(text.as_str()),
                Bound::Number(number) => query.bind(*number),
            };
        }
        query.bind(i64::from(limit)).bind(offset).fetch_all(pool).await
    })?;
    Ok(rows)
}

/// How many jobs there are under some conditions.
pub(crate) async fn count(store: &Store, conditions: &JobConditions) -> Result<u64, StoreError> {
    let text = conditions.statement(COUNT, "");
    let count: i64 = on_read!(store, pool => {
        let mut query = sqlx::query_scalar(sqlx::AssertSqlSafe(text));
        for (_, right) in &conditions.0 {
            query = match right {
                Bound::Text(text) => query.bind(text.as_str()),
                Bound::Number(number) => query.bind(*number),
            };
        }
        query.fetch_one(pool).await
    })?;
    Ok(count.cast_unsigned())
}
