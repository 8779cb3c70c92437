//! Settings: who connects, where, and who serves them.

use super::{HOUR, MOMENT, count, time};
use crate::config::kind::{Count, DomainName, Listener, Network, Time};
use crate::config::setting::DefaultValue::{FoundOut, Is, Nothing};

settings! { "Clients":
    LISTEN: Listener = "listen" many, Is("127.0.0.1:2525"), Listener,
        "Where clients connect, and whom it is for. `profile=mx` (the default) is for anyone, `submission` for users, who authenticate first; who reaches the address of an `inside` one may relay. `tls=starttls` (the default) encrypts when a client asks for it, `implicit` from the first octet, both where there is a certificate. Port 0 lets the system choose one.";
    PROXY_PROTOCOL_FROM: Network = "proxy-protocol-from" many, Nothing, Network,
        "Load balancers that connect for others and say for whom by a PROXY header, v1 or v2, before anything else. Strikes, sanctions and grants go to the client that they name; they themselves are never sanctioned. Without a header they get no session.";
    PROXY_PROTOCOL_TIMEOUT: Time = "proxy-protocol-timeout", Is("5s"), time(MOMENT, HOUR),
        "How long a load balancer may take for its PROXY header.";
    XCLIENT_FROM: Network = "xclient-from" many, Nothing, Network,
        "Hosts that may say by XCLIENT who the client is, and as whom it has logged in; they are believed. Strikes, sanctions and grants go to that client; they themselves are never sanctioned.";
    HOSTNAME: DomainName = "hostname", FoundOut("the system's host name"), DomainName,
        "Our name, in the banner, in the reply to EHLO and towards the backend.";
    WORKERS: Count = "workers", FoundOut("one for each CPU core"), count("threads", 1, 1024),
        "Worker threads, each with a listening socket of its own.";
}
