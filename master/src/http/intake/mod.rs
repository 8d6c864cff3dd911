//! The way of a body: headers, bytes, decompression, JSON, each step bounded in memory and time.

mod budget;
mod decode;
mod discard;
mod expand;
mod explain;
mod headers;
mod json;
mod receive;
mod shape;
mod surrogates;
mod to_the_end;

pub(super) use budget::Budget;
pub(super) use decode::{Decoded, decode};
pub(super) use discard::discard;
pub(super) use json::{json, json_or_default};
pub(super) use receive::{receive, receive_piece};
pub(super) use to_the_end::to_the_end;
