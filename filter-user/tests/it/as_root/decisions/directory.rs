//! A directory that says the same of everybody, over Postfix's socketmap protocol: rows of the tables say what the
//! directory says, and no real one would say that it cannot on demand.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;

pub(super) struct ConstantDirectory;

impl ConstantDirectory {
    /// Serves in the namespace of the thread that starts it, until the test ends; says at which port.
    pub(super) fn start(says: &str) -> u16 {
        let reply = match says {
            "known" => "OK yes",
            // A row of an outside recipient asks nobody.
            "unknown" | "-" => "NOTFOUND ",
            "unavailable" => "TEMP not now",
            other => panic!("{other} is nothing that a directory says"),
        };
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                std::thread::spawn(move || {
                    let mut writer = stream.try_clone().unwrap();
                    let mut reader = BufReader::new(stream);
                    while ask(&mut reader).is_some() {
                        let _ = write!(writer, "{}:{reply},", reply.len());
                    }
                });
            }
        });
        port
    }
}

/// Reads one netstring.
fn ask(reader: &mut impl BufRead) -> Option<()> {
    let mut length = Vec::new();
    reader.read_until(b':', &mut length).ok()?;
    let length: usize = std::str::from_utf8(length.strip_suffix(b":")?).ok()?.parse().ok()?;
    let mut text = vec![0; length + 1];
    reader.read_exact(&mut text).ok()
}
