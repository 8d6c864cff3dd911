//! Whole numbers in as many bytes as they need: seven bits a byte, the lowest first.

use super::ColumnsError;

/// Appends a number.
pub(super) fn put(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

/// Appends a number that may be absent: 0 is absent, everything else moves up by one.
pub(super) fn put_optional(bytes: &mut Vec<u8>, value: Option<u64>) {
    put(bytes, value.map_or(0, |value| value.saturating_add(1)));
}

/// Appends a text with its length before it.
pub(super) fn put_text(bytes: &mut Vec<u8>, text: &str) {
    put(bytes, text.len() as u64);
    bytes.extend_from_slice(text.as_bytes());
}

/// Folds the sign into the lowest bit, so that small negative numbers stay short.
pub(super) const fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)) as u64
}

/// The inverse of [`zigzag`].
pub(super) const fn unzigzag(value: u64) -> i64 {
    (value >> 1) as i64 ^ -((value & 1) as i64)
}

/// Reads what the functions above wrote.
pub(super) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(super) const fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    pub(super) fn byte(&mut self) -> Result<u8, ColumnsError> {
        let (first, rest) = self.rest.split_first().ok_or(ColumnsError::Short)?;
        self.rest = rest;
        Ok(*first)
    }

    pub(super) fn number(&mut self) -> Result<u64, ColumnsError> {
        let mut value = 0u64;
        for shift in (0..64).step_by(7) {
            let byte = self.byte()?;
            if shift == 63 && byte > 1 {
                return Err(ColumnsError::Impossible("number"));
            }
            value |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok(value);
            }
        }
        Err(ColumnsError::Impossible("number"))
    }

    pub(super) fn small(&mut self) -> Result<u32, ColumnsError> {
        u32::try_from(self.number()?).map_err(|_| ColumnsError::Impossible("number"))
    }

    pub(super) fn optional(&mut self) -> Result<Option<u64>, ColumnsError> {
        Ok(self.number()?.checked_sub(1))
    }

    pub(super) fn bytes(&mut self, length: usize) -> Result<&'a [u8], ColumnsError> {
        let (bytes, rest) = self
            .rest
            .split_at_checked(length)
            .ok_or(ColumnsError::Short)?;
        self.rest = rest;
        Ok(bytes)
    }

    pub(super) fn text(&mut self) -> Result<&'a str, ColumnsError> {
        let length = self.number()?;
        let bytes = self.bytes(usize::try_from(length).map_err(|_| ColumnsError::Short)?)?;
        std::str::from_utf8(bytes).map_err(|_| ColumnsError::Impossible("text"))
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_read_back(values in proptest::collection::vec(any::<u64>(), 0..50)) {
            let mut bytes = Vec::new();
            for value in &values {
                put(&mut bytes, *value);
            }
            let mut reader = Reader::new(&bytes);
            for value in values {
                prop_assert_eq!(reader.number(), Ok(value));
            }
            prop_assert!(reader.is_empty());
        }

        #[test]
        fn signs_fold_and_unfold(value in any::<i64>()) {
            prop_assert_eq!(unzigzag(zigzag(value)), value);
        }

        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..30)) {
            let mut reader = Reader::new(&bytes);
            while reader.number().is_ok() {}
            let _ = Reader::new(&bytes).text();
        }
    }
}
