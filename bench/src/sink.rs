//! `bench sink`: the backend that counts, checks the order of commands, and misbehaves where it is told to; ends with
//! what it has counted. Delivers nothing to anybody.

use std::io::{self, Write as _};
use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use bench::interrupt;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;
use smtp_load::sink::{Misbehaviour, Moment, Sink, SinkBehaviour, SinkCounts};

/// What is asked for.
#[derive(Debug, Args)]
pub(super) struct Options {
    /// Where to listen; port 0 lets the kernel choose
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Its name in the banner
    #[arg(long, value_name = "NAME", default_value = "sink.example")]
    hostname: String,
    /// End after so many messages were taken
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u64).range(1..))]
    messages: Option<u64>,
    /// End after so long
    #[arg(long, value_name = "TIME", default_value = "1h", value_parser = humantime::parse_duration)]
    at_most: Duration,
    /// An extension that is not offered, such as PIPELINING or XCLIENT; may be repeated
    #[arg(long, value_name = "KEYWORD")]
    without: Vec<String>,
    /// Every connection must begin with a PROXY protocol v2 header
    #[arg(long)]
    proxy_header: bool,
    /// Answer recipients that hold TEXT with REPLY, such as `nobody=550 5.1.1 no such user`; may be repeated
    #[arg(long, value_name = "TEXT=REPLY", value_parser = recipient_reply)]
    recipient_reply: Vec<(String, String)>,
    /// Misbehave at a moment (banner, ehlo, xclient, mail, rcpt, data, mid-data, dot, rset, quit): hang, close, reset,
    /// garbage, bare-lf, endless, or say another reply, such as `dot=452 4.3.1 full`; may be repeated
    #[arg(long, value_name = "MOMENT=HOW", value_parser = misbehaviour)]
    misbehave: Vec<(Moment, Misbehaviour)>,
    /// Print JSON instead of text
    #[arg(long)]
    json: bool,
    /// Listen on an address that others may reach, because the network is yours
    #[arg(long)]
    network_is_mine: bool,
}

/// What has been counted.
#[derive(Debug, Serialize)]
struct Summary {
    listened_on: SocketAddr,
    interrupted: bool,
    elapsed_seconds: f64,
    sessions: u64,
    sessions_ended: u64,
    senders: u64,
    recipients: u64,
    messages: u64,
    body_octets: u64,
}

fn split(text: &str) -> Result<(&str, &str), String> {
    match text.split_once('=') {
        Some((left, right)) if !left.is_empty() && !right.is_empty() => Ok((left, right)),
        _ => Err("two parts with = between them are wanted".to_owned()),
    }
}

/// A reply that a client can read: three digits, and nothing that ends a line.
fn reply(text: &str) -> Result<String, String> {
    let has_code = text.get(..3).is_some_and(|code| code.bytes().all(|byte| byte.is_ascii_digit()))
        && text.as_bytes().get(3).is_none_or(|&byte| byte == b' ');
    if has_code && !text.contains(['\r', '\n']) {
        Ok(text.to_owned())
    } else {
        Err(format!("{text:?} is no reply: a code and a text are wanted, such as 550 5.1.1 no such user"))
    }
}

fn recipient_reply(text: &str) -> Result<(String, String), String> {
    let (holds, answer) = split(text)?;
    Ok((holds.to_owned(), reply(answer)?))
}

fn misbehaviour(text: &str) -> Result<(Moment, Misbehaviour), String> {
    let (moment, how) = split(text)?;
    let moment = match moment {
        "banner" => Moment::Banner,
        "ehlo" => Moment::Ehlo,
        "xclient" => Moment::Xclient,
        "mail" => Moment::Mail,
        "rcpt" => Moment::Rcpt,
        "data" => Moment::Data,
        "mid-data" => Moment::MidData,
        "dot" => Moment::Dot,
        "rset" => Moment::Rset,
        "quit" => Moment::Quit,
        other => return Err(format!("{other:?} is no moment of a session")),
    };
    let how = match how {
        "hang" => Misbehaviour::Hang,
        "close" => Misbehaviour::Close,
        "reset" => Misbehaviour::Reset,
        "garbage" => Misbehaviour::Garbage,
        "bare-lf" => Misbehaviour::BareLf,
        "endless" => Misbehaviour::Endless,
        other => Misbehaviour::Say(reply(other)?),
    };
    Ok((moment, how))
}

/// Serves until it is told to stop, and prints what it has counted.
pub(super) fn run(options: &Options) -> anyhow::Result<ExitCode> {
    ensure!(
        options.listen.ip().is_loopback() || options.network_is_mine,
        "{} may be reached by others, and this takes mail that nobody gets: if that is meant, say so with \
         --network-is-mine",
        options.listen
    );
    let stop = interrupt::watch()?;
    let listener = std::net::TcpListener::bind(options.listen)
        .with_context(|| format!("cannot listen on {}", options.listen))?;
    listener.set_nonblocking(true)?;
    let listens_on = listener.local_addr()?;
    let counts = Arc::new(SinkCounts::default());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let mut out = io::stdout().lock();
    // What waits for this line reads stdout; with --json that is for the result alone.
    let announces: &mut dyn io::Write = if options.json { &mut io::stderr() } else { &mut out };
    writeln!(announces, "listening on {listens_on}")?;
    announces.flush()?;
    let started = Instant::now();
    let served = {
        let bar = ProgressBar::new_spinner();
        bar.set_style(ProgressStyle::with_template("{spinner} {elapsed}: {msg}")?);
        let is_over = || {
            let (messages, sessions) = (counts.messages(), counts.sessions());
            bar.set_message(format!("{sessions} sessions, {messages} messages"));
            stop.load(Ordering::Relaxed)
                || options.messages.is_some_and(|most| messages >= most)
                || started.elapsed() >= options.at_most
        };
        let ended = runtime.block_on(async {
            let listener = tokio::net::TcpListener::from_std(listener)?;
            tokio::select! {
                ended = Sink::serve(listener, options.behaviour(), counts.clone()) => ended,
                () = until(is_over) => Ok(()),
            }
        });
        bar.finish_and_clear();
        ended
    };
    served.with_context(|| format!("the listener on {listens_on} has failed"))?;
    let interrupted = stop.load(Ordering::Relaxed);
    let summary = Summary::of(&counts, listens_on, interrupted, started.elapsed());
    if options.json {
        serde_json::to_writer_pretty(&mut out, &summary)?;
        writeln!(out)?;
    } else {
        summary.write_text(&mut out)?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Asks every now and then; a message that was answered has been counted before.
async fn until(is_over: impl Fn() -> bool) {
    const NOW_AND_THEN: Duration = Duration::from_millis(50);
    while !is_over() {
        tokio::time::sleep(NOW_AND_THEN).await;
    }
    // The reply to the last message, and QUIT behind it, are still on their way.
    tokio::time::sleep(NOW_AND_THEN).await;
}

impl Options {
    fn behaviour(&self) -> SinkBehaviour {
        let proper = SinkBehaviour {
            hostname: self.hostname.clone(),
            proxy_header: self.proxy_header,
            recipient_replies: self.recipient_reply.clone(),
            misbehaves: self.misbehave.clone(),
            ..SinkBehaviour::default()
        };
        self.without.iter().fold(proper, |behaviour, keyword| behaviour.without(keyword))
    }
}

impl Summary {
    fn of(counts: &SinkCounts, listened_on: SocketAddr, interrupted: bool, elapsed: Duration) -> Self {
        Self {
            listened_on,
            interrupted,
            elapsed_seconds: elapsed.as_secs_f64(),
            sessions: counts.sessions(),
            sessions_ended: counts.sessions_ended.load(Ordering::Relaxed),
            senders: counts.senders.load(Ordering::Relaxed),
            recipients: counts.recipients.load(Ordering::Relaxed),
            messages: counts.messages(),
            body_octets: counts.body_bytes(),
        }
    }

    fn write_text(&self, out: &mut impl io::Write) -> io::Result<()> {
        writeln!(
            out,
            "{} messages to {} recipients, {} octets of data, in {} sessions ({} ended) and {:.1} s",
            self.messages,
            self.recipients,
            self.body_octets,
            self.sessions,
            self.sessions_ended,
            self.elapsed_seconds
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misbehaviour_is_read_and_what_is_none_is_refused() {
        assert_eq!(misbehaviour("mid-data=reset"), Ok((Moment::MidData, Misbehaviour::Reset)));
        let full = Misbehaviour::Say("452 4.3.1 full".to_owned());
        assert_eq!(misbehaviour("dot=452 4.3.1 full"), Ok((Moment::Dot, full)));
        let rows = [
            ("dot", "two parts"),
            ("=hang", "two parts"),
            ("lunch=hang", "\"lunch\" is no moment"),
            ("dot=sulk", "\"sulk\" is no reply"),
            ("dot=452-more", "is no reply"),
            ("dot=452 a\r\n250 b", "is no reply"),
        ];
        for (text, expected) in rows {
            let error = misbehaviour(text).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
        assert_eq!(recipient_reply("nobody=550 who"), Ok(("nobody".to_owned(), "550 who".to_owned())));
    }
}
