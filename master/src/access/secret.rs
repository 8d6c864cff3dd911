//! Secrets: made of random bytes, shown once, kept as hashes.

use std::fmt;
use std::str::FromStr;

use super::error::AccessError;

/// Random bytes in a secret.
const SECRET_BYTES: usize = 32;

/// Longest text that can be a secret with what stands before it.
const PRESENTED_BYTES_MAX: usize = 128;

/// A secret in words: hexadecimal digits, so that a double click takes all of it.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Secret(String);

/// A secret as it is stored. Comparing two takes the same time whatever is in them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct SecretHash(blake3::Hash);

impl Secret {
    /// A new one, out of the system's source of random bytes.
    pub(super) fn new() -> Result<Self, AccessError> {
        let mut bytes = [0_u8; SECRET_BYTES];
        getrandom::fill(&mut bytes).map_err(|error| {
            AccessError::Failed(format!("the system gives no random bytes: {error}"))
        })?;
        Ok(Self(blake3::Hash::from_bytes(bytes).to_hex().to_string()))
    }

    pub(super) fn hash(&self) -> SecretHash {
        SecretHash(blake3::hash(self.0.as_bytes()))
    }
}

impl SecretHash {
    pub(super) fn bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// Whether this is what is stored.
    pub(super) fn is(&self, stored: &[u8]) -> bool {
        blake3::Hash::from_slice(stored).is_ok_and(|stored| stored == self.0)
    }
}

/// What a client presents.
#[derive(Clone, PartialEq, Eq)]
pub(super) enum Presented {
    /// `ptp_ID_SECRET`: a token.
    Token { id: i64, secret: Secret },
    /// `pta_SECRET`: what a login gave.
    Access(Secret),
    /// `ptr_SECRET`: what renews a login.
    Refresh(Secret),
}

/// The text is none that was made here.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NotPresentable;

impl FromStr for Presented {
    type Err = NotPresentable;

    fn from_str(text: &str) -> Result<Self, NotPresentable> {
        if text.len() > PRESENTED_BYTES_MAX {
            return Err(NotPresentable);
        }
        let (kind, rest) = text.split_once('_').ok_or(NotPresentable)?;
        match kind {
            "ptp" => {
                let (id, rest) = rest.split_once('_').ok_or(NotPresentable)?;
                let id = id.parse().map_err(|_| NotPresentable)?;
                let secret = secret(rest)?;
                Ok(Self::Token { id, secret })
            }
            "pta" => Ok(Self::Access(secret(rest)?)),
            "ptr" => Ok(Self::Refresh(secret(rest)?)),
            _ => Err(NotPresentable),
        }
    }
}

fn secret(text: &str) -> Result<Secret, NotPresentable> {
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if text.len() == 2 * SECRET_BYTES && text.bytes().all(is_digit) {
        return Ok(Secret(text.to_owned()));
    }
    Err(NotPresentable)
}

impl Presented {
    /// The text to hand out. There is no other way to see a secret.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Token { id, secret } => format!("ptp_{id}_{}", secret.0),
            Self::Access(secret) => format!("pta_{}", secret.0),
            Self::Refresh(secret) => format!("ptr_{}", secret.0),
        }
    }
}

impl fmt::Debug for Presented {
    /// Shows no secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Presented")
    }
}

impl fmt::Debug for Secret {
    /// Shows no secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_handed_out_is_recognised_and_nothing_else() {
        let secret = Secret::new().unwrap();
        for presented in [
            Presented::Token {
                id: 7,
                secret: secret.clone(),
            },
            Presented::Access(secret.clone()),
            Presented::Refresh(secret.clone()),
        ] {
            let text = presented.text();
            assert_eq!(text.parse(), Ok(presented));
            for bad in [&text[1..], &text[..text.len() - 1], &format!("{text}0")] {
                assert_eq!(bad.parse::<Presented>(), Err(NotPresentable), "{bad}");
            }
            assert!(text.to_uppercase().parse::<Presented>().is_err());
        }
        for bad in ["", "ptp", "ptp_", "ptp_1", "ptp_x_", "pta_", "Bearer x"] {
            assert_eq!(bad.parse::<Presented>(), Err(NotPresentable), "{bad}");
        }
    }

    #[test]
    fn no_two_secrets_are_the_same_and_none_can_be_seen_by_accident() {
        let (one, other) = (Secret::new().unwrap(), Secret::new().unwrap());
        assert_ne!(one, other);
        assert!(one.hash().is(one.hash().bytes()));
        assert!(!one.hash().is(other.hash().bytes()));
        assert!(!one.hash().is(b"short"));
        let shown = format!("{one:?} {:?}", Presented::Access(one.clone()));
        assert!(!shown.contains(&one.0), "{shown}");
    }
}
