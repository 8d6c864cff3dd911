//! Words of a command line, read as pytest reads them.

use super::allowed::AllowedArguments;
use super::known::{self, Takes};
use super::places::Places;
use super::shape::Shape;

/// A part of the command line.
#[derive(Debug)]
pub(super) enum Given {
    /// A test, or a folder of tests.
    Test(String),
    /// An option that may be given.
    Option(Chosen),
}

/// An option that may be given, and its value, whose paths are not looked at yet.
#[derive(Debug)]
pub(super) struct Chosen {
    name: String,
    value: Option<(String, Shape)>,
}

impl Chosen {
    /// As pytest gets it, in one word: a word of its own could be taken for an option, or for a file
    /// of arguments.
    pub(super) fn written(
        self,
        places: &Places,
        notes: &mut Vec<String>,
    ) -> Result<String, String> {
        let Some((value, shape)) = self.value else {
            return Ok(self.name);
        };
        let name = &self.name;
        let refuse = |why: String| format!("args: {name} {value:?} is refused: {why}");
        shape.check(&value).map_err(refuse)?;
        let value = places.arranged(shape, &value).map_err(refuse)?;
        if value.was_moved {
            let path = &value.text;
            notes.push(format!("{name} writes below the job's folder: {path}"));
        }
        let text = value.text;
        if name.starts_with("--") {
            return Ok(format!("{name}={text}"));
        }
        // After `-k` an equals sign would be taken away.
        let equals = if text.starts_with('=') || text.is_empty() {
            "="
        } else {
            ""
        };
        Ok(format!("{name}{equals}{text}"))
    }
}

/// Reads words one after the other.
pub(super) struct Reading<'a> {
    words: std::slice::Iter<'a, String>,
    allowed: &'a AllowedArguments,
    /// What is left of a word of several short options, such as `-vvx`.
    short: Option<&'a str>,
    /// An option whose value may follow it with an equals sign, and did not.
    open: Option<&'a str>,
}

impl<'a> Reading<'a> {
    pub(super) fn of(words: &'a [String], allowed: &'a AllowedArguments) -> Self {
        Self {
            words: words.iter(),
            allowed,
            short: None,
            open: None,
        }
    }

    fn read(&mut self, word: &'a str) -> Result<Given, String> {
        if word.chars().any(char::is_control) {
            return Err(format!(
                "args: {word:?} is refused: it has control characters"
            ));
        }
        let open = self.open.take();
        if word == "--" {
            return Err("args: `--` is refused: name tests in `tests`".to_owned());
        }
        if word.starts_with("--") {
            return self.read_long(word);
        }
        if let Some(letters) = word.strip_prefix('-').filter(|letters| !letters.is_empty()) {
            return self.read_short(letters);
        }
        if let Some(open) = open {
            return Err(format!(
                "args: {word:?} may be meant for {open} or for a test: write {open}={word}, or name \
                 the test in `tests`"
            ));
        }
        Ok(Given::Test(word.to_owned()))
    }

    fn read_long(&mut self, word: &'a str) -> Result<Given, String> {
        let (name, value) = match word.split_once('=') {
            Some((name, value)) => (name, Some(value)),
            None => (word, None),
        };
        let (canonical, takes) = self.look_up(name)?;
        let value = match (takes, value) {
            (Takes::Nothing, Some(_)) => return Err(format!("args: {name} takes no value")),
            (Takes::Nothing, None) => None,
            (Takes::Value(shape) | Takes::Perhaps(shape), Some(value)) => {
                Some((value.to_owned(), shape))
            }
            (Takes::Value(shape), None) => Some((self.following(name)?, shape)),
            (Takes::Perhaps(_), None) => {
                self.open = Some(name);
                None
            }
        };
        let name = canonical;
        Ok(Given::Option(Chosen { name, value }))
    }

    /// The first of several letters; the rest is kept for later.
    fn read_short(&mut self, letters: &'a str) -> Result<Given, String> {
        let mut rest = letters.chars();
        let name = format!("-{}", rest.next().unwrap_or_default());
        let rest = rest.as_str();
        let (canonical, takes) = self.look_up(&name)?;
        let value = match takes {
            Takes::Nothing => {
                self.short = Some(rest).filter(|rest| !rest.is_empty());
                None
            }
            Takes::Value(shape) | Takes::Perhaps(shape) if !rest.is_empty() => {
                Some((rest.strip_prefix('=').unwrap_or(rest).to_owned(), shape))
            }
            Takes::Value(shape) => Some((self.following(&name)?, shape)),
            Takes::Perhaps(_) => None,
        };
        let name = canonical;
        Ok(Given::Option(Chosen { name, value }))
    }

    /// The word after an option that needs a value.
    fn following(&mut self, name: &str) -> Result<String, String> {
        let word = self
            .words
            .next()
            .ok_or_else(|| format!("args: {name} needs a value"))?;
        if word.chars().any(char::is_control) {
            return Err(format!(
                "args: {word:?} is refused: it has control characters"
            ));
        }
        if word.starts_with('-') {
            return Err(format!(
                "args: {name} needs a value; write {name}={word} if {word} is meant as one"
            ));
        }
        Ok(word.clone())
    }

    /// The name that pytest gets, and what follows it.
    fn look_up(&self, name: &str) -> Result<(String, Takes), String> {
        let known = known::find(name);
        let is_named = self.allowed.names(name);
        match known {
            Some(known) => {
                let canonical = known.names.first().copied().unwrap_or_default().to_owned();
                let named = is_named || known.names.iter().any(|name| self.allowed.names(name));
                match known.refused {
                    Some(why) if !named => Err(format!(
                        "args: {name} is refused: {why}; the agent's owner can allow it with \
                         --allow-arg={name}"
                    )),
                    _ => Ok((canonical, known.takes)),
                }
            }
            None if is_named => Ok((name.to_owned(), Takes::Perhaps(Shape::Text))),
            None => Err(format!(
                "args: {name} is refused: it is not among the options that agents take; its owner \
                 can allow it with --allow-arg={name}"
            )),
        }
    }
}

impl Iterator for Reading<'_> {
    type Item = Result<Given, String>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(letters) = self.short.take() {
            return Some(self.read_short(letters));
        }
        let word = self.words.next()?;
        Some(self.read(word))
    }
}
