//! Real Dovecot for tests: its authentication service alone, with its own folder, in the foreground, ended with the test.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::daemon::{eventually, free_port};

/// The key that tokens are signed with.
const KEY: &str = "a key of the test's own";

/// A Dovecot that knows `user` with the password `secret`, and tokens that [`token`](Self::token) made.
pub(crate) struct Dovecot {
    master: Option<Child>,
    pub port: u16,
    folder: TempDir,
}

impl Dovecot {
    /// Starts one.
    pub(crate) fn start() -> Self {
        let folder = tempfile::Builder::new().prefix("relaygate-dovecot-").tempdir().unwrap();
        let root = folder.path();
        fs::set_permissions(root, fs::Permissions::from_mode(0o755)).unwrap();
        let port = free_port();
        let settings =
            SETTINGS.replace("{folder}", &root.display().to_string()).replace("{port}", &port.to_string());
        fs::write(root.join("dovecot.conf"), settings).unwrap();
        fs::write(root.join("passwords"), "user:{PLAIN}secret\n").unwrap();
        let tokens = format!(
            "introspection_mode = local\n\
             local_validation_key_dict = fs:posix:prefix={}/keys/\n\
             username_attribute = sub\n",
            root.display()
        );
        fs::write(root.join("tokens.conf"), tokens).unwrap();
        let keys = root.join("keys/default/HS256");
        fs::create_dir_all(&keys).unwrap();
        fs::write(keys.join("default"), openssl(&["base64", "-A"], KEY.as_bytes())).unwrap();
        let mut dovecot = Self { master: None, port, folder };
        dovecot.start_again();
        dovecot
    }

    /// Starts it, or starts it again.
    pub(crate) fn start_again(&mut self) {
        let root = self.folder.path();
        let master = Command::new("dovecot")
            .arg("-F")
            .arg("-c")
            .arg(root.join("dovecot.conf"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(root.join("stderr")).unwrap())
            .process_group(0)
            .spawn()
            .expect("Dovecot is not installed: run `cargo xtask doctor --install`");
        self.master = Some(master);
        eventually("a listening Dovecot", || UnixStream::connect(self.socket()).ok());
    }

    /// Ends it, and waits until it has ended.
    pub(crate) fn stop(&mut self) {
        let Some(mut master) = self.master.take() else { return };
        let Ok(pid) = i32::try_from(master.id()) else { return };
        let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        let _ = master.wait();
        // Its services see connections to their end; they are of the master's process group.
        let _ = kill(Pid::from_raw(-pid), Signal::SIGKILL);
    }

    /// Where it listens.
    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("auth")
    }

    /// Its log.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// A JSON web token (RFC 7519) for this user, that ends in an hour.
    pub(crate) fn token(user: &str) -> String {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
        let header = base64_url(br#"{"alg":"HS256","typ":"JWT"}"#);
        let claims = format!(r#"{{"sub":"{user}","iat":{},"exp":{}}}"#, now - 60, now + 3600);
        let signed = format!("{header}.{}", base64_url(claims.as_bytes()));
        let signature = openssl(&["dgst", "-sha256", "-hmac", KEY, "-binary"], signed.as_bytes());
        format!("{signed}.{}", base64_url(&signature))
    }
}

impl Drop for Dovecot {
    fn drop(&mut self) {
        self.stop();
        if std::thread::panicking() {
            let stderr = fs::read_to_string(self.folder.path().join("stderr")).unwrap_or_default();
            eprintln!("--- Dovecot\n{stderr}\n{}", self.log());
        }
    }
}

fn base64_url(octets: &[u8]) -> String {
    let text = String::from_utf8(openssl(&["base64", "-A"], octets)).unwrap();
    text.trim_end().trim_end_matches('=').replace('+', "-").replace('/', "_")
}

/// What an openssl command makes of this.
fn openssl(arguments: &[&str], octets: &[u8]) -> Vec<u8> {
    use std::io::Write;
    let mut child = Command::new("openssl")
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("openssl is not installed: run `cargo xtask doctor --install`");
    child.stdin.take().unwrap().write_all(octets).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    output.stdout
}

const SETTINGS: &str = "\
base_dir = {folder}/run
state_dir = {folder}/run
log_path = {folder}/log
auth_verbose = yes
protocols =
listen = 127.0.0.1
ssl = no
disable_plaintext_auth = no
auth_failure_delay = 0
auth_mechanisms = plain login scram-sha-256 xoauth2 oauthbearer anonymous
passdb {
  driver = passwd-file
  mechanisms = plain login scram-sha-256
  args = {folder}/passwords
}
passdb {
  driver = oauth2
  mechanisms = xoauth2 oauthbearer
  args = {folder}/tokens.conf
}
userdb {
  driver = static
  args = uid=65534 gid=65534 home=/nonexistent
}
# It makes an address that has failed wait, longer each time.
service anvil {
  unix_listener anvil-auth-penalty {
    mode = 0
  }
}
service auth {
  unix_listener {folder}/auth {
    mode = 0666
  }
  inet_listener {
    port = {port}
  }
}
";
