//! What the sink has seen. Counts, and for tests the messages themselves; no policy.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::proxy_header::ProxyHeader;

/// Counts of everything since the sink was made.
#[derive(Debug, Default)]
pub struct SinkCounts {
    /// Connections.
    pub sessions: AtomicU64,
    /// Connections that have ended.
    pub sessions_ended: AtomicU64,
    /// MAIL commands that were answered with 250.
    pub senders: AtomicU64,
    /// RCPT commands that were answered with 250.
    pub recipients: AtomicU64,
    /// Messages that were answered with 250.
    pub messages: AtomicU64,
    /// Octets of message data that arrived, of unfinished messages too.
    pub body_bytes: AtomicU64,
    kept: Mutex<Vec<TakenMessage>>,
}

impl SinkCounts {
    /// Messages that were answered with 250.
    #[must_use]
    pub fn messages(&self) -> u64 {
        self.messages.load(Ordering::Relaxed)
    }

    /// Connections.
    #[must_use]
    pub fn sessions(&self) -> u64 {
        self.sessions.load(Ordering::Relaxed)
    }

    /// Octets of message data.
    #[must_use]
    pub fn body_bytes(&self) -> u64 {
        self.body_bytes.load(Ordering::Relaxed)
    }

    /// The messages that were kept, in the order in which they were answered.
    #[must_use]
    pub fn kept(&self) -> Vec<TakenMessage> {
        self.kept_messages().clone()
    }

    pub(super) fn keep(&self, message: TakenMessage) {
        self.kept_messages().push(message);
    }

    fn kept_messages(&self) -> MutexGuard<'_, Vec<TakenMessage>> {
        // A list that is only pushed to is whole whatever became of another thread.
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A message, exactly as it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TakenMessage {
    /// Where the connection came from.
    pub connection_from: SocketAddr,
    /// The PROXY header that it began with.
    pub proxied: Option<ProxyHeader>,
    /// The attributes of XCLIENT, names in upper case, values decoded.
    pub xclient: BTreeMap<String, String>,
    /// The name given in EHLO or HELO.
    pub helo: String,
    /// What followed `MAIL FROM:`, parameters and all.
    pub mail_from: String,
    /// What followed `RCPT TO:`, for each accepted recipient.
    pub recipients: Vec<String>,
    /// The octets between DATA and the terminating `.` line, as they were on the wire: dot-stuffing is still there.
    pub wire_body: Vec<u8>,
}

impl TakenMessage {
    /// The address of the true client, from XCLIENT or the PROXY header.
    #[must_use]
    pub fn client_address(&self) -> Option<IpAddr> {
        if let Some(address) = self.xclient.get("ADDR") {
            let bare = address
                .get(..5)
                .filter(|p| p.eq_ignore_ascii_case("IPV6:"))
                .map_or(&address[..], |_| &address[5..]);
            return bare.parse().ok();
        }
        self.proxied.and_then(|header| header.source).map(|source| source.ip())
    }

    /// The path in `MAIL FROM:`, without brackets and parameters.
    #[must_use]
    pub fn sender(&self) -> &str {
        path(&self.mail_from)
    }

    /// The paths in `RCPT TO:`, the same way.
    pub fn recipient_paths(&self) -> impl Iterator<Item = &str> {
        self.recipients.iter().map(|recipient| path(recipient))
    }

    /// The message without its dot-stuffing.
    #[must_use]
    pub fn body(&self) -> Vec<u8> {
        let lines = self.wire_body.split_inclusive(|&byte| byte == b'\n');
        let mut body = Vec::with_capacity(self.wire_body.len());
        let mut at_line_start = true;
        for line in lines {
            body.extend_from_slice(if at_line_start {
                line.strip_prefix(b".").unwrap_or(line)
            } else {
                line
            });
            at_line_start = line.ends_with(b"\r\n");
        }
        body
    }
}

/// What is in the brackets; a `>` within a quoted local-part does not end it.
fn path(argument: &str) -> &str {
    let inner = argument.trim_start().strip_prefix('<').unwrap_or(argument);
    let (mut quoted, mut escaped) = (false, false);
    for (at, c) in inner.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '>' if !quoted => return &inner[..at],
            _ => {}
        }
    }
    inner
}
