//! Passwords: hashed by Argon2id, which is slow on purpose and takes memory; so only a few at a time.

use std::sync::{Arc, LazyLock};

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use shared::limits::PASSWORD_BYTES_MAX;
use shared::validate::Invalid;
use tokio::sync::Semaphore;

use super::error::AccessError;

/// Passwords that are hashed at a time: each takes 19 MiB and a core for about 20 ms.
const HASHED_AT_ONCE: usize = 2;

/// Passwords that may wait for their turn.
const WAITING_MAX: usize = 32;

/// Shortest password that is taken, in characters.
pub const PASSWORD_CHARACTERS_MIN: usize = 8;

/// The hash of nobody's password: an unknown name takes as long as a known one.
static NOBODYS: LazyLock<String> = LazyLock::new(|| hashed("nobody's").unwrap_or_default());

/// Hashes passwords, a few at a time. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Passwords {
    turns: Arc<Semaphore>,
    places: Arc<Semaphore>,
}

impl Default for Passwords {
    fn default() -> Self {
        Self {
            turns: Arc::new(Semaphore::new(HASHED_AT_ONCE)),
            places: Arc::new(Semaphore::new(HASHED_AT_ONCE + WAITING_MAX)),
        }
    }
}

impl Passwords {
    /// Whether a password is the one that was hashed; without a hash, it is not, after as long a
    /// time.
    pub(super) async fn is(
        &self,
        password: String,
        stored: Option<String>,
    ) -> Result<bool, AccessError> {
        let work = move || {
            let is_known = stored.is_some();
            let stored = stored.unwrap_or_else(|| NOBODYS.clone());
            let hash = PasswordHash::new(&stored)
                .map_err(|error| AccessError::Failed(format!("stored password: {error}")))?;
            let verified = Argon2::default().verify_password(password.as_bytes(), &hash);
            Ok(verified.is_ok() && is_known)
        };
        let _place = self.places.try_acquire().map_err(|_| AccessError::Busy)?;
        let turn = Arc::clone(&self.turns).acquire_owned().await;
        let turn = turn.map_err(|_| AccessError::Busy)?;
        let work = move || {
            // Kept to the end of the work, also when nobody waits for it any more.
            let _turn = turn;
            work()
        };
        tokio::task::spawn_blocking(work)
            .await
            .map_err(|panic| AccessError::Failed(panic.to_string()))?
    }
}

/// Refuses a password that cannot be one.
pub(super) fn check(password: &str) -> Result<(), Invalid> {
    if password.chars().count() < PASSWORD_CHARACTERS_MIN {
        let reason = format!("must have at least {PASSWORD_CHARACTERS_MIN} characters");
        return Err(Invalid::new("password", reason));
    }
    if password.len() > PASSWORD_BYTES_MAX {
        let reason = format!("must have at most {PASSWORD_BYTES_MAX} bytes");
        return Err(Invalid::new("password", reason));
    }
    if password.chars().any(char::is_control) {
        let reason = "must not contain control characters, such as a line break";
        return Err(Invalid::new("password", reason));
    }
    Ok(())
}

/// What is stored of a password: its hash with a salt and the parameters.
pub(super) fn hashed(password: &str) -> Result<String, AccessError> {
    let hash: PasswordHash = Argon2::default()
        .hash_password(password.as_bytes())
        .map_err(|error| AccessError::Failed(format!("the password cannot be hashed: {error}")))?;
    Ok(hash.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_is_recognised_and_its_hash_says_how_it_was_made() {
        let stored = hashed("correct horse").unwrap();
        assert!(
            stored.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{stored}"
        );
        assert_ne!(stored, hashed("correct horse").unwrap());
        let passwords = Passwords::default();
        let is = |password: &str, stored: Option<&String>| {
            passwords.is(password.to_owned(), stored.cloned())
        };
        assert!(is("correct horse", Some(&stored)).await.unwrap());
        assert!(!is("correct horsf", Some(&stored)).await.unwrap());
        assert!(!is("nobody's", None).await.unwrap());
    }

    #[tokio::test]
    async fn only_so_many_passwords_wait() {
        let passwords = Passwords::default();
        let stored = hashed("correct horse").unwrap();
        let all: Vec<_> = (0..100)
            .map(|_| {
                let (passwords, stored) = (passwords.clone(), stored.clone());
                tokio::spawn(async move { passwords.is("x".into(), Some(stored)).await })
            })
            .collect();
        let mut refused = 0;
        for one in all {
            refused += usize::from(matches!(one.await.unwrap(), Err(AccessError::Busy)));
        }
        assert_eq!(refused, 100 - HASHED_AT_ONCE - WAITING_MAX);
    }

    #[test]
    fn a_password_that_nobody_can_type_is_refused() {
        for bad in ["short", "with\nline", &"x".repeat(PASSWORD_BYTES_MAX + 1)] {
            assert_eq!(check(bad).unwrap_err().field, "password", "{bad}");
        }
        assert!(check("äöüäöüäö").is_ok());
    }
}
