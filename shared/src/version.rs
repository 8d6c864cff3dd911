//! Versions of what crosses a process boundary.

/// Version of the HTTP wire. A change that an older peer would misread raises it.
pub const WIRE_VERSION: u32 = 1;

/// Version of the lines that the plugin writes to the worker.
pub const EVENT_VERSION: u32 = 1;
