//! The table of metrics: name, type, label and meaning of each. Counts nothing; see [`Metrics`](super::Metrics).

use super::label::{
    AuthMechanism, AuthOutcome, BackendFailure, Bound, CachedAnswer, DirectoryKind, HandshakeOutcome,
    HeaderRefusal, HostKind, HostState, Label, MessageOutcome, Outcome, PolicyOutcome, RecipientOutcome,
    RemoteAnswer, SanctionKind, SessionEnd, SessionRefusal, StrikeKind, TimeoutKind, TlsVersion,
};

/// How a metric moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// It only grows.
    Counter,
    /// It goes up and down.
    Gauge,
}

/// The label of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LabelNames {
    /// Its name.
    pub name: &'static str,
    /// Its values, where they are known here.
    pub values: &'static [&'static str],
}

/// One metric.
#[derive(Clone, Copy, Debug)]
pub struct Metric {
    /// Its name.
    pub name: &'static str,
    /// How it moves.
    pub kind: Type,
    /// Its label, if it has one.
    pub label: Option<LabelNames>,
    /// A second one.
    pub second: Option<LabelNames>,
    /// What it counts.
    pub help: &'static str,
}

impl Metric {
    /// The names of its labels, as a selector has them; nothing where it has none.
    #[must_use]
    pub fn shown_labels(&self) -> String {
        match (self.label, self.second) {
            (None, _) => String::new(),
            (Some(label), None) => format!("{{{}}}", label.name),
            (Some(label), Some(second)) => format!("{{{},{}}}", label.name, second.name),
        }
    }
}

const fn counter(name: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: Type::Counter, label: None, second: None, help }
}

const fn names<L: Label>(name: &'static str) -> Option<LabelNames> {
    Some(LabelNames { name, values: L::NAMES })
}

const fn counter_by<L: Label>(name: &'static str, label: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: Type::Counter, label: names::<L>(label), second: None, help }
}

const fn counter_by_both<L: Label, M: Label>(
    name: &'static str,
    labels: [&'static str; 2],
    help: &'static str,
) -> Metric {
    Metric { name, kind: Type::Counter, label: names::<L>(labels[0]), second: names::<M>(labels[1]), help }
}

const fn gauge(name: &'static str, help: &'static str) -> Metric {
    Metric { name, kind: Type::Gauge, label: None, second: None, help }
}

/// Makes each metric a constant, and all of them [`ALL`].
macro_rules! metrics {
    ($($metric:ident = $value:expr;)*) => {
        $(
            #[doc = concat!("See [`ALL`]: `", stringify!($metric), "`.")]
            pub const $metric: Metric = $value;
        )*

        /// Every metric, in the order of the operations page.
        pub const ALL: &[Metric] = &[$($metric),*];
    };
}

metrics! {
    BUILD_INFO = Metric {
        name: "relaygate_build_info",
        kind: Type::Gauge,
        label: Some(LabelNames { name: "version", values: &[] }),
        second: None,
        help: "Always 1; the label is the version that runs",
    };
    SESSIONS_ACCEPTED = counter("relaygate_sessions_accepted_total", "Connections that became sessions");
    SESSIONS_OPEN = gauge("relaygate_sessions_open", "Sessions that are open now");
    SESSIONS_REFUSED = counter_by::<SessionRefusal>("relaygate_sessions_refused_total", "reason",
        "Connections that were refused as soon as they were accepted");
    PROXY_HEADERS_REFUSED = counter_by::<HeaderRefusal>("relaygate_proxy_headers_refused_total", "reason",
        "Connections of load balancers that were closed for want of a PROXY header");
    ACCEPT_FAILURES = counter("relaygate_accept_failures_total",
        "Times that no connection could be accepted, for want of descriptors or memory");
    SESSIONS_ENDED = counter_by::<SessionEnd>("relaygate_sessions_ended_total", "reason", "Sessions that ended");
    COMMANDS = counter("relaygate_commands_total", "SMTP commands that were answered");
    RECIPIENTS = counter_by::<RecipientOutcome>("relaygate_recipients_total", "outcome", "Recipients, by the relay decision");
    AUTH_ATTEMPTS = counter_by_both::<AuthMechanism, AuthOutcome>("relaygate_auth_attempts_total", ["mechanism", "outcome"],
        "Attempts to authenticate, by how they ended");
    EARLY_TALKERS = counter("relaygate_early_talkers_total", "Peers that sent something before the banner");
    BOUNDS_REACHED = counter_by::<Bound>("relaygate_bounds_reached_total", "bound", "Times that a session reached a bound");
    TIMEOUTS = counter_by::<TimeoutKind>("relaygate_timeouts_total", "timeout", "Times that a peer was too slow");
    STRIKES = counter_by::<StrikeKind>("relaygate_strikes_total", "kind", "Strikes that peers earned");
    SANCTIONS = counter_by::<SanctionKind>("relaygate_sanctions_total", "kind", "Times that a peer's sanction became worse");
    PEERS = gauge("relaygate_peers", "Peers that are remembered now");
    PEERS_FORGOTTEN = counter("relaygate_peers_forgotten_total",
        "Peers that max-peers made relaygate forget before their strikes had leaked away");
    MESSAGES = counter_by::<MessageOutcome>("relaygate_messages_total", "outcome", "Messages that were begun");
    MESSAGE_OCTETS = counter("relaygate_message_octets_total", "Octets of message data that were received");
    BACKEND_UP = Metric {
        name: "relaygate_backend_up",
        kind: Type::Gauge,
        label: Some(LabelNames { name: "backend", values: &[] }),
        second: None,
        help: "1 where a backend could be reached when it was tried last, else 0",
    };
    BACKEND_DIALS = counter("relaygate_backend_dials_total", "Connections to a backend that were begun");
    BACKEND_FAILURES = counter_by::<BackendFailure>("relaygate_backend_failures_total", "reason",
        "Times that a backend failed; where no other could help, the client was told to try later");
    MAILBOX_RELOADS = counter_by::<Outcome>("relaygate_mailbox_reloads_total", "outcome", "Times that the mailbox file was read again");
    MAILBOXES = gauge("relaygate_mailboxes", "Entries of the mailbox file in force");
    DIRECTORY_QUESTIONS = counter_by::<DirectoryKind>("relaygate_directory_questions_total", "kind",
        "Times that a remote directory was asked");
    DIRECTORY_MICROSECONDS = counter_by::<DirectoryKind>("relaygate_directory_microseconds_total", "kind",
        "Time that remote directories took for their answers in all, in microseconds");
    DIRECTORY_ANSWERS = counter_by::<RemoteAnswer>("relaygate_directory_answers_total", "answer", "What remote directories said");
    DIRECTORY_FAILURES = counter_by::<DirectoryKind>("relaygate_directory_failures_total", "kind",
        "Times that a remote directory could not say; the client was told to try later");
    DIRECTORY_CACHE_HITS = counter_by::<CachedAnswer>("relaygate_directory_cache_hits_total", "answer",
        "Answers that were remembered, so that no remote directory was asked");
    TLS_HANDSHAKES = counter_by::<HandshakeOutcome>("relaygate_tls_handshakes_total", "outcome", "TLS handshakes with clients");
    TLS_SESSIONS = counter_by::<TlsVersion>("relaygate_tls_sessions_total", "version", "TLS handshakes that were finished");
    TLS_RESUMED = counter("relaygate_tls_resumed_total", "TLS handshakes that took up an earlier session");
    TLS_RELOADS = counter_by::<Outcome>("relaygate_tls_reloads_total", "outcome", "Times that the certificates were read again");
    TLS_FIRST_END = gauge("relaygate_tls_certificate_not_after_seconds",
        "When the first certificate in force expires, in seconds of Unix time");
    STATE_WRITES = counter_by::<Outcome>("relaygate_state_writes_total", "outcome", "Times that the state file was written");
    POLICY_REQUESTS = counter_by::<PolicyOutcome>("relaygate_policy_requests_total", "outcome",
        "Requests of Postfix that were answered");
    REFUSALS_SUMMED = counter("relaygate_refusals_summed_total", "Refusals that were logged in a summary only");
    KERNEL_PACKETS = Metric {
        name: "relaygate_kernel_packets_total",
        kind: Type::Counter,
        label: Some(LabelNames { name: "counter", values: &[] }),
        second: None,
        help: "Packets that the XDP program saw, each once, by what it did with them and why",
    };
    KERNEL_NOT_HELD = counter("relaygate_kernel_not_held_total",
        "Sanctions and authentications that found no room in the kernel's maps; this process enforces them");
    KERNEL_HOSTS = Metric {
        name: "relaygate_kernel_hosts",
        kind: Type::Gauge,
        label: names::<HostState>("state"),
        second: names::<HostKind>("kind"),
        help: "Hosts that are wanted in the kernel's table, and that stand there",
    };
    KERNEL_DIFFERENCES = gauge("relaygate_kernel_differences",
        "Hosts for whom the last round found another thing in the kernel's table than is wanted, for no reason that is known");
    KERNEL_REPAIRED = counter("relaygate_kernel_repaired_total", "Hosts in the kernel's table that were put right");
    KERNEL_AUTHENTICATED_EVICTED = counter("relaygate_kernel_authenticated_evicted_total",
        "Authenticated hosts that max-authenticated made leave the kernel's table");
    KERNEL_TABLE_HOSTS = gauge("relaygate_kernel_table_hosts", "Hosts in the kernel's table");
    KERNEL_TABLE_CAPACITY = gauge("relaygate_kernel_table_capacity",
        "Slots of the kernel's table; it grows when 13 of 16 are taken, up to max-peers and max-authenticated");
    KERNEL_NETWORKS_LIMITED = gauge("relaygate_kernel_networks_limited", "Networks that are limited as a whole");
    KERNEL_RUNS = counter("relaygate_kernel_program_runs_total", "Times that the XDP program ran, where the kernel counts it");
    KERNEL_RUN_NANOSECONDS = counter("relaygate_kernel_program_run_nanoseconds_total",
        "Time that the XDP program took in all, in nanoseconds, where the kernel counts it");
}

/// Gives the installed recorder the help of every metric.
pub fn describe_all() {
    for metric in ALL {
        match metric.kind {
            Type::Counter => ::metrics::describe_counter!(metric.name, metric.help),
            Type::Gauge => ::metrics::describe_gauge!(metric.name, metric.help),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_unique_and_tell_their_type() {
        let mut names = HashSet::new();
        for metric in ALL {
            assert!(names.insert(metric.name), "{} stands twice", metric.name);
            assert!(
                metric.name.starts_with("relaygate_")
                    && !metric.help.is_empty()
                    && !metric.help.ends_with('.')
            );
            assert_eq!(metric.name.ends_with("_total"), metric.kind == Type::Counter, "{}", metric.name);
        }
    }

    #[test]
    fn each_metric_has_a_line_in_the_operations_page() {
        let page = include_str!("../../../docs/operations.md");
        for metric in ALL {
            let label = metric.shown_labels();
            let start = format!("| `{}{label}` | {} |", metric.name, metric.help);
            assert!(page.contains(&start), "docs/operations.md lacks the line: {start}");
            for value in metric.label.iter().chain(&metric.second).flat_map(|label| label.values) {
                let line = page.lines().find(|line| line.starts_with(&start)).unwrap_or_default();
                assert!(
                    line.contains(&format!("`{value}`")),
                    "the line of {} does not name `{value}`",
                    metric.name
                );
            }
        }
        let lines = page.lines().filter(|line| line.starts_with("| `relaygate_")).count();
        assert_eq!(lines, ALL.len(), "docs/operations.md has metrics that do not exist");
    }
}
