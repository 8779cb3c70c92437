//! The counters themselves, looked up once: a worker makes a [`Metrics`] when it starts, and to count is an atomic
//! addition. Where no metrics are served, it is nothing. Serves no page.

use std::io;
use std::marker::PhantomData;

pub use ::metrics::Gauge;

use ::metrics::Counter;

use super::label::{
    AuthMechanism, AuthOutcome, BackendFailure, Bound, CachedAnswer, DirectoryKind, HandshakeOutcome,
    HeaderRefusal, Label, MessageOutcome, Outcome, PolicyOutcome, RecipientOutcome, RemoteAnswer,
    SanctionKind, SessionEnd, SessionRefusal, StrikeKind, TimeoutKind, TlsVersion,
};
use super::metric::{self, LabelNames, Metric};

/// A counter for each value of a label.
pub struct CounterBy<L> {
    counters: Box<[Counter]>,
    label: PhantomData<fn(L)>,
}

impl<L: Label> CounterBy<L> {
    fn new(metric: &Metric) -> Self {
        let name = metric.label.map_or("", |label| label.name);
        let counters =
            L::NAMES.iter().map(|value| ::metrics::counter!(metric.name, name => *value)).collect();
        Self { counters, label: PhantomData }
    }

    /// The counter of a value.
    pub fn of(&self, label: L) -> &Counter {
        &self.counters[label.index()]
    }
}

impl<L> std::fmt::Debug for CounterBy<L> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CounterBy").field("values", &self.counters.len()).finish()
    }
}

/// A counter for each pair of values of two labels.
pub struct CounterByBoth<L, M> {
    counters: Box<[Counter]>,
    labels: PhantomData<fn(L, M)>,
}

impl<L: Label, M: Label> CounterByBoth<L, M> {
    fn new(metric: &Metric) -> Self {
        let name = |label: Option<LabelNames>| label.map_or("", |label| label.name);
        let (first, second) = (name(metric.label), name(metric.second));
        let pairs = L::NAMES.iter().flat_map(|one| M::NAMES.iter().map(move |other| (*one, *other)));
        let counters = pairs
            .map(|(one, other)| ::metrics::counter!(metric.name, first => one, second => other))
            .collect();
        Self { counters, labels: PhantomData }
    }

    /// The counter of two values.
    pub fn of(&self, one: L, other: M) -> &Counter {
        &self.counters[one.index() * M::NAMES.len() + other.index()]
    }
}

impl<L, M> std::fmt::Debug for CounterByBoth<L, M> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CounterByBoth").field("pairs", &self.counters.len()).finish()
    }
}

/// All metrics that are counted as things happen. To be made after the recorder was installed.
#[derive(Debug)]
pub struct Metrics {
    /// See [`metric::SESSIONS_ACCEPTED`].
    pub sessions_accepted: Counter,
    /// See [`metric::SESSIONS_OPEN`].
    pub sessions_open: Gauge,
    /// See [`metric::SESSIONS_REFUSED`].
    pub sessions_refused: CounterBy<SessionRefusal>,
    /// See [`metric::PROXY_HEADERS_REFUSED`].
    pub proxy_headers_refused: CounterBy<HeaderRefusal>,
    /// See [`metric::ACCEPT_FAILURES`].
    pub accept_failures: Counter,
    /// See [`metric::SESSIONS_ENDED`].
    pub sessions_ended: CounterBy<SessionEnd>,
    /// See [`metric::COMMANDS`].
    pub commands: Counter,
    /// See [`metric::RECIPIENTS`].
    pub recipients: CounterBy<RecipientOutcome>,
    /// See [`metric::AUTH_ATTEMPTS`].
    pub auth_attempts: CounterByBoth<AuthMechanism, AuthOutcome>,
    /// See [`metric::EARLY_TALKERS`].
    pub early_talkers: Counter,
    /// See [`metric::BOUNDS_REACHED`].
    pub bounds_reached: CounterBy<Bound>,
    /// See [`metric::TIMEOUTS`].
    pub timeouts: CounterBy<TimeoutKind>,
    /// See [`metric::STRIKES`].
    pub strikes: CounterBy<StrikeKind>,
    /// See [`metric::SANCTIONS`].
    pub sanctions: CounterBy<SanctionKind>,
    /// See [`metric::PEERS`].
    pub peers: Gauge,
    /// See [`metric::PEERS_FORGOTTEN`].
    pub peers_forgotten: Counter,
    /// See [`metric::MESSAGES`].
    pub messages: CounterBy<MessageOutcome>,
    /// See [`metric::MESSAGE_OCTETS`].
    pub message_octets: Counter,
    /// See [`metric::BACKEND_DIALS`].
    pub backend_dials: Counter,
    /// See [`metric::BACKEND_FAILURES`].
    pub backend_failures: CounterBy<BackendFailure>,
    /// See [`metric::MAILBOX_RELOADS`].
    pub mailbox_reloads: CounterBy<Outcome>,
    /// See [`metric::MAILBOXES`].
    pub mailboxes: Gauge,
    /// See [`metric::DIRECTORY_QUESTIONS`].
    pub directory_questions: CounterBy<DirectoryKind>,
    /// See [`metric::DIRECTORY_MICROSECONDS`].
    pub directory_microseconds: CounterBy<DirectoryKind>,
    /// See [`metric::DIRECTORY_ANSWERS`].
    pub directory_answers: CounterBy<RemoteAnswer>,
    /// See [`metric::DIRECTORY_FAILURES`].
    pub directory_failures: CounterBy<DirectoryKind>,
    /// See [`metric::DIRECTORY_CACHE_HITS`].
    pub directory_cache_hits: CounterBy<CachedAnswer>,
    /// See [`metric::TLS_HANDSHAKES`].
    pub tls_handshakes: CounterBy<HandshakeOutcome>,
    /// See [`metric::TLS_SESSIONS`].
    pub tls_sessions: CounterBy<TlsVersion>,
    /// See [`metric::TLS_RESUMED`].
    pub tls_resumed: Counter,
    /// See [`metric::TLS_RELOADS`].
    pub tls_reloads: CounterBy<Outcome>,
    /// See [`metric::TLS_FIRST_END`].
    pub tls_first_end: Gauge,
    /// See [`metric::STATE_WRITES`].
    pub state_writes: CounterBy<Outcome>,
    /// See [`metric::POLICY_REQUESTS`].
    pub policy_requests: CounterBy<PolicyOutcome>,
    /// See [`metric::REFUSALS_SUMMED`].
    pub refusals_summed: Counter,
    /// See [`metric::KERNEL_NOT_HELD`].
    pub kernel_not_held: Counter,
    /// See [`metric::KERNEL_RUNS`].
    pub kernel_runs: Counter,
    /// See [`metric::KERNEL_RUN_NANOSECONDS`].
    pub kernel_run_nanoseconds: Counter,
}

impl Metrics {
    /// Looks all of them up in the installed recorder; those of every caller are the same.
    #[must_use]
    pub fn new() -> Self {
        let counter = |metric: &Metric| ::metrics::counter!(metric.name);
        let gauge = |metric: &Metric| ::metrics::gauge!(metric.name);
        Self {
            sessions_accepted: counter(&metric::SESSIONS_ACCEPTED),
            sessions_open: gauge(&metric::SESSIONS_OPEN),
            sessions_refused: CounterBy::new(&metric::SESSIONS_REFUSED),
            proxy_headers_refused: CounterBy::new(&metric::PROXY_HEADERS_REFUSED),
            accept_failures: counter(&metric::ACCEPT_FAILURES),
            sessions_ended: CounterBy::new(&metric::SESSIONS_ENDED),
            commands: counter(&metric::COMMANDS),
            recipients: CounterBy::new(&metric::RECIPIENTS),
            auth_attempts: CounterByBoth::new(&metric::AUTH_ATTEMPTS),
            early_talkers: counter(&metric::EARLY_TALKERS),
            bounds_reached: CounterBy::new(&metric::BOUNDS_REACHED),
            timeouts: CounterBy::new(&metric::TIMEOUTS),
            strikes: CounterBy::new(&metric::STRIKES),
            sanctions: CounterBy::new(&metric::SANCTIONS),
            peers: gauge(&metric::PEERS),
            peers_forgotten: counter(&metric::PEERS_FORGOTTEN),
            messages: CounterBy::new(&metric::MESSAGES),
            message_octets: counter(&metric::MESSAGE_OCTETS),
            backend_dials: counter(&metric::BACKEND_DIALS),
            backend_failures: CounterBy::new(&metric::BACKEND_FAILURES),
            mailbox_reloads: CounterBy::new(&metric::MAILBOX_RELOADS),
            mailboxes: gauge(&metric::MAILBOXES),
            directory_questions: CounterBy::new(&metric::DIRECTORY_QUESTIONS),
            directory_microseconds: CounterBy::new(&metric::DIRECTORY_MICROSECONDS),
            directory_answers: CounterBy::new(&metric::DIRECTORY_ANSWERS),
            directory_failures: CounterBy::new(&metric::DIRECTORY_FAILURES),
            directory_cache_hits: CounterBy::new(&metric::DIRECTORY_CACHE_HITS),
            tls_handshakes: CounterBy::new(&metric::TLS_HANDSHAKES),
            tls_sessions: CounterBy::new(&metric::TLS_SESSIONS),
            tls_resumed: counter(&metric::TLS_RESUMED),
            tls_reloads: CounterBy::new(&metric::TLS_RELOADS),
            tls_first_end: gauge(&metric::TLS_FIRST_END),
            state_writes: CounterBy::new(&metric::STATE_WRITES),
            policy_requests: CounterBy::new(&metric::POLICY_REQUESTS),
            refusals_summed: counter(&metric::REFUSALS_SUMMED),
            kernel_not_held: counter(&metric::KERNEL_NOT_HELD),
            kernel_runs: counter(&metric::KERNEL_RUNS),
            kernel_run_nanoseconds: counter(&metric::KERNEL_RUN_NANOSECONDS),
        }
    }
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

/// The counter of packets for one of the kernel program's counters, which names itself.
pub fn kernel_packets(counter: &'static str) -> Counter {
    ::metrics::counter!(metric::KERNEL_PACKETS.name, "counter" => counter)
}

/// Whether a backend is up: the gauge of one that the configuration names, so that there are no more than it has.
pub fn backend_up(backend: String) -> Gauge {
    ::metrics::gauge!(metric::BACKEND_UP.name, "backend" => backend)
}

/// From here on, what is counted is counted by this. Once in a process.
pub fn record_by(recorder: impl ::metrics::Recorder + Sync + 'static) -> io::Result<()> {
    ::metrics::set_global_recorder(recorder).map_err(|error| io::Error::other(error.to_string()))
}

/// Says which version runs.
pub fn set_build_info() {
    ::metrics::gauge!(metric::BUILD_INFO.name, "version" => env!("CARGO_PKG_VERSION")).set(1.0);
}

#[cfg(test)]
mod tests {
    use metrics_exporter_prometheus::PrometheusBuilder;

    use super::*;
    use crate::telemetry::KernelTableMetrics;

    #[test]
    fn every_metric_is_on_the_page_once_it_is_known() {
        let recorder = PrometheusBuilder::new().build_recorder();
        let page = recorder.handle();
        ::metrics::with_local_recorder(&recorder, || {
            metric::describe_all();
            set_build_info();
            kernel_packets("pass").absolute(7);
            let _ = KernelTableMetrics::new();
            backend_up("mail.example:25".to_owned()).set(1.0);
            let metrics = Metrics::new();
            metrics.strikes.of(StrikeKind::FailedAuth).increment(2);
            metrics.auth_attempts.of(AuthMechanism::Login, AuthOutcome::Failed).increment(5);
            Metrics::new().strikes.of(StrikeKind::FailedAuth).increment(1);
        });
        let page = page.render();
        for metric in metric::ALL {
            assert!(
                page.contains(&format!("# HELP {} {}", metric.name, metric.help)),
                "{}\n{page}",
                metric.name
            );
        }
        assert!(page.contains("relaygate_strikes_total{kind=\"failed_auth\"} 3"), "{page}");
        assert!(
            page.contains("relaygate_auth_attempts_total{mechanism=\"LOGIN\",outcome=\"failed\"} 5"),
            "{page}"
        );
        assert!(page.contains("relaygate_sessions_refused_total{reason=\"blocked\"} 0"), "{page}");
    }
}
