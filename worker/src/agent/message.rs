//! A message to a process that has just been started, on its standard input.
//!
//! What comes this way is on no command line and in no environment. Of what follows, nothing is read.

use std::io::{self, Read, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;

/// Longest message: a job with as many variables as it may have, and then some.
const MESSAGE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Digits of its length, which comes first.
const LENGTH_DIGITS: usize = 8;

/// Writes one.
pub fn send(message: &impl Serialize, to: &mut impl Write) -> io::Result<()> {
    let json = serde_json::to_vec(message)?;
    write!(to, "{:0LENGTH_DIGITS$x}", json.len())?;
    to.write_all(&json)?;
    to.flush()
}

/// Reads one from standard input.
pub fn receive<T: DeserializeOwned>() -> io::Result<T> {
    receive_from(&mut Unbuffered)
}

fn receive_from<T: DeserializeOwned>(from: &mut impl Read) -> io::Result<T> {
    let mut digits = [0; LENGTH_DIGITS];
    from.read_exact(&mut digits)?;
    let length = std::str::from_utf8(&digits).ok();
    let length = length.and_then(|digits| usize::from_str_radix(digits, 16).ok());
    let length = length.filter(|length| *length <= MESSAGE_BYTES_MAX);
    let mut json = vec![0; length.ok_or(io::ErrorKind::InvalidData)?];
    from.read_exact(&mut json)?;
    Ok(serde_json::from_slice(&json)?)
}

/// Standard input, of which nothing is read ahead.
struct Unbuffered;

impl Read for Unbuffered {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::io::read(rustix::stdio::stdin(), buffer)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_arrives_and_what_follows_is_left_for_others() {
        let sent = vec!["a\nb".to_owned(), "käse".to_owned()];
        let mut bytes = Vec::new();
        send(&sent, &mut bytes).unwrap();
        bytes.extend_from_slice(b"until 7\n");
        let mut from = bytes.as_slice();
        assert_eq!(receive_from::<Vec<String>>(&mut from).unwrap(), sent);
        assert_eq!(from, b"until 7\n");
        for bad in ["zzzzzzzz{}", "ffffffff", "0000", "00000002{"] {
            assert!(receive_from::<Vec<String>>(&mut bad.as_bytes()).is_err());
        }
    }
}
