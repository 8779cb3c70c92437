//! Settings: how clients authenticate.

use std::time::Duration;

use super::{DAY, HOUR, MOMENT, count, time};
use crate::config::kind::{Count, Knower, MechanismName, Network, Time};
use crate::config::setting::DefaultValue::{FoundOut, Is, Nothing};

settings! { "Authentication":
    AUTH: Knower = "auth" many, Nothing, Knower,
        "Who knows the logins that may authenticate. Asked in this order: a password file (`relaygate passwd` writes it; read again at SIGHUP), Dovecot's authentication service, or, alone, the mail server behind, whose answer to AUTH is believed. Without it AUTH is not offered.";
    AUTH_MECHANISM: MechanismName = "auth-mechanism" many, FoundOut("SCRAM-SHA-256-PLUS, SCRAM-SHA-256, OAUTHBEARER, XOAUTH2, PLAIN and LOGIN, as far as auth has them"), MechanismName,
        "A mechanism that may be offered. One that nobody in auth has is not.";
    AUTH_WITHOUT_TLS: Network = "auth-without-tls" many, Nothing, Network,
        "From where AUTH is taken without TLS. Who listens between reads the passwords.";
    AUTH_FAILURE_DELAY: Time = "auth-failure-delay", Is("2s"), time(Duration::ZERO, Duration::from_secs(60)),
        "How long a client whose AUTH has failed waits for the reply.";
    MAX_AUTH_ATTEMPTS: Count = "max-auth-attempts", Is("3"), count("attempts", 1, 1000),
        "Failed attempts to authenticate in one session, after which it ends. Each is a strike too.";
    MAX_AUTH_ATTEMPTS_PER_PEER: Count = "max-auth-attempts-per-peer", Is("100"), count("attempts", 1, 1_000_000),
        "Failed attempts to authenticate of one peer, of which one is forgotten every strike-decay. Beyond them it is told to try later, and nobody is asked; this holds also where it earns no strikes.";
    AUTHENTICATED_FOR: Time = "authenticated-for", Is("1h"), time(MOMENT, DAY),
        "How long a host counts as authenticated after its last success, so that it is never sanctioned.";
    AUTH_TIMEOUT: Time = "auth-timeout", Is("30s"), time(MOMENT, HOUR),
        "How long whoever knows the logins may take for each word; then the client is told to try later. Dovecot lets an address that has failed often wait up to 17 s.";
}
