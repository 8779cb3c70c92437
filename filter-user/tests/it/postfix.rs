//! Real Postfix for tests: an instance with its own folder, port and queue, in the foreground, ended with the test.

use std::fmt::Write as _;
use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, User};
use tempfile::TempDir;

use crate::authority::Certified;
use crate::daemon::{eventually, free_port};
use crate::dovecot::Dovecot;

/// The settings of a proper mail server.
const PROPER: &str = "mydestination =\n\
    mynetworks =\n\
    virtual_mailbox_domains = example.test\n\
    virtual_mailbox_base = {folder}/mail\n\
    virtual_mailbox_maps = static:all/\n\
    virtual_uid_maps = static:{uid}\n\
    virtual_gid_maps = static:{gid}\n\
    virtual_minimum_uid = 1\n";

/// A running Postfix.
pub(crate) struct Postfix {
    script: Option<Child>,
    pub address: SocketAddr,
    folder: TempDir,
}

impl Postfix {
    /// As a proper mail server: knows its recipients, delivers to a Maildir each.
    pub(crate) fn proper() -> Self {
        Self::start(PROPER)
    }

    /// The same, of which these users alone are known.
    pub(crate) fn knowing(users: &[&str]) -> Self {
        let known: Vec<String> =
            users.iter().map(|user| format!("{{ {user}@example.test = all/ }}")).collect();
        Self::start(&PROPER.replace("static:all/", &format!("inline:{{ {} }}", known.join(", "))))
    }

    /// The same, offering STARTTLS with this certificate.
    pub(crate) fn with_tls(certificate: &Certified) -> Self {
        Self::start(&format!(
            "{PROPER}\
             smtpd_tls_security_level = may\n\
             smtpd_tls_received_header = yes\n\
             smtpd_tls_chain_files = {}, {}\n",
            certificate.key.display(),
            certificate.chain.display()
        ))
    }

    /// As a server that sends all mail for example.test there, over TLS or not at all.
    pub(crate) fn sending_over_tls(next: SocketAddr) -> Self {
        Self::start(&format!(
            "mydestination =\n\
             mynetworks = 127.0.0.0/8\n\
             relay_domains = example.test\n\
             relay_transport = smtp:[{}]:{}\n\
             smtp_tls_security_level = encrypt\n\
             smtp_tls_loglevel = 1\n\
             initial_destination_concurrency = 20\n",
            next.ip(),
            next.port()
        ))
    }

    /// As a submission server: takes mail from who has authenticated over TLS by one of these mechanisms, and from
    /// nobody else. Its Dovecot says who they are.
    pub(crate) fn submission(certificate: &Certified, dovecot: &Dovecot, mechanisms: &str) -> Self {
        Self::start(&format!(
            "{PROPER}\
             smtpd_tls_security_level = may\n\
             smtpd_tls_auth_only = yes\n\
             smtpd_tls_received_header = yes\n\
             smtpd_tls_chain_files = {}, {}\n\
             smtpd_sasl_auth_enable = yes\n\
             smtpd_sasl_type = dovecot\n\
             smtpd_sasl_path = {}\n\
             smtpd_sasl_mechanism_filter = {mechanisms}\n\
             smtpd_client_restrictions = permit_sasl_authenticated, reject\n\
             smtpd_delay_reject = yes\n",
            certificate.key.display(),
            certificate.chain.display(),
            dovecot.socket().display()
        ))
    }

    /// As the server of KB Q255695: takes every recipient, finds out later, and sends the message back, body and all,
    /// to whoever MAIL FROM names; their domain's mail goes to `victim`.
    pub(crate) fn accepting_all(victim: SocketAddr) -> Self {
        Self::start(&format!(
            "mydestination = example.test\n\
             local_recipient_maps =\n\
             alias_maps =\n\
             mailbox_command = /bin/true\n\
             bounce_size_limit = 1000000\n\
             default_transport = smtp:[{}]:{}\n\
             relay_transport = $default_transport\n\
             mynetworks = 0.0.0.0/0\n\
             smtpd_relay_restrictions = permit_mynetworks, reject_unauth_destination\n",
            victim.ip(),
            victim.port(),
        ))
    }

    /// A proper mail server at this address, that takes XCLIENT from nobody.
    pub(crate) fn proper_at(address: SocketAddr) -> Self {
        Self::start_at(address, PROPER, "")
    }

    /// As a mail server of users, whose mail to elsewhere goes to `next`; `settings` say who may send there.
    pub(crate) fn of_users(next: SocketAddr, settings: &str) -> Self {
        Self::start(&format!("{PROPER}default_transport = smtp:[{}]:{}\n{settings}", next.ip(), next.port()))
    }

    /// The same, with these settings too.
    pub(crate) fn facing(address: SocketAddr, settings: &str) -> Self {
        Self::start_at(address, &format!("{PROPER}{settings}"), "")
    }

    fn start(settings: &str) -> Self {
        Self::start_with_services(settings, "")
    }

    /// With these settings, and these lines of `master.cf` besides those of every Postfix.
    pub(crate) fn start_with_services(settings: &str, services: &str) -> Self {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], free_port())), settings, services)
    }

    fn start_at(address: SocketAddr, settings: &str, services: &str) -> Self {
        let folder = tempfile::Builder::new().prefix("relaygate-postfix-").tempdir().unwrap();
        let root = folder.path();
        fs::set_permissions(root, fs::Permissions::from_mode(0o755)).unwrap();
        let owner = mail_owner();
        for name in ["queue", "data", "mail", "log", "etc"] {
            fs::create_dir(root.join(name)).unwrap();
        }
        for name in ["data", "mail"] {
            chown(root.join(name), Some(owner.uid.as_raw()), Some(owner.gid.as_raw())).unwrap();
        }
        let mut main = String::from(
            "compatibility_level = 3.6\n\
             queue_directory = {folder}/queue\n\
             data_directory = {folder}/data\n\
             maillog_file_prefixes = {folder}\n\
             maillog_file = {folder}/log/mail\n\
             myhostname = mail.example.test\n\
             inet_interfaces = {address}\n\
             inet_protocols = {protocols}\n\
             smtp_dns_support_level = disabled\n\
             smtpd_peername_lookup = no\n\
             smtpd_authorized_xclient_hosts = 127.0.0.1\n\
             smtpd_client_connection_count_limit = 0\n\
             smtputf8_enable = yes\n\
             default_process_limit = 60\n\
             notify_classes =\n",
        );
        let _ = write!(main, "{settings}");
        let main = main
            .replace("{folder}", &root.display().to_string())
            .replace("{address}", &address.ip().to_string())
            .replace("{protocols}", if address.is_ipv4() { "ipv4" } else { "ipv6" })
            .replace("{uid}", &owner.uid.to_string())
            .replace("{gid}", &owner.gid.to_string());
        fs::write(root.join("etc/main.cf"), main).unwrap();
        fs::write(root.join("etc/master.cf"), master(address) + services).unwrap();
        let script = Some(run_in_foreground(root));
        let postfix = Self { script, address, folder };
        eventually("a listening Postfix", || TcpStream::connect(address).ok());
        postfix
    }

    /// Ends it; what it has taken stays.
    pub(crate) fn stop(&mut self) {
        let Some(mut script) = self.script.take() else { return };
        // The master has left the script's process group for one of its own; at SIGTERM it ends its children, and with
        // it the script that waits for it.
        let pid = fs::read_to_string(self.folder.path().join("queue/pid/master.pid")).unwrap_or_default();
        if let Ok(pid) = pid.trim().parse() {
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
        let _ = script.wait();
    }

    /// Starts it again, on the same port.
    pub(crate) fn start_again(&mut self) {
        self.script = Some(run_in_foreground(self.folder.path()));
        eventually("a listening Postfix", || TcpStream::connect(self.address).ok());
    }

    /// Its log.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log/mail")).unwrap_or_default()
    }

    /// The messages that were delivered, each with the headers that Postfix put before it.
    pub(crate) fn delivered(&self) -> Vec<Vec<u8>> {
        files(&self.folder.path().join("mail/all/new")).iter().map(|path| fs::read(path).unwrap()).collect()
    }

    /// How many there are.
    pub(crate) fn delivered_count(&self) -> usize {
        files(&self.folder.path().join("mail/all/new")).len()
    }

    /// How many messages it has in its queues.
    pub(crate) fn queued(&self) -> usize {
        ["incoming", "active", "deferred", "maildrop", "hold"]
            .iter()
            .map(|queue| files(&self.folder.path().join("queue").join(queue)).len())
            .sum()
    }
}

impl Drop for Postfix {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let stderr = fs::read_to_string(self.folder.path().join("log/stderr")).unwrap_or_default();
            let log = self.log();
            let tail: Vec<&str> = log.lines().rev().take(40).collect();
            eprintln!("--- Postfix\n{stderr}\n{}", tail.into_iter().rev().collect::<Vec<_>>().join("\n"));
        }
        self.stop();
    }
}

/// Postfix's foreground script, in a process group of its own.
fn run_in_foreground(folder: &Path) -> Child {
    Command::new("postfix")
        .arg("-c")
        .arg(folder.join("etc"))
        .arg("start-fg")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(fs::File::create(folder.join("log/stderr")).unwrap())
        .process_group(0)
        .spawn()
        .expect("Postfix is not installed: run `cargo xtask doctor --install`")
}

/// The user that Postfix runs as.
fn mail_owner() -> User {
    User::from_name("postfix").unwrap().expect("Postfix is not installed: run `cargo xtask doctor --install`")
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

fn master(address: SocketAddr) -> String {
    format!(
        "{address} inet n - n - - smtpd\n\
         cleanup unix n - n - 0 cleanup\n\
         qmgr unix n - n 300 1 qmgr\n\
         rewrite unix - - n - - trivial-rewrite\n\
         bounce unix - - n - 0 bounce\n\
         defer unix - - n - 0 bounce\n\
         trace unix - - n - 0 bounce\n\
         smtp unix - - n - - smtp\n\
         error unix - - n - - error\n\
         retry unix - - n - - error\n\
         local unix - n n - - local\n\
         virtual unix - n n - - virtual\n\
         anvil unix - - n - 1 anvil\n\
         scache unix - - n - 1 scache\n\
         proxymap unix - - n - - proxymap\n\
         tlsmgr unix - - n 1000? 1 tlsmgr\n\
         flush unix n - n 1000? 0 flush\n\
         showq unix n - n - - showq\n\
         postlog unix-dgram n - n - 1 postlogd\n"
    )
}

/// Sends so many messages by smtp-source, each to a recipient of its own.
pub(crate) fn submit(messages: usize, address: SocketAddr, recipient: &str) {
    let output = Command::new("smtp-source")
        .args(["-N", "-l", "4096", "-s", "50", "-f", "sender@far.example", "-t", recipient])
        .args(["-m", &messages.to_string(), &address.to_string()])
        .output()
        .expect("smtp-source is not installed: run `cargo xtask doctor --install`");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

/// The part of a delivered message that the client wrote: behind the headers that Postfix put before it.
pub(crate) fn body(message: &[u8]) -> &[u8] {
    let at = message.windows(2).position(|pair| pair == b"\n\n").expect("a message has headers and a body");
    &message[at + 2..]
}

/// Postfix's smtp-sink: takes all mail for whoever, and dumps each message into a file.
pub(crate) struct SmtpSink {
    process: Child,
    pub address: SocketAddr,
    folder: TempDir,
}

impl SmtpSink {
    pub(crate) fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let address = SocketAddr::from(([127, 0, 0, 1], free_port()));
        let user = mail_owner();
        chown(folder.path(), Some(user.uid.as_raw()), Some(user.gid.as_raw())).unwrap();
        let process = Command::new("smtp-sink")
            .args(["-u", &user.name])
            .arg("-d")
            .arg(folder.path().join("%M."))
            .args([&address.to_string(), "100"])
            .stdin(Stdio::null())
            .process_group(0)
            .spawn()
            .expect("smtp-sink is not installed: run `cargo xtask doctor --install`");
        let sink = Self { process, address, folder };
        eventually("a listening smtp-sink", || TcpStream::connect(address).ok());
        sink
    }

    /// What was taken, each with smtp-sink's own headers (X-Mail-Args and the like) before it.
    pub(crate) fn messages(&self) -> Vec<String> {
        files(self.folder.path())
            .iter()
            .map(|path| String::from_utf8_lossy(&fs::read(path).unwrap()).into_owned())
            .collect()
    }
}

impl Drop for SmtpSink {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
