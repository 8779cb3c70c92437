//! Settings: who connects, where, and who serves them.

use super::count;
use crate::config::kind::{Count, DomainName, Endpoint};
use crate::config::setting::DefaultValue::{FoundOut, Is};

settings! { "Clients":
    LISTEN: Endpoint = "listen" many, Is("127.0.0.1:2525"), Endpoint,
        "Where clients connect. Port 0 lets the system choose one.";
    HOSTNAME: DomainName = "hostname", FoundOut("the system's host name"), DomainName,
        "Our name, in the banner, in the reply to EHLO and towards the backend.";
    WORKERS: Count = "workers", FoundOut("one for each CPU core"), count("threads", 1, 1024),
        "Worker threads, each with a listening socket of its own.";
}
