//! Postfix's own maps behind its own protocol: a server that answers socketmap requests with what `postmap -q` says of a
//! real `hash:` table. Postfix asks such servers and ships none.

use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use tempfile::TempDir;

use crate::daemon::file;

/// A table made by `postmap`.
pub(super) struct Table {
    folder: TempDir,
}

impl Table {
    /// Of these lines, each a key and a value.
    pub(super) fn of(lines: &str) -> Self {
        let table = Self { folder: tempfile::tempdir().unwrap() };
        file(table.folder.path(), "main.cf", "compatibility_level = 3.6\n");
        table.write(lines);
        table
    }

    /// Makes it anew.
    pub(super) fn write(&self, lines: &str) {
        file(self.folder.path(), "table", lines);
        let made = self.postmap().arg(self.name()).status();
        assert!(made.expect("Postfix is not installed: run `cargo xtask doctor --install`").success());
    }

    fn postmap(&self) -> Command {
        let mut command = Command::new("postmap");
        command.arg("-c").arg(self.folder.path());
        command
    }

    fn name(&self) -> String {
        format!("hash:{}", self.folder.path().join("table").display())
    }

    /// What `postmap -q` says, as a reply of the protocol.
    fn reply(&self, key: &str) -> String {
        let output = self.postmap().args(["-q", key, &self.name()]).output().unwrap();
        let value = String::from_utf8_lossy(&output.stdout).trim_end().to_owned();
        match output.status.code() {
            Some(0) => format!("OK {value}"),
            Some(1) if output.stderr.is_empty() => "NOTFOUND ".to_owned(),
            _ => format!("TEMP {}", String::from_utf8_lossy(&output.stderr).trim_end()),
        }
    }
}

/// A socketmap server for one table, called `recipients`, until it is dropped.
pub(super) struct Server {
    path: PathBuf,
    stopped: Arc<AtomicBool>,
    open: Arc<Mutex<Vec<UnixStream>>>,
    asked: Arc<AtomicUsize>,
    accepting: Option<JoinHandle<()>>,
}

impl Server {
    /// Listens there.
    pub(super) fn start(path: &Path, table: &Arc<Table>) -> Self {
        let _ = std::fs::remove_file(path);
        let listener = UnixListener::bind(path).unwrap();
        let (stopped, open) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Vec::new())));
        let asked = Arc::new(AtomicUsize::new(0));
        let (table, stop, streams, count) =
            (Arc::clone(table), Arc::clone(&stopped), Arc::clone(&open), Arc::clone(&asked));
        let accepting = std::thread::spawn(move || {
            for stream in listener.incoming() {
                let stream = stream.unwrap();
                if stop.load(Ordering::SeqCst) {
                    return;
                }
                streams.lock().unwrap().push(stream.try_clone().unwrap());
                let (table, count) = (Arc::clone(&table), Arc::clone(&count));
                std::thread::spawn(move || serve(&stream, &table, &count));
            }
        });
        Self { path: path.to_owned(), stopped, open, asked, accepting: Some(accepting) }
    }

    /// How many requests came.
    pub(super) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stopped.store(true, Ordering::SeqCst);
        // The last connection is this one.
        let _ = UnixStream::connect(&self.path);
        if let Some(accepting) = self.accepting.take() {
            let _ = accepting.join();
        }
        for stream in self.open.lock().unwrap().drain(..) {
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Answers requests until the client has no more.
fn serve(stream: &UnixStream, table: &Table, asked: &AtomicUsize) {
    let mut reader = BufReader::new(stream);
    let mut writer = stream;
    while let Some(request) = netstring(&mut reader) {
        asked.fetch_add(1, Ordering::SeqCst);
        let reply = match request.split_once(' ') {
            Some(("recipients", key)) => table.reply(key),
            _ => "PERM there is no such map".to_owned(),
        };
        if write!(writer, "{}:{reply},", reply.len()).is_err() {
            return;
        }
    }
}

fn netstring(reader: &mut impl BufRead) -> Option<String> {
    let mut length = Vec::new();
    reader.read_until(b':', &mut length).ok()?;
    let length: usize = std::str::from_utf8(length.strip_suffix(b":")?).ok()?.parse().ok()?;
    let mut text = vec![0; length + 1];
    reader.read_exact(&mut text).ok()?;
    String::from_utf8(text).ok()?.strip_suffix(',').map(str::to_owned)
}
