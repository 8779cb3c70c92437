//! Authentication: SASL's server side, and who knows the logins: a password file, or Dovecot. Says who a client has
//! proven to be; what follows from that, `policy` decides. Speaks no SMTP: what it says and hears is base64, as it
//! stands behind `334` and in the client's lines.

mod authenticator;
mod claim;
mod credentials;
mod dovecot;
mod exchange;
mod facts;
pub mod password_file;
mod scram;

pub use authenticator::{Authenticator, Reloaded};
pub use claim::Claim;
pub use exchange::{Exchange, Step};
pub use facts::{ChannelBinding, ExchangeFacts};
pub use password_file::{PasswordFile, PasswordFileError};
