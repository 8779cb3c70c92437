//! The generators, servers and measures of relaygate's load tests, for its own commands, the demo and the tests.
//!
//! It talks SMTP to addresses it is given and knows nothing of relaygate's code: what it measures, it measures from
//! outside.
#![forbid(unsafe_code)]

pub mod clients;
pub mod handshakes;
pub mod kb_server;
pub mod measure;
pub mod ratio;
pub mod record;
pub mod responder;
pub mod served;
pub mod sink;
