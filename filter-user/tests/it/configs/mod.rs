//! The binary and its settings: `*.toml` are configurations, each with the outcome of `relaygate check` in its first
//! lines, and these tests are the command lines and variables that no file can say.

mod docs;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/configs")
}

/// The binary, in an environment without settings, in the folder of the configurations.
fn relaygate(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_relaygate"));
    for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("RELAYGATE_"))
    {
        command.env_remove(name);
    }
    command.args(arguments).current_dir(folder());
    command
}

fn check(arguments: &[&str]) -> Output {
    relaygate(&[&["check"], arguments].concat()).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// Each file says what comes of it: `# ok` or `# error`, and in further comment lines what is printed, in part.
#[test]
fn every_configuration_is_judged_as_it_says() {
    let mut files: Vec<_> = std::fs::read_dir(folder())
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    files.sort();
    assert!(!files.is_empty());
    for file in files {
        let name = file.file_name().unwrap().to_str().unwrap();
        let content = std::fs::read_to_string(&file).unwrap();
        let mut said = content.lines().map_while(|line| line.strip_prefix("# "));
        let ok = match said.next() {
            Some("ok") => true,
            Some("error") => false,
            other => panic!("{name}: begins with {other:?}, neither `# ok` nor `# error`"),
        };
        let output = check(&["--config", name]);
        let printed = text(&output.stdout) + &text(&output.stderr);
        assert_eq!(output.status.code(), Some(if ok { 0 } else { 2 }), "{name}: {printed}");
        for wanted in said {
            let squeezed = printed.split_whitespace().collect::<Vec<_>>().join(" ");
            assert!(squeezed.contains(wanted), "{name}: {wanted:?} is not in:\n{printed}");
        }
    }
}

#[test]
fn flags_win_over_the_environment_and_that_over_the_file() {
    let shown = |flags: &[&str], variable: Option<&str>| {
        let mut command = relaygate(&[&["check", "--config", "every-source.toml"], flags].concat());
        if let Some(decay) = variable {
            command.env("RELAYGATE_STRIKE_DECAY", decay);
        }
        let printed = text(&command.output().unwrap().stdout);
        let line =
            printed.lines().find(|line| line.trim_start().starts_with("strike-decay")).unwrap().to_owned();
        line.split_whitespace().skip(1).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(shown(&[], None), "1m (every-source.toml:3)");
    assert_eq!(shown(&[], Some("2m")), "2m (environment variable RELAYGATE_STRIKE_DECAY)");
    assert_eq!(shown(&["--strike-decay", "3m"], Some("2m")), "3m (--strike-decay)");
    assert_eq!(shown(&["--strike-decay", "3m"], None), "3m (--strike-decay)");
}

#[test]
fn the_file_may_be_named_by_the_environment() {
    let output = relaygate(&["check"]).env("RELAYGATE_CONFIG", "every-source.toml").output().unwrap();
    assert!(text(&output.stdout).contains("every-source.toml:3"), "{output:?}");
}

#[test]
fn a_list_of_one_source_replaces_that_of_another() {
    let output = relaygate(&[
        "check",
        "--config",
        "lists.toml",
        "--local-domain",
        "flag.example",
        "--local-domain",
        "b.example",
    ])
    .env("RELAYGATE_NEVER_RELAY", "10.6.6.0/24, 192.0.2.7")
    .output()
    .unwrap();
    let printed = text(&output.stdout);
    assert!(printed.contains("flag.example, b.example  (--local-domain)"), "{printed}");
    assert!(
        printed.contains("10.6.6.0/24, 192.0.2.7  (environment variable RELAYGATE_NEVER_RELAY)"),
        "{printed}"
    );
}

/// Flags, variables, and what is printed in part.
type Misspelt = (&'static [&'static str], &'static [(&'static str, &'static str)], &'static str);

#[test]
fn what_is_misspelt_names_its_place_and_the_right_name() {
    let rows: [Misspelt; 7] = [
        (&["--backnd", "sink:"], &[], "--backend"),
        (&[], &[], "no backend is set"),
        (&[], &[], "--backend sink:"),
        (
            &["--backend", "sink:"],
            &[("RELAYGATE_STRIKES_TO_BLOK", "3")],
            "did you mean RELAYGATE_STRIKES_TO_BLOCK?",
        ),
        (
            &["--backend", "sink:", "--block-for", "5"],
            &[],
            "--block-for: block-for = \"5\": expected a time with its unit",
        ),
        (
            &["--backend", "sink:"],
            &[("RELAYGATE_WORKERS", "none")],
            "RELAYGATE_WORKERS: workers = \"none\": expected a number of threads",
        ),
        (&["--config", "nowhere.toml"], &[], "nowhere.toml: the configuration file cannot be read"),
    ];
    for (flags, variables, wanted) in rows {
        let mut command = relaygate(&[&["check"], flags].concat());
        let output = command.envs(variables.iter().copied()).output().unwrap();
        let printed = text(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{flags:?} {variables:?}: {printed}");
        assert!(printed.contains(wanted), "{flags:?} {variables:?}: {wanted:?} is not in {printed}");
        assert_eq!(text(&output.stdout), "", "{flags:?}: nothing would run");
    }
}

#[test]
fn what_kubernetes_sets_beside_a_service_of_our_name_is_no_setting() {
    let mut command = relaygate(&["check", "--backend", "sink:"]);
    command.env("RELAYGATE_SERVICE_HOST", "10.0.0.1").env("RELAYGATE_PORT", "tcp://10.0.0.1:25");
    command.env("RELAYGATE_PORT_25_TCP_PROTO", "tcp");
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn a_mailbox_file_that_is_not_there_is_an_error_and_an_interface_may_come_later() {
    for (flags, code) in [(["--interface", "eth-nowhere"], 0), (["--mailboxes", "nowhere.txt"], 2)] {
        let output = check(&["--backend", "sink:", "--local-domain", "example.org", flags[0], flags[1]]);
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(flags[1]), "{output:?}");
    }
}

#[test]
fn help_version_and_pages_are_no_errors() {
    for arguments in
        [&["--help"][..], &["check", "--help"], &["--version"], &["man"], &["completions", "zsh"]]
    {
        let output = relaygate(arguments).output().unwrap();
        assert!(output.status.success() && !output.stdout.is_empty(), "{arguments:?}: {output:?}");
    }
}

#[test]
fn explain_prints_the_steps_and_the_answer() {
    let output = relaygate(&["explain", "--config", "mailboxes.toml", "--peer", "192.0.2.7"])
        .args(["--from", "forged@victim.example", "--to", "carol@example.test"])
        .output()
        .unwrap();
    let printed = text(&output.stdout);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(
        printed.contains("row  6  yes  domain is ours, directory does not know the mailbox"),
        "{printed}"
    );
    assert!(printed.ends_with("answer  unknown recipient: 550 5.1.1 unknown recipient\n"), "{printed}");
}

#[test]
fn explain_names_the_line_that_makes_a_step_so() {
    let asked = ["explain", "--config", "restrictions.toml", "--to", "friend@far.example"];
    let explained = |more: &[&str]| {
        let output = relaygate(&[&asked[..], more].concat()).output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        text(&output.stdout)
    };
    for (more, wanted) in [
        (
            &["--peer", "10.1.2.3", "--from", "a@example.org"][..],
            "peer 10.1.2.3 is in client network 10.1.0.0/16 (relay-network number 2, restrictions.toml:10)",
        ),
        (
            &["--peer", "192.0.2.7", "--from", "alice@example.org", "--login", "Alice"],
            "whose own <alice@example.org> is (sender-login, restrictions.toml:13)",
        ),
        (
            &["--peer", "192.0.2.7", "--from", "<>", "--local", "127.0.0.1:2525"],
            "an internal address (relay-internal-address, restrictions.toml:12)",
        ),
        (
            &["--peer", "192.0.2.7", "--from", "<>", "--certificate", "mail.friend.example"],
            "a client certificate of mail.friend.example (relay-client-certificate, by default)",
        ),
        (
            &["--peer", "192.0.2.7", "--from", "<>", "--never-relay", "192.0.2.0/255.255.255.0"],
            "peer 192.0.2.7 is in 192.0.2.0/24 of the never-list (never-relay, --never-relay)",
        ),
    ] {
        let printed = explained(more);
        assert!(printed.contains(wanted), "{more:?}: {printed}");
    }
}

#[test]
fn an_address_of_metrics_that_is_in_use_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let output =
        relaygate(&["run", "--backend", "sink:", "--listen", "127.0.0.1:0", "--metrics-listen", &address])
            .output()
            .unwrap();
    let printed = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(
        printed.contains(&format!("metrics-listen = {address}: ")) && printed.contains("in use"),
        "{printed}"
    );
}
