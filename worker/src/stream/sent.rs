//! What the master was told of each test, as one number.

use std::collections::HashMap;
use std::hash::{DefaultHasher, Hasher};

/// Fingerprints of the cases that are on their way or there, by fingerprint of the nodeid.
///
/// 16 bytes a test. Two nodeids with one fingerprint would be sent once too often; a change that
/// leaves a fingerprint as it was has a chance of one in 2^64.
#[derive(Debug, Default)]
pub(super) struct Sent(HashMap<u64, u64>);

impl Sent {
    /// Whether this is what was sent last of this test.
    pub(super) fn has(&self, nodeid: &str, json: &[u8]) -> bool {
        self.0.get(&fingerprint(nodeid.as_bytes())) == Some(&fingerprint(json))
    }

    /// Whether anything was sent of this test.
    pub(super) fn knows(&self, nodeid: &str) -> bool {
        self.0.contains_key(&fingerprint(nodeid.as_bytes()))
    }

    /// Notes what is sent.
    pub(super) fn note(&mut self, nodeid: &str, json: &[u8]) {
        self.0
            .insert(fingerprint(nodeid.as_bytes()), fingerprint(json));
    }

    /// Tests of which anything was sent.
    pub(super) fn tests(&self) -> usize {
        self.0.len()
    }
}

fn fingerprint(bytes: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(bytes);
    hasher.finish()
}
