//! What the value of an option looks like.

/// Most digits of a number.
const DIGITS_MAX: usize = 9;

/// What the value of an option looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// Any text.
    Text,
    /// A number, perhaps with a fraction.
    Number,
    /// A number, `auto` or `logical`.
    Workers,
    /// Letters only.
    Letters,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A path inside the source.
    Inside,
    /// Where a report is written.
    Report,
    /// A kind of report, perhaps with a colon and where it is written.
    KindOfReport,
    /// A filter of warnings.
    Warning,
}

impl Shape {
    /// Checks a value, but for what it says about paths.
    pub(super) fn check(self, value: &str) -> Result<(), String> {
        let fits = match self {
            Self::Text | Self::Inside | Self::Report | Self::KindOfReport => true,
            Self::Number => is_number(value),
            Self::Workers => is_number(value) || ["auto", "logical"].contains(&value),
            Self::Letters => value.bytes().all(|one| one.is_ascii_alphabetic()),
            Self::OneOf(words) => words.contains(&value),
            Self::Warning => has_harmless_category(value),
        };
        if fits {
            return Ok(());
        }
        Err(match self {
            Self::OneOf(words) => format!("it takes one of {}", words.join(", ")),
            Self::Workers => "it takes a number, auto or logical".to_owned(),
            Self::Letters => "it takes letters".to_owned(),
            Self::Warning => "a category of warnings in a module would load the module; name one \
                 of Python's own or of pytest's"
                .to_owned(),
            _ => "it takes a number".to_owned(),
        })
    }
}

fn is_number(value: &str) -> bool {
    let (whole, fraction) = value.split_once('.').unwrap_or((value, "0"));
    let are_digits = |part: &str| {
        (1..=DIGITS_MAX).contains(&part.len()) && part.bytes().all(|one| one.is_ascii_digit())
    };
    are_digits(whole) && are_digits(fraction)
}

/// `action:message:category:module:line`; pytest imports the module that a category is in.
fn has_harmless_category(value: &str) -> bool {
    let category = value.split(':').nth(2).unwrap_or_default().trim();
    !category.contains('.') || category.starts_with("pytest.")
}
