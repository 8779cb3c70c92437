//! SMTP clients that load a server, servers that stand behind it, and measures of what it costs them: for the load-test
//! suite, the demo and the tests.
//!
//! It talks SMTP to addresses it is given and knows nothing of relaygate's code: what it measures, it measures from
//! outside.
#![forbid(unsafe_code)]

pub mod clients;
pub mod kb_server;
pub mod measure;
pub mod served;
pub mod sink;
