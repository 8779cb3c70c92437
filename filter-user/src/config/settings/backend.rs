//! Settings: the mail server behind, and its time-outs.

use super::{HOUR, MOMENT, time};
use crate::config::TlsLevel;
use crate::config::kind::{Backend, Choice, File, Time, Truth};
use crate::config::setting::DefaultValue::{Is, Nothing, Required};

settings! { "Backend":
    BACKEND: Backend = "backend", Required, Backend,
        "The mail server behind relaygate. `sink:` is a built-in one that counts and throws away, for trying out.";
    BACKEND_PROXY_PROTOCOL: Truth = "backend-proxy-protocol", Is("false"), Truth,
        "Tell the backend the client's address by a PROXY v2 header. XCLIENT is used where the backend offers it, whatever this says.";
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
        "How long the backend may take to accept the connection and say its banner.";
    BACKEND_REPLY_TIMEOUT: Time = "backend-reply-timeout", Is("60s"), time(MOMENT, HOUR),
        "How long the backend may take for each reply before the message.";
    BACKEND_FINAL_TIMEOUT: Time = "backend-final-timeout", Is("10m"), time(MOMENT, HOUR),
        "How long the backend may take for the reply after the final dot. RFC 5321 section 4.5.3.2.6 asks for 10 minutes: a shorter one risks that a message is delivered twice.";
}
