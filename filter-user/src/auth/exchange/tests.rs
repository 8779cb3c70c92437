//! Exchanges with a password file alone: each mechanism, right and wrong, and whatever else a client may say.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;
use tokio::runtime::{Builder, Runtime};

use super::*;
use crate::auth::facts::ChannelBinding;
use crate::config::{AuthBackend, AuthSettings};

/// `secret`, hashed with little work.
const USER: &str = "user:$5$rounds=1000$saltsalt$eKLZU9t9OoPWrqOQsoTIKG0aYkZ5rGOoOQhiIvoSWX2:SCRAM-SHA-256$4096:MDEyMzQ1Njc4OWFiY2RlZg==$";

struct House {
    runtime: Runtime,
    authenticator: Authenticator,
    _folder: tempfile::TempDir,
}

impl House {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("passwords");
        let keys = scram::ScramVerifier::derive(b"secret", b"0123456789abcdef", 4096).to_string();
        std::fs::write(&path, format!("{USER}{}\n", keys.rsplit('$').next().unwrap())).unwrap();
        let settings = AuthSettings {
            backends: vec![AuthBackend::File(path)],
            mechanisms: ["SCRAM-SHA-256-PLUS", "SCRAM-SHA-256", "XOAUTH2", "PLAIN", "LOGIN"]
                .map(str::to_owned)
                .to_vec(),
            without_tls: Vec::new(),
            failure_delay: Duration::ZERO,
            max_attempts: 3,
            max_attempts_per_peer: 100,
            authenticated_for: Duration::from_secs(3600),
            timeout: Duration::from_secs(10),
        };
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let authenticator = Authenticator::start(&settings, runtime.handle()).unwrap().unwrap();
        Self { runtime, authenticator, _folder: folder }
    }

    /// Says the client's lines, each plain text that is put into base64, and gives how it went on after each.
    fn say(&self, mechanism: &str, bound: bool, initial: Option<&str>, responses: &[&str]) -> Vec<String> {
        let octets: Vec<Vec<u8>> = responses.iter().map(|text| STANDARD.encode(text).into_bytes()).collect();
        self.say_octets(mechanism, bound, initial.map(|text| STANDARD.encode(text).into_bytes()), &octets)
    }

    fn say_octets(
        &self,
        mechanism: &str,
        bound: bool,
        initial: Option<Vec<u8>>,
        responses: &[Vec<u8>],
    ) -> Vec<String> {
        let bindings = bound.then(|| ChannelBinding { name: "tls-exporter", octets: vec![7; 32] });
        let facts = ExchangeFacts {
            client: "192.0.2.7:4711".parse().unwrap(),
            local: None,
            bindings: bindings.into_iter().collect(),
        };
        let Some(mut exchange) = self.authenticator.begin(mechanism, facts) else {
            return vec!["none".to_owned()];
        };
        self.runtime.block_on(async {
            let mut heard = vec![shown(exchange.step(initial.as_deref()).await)];
            for response in responses {
                if !heard.last().is_some_and(|last| last.starts_with("? ")) {
                    break;
                }
                heard.push(shown(exchange.step(Some(response)).await));
            }
            heard
        })
    }
}

fn shown(step: Step) -> String {
    match step {
        Step::Challenge(challenge) => {
            format!(
                "? {}",
                String::from_utf8_lossy(&STANDARD.decode(challenge).expect("a challenge is base64"))
            )
        }
        Step::Proven(login) => format!("proven {}", login.name()),
        Step::Failed => "failed".to_owned(),
        Step::Malformed => "malformed".to_owned(),
        Step::Unavailable => "unavailable".to_owned(),
    }
}

#[test]
fn plain_and_login_prove_a_password_in_every_form() {
    let house = House::new();
    type Talk<'a> = (&'a str, Option<&'a str>, &'a [&'a str], &'a [&'a str]);
    let rows: [Talk<'_>; 9] = [
        ("PLAIN", Some("\0user\0secret"), &[], &["proven user"]),
        ("plain", None, &["\0user\0secret"], &["? ", "proven user"]),
        ("PLAIN", Some("\0user\0wrong"), &[], &["failed"]),
        ("PLAIN", Some("\0nobody\0secret"), &[], &["failed"]),
        ("PLAIN", Some(""), &[], &["failed"]),
        ("LOGIN", None, &["user", "secret"], &["? Username:", "? Password:", "proven user"]),
        ("LOGIN", Some("user"), &["secret"], &["? Password:", "proven user"]),
        ("LOGIN", Some("user"), &["wrong"], &["? Password:", "failed"]),
        ("LOGIN", Some("user"), &[""], &["? Password:", "failed"]),
    ];
    for (mechanism, initial, responses, wanted) in rows {
        assert_eq!(
            house.say(mechanism, false, initial, responses),
            wanted,
            "{mechanism} {initial:?} {responses:?}"
        );
    }
}

#[test]
fn scram_is_bound_where_it_can_be_and_tells_nobody_who_is_unknown() {
    let house = House::new();
    let first = |mechanism: &str, bound, text: &str| house.say(mechanism, bound, Some(text), &[]).remove(0);
    let known = first("SCRAM-SHA-256", false, "n,,n=user,r=nonce");
    assert!(
        known.starts_with("? r=nonce") && known.contains(",s=MDEyMzQ1Njc4OWFiY2RlZg==,i=4096"),
        "{known}"
    );
    let salt = |text: &str| text.rsplit(",s=").next().unwrap_or_default().to_owned();
    let unknown = salt(&first("SCRAM-SHA-256", false, "n,,n=nobody,r=nonce"));
    assert_eq!(unknown, salt(&first("SCRAM-SHA-256", false, "n,,n=nobody,r=other")), "the same each time");
    assert!(unknown.ends_with("==,i=4096") && unknown != salt(&known));

    let rows = [
        ("SCRAM-SHA-256", true, "n,,n=user,r=nonce", "? "),
        ("SCRAM-SHA-256", false, "y,,n=user,r=nonce", "? "),
        ("SCRAM-SHA-256", true, "y,,n=user,r=nonce", "failed"),
        ("SCRAM-SHA-256", true, "p=tls-exporter,,n=user,r=nonce", "failed"),
        ("SCRAM-SHA-256-PLUS", true, "p=tls-exporter,,n=user,r=nonce", "? "),
        ("SCRAM-SHA-256-PLUS", true, "p=tls-unique,,n=user,r=nonce", "failed"),
        ("SCRAM-SHA-256-PLUS", true, "n,,n=user,r=nonce", "failed"),
        ("SCRAM-SHA-256-PLUS", false, "p=tls-exporter,,n=user,r=nonce", "none"),
        ("XOAUTH2", true, "user=user", "none"),
        ("NTLM", true, "x", "none"),
    ];
    for (mechanism, bound, text, wanted) in rows {
        let heard = first(mechanism, bound, text);
        assert!(heard.starts_with(wanted), "{mechanism} {bound} {text}: {heard}");
    }
    let heard = house.say("SCRAM-SHA-256", false, Some("n,,n=user,r=nonce"), &["c=biws,r=nonce,p=AAAA"]);
    assert_eq!(heard[1], "failed");
}

#[test]
fn what_is_not_base64_or_too_long_is_malformed() {
    let house = House::new();
    for text in [&b"not base64!"[..], b"AAA", b"====", b"\0", &[b'A'; MAX_RESPONSE + 4]] {
        assert_eq!(house.say_octets("PLAIN", false, Some(text.to_vec()), &[]), ["malformed"]);
    }
    assert_eq!(house.say_octets("PLAIN", false, Some(vec![b'A'; MAX_RESPONSE]), &[]), ["failed"]);
}

#[test]
fn an_exchange_that_is_over_proves_nothing_more() {
    let house = House::new();
    let facts =
        ExchangeFacts { client: "192.0.2.7:4711".parse().unwrap(), local: None, bindings: Vec::new() };
    let mut exchange = house.authenticator.begin("PLAIN", facts).unwrap();
    let right = STANDARD.encode("\0user\0secret");
    let steps = house.runtime.block_on(async {
        let wrong = STANDARD.encode("\0user\0wrong");
        [exchange.step(Some(wrong.as_bytes())).await, exchange.step(Some(right.as_bytes())).await]
    });
    assert!(matches!(steps, [Step::Failed, Step::Failed]), "{steps:?}");
    assert!(!format!("{exchange:?}").contains("secret"));
}

/// SCRAM's and PLAIN's alphabet, so that more gets past the first letter.
fn message() -> impl Strategy<Value = String> {
    "([nyp=,acrm\0u/+A-]|n,,|n=user|r=nonce|p=tls-exporter|c=biws|user|secret){0,12}"
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn nothing_that_a_client_says_panics_or_proves(
        mechanism in prop::sample::select(vec!["PLAIN", "LOGIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"]),
        messages in prop::collection::vec(message(), 1..4),
        octets in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let house = House::new();
        let initial = STANDARD.encode(&messages[0]).into_bytes();
        let mut responses: Vec<Vec<u8>> = messages[1..].iter().map(|text| STANDARD.encode(text).into_bytes()).collect();
        responses.push(octets);
        let heard = house.say_octets(mechanism, true, Some(initial), &responses);
        let right = messages.concat().contains("user") && messages.concat().contains("secret");
        prop_assert!(right || !heard.iter().any(|step| step.starts_with("proven")), "{heard:?}");
    }
}
