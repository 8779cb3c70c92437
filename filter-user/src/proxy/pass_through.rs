//! AUTH handed through to the backend: the connection is dialled as for mail, and is the one that the session's mail
//! takes then. What is said is passed as it is; only the backend's answer counts.

use zeroize::Zeroizing;

use super::backend::{Backend, BackendSettings};
use super::backend_error::BackendError;
use super::delivery::Delivery;
use super::destination::Destinations;
use super::reply_reader::OwnedReply;
use super::true_address::TrueClient;

/// What the backend says to what the client said.
#[derive(Debug)]
pub(super) enum Handed {
    /// It asks the client this, in base64.
    Challenge(Vec<u8>),
    /// It is content.
    Accepted,
    /// It is not.
    Refused,
    /// It is away, or cannot say now; and why, where it did not say so itself.
    Unavailable(Option<BackendError>),
}

impl Delivery {
    /// Hands on AUTH with its mechanism, or a response.
    pub(super) async fn hand_auth(
        &mut self,
        mechanism: Option<&str>,
        said: Option<&[u8]>,
        client: &TrueClient<'_>,
        settings: &BackendSettings,
        destinations: &Destinations,
    ) -> Handed {
        let line = line(mechanism, said);
        let mut backend = match (self.take_default(), mechanism) {
            (Some(backend), _) => backend,
            (None, Some(_)) => match self.dial_for_auth(client, settings, destinations).await {
                Ok(backend) => backend,
                Err(error) => return Handed::Unavailable(Some(error)),
            },
            (None, None) => return Handed::Unavailable(Some(BackendError::Lost { what: "AUTH" })),
        };
        let answer = match backend.ask(&line, settings.reply_timeout, "AUTH").await {
            Ok(answer) => answer,
            Err(error) => return Handed::Unavailable(Some(error)),
        };
        let handed = handed(&answer);
        // A backend that says 421 closes the connection; the next attempt gets another.
        if answer.code != 421 {
            self.keep_backend(backend, matches!(handed, Handed::Accepted));
        }
        handed
    }

    async fn dial_for_auth(
        &mut self,
        client: &TrueClient<'_>,
        settings: &BackendSettings,
        destinations: &Destinations,
    ) -> Result<Backend, BackendError> {
        let destination = destinations.get(0);
        let mut last = BackendError::NoHost;
        for host in destination.find_hosts(settings).await? {
            self.count_dial();
            match Backend::dial(&host, &destination.settings, settings, client).await {
                Ok(backend) => {
                    destinations.found_up(destination, &host, &backend.greeted_with);
                    return Ok(backend);
                }
                Err(error) => {
                    destinations.found_failing(destination, &host, &error);
                    last = error;
                }
            }
        }
        Err(last)
    }
}

fn line(mechanism: Option<&str>, said: Option<&[u8]>) -> Zeroizing<Vec<u8>> {
    // Room enough from the start: a buffer that grows would leave a copy behind.
    let mut line = Zeroizing::new(Vec::with_capacity(64 + said.map_or(0, <[u8]>::len)));
    if let Some(mechanism) = mechanism {
        line.extend_from_slice(b"AUTH ");
        line.extend_from_slice(mechanism.as_bytes());
        if said.is_some() {
            line.push(b' ');
        }
    }
    match (mechanism, said) {
        // RFC 4954 section 4: an initial response of no octets.
        (Some(_), Some([])) => line.push(b'='),
        (_, said) => line.extend_from_slice(said.unwrap_or_default()),
    }
    line.extend_from_slice(b"\r\n");
    line
}

fn handed(answer: &OwnedReply) -> Handed {
    match answer.code {
        334 => Handed::Challenge(answer.texts().next().unwrap_or_default().as_bytes().to_vec()),
        200..=299 => Handed::Accepted,
        500..=599 => Handed::Refused,
        _ => Handed::Unavailable(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_handed_on_as_they_were_said() {
        assert_eq!(&**line(Some("PLAIN"), Some(b"AGEAYg==")), b"AUTH PLAIN AGEAYg==\r\n");
        assert_eq!(&**line(Some("PLAIN"), Some(b"")), b"AUTH PLAIN =\r\n");
        assert_eq!(&**line(Some("LOGIN"), None), b"AUTH LOGIN\r\n");
        assert_eq!(&**line(None, Some(b"Yg==")), b"Yg==\r\n");
        assert_eq!(&**line(None, Some(b"")), b"\r\n");
    }

    #[test]
    fn only_a_positive_answer_is_believed() {
        let said = |code: u16, text: &str| {
            format!("{:?}", handed(&OwnedReply { code, lines: format!("{code} {text}\r\n").into_bytes() }))
        };
        assert_eq!(said(334, "VXNlcm5hbWU6"), format!("{:?}", Handed::Challenge(b"VXNlcm5hbWU6".to_vec())));
        assert_eq!(said(235, "2.7.0 yes"), "Accepted");
        assert_eq!(said(535, "5.7.8 no"), "Refused");
        for code in [354, 421, 454] {
            assert_eq!(said(code, "x"), "Unavailable(None)");
        }
    }
}
