//! The clients: floods of refused sessions, honest mail, and a forged-sender spam run. They only ever connect to the
//! address they are given.

mod connection;
mod honest;
mod refused;
mod reply_scanner;
mod spam;

pub use connection::{Connection, ConnectionError, Reply};
pub use honest::{HonestMail, HonestOutcome};
pub use refused::{RefusedOutcome, RefusedSessions};
pub use reply_scanner::ReplyScanner;
pub use spam::{SpamOutcome, SpamRun};
