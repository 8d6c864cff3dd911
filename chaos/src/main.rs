//! Kills, starves and misleads every part on purpose, and counts what was lost.

fn main() {}
