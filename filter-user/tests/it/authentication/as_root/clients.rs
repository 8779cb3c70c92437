//! swaks, curl and gsasl authenticate, each by what it can, against each kind of who knows logins; what they relay then
//! arrives through real Postfix.

use std::net::SocketAddr;
use std::path::Path;
use std::process::{Command, Output};

use crate::daemon::{Daemon, eventually, file, relaygate};
use crate::dovecot::Dovecot;
use crate::postfix::{Postfix, SmtpSink};

/// A client, what it is told to authenticate by, and the exit code when that is refused.
#[derive(Clone, Copy, Debug)]
enum Client {
    Swaks(&'static str),
    Curl(&'static str),
    CurlByToken(&'static str),
    /// Authenticates, and sends nothing.
    Gsasl(&'static str),
}

use Client::{Curl, CurlByToken, Gsasl, Swaks};

const BY_PASSWORD: [Client; 5] =
    [Swaks("PLAIN"), Swaks("LOGIN"), Curl("PLAIN"), Curl("LOGIN"), Gsasl("SCRAM-SHA-256")];
const BY_TOKEN: [Client; 2] = [CurlByToken("XOAUTH2"), CurlByToken("OAUTHBEARER")];

impl Client {
    /// Authenticates as `user` with this secret and, where it can, sends a message to someone elsewhere.
    fn run(self, relaygate: SocketAddr, secret: &str, folder: &Path) -> Output {
        let (host, port) = (relaygate.ip().to_string(), relaygate.port().to_string());
        let mut command = match self {
            Swaks(mechanism) => {
                let mut swaks = Command::new("swaks");
                swaks
                    .args(["--server", &host, "--port", &port, "--ehlo", "client.example"])
                    .args(["--auth", mechanism, "--auth-user", "user", "--auth-password", secret])
                    .args(["--from", "user@example.test", "--to", "someone@elsewhere.example"]);
                swaks
            }
            Curl(mechanism) | CurlByToken(mechanism) => {
                let message = file(folder, "message", "Subject: hello\r\n\r\nhello\r\n");
                let mut curl = Command::new("curl");
                curl.args(["--silent", "--show-error", &format!("smtp://{relaygate}/client.example")])
                    .args(["--mail-from", "user@example.test", "--mail-rcpt", "someone@elsewhere.example"])
                    .arg("--upload-file")
                    .arg(message)
                    .args(["--login-options", &format!("AUTH={mechanism}")]);
                match self {
                    CurlByToken(_) => curl.args(["--user", "user", "--oauth2-bearer", secret]),
                    _ => curl.args(["--user", &format!("user:{secret}")]),
                };
                curl
            }
            Gsasl(mechanism) => {
                let mut gsasl = Command::new("gsasl");
                gsasl.args(["--smtp", "--no-starttls", &format!("--connect={relaygate}")]).args([
                    "--mechanism",
                    mechanism,
                    "--authentication-id",
                    "user",
                    "--password",
                    secret,
                ]);
                gsasl
            }
        };
        command.stdin(std::process::Stdio::null()).output().unwrap_or_else(|error| {
            panic!("{self:?} is not installed: run `cargo xtask doctor --install`: {error}")
        })
    }

    fn sends(self) -> bool {
        !matches!(self, Gsasl(_))
    }
}

/// A site: relaygate before Postfix, and what users send elsewhere.
struct Site {
    relaygate: Daemon,
    elsewhere: SmtpSink,
    postfix: Postfix,
    folder: tempfile::TempDir,
}

impl Site {
    /// `auth` is relaygate's setting; `of_postfix` are Postfix's, about who may relay.
    fn new(auth: &str, of_postfix: &str) -> Self {
        let elsewhere = SmtpSink::start();
        let postfix = Postfix::of_users(elsewhere.address, of_postfix);
        let flags = format!(
            "--backend {} --local-domain example.test --auth-without-tls 127.0.0.0/8 --auth-failure-delay 10ms \
             --strike-weight-failed-auth 0 --workers 1 {auth}",
            postfix.address
        );
        let relaygate = Daemon::start(&flags);
        Self { relaygate, elsewhere, postfix, folder: tempfile::tempdir().unwrap() }
    }

    /// Every client gets in with what is right, and not with what is wrong; what it sends then arrives.
    fn admits(&self, clients: &[Client], right: &str, wrong: &str) {
        for client in clients {
            let before = self.elsewhere.messages().len();
            let refused = client.run(self.relaygate.address, wrong, self.folder.path());
            assert!(!refused.status.success(), "{client:?} gets in with what is wrong");
            let output = client.run(self.relaygate.address, right, self.folder.path());
            assert!(
                output.status.success(),
                "{client:?}: {}\n{}",
                String::from_utf8_lossy(&output.stdout),
                String::from_utf8_lossy(&output.stderr)
            );
            if client.sends() {
                eventually("the message elsewhere", || {
                    (self.elsewhere.messages().len() > before).then_some(())
                });
            }
            assert_eq!(self.elsewhere.messages().len(), before + usize::from(client.sends()), "{client:?}");
        }
        let log = self.relaygate.log();
        assert!(!log.contains(right) && !log.contains(wrong), "a secret is in the log: {log}");
        assert!(log.contains("\"login\":\"user\""), "{log}");
    }
}

/// Postfix knows users by this Dovecot too, and lets none but them relay.
fn sasl(dovecot: &Dovecot) -> String {
    format!(
        "smtpd_sasl_auth_enable = yes\n\
         smtpd_sasl_type = dovecot\n\
         smtpd_sasl_path = {}\n\
         smtpd_relay_restrictions = permit_sasl_authenticated, reject_unauth_destination\n",
        dovecot.socket().display()
    )
}

#[test]
fn by_a_password_file() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("passwords");
    let mut passwd = relaygate();
    passwd.arg("passwd").arg(&path).arg("user").stdin(std::process::Stdio::piped());
    let mut child = passwd.spawn().unwrap();
    std::io::Write::write_all(&mut child.stdin.take().unwrap(), b"c0rrect horse\n").unwrap();
    assert!(child.wait().unwrap().success());
    // relaygate alone decides.
    let site = Site::new(
        &format!("--auth file:{}", path.display()),
        "smtpd_relay_restrictions = check_client_access static:ok, reject\n",
    );
    site.admits(&BY_PASSWORD, "c0rrect horse", "batt3ry staple");
}

#[test]
fn by_dovecot() {
    let dovecot = Dovecot::start();
    let site = Site::new(&format!("--auth dovecot:unix:{}", dovecot.socket().display()), &sasl(&dovecot));
    site.admits(&BY_PASSWORD, "secret", "wr0ng");
    let token = Dovecot::token("user");
    site.admits(&BY_TOKEN, &token, &token[..token.len() - 6]);
    // Postfix too wants to see a login before it relays, and is told it.
    assert!(site.postfix.log().contains("sasl_method=XCLIENT, sasl_username=user"), "{}", site.postfix.log());
}

#[test]
fn by_postfix_behind_that_asks_dovecot() {
    let dovecot = Dovecot::start();
    let site = Site::new("--auth backend:", &sasl(&dovecot));
    site.admits(&BY_PASSWORD, "secret", "wr0ng");
    let token = Dovecot::token("user");
    site.admits(&BY_TOKEN, &token, &token[..token.len() - 6]);
}

#[test]
fn dovecot_is_gone_and_comes_back() {
    let mut dovecot = Dovecot::start();
    let settings = "smtpd_relay_restrictions = check_client_access static:ok, reject\n";
    let site = Site::new(&format!("--auth dovecot:unix:{}", dovecot.socket().display()), settings);
    let try_it = || Swaks("PLAIN").run(site.relaygate.address, "secret", site.folder.path());
    assert!(try_it().status.success());
    dovecot.stop();
    let said = eventually("an answer without Dovecot", || {
        let output = try_it();
        (!output.status.success()).then(|| String::from_utf8_lossy(&output.stdout).into_owned())
    });
    assert!(said.contains("454 4.7.0"), "{said}");
    dovecot.start_again();
    eventually("the way back to Dovecot", || try_it().status.success().then_some(()));
}
