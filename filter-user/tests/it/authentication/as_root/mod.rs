//! What needs root: Dovecot and Postfix, which run as several users, and the kernel's maps.

mod clients;
mod dovecot_protocol;
mod kernel;
