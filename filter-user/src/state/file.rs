//! The file itself: written whole under another name and then given its own, so that there is never a half of one; read to its
//! end before a word of it is believed.

use std::fs::{File, OpenOptions, rename};
use std::io::{self, BufRead, BufReader, BufWriter, Read as _, Seek as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

use super::error::{StateError, Unreadable};
use super::line::{Entry, FORMAT, Header, Line};
use super::moment::{Moment, Passed};

/// Octets of a line: several times what the longest has.
const LONGEST_LINE: u64 = 4096;

/// The name under which a file is written.
pub(super) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// An error of the system, with what was tried.
pub(super) fn failed(path: &Path, step: &'static str) -> impl FnOnce(io::Error) -> StateError {
    let path = path.to_owned();
    move |source| StateError::System { path, step, source }
}

/// Writes what is known at a moment, and says in how many lines. Where this ends early, for whatever reason, the
/// file is what it was.
pub(super) fn write(
    path: &Path,
    moment: &Moment,
    entries: impl Iterator<Item = Entry>,
) -> Result<u64, StateError> {
    let unfinished = beside(path, ".new");
    let no_link = OFlags::NOFOLLOW.bits().cast_signed();
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        // It says who has done what.
        .mode(0o600)
        .custom_flags(no_link)
        .open(&unfinished)
        .map_err(failed(path, "write it anew beside it"))?;
    let mut out = BufWriter::with_capacity(1 << 16, file);
    let count = put(&mut out, moment, entries).map_err(failed(path, "write it"))?;
    let file = out.into_inner().map_err(|error| failed(path, "write it")(error.into_error()))?;
    file.sync_all().map_err(failed(path, "bring it to the disk"))?;
    rename(&unfinished, path).map_err(failed(path, "put it into its place"))?;
    // The name is the folder's: without this a crash might bring the old file back, which is still a whole one.
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)
        .and_then(|folder| folder.sync_all())
        .map_err(failed(path, "bring its name to the disk"))?;
    Ok(count)
}

fn put(out: &mut impl io::Write, moment: &Moment, entries: impl Iterator<Item = Entry>) -> io::Result<u64> {
    serde_json::to_writer(&mut *out, &Header::of(moment))?;
    out.write_all(b"\n")?;
    let mut count = 0;
    for line in entries.filter_map(|entry| entry.line(moment)) {
        serde_json::to_writer(&mut *out, &line)?;
        out.write_all(b"\n")?;
        count += 1;
    }
    serde_json::to_writer(&mut *out, &Line { end: Some(count), ..Line::default() })?;
    out.write_all(b"\n")?;
    Ok(count)
}

/// A file that was opened.
#[derive(Debug)]
pub(super) struct StateFile(File);

/// What a file is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Contents {
    /// In how many lines.
    pub(super) lines: u64,
    /// How long ago it was written.
    pub(super) passed: Passed,
}

impl StateFile {
    /// Opens it; nothing where there is none.
    pub(super) fn open(path: &Path) -> Result<Option<Self>, StateError> {
        // Opening a pipe would wait for its other end.
        match std::fs::metadata(path) {
            Ok(found) if !found.is_file() => {
                let source = io::Error::other("it is not a regular file");
                return Err(failed(path, "read it")(source));
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed(path, "read it")(error)),
        }
        File::open(path).map(|file| Some(Self(file))).map_err(failed(path, "read it"))
    }

    /// Gives each line as it means it now. The file is read twice, for what is at its end may say that nothing of it counts; it
    /// may be long, so it is kept nowhere.
    pub(super) fn each(&mut self, now: &Moment, mut give: impl FnMut(Entry)) -> Result<Contents, Unreadable> {
        self.read(now, |_| ())?;
        self.read(now, &mut give)
    }

    fn read(&mut self, now: &Moment, mut give: impl FnMut(Entry)) -> Result<Contents, Unreadable> {
        self.0.rewind()?;
        let mut lines =
            Lines { from: BufReader::with_capacity(1 << 16, &self.0), line: Vec::new(), number: 0 };
        let written = header(&mut lines)?;
        let passed = now.since(&written);
        let mut count = 0;
        loop {
            if !lines.advance()? {
                return Err(Unreadable::CutOff(lines.number));
            }
            let line: Line = lines.parse()?;
            if let Some(end) = line.end {
                if end != count {
                    return Err(lines.fault(format!("{end} lines should stand above, and {count} do")));
                }
                if lines.advance()? {
                    return Err(lines.fault("this was to be the end".to_owned()));
                }
                return Ok(Contents { lines: count, passed });
            }
            let entry =
                Entry::of(&line, now, passed).ok_or_else(|| lines.fault("it says nothing".to_owned()))?;
            count += 1;
            give(entry);
        }
    }
}

fn header(lines: &mut Lines<BufReader<&File>>) -> Result<Moment, Unreadable> {
    /// What every format has.
    #[derive(serde::Deserialize)]
    struct Format {
        relaygate_state: u32,
    }
    // Whatever is wrong with it, it is no state file.
    if !lines.advance().unwrap_or(false) {
        return Err(Unreadable::Foreign);
    }
    match lines.parse() {
        Ok(Format { relaygate_state }) if relaygate_state > FORMAT => Err(Unreadable::Newer(relaygate_state)),
        Ok(Format { .. }) => Ok(lines.parse::<Header>()?.moment()),
        Err(_) => Err(Unreadable::Foreign),
    }
}

/// Lines that are numbered and not endless.
struct Lines<R> {
    from: R,
    line: Vec<u8>,
    number: u64,
}

impl<R: BufRead> Lines<R> {
    /// Goes on to the next; says whether there is one.
    fn advance(&mut self) -> Result<bool, Unreadable> {
        self.line.clear();
        let length = self.from.by_ref().take(LONGEST_LINE).read_until(b'\n', &mut self.line)?;
        if length == 0 {
            return Ok(false);
        }
        self.number += 1;
        match self.line.last() {
            Some(b'\n') => Ok(true),
            _ if self.line.len() as u64 == LONGEST_LINE => {
                Err(self.fault(format!("it is longer than {LONGEST_LINE} octets")))
            }
            _ => Err(Unreadable::CutOff(self.number)),
        }
    }

    /// What it says. White space at its end is none of JSON's business.
    fn parse<'a, T: serde::Deserialize<'a>>(&'a self) -> Result<T, Unreadable> {
        serde_json::from_slice(&self.line).map_err(|error| self.fault(error.to_string()))
    }

    fn fault(&self, fault: String) -> Unreadable {
        Unreadable::Line { number: self.number, fault }
    }
}

#[cfg(test)]
mod tests {
    use filter_common::{PeerKey, Timestamp};

    use super::super::line::Known;
    use super::*;
    use crate::peers::Remembered;

    fn moment() -> Moment {
        Moment { boot_id: "a".to_owned(), boot: Timestamp(1_000_000_000), wall: 1_790_000_000_000 }
    }

    fn known(number: u32) -> Entry {
        let remembered = Remembered {
            peer: PeerKey::from(std::net::Ipv4Addr::from(0x0a00_0000 + number)),
            strikes_until: Timestamp(5_000_000_000 + u64::from(number) * 1_000_000),
            blocks: number % 5,
            blocked_until: Timestamp::default(),
            has_resumed: true,
            authenticated_until: Timestamp::default(),
            last_strike: None,
        };
        Entry::Peer(Known { remembered: Some(remembered), held: None })
    }

    fn read(path: &Path) -> Result<Vec<Entry>, Unreadable> {
        let mut peers = Vec::new();
        StateFile::open(path).unwrap().unwrap().each(&moment(), |known| peers.push(known))?;
        Ok(peers)
    }

    #[test]
    fn what_was_written_is_read_and_only_its_owner_may() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        assert!(StateFile::open(&path).unwrap().is_none());
        for count in [0, 1, 1000] {
            let peers: Vec<Entry> = (0..count).map(known).collect();
            assert_eq!(write(&path, &moment(), peers.iter().cloned()).unwrap(), u64::from(count));
            assert_eq!(read(&path).unwrap(), peers);
        }
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing is left beside it");
    }

    #[test]
    fn a_file_that_is_cut_anywhere_or_has_a_wrong_octet_gives_nothing_at_all() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        write(&path, &moment(), (0..3).map(known)).unwrap();
        let whole = std::fs::read(&path).unwrap();
        for cut in 0..whole.len() {
            std::fs::write(&path, &whole[..cut]).unwrap();
            read(&path).expect_err(&format!("cut at {cut}"));
        }
        for place in 0..whole.len() {
            let mut wrong = whole.clone();
            wrong[place] = 0xff;
            std::fs::write(&path, &wrong).unwrap();
            let mut given = 0;
            let read = StateFile::open(&path).unwrap().unwrap().each(&moment(), |_| given += 1);
            assert!(read.is_err() && given == 0, "octet {place}: {given} given");
        }
    }

    #[test]
    fn what_is_wrong_is_said_with_its_line() {
        let header = r#"{"relaygate_state":1,"version":"0.1.0","boot_id":"a","boot_ns":1,"wall_ms":2}"#;
        let peer = r#"{"peer":"192.0.2.7","blocks":1}"#;
        let long = "x".repeat(5000);
        let rows = [
            ("", "it is no state file of relaygate's"),
            ("#!/bin/sh\n", "it is no state file of relaygate's"),
            (long.as_str(), "it is no state file of relaygate's"),
            (
                "{\"relaygate_state\":2}\n",
                "it is of format 2, of a newer relaygate; this one knows formats up to 1",
            ),
            ("{\"relaygate_state\":1}\n", "line 1: missing field `version`"),
            (&format!("{header}\n"), "it is cut off behind line 1"),
            (&format!("{header}\n{peer}"), "it is cut off behind line 2"),
            (&format!("{header}\n{peer}\n"), "it is cut off behind line 2"),
            (&format!("{header}\n{long}\n"), "line 2: it is longer than 4096 octets"),
            (&format!("{header}\n{peer}\nnothing\n"), "line 3: expected ident"),
            (&format!("{header}\n{{}}\n"), "line 2: it says nothing"),
            (&format!("{header}\n{peer}\n{{\"end\":2}}\n"), "line 3: 2 lines should stand above, and 1 do"),
            (&format!("{header}\n{peer}\n{{\"end\":1}}\n{peer}\n"), "line 4: this was to be the end"),
        ];
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        for (text, wanted) in rows {
            std::fs::write(&path, text).unwrap();
            let error = read(&path).unwrap_err().to_string();
            assert!(error.starts_with(wanted), "{error}; wanted {wanted}");
        }
        std::fs::write(&path, format!("{header}\n{peer}\n{{\"end\":1}}\n")).unwrap();
        assert_eq!(read(&path).unwrap().len(), 1);
    }

    #[test]
    fn a_place_that_cannot_be_written_is_named_and_the_old_file_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state");
        write(&path, &moment(), (0..3).map(known)).unwrap();
        std::fs::create_dir(folder.path().join("state.new")).unwrap();
        let error = write(&path, &moment(), (0..9).map(known)).unwrap_err().to_string();
        assert!(error.contains("cannot write it anew beside it"), "{error}");
        assert_eq!(read(&path).unwrap().len(), 3);
        let error = StateFile::open(folder.path()).unwrap_err().to_string();
        assert!(error.contains("it is not a regular file"), "{error}");
    }
}
