//! A client of a row: connects from its address, authenticates or shows its certificate, and sends one message.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};

use crate::authority::Certified;

/// The password of every login.
pub(super) const PASSWORD: &str = "open sesame";

/// Who asks.
pub(super) struct Client {
    pub(super) peer: IpAddr,
    /// The reverse-path, with its brackets.
    from: String,
    pub(super) login: Option<String>,
    /// Names in the certificate that it shows.
    pub(super) certificate: Vec<String>,
}

/// What it was told.
pub(super) struct Said {
    pub(super) to_rcpt: String,
}

impl Client {
    /// The first column of a row.
    pub(super) fn read(column: &str) -> Self {
        let mut words = column.split(' ');
        let peer: IpAddr = words.next().unwrap().parse().unwrap();
        let mut client = Self {
            peer: peer.to_canonical(),
            from: "<sender@sender.example>".to_owned(),
            login: None,
            certificate: Vec::new(),
        };
        for word in words {
            match word.split_once('=').unwrap() {
                ("from", path) => client.from = path.to_owned(),
                ("login", name) => client.login = Some(name.to_owned()),
                ("certificate", names) => client.certificate = names.split(',').map(str::to_owned).collect(),
                (other, _) => panic!("{other} is nothing that is known of a session"),
            }
        }
        client
    }

    /// Sends a message to one recipient, as far as it gets.
    pub(super) fn converse(
        &self,
        to: SocketAddr,
        certificate: Option<&(Certified, PathBuf)>,
        path: &str,
        subject: &str,
    ) -> Result<Said, String> {
        let mut talk = Talk::over(Box::new(connect(self.peer, to)?));
        talk.expect("220")?;
        talk.say("EHLO client.example", "250")?;
        if let Some((certified, authority)) = certificate {
            talk.say("STARTTLS", "220")?;
            talk = Talk::over(Box::new(encrypted(talk.into_stream(), certified, authority)));
            talk.say("EHLO client.example", "250")?;
        }
        if let Some(login) = &self.login {
            let secret = STANDARD.encode(format!("\0{login}\0{PASSWORD}"));
            talk.say(&format!("AUTH PLAIN {secret}"), "235")?;
        }
        talk.say(&format!("MAIL FROM:{} SMTPUTF8", self.from), "250")?;
        let to_rcpt = talk.ask(&format!("RCPT TO:{path}"))?;
        if to_rcpt.starts_with("250") {
            talk.say("DATA", "354")?;
            talk.say(&format!("X-Row: {subject}\r\n\r\nhello\r\n."), "250")?;
        }
        talk.say("QUIT", "221")?;
        Ok(Said { to_rcpt })
    }
}

trait Stream: Read + Write {}
impl<T: Read + Write> Stream for T {}

struct Talk {
    reader: BufReader<Box<dyn Stream>>,
}

impl Talk {
    fn over(stream: Box<dyn Stream>) -> Self {
        Self { reader: BufReader::new(stream) }
    }

    fn into_stream(self) -> Box<dyn Stream> {
        self.reader.into_inner()
    }

    fn ask(&mut self, line: &str) -> Result<String, String> {
        let stream = self.reader.get_mut();
        stream
            .write_all(format!("{line}\r\n").as_bytes())
            .and_then(|()| stream.flush())
            .map_err(|error| format!("{line:?}: {error}"))?;
        self.reply()
    }

    fn say(&mut self, line: &str, wanted: &str) -> Result<(), String> {
        let reply = self.ask(line)?;
        if reply.starts_with(wanted) { Ok(()) } else { Err(format!("{line:?} was answered {reply:?}")) }
    }

    fn expect(&mut self, wanted: &str) -> Result<(), String> {
        let reply = self.reply()?;
        if reply.starts_with(wanted) { Ok(()) } else { Err(format!("was greeted by {reply:?}")) }
    }

    /// One reply, all lines of it.
    fn reply(&mut self) -> Result<String, String> {
        let mut text = String::new();
        loop {
            let begin = text.len();
            match self.reader.read_line(&mut text) {
                Ok(1..) if text.as_bytes().get(begin + 3) == Some(&b'-') => {}
                Ok(1..) => return Ok(text),
                Ok(0) => return Err(format!("hung up behind {text:?}")),
                Err(error) => return Err(format!("{error} behind {text:?}")),
            }
        }
    }
}

fn connect(from: IpAddr, to: SocketAddr) -> Result<TcpStream, String> {
    let failed = |error: std::io::Error| format!("cannot connect from {from} to {to}: {error}");
    let socket = socket2::Socket::new(socket2::Domain::for_address(to), socket2::Type::STREAM, None)
        .map_err(failed)?;
    socket.bind(&SocketAddr::new(from, 0).into()).map_err(failed)?;
    socket.connect_timeout(&to.into(), Duration::from_secs(10)).map_err(failed)?;
    socket.set_read_timeout(Some(Duration::from_secs(20))).map_err(failed)?;
    Ok(socket.into())
}

fn encrypted(stream: Box<dyn Stream>, certified: &Certified, authority: &PathBuf) -> impl Stream + 'static {
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(authority).unwrap()).unwrap();
    let chain = vec![CertificateDer::from_pem_file(&certified.chain).unwrap()];
    let key = PrivateKeyDer::from_pem_file(&certified.key).unwrap();
    let config = rustls::ClientConfig::builder()
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)
        .unwrap();
    let name = ServerName::try_from("mx.example.org").unwrap();
    let connection = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    rustls::StreamOwned::new(connection, stream)
}
