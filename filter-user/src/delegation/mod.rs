//! Postfix's SMTP server asks here what is done with a recipient (SMTPD_POLICY_README): the same judge as for our own
//! sessions decides, with the same strikes. So a Postfix that faces the internet itself gets the relay decision and the
//! kernel's drops by one line in its main.cf. What Postfix says of a client is believed, a login and a certificate
//! included: whoever can reach the listener is trusted as Postfix is.

mod action;
mod listener;
mod request;
mod server;

pub use listener::{PolicyListenError, PolicyListener};
pub use server::Delegation;
