//! The columns of a run's cases: outcomes, durations, starts, and what few cases have.

use std::borrow::Cow;

use shared::outcome::Outcome;

use super::duration::{self, DurationCode};
use super::sections::Sections;
use super::sparse;
use super::varint::{self, Reader};
use super::{ColumnsError, started};

/// Tags of the sections, in the order in which they are written.
mod tag {
    pub(super) const OUTCOME: u8 = 1;
    /// Low and high bytes of setup, call, teardown and duration: 2 to 9.
    pub(super) const DURATIONS: u8 = 2;
    pub(super) const STARTED: u8 = 10;
    pub(super) const XDIST_WORKER: u8 = 11;
    pub(super) const MEMORY: u8 = 12;
    pub(super) const OUTCOMES: u8 = 13;
    pub(super) const REPEATS: u8 = 14;
    pub(super) const SUBTESTS: u8 = 15;
    pub(super) const MESSAGE: u8 = 16;
}

/// The low half of an outcome byte is the outcome, the high half says what the case has besides.
mod has {
    pub(super) const OUTCOMES: u8 = 0x10;
    pub(super) const REPEATS: u8 = 0x20;
    pub(super) const SUBTESTS: u8 = 0x40;
    pub(super) const MESSAGE: u8 = 0x80;
}

/// One case's values.
#[derive(Debug, Clone, PartialEq)]
pub struct CaseValues<'a> {
    /// The case's outcome.
    pub outcome: Outcome,
    /// What pytest counted.
    pub outcomes: Cow<'a, [Outcome]>,
    /// Seconds of setup, call, teardown.
    pub phases: [Option<f64>; 3],
    /// Seconds; absent means the sum of the phases.
    pub duration: Option<f64>,
    /// Milliseconds since 1970.
    pub started_ms: Option<i64>,
    /// The xdist worker.
    pub xdist_worker: Option<&'a str>,
    /// Peak memory.
    pub memory_peak_kib: Option<u64>,
    /// Attempts and executions.
    pub repeats: [u32; 2],
    /// Subtests passed, failed and skipped.
    pub subtests: [u32; 3],
    /// Why, in short.
    pub message: Option<&'a str>,
}

/// What `outcomes` is when nothing out of the ordinary happened: a test that was reported counted as
/// its outcome, a test whose process died counted as nothing.
pub const fn usual_outcomes(outcome: Outcome) -> &'static [Outcome] {
    match outcome {
        Outcome::Rerun => &[Outcome::Rerun],
        Outcome::Skipped => &[Outcome::Skipped],
        Outcome::Xfailed => &[Outcome::Xfailed],
        Outcome::Passed => &[Outcome::Passed],
        Outcome::Xpassed => &[Outcome::Xpassed],
        Outcome::Error => &[Outcome::Error],
        Outcome::Failed => &[Outcome::Failed],
        Outcome::Timeout | Outcome::Crashed => &[],
    }
}

/// Writes the columns of the cases, in the order of the layout.
pub fn encode_cases(cases: &[CaseValues<'_>]) -> Sections {
    let mut sections = Sections::new(cases.len());
    sections.push(tag::OUTCOME, cases.iter().map(outcome_byte).collect());
    let units = encode_durations(cases, &mut sections);
    let workers = encode_workers(cases, &mut sections);
    let starts: Vec<_> = cases
        .iter()
        .enumerate()
        .map(|(position, case)| {
            let worker = workers.get(position).copied().unwrap_or(0);
            (worker, case.started_ms, units[position])
        })
        .collect();
    sections.push(tag::STARTED, started::encode(&starts));
    encode_memory(cases, &mut sections);
    encode_exceptions(cases, &mut sections);
    sections
}

fn outcome_byte(case: &CaseValues<'_>) -> u8 {
    let mut byte = case.outcome as u8;
    if *case.outcomes != *usual_outcomes(case.outcome) {
        byte |= has::OUTCOMES;
    }
    if case.repeats != [1, 1] {
        byte |= has::REPEATS;
    }
    if case.subtests != [0, 0, 0] {
        byte |= has::SUBTESTS;
    }
    if case.message.is_some() {
        byte |= has::MESSAGE;
    }
    byte
}

/// Writes the duration columns and answers each case's duration as a reader will see it, in units.
fn encode_durations(cases: &[CaseValues<'_>], sections: &mut Sections) -> Vec<u64> {
    let mut columns: [Vec<u16>; 4] = std::array::from_fn(|_| Vec::with_capacity(cases.len()));
    let mut units = Vec::with_capacity(cases.len());
    for case in cases {
        let codes = case
            .phases
            .map(|phase| phase.map(DurationCode::from_seconds));
        for (column, code) in columns.iter_mut().zip(codes) {
            column.push(code.map_or(DurationCode::NOTHING, |code| code.0));
        }
        let sum: f64 = case.phases.iter().flatten().sum();
        let follows = case.phases.iter().any(Option::is_some).then_some(sum);
        let given = case.duration.map(DurationCode::from_seconds);
        let differs = given.filter(|code| follows.map(DurationCode::from_seconds) != Some(*code));
        columns[3].push(differs.map_or(DurationCode::NOTHING, |code| code.0));
        let sum_of_codes = codes.iter().flatten().map(|code| code.units()).sum();
        units.push(differs.map_or(sum_of_codes, DurationCode::units));
    }
    for (number, column) in columns.iter().enumerate() {
        if column.iter().any(|code| *code != DurationCode::NOTHING) {
            let tag = tag::DURATIONS + 2 * number as u8;
            let [low, high] = [0, 1].map(|half| {
                let bytes = column.iter().map(|code| code.to_le_bytes()[half]);
                bytes.collect::<Vec<_>>()
            });
            sections.push(tag, low);
            sections.push(tag + 1, high);
        }
    }
    units
}

/// Writes the xdist workers and answers each case's number; 0 is none.
fn encode_workers(cases: &[CaseValues<'_>], sections: &mut Sections) -> Vec<u32> {
    if cases.iter().all(|case| case.xdist_worker.is_none()) {
        return Vec::new();
    }
    let mut known = rustc_hash::FxHashMap::default();
    let mut names = Vec::new();
    let mut numbers = Vec::with_capacity(cases.len());
    for case in cases {
        numbers.push(case.xdist_worker.map_or(0, |name| {
            *known.entry(name).or_insert_with(|| {
                names.push(name);
                names.len() as u32
            })
        }));
    }
    let mut bytes = Vec::with_capacity(cases.len() + 64);
    varint::put(&mut bytes, names.len() as u64);
    for name in names {
        varint::put_text(&mut bytes, name);
    }
    for number in &numbers {
        varint::put(&mut bytes, u64::from(*number));
    }
    sections.push(tag::XDIST_WORKER, bytes);
    numbers
}

/// Memory grows slowly, so each value is written as its distance from the one before.
fn encode_memory(cases: &[CaseValues<'_>], sections: &mut Sections) {
    if cases.iter().all(|case| case.memory_peak_kib.is_none()) {
        return;
    }
    let mut bytes = Vec::with_capacity(2 * cases.len());
    let mut before = 0;
    for case in cases {
        let memory = case
            .memory_peak_kib
            .map(|kib| kib.min(i64::MAX as u64) as i64);
        varint::put_optional(&mut bytes, memory.map(|kib| varint::zigzag(kib - before)));
        before = memory.unwrap_or(before);
    }
    sections.push(tag::MEMORY, bytes);
}

fn encode_exceptions(cases: &[CaseValues<'_>], sections: &mut Sections) {
    let (mut outcomes, mut repeats, mut subtests) = (Vec::new(), Vec::new(), Vec::new());
    let mut messages = sparse::TextWriter::default();
    for case in cases {
        let byte = outcome_byte(case);
        if byte & has::OUTCOMES != 0 {
            sparse::put_outcomes(&mut outcomes, &case.outcomes);
        }
        if byte & has::REPEATS != 0 {
            put_numbers(&mut repeats, case.repeats);
        }
        if byte & has::SUBTESTS != 0 {
            put_numbers(&mut subtests, case.subtests);
        }
        if let Some(message) = case.message {
            messages.put(message);
        }
    }
    sections.push(tag::OUTCOMES, outcomes);
    sections.push(tag::REPEATS, repeats);
    sections.push(tag::SUBTESTS, subtests);
    sections.push(tag::MESSAGE, messages.finish());
}

fn put_numbers<const N: usize>(bytes: &mut Vec<u8>, numbers: [u32; N]) {
    for number in numbers {
        varint::put(bytes, u64::from(number));
    }
}

/// The columns of a run's cases, ready to be asked about one case.
#[derive(Debug, Clone)]
pub struct CaseColumns {
    outcome: Vec<u8>,
    durations: [Option<Vec<u16>>; 4],
    starts: Vec<Option<i64>>,
    worker_names: Vec<String>,
    workers: Vec<u32>,
    memory: Vec<Option<u64>>,
    outcomes: Vec<(u32, Vec<Outcome>)>,
    repeats: Vec<(u32, [u32; 2])>,
    subtests: Vec<(u32, [u32; 3])>,
    texts: Vec<String>,
    messages: Vec<(u32, u32)>,
}

impl CaseColumns {
    /// Reads the columns.
    pub fn decode(sections: &Sections) -> Result<Self, ColumnsError> {
        let items = sections.items;
        let outcome = sections.get(tag::OUTCOME).unwrap_or_default().to_vec();
        if outcome.len() != items {
            return Err(ColumnsError::Short);
        }
        if outcome
            .iter()
            .any(|byte| Outcome::from_code(byte & 0x0f).is_none())
        {
            return Err(ColumnsError::Impossible("outcome"));
        }
        let mut durations = [const { None }; 4];
        for (number, column) in durations.iter_mut().enumerate() {
            *column = decode_durations(sections, number)?;
        }
        let (worker_names, workers) = decode_workers(sections)?;
        let with = |flag: u8| positions_with(&outcome, flag);
        let (texts, of_messages) = sparse::texts(
            sections.get(tag::MESSAGE).unwrap_or_default(),
            with(has::MESSAGE).len(),
        )?;
        let outcomes = sections.get(tag::OUTCOMES).unwrap_or_default();
        let repeats = sections.get(tag::REPEATS).unwrap_or_default();
        let subtests = sections.get(tag::SUBTESTS).unwrap_or_default();
        let mut columns = Self {
            outcomes: pair(with(has::OUTCOMES), |n| sparse::outcomes(outcomes, n))?,
            repeats: pair(with(has::REPEATS), |n| sparse::numbers(repeats, n))?,
            subtests: pair(with(has::SUBTESTS), |n| sparse::numbers(subtests, n))?,
            messages: pair(with(has::MESSAGE), |_| Ok(of_messages))?,
            memory: decode_memory(sections)?,
            starts: Vec::new(),
            outcome,
            durations,
            worker_names,
            workers,
            texts,
        };
        if let Some(bytes) = sections.get(tag::STARTED) {
            let known = (0..items).map(|position| {
                let worker = columns.workers.get(position).copied().unwrap_or(0);
                (worker, columns.duration_units(position).unwrap_or(0))
            });
            columns.starts = started::decode(bytes, known)?;
        }
        Ok(columns)
    }

    /// Number of cases.
    pub const fn len(&self) -> usize {
        self.outcome.len()
    }

    /// Whether there is no case.
    pub const fn is_empty(&self) -> bool {
        self.outcome.is_empty()
    }

    /// The outcome of the case at a position below [`Self::len`].
    pub fn outcome(&self, position: usize) -> Outcome {
        let byte = self.outcome.get(position).copied().unwrap_or_default();
        Outcome::from_code(byte & 0x0f).unwrap_or(Outcome::Crashed)
    }

    /// Whether the case at a position counted an attempt before its last.
    pub fn was_rerun(&self, position: usize) -> bool {
        find(&self.outcomes, position).is_some_and(|outcomes| outcomes.contains(&Outcome::Rerun))
    }

    /// The duration of the case at a position, the longest being the greatest.
    pub fn duration_rank(&self, position: usize) -> Option<u64> {
        self.duration_units(position)
    }

    /// The case at a position below [`Self::len`].
    pub fn case(&self, position: usize) -> CaseValues<'_> {
        let outcome = self.outcome(position);
        let worker = self.workers.get(position).copied().unwrap_or(0) as usize;
        let message = find(&self.messages, position);
        CaseValues {
            outcome,
            outcomes: Cow::Borrowed(
                find(&self.outcomes, position)
                    .map_or(usual_outcomes(outcome), |outcomes| outcomes.as_slice()),
            ),
            phases: [0, 1, 2].map(|number| {
                self.stored_duration(number, position)
                    .map(DurationCode::seconds)
            }),
            duration: self.duration_units(position).map(duration::seconds),
            started_ms: self.starts.get(position).copied().flatten(),
            xdist_worker: worker
                .checked_sub(1)
                .and_then(|number| self.worker_names.get(number))
                .map(String::as_str),
            memory_peak_kib: self.memory.get(position).copied().flatten(),
            repeats: find(&self.repeats, position).copied().unwrap_or([1, 1]),
            subtests: find(&self.subtests, position).copied().unwrap_or([0, 0, 0]),
            message: message
                .and_then(|number| self.texts.get(*number as usize))
                .map(String::as_str),
        }
    }

    fn stored_duration(&self, number: usize, position: usize) -> Option<DurationCode> {
        let code = *self.durations[number].as_ref()?.get(position)?;
        (code != DurationCode::NOTHING).then_some(DurationCode(code))
    }

    fn duration_units(&self, position: usize) -> Option<u64> {
        if let Some(code) = self.stored_duration(3, position) {
            return Some(code.units());
        }
        let phases = [0, 1, 2].map(|number| self.stored_duration(number, position));
        let sum = phases.iter().flatten().map(|code| code.units()).sum();
        phases.iter().any(Option::is_some).then_some(sum)
    }
}

fn decode_durations(sections: &Sections, number: usize) -> Result<Option<Vec<u16>>, ColumnsError> {
    let tag = tag::DURATIONS + 2 * number as u8;
    let (Some(low), Some(high)) = (sections.get(tag), sections.get(tag + 1)) else {
        return Ok(None);
    };
    if low.len() != sections.items || high.len() != sections.items {
        return Err(ColumnsError::Short);
    }
    let codes: Vec<u16> = low
        .iter()
        .zip(high)
        .map(|(low, high)| u16::from_le_bytes([*low, *high]))
        .collect();
    for code in &codes {
        if *code != DurationCode::NOTHING {
            DurationCode::from_stored(*code)?;
        }
    }
    Ok(Some(codes))
}

fn decode_workers(sections: &Sections) -> Result<(Vec<String>, Vec<u32>), ColumnsError> {
    let Some(bytes) = sections.get(tag::XDIST_WORKER) else {
        return Ok((Vec::new(), Vec::new()));
    };
    let mut reader = Reader::new(bytes);
    let mut names = Vec::new();
    for _ in 0..reader.number()? {
        names.push(reader.text()?.to_owned());
    }
    let mut numbers = Vec::with_capacity(sections.items);
    for _ in 0..sections.items {
        let number = reader.small()?;
        if number as usize > names.len() {
            return Err(ColumnsError::Impossible("xdist worker"));
        }
        numbers.push(number);
    }
    Ok((names, numbers))
}

fn decode_memory(sections: &Sections) -> Result<Vec<Option<u64>>, ColumnsError> {
    let Some(bytes) = sections.get(tag::MEMORY) else {
        return Ok(Vec::new());
    };
    let mut reader = Reader::new(bytes);
    let mut before = 0i64;
    let mut column = Vec::with_capacity(sections.items);
    for _ in 0..sections.items {
        let distance = reader.optional()?.map(varint::unzigzag);
        if let Some(distance) = distance {
            before = before.wrapping_add(distance);
        }
        column.push(distance.map(|_| before.unsigned_abs()));
    }
    Ok(column)
}

fn positions_with(outcome: &[u8], flag: u8) -> Vec<u32> {
    let flagged = outcome.iter().enumerate().filter(|item| item.1 & flag != 0);
    flagged.map(|item| item.0 as u32).collect()
}

fn pair<T>(
    positions: Vec<u32>,
    values: impl FnOnce(usize) -> Result<Vec<T>, ColumnsError>,
) -> Result<Vec<(u32, T)>, ColumnsError> {
    let values = values(positions.len())?;
    Ok(positions.into_iter().zip(values).collect())
}

fn find<T>(sparse: &[(u32, T)], position: usize) -> Option<&T> {
    let found = sparse.binary_search_by_key(&(position as u32), |item| item.0);
    Some(&sparse[found.ok()?].1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// A case that owns its texts.
    #[derive(Debug, Clone)]
    struct Owned {
        values: CaseValues<'static>,
        xdist_worker: Option<String>,
        message: Option<String>,
    }

    impl Owned {
        fn values(&self) -> CaseValues<'_> {
            CaseValues {
                xdist_worker: self.xdist_worker.as_deref(),
                message: self.message.as_deref(),
                ..self.values.clone()
            }
        }
    }

    /// Durations that a code names exactly, so that they must come back as they were.
    fn seconds() -> impl Strategy<Value = Option<f64>> {
        let exact = (0u16..12_000).prop_map(|code| DurationCode(code).seconds());
        proptest::option::weighted(0.8, exact)
    }

    fn outcome() -> impl Strategy<Value = Outcome> {
        proptest::sample::select(&Outcome::ALL[..])
    }

    prop_compose! {
        fn case()(
            outcome in outcome(),
            outcomes in proptest::option::weighted(0.2, proptest::collection::vec(outcome(), 0..5)),
            phases in [seconds(), seconds(), seconds()],
            duration in proptest::option::weighted(0.2, seconds()),
            started_ms in proptest::option::weighted(0.8, 0i64..253_402_300_799_999),
            memory_peak_kib in proptest::option::of(0u64..1 << 62),
            repeats in prop_oneof![4 => Just([1, 1]), 1 => any::<[u32; 2]>()],
            subtests in prop_oneof![4 => Just([0, 0, 0]), 1 => any::<[u32; 3]>()],
            xdist_worker in proptest::option::of("gw[0-9]{1,2}|\\PC{0,9}"),
            message in proptest::option::of("(?s).{0,40}|again"),
        ) -> Owned {
            let outcomes = outcomes.map_or(Cow::Borrowed(usual_outcomes(outcome)), Cow::Owned);
            let duration = duration.flatten();
            Owned {
                values: CaseValues {
                    outcome, outcomes, phases, duration, started_ms, memory_peak_kib, repeats,
                    subtests, xdist_worker: None, message: None,
                },
                xdist_worker,
                message,
            }
        }
    }

    fn round_trip(cases: &[CaseValues<'_>]) -> CaseColumns {
        let packed = encode_cases(cases).pack();
        CaseColumns::decode(&Sections::unpack(&packed).unwrap()).unwrap()
    }

    proptest! {
        #[test]
        fn every_case_comes_back(cases in proptest::collection::vec(case(), 0..60)) {
            let values: Vec<CaseValues<'_>> = cases.iter().map(Owned::values).collect();
            let columns = round_trip(&values);
            prop_assert_eq!(columns.len(), values.len());
            for (position, case) in values.into_iter().enumerate() {
                let mut back = columns.case(position);
                let sum: f64 = case.phases.iter().flatten().sum();
                let expected = case.duration
                    .or_else(|| case.phases.iter().any(Option::is_some).then_some(sum));
                let close = match (back.duration, expected) {
                    (Some(back), Some(expected)) => (back - expected).abs() <= expected * 0.01 + 1e-5,
                    (back, expected) => back == expected,
                };
                prop_assert!(close, "{:?} became {:?}", expected, back.duration);
                back.duration = case.duration;
                prop_assert_eq!(back, case);
            }
        }

        #[test]
        fn broken_bytes_are_an_error_and_never_a_panic(
            cases in proptest::collection::vec(case(), 1..20),
            changes in proptest::collection::vec((any::<proptest::sample::Index>(), any::<u8>()), 1..6),
            length in any::<proptest::sample::Index>(),
            cut in any::<bool>(),
        ) {
            let values: Vec<CaseValues<'_>> = cases.iter().map(Owned::values).collect();
            let mut packed = encode_cases(&values).pack();
            for (at, byte) in changes {
                let at = at.index(packed.len());
                packed[at] = byte;
            }
            if cut {
                packed.truncate(length.index(packed.len()));
            }
            if let Ok(columns) = Sections::unpack(&packed).and_then(|s| CaseColumns::decode(&s)) {
                for position in 0..columns.len().min(100) {
                    let _ = columns.case(position);
                }
            }
        }
    }

    #[test]
    fn what_nobody_has_costs_nothing() {
        let plain = CaseValues {
            outcome: Outcome::Passed,
            outcomes: Cow::Borrowed(usual_outcomes(Outcome::Passed)),
            phases: [None; 3],
            duration: None,
            started_ms: None,
            xdist_worker: None,
            memory_peak_kib: None,
            repeats: [1, 1],
            subtests: [0, 0, 0],
            message: None,
        };
        let packed = encode_cases(&vec![plain; 10_000]).pack();
        assert!(packed.len() < 64, "{} bytes", packed.len());
    }
}
