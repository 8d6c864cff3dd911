//! What the plugin tells the worker: one JSON line an event.
