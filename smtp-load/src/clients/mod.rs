//! The clients: floods of refused sessions, honest mail, and a forged-sender spam run. They only ever connect to the
//! address they are given.

mod any_server;
mod connection;
pub mod crowd;
mod honest;
mod refused;
mod reply_scanner;
mod spam;

pub use any_server::trust_anyone;
pub use connection::{Connection, ConnectionError, Reply};
pub use honest::{HonestMail, HonestOutcome, message_text};
pub use refused::{RefusedOutcome, RefusedSessions};
pub use reply_scanner::ReplyScanner;
pub use spam::{SpamOutcome, SpamRun};
