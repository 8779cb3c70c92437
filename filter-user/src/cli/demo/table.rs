//! The demo's result, for a person. Text only; prints nothing.

use std::time::Duration;

use comfy_table::presets::UTF8_FULL_CONDENSED;
use comfy_table::{Cell, CellAlignment, Table};

use super::DemoOptions;
use super::act::{Act, KernelShare, Performance};

/// The table: a column for each act.
pub(super) fn of(options: &DemoOptions, performances: &[Performance]) -> Table {
    let mut table = Table::new();
    table.load_style(UTF8_FULL_CONDENSED);
    let heads = performances.iter().map(|performance| match performance.act {
        Act::Straight => "straight to\nthe server",
        Act::Filtered => "through\nrelaygate",
        Act::FilteredInKernel => "through relaygate\nwith XDP",
    });
    table.set_header(std::iter::once("the same traffic").chain(heads).collect::<Vec<_>>());
    let mut row = |name: String, value: &dyn Fn(&Performance) -> String| {
        let values = performances.iter().map(|p| Cell::new(value(p)).set_alignment(CellAlignment::Right));
        table.add_row(std::iter::once(Cell::new(name)).chain(values).collect::<Vec<_>>());
    };
    row("spam messages tried".into(), &|p| count(p.spam.tried));
    row("  taken by the server".into(), &|p| count(p.spam.accepted));
    row("  refused at RCPT or before".into(), &|p| count(p.spam.refused));
    row("  cut off or left unanswered".into(), &|p| count(p.spam.unanswered));
    row("octets of mail the server took, with the honest".into(), &|p| octets(p.server.body_bytes));
    row("bounces sent to the forged victim".into(), &|p| count(p.victim_messages));
    row("  octets of them".into(), &|p| octets(p.server.report_bytes));
    row("server's CPU time".into(), &|p| milliseconds(p.server_cpu));
    row("relaygate's CPU time".into(), &|p| p.relaygate_cpu.map_or("-".into(), milliseconds));
    row("honest mail delivered".into(), &|p| {
        format!("{} of {}", count(p.server.delivered), count(options.honest))
    });
    if performances.iter().any(|p| p.kernel.is_some()) {
        row("attacker's packets dropped in the kernel".into(), &|p| match &p.kernel {
            Some(KernelShare::Dropped { packets, .. }) => count(*packets),
            Some(KernelShare::Unavailable(_)) => "no XDP here".into(),
            None => "-".into(),
        });
        row("  cost of each".into(), &|p| match &p.kernel {
            Some(KernelShare::Dropped { nanoseconds_each: Some(each), .. }) => format!("{each} ns"),
            _ => "-".into(),
        });
    }
    table
}

/// What the table does not say.
pub(super) fn notes(
    options: &DemoOptions,
    performances: &[Performance],
    why_loopback: Option<&str>,
) -> String {
    let mut notes = Vec::new();
    if let Some(why) = why_loopback {
        notes.push(format!(
            "Played on the loopback, sanctions enforced in relaygate's own process, since {why}.\n\
             As root there is a third column: network namespaces, and XDP dropping the attacker's packets in the kernel."
        ));
    }
    for performance in performances {
        if let Some(KernelShare::Unavailable(line)) = &performance.kernel {
            notes.push(format!("XDP could not be shown; relaygate's log says: {line}"));
        }
        if performance.spam.tried < options.spam {
            notes.push(format!(
                "{}: the attacker came to {} of {} messages in the time it had; the others waited for answers that \
                 never came.",
                performance.act.what_happens(),
                count(performance.spam.tried),
                count(options.spam),
            ));
        }
        if let Some(error) = performance.honest.errors.first() {
            notes.push(format!("{}: honest mail failed: {error}", performance.act.what_happens()));
        }
        if performance.server.reports_failed > 0 {
            notes.push(format!(
                "{}: {} bounces could not be sent",
                performance.act.what_happens(),
                count(performance.server.reports_failed)
            ));
        }
    }
    notes.join("\n")
}

/// A number with its thousands apart.
fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn octets(number: u64) -> String {
    match number {
        0..10_000 => count(number),
        10_000..10_000_000 => format!("{} kB", count(number / 1000)),
        _ => format!("{} MB", count(number / 1_000_000)),
    }
}

fn milliseconds(time: Duration) -> String {
    format!("{} ms", count(u64::try_from(time.as_millis()).unwrap_or(u64::MAX)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_easy_to_read() {
        assert_eq!([0, 7, 999, 1000, 1_234_567].map(count), ["0", "7", "999", "1,000", "1,234,567"]);
        assert_eq!([0, 9999, 10_000, 40_123_456].map(octets), ["0", "9,999", "10 kB", "40 MB"]);
        assert_eq!(milliseconds(Duration::from_micros(1_234_567)), "1,234 ms");
    }

    #[test]
    fn a_column_for_each_act_and_the_kernel_only_where_it_played() {
        let options = DemoOptions { spam: 2000, honest: 20, body: 10, loopback: false };
        let performance = |act, kernel| Performance {
            act,
            server: smtp_load::kb_server::KbSnapshot { delivered: 20, ..Default::default() },
            server_cpu: Duration::ZERO,
            relaygate_cpu: None,
            spam: smtp_load::clients::SpamOutcome { tried: 2000, ..Default::default() },
            honest: smtp_load::clients::HonestOutcome::default(),
            victim_messages: 0,
            kernel,
        };
        let two = [performance(Act::Straight, None), performance(Act::Filtered, None)];
        let text = of(&options, &two).to_string();
        assert!(text.contains("20 of 20") && !text.contains("kernel"), "{text}");
        assert_eq!(notes(&options, &two, None), "");
        assert!(notes(&options, &two, Some("not root")).contains("not root"));
        let share = KernelShare::Dropped { packets: 12_345, nanoseconds_each: Some(61) };
        let text = of(&options, &[performance(Act::FilteredInKernel, Some(share))]).to_string();
        assert!(text.contains("12,345") && text.contains("61 ns"), "{text}");
    }
}
