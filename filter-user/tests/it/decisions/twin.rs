//! A slow and plain reading of the relay decision, row by row as the table has it, against which the compiled policy is
//! drawn at random. Domains and addresses are few and alike, so that they meet.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use filter_user::address::{Domain, ForwardPath, Mailbox, disguise};
use filter_user::policy::{
    AnswerId, BackendId, ClientCertificate, ClientNetwork, DirectoryAnswer, Facts, InternalAddress, Login,
    Policy, PolicySettings, Route, RouteId, RoutedTo, Sender, SenderLogin, SenderPattern, SentTo,
};
use ipnet::IpNet;
use proptest::prelude::*;

/// What is known of a session, owned.
#[derive(Clone, Debug)]
struct Session {
    peer: IpAddr,
    local: Option<SocketAddr>,
    sender: Option<Option<(String, String)>>,
    login: Option<String>,
    certificate: Option<String>,
}

fn address() -> impl Strategy<Value = IpAddr> {
    (0u8..3, 0u8..3).prop_map(|(third, fourth)| Ipv4Addr::new(10, 0, third, fourth).into())
}

/// One to four labels of few letters, in any case.
fn domain() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::sample::select(&["a", "b", "B", "ab"][..]), 1..5)
        .prop_map(|labels| labels.join("."))
}

fn local_part() -> impl Strategy<Value = String> {
    prop::sample::select(&["u", "U", "\"u\"", "v", "postmaster", "PostMaster", "u%a", "imcea-u", "/o=u"][..])
        .prop_map(str::to_owned)
}

fn pattern() -> impl Strategy<Value = SenderPattern> {
    prop_oneof![
        Just(SenderPattern::Null),
        domain().prop_map(SenderPattern::Domain),
        (prop::sample::select(&["u", "V"][..]), domain()).prop_map(|(local_part, domain)| {
            SenderPattern::Mailbox { local_part: local_part.to_owned(), domain }
        }),
    ]
}

fn patterns() -> impl Strategy<Value = Vec<SenderPattern>> {
    prop::collection::vec(pattern(), 0..3)
}

fn networks() -> impl Strategy<Value = Vec<IpNet>> {
    let network =
        (address(), 22u8..=32).prop_map(|(address, length)| IpNet::new(address, length).unwrap().trunc());
    prop::collection::vec(network, 0..4)
}

fn route() -> impl Strategy<Value = Route> {
    let sent_to = prop_oneof![
        4 => domain().prop_map(SentTo::AndBelow),
        3 => domain().prop_map(SentTo::Exactly),
        1 => Just(SentTo::Rest),
    ];
    let routed_to = (0u32..3, 0u8..3).prop_map(|(number, kind)| match kind {
        0 => RoutedTo::Inbound(BackendId(number)),
        1 => RoutedTo::Host(RouteId(number)),
        _ => RoutedTo::Answer(AnswerId(number)),
    });
    (sent_to, routed_to).prop_map(|(sent_to, routed_to)| Route { sent_to, routed_to })
}

fn settings() -> impl Strategy<Value = PolicySettings> {
    let login = (prop::sample::select(&["x", "X", "y"][..]), patterns())
        .prop_map(|(login, senders)| SenderLogin { login: login.to_owned(), senders });
    let client = (networks(), patterns()).prop_map(|(networks, senders)| {
        networks
            .into_iter()
            .map(|network| ClientNetwork { network, senders: senders.clone() })
            .collect::<Vec<_>>()
    });
    let internal = (address(), prop::option::of(25u16..27))
        .prop_map(|(address, port)| InternalAddress { address, port });
    let who = (
        (any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>()),
        networks(),
        prop::collection::vec(login, 0..3),
        any::<bool>(),
        prop::collection::vec(internal, 0..2),
        prop::collection::vec(client, 0..3),
    );
    let table = (prop::collection::vec(domain(), 0..3), prop::collection::vec(route(), 0..6));
    (who, table).prop_map(
        |((truths, never_relay, sender_logins, named, internal_addresses, clients), table)| PolicySettings {
            local_domains: table.0,
            routes: table.1,
            own_addresses: Vec::new(),
            local_part_case_sensitive: truths.0,
            reroute: truths.1,
            never_relay,
            relay_authenticated: truths.2,
            sender_logins,
            relay_client_certificate: truths.3,
            client_names: named.then(|| "n".to_owned()).into_iter().collect(),
            internal_addresses,
            relay_networks: clients.concat(),
        },
    )
}

fn session() -> impl Strategy<Value = Session> {
    let sender = prop::option::of(prop::option::of((local_part(), domain())));
    let name = |names: &'static [&'static str]| {
        prop::option::of(prop::sample::select(names).prop_map(str::to_owned))
    };
    let local = prop::option::of((address(), 25u16..27).prop_map(SocketAddr::from));
    (address(), local, sender, name(&["x", "X", "y", "z"]), name(&["n", "N", "m"])).prop_map(
        |(peer, local, sender, login, certificate)| Session { peer, local, sender, login, certificate },
    )
}

/// As `PolicySettings` says that domains compare; none here is beyond ASCII.
fn same(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}

/// What the routing table says of a domain: exactly it, else the longest end of it, else the rest.
fn routed(settings: &PolicySettings, domain: &str) -> Option<RoutedTo> {
    if settings.local_domains.iter().any(|local| same(local, domain)) {
        return Some(RoutedTo::Inbound(BackendId(0)));
    }
    let labels: Vec<&str> = domain.split('.').collect();
    let fits = |route: &&Route, specific: usize| match &route.sent_to {
        SentTo::Exactly(exactly) => specific == usize::MAX && same(exactly, domain),
        SentTo::AndBelow(above) => {
            let above: Vec<&str> = above.split('.').collect();
            above.len() == specific && labels.len() >= specific && {
                let end = &labels[labels.len() - specific..];
                end.iter().zip(&above).all(|(one, other)| same(one, other))
            }
        }
        SentTo::Rest => specific == 0 && !matches!(route.routed_to, RoutedTo::Inbound(_)),
    };
    let specific = std::iter::once(usize::MAX).chain((0..=labels.len()).rev());
    specific
        .filter_map(|specific| settings.routes.iter().find(|route| fits(route, specific)))
        .map(|route| route.routed_to)
        .next()
}

fn matches(settings: &PolicySettings, pattern: &SenderPattern, sender: &Option<(String, String)>) -> bool {
    let fold = |local_part: &str| {
        let plain = local_part.trim_matches('"').to_owned();
        if settings.local_part_case_sensitive { plain } else { plain.to_lowercase() }
    };
    match (pattern, sender) {
        (SenderPattern::Null, None) => true,
        (SenderPattern::Domain(ours), Some((_, domain))) => same(ours, domain),
        (SenderPattern::Mailbox { local_part: ours, domain: ours_at }, Some((local_part, domain))) => {
            fold(ours) == fold(local_part) && same(ours_at, domain)
        }
        _ => false,
    }
}

/// The grant, or why there is none.
fn granted(settings: &PolicySettings, session: &Session) -> Result<&'static str, &'static str> {
    if settings.never_relay.iter().any(|network| network.contains(&session.peer)) {
        return Err("never-list");
    }
    if !settings.reroute {
        return Err("reroute off");
    }
    let among = |patterns: &[&SenderPattern]| {
        session
            .sender
            .as_ref()
            .is_some_and(|sender| patterns.iter().any(|one| matches(settings, one, sender)))
    };
    if let Some(login) = session.login.as_ref().filter(|_| settings.relay_authenticated) {
        let is = |row: &&SenderLogin| {
            row.login == *login
                || (!settings.local_part_case_sensitive && row.login.to_lowercase() == login.to_lowercase())
        };
        let own: Vec<&SenderPattern> =
            settings.sender_logins.iter().filter(is).flat_map(|row| &row.senders).collect();
        if settings.sender_logins.is_empty() || among(&own) {
            return Ok("authenticated");
        }
    }
    if let Some(name) = session.certificate.as_ref().filter(|_| settings.relay_client_certificate)
        && (settings.client_names.is_empty()
            || settings.client_names.iter().any(|allowed| same(allowed, name)))
    {
        return Ok("client certificate");
    }
    if settings.internal_addresses.iter().any(|internal| {
        session.local.is_some_and(|local| {
            local.ip() == internal.address && internal.port.is_none_or(|port| port == local.port())
        })
    }) {
        return Ok("internal address");
    }
    let holding = settings.relay_networks.iter().filter(|client| client.network.contains(&session.peer));
    let narrowest = holding.clone().map(|client| client.network.prefix_len()).max();
    let clients: Vec<&ClientNetwork> =
        holding.filter(|client| Some(client.network.prefix_len()) == narrowest).collect();
    let senders: Vec<&SenderPattern> = clients.iter().flat_map(|client| &client.senders).collect();
    if clients.iter().any(|client| client.senders.is_empty()) || among(&senders) {
        return Ok("client network");
    }
    Err("no grant")
}

/// The decision, as it is displayed.
fn decided(
    settings: &PolicySettings,
    session: &Session,
    (local_part, domain): (&str, &str),
    said: DirectoryAnswer,
) -> String {
    let numbered = |number: u32| if number == 0 { String::new() } else { format!(" (destination {number})") };
    let routed_to = routed(settings, domain);
    match routed_to {
        Some(RoutedTo::Answer(AnswerId(number))) => format!("answer {number}"),
        Some(RoutedTo::Inbound(BackendId(backend))) => {
            let route = format!("route{}", numbered(backend));
            let disguised = disguise::decode(local_part).is_some();
            match said {
                _ if local_part.eq_ignore_ascii_case("postmaster") => route,
                DirectoryAnswer::Known => route,
                DirectoryAnswer::Unavailable => "try later".to_owned(),
                _ if disguised => "prohibited (disguised address)".to_owned(),
                DirectoryAnswer::Extension | DirectoryAnswer::WholeDomain | DirectoryAnswer::NotAsked => {
                    route
                }
                DirectoryAnswer::Unknown => "unknown recipient".to_owned(),
            }
        }
        Some(RoutedTo::Host(RouteId(host))) => match granted(settings, session) {
            Ok(grant) => format!("relay ({grant}, destination {host})"),
            Err(why) => format!("prohibited ({why})"),
        },
        None => match granted(settings, session) {
            Ok(grant) => format!("relay ({grant})"),
            Err(why) => format!("prohibited ({why})"),
        },
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn every_decision_is_that_of_the_plain_twin(
        settings in settings(), session in session(), local_part in local_part(), domain in domain(),
        said in prop::sample::select(&[
            DirectoryAnswer::Known, DirectoryAnswer::WholeDomain, DirectoryAnswer::Extension, DirectoryAnswer::Unknown,
            DirectoryAnswer::Unavailable, DirectoryAnswer::NotAsked,
        ][..]),
    ) {
        let policy = Policy::new(&settings);
        let login = session.login.as_deref().map(Login::proven);
        let certificate = session.certificate.clone().map(|name| ClientCertificate::verified(vec![name]));
        let sender = session.sender.as_ref().map(|sender| match sender {
            None => Sender::Null,
            Some((local_part, domain)) => Sender::Mailbox { local_part, domain },
        });
        let facts = Facts {
            peer: session.peer,
            local: session.local,
            sender,
            login: login.as_ref(),
            certificate: certificate.as_ref(),
        };
        let text = format!("{local_part}@{domain}");
        let path = ForwardPath::Mailbox(Mailbox {
            local_part: &local_part, domain: Domain::Name(&domain), text: &text,
        });
        let decision = policy.decide(&facts, &policy.place(&path), said);
        prop_assert_eq!(decision.to_string(), decided(&settings, &session, (&local_part, &domain), said));
        prop_assert_eq!(policy.explain(&facts, &path, |_| said).0, decision);
        // Who may relay for this sender may relay at all.
        if granted(&settings, &session).is_ok() {
            prop_assert!(policy.grant(&facts).is_some());
        }
    }
}
