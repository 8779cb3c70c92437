//! Who may know whom: the tables of `docs/architecture.md`, compared with every path in the source. Unit tests are not
//! looked at: they may know more than what they test.

use anyhow::bail;

use crate::proofs;
use crate::rust_source::{self, Named};
use crate::tree::{self, TextFile};

/// The core: bytes, addresses and instants come in, decisions and replies go out.
const CORE: [&str; 6] = ["address", "network_map", "octets", "peers", "policy", "smtp"];

/// What each module of filter-user may import of ours; what is not listed, it may not.
const MAY_IMPORT: [(&str, &[&str]); 19] = [
    ("octets", &[]),
    ("address", &["octets"]),
    ("network_map", &[]),
    ("smtp", &["octets", "address"]),
    ("policy", &["address", "network_map"]),
    ("peers", &["network_map", "filter_common"]),
    ("config", &["address", "smtp", "policy", "peers", "filter_common"]),
    ("telemetry", &[]),
    ("privilege", &[]),
    ("state", &["peers", "telemetry", "filter_common"]),
    ("kernel", &["peers", "config", "telemetry", "privilege", "filter_common"]),
    ("fleet", &["peers", "config", "telemetry", "filter_common"]),
    ("lookup", &["address", "policy", "config", "telemetry"]),
    ("auth", &["address", "policy", "config", "telemetry"]),
    ("judge", &["address", "smtp", "policy", "peers", "lookup", "config", "telemetry", "filter_common"]),
    ("delegation", &["address", "smtp", "policy", "peers", "judge", "config", "telemetry", "filter_common"]),
    (
        "proxy",
        &[
            "address",
            "smtp",
            "policy",
            "peers",
            "lookup",
            "judge",
            "auth",
            "config",
            "telemetry",
            "filter_common",
        ],
    ),
    ("control", &["address", "smtp", "policy", "peers", "config", "telemetry", "filter_common"]),
    (
        "cli",
        &[
            "address",
            "smtp",
            "policy",
            "peers",
            "config",
            "telemetry",
            "privilege",
            "state",
            "kernel",
            "fleet",
            "lookup",
            "judge",
            "delegation",
            "auth",
            "proxy",
            "control",
            "filter_common",
            "smtp_load",
        ],
    ),
];

/// Crates that one part alone knows.
const ONLY_IN: [(&str, &[&str]); 31] = [
    ("argon2", &["filter-user/src/auth/"]),
    ("aya", &["filter-user/src/kernel/", "filter-common/src/pod.rs"]),
    ("aya_ebpf", &["filter-ebpf/src/"]),
    ("aya_log", &["filter-user/src/kernel/"]),
    ("aya_log_ebpf", &["filter-ebpf/src/"]),
    ("aya_obj", &["filter-user/src/kernel/"]),
    ("bcrypt", &["filter-user/src/auth/"]),
    ("clap", &["filter-user/src/cli/", "filter-user/src/config/"]),
    ("clap_complete", &["filter-user/src/cli/"]),
    ("clap_mangen", &["filter-user/src/cli/"]),
    ("comfy_table", &["filter-user/src/cli/"]),
    ("hickory_resolver", &["filter-user/src/proxy/destination/"]),
    ("indicatif", &["filter-user/src/cli/"]),
    ("ldap3", &["filter-user/src/lookup/"]),
    ("metrics", &["filter-user/src/telemetry/"]),
    ("netlink_bindings", &["filter-user/src/kernel/survey/"]),
    ("netlink_socket2", &["filter-user/src/kernel/survey/"]),
    ("metrics_exporter_prometheus", &["filter-user/src/control/"]),
    ("pcap_file", &["filter-user/src/cli/capture.rs"]),
    ("redis", &["filter-user/src/fleet/"]),
    ("rpassword", &["filter-user/src/cli/"]),
    ("rtnetlink", &["filter-user/src/kernel/"]),
    ("rsasl", &["filter-user/src/auth/"]),
    ("rustls", &["filter-user/src/proxy/tls/", "filter-user/src/lookup/ldap_tls.rs"]),
    ("rustls_native_certs", &["filter-user/src/proxy/tls/"]),
    ("sha2", &["filter-user/src/auth/"]),
    ("sha_crypt", &["filter-user/src/auth/"]),
    ("smtp_load", &["filter-user/src/cli/"]),
    ("stringprep", &["filter-user/src/auth/"]),
    ("toml", &["filter-user/src/config/"]),
    ("x509_parser", &["filter-user/src/proxy/tls/"]),
];

/// What the core may name outside of itself.
const CORE_CRATES: [&str; 10] = [
    "alloc",
    "core",
    "filter_common",
    "icu_normalizer",
    "idna",
    "ipnet",
    "memchr",
    "prefix_trie",
    "std",
    "wide",
];

/// What of the standard library the core may not name: files, sockets, processes, threads, clocks.
const NOT_IN_THE_CORE: [&str; 15] = [
    "std::env",
    "std::fs",
    "std::io",
    "std::net::TcpListener",
    "std::net::TcpStream",
    "std::net::ToSocketAddrs",
    "std::net::UdpSocket",
    "std::os",
    "std::process",
    "std::thread",
    "std::time::SystemTime",
    "Instant::elapsed",
    "Instant::now",
    "SystemTime::UNIX_EPOCH",
    "SystemTime::now",
];

/// The same, as it is called on a value.
const NOT_CALLED_IN_THE_CORE: &str = ".elapsed(";

/// What the XDP program may name outside of itself.
const KERNEL_CRATES: [&str; 4] = ["aya_ebpf", "aya_log_ebpf", "core", "filter_common"];

/// The file of the XDP program that reads packets is compiled into the tests too: it knows these alone.
const READS_PACKETS: (&str, &[&str]) = ("filter-ebpf/src/packet.rs", &["core", "filter_common"]);

/// Every dependency of filter-user that is not ours and not listed above, so that a path that begins with it is known
/// to be a crate's and not a local module's.
const SHELL_CRATES: [&str; 20] = [
    "anyhow",
    "arc_swap",
    "base64",
    "bytes",
    "futures_util",
    "humantime",
    "nix",
    "ppp",
    "rustix",
    "secrecy",
    "serde",
    "serde_json",
    "slab",
    "socket2",
    "strsim",
    "thiserror",
    "tokio",
    "tracing",
    "tracing_subscriber",
    "zeroize",
];

/// Checks the whole tree.
pub(crate) fn run() -> anyhow::Result<()> {
    let mut faults = Vec::new();
    let mut files = Vec::new();
    for folder in ["filter-user/src", "filter-common/src", "filter-ebpf/src"] {
        files.extend(tree::text_files(folder)?.into_iter().filter(|file| is_code(&file.path)));
    }
    faults.extend(files.iter().flat_map(faults_of));
    faults.extend(proofs::faults(&files));
    if !faults.is_empty() {
        bail!("the layers do not hold:\n  {}", faults.join("\n  "));
    }
    Ok(())
}

/// Rust that is not a file of unit tests, which some modules have instead of a block at their foot.
fn is_code(path: &str) -> bool {
    path.ends_with(".rs") && !path.ends_with("/tests.rs") && !path.contains("/tests/")
}

/// What a file names and may not.
fn faults_of(file: &TextFile) -> Vec<String> {
    let code = rust_source::without_tests(&rust_source::code(&file.text));
    let modules = modules_of(&file.path);
    let paths = rust_source::paths(&code);
    // `use crate::telemetry::metrics` makes `metrics::…` ours in this file, whatever crates are called.
    let ours: Vec<&str> = paths
        .iter()
        .filter(|named| ["crate", "self", "super"].contains(&named.segments[0].as_str()))
        .filter_map(|named| named.segments.last().map(String::as_str))
        .collect();
    let foreign = |named: &&Named| !ours.contains(&named.segments[0].as_str());
    let faults =
        paths.iter().filter(foreign).filter_map(|named| Some((named, fault(&file.path, &modules, named)?)));
    let mut faults: Vec<String> =
        faults.map(|(named, fault)| format!("{}:{}: {fault}", file.path, named.line)).collect();
    if file.path.starts_with("filter-user/") && modules.first().is_some_and(|m| CORE.contains(&m.as_str())) {
        let calls = (1..).zip(code.lines()).filter(|(_, line)| line.contains(NOT_CALLED_IN_THE_CORE));
        faults.extend(calls.map(|(number, _)| {
            format!("{}:{number}: the core asks no clock ({NOT_CALLED_IN_THE_CORE}))", file.path)
        }));
    }
    faults
}

/// `filter-user/src/policy/restrictions/grant.rs` is `policy`, `restrictions`, `grant`.
fn modules_of(path: &str) -> Vec<String> {
    let inside = path.split_once("/src/").map_or(path, |(_, inside)| inside).trim_end_matches(".rs");
    let mut modules: Vec<_> = inside.split('/').map(str::to_owned).collect();
    if modules.last().is_some_and(|last| last == "mod" || last == "lib" || last == "main") {
        modules.pop();
    }
    modules
}

fn fault(path: &str, modules: &[String], named: &Named) -> Option<String> {
    let segments: Vec<&str> = named.segments.iter().map(String::as_str).collect();
    let shown = segments.join("::");
    if path.starts_with("filter-common/") {
        return outside_its_place(path, segments[0]);
    }
    if path.starts_with("filter-ebpf/") {
        let first = segments[0];
        let (reader, may_name) = READS_PACKETS;
        let ours = ["crate", "self", "super"].contains(&first);
        if path == reader && (ours || KERNEL_CRATES.contains(&first)) && !may_name.contains(&first) {
            return Some(format!("{reader} knows {} alone ({shown})", may_name.join(" and ")));
        }
        // A word alone may be a local name.
        let known =
            segments.len() > 1 && (is_crate(first) || ["std", "alloc", "filter_user"].contains(&first));
        return (known && !KERNEL_CRATES.contains(&first))
            .then(|| format!("the XDP program does not know the crate {first} ({shown})"));
    }
    // The root of the crate and the binary only join the modules.
    let module = modules.first()?.as_str();
    let Some((_, may_import)) = MAY_IMPORT.iter().find(|(name, _)| *name == module) else {
        return Some(format!("the module {module} is not in the table of layers"));
    };
    if let Some(other) = sibling(modules, &segments) {
        let is_module = MAY_IMPORT.iter().any(|(name, _)| *name == other);
        return (is_module && other != module && !may_import.contains(&other))
            .then(|| format!("{module} may not import {other} ({shown})"));
    }
    let first = segments[0];
    if CORE.contains(&module) {
        if let Some(forbidden) = NOT_IN_THE_CORE.iter().find(|forbidden| names(&segments, forbidden)) {
            return Some(format!("the core knows no {forbidden} ({shown})"));
        }
        let is_crate = is_crate(first);
        if is_crate && !CORE_CRATES.contains(&first) && first != "thiserror" {
            return Some(format!("the core does not know the crate {first} ({shown})"));
        }
    }
    if first == "filter_common" && !may_import.contains(&first) {
        return Some(format!("{module} may not import filter-common ({shown})"));
    }
    outside_its_place(path, first)
}

fn is_crate(name: &str) -> bool {
    CORE_CRATES.contains(&name)
        || SHELL_CRATES.contains(&name)
        || ONLY_IN.iter().any(|(krate, _)| *krate == name)
}

fn outside_its_place(path: &str, krate: &str) -> Option<String> {
    let (_, places) = ONLY_IN.iter().find(|(name, _)| *name == krate)?;
    let inside = places.iter().any(|place| path.starts_with(place));
    (!inside).then(|| format!("the crate {krate} is only for {}", places.join(" and ")))
}

/// The module of the crate's root that a path leads to, through `crate` or enough `super`.
fn sibling<'a>(modules: &[String], segments: &[&'a str]) -> Option<&'a str> {
    if segments[0] == "crate" {
        return segments.get(1).copied();
    }
    let ups = segments.iter().take_while(|segment| **segment == "super").count();
    (ups > 0 && ups >= modules.len()).then(|| segments.get(ups).copied()).flatten()
}

/// Whether the path holds these segments in a row: from its begin if they begin with `std`, else anywhere.
pub(crate) fn names(segments: &[&str], wanted: &str) -> bool {
    let wanted: Vec<&str> = wanted.split("::").collect();
    if wanted[0] == "std" {
        segments.starts_with(&wanted)
    } else {
        segments.windows(wanted.len()).any(|w| w == wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_layers_of_the_tree_hold() {
        run().unwrap();
    }

    #[test]
    fn what_breaks_a_layer_is_named_with_its_line() {
        let rows = [
            ("smtp/session.rs", "use crate::policy::Facts;", "smtp may not import policy"),
            ("policy/mod.rs", "use super::smtp::Reply;", "policy may not import smtp"),
            (
                "policy/restrictions/grant.rs",
                "use super::super::super::smtp::Reply;",
                "policy may not import smtp",
            ),
            ("policy/restrictions/grant.rs", "use super::super::smtp::Reply;", ""),
            ("peers/register.rs", "fn f() { let now = Instant::now(); }", "the core knows no Instant::now"),
            (
                "peers/register.rs",
                "use std::time::{Duration, SystemTime};",
                "the core knows no std::time::SystemTime",
            ),
            (
                "peers/register.rs",
                "use std::net::{IpAddr, TcpStream};",
                "the core knows no std::net::TcpStream",
            ),
            ("address/mod.rs", "use std::fs::File;", "the core knows no std::fs"),
            (
                "address/mod.rs",
                "async fn f() { tokio::spawn(g()) }",
                "the core does not know the crate tokio",
            ),
            ("address/mod.rs", "use filter_common::PeerKey;", "address may not import filter-common"),
            ("address/mod.rs", "use std::net::IpAddr;", ""),
            ("address/mod.rs", "/// Like std::fs and crate::smtp.\nstruct S;", ""),
            ("address/mod.rs", "#[cfg(test)]\nmod tests { use std::fs::File; }", ""),
            ("proxy/driver.rs", "use crate::kernel::Xdp;", "proxy may not import kernel"),
            ("proxy/driver.rs", "use aya::Ebpf;", "the crate aya is only for filter-user/src/kernel/"),
            ("proxy/driver.rs", "use crate::{smtp::Session, cli::run};", "proxy may not import cli"),
            ("cli/run.rs", "use crate::telemetry::metrics; fn f() { metrics::set() }", ""),
            ("cli/run.rs", "fn f() { metrics::set() }", "the crate metrics is only for"),
            ("kernel/load.rs", "use aya::Ebpf;", ""),
            ("telemetry/log.rs", "use crate::config::Config;", "telemetry may not import config"),
            ("cli/run.rs", "use crate::kernel::Xdp;", ""),
            ("peers/register.rs", "fn f(t: Instant) { t.elapsed() }", "the core asks no clock"),
            ("peers/register.rs", "let f = Instant::elapsed;", "the core knows no Instant::elapsed"),
            ("proxy/clock.rs", "fn f(t: Instant) { t.elapsed() }", ""),
            ("../../filter-ebpf/src/decide.rs", "use aya_ebpf::maps::lpm_trie;", ""),
            (
                "../../filter-ebpf/src/decide.rs",
                "use std::fmt;",
                "the XDP program does not know the crate std",
            ),
            ("../../filter-ebpf/src/decide.rs", "use aya::Ebpf;", "does not know the crate aya"),
            (
                "../../filter-ebpf/src/decide.rs",
                "use filter_user::peers;",
                "does not know the crate filter_user",
            ),
            ("../../filter-ebpf/src/packet.rs", "use aya_ebpf::programs::XdpContext;", "alone"),
            ("../../filter-ebpf/src/packet.rs", "use crate::maps;", "alone"),
            ("../../filter-ebpf/src/packet.rs", "use filter_common::Reason;", ""),
            ("kernel/load.rs", "use aya_ebpf::programs::XdpContext;", "only for filter-ebpf/src/"),
            ("leftovers/mod.rs", "use std::fmt::Debug;", "the module leftovers is not in the table"),
        ];
        for (path, text, wanted) in rows {
            let path = path.strip_prefix("../../").map_or(format!("filter-user/src/{path}"), str::to_owned);
            let file = TextFile { path: path.clone(), text: format!("\n{text}") };
            let faults = faults_of(&file);
            match (wanted, faults.as_slice()) {
                ("", []) => {}
                (wanted, [fault, ..]) if !wanted.is_empty() && fault.contains(wanted) => {
                    assert!(fault.starts_with(&format!("{path}:2: ")), "{fault}");
                }
                _ => panic!("{path}: {text}: wanted {wanted:?}, found {faults:?}"),
            }
        }
    }
}
