//! Settings: the routing table, and how the hosts are found that it names.

use crate::config::kind::{Endpoint, RouteRow};
use crate::config::setting::DefaultValue::Nothing;

settings! { "Routing table":
    ROUTE: RouteRow = "route" many, Nothing, RouteRow,
        "A row of the routing table, `SENT-TO = ROUTED-TO`. SENT-TO is a domain and all below it (`example.net`), that domain alone (`#example.net`), or what no other row is for (`*`); the most specific row wins. ROUTED-TO is `inbound` (ours, at the backend), `inbound HOST:PORT …` (ours, at other mail servers), `host HOST:PORT …` (not ours: who may relay does so by these), `mx NAME` (by the mail hosts of this one domain) or `reply CODE TEXT` (everybody is told this). Of several hosts, the first that is up is used.";
    DNS_SERVER: Endpoint = "dns-server" many, Nothing, Endpoint,
        "A DNS server that is asked for the mail hosts of `mx` rows, in place of the system's.";
}
