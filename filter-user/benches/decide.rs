//! What a refused recipient costs with a large configuration, against a small one, in the same run: `decide` with ten
//! thousand rows in the routing table, a thousand networks and a million mailboxes, against one of each. With `--max N` it
//! fails where the ratio is more than that. Both are measured in turns, so that what else the machine does falls on both.
#![allow(clippy::unwrap_used, reason = "a measurement that cannot be made says where, and fails")]

use std::fmt::Write as _;
use std::hint::black_box;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use filter_user::address::ForwardPath;
use filter_user::lookup::Directories;
use filter_user::policy::{
    ClientNetwork, Decision, DirectoryAnswer, Facts, Policy, PolicySettings, Route, RouteId, RoutedTo, SentTo,
};

/// Recipients that are asked for, all different, one after the other and from the beginning again.
const RECIPIENTS: usize = 4096;
/// Rounds of each kind; the median counts.
const ROUNDS: usize = 41;
/// How often the recipients are asked for in a round.
const REPEATS: usize = 8;

/// How much is configured.
struct Size {
    rows: usize,
    networks: usize,
    mailboxes: usize,
}

/// What decides.
struct World {
    policy: Policy,
    directories: Directories,
}

impl World {
    fn new(size: &Size) -> Self {
        let local_domains = vec!["example.org".to_owned()];
        let settings = PolicySettings {
            local_domains: local_domains.clone(),
            routes: (0..size.rows).map(route).collect(),
            reroute: true,
            relay_networks: (0..size.networks)
                .map(|number| ClientNetwork::from(network(10, number)))
                .collect(),
            never_relay: (0..size.networks).map(|number| network(172, number)).collect(),
            ..PolicySettings::default()
        };
        let mut mailboxes = String::new();
        for number in 0..size.mailboxes {
            let _ = writeln!(mailboxes, "user{number}@example.org");
        }
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("mailboxes");
        std::fs::write(&path, mailboxes).unwrap();
        let directories = Directories::from_file(path, &local_domains, false).unwrap();
        assert_eq!(directories.len(), size.mailboxes);
        Self { policy: Policy::new(&settings), directories }
    }

    /// As for real mail: place, ask the directory where the placement needs one, decide.
    fn decide(&self, facts: &Facts<'_>, path: &ForwardPath<'_>) -> Decision {
        let placement = self.policy.place(path);
        let said = placement.asks_directory().and_then(|mailbox| self.directories.answer_now(&mailbox));
        self.policy.decide(facts, &placement, said.unwrap_or(DirectoryAnswer::NotAsked))
    }

    /// The time for one recipient, of one round.
    fn time(&self, facts: &Facts<'_>, paths: &[ForwardPath<'_>]) -> Duration {
        let begin = Instant::now();
        for _ in 0..REPEATS {
            for path in paths {
                black_box(self.decide(facts, black_box(path)));
            }
        }
        begin.elapsed() / u32::try_from(paths.len() * REPEATS).unwrap()
    }
}

/// Every third row is for one domain alone, the first is not, and they are of different depths.
fn route(number: usize) -> Route {
    let domain = match number % 2 {
        0 => format!("d{number}.example.net"),
        _ => format!("sub.d{number}.example.com"),
    };
    let sent_to = if number % 3 == 2 { SentTo::Exactly(domain) } else { SentTo::AndBelow(domain) };
    Route { sent_to, routed_to: RoutedTo::Host(RouteId(u32::try_from(number + 1).unwrap())) }
}

fn network(first: u8, number: usize) -> ipnet::IpNet {
    format!("{first}.{}.{}.0/24", number / 256, number % 256).parse().unwrap()
}

/// A kind of recipient that is refused, and those of this kind by their numbers.
type Kind = (&'static str, fn(usize) -> String);

const KINDS: [Kind; 4] = [
    ("relaying prohibited", |number| format!("<victim{number}@host{number}.far.example>")),
    ("relaying prohibited, near the table", |number| format!("<victim{number}@x{number}.example.net>")),
    ("disguised", |number| format!("<victim{number}%far.example@example.org>")),
    ("unknown recipient", |number| format!("<nobody{number}@example.org>")),
];

fn median(mut times: Vec<Duration>) -> f64 {
    times.sort_unstable();
    times[times.len() / 2].as_secs_f64() * 1e9
}

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip_while(|argument| argument != "--max");
    let at_most: Option<f64> = arguments.nth(1).map(|text| text.parse().expect("--max takes a number"));

    let one = World::new(&Size { rows: 1, networks: 1, mailboxes: 1 });
    let many = World::new(&Size { rows: 10_000, networks: 1000, mailboxes: 1_000_000 });
    let facts = Facts::of_connection("198.51.100.7".parse().unwrap(), None);
    let mut worst: f64 = 0.0;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{:36} {:>10} {:>10} {:>7}", "a refused recipient", "one", "many", "ratio").unwrap();
    for (kind, text) in KINDS {
        let texts: Vec<String> = (0..RECIPIENTS).map(text).collect();
        let paths: Vec<ForwardPath<'_>> =
            texts.iter().map(|text| ForwardPath::parse(text.as_bytes(), false).unwrap().0).collect();
        for (world, path) in
            [&one, &many].into_iter().flat_map(|world| paths.iter().map(move |path| (world, path)))
        {
            let decision = world.decide(&facts, path);
            assert!(
                matches!(decision, Decision::Prohibited(_) | Decision::UnknownRecipient),
                "{} is not refused: {decision}",
                path.text()
            );
        }
        let (mut small, mut large) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            small.push(one.time(&facts, &paths));
            large.push(many.time(&facts, &paths));
        }
        let (small, large) = (median(small), median(large));
        let ratio = large / small;
        worst = worst.max(ratio);
        writeln!(out, "{kind:36} {small:>7.0} ns {large:>7.0} ns {ratio:>7.2}").unwrap();
    }
    match at_most {
        Some(at_most) if worst > at_most => {
            eprintln!("the worst ratio is {worst:.2}, and may be {at_most:.2}");
            ExitCode::FAILURE
        }
        _ => ExitCode::SUCCESS,
    }
}
