//! Whole runs, streamed to a master in memory.
