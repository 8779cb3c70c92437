//! Settings: the mail servers behind, how they are told of the client, and their time-outs.

use std::time::Duration;

use super::{HOUR, MOMENT, time};
use crate::config::kind::{Backend, Choice, File, Time};
use crate::config::setting::DefaultValue::{Is, Nothing, Required};
use crate::config::{ClientAddress, TlsLevel};

settings! { "Backend":
    BACKEND: Backend = "backend" many, Required, Backend,
        "The mail server behind relaygate. Of several, the first that is up is used; one that cannot be reached is passed over and probed until it can be again. `sink:` is a built-in one that counts and throws away, for trying out.";
    BACKEND_CLIENT_ADDRESS: Choice<ClientAddress> = "backend-client-address", Is("xclient"),
        Choice {
            placeholder: "HOW",
            words: &["xclient", "proxy", "transparent", "none"],
            values: &[ClientAddress::Xclient, ClientAddress::Proxy, ClientAddress::Transparent, ClientAddress::None],
        },
        "How the backend learns the client's address. By XCLIENT where it offers that (`xclient`), by a PROXY v2 header (`proxy`), by connections that come from the client's own address (`transparent`, which needs CAP_NET_RAW and the routing of docs/transparent.md), or not at all (`none`).";
    BACKEND_PROBE_INTERVAL: Time = "backend-probe-interval", Is("5s"), time(Duration::from_millis(10), HOUR),
        "How often a backend that is down is probed. One that is up is asked every twelfth time what it can do.";
    BACKEND_TLS: Choice<TlsLevel> = "backend-tls", Is("none"),
        Choice {
            placeholder: "LEVEL",
            words: &["none", "may", "encrypt", "verify"],
            values: &[TlsLevel::None, TlsLevel::May, TlsLevel::Encrypt, TlsLevel::Verify],
        },
        "How much the connection to the backend is encrypted (STARTTLS). Not at all (`none`), where the backend offers it and it works (`may`), always but with any certificate (`encrypt`), or always and the certificate must be one of the backend's name (`verify`).";
    BACKEND_TLS_CA: File = "backend-tls-ca", Nothing, File,
        "A PEM file of the authorities that may have signed the backend's certificate, in place of the system's. For `verify`.";
    BACKEND_DIAL_TIMEOUT: Time = "backend-dial-timeout", Is("5s"), time(MOMENT, HOUR),
        "How long a backend may take to accept the connection and say its banner.";
    BACKEND_REPLY_TIMEOUT: Time = "backend-reply-timeout", Is("60s"), time(MOMENT, HOUR),
        "How long a backend may take for each reply before the message.";
    BACKEND_FINAL_TIMEOUT: Time = "backend-final-timeout", Is("10m"), time(MOMENT, HOUR),
        "How long a backend may take for the reply after the final dot. RFC 5321 section 4.5.3.2.6 asks for 10 minutes: a shorter one risks that a message is delivered twice.";
}
