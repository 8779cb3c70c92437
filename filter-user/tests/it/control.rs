//! The control socket of a running daemon: what it answers, to whom, and to what it does not.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, json};
use smtp_load::sink::SinkBehaviour;

use crate::authority::{Authority, Certified, Wanted};
use crate::backend_faults::sink;
use crate::daemon::{Daemon, eventually, file, free_port, run_to_end};
use crate::dialogue::Dialogue;

pub(crate) fn connect(socket: &Path) -> BufReader<UnixStream> {
    let stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    BufReader::new(stream)
}

/// Sends these octets, reads one line of JSON.
pub(crate) fn say(connection: &mut BufReader<UnixStream>, octets: impl AsRef<[u8]>) -> Value {
    connection.get_mut().write_all(octets.as_ref()).unwrap();
    let mut line = String::new();
    connection.read_line(&mut line).unwrap();
    serde_json::from_str(&line).unwrap_or_else(|error| panic!("{line:?}: {error}"))
}

/// Runs a command to its end: exit code, output, errors.
pub(crate) fn run(arguments: &[&str]) -> (Option<i32>, String, String) {
    let output = run_to_end(arguments);
    let text = |octets: &[u8]| String::from_utf8_lossy(octets).into_owned();
    (output.status.code(), text(&output.stdout), text(&output.stderr))
}

#[test]
fn the_running_daemon_says_how_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("control");
    let mailboxes = file(folder.path(), "mailboxes", "one@example.test\ntwo@example.test\n");
    let (up, _) = sink(SinkBehaviour::default());
    let down = SocketAddr::from(([127, 0, 0, 1], free_port()));
    let daemon = Daemon::start(&format!(
        "--backend {down} --backend {up} --local-domain example.test --mailboxes {} --control-socket {}",
        mailboxes.display(),
        socket.display()
    ));
    assert_eq!(std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777, 0o600);
    let _open = Dialogue::open(daemon.address);
    let path = socket.to_str().unwrap();
    let (code, text, errors) = run(&["status", "--control-socket", path, "--json"]);
    assert_eq!(code, Some(0), "{errors}");
    let status: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(status["pid"], daemon.pid());
    assert_eq!(status["listeners"], json!([{"address": daemon.address.to_string(), "profile": "mx"}]));
    assert_eq!(status["sanctions"], json!({"home": "process", "reason": "no interface is set"}));
    assert_eq!((&status["sessions"], &status["peers"]), (&json!(1), &json!(0)));
    assert_eq!(
        status["backends"],
        json!([
            {"destination": 0, "host": down.to_string(), "up": false},
            {"destination": 0, "host": up.to_string(), "up": true}
        ])
    );
    let source = format!("file:{}", mailboxes.display());
    assert_eq!(status["directories"], json!([{"source": source, "mailboxes": 2}]));

    let (code, text, _) = run(&["status", "--control-socket", path]);
    assert_eq!(code, Some(0));
    for line in [
        "sessions   1".to_owned(),
        format!("listens    {} (mx)", daemon.address),
        format!("backend    {down}, DOWN, destination 0"),
        format!("backend    {up}, up, destination 0"),
        format!("directory  {source}, 2 mailboxes"),
    ] {
        assert!(text.lines().any(|said| said == line), "{line}\n{text}");
    }
    daemon.signal(Signal::SIGTERM);
    let (status, _) = daemon.stop();
    assert!(status.success() && !socket.exists());
    let (code, _, errors) = run(&["status", "--control-socket", path]);
    assert!(code == Some(1) && errors.contains("no relaygate answers at"), "{errors}");
}

#[test]
fn certificates_are_told_with_their_end() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("control");
    let authority = Authority::new(folder.path(), "authority");
    let old = Wanted { names: &["old.example"], expired: true, ..Wanted::default() };
    let (new, old) = (authority.certify("new", &["mail.example"]), authority.certify_as("old", old));
    let certificate =
        |certified: &Certified| format!("\"{} key={}\"", certified.chain.display(), certified.key.display());
    let text = format!(
        "backend = \"sink:\"\ncontrol-socket = {socket:?}\ntls-certificate = [{}, {}]\n",
        certificate(&new),
        certificate(&old)
    );
    let config = file(folder.path(), "relaygate.toml", &text);
    let _daemon = Daemon::start(&format!("--config {}", config.display()));
    let (_, text, errors) = run(&["status", "--config", config.to_str().unwrap()]);
    let line = |certified: &Certified, until: &str| {
        let line = format!("certificate {}, until {until}", certified.chain.display());
        assert!(text.contains(&line), "{line}\n{text}{errors}");
    };
    line(&old, "2021-01-01T00:00:00Z");
    // As rcgen has it by itself.
    line(&new, "4096-01-01T00:00:00Z");
}

#[test]
fn the_running_daemon_explains_by_its_own_policy_and_directories() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("control");
    let mailboxes = file(folder.path(), "mailboxes", "one@example.test\n");
    let config = |networks: &str| {
        let text = format!(
            "backend = \"sink:\"\nlocal-domain = \"example.test\"\nmailboxes = {mailboxes:?}\n\
             control-socket = {socket:?}\nrelay-network = [{networks}]\n\
             route = [\"far.example = host smart.example:587\"]\n"
        );
        file(folder.path(), "relaygate.toml", &text)
    };
    let daemon = Daemon::start(&format!("--config {}", config("\"10.0.0.0/8\", \"192.0.2.0/24\"").display()));
    // What is written now is not what runs.
    let written = config("");
    let path = socket.to_str().unwrap();
    let asked = ["explain", "--peer", "192.0.2.7", "--from", "a@a.example", "--to", "b@far.example"];
    let by_socket = [&asked[..], &["--control-socket", path]].concat();
    let (code, text, errors) = run(&by_socket);
    assert_eq!(code, Some(0), "{errors}");
    let answer =
        "answer  relay (client network, destination 1): the answer of smart.example:587 to RCPT is passed on";
    assert!(text.ends_with(&format!("{answer}\n")), "{text}");
    assert!(text.contains(&format!("(relay-network number 2, {}:5)", written.display())), "{text}");
    // The configuration names the socket, and the daemon is there.
    let by_config = [&asked[..], &["--config", written.to_str().unwrap()]].concat();
    assert_eq!(run(&by_config).1, text);
    // It is read anew by a reload; the directories are those that it has in force.
    std::fs::write(&mailboxes, "two@example.test\n").unwrap();
    let (code, json, _) = run(&[
        "explain",
        "--control-socket",
        path,
        "--json",
        "--peer",
        "192.0.2.7",
        "--from",
        "",
        "--to",
        "one@example.test",
    ]);
    assert_eq!(code, Some(0));
    let explained: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&explained["decision"], explained.get("reply")), (&json!("route"), None));
    assert_eq!(explained["query"]["to"], "<one@example.test>");
    let last = explained["steps"].as_array().unwrap().last().unwrap();
    assert_eq!((&last["row"], &last["fits"]), (&json!("5"), &json!(true)));
    drop(daemon);
    // Without it, the configuration itself is explained.
    let (code, text, _) = run(&by_config);
    assert!(code == Some(0) && text.contains("prohibited (no grant): 550 5.7.1"), "{text}");
}

#[test]
fn bad_input_is_answered_and_hurts_nobody() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("control");
    let daemon = Daemon::start(&format!("--backend sink: --control-socket {}", socket.display()));
    let mut connection = connect(&socket);
    for nonsense in [
        "\n",
        "hello\n",
        "{\n",
        "{\"verb\":\"stop\"}\n",
        "{\"verb\":\"status\",\"colour\":1}\n",
        "{\"verb\":\"explain\"}\n",
        "\u{e9}\0\n",
    ] {
        let reply = say(&mut connection, nonsense);
        assert!(reply["error"].as_str().unwrap().starts_with("no request: "), "{nonsense:?}: {reply}");
    }
    assert!(say(&mut connection, b"\xff\xfe\n").get("error").is_some());
    // Two in one write are two.
    let first = say(&mut connection, "{\"verb\":\"status\"}\n{\"verb\":\"status\"}\n");
    assert!(first.get("status").is_some() && say(&mut connection, "").get("status").is_some());
    // A sender that no path is.
    let explain = r#"{"verb":"explain","peer":"192.0.2.7","from":"two words","to":"x"}"#;
    let reply = say(&mut connection, format!("{explain}\n"));
    assert!(reply["explained"]["reply"].as_str().unwrap().starts_with("501 5.1.7"), "{reply}");
    // A line without an end is cut off, and the connection with it.
    let reply = say(&mut connection, vec![b'x'; 40_000]);
    assert!(reply["error"].as_str().unwrap().contains("at most 16384 octets"), "{reply}");
    let mut rest = Vec::new();
    let _ = connection.read_to_end(&mut rest);
    assert_eq!(rest, b"");
    // A crowd that says nothing is bounded, is told so, and is cut off.
    let crowd: Vec<_> = (0..16).map(|_| connect(&socket)).collect();
    let mut one_more = connect(&socket);
    let mut line = String::new();
    one_more.read_line(&mut line).unwrap();
    assert!(line.contains("too many connections"), "{line}");
    assert!(Dialogue::open(daemon.address).say("EHLO a.example").starts_with("250"));
    eventually("the end of the silent", || {
        let mut connection = connect(&socket);
        let _ = connection.get_mut().write_all(b"{\"verb\":\"status\"}\n");
        let mut line = String::new();
        connection.read_line(&mut line).ok()?;
        line.contains("status").then_some(())
    });
    drop(crowd);
}

#[test]
fn a_path_that_is_taken_is_an_error_and_one_that_was_left_is_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("control");
    let start = || {
        run(&[
            "run",
            "--listen",
            "127.0.0.1:0",
            "--backend",
            "sink:",
            "--control-socket",
            path.to_str().unwrap(),
        ])
    };
    std::fs::write(&path, "a file of somebody's").unwrap();
    let (code, _, errors) = start();
    assert!(code == Some(1) && errors.contains("a file of another kind"), "{errors}");
    std::fs::remove_file(&path).unwrap();
    let mut first = Daemon::start(&format!("--backend sink: --control-socket {}", path.display()));
    let (code, _, errors) = start();
    assert!(code == Some(1) && errors.contains("another relaygate answers"), "{errors}");
    first.signal(Signal::SIGKILL);
    eventually("the end of the first", || first.ended());
    assert!(path.exists(), "who is killed leaves its socket");
    let second = Daemon::start(&format!("--backend sink: --control-socket {}", path.display()));
    assert_eq!(run(&["status", "--control-socket", path.to_str().unwrap()]).0, Some(0));
    drop(second);
    // Somebody else's socket, that nobody answers on any more, is of the same kind.
    let _ = std::fs::remove_file(&path);
    drop(UnixListener::bind(&path).unwrap());
    let _third = Daemon::start(&format!("--backend sink: --control-socket {}", path.display()));
    assert_eq!(run(&["status", "--control-socket", path.to_str().unwrap()]).0, Some(0));
}

#[test]
fn without_a_control_socket_status_says_what_is_missing() {
    let (code, _, errors) = run(&["status", "--backend", "sink:"]);
    assert!(code == Some(2) && errors.contains("no control-socket is set"), "{errors}");
}
