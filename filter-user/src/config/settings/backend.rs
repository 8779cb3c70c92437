//! Settings: the mail server behind, and its time-outs.

use super::{HOUR, MOMENT, time};
use crate::config::kind::{Backend, Time, Truth};
use crate::config::setting::DefaultValue::{Is, Required};

settings! { "Backend":
    BACKEND: Backend = "backend", Required, Backend,
        "The mail server behind relaygate. `sink:` is a built-in one that counts and throws away, for trying out.";
    BACKEND_PROXY_PROTOCOL: Truth = "backend-proxy-protocol", Is("false"), Truth,
        "Tell the backend the client's address by a PROXY v2 header. XCLIENT is used where the backend offers it, whatever this says.";
    BACKEND_DIAL_TIMEOUT: Time = "backend-dial-timeout", Is("5s"), time(MOMENT, HOUR),
        "How long the backend may take to accept the connection and say its banner.";
    BACKEND_REPLY_TIMEOUT: Time = "backend-reply-timeout", Is("60s"), time(MOMENT, HOUR),
        "How long the backend may take for each reply before the message.";
    BACKEND_FINAL_TIMEOUT: Time = "backend-final-timeout", Is("10m"), time(MOMENT, HOUR),
        "How long the backend may take for the reply after the final dot. RFC 5321 section 4.5.3.2.6 asks for 10 minutes: a shorter one risks that a message is delivered twice.";
}
