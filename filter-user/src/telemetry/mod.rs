//! Metrics, log fields and logs: all names in one place. Knows no other module of ours.
