//! The SMTP server's side of a session, without any I/O (RFC 5321): bytes and instants in, replies and questions out.
//! Does not know who may relay: it asks, and parks until it is answered. See [`Session`].

mod auth;
mod block;
pub mod command;
pub mod data;
pub mod deadline;
pub mod foreign;
pub mod limits;
pub mod line;
pub mod offered;
pub mod order;
mod parameter;
pub mod question;
pub mod reply;
pub mod service;
pub mod session;
pub mod xclient;
pub mod xtext;

pub use command::Command;
pub use deadline::Deadlines;
pub use limits::{BareNewline, BoundsReached, Limits};
pub use offered::{AuthOffer, Offered, TlsOffer};
pub use question::{Answer, AuthCommand, BackendReply, Hello, MailCommand, Question, RcptCommand, Said};
pub use reply::Reply;
pub use service::Service;
pub use session::{CloseReason, DataHandled, Handled, Next, Offence, Piece, Session};
pub use xclient::{Told, XclientCommand};
