//! The values that the labels of metrics take: each label is an enum, so a counter is found by its index, not its
//! name. Shell modules turn the core's facts into these by a `match` that lists them all.

/// The values of one label.
pub trait Label: Copy + 'static {
    /// All values, in the order of `index`.
    const NAMES: &'static [&'static str];
    /// The place of this value in `NAMES`.
    fn index(self) -> usize;
}

/// Makes an enum and its names.
macro_rules! label {
    ($(#[$doc:meta])* $label:ident { $($(#[$value_doc:meta])* $value:ident = $name:literal,)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum $label { $($(#[$value_doc])* $value,)* }

        impl Label for $label {
            const NAMES: &'static [&'static str] = &[$($name),*];

            fn index(self) -> usize {
                self as usize
            }
        }
    };
}

label! {
    /// Why a connection was refused as soon as it was accepted.
    SessionRefusal {
        /// The peer is blocked.
        Blocked = "blocked",
        /// The peer is limited and came beyond its rate.
        Limited = "limited",
        /// `max-sessions` are open.
        MaxSessions = "max_sessions",
        /// The peer has `max-sessions-per-peer` open.
        MaxSessionsPerPeer = "max_sessions_per_peer",
    }
}

label! {
    /// Why a session ended.
    SessionEnd {
        /// QUIT.
        Quit = "quit",
        /// It talked before the banner.
        EarlyTalker = "early_talker",
        /// It spoke another protocol.
        NotSmtp = "not_smtp",
        /// A bare CR or LF in a command.
        BareNewline = "bare_newline",
        /// A line without an end.
        LineTooLong = "line_too_long",
        /// `max-errors`.
        TooManyErrors = "too_many_errors",
        /// `max-commands`.
        TooManyCommands = "too_many_commands",
        /// It failed to authenticate as often as it may.
        TooManyAuthAttempts = "too_many_auth_attempts",
        /// `max-unknown-recipients`.
        TooManyUnknownRecipients = "too_many_unknown_recipients",
        /// It went on in the clear behind STARTTLS.
        TalkBeforeTls = "talk_before_tls",
        /// It took too long.
        TimedOut = "timed_out",
        /// We or the backend said 421.
        ServiceUnavailable = "service_unavailable",
        /// The peer went away.
        PeerClosed = "peer_closed",
        /// The TLS handshake failed.
        TlsFailed = "tls_failed",
        /// Its peer was blocked meanwhile.
        Sanctioned = "sanctioned",
        /// A load balancer did not say for whom it connected.
        NoHeader = "no_header",
        /// The client that a load balancer or a listed host connected for may have no session, or was not named.
        TurnedAway = "turned_away",
        /// The daemon stopped.
        Drained = "drained",
    }
}

label! {
    /// What was wrong with a load balancer's PROXY header.
    HeaderRefusal {
        /// Something else came.
        Missing = "missing",
        /// It never ended.
        TooLong = "too_long",
        /// It contradicted itself, or named no TCP client.
        Malformed = "malformed",
        /// The connection ended in the middle of it.
        Truncated = "truncated",
        /// `proxy-protocol-timeout`.
        TimedOut = "timed_out",
    }
}

label! {
    /// What became of a recipient.
    RecipientOutcome {
        /// Local, and taken.
        Routed = "routed",
        /// Not local, and taken under a grant.
        Relayed = "relayed",
        /// Relaying is prohibited.
        Prohibited = "prohibited",
        /// Relaying by an address inside an address is prohibited.
        Disguised = "disguised",
        /// The routing table has an answer for its domain.
        Answered = "answered",
        /// The directory does not know it.
        UnknownRecipient = "unknown_recipient",
        /// The directory or the backend could not say.
        TryLater = "try_later",
        /// The policy let it pass and the backend refused it.
        RefusedByBackend = "refused_by_backend",
    }
}

label! {
    /// The mechanisms that an attempt to authenticate was made by.
    AuthMechanism {
        /// PLAIN (RFC 4616).
        Plain = "PLAIN",
        /// LOGIN.
        Login = "LOGIN",
        /// SCRAM-SHA-256 (RFC 7677).
        ScramSha256 = "SCRAM-SHA-256",
        /// The same, bound to its TLS connection.
        ScramSha256Plus = "SCRAM-SHA-256-PLUS",
        /// OAUTHBEARER (RFC 7628).
        Oauthbearer = "OAUTHBEARER",
        /// XOAUTH2.
        Xoauth2 = "XOAUTH2",
        /// Another one.
        Other = "other",
    }
}

label! {
    /// How an attempt to authenticate ended.
    AuthOutcome {
        /// The client is who it claimed to be.
        Ok = "ok",
        /// It is not.
        Failed = "failed",
        /// It said what is no response.
        Malformed = "malformed",
        /// Nobody could say.
        Unavailable = "unavailable",
        /// The client gave up.
        Cancelled = "cancelled",
    }
}

label! {
    /// The kinds of strikes.
    StrikeKind {
        /// Tried to relay.
        RelayAttempt = "relay_attempt",
        /// Tried to relay by an address inside an address.
        DisguisedRelayAttempt = "disguised_relay_attempt",
        /// Harvesting.
        UnknownRecipient = "unknown_recipient",
        /// Failed to authenticate.
        FailedAuth = "failed_auth",
        /// Broke the protocol.
        ProtocolAbuse = "protocol_abuse",
    }
}

label! {
    /// The kinds of sanctions.
    SanctionKind {
        /// Connections at a rate.
        Limited = "limited",
        /// Nothing.
        Blocked = "blocked",
    }
}

label! {
    /// What a host is in the kernel's table for.
    HostKind {
        /// Connections at a rate.
        Limited = "limited",
        /// Nothing.
        Blocked = "blocked",
        /// It is exempt from both.
        Authenticated = "authenticated",
    }
}

label! {
    /// Which side of the kernel's table is meant.
    HostState {
        /// What this process wants to stand in it.
        Wanted = "wanted",
        /// What stands in it.
        Installed = "installed",
    }
}

label! {
    /// What became of a message.
    MessageOutcome {
        /// The backend took it.
        Accepted = "accepted",
        /// The backend, or a bound of ours, refused it.
        Refused = "refused",
        /// The backend or the peer went away before it was whole; nothing was taken.
        Lost = "lost",
    }
}

label! {
    /// What was wrong with the backend.
    BackendFailure {
        /// No address was found for its name.
        Unresolved = "unresolved",
        /// It could not be connected to.
        Unreachable = "unreachable",
        /// It took too long to connect or to reply.
        TimedOut = "timed_out",
        /// It closed the connection.
        Closed = "closed",
        /// It did not speak SMTP.
        Garbage = "garbage",
        /// No TLS with it, where backend-tls asks for it.
        Tls = "tls",
        /// It refused the session: its banner, our EHLO or XCLIENT.
        Refused = "refused",
    }
}

label! {
    /// How a TLS handshake with a client went.
    HandshakeOutcome {
        /// It was finished.
        Ok = "ok",
        /// It failed, or the client went away.
        Failed = "failed",
        /// `tls-handshake-timeout`.
        TimedOut = "timed_out",
    }
}

label! {
    /// The versions of TLS.
    TlsVersion {
        /// 1.2.
        Tls12 = "tls1_2",
        /// 1.3.
        Tls13 = "tls1_3",
    }
}

label! {
    /// Which of a peer's time-outs ran out.
    TimeoutKind {
        /// `command-timeout`.
        Command = "command",
        /// `data-timeout`.
        Data = "data",
        /// `write-timeout`.
        Write = "write",
        /// `session-timeout`.
        Session = "session",
        /// `tls-handshake-timeout`.
        TlsHandshake = "tls_handshake",
    }
}

label! {
    /// A bound of a session that was reached, by the name of its setting.
    Bound {
        /// `max-command-line`.
        CommandLine = "max_command_line",
        /// `max-commands`.
        Commands = "max_commands",
        /// `max-errors`.
        Errors = "max_errors",
        /// `max-recipients`.
        Recipients = "max_recipients",
        /// `max-message-size`.
        MessageSize = "max_message_size",
        /// The octets of a response in an AUTH exchange, which are no setting.
        AuthLine = "auth_line",
        /// `max-auth-attempts`.
        AuthAttempts = "max_auth_attempts",
        /// `max-auth-attempts-per-peer`.
        AuthAttemptsPerPeer = "max_auth_attempts_per_peer",
        /// `max-unknown-recipients`.
        UnknownRecipients = "max_unknown_recipients",
    }
}

label! {
    /// The kinds of remote directories.
    DirectoryKind {
        /// LDAP.
        Ldap = "ldap",
        /// Postfix's maps.
        Socketmap = "socketmap",
        /// A mail server.
        Callout = "callout",
    }
}

label! {
    /// What a remote directory said.
    RemoteAnswer {
        /// Yes.
        Known = "known",
        /// No.
        Unknown = "unknown",
        /// Nothing that could be used, or nothing in time.
        CannotSay = "cannot_say",
    }
}

label! {
    /// What was remembered of a remote directory.
    CachedAnswer {
        /// Yes.
        Known = "known",
        /// No.
        Unknown = "unknown",
    }
}

label! {
    /// What Postfix was told.
    PolicyOutcome {
        /// Nothing against it.
        Passed = "passed",
        /// It may be relayed.
        Permitted = "permitted",
        /// No.
        Refused = "refused",
        /// No, and to hang up.
        HungUp = "hung_up",
        /// Not now.
        TryLater = "try_later",
        /// The request made no sense.
        Malformed = "malformed",
    }
}

label! {
    /// How something went.
    Outcome {
        /// Well.
        Ok = "ok",
        /// Not at all.
        Failed = "failed",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_and_its_name_stand_at_the_same_place() {
        assert_eq!(
            SessionRefusal::NAMES[SessionRefusal::MaxSessionsPerPeer.index()],
            "max_sessions_per_peer"
        );
        assert_eq!(BackendFailure::NAMES[BackendFailure::Refused.index()], "refused");
        assert_eq!(Outcome::NAMES[Outcome::Failed.index()], "failed");
    }
}
