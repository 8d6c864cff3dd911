//! Short names for long contents.

/// 16 bytes of BLAKE3: no two contents in any database will ever share one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Hash16(pub(crate) [u8; 16]);

impl Hash16 {
    /// Stands for a content that has no hash yet. No content has this one.
    pub(crate) const NONE: Self = Self([0; 16]);

    /// The hash of some bytes.
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self::from(blake3::hash(bytes))
    }

    /// The bytes, to bind.
    pub(crate) const fn bytes(&self) -> &[u8] {
        &self.0
    }

    /// A hash as it was read back.
    pub(crate) fn from_stored(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

impl From<blake3::Hash> for Hash16 {
    fn from(hash: blake3::Hash) -> Self {
        let mut short = [0; 16];
        short.copy_from_slice(&hash.as_bytes()[..16]);
        Self(short)
    }
}
