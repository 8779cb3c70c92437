//! A request of the policy delegation protocol: lines of `name=value`, and an empty one. Reads what the decision needs,
//! bounded, and strict about that; attributes that it does not need may be what they like.

use std::io;
use std::net::{IpAddr, SocketAddr};

use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _};

use crate::address::quoted::quoted;
use crate::smtp::xtext::Xtext;

/// The longest line, in octets.
const LINE: u64 = 8192;
/// The most lines; Postfix sends about thirty.
const LINES: usize = 200;

/// Why a request could not be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum RequestError {
    /// The connection broke.
    #[error("the connection was lost: {0}")]
    Lost(#[from] io::Error),
    /// It ended in the middle of a request.
    #[error("the connection ended in the middle of a request")]
    CutOff,
    /// A line has no end, or there are too many lines.
    #[error("the request is longer than {LINES} lines of {LINE} octets")]
    TooLong,
    /// A line is none.
    #[error("a line has no `=`, or no name before it")]
    NoAttribute,
    /// An attribute stands twice.
    #[error("the attribute {0} stands twice")]
    Twice(&'static str),
    /// An attribute that is needed is missing, or is not what it should be.
    #[error("the attribute {0} is missing or makes no sense; is this Postfix, and 3.2 or later?")]
    Attribute(&'static str),
}

/// What Postfix says of a session and its recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Request {
    /// At which command it asks; we have something to say at RCPT alone.
    pub(super) at_rcpt: bool,
    /// What belongs together has the same.
    pub(super) instance: Vec<u8>,
    /// The client.
    pub(super) client: IpAddr,
    /// Where it connected.
    pub(super) server: Option<SocketAddr>,
    /// As SMTP would write it.
    pub(super) sender: Vec<u8>,
    /// As SMTP would write it.
    pub(super) recipient: Vec<u8>,
    /// Whom the client has authenticated as.
    pub(super) login: Option<String>,
    /// Whom its certificate names, which Postfix has verified: it names nobody else.
    pub(super) certificate: Option<String>,
}

/// The attributes that are kept.
#[derive(Debug, Default)]
struct Attributes {
    values: [Option<Vec<u8>>; NAMES.len()],
}

const NAMES: [&str; 10] = [
    "request",
    "protocol_state",
    "instance",
    "client_address",
    "server_address",
    "server_port",
    "sender",
    "recipient",
    "sasl_username",
    "ccert_subject",
];

impl Request {
    /// Reads the next one; nothing where the connection has ended before it.
    pub(super) async fn read(stream: &mut (impl AsyncBufRead + Unpin)) -> Result<Option<Self>, RequestError> {
        let mut attributes = Attributes::default();
        let mut line = Vec::new();
        for number in 0..LINES {
            line.clear();
            (&mut *stream).take(LINE).read_until(b'\n', &mut line).await?;
            match line.strip_suffix(b"\n") {
                None if line.is_empty() && number == 0 => return Ok(None),
                None if line.len() as u64 == LINE => return Err(RequestError::TooLong),
                None => return Err(RequestError::CutOff),
                Some(b"") => return attributes.request().map(Some),
                Some(line) => attributes.take(line)?,
            }
        }
        Err(RequestError::TooLong)
    }
}

impl Attributes {
    fn take(&mut self, line: &[u8]) -> Result<(), RequestError> {
        let equals = line.iter().position(|octet| *octet == b'=').filter(|at| *at > 0);
        let (name, value) = line.split_at(equals.ok_or(RequestError::NoAttribute)?);
        let Some(known) = NAMES.iter().position(|known| known.as_bytes() == name) else { return Ok(()) };
        let place = &mut self.values[known];
        if place.is_some() {
            return Err(RequestError::Twice(NAMES[known]));
        }
        *place = Some(value[1..].to_vec());
        Ok(())
    }

    /// The value of an attribute; nothing where it is empty, which says that there is none.
    fn given(&self, name: &'static str) -> Option<&[u8]> {
        let known = NAMES.iter().position(|known| *known == name)?;
        self.values[known].as_deref().filter(|value| !value.is_empty())
    }

    fn text(&self, name: &'static str) -> Result<Option<&str>, RequestError> {
        let text = |value| std::str::from_utf8(value).map_err(|_| RequestError::Attribute(name));
        self.given(name).map(text).transpose()
    }

    fn request(&self) -> Result<Request, RequestError> {
        let needed = |name| self.given(name).ok_or(RequestError::Attribute(name));
        if needed("request")? != b"smtpd_access_policy" {
            return Err(RequestError::Attribute("request"));
        }
        let address = |name| match self.text(name)? {
            None => Ok(None),
            Some(text) => text.parse::<IpAddr>().map(Some).map_err(|_| RequestError::Attribute(name)),
        };
        let server = match (address("server_address")?, self.text("server_port")?) {
            (Some(ip), Some(port)) => {
                let port = port.parse().map_err(|_| RequestError::Attribute("server_port"))?;
                Some(SocketAddr::new(ip, port))
            }
            _ => None,
        };
        let at_rcpt = needed("protocol_state")? == b"RCPT";
        Ok(Request {
            at_rcpt,
            instance: self.given("instance").unwrap_or_default().to_vec(),
            client: address("client_address")?
                .ok_or(RequestError::Attribute("client_address"))?
                .to_canonical(),
            server,
            sender: path(self.given("sender").unwrap_or_default()),
            recipient: if at_rcpt { path(needed("recipient")?) } else { Vec::new() },
            login: self.text("sasl_username")?.map(str::to_owned),
            certificate: self.text("ccert_subject")?.map(|subject| {
                // Postfix writes a subject in xtext; one that is none is taken as it is, and fits no name.
                Xtext::parse(subject.as_bytes()).map_or(subject.into(), Xtext::text).into_owned()
            }),
        })
    }
}

/// An address that Postfix hands over, which has lost its quotes, as SMTP writes it: then the parser of SMTP reads it. The
/// last `@` is the one before the domain, as Postfix takes it too.
fn path(address: &[u8]) -> Vec<u8> {
    match std::str::from_utf8(address) {
        Ok(text) => match text.rsplit_once('@') {
            Some((local_part, domain)) => format!("<{}@{domain}>", quoted(local_part)).into_bytes(),
            None => format!("<{text}>").into_bytes(),
        },
        // Whatever it is, the parser says so.
        Err(_) => [b"<", address, b">"].concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(octets: &[u8]) -> Result<Option<Request>, String> {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let mut stream = octets;
        runtime.block_on(Request::read(&mut stream)).map_err(|error| error.to_string())
    }

    const WHOLE: &str = "request=smtpd_access_policy\nprotocol_state=RCPT\nprotocol_name=ESMTP\n\
        helo_name=host.far.example\nqueue_id=\nsender=a@far.example\nrecipient=b@example.org\n\
        client_address=192.0.2.7\nclient_name=unknown\ninstance=1a.2b.0\nsasl_method=plain\n\
        sasl_username=alice\nccert_subject=Mail+20Host\nserver_address=192.0.2.1\nserver_port=25\n\n";

    #[test]
    fn a_request_of_postfix_is_read() {
        let request = read(WHOLE.as_bytes()).unwrap().unwrap();
        let wanted = Request {
            at_rcpt: true,
            instance: b"1a.2b.0".to_vec(),
            client: "192.0.2.7".parse().unwrap(),
            server: Some("192.0.2.1:25".parse().unwrap()),
            sender: b"<a@far.example>".to_vec(),
            recipient: b"<b@example.org>".to_vec(),
            login: Some("alice".to_owned()),
            certificate: Some("Mail Host".to_owned()),
        };
        assert_eq!(request, wanted);
        assert_eq!(read(b""), Ok(None));
    }

    #[test]
    fn what_is_not_there_is_not_made_up() {
        let text = WHOLE
            .replace("sender=a@far.example", "sender=")
            .replace("sasl_username=alice", "sasl_username=")
            .replace("ccert_subject=Mail+20Host\n", "")
            .replace("server_port=25\n", "")
            .replace("192.0.2.7", "::ffff:192.0.2.7");
        let request = read(text.as_bytes()).unwrap().unwrap();
        assert_eq!(request.sender, b"<>");
        assert_eq!((request.login, request.certificate, request.server), (None, None, None));
        assert_eq!(request.client, "192.0.2.7".parse::<IpAddr>().unwrap());
    }

    #[test]
    fn an_address_gets_its_quotes_back() {
        for (address, written) in [
            ("user@example.org", "<user@example.org>"),
            ("john doe@example.org", "<\"john doe\"@example.org>"),
            ("a@b@example.org", "<\"a@b\"@example.org>"),
            ("user%far.example@example.org", "<user%far.example@example.org>"),
            ("postmaster", "<postmaster>"),
            ("@example.org", "<\"\"@example.org>"),
            ("", "<>"),
        ] {
            assert_eq!(path(address.as_bytes()), written.as_bytes());
        }
    }

    #[test]
    fn what_makes_no_sense_is_named() {
        let without = |line: &str| WHOLE.replace(line, "");
        let long = format!("request={}\n", "x".repeat(9000));
        for (text, wrong) in [
            (without("request=smtpd_access_policy\n"), "the attribute request"),
            (WHOLE.replace("smtpd_access_policy", "junk"), "the attribute request"),
            (without("protocol_state=RCPT\n"), "the attribute protocol_state"),
            (without("recipient=b@example.org\n"), "the attribute recipient"),
            (without("client_address=192.0.2.7\n"), "the attribute client_address"),
            (WHOLE.replace("192.0.2.7", "unknown"), "the attribute client_address"),
            (WHOLE.replace("server_port=25", "server_port=smtp"), "the attribute server_port"),
            (format!("sender=x\n{WHOLE}"), "the attribute sender stands twice"),
            ("no attribute\n\n".to_owned(), "no `=`"),
            ("=x\n\n".to_owned(), "no name before it"),
            ("request=smtpd_access".to_owned(), "in the middle"),
            ("request=smtpd_access_policy\n".to_owned(), "in the middle"),
            (long, "longer than"),
            ("a=b\n".repeat(300), "longer than"),
        ] {
            let error = read(text.as_bytes()).unwrap_err();
            assert!(error.contains(wrong), "{error}");
        }
        assert!(read(&[WHOLE.as_bytes(), b"x"].concat()).is_ok());
        let octets = WHOLE.replace("alice", "\u{1}").into_bytes();
        let octets: Vec<u8> = octets.into_iter().map(|octet| if octet == 1 { 0xff } else { octet }).collect();
        assert!(read(&octets).unwrap_err().contains("the attribute sasl_username"));
    }

    proptest::proptest! {
        #[test]
        fn nothing_panics(octets in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300)) {
            let _ = read(&octets);
        }

        #[test]
        fn no_value_panics(value in "[^\\n]{0,80}") {
            for name in NAMES {
                let lines: Vec<String> = WHOLE
                    .lines()
                    .map(|line| if line.starts_with(name) { format!("{name}={value}\n") } else { format!("{line}\n") })
                    .collect();
                let _ = read(lines.concat().as_bytes());
            }
        }
    }
}
