//! Tasks of an existing task backend (`--backend-url`), carried out like jobs.
