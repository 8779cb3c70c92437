//! A real slapd for tests: its own folder, ports and database, in the foreground, ended with the test.

use std::fmt::Write as _;
use std::fs;
use std::net::{SocketAddr, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::authority::Authority;
use crate::daemon::{eventually, file, free_port};

/// Below which entry everything is.
pub(super) const BASE: &str = "dc=example,dc=test";
/// Who may read, and the password of that.
pub(super) const READER: &str = "cn=reader,dc=example,dc=test";
const PASSWORD: &str = "a password for tests";
const MISSING: &str = "slapd is not installed: run `cargo xtask doctor --install`";

/// A directory server with its database.
pub(super) struct Slapd {
    folder: TempDir,
    process: Option<Child>,
    pub(super) address: SocketAddr,
    pub(super) tls: SocketAddr,
    pub(super) authority: PathBuf,
    pub(super) password_file: PathBuf,
}

impl Slapd {
    /// With entries of these addresses: each has `mail`, and the second of a pair in `proxyAddresses`.
    pub(super) fn with(entries: &[(&str, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir(root.join("db")).unwrap();
        let authority = Authority::new(root, "authority");
        let certificate = authority.certify("slapd", &["localhost"]);
        file(root, "slapd.conf", &conf(root, &certificate.chain, &certificate.key));
        let password_file = file(root, "password", &format!("{PASSWORD}\n"));
        let loaded = Command::new("/usr/sbin/slapadd")
            .arg("-f")
            .arg(root.join("slapd.conf"))
            .arg("-l")
            .arg(file(root, "entries.ldif", &ldif(entries)))
            .output()
            .expect(MISSING);
        assert!(loaded.status.success(), "{}", String::from_utf8_lossy(&loaded.stderr));
        let at = || SocketAddr::from(([127, 0, 0, 1], free_port()));
        let authority = authority.file;
        let mut slapd = Self { folder, process: None, address: at(), tls: at(), authority, password_file };
        slapd.start();
        slapd
    }

    /// Starts it, again where it was stopped.
    pub(super) fn start(&mut self) {
        let urls = format!("ldap://{} ldaps://{}", self.address, self.tls);
        let process = Command::new("/usr/sbin/slapd")
            .args(["-d", "0", "-h", &urls, "-f"])
            .arg(self.folder.path().join("slapd.conf"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(self.folder.path().join("stderr")).unwrap())
            .process_group(0)
            .spawn()
            .expect(MISSING);
        self.process = Some(process);
        eventually("a listening slapd", || TcpStream::connect(self.address).ok());
    }

    /// Stops it; the database stays.
    pub(super) fn stop(&mut self) {
        let Some(mut process) = self.process.take() else { return };
        if let Ok(pid) = i32::try_from(process.id()) {
            let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
        }
        let _ = process.wait();
    }
}

impl Drop for Slapd {
    fn drop(&mut self) {
        self.stop();
        if std::thread::panicking() {
            eprintln!(
                "--- slapd\n{}",
                fs::read_to_string(self.folder.path().join("stderr")).unwrap_or_default()
            );
        }
    }
}

fn conf(root: &Path, chain: &Path, key: &Path) -> String {
    let root = root.display();
    // The attribute is Active Directory's, by its own number.
    format!(
        "include /etc/ldap/schema/core.schema\n\
         include /etc/ldap/schema/cosine.schema\n\
         include /etc/ldap/schema/inetorgperson.schema\n\
         attributetype ( 1.2.840.113556.1.2.210 NAME 'proxyAddresses' EQUALITY caseIgnoreMatch \
         SUBSTR caseIgnoreSubstringsMatch SYNTAX 1.3.6.1.4.1.1466.115.121.1.15 )\n\
         objectclass ( 1.3.6.1.4.1.4203.666.1 NAME 'mailRecipient' SUP top AUXILIARY MAY proxyAddresses )\n\
         pidfile {root}/pid\n\
         argsfile {root}/args\n\
         modulepath /usr/lib/ldap\n\
         moduleload back_mdb\n\
         TLSCertificateFile {}\n\
         TLSCertificateKeyFile {}\n\
         database mdb\n\
         suffix \"{BASE}\"\n\
         rootdn \"cn=admin,{BASE}\"\n\
         directory {root}/db\n\
         index mail,proxyAddresses eq,pres\n\
         access to attrs=userPassword by anonymous auth by * none\n\
         access to * by dn.exact=\"{READER}\" read by anonymous auth by * none\n",
        chain.display(),
        key.display(),
    )
}

fn ldif(entries: &[(&str, &str)]) -> String {
    let mut text = format!(
        "dn: {BASE}\nobjectClass: dcObject\nobjectClass: organization\no: Test\ndc: example\n\n\
         dn: {READER}\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\ncn: reader\n\
         userPassword: {PASSWORD}\n\n"
    );
    for (number, (mail, other)) in entries.iter().enumerate() {
        let _ = write!(
            text,
            "dn: cn=person{number},{BASE}\nobjectClass: inetOrgPerson\nobjectClass: mailRecipient\n\
             cn: person{number}\nsn: person\nmail: {mail}\nproxyAddresses: SMTP:{mail}\n"
        );
        if !other.is_empty() {
            let _ = writeln!(text, "proxyAddresses: smtp:{other}");
        }
        text.push('\n');
    }
    text
}
