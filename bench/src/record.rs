//! Results as dated CSV files for each kind of machine, to be committed. Adds lines, never changes any.

use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::Context;

use crate::ratio::{Comparison, Load};

const HEADER: &str = "time,subject,dialogue,sessions,connections,round,base_us,subject_us,ratio";

/// Adds every round of `comparisons` to today's file of this machine under `directory`, and returns its path.
pub fn add(
    directory: &Path,
    subject: &str,
    load: &Load,
    comparisons: &[Comparison],
) -> anyhow::Result<PathBuf> {
    let mut lines = Vec::new();
    let subject = subject.replace([',', '\n', '"'], " ");
    for comparison in comparisons {
        for (number, round) in comparison.rounds.iter().enumerate() {
            lines.push(format!(
                "{subject},{},{},{},{},{:.3},{:.3},{:.4}",
                comparison.dialogue,
                load.sessions,
                load.connections,
                number + 1,
                round.base,
                round.subject,
                round.subject / round.base,
            ));
        }
    }
    append(directory, "", HEADER, &lines)
}

/// Adds lines, each behind the time of now, to today's file of this machine under `directory`, whose name ends in
/// `suffix`; a new file begins with `header`, whose first column is that time. Returns the file's path.
pub fn append(directory: &Path, suffix: &str, header: &str, lines: &[String]) -> anyhow::Result<PathBuf> {
    let now = humantime::format_rfc3339_seconds(SystemTime::now()).to_string();
    let machine = directory.join(machine_name());
    fs::create_dir_all(&machine).with_context(|| format!("cannot make {}", machine.display()))?;
    let path = machine.join(format!("{}{suffix}.csv", &now[..10]));
    let mut text = if path.exists() { String::new() } else { format!("{header}\n") };
    for line in lines {
        text += &format!("{now},{line}\n");
    }
    let write = || OpenOptions::new().create(true).append(true).open(&path)?.write_all(text.as_bytes());
    write().with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

/// What kind of machine this is: processor and how many of it there are. Not its name, which says nothing to others.
#[must_use]
pub fn machine_name() -> String {
    let (model, count) = processors();
    let words = format!("{model} x{count}").to_lowercase();
    let mut name = String::new();
    for word in words.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty()) {
        if !name.is_empty() {
            name.push('-');
        }
        name.push_str(word);
    }
    name
}

/// The same, for people.
#[must_use]
pub fn machine() -> String {
    match processors() {
        (model, 1) => format!("{model}, one CPU"),
        (model, count) => format!("{model}, {count} CPUs"),
    }
}

/// What processors there are, and how many this process may use.
fn processors() -> (String, usize) {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |line: &str| line.split_once(':').map(|(_, value)| value.trim().to_owned());
    let model = info.lines().find(|line| line.starts_with("model name")).and_then(field);
    let count = std::thread::available_parallelism().map_or(1, usize::from);
    (model.unwrap_or_else(|| std::env::consts::ARCH.to_owned()), count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ratio::{Dialogue, Round};
    use smtp_load::measure::Memory;

    #[test]
    fn lines_are_added_under_one_header() {
        let directory = tempfile::tempdir().unwrap();
        let load = Load { sessions: 10, connections: 2, rounds: 1, client_cpu: None };
        let rounds = vec![Round { base: 2.0, subject: 3.0 }];
        let comparison = Comparison { dialogue: Dialogue::Plain, rounds, memory: Memory::default() };
        let comparisons = [comparison];
        add(directory.path(), "itself, \"twice\"", &load, &comparisons).unwrap();
        let path = add(directory.path(), "again", &load, &comparisons).unwrap();
        let text = fs::read_to_string(path).unwrap();
        let lines: Vec<_> = text.lines().collect();
        assert_eq!(lines[0], HEADER);
        assert!(lines[1].ends_with(",itself   twice ,plain,10,2,1,2.000,3.000,1.5000"), "{text}");
        assert_eq!(lines.len(), 3);
    }
}
