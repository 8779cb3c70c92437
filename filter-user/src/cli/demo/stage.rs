//! Where the demo plays: two network namespaces with a veth pair between them, or the loopback. Says who has which
//! address, and starts things in the right place. The addresses are those for documentation (RFC 5737) in the namespaces,
//! which no packet leaves, and 127.0.0.0/8 otherwise.

use std::net::{IpAddr, Ipv4Addr};

use super::namespace::Namespace;

/// Who has which address.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cast {
    /// The mail server, and relaygate before it.
    pub(super) edge: IpAddr,
    /// Who sends spam.
    pub(super) attacker: IpAddr,
    /// Who sends honest mail.
    pub(super) honest: IpAddr,
    /// The host whose users' addresses are forged.
    pub(super) victim: IpAddr,
}

/// The interface of the edge, in its namespace.
pub(super) const EDGE_INTERFACE: &str = "edge0";

/// The stage.
#[derive(Debug)]
pub(super) struct Stage {
    pub(super) cast: Cast,
    namespaces: Option<Namespaces>,
}

#[derive(Debug)]
struct Namespaces {
    /// The mail server's side.
    edge: Namespace,
    /// Everybody else's.
    outside: Namespace,
}

impl Stage {
    /// In namespaces where they can be had, else on the loopback; then why, in words.
    pub(super) fn set(loopback: bool) -> (Self, Option<String>) {
        if loopback {
            return (Self::on_loopback(), Some("it was asked for".into()));
        }
        match Namespaces::new() {
            Ok(namespaces) => {
                let address =
                    |network: [u8; 3], host| Ipv4Addr::new(network[0], network[1], network[2], host).into();
                let cast = Cast {
                    edge: address(EDGE, 25),
                    attacker: address(OUTSIDE, 66),
                    honest: address(OUTSIDE, 7),
                    victim: address(OUTSIDE, 80),
                };
                (Self { cast, namespaces: Some(namespaces) }, None)
            }
            Err(error) => (Self::on_loopback(), Some(format!("{error:#}"))),
        }
    }

    fn on_loopback() -> Self {
        let address = |host| Ipv4Addr::new(127, 0, 0, host).into();
        let cast = Cast { edge: address(25), attacker: address(66), honest: address(7), victim: address(80) };
        Self { cast, namespaces: None }
    }

    /// Whether it plays in namespaces, so that XDP can be shown.
    pub(super) fn has_namespaces(&self) -> bool {
        self.namespaces.is_some()
    }

    /// Does something on the mail server's side.
    pub(super) fn at_the_edge<T>(&self, work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
        match &self.namespaces {
            Some(namespaces) => namespaces.edge.within(work),
            None => work(),
        }
    }

    /// Does something on the other side.
    pub(super) fn outside<T>(&self, work: impl FnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
        match &self.namespaces {
            Some(namespaces) => namespaces.outside.within(work),
            None => work(),
        }
    }
}

const EDGE: [u8; 3] = [192, 0, 2];
const OUTSIDE: [u8; 3] = [198, 51, 100];

impl Namespaces {
    fn new() -> anyhow::Result<Self> {
        let (edge, outside) = (Namespace::new()?, Namespace::new()?);
        let (e, o) =
            (EDGE.map(|octet| octet.to_string()).join("."), OUTSIDE.map(|octet| octet.to_string()).join("."));
        edge.ip(&format!(
            "link set lo up\n\
             link add {EDGE_INTERFACE} type veth peer name out0 netns {}\n\
             address add {e}.25/24 dev {EDGE_INTERFACE}\n\
             link set {EDGE_INTERFACE} up\n\
             route add {o}.0/24 dev {EDGE_INTERFACE}\n",
            outside.path()
        ))?;
        outside.ip(&format!(
            "link set lo up\n\
             address add {o}.7/24 dev out0\n\
             address add {o}.66/24 dev out0\n\
             address add {o}.80/24 dev out0\n\
             link set out0 up\n\
             route add {e}.0/24 dev out0\n"
        ))?;
        Ok(Self { edge, outside })
    }
}
