//! The shape of a JSON text, seen before it is parsed: how deep it nests, and how much memory its
//! parts will take. A short text can name very many things.

use shared::limits::{BODY_OBJECTS_MAX, JSON_DEPTH_MAX};

use crate::http::error::ApiError;

/// Memory that one object takes once it is parsed, in bytes: the largest is a case, and a list
/// keeps room to grow.
const OBJECT_BYTES: usize = 600;

/// Memory that one further item of a list takes, in bytes. Fields of objects are counted as well,
/// because both are told by a comma.
const ITEM_BYTES: usize = 48;

/// What a JSON text consists of.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Shape {
    bytes: usize,
    depth: usize,
    objects: usize,
    commas: usize,
}

impl Shape {
    /// Looks at a text, JSON or not, once.
    pub(super) fn of(json: &[u8]) -> Self {
        let mut shape = Self {
            bytes: json.len(),
            ..Self::default()
        };
        let mut depth = 0_usize;
        let mut bytes = json.iter();
        while let Some(byte) = bytes.next() {
            match byte {
                b'"' => skip_string(&mut bytes),
                b',' => shape.commas += 1,
                b'[' | b'{' => {
                    shape.objects += usize::from(*byte == b'{');
                    depth += 1;
                    shape.depth = shape.depth.max(depth);
                }
                b']' | b'}' => depth = depth.saturating_sub(1),
                _ => {}
            }
        }
        shape
    }

    /// Refuses what nests too deep or names too much. The parser itself needs no bound on depth; it
    /// keeps every other program that will ever read the same body out of trouble.
    pub(super) fn check(self) -> Result<Self, ApiError> {
        if self.depth > JSON_DEPTH_MAX {
            let detail = format!("arrays and objects nest deeper than {JSON_DEPTH_MAX}");
            return Err(ApiError::invalid_field(None, detail));
        }
        if self.objects > BODY_OBJECTS_MAX {
            let detail = format!(
                "the body has {} objects, cases and failures together; at most {BODY_OBJECTS_MAX} \
                 are read",
                self.objects
            );
            return Err(ApiError::invalid_field(None, detail));
        }
        Ok(self)
    }

    /// Memory for the text and what becomes of it, in bytes: an estimate from above.
    pub(super) const fn memory_bytes(self) -> usize {
        self.bytes + OBJECT_BYTES * self.objects + ITEM_BYTES * self.commas
    }
}

/// Moves behind the quote that ends a string.
fn skip_string(bytes: &mut std::slice::Iter<'_, u8>) {
    loop {
        match bytes.next() {
            Some(b'\\') => drop(bytes.next()),
            Some(b'"') | None => return,
            Some(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn depth(json: &[u8]) -> usize {
        Shape::of(json).depth
    }

    #[test]
    fn depth_is_counted_outside_of_strings_only() {
        assert_eq!(depth(br#"{"a": [1, [2]]}"#), 3);
        assert_eq!(depth(br#"["[[[[\"[[[[", "]]"]"#), 1);
        assert_eq!(depth(b"[][][][]"), 1);
        assert_eq!(depth(br#"["ends in a backslash \"#), 1);
    }

    #[test]
    fn objects_and_commas_weigh_more_than_their_letters() {
        let shape = Shape::of(br#"[{"a": "{,{,"}, {}, 3]"#);
        assert_eq!((shape.objects, shape.commas), (2, 2));
        assert_eq!(shape.memory_bytes(), 22 + 2 * OBJECT_BYTES + 2 * ITEM_BYTES);
    }

    #[test]
    fn too_many_objects_are_refused_before_they_are_parsed() {
        let many = format!("[{}{{}}]", "{},".repeat(BODY_OBJECTS_MAX));
        let problem = Shape::of(many.as_bytes()).check().unwrap_err().problem("");
        assert_eq!(problem.status, 422);
        assert!(Shape::of(b"[{},{}]").check().is_ok());
    }
}
