//! SCRAM-SHA-256 and its -PLUS (RFC 5802, RFC 7677): the server's side of one exchange. The mechanism is rsasl's; what
//! reaches it is checked here first, because its parser slices without looking (`n,,n` would panic), takes -PLUS without
//! a binding, and tells who is unknown.

mod message;
mod verifier;

use std::io::Cursor;
use std::sync::Arc;

use rsasl::callback::{Context, Request, SessionCallback, SessionData};
use rsasl::mechanisms::scram::properties::ScramStoredPassword;
use rsasl::mechanisms::scram::{SCRAM_SHA256, SCRAM_SHA256_PLUS};
use rsasl::prelude::{
    ChannelBindingCallback, Mechanism, Mechname, Registry, SASLConfig, SASLServer, Session, SessionError,
    Validation,
};
use rsasl::validate::{Validate, ValidationError};

use super::facts::ChannelBinding;
pub(super) use message::{Binding, ClientFirst, unescaped};
pub(super) use verifier::ScramVerifier;

/// The mechanism without channel binding.
pub(super) const SHA_256: &str = "SCRAM-SHA-256";
/// The mechanism with it.
pub(super) const SHA_256_PLUS: &str = "SCRAM-SHA-256-PLUS";

static UNBOUND: &[Mechanism] = &[SCRAM_SHA256];
static BOUND: &[Mechanism] = &[SCRAM_SHA256_PLUS];

/// What rsasl asks for, about the one login that this exchange is about.
struct OneLogin(Arc<ScramVerifier>);

/// That the proof was right.
struct Proof;

impl Validation for Proof {
    type Value = ();
}

impl SessionCallback for OneLogin {
    fn callback(
        &self,
        _session: &SessionData,
        _context: &Context<'_>,
        request: &mut Request<'_>,
    ) -> Result<(), SessionError> {
        let verifier = &self.0;
        request.satisfy::<ScramStoredPassword<'_>>(&ScramStoredPassword::new(
            verifier.iterations,
            &verifier.salt,
            &*verifier.stored_key,
            &*verifier.server_key,
        ))?;
        Ok(())
    }

    fn validate(
        &self,
        _session: &SessionData,
        _context: &Context<'_>,
        validate: &mut Validate<'_>,
    ) -> Result<(), ValidationError> {
        validate.finalize::<Proof>(());
        Ok(())
    }
}

/// The bindings of the client's TLS connection.
struct Bindings(Vec<ChannelBinding>);

impl ChannelBindingCallback for Bindings {
    fn get_cb_data(&self, name: &str) -> Option<&[u8]> {
        self.0.iter().find(|binding| binding.name == name).map(|binding| binding.octets.as_slice())
    }
}

/// An exchange that has begun.
pub(super) struct Scram {
    session: Session<Proof, Bindings>,
}

impl Scram {
    /// Takes the client's first message, and gives the server's first.
    pub(super) fn begin(
        first: &ClientFirst<'_>,
        verifier: Arc<ScramVerifier>,
        bindings: Vec<ChannelBinding>,
    ) -> Option<(Self, Vec<u8>)> {
        let (mechanism, registry) = match first.binding {
            Binding::Used => (SHA_256_PLUS, BOUND),
            Binding::Unused | Binding::NotKnown => (SHA_256, UNBOUND),
        };
        let config = SASLConfig::builder()
            .with_registry(Registry::with_mechanisms(registry))
            .with_callback(OneLogin(verifier))
            .ok()?;
        let name = Mechname::parse(mechanism.as_bytes()).ok()?;
        let session =
            SASLServer::<Proof, _>::with_cb(config, Bindings(bindings)).start_suggested(name).ok()?;
        let mut scram = Self { session };
        let challenge = scram.step(first.octets)?;
        Some((scram, challenge))
    }

    /// Takes the client's final message, and gives the server's final one if the proof in it is right.
    pub(super) fn finish(mut self, last: &[u8]) -> Option<Vec<u8>> {
        if !message::is_client_final(last) {
            return None;
        }
        let signature = self.step(last)?;
        self.session.validation().map(|()| signature)
    }

    fn step(&mut self, octets: &[u8]) -> Option<Vec<u8>> {
        let mut out = Cursor::new(Vec::new());
        self.session.step(Some(octets), &mut out).ok()?;
        Some(out.into_inner())
    }
}

#[cfg(test)]
mod tests {
    use rsasl::prelude::SASLClient;

    use super::*;

    const EXPORTER: &str = "tls-exporter";

    struct Client {
        login: &'static str,
        password: &'static str,
        binding: Option<&'static [u8]>,
    }

    impl SessionCallback for Client {
        fn callback(
            &self,
            _session: &SessionData,
            _context: &Context<'_>,
            request: &mut Request<'_>,
        ) -> Result<(), SessionError> {
            use rsasl::property::{AuthId, ChannelBindings, OverrideCBType, Password};
            request.satisfy::<AuthId>(self.login)?.satisfy::<Password>(self.password.as_bytes())?;
            if let Some(octets) = self.binding {
                request.satisfy::<OverrideCBType>(EXPORTER)?.satisfy::<ChannelBindings>(octets)?;
            }
            Ok(())
        }

        fn enable_channel_binding(&self) -> bool {
            self.binding.is_some()
        }
    }

    /// Runs a whole exchange of rsasl's client with us; whether both were content.
    fn talk(client: Client, verifier: &Arc<ScramVerifier>, ours: &'static [u8]) -> bool {
        let name = if client.binding.is_some() { SHA_256_PLUS } else { SHA_256 };
        let mechanisms = if client.binding.is_some() { BOUND } else { UNBOUND };
        let config = SASLConfig::builder()
            .with_registry(Registry::with_mechanisms(mechanisms))
            .with_callback(client)
            .unwrap();
        let name = Mechname::parse(name.as_bytes()).unwrap();
        let mut session = SASLClient::new(config).start_suggested(&[name]).unwrap();
        let mut say = |heard: Option<&[u8]>| {
            let mut out = Cursor::new(Vec::new());
            session.step(heard, &mut out).map(|_| out.into_inner())
        };
        let first = say(None).unwrap();
        let first = ClientFirst::read(&first).unwrap();
        let bindings = vec![ChannelBinding { name: EXPORTER, octets: ours.to_vec() }];
        let Some((scram, challenge)) = Scram::begin(&first, Arc::clone(verifier), bindings) else {
            return false;
        };
        let last = say(Some(&challenge)).unwrap();
        scram.finish(&last).is_some_and(|signature| say(Some(&signature)).is_ok())
    }

    #[test]
    fn the_right_password_is_proven_and_a_wrong_one_is_not() {
        let verifier = Arc::new(ScramVerifier::derive(b"pencil", b"salt of sixteen!", 4096));
        let user = |password, binding| Client { login: "us,er=1", password, binding };
        assert!(talk(user("pencil", None), &verifier, b""));
        assert!(!talk(user("pen", None), &verifier, b""));
        assert!(talk(user("pencil", Some(b"exported")), &verifier, b"exported"));
        assert!(!talk(user("pencil", Some(b"in the middle")), &verifier, b"exported"), "another connection");
        let nobody = Arc::new(ScramVerifier::imitation(&[7; 32], "us,er=1", 4096));
        assert!(!talk(user("pencil", None), &nobody, b""));
    }

    #[test]
    fn keys_are_derived_as_in_the_example_of_rfc_7677() {
        let verifier = ScramVerifier::parse(
            "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$WG5d8oPm3OtcPnkdi4Uo7BkeZkBFzpcXkuLmtbsT4qY=:wfPLwcE6nTWhTAmQ7tl2KeoiWGPlZqQxSrmfPwDl2dU=",
        )
        .unwrap();
        let derived = ScramVerifier::derive(b"pencil", &verifier.salt, 4096);
        assert_eq!(derived.to_string(), verifier.to_string());
    }
}
