//! Dovecot's own authentication service, asked as the daemon asks it: every mechanism, a restart, an absence.

use std::time::Duration;

use filter_user::auth::{Authenticator, Exchange, ExchangeFacts, Step};
use filter_user::config::{AuthBackend, AuthSettings, StreamAddress};
use tokio::runtime::{Builder, Runtime};

use super::super::base64;
use crate::daemon::eventually;
use crate::dovecot::Dovecot;

/// An authenticator that asks this Dovecot, and the runtime that its connection lives on.
struct Asking {
    runtime: Runtime,
    authenticator: Authenticator,
}

impl Asking {
    fn of(address: StreamAddress) -> Self {
        let mechanisms =
            ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "OAUTHBEARER", "XOAUTH2", "PLAIN", "LOGIN", "ANONYMOUS"];
        let settings = AuthSettings {
            backends: vec![AuthBackend::Dovecot(address)],
            mechanisms: mechanisms.map(str::to_owned).to_vec(),
            without_tls: Vec::new(),
            failure_delay: Duration::ZERO,
            max_attempts: 3,
            max_attempts_per_peer: 100,
            authenticated_for: Duration::from_secs(3600),
            timeout: Duration::from_secs(10),
        };
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let authenticator = Authenticator::start(&settings, runtime.handle()).unwrap().unwrap();
        let asking = Self { runtime, authenticator };
        eventually("Dovecot's mechanisms", || {
            (!asking.authenticator.mechanisms(true).is_empty()).then_some(())
        });
        asking
    }

    fn begin(&self, mechanism: &str) -> Exchange {
        let facts = ExchangeFacts {
            client: "192.0.2.7:4711".parse().unwrap(),
            local: Some("127.0.0.1:587".parse().unwrap()),
            bindings: Vec::new(),
        };
        self.authenticator.begin(mechanism, facts).unwrap()
    }

    fn step(&self, exchange: &mut Exchange, response: Option<&str>) -> String {
        let response = response.map(base64);
        shown(self.runtime.block_on(exchange.step(response.as_deref().map(str::as_bytes))))
    }

    /// The last word on an exchange of one message.
    fn outcome(&self, mechanism: &str, message: &str) -> String {
        let mut exchange = self.begin(mechanism);
        self.step(&mut exchange, Some(message))
    }
}

fn shown(step: Step) -> String {
    match step {
        Step::Challenge(_) => "challenge".to_owned(),
        Step::Proven(login) => format!("proven {}", login.name()),
        Step::Failed => "failed".to_owned(),
        Step::Malformed => "malformed".to_owned(),
        Step::Unavailable => "unavailable".to_owned(),
    }
}

const RIGHT: &str = "\0user\0secret";
const WRONG: &str = "\0user\0wrong";

#[test]
fn each_mechanism_of_dovecot_proves_and_refuses() {
    let dovecot = Dovecot::start();
    let by_socket = Asking::of(StreamAddress::Unix(dovecot.socket()));
    let by_port = Asking::of(StreamAddress::Inet { host: "127.0.0.1".to_owned(), port: dovecot.port });
    for asking in [&by_socket, &by_port] {
        let offered = asking.authenticator.mechanisms(true);
        assert_eq!(offered, ["SCRAM-SHA-256", "OAUTHBEARER", "XOAUTH2", "PLAIN", "LOGIN"]);
        assert_eq!(asking.outcome("PLAIN", RIGHT), "proven user");
        assert_eq!(asking.outcome("PLAIN", WRONG), "failed");
        assert_eq!(asking.outcome("PLAIN", "\0nobody\0secret"), "failed");
    }
    for (password, outcome) in [("secret", "proven user"), ("wrong", "failed")] {
        let mut login = by_socket.begin("LOGIN");
        assert_eq!(by_socket.step(&mut login, None), "challenge");
        assert_eq!(by_socket.step(&mut login, Some("user")), "challenge");
        assert_eq!(by_socket.step(&mut login, Some(password)), outcome);
    }
    let token = Dovecot::token("user");
    for (mechanism, head) in [("XOAUTH2", "user=user\u{1}"), ("OAUTHBEARER", "n,a=user,\u{1}")] {
        let message = |token: &str| format!("{head}auth=Bearer {token}\u{1}\u{1}");
        assert_eq!(by_socket.outcome(mechanism, &message(&token)), "proven user");
        // A refusal is explained to the client, which has to say something before it is refused.
        let mut exchange = by_socket.begin(mechanism);
        assert_eq!(by_socket.step(&mut exchange, Some(&message(&token[..token.len() - 4]))), "challenge");
        assert_eq!(by_socket.step(&mut exchange, Some("\u{1}")), "failed");
    }
    assert!(dovecot.log().contains("192.0.2.7"), "{}", dovecot.log());
}

#[test]
fn a_restart_ends_what_was_under_way_and_nothing_else() {
    let mut dovecot = Dovecot::start();
    let asking = Asking::of(StreamAddress::Unix(dovecot.socket()));
    let mut under_way = asking.begin("SCRAM-SHA-256");
    assert_eq!(asking.step(&mut under_way, Some("n,,n=user,r=nonce")), "challenge");
    dovecot.stop();
    assert_eq!(asking.step(&mut under_way, Some("c=biws,r=nonce,p=AAAA")), "unavailable");
    assert_eq!(asking.outcome("PLAIN", RIGHT), "unavailable", "it is away");
    assert!(!asking.authenticator.mechanisms(false).is_empty(), "what it had is still offered");
    dovecot.start_again();
    eventually("the way back to Dovecot", || (asking.outcome("PLAIN", RIGHT) == "proven user").then_some(()));
    assert_eq!(asking.outcome("PLAIN", WRONG), "failed");
}

#[test]
fn an_exchange_of_an_earlier_dovecot_is_none_of_the_next() {
    let mut dovecot = Dovecot::start();
    let asking = Asking::of(StreamAddress::Unix(dovecot.socket()));
    let mut earlier = asking.begin("SCRAM-SHA-256");
    assert_eq!(asking.step(&mut earlier, Some("n,,n=user,r=nonce")), "challenge");
    dovecot.stop();
    dovecot.start_again();
    eventually("the way back to Dovecot", || (asking.outcome("PLAIN", RIGHT) == "proven user").then_some(()));
    assert_eq!(asking.step(&mut earlier, Some("c=biws,r=nonce,p=AAAA")), "unavailable");
}

#[test]
fn many_exchanges_share_the_connection_and_one_that_is_dropped_disturbs_nobody() {
    let dovecot = Dovecot::start();
    let asking = Asking::of(StreamAddress::Unix(dovecot.socket()));
    let mut begun: Vec<Exchange> = (0..50).map(|_| asking.begin("SCRAM-SHA-256")).collect();
    for exchange in &mut begun {
        assert_eq!(asking.step(exchange, Some("n,,n=user,r=nonce")), "challenge");
    }
    begun.truncate(10);
    assert_eq!(asking.outcome("PLAIN", RIGHT), "proven user");
    for exchange in &mut begun {
        assert_eq!(asking.step(exchange, Some("c=biws,r=nonce,p=AAAA")), "failed");
    }
}

#[test]
fn what_is_no_dovecot_makes_nobody_known() {
    use std::io::Write;
    let folder = tempfile::tempdir().unwrap();
    for (number, said) in
        ["VERSION\t2\t0\nDONE\n", "MECH\tnot a mechanism\nDONE\n", "220 smtp\r\n"].iter().enumerate()
    {
        let path = folder.path().join(number.to_string());
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let server =
            std::thread::spawn(move || listener.accept().unwrap().0.write_all(said.as_bytes()).unwrap());
        let settings = AuthSettings {
            backends: vec![AuthBackend::Dovecot(StreamAddress::Unix(path))],
            mechanisms: vec!["PLAIN".to_owned()],
            without_tls: Vec::new(),
            failure_delay: Duration::ZERO,
            max_attempts: 3,
            max_attempts_per_peer: 100,
            authenticated_for: Duration::from_secs(3600),
            timeout: Duration::from_secs(10),
        };
        let runtime = Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let authenticator = Authenticator::start(&settings, runtime.handle()).unwrap().unwrap();
        server.join().unwrap();
        assert!(authenticator.mechanisms(false).is_empty(), "{said}");
    }
}
