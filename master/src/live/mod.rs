//! What happens now: the feed of events behind `GET /events`.

mod event;
mod feed;
mod listener;
mod telling;

pub(crate) use event::Event;
pub use feed::{Feed, FeedTask};
