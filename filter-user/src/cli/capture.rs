//! `relaygate capture`: dropped packets of one peer into a file that Wireshark and tcpdump read. The running daemon captures
//! and sends them; the file is made here, by who asks and with their rights.

use std::fs::File;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use clap::{Arg, ArgMatches, Command, value_parser};
use pcap_file::pcap::{PcapHeader, PcapPacket, PcapWriter};
use pcap_file::{DataLink, Endianness, TsResolution};

use super::control::{self, duration};
use crate::control::{Asking, Capturing, LONGEST_CAPTURE, MOST_PACKETS, Reply, Request};

/// The subcommand, without the settings.
#[must_use]
pub fn command() -> Command {
    Command::new("capture")
        .about("Writes packets of a peer that the kernel drops into a file for Wireshark")
        .arg(
            Arg::new("peer")
                .value_name("PEER")
                .required(true)
                .help("An address of the peer, or the network that is one, such as 2001:db8:0:1::/64"),
        )
        .arg(
            Arg::new("write")
                .short('w')
                .long("write")
                .value_name("FILE")
                .required(true)
                .value_parser(value_parser!(PathBuf))
                .help("The file, which is made anew; - for the standard output"),
        )
        .arg(
            Arg::new("count")
                .long("count")
                .value_name("NUMBER")
                .value_parser(value_parser!(u64).range(1..=MOST_PACKETS))
                .default_value("1000")
                .help("How many packets at most"),
        )
        .arg(
            Arg::new("for")
                .long("for")
                .value_name("TIME")
                .value_parser(|text: &str| duration(text, LONGEST_CAPTURE))
                .default_value("30s")
                .help("How long it lasts at most"),
        )
        .arg(
            Arg::new("one-of")
                .long("one-of")
                .value_name("NUMBER")
                .value_parser(value_parser!(u64).range(1..))
                .default_value("1")
                .help("Only one of so many that are dropped"),
        )
}

/// Asks, and writes what comes.
pub fn run(matches: &ArgMatches) -> anyhow::Result<ExitCode> {
    let file = matches.get_one::<PathBuf>("write").context("no file was named")?;
    let asked = Capturing {
        peer: matches.get_one::<String>("peer").cloned().unwrap_or_default(),
        count: matches.get_one::<u64>("count").copied().unwrap_or(1),
        seconds: matches.get_one::<Duration>("for").map_or(1, Duration::as_secs),
        one_of: matches.get_one::<u64>("one-of").copied().unwrap_or(1),
    };
    let path = control::running(matches)?;
    // Longer than nothing may come.
    let patience = Duration::from_secs(asked.seconds) + Duration::from_secs(10);
    let peer = asked.peer.clone();
    let mut asking = Asking::start(&path, &Request::Capture(asked), patience)?;
    let Reply::Capturing(_) = asking.answer()? else {
        bail!("relaygate at {} answered something else than that it captures", path.display());
    };
    // Who was refused has made no file.
    let cannot_write = || format!("cannot write {}", file.display());
    let out: Box<dyn Write> = if file.as_os_str() == "-" {
        Box::new(io::stdout().lock())
    } else {
        Box::new(File::create(file).with_context(cannot_write)?)
    };
    let mut pcap = PcapWriter::with_header(out, header()).with_context(cannot_write)?;
    loop {
        match asking.answer()? {
            Reply::Captured(packet) => {
                let octets = STANDARD.decode(&packet.octets).context("what was captured is garbled")?;
                let packet = PcapPacket::new(Duration::from_nanos(packet.at), packet.length, &octets);
                pcap.write_packet(&packet).with_context(cannot_write)?;
            }
            Reply::CaptureOver(end) => {
                pcap.into_writer().flush().with_context(cannot_write)?;
                eprintln!("{} packets of {peer}: {}", end.packets, end.reason);
                return Ok(ExitCode::SUCCESS);
            }
            other => bail!("relaygate at {} answered something else: {other:?}", path.display()),
        }
    }
}

fn header() -> PcapHeader {
    PcapHeader {
        datalink: DataLink::ETHERNET,
        ts_resolution: TsResolution::NanoSecond,
        endianness: Endianness::native(),
        ..PcapHeader::default()
    }
}
