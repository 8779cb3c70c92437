//! Sockets, sessions and the backend: drives the core. Introduces `smtp` to `policy`: a session's question is put to
//! the policy and the directory here, and to the backend where it may pass. Knows the enforcer as a trait alone.

mod acceptor;
mod authentication;
mod away;
mod backend;
mod backend_error;
mod backend_login;
mod capabilities;
mod clock;
mod data_pump;
mod delivery;
mod destination;
mod dial;
mod driver;
mod ended;
mod envelope;
mod event_loop;
mod handshake;
mod introduction;
mod listener;
mod mailbox;
mod offer;
mod own_listeners;
mod pass_through;
mod proxy_header;
mod reply_reader;
mod report;
mod seat;
mod sessions;
mod shared;
mod strike;
mod tls;
mod true_address;
mod turn;
mod wire;
mod worker;
mod workers;

pub use backend::BackendSettings;
pub use backend_error::BackendError;
pub use destination::{
    Credentials, CredentialsError, DestinationHosts, DestinationSettings, Destinations, MailExchangeError,
    MailExchanges,
};
pub use dial::may_be_transparent;
pub use listener::ListenError;
pub use own_listeners::OwnListeners;
pub use shared::{ProxySettings, Shared};
pub use tls::{ClientTls, ServerTls, TlsError};
pub use workers::{Listening, Workers};
