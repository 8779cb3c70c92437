//! Settings: one table for flags, file and environment; parsed once into [`Config`], which cannot be wrong.

pub mod checked;

pub use checked::{BackendAddress, Config};
