//! Who may authenticate, asked of real components.

mod dovecot_protocol;
mod passwd;
