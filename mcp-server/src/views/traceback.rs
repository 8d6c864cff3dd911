//! A traceback, read line by line: what is own code, what is library, what is the error.

use serde::Serialize;

/// What a line of a traceback is, for its colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Kind {
    /// Source around the point of failure, or anything else.
    Plain,
    /// The line that was executing (`>`), in own code.
    Point,
    /// What the error said (`E`).
    Error,
    /// A line of a diff that was expected and is not there.
    Minus,
    /// A line of a diff that is there and was not expected.
    Plus,
    /// Hints of a diff, and where a value came from.
    Hint,
    /// Where it happened, in own code.
    Place,
    /// A frame in a library.
    Library,
    /// Between frames.
    Rule,
}

impl Kind {
    /// Its name in style sheets, empty for a plain line.
    pub const fn class(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Point => "tp",
            Self::Error => "te",
            Self::Minus => "tm",
            Self::Plus => "ta",
            Self::Hint => "th",
            Self::Place => "tw",
            Self::Library => "tl",
            Self::Rule => "tr",
        }
    }
}

/// Lines of one kind that follow one another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Block {
    /// What they are.
    pub kind: Kind,
    /// The lines, without a line break at the end.
    pub text: String,
}

/// Splits a traceback into blocks of lines of one kind. `text` is already clean.
pub fn blocks(text: &str) -> Vec<Block> {
    let mut blocks: Vec<Block> = Vec::new();
    for frame in frames(text) {
        let library = frame.iter().any(|line| place(line).is_some_and(is_library));
        for line in frame {
            let kind = match classify(line) {
                Kind::Plain | Kind::Point | Kind::Place if library => Kind::Library,
                kind => kind,
            };
            match blocks.last_mut() {
                Some(last) if last.kind == kind => {
                    last.text.push('\n');
                    last.text.push_str(line);
                }
                _ => blocks.push(Block {
                    kind,
                    text: line.to_owned(),
                }),
            }
        }
    }
    blocks
}

/// Where it happened: the last place in own code, as `file:line`.
pub fn own_place(text: &str) -> Option<String> {
    let places = || text.lines().filter_map(place_and_line);
    places()
        .rfind(|(path, _)| !is_library(path))
        .or_else(|| places().next_back())
        .map(|(path, line)| format!("{path}:{line}"))
}

/// The lines that say most: the statement that was executing and what the error said.
pub fn excerpt(text: &str, bytes_max: usize) -> String {
    let mut kept: Vec<&str> = Vec::new();
    for line in text.lines() {
        match classify(line) {
            Kind::Point => {
                // Only the last frame's statement counts, unless the error already followed.
                kept.retain(|line| line.starts_with('E'));
                kept.push(line);
            }
            Kind::Error | Kind::Minus | Kind::Plus | Kind::Hint => kept.push(line),
            _ => {}
        }
    }
    shared::text::cut(&kept.join("\n"), bytes_max).into_owned()
}

/// Frames end with the line that says where they are, or before a rule.
fn frames(text: &str) -> Vec<Vec<&str>> {
    let mut frames = vec![Vec::new()];
    for line in text.lines() {
        let native = native_place(line).is_some();
        if (native || classify(line) == Kind::Rule)
            && let Some(frame) = frames.last()
            && !frame.is_empty()
        {
            frames.push(Vec::new());
        }
        if let Some(frame) = frames.last_mut() {
            frame.push(line);
        }
        let ends = !native && (place(line).is_some() || classify(line) == Kind::Rule);
        let after_source = frames.last().is_some_and(|frame| {
            frame.len() > 1
                && frame
                    .first()
                    .is_some_and(|first| native_place(first).is_some())
        }) && !line.starts_with("    ");
        if ends || after_source {
            frames.push(Vec::new());
        }
    }
    frames
}

fn classify(line: &str) -> Kind {
    if let Some(error) = line.strip_prefix('E')
        && (error.is_empty() || error.starts_with(' '))
    {
        return classify_error(error.trim_start());
    }
    if line.starts_with('>') {
        return Kind::Point;
    }
    let bare = line.trim();
    if bare.len() >= 8
        && bare
            .chars()
            .all(|c| matches!(c, '_' | ' ' | '-' | '=' | '!'))
    {
        return Kind::Rule;
    }
    if place(line).is_some() {
        return Kind::Place;
    }
    Kind::Plain
}

/// pytest's own words start with `+  where` and `+  and`; a diff with one sign and one space.
fn classify_error(error: &str) -> Kind {
    if error.starts_with("+  where") || error.starts_with("+  and") || error.starts_with("? ") {
        Kind::Hint
    } else if error.starts_with("- ") || error == "-" {
        Kind::Minus
    } else if error.starts_with("+ ") || error == "+" {
        Kind::Plus
    } else {
        Kind::Error
    }
}

/// The path in `path:12: Error` or `File "path", line 12, in name`.
fn place(line: &str) -> Option<&str> {
    place_and_line(line).map(|(path, _)| path)
}

fn place_and_line(line: &str) -> Option<(&str, u32)> {
    native_place(line).or_else(|| {
        if line.starts_with([' ', 'E', '>']) {
            return None;
        }
        let (before, rest) = match line.find(".py:") {
            Some(at) => (&line[..at + 3], &line[at + 4..]),
            None => return None,
        };
        let digits = rest.split(':').next()?;
        if !rest.contains(':') || before.contains("  ") {
            return None;
        }
        Some((before, digits.parse().ok()?))
    })
}

fn native_place(line: &str) -> Option<(&str, u32)> {
    let rest = line.trim_start().strip_prefix("File \"")?;
    let (path, rest) = rest.split_once("\", line ")?;
    let digits = rest.split(|c: char| !c.is_ascii_digit()).next()?;
    Some((path, digits.parse().ok()?))
}

fn is_library(path: &str) -> bool {
    const MARKS: [&str; 7] = [
        "site-packages",
        "dist-packages",
        "/lib/python",
        "\\Lib\\",
        "<frozen",
        ".venv/",
        "/usr/lib/",
    ];
    MARKS.iter().any(|mark| path.contains(mark))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: &str = "\
    def test_total():
        cart = Cart([1, 2])
>       assert cart.total() == 4

tests/test_cart.py:8: 
_ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _ _

    def helper(x):
>       raise ValueError(x)
E       ValueError: x

/opt/venv/lib/python3.12/site-packages/lib/core.py:99: ValueError";

    fn kind_of(blocks: &[Block], text: &str) -> Kind {
        let block = blocks.iter().find(|block| block.text.contains(text));
        block
            .unwrap_or_else(|| panic!("{text} is in {blocks:?}"))
            .kind
    }

    #[test]
    fn own_frames_stand_out_and_library_frames_step_back() {
        let blocks = blocks(LONG);
        assert_eq!(kind_of(&blocks, "assert cart.total"), Kind::Point);
        assert_eq!(kind_of(&blocks, "tests/test_cart.py:8"), Kind::Place);
        assert_eq!(kind_of(&blocks, "raise ValueError"), Kind::Library);
        assert_eq!(kind_of(&blocks, "E       ValueError"), Kind::Error);
        assert_eq!(kind_of(&blocks, "_ _ _"), Kind::Rule);
    }

    #[test]
    fn no_line_is_lost_or_moved() {
        let joined: Vec<String> = blocks(LONG).into_iter().map(|block| block.text).collect();
        assert_eq!(joined.join("\n"), LONG);
    }

    #[test]
    fn the_place_is_the_last_one_in_own_code() {
        assert_eq!(own_place(LONG).as_deref(), Some("tests/test_cart.py:8"));
        let native = "Traceback (most recent call last):\n  File \"a.py\", line 3, in f\n    g()\n  \
                      File \"/usr/lib/python3/x.py\", line 9, in g\n    h()\nKeyError: 1";
        assert_eq!(own_place(native).as_deref(), Some("a.py:3"));
    }

    #[test]
    fn diffs_are_told_apart_from_where_values_came_from() {
        for (line, kind) in [
            ("E         - expected", Kind::Minus),
            ("E         + actual", Kind::Plus),
            ("E         ? ^^^", Kind::Hint),
            ("E        +  where 3 = f()", Kind::Hint),
            ("E       assert 3 == 4", Kind::Error),
            ("Everything is fine", Kind::Plain),
        ] {
            assert_eq!(classify(line), kind, "{line}");
        }
    }

    #[test]
    fn the_excerpt_is_the_statement_and_the_error() {
        let short = excerpt(
            "    x = 1\n>       assert x == 2\nE       assert 1 == 2\n\nt.py:3: E",
            500,
        );
        assert_eq!(short, ">       assert x == 2\nE       assert 1 == 2");
    }
}
