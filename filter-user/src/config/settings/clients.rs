//! Settings: who connects, where, and who serves them.

use super::count;
use crate::config::kind::{Count, DomainName, Listener};
use crate::config::setting::DefaultValue::{FoundOut, Is};

settings! { "Clients":
    LISTEN: Listener = "listen" many, Is("127.0.0.1:2525"), Listener,
        "Where clients connect, and whom it is for. `profile=mx` (the default) is for anyone, `submission` for users, who authenticate first; who reaches the address of an `inside` one may relay. `tls=starttls` (the default) encrypts when a client asks for it, `implicit` from the first octet, both where there is a certificate. Port 0 lets the system choose one.";
    HOSTNAME: DomainName = "hostname", FoundOut("the system's host name"), DomainName,
        "Our name, in the banner, in the reply to EHLO and towards the backend.";
    WORKERS: Count = "workers", FoundOut("one for each CPU core"), count("threads", 1, 1024),
        "Worker threads, each with a listening socket of its own.";
}
