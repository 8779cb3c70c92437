//! REQUIRETLS (RFC 8689): offered where the whole way keeps it, and nowhere else.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::Scene;
use super::s_client::Client;
use crate::authority::{Authority, Certified};
use crate::daemon::eventually;
use crate::dialogue::Dialogue;

/// A mail server that offers REQUIRETLS under TLS, and keeps the MAIL commands that it got; no server that could be
/// installed here does.
struct Keeper {
    address: SocketAddr,
    mails: Arc<Mutex<Vec<String>>>,
}

impl Keeper {
    fn start(certified: &Certified) -> Self {
        let chain =
            CertificateDer::pem_file_iter(&certified.chain).unwrap().collect::<Result<_, _>>().unwrap();
        let key = PrivateKeyDer::from_pem_file(&certified.key).unwrap();
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mails = Arc::new(Mutex::new(Vec::new()));
        let (config, kept) = (Arc::new(config), Arc::clone(&mails));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (config, kept) = (Arc::clone(&config), Arc::clone(&kept));
                std::thread::spawn(move || serve(stream, config, &kept));
            }
        });
        Self { address, mails }
    }
}

fn serve(mut stream: TcpStream, config: Arc<ServerConfig>, mails: &Mutex<Vec<String>>) {
    stream.write_all(b"220 keeper\r\n").unwrap();
    if talk(BufReader::new(&mut stream), false, mails) {
        let connection = ServerConnection::new(config).unwrap();
        talk(BufReader::new(&mut StreamOwned::new(connection, stream)), true, mails);
    }
}

/// Talks until STARTTLS, and says whether it came.
fn talk<S: Read + Write>(mut stream: BufReader<S>, encrypted: bool, mails: &Mutex<Vec<String>>) -> bool {
    let mut line = String::new();
    while matches!(stream.read_line(&mut line), Ok(1..)) {
        let verb = line.get(..4).unwrap_or_default().to_ascii_uppercase();
        if verb == "MAIL" {
            mails.lock().unwrap().push(line.trim_end().to_owned());
        }
        let reply = match verb.as_str() {
            "EHLO" if encrypted => "250-keeper\r\n250 REQUIRETLS\r\n",
            "EHLO" => "250-keeper\r\n250-REQUIRETLS\r\n250 STARTTLS\r\n",
            "STAR" => "220 go ahead\r\n",
            _ => "250 2.0.0 ok\r\n",
        };
        if stream.get_mut().write_all(reply.as_bytes()).is_err() || verb == "QUIT" {
            return false;
        }
        if verb == "STAR" {
            return true;
        }
        line.clear();
    }
    false
}

#[test]
fn it_is_offered_where_the_whole_way_keeps_it() {
    let folder = tempfile::tempdir().unwrap();
    let ours = Authority::new(folder.path(), "ours");
    let keeper = Keeper::start(&ours.certify("keeper", &["localhost"]));
    for (level, offered) in [("verify", true), ("encrypt", false), ("none", false)] {
        let scene = Scene::new(&format!(
            "--backend localhost:{} --backend-tls {level} --backend-tls-ca {}",
            keeper.address.port(),
            ours.file.display()
        ));
        // Never in the clear.
        let mut clear = Dialogue::open(scene.daemon.address);
        assert!(!clear.say("EHLO a.example").contains("REQUIRETLS"));
        clear.expect(&[("MAIL FROM:<a@far.example> REQUIRETLS", "555"), ("QUIT", "221")]);

        let mut client = Client::open(scene.daemon.address, &[]);
        let offer = client.say("EHLO a.example");
        assert_eq!(offer.contains("REQUIRETLS"), offered, "{level}: {offer}");
        if !offered {
            client.expect(&[("MAIL FROM:<a@far.example> REQUIRETLS", "555")]);
            continue;
        }
        client.expect(&[
            ("MAIL FROM:<a@far.example> REQUIRETLS", "250"),
            ("RCPT TO:<user@example.test>", "250"),
            ("QUIT", "221"),
        ]);
        eventually("the command at the backend", || {
            let mails = keeper.mails.lock().unwrap();
            mails.iter().any(|mail| mail == "MAIL FROM:<a@far.example> REQUIRETLS").then_some(())
        });
    }
}
