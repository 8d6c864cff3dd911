//! Names of folders, for any run id.

use std::hash::{BuildHasher, RandomState};

/// Most characters of the id that are in the name; the system allows 255 bytes.
const ID_CHARACTERS_MAX: usize = 100;

/// A name for the folder of this run; an id may have any printable character. A random part keeps
/// two runs apart whose ids look alike, or are alike by mistake.
pub(super) fn folder(run_id: &str) -> String {
    let safe = |c: char| {
        if c.is_ascii_alphanumeric() || c == '-' {
            c
        } else {
            '_'
        }
    };
    let id: String = run_id.chars().take(ID_CHARACTERS_MAX).map(safe).collect();
    let random = RandomState::new().hash_one(run_id) as u32;
    format!("{id}-{random:08x}")
}

#[cfg(test)]
mod tests {
    use super::folder;

    #[test]
    fn an_id_cannot_lead_out_of_the_folder() {
        let name = folder("../../etc/passwd");
        assert!(name.starts_with("______etc_passwd-"), "{name}");
        assert!(folder(&"é".repeat(200)).len() <= 255);
    }

    #[test]
    fn runs_whose_ids_look_alike_do_not_meet() {
        assert_ne!(folder("a b"), folder("a/b"));
        assert_ne!(folder("same"), folder("same"));
    }
}
