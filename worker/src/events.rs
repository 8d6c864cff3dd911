//! From the bytes of the plugin's pipe to events, and with them to the aggregate.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use crossbeam_channel::Sender;
use shared::event::Event;
use shared::run::{Problem, ProblemKind};

use crate::aggregate::Run;
use crate::journal::Journal;
use crate::pytest::{Activity, EventPipe};

/// Longest line. The longest that the plugin means to write, an announcement of 500 tests with
/// ids of the greatest length, stays below.
const LINE_BYTES_MAX: usize = 32 * 1024 * 1024;

/// Most lines that are told one by one when they are no events.
const BAD_LINES_TOLD_MAX: usize = 5;

/// Most characters of a bad line that are told.
const BAD_LINE_CHARACTERS_TOLD: usize = 100;

/// Everything that the plugin said.
#[derive(Debug, Default)]
pub struct Heard {
    /// What it amounts to.
    pub run: Run,
    /// Lines that were no events.
    pub problems: Vec<Problem>,
    /// Whether the plugin was there at all.
    pub hello: bool,
    /// Whether pytest went on after the plugin had closed its pipe without a goodbye.
    pub pipe_closed_early: bool,
    /// Whether the worker was stopped and did not hear the end, so that the plugin may have given up.
    pub slept: bool,
    /// pytest's arguments, as pytest tells them.
    pub arguments: Vec<String>,
    /// Who wants to know when many tests have ended, and how many that are.
    pub nudge: Option<(usize, Sender<()>)>,
}

/// What was heard so far, for whoever wants to know it while it goes on. It is locked for a chunk of
/// events at a time, and stays empty once [`Listener::finish`] has taken it.
pub type SharedHeard = Arc<Mutex<Heard>>;

/// Locks what was heard. A panic while it was locked leaves what there is.
pub fn locked(heard: &Mutex<Heard>) -> MutexGuard<'_, Heard> {
    heard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The thread that listens to the plugin.
#[derive(Debug)]
pub struct Listener {
    thread: JoinHandle<Vec<Problem>>,
    heard: SharedHeard,
    activity: Activity,
    journal: Journal,
}

impl Listener {
    /// Starts to listen, until the pipe's end or pytest's. Whatever arrives is in the journal before
    /// it counts.
    pub fn start(pipe: EventPipe, journal: Journal) -> Self {
        let heard = SharedHeard::default();
        let shared = Arc::clone(&heard);
        let (written, activity) = (journal.clone(), pipe.activity());
        let thread = std::thread::spawn(move || listen(&pipe, &written, &shared));
        Self {
            thread,
            heard,
            activity,
            journal,
        }
    }

    /// What was heard so far.
    pub fn shared(&self) -> SharedHeard {
        Arc::clone(&self.heard)
    }

    /// Waits for the last event.
    pub fn finish(self) -> Heard {
        let mut problems = self.thread.join().unwrap_or_else(|_| {
            vec![warning(
                "the worker lost events of this run: its reader panicked",
            )]
        });
        problems.extend(self.journal.problem().map(|text| warning(&text)));
        let mut heard = std::mem::take(&mut *locked(&self.heard));
        heard.problems = problems;
        heard.slept = self.activity.slept() && !heard.run.said_goodbye();
        heard
    }
}

fn listen(pipe: &EventPipe, journal: &Journal, heard: &Mutex<Heard>) -> Vec<Problem> {
    let mut lines = Lines::default();
    pipe.pump(|bytes| {
        journal.append(&lines.completed_by(bytes));
        let mut heard = locked(heard);
        lines.take(bytes, |event| heard.apply(event));
        heard.nudge();
    });
    let said_goodbye = locked(heard).run.said_goodbye();
    if !said_goodbye && pipe.is_outlived() {
        locked(heard).pipe_closed_early = true;
    }
    lines.finish()
}

/// What was heard, heard again.
#[derive(Debug, Default)]
pub struct Replay {
    lines: Lines,
    heard: Heard,
}

impl Replay {
    /// Takes bytes as they came from the pipe.
    pub fn take(&mut self, bytes: &[u8]) {
        let heard = &mut self.heard;
        self.lines.take(bytes, |event| heard.apply(event));
    }

    /// Everything that they told.
    pub fn finish(self) -> Heard {
        Heard {
            problems: self.lines.finish(),
            ..self.heard
        }
    }
}

impl Heard {
    fn apply(&mut self, event: Event) {
        match &event {
            Event::Hello(_) => self.hello = true,
            Event::Session(session) => self.arguments.clone_from(&session.args),
            _ => {}
        }
        self.run.apply(event);
    }

    fn nudge(&self) {
        if let Some((many, nudge)) = &self.nudge
            && self.run.changed_count() >= *many
        {
            // It is full when the last nudge was not noticed yet.
            let _ = nudge.try_send(());
        }
    }
}

/// Cuts a stream of bytes into lines and lines into events.
#[derive(Debug, Default)]
struct Lines {
    /// The beginning of a line whose end has not arrived.
    partial: Vec<u8>,
    /// The line that is arriving is too long, and the rest of it is dropped.
    too_long: bool,
    bad: usize,
    problems: Vec<Problem>,
}

impl Lines {
    /// The lines that these bytes will complete, in two pieces: what was there of the first, and
    /// the rest.
    fn completed_by<'a>(&'a self, bytes: &'a [u8]) -> [&'a [u8]; 2] {
        let end = bytes
            .iter()
            .rposition(|byte| *byte == b'\n')
            .map_or(0, |at| at + 1);
        let complete = &bytes[..end];
        if self.too_long {
            let start = complete
                .iter()
                .position(|byte| *byte == b'\n')
                .map_or(0, |at| at + 1);
            return [&[], &complete[start..]];
        }
        if complete.is_empty() {
            return [&[], &[]];
        }
        [&self.partial, complete]
    }

    fn take(&mut self, bytes: &[u8], mut give: impl FnMut(Event)) {
        let mut rest = bytes;
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let (line, after) = (&rest[..end], &rest[end + 1..]);
            rest = after;
            if std::mem::take(&mut self.too_long) {
                continue;
            }
            if self.partial.is_empty() {
                self.parse(line, &mut give);
            } else {
                let mut whole = std::mem::take(&mut self.partial);
                whole.extend_from_slice(line);
                self.parse(&whole, &mut give);
            }
        }
        if self.too_long {
            return;
        }
        if self.partial.len() + rest.len() > LINE_BYTES_MAX {
            self.partial = Vec::new();
            self.too_long = true;
            self.problems.push(Problem {
                kind: ProblemKind::Truncated,
                place: String::new(),
                text: format!("an event of more than {LINE_BYTES_MAX} bytes was dropped"),
            });
        } else {
            self.partial.extend_from_slice(rest);
        }
    }

    fn parse(&mut self, line: &[u8], give: &mut impl FnMut(Event)) {
        if line.is_empty() {
            return;
        }
        match serde_json::from_slice(line) {
            Ok(event) => give(event),
            Err(error) => {
                self.bad += 1;
                if self.bad <= BAD_LINES_TOLD_MAX {
                    let text = String::from_utf8_lossy(line);
                    let start: String = text.chars().take(BAD_LINE_CHARACTERS_TOLD).collect();
                    let text = format!("a line of the plugin is no event ({error}): {start}");
                    self.problems.push(warning(&text));
                }
            }
        }
    }

    fn finish(mut self) -> Vec<Problem> {
        if self.bad > BAD_LINES_TOLD_MAX {
            let more = self.bad - BAD_LINES_TOLD_MAX;
            let text = format!("{more} more lines of the plugin were no events");
            self.problems.push(warning(&text));
        }
        if !self.partial.is_empty() {
            self.problems.push(Problem {
                kind: ProblemKind::Truncated,
                place: String::new(),
                text: "pytest ended in the middle of an event, which is lost".to_owned(),
            });
        }
        self.problems
    }
}

fn warning(text: &str) -> Problem {
    Problem {
        kind: ProblemKind::Warning,
        place: String::new(),
        text: text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn events_of(chunks: &[&[u8]]) -> (Vec<Event>, Vec<Problem>) {
        let (mut events, mut lines) = (Vec::new(), Lines::default());
        for chunk in chunks {
            lines.take(chunk, |event| events.push(event));
        }
        (events, lines.finish())
    }

    #[test]
    fn bad_lines_are_told_and_the_good_ones_around_them_count() {
        let text = b"{\"collected\":1}\nnonsense\n\n{\"future\":{}}\n{\"deselected\":2}\n";
        let (events, problems) = events_of(&[text]);
        assert_eq!(events, [Event::Collected(1), Event::Deselected(2)]);
        assert_eq!(problems.len(), 2);
        assert!(problems[0].text.contains("nonsense"));
    }

    #[test]
    fn very_many_bad_lines_make_few_problems() {
        let text = "x\n".repeat(10_000);
        let (_, problems) = events_of(&[text.as_bytes()]);
        assert_eq!(problems.len(), BAD_LINES_TOLD_MAX + 1);
        assert!(problems[BAD_LINES_TOLD_MAX].text.starts_with("9995 more"));
    }

    #[test]
    fn a_line_without_end_is_dropped_in_bounded_memory_and_the_next_one_counts() {
        let chunk = vec![b'x'; 1024 * 1024];
        let mut lines = Lines::default();
        for _ in 0..100 {
            lines.take(&chunk, |_| panic!("not an event"));
            assert!(lines.partial.len() <= LINE_BYTES_MAX);
        }
        let mut events = Vec::new();
        lines.take(b"\n{\"collected\":1}\n", |event| events.push(event));
        assert_eq!(events, [Event::Collected(1)]);
        assert_eq!(lines.finish()[0].kind, ProblemKind::Truncated);
    }

    #[test]
    fn an_event_cut_by_the_end_of_pytest_is_told() {
        let (events, problems) = events_of(&[b"{\"collected\":1}\n{\"start\":[1"]);
        assert_eq!(events.len(), 1);
        assert_eq!(problems[0].kind, ProblemKind::Truncated);
    }

    #[test]
    fn what_goes_to_the_journal_is_the_lines_that_count_and_no_part_of_others() {
        let mut lines = Lines::default();
        let mut journal = Vec::new();
        let mut feed = |lines: &mut Lines, bytes: &[u8]| {
            journal.extend(lines.completed_by(bytes).concat());
            lines.take(bytes, |_| ());
        };
        feed(&mut lines, b"a");
        feed(&mut lines, b"b\nc\nd");
        feed(&mut lines, b"");
        feed(&mut lines, &vec![b'x'; LINE_BYTES_MAX]);
        feed(&mut lines, b"xx\ne\nf");
        assert_eq!(String::from_utf8_lossy(&journal), "ab\nc\ne\n");
    }

    proptest! {
        #[test]
        fn how_the_bytes_are_cut_makes_no_difference(cuts in prop::collection::vec(1usize..40, 0..30)) {
            let lines: Vec<String> = (0..20).map(|n| format!("{{\"collected\":{n}}}\n")).collect();
            let text = lines.concat();
            let mut chunks = Vec::new();
            let mut rest = text.as_bytes();
            for cut in cuts {
                let (head, tail) = rest.split_at(cut.min(rest.len()));
                chunks.push(head);
                rest = tail;
            }
            chunks.push(rest);
            let (events, problems) = events_of(&chunks);
            prop_assert!(events.into_iter().eq((0..20).map(Event::Collected)));
            prop_assert!(problems.is_empty());
        }
    }
}
