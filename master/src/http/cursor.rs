//! Opaque cursors of paged lists, and the `Link` header that carries them.

use axum::http::{HeaderValue, Uri};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::error::ApiError;
use super::parameters::Parameters;

/// A list that pages. Its cursors are of no use for another list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum List {
    /// `GET /results`: the cursor is the id of the last run shown.
    Runs,
    /// `GET /results/{run_id}/cases`: the cursor is a position.
    Cases,
    /// The same, slowest first: the cursor is the position of the last case shown.
    SlowestCases,
    /// `GET /audit`: the cursor is the id of the last entry shown.
    Audit,
    /// `GET /jobs`: the cursor is the id of the last job shown.
    Jobs,
    /// `GET /test_history`: the same, of suites.
    Suites,
}

impl List {
    /// Version and kind of the cursor's content; a change of what it means changes this.
    const fn tag(self) -> &'static str {
        match self {
            Self::Runs => "1r",
            Self::Cases => "1c",
            Self::SlowestCases => "1s",
            Self::Audit => "1a",
            Self::Jobs => "1j",
            Self::Suites => "1t",
        }
    }

    fn write(self, position: u64) -> String {
        URL_SAFE_NO_PAD.encode(format!("{}{position}", self.tag()))
    }

    fn read(self, cursor: &str) -> Option<u64> {
        let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
        let position = std::str::from_utf8(&bytes)
            .ok()?
            .strip_prefix(self.tag())?
            .parse()
            .ok()?;
        // A position that the database cannot count to was not made here.
        i64::try_from(position).is_ok().then_some(position)
    }

    /// The position in the parameter `cursor`, when there is one.
    pub(super) fn position(self, parameters: &Parameters) -> Result<Option<u64>, ApiError> {
        let Some(cursor) = parameters.text("cursor", shared::limits::CURSOR_BYTES_MAX)? else {
            return Ok(None);
        };
        self.read(&cursor).map(Some).ok_or_else(|| {
            let detail = "cursor: not one of this list in this order; take it unchanged out of a Link header";
            ApiError::invalid_parameter("cursor", detail)
        })
    }

    /// The `Link` header that leads from this request to the part behind `position`.
    pub(super) fn link(self, uri: &Uri, position: u64) -> Option<HeaderValue> {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        let given = url::form_urlencoded::parse(uri.query().unwrap_or("").as_bytes());
        query.extend_pairs(given.filter(|(name, _)| name != "cursor"));
        query.append_pair("cursor", &self.write(position));
        let link = format!("<{}?{}>; rel=\"next\"", uri.path(), query.finish());
        HeaderValue::from_str(&link).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::List;

    #[test]
    fn a_cursor_is_read_back_by_its_own_list_only() {
        for position in [0, 1, i64::MAX as u64] {
            let cursor = List::Runs.write(position);
            assert_eq!(List::Runs.read(&cursor), Some(position));
            assert_eq!(List::Cases.read(&cursor), None);
            assert_eq!(List::SlowestCases.read(&List::Cases.write(position)), None);
        }
        for nonsense in ["", "x", "1r5", "MXIt", "AAAA", &List::Runs.write(u64::MAX)] {
            assert_eq!(List::Runs.read(nonsense), None, "{nonsense}");
        }
    }

    #[test]
    fn a_link_keeps_the_filters_and_replaces_the_cursor() {
        let uri = "/results?project=a%26b&cursor=old&limit=2".parse().unwrap();
        let link = List::Runs.link(&uri, 7).unwrap();
        assert_eq!(
            link,
            "</results?project=a%26b&limit=2&cursor=MXI3>; rel=\"next\""
        );
    }
}
