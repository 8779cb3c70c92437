//! Everything that needs the outside: one binary, a module per subject.

mod transcripts;
