//! `relaygate capture`: packets that the kernel drops, as tcpdump reads them from the file.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::peers::{ATTACKER, Asked, BYSTANDER};
use crate::control::run;
use crate::daemon::eventually;

impl Asked {
    /// Captures in the background, and goes on when it has begun; an earlier one may take a moment to end.
    fn capture(&self, file: &Path, words: &[&str]) -> Child {
        eventually("the begin of the capture", || {
            let mut child = Command::new(env!("CARGO_BIN_EXE_relaygate"))
                .args(["capture", ATTACKER, "--control-socket", &self.socket, "-w"])
                .arg(file)
                .args(words)
                .stderr(Stdio::piped())
                .spawn()
                .unwrap();
            let begun = eventually("the begin or the end", || match child.try_wait().unwrap() {
                None => file.exists().then_some(true),
                Some(_) => Some(file.exists()),
            });
            begun.then_some(child)
        })
    }

    /// What is said where no capture begins.
    fn refused(&self, words: &[&str]) -> String {
        let file = self.file("refused");
        let name = file.to_str().unwrap();
        let whole = [&["capture"], words, &["--control-socket", &self.socket, "-w", name]].concat();
        let (code, _, errors) = run(&whole);
        assert!(code == Some(1) && !file.exists(), "{words:?}: {errors}");
        errors
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// SYNs that nobody answers.
    fn send(&self, source: &str, packets: usize) {
        for _ in 0..packets {
            // Too short for the kernel there to send it again.
            let _ = self.site.connect(source, Duration::from_millis(50));
        }
    }
}

fn end(child: Child) -> String {
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{said}");
    said
}

/// A line for each packet.
fn tcpdump(file: &Path) -> Vec<String> {
    let output = Command::new("tcpdump").arg("-nr").arg(file).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn dropped_packets_of_one_peer_are_in_the_file_and_it_ends_at_the_count() {
    let asked = Asked::start();
    asked.peers(&["block", ATTACKER]);
    let file = asked.file("three.pcap");
    let child = asked.capture(&file, &["--count", "3", "--for", "1h"]);
    assert!(asked.refused(&[ATTACKER]).contains("only one may at a time"));
    assert!(asked.reaches(BYSTANDER));
    asked.send(ATTACKER, 5);
    assert!(end(child).starts_with("3 packets of 192.0.2.66: there are as many as were asked for"));
    let packets = tcpdump(&file);
    assert_eq!(packets.len(), 3, "{packets:?}");
    for packet in packets {
        assert!(
            packet.contains("IP 192.0.2.66.") && packet.contains(" > 192.0.2.1.25: Flags [S]"),
            "{packet}"
        );
    }
}

#[test]
fn it_ends_with_its_time_and_with_who_asked_and_takes_a_sample_where_told() {
    let asked = Asked::start();
    asked.peers(&["block", ATTACKER]);
    let nothing = asked.file("nothing.pcap");
    assert!(
        end(asked.capture(&nothing, &["--for", "1s"])).contains("0 packets of 192.0.2.66: the time is over")
    );
    assert_eq!(tcpdump(&nothing), Vec::<String>::new());

    let mut killed = asked.capture(&asked.file("killed.pcap"), &["--for", "1h"]);
    killed.kill().unwrap();
    killed.wait().unwrap();
    let sample = asked.file("sample.pcap");
    let child = asked.capture(&sample, &["--one-of", "3", "--for", "3s"]);
    asked.send(ATTACKER, 12);
    // Each packet has one chance in three.
    let said = end(child);
    let packets = tcpdump(&sample).len();
    assert!(packets < 12 && said.starts_with(&format!("{packets} packets")), "{said}");
}

#[test]
fn what_cannot_be_captured_is_refused_and_makes_no_file() {
    let asked = Asked::start();
    assert!(asked.refused(&["10.0.0.0/8"]).contains("a network of many peers"));
    assert!(asked.refused(&["here"]).contains("\"here\" is not a network or an address"));
    let (code, _, errors) =
        run(&["capture", ATTACKER, "-w", "/nowhere/file", "--control-socket", &asked.socket]);
    assert!(code == Some(1) && errors.contains("cannot write /nowhere/file"), "{errors}");
    // The daemon has noticed that nobody wants it.
    let file = asked.file("next.pcap");
    end(asked.capture(&file, &["--for", "1s"]));
}
