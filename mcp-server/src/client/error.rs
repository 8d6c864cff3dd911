//! Why the master gave no answer, in words that say what to do next.

/// A question that got no usable answer.
#[derive(Debug, thiserror::Error)]
pub enum MasterError {
    /// The address is no address.
    #[error(
        "`{url}` is no usable master URL ({reason}); set MASTER_URL to something like http://localhost:8080"
    )]
    BadUrl {
        /// What was given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// Nothing answered there.
    #[error(
        "no master answers at {url} ({reason}); start one with `pytest-platform-master` or set MASTER_URL to the address of a running one"
    )]
    Unreachable {
        /// The whole URL that was tried.
        url: String,
        /// Why, in the network's words.
        reason: String,
    },
    /// It did not answer in time.
    #[error(
        "the master did not answer {url} within {seconds} s; it may be overloaded, so try again or ask for less"
    )]
    Slow {
        /// The whole URL that was tried.
        url: String,
        /// How long was waited.
        seconds: u64,
    },
    /// It wants a token, or another one.
    #[error(
        "the master at {url} refused the token ({status}); set MASTER_TOKEN to a token with the scope `read`"
    )]
    Unauthorized {
        /// The whole URL that was tried.
        url: String,
        /// 401 or 403.
        status: u16,
    },
    /// It has no such thing.
    #[error("{detail}")]
    NotFound {
        /// The master's words.
        detail: String,
    },
    /// It understood and refused, or failed.
    #[error("the master answered {status} to {url}: {detail}")]
    Refused {
        /// The whole URL that was tried.
        url: String,
        /// Its status.
        status: u16,
        /// The master's words.
        detail: String,
    },
    /// What answers there speaks another language.
    #[error(
        "what answers at {url} does not speak like a master of this version ({reason}); check MASTER_URL"
    )]
    Strange {
        /// The whole URL that was tried.
        url: String,
        /// What could not be read.
        reason: String,
    },
}

impl MasterError {
    /// Reads the reason out of an error of the HTTP library, without the URL that it repeats.
    pub(super) fn from_transport(url: &str, error: reqwest::Error) -> Self {
        if error.is_timeout() && !error.is_connect() {
            return Self::Slow {
                url: url.to_owned(),
                seconds: crate::limits::MASTER_ANSWER_MS / 1000,
            };
        }
        let error = error.without_url();
        let mut deepest: &dyn std::error::Error = &error;
        while let Some(source) = deepest.source() {
            deepest = source;
        }
        let reason = deepest.to_string();
        if error.is_decode() || error.is_body() {
            return Self::Strange {
                url: url.to_owned(),
                reason,
            };
        }
        Self::Unreachable {
            url: url.to_owned(),
            reason,
        }
    }
}
