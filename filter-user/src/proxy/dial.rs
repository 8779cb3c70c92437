//! The TCP connection to a backend: its name resolved, its addresses tried one after the other, from our own address or
//! from the client's (IP_TRANSPARENT, ip(7)).

use std::io;
use std::net::{IpAddr, SocketAddr};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::{TcpSocket, TcpStream, lookup_host};
use tokio::time::{Instant, timeout_at};

use super::backend::BackendSettings;
use super::backend_error::BackendError;
use super::destination::Host;

/// Connects to the first address that answers, within the time; from the address `from` where it is given.
pub(super) async fn connect(
    host: &Host,
    from: Option<IpAddr>,
    settings: &BackendSettings,
) -> Result<TcpStream, BackendError> {
    let within = settings.dial_timeout;
    let until = Instant::now() + within;
    let timed_out = || BackendError::TimedOut { what: "the connection", after: within };
    let mut addresses = match timeout_at(until, addresses_of(host)).await {
        Ok(Ok(addresses)) => addresses,
        Ok(Err(source)) => return Err(BackendError::Unresolved { host: host.name.clone(), source }),
        Err(_) => return Err(timed_out()),
    };
    if let Some(&address) = addresses.iter().find(|address| settings.own_listeners.include(**address)) {
        return Err(BackendError::Ourselves { host: host.to_string(), address });
    }
    if let Some(client) = from {
        addresses.retain(|address| address.is_ipv4() == client.is_ipv4());
        if addresses.is_empty() {
            return Err(BackendError::OtherFamily { client, host: host.to_string() });
        }
    }
    let mut failed = timed_out();
    let count = addresses.len();
    for (tried, address) in addresses.into_iter().enumerate() {
        // One address that swallows everything must leave time for the next.
        let left = until.saturating_duration_since(Instant::now());
        let share = left / u32::try_from(count - tried).unwrap_or(1);
        match timeout_at(Instant::now() + share, connect_to(address, from)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(Failure::NotTransparent(source))) => return Err(BackendError::NotTransparent { source }),
            Ok(Err(Failure::Connection(source))) => {
                failed = BackendError::Unavailable { host: host.to_string(), source };
            }
            Err(_) => failed = timed_out(),
        }
    }
    Err(failed)
}

/// Whether the system lets this process connect from addresses that are not its own.
pub fn may_be_transparent() -> Result<(), BackendError> {
    let allowed = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))
        .and_then(|socket| socket.set_ip_transparent_v4(true));
    allowed.map_err(|source| BackendError::NotTransparent { source })
}

/// Those that were found with its name, else those that the system finds.
async fn addresses_of(host: &Host) -> io::Result<Vec<SocketAddr>> {
    if host.addresses.is_empty() {
        return lookup_host((host.name.as_str(), host.port)).await.map(Iterator::collect);
    }
    Ok(host.addresses.iter().map(|address| SocketAddr::new(*address, host.port)).collect())
}

enum Failure {
    NotTransparent(io::Error),
    Connection(io::Error),
}

async fn connect_to(address: SocketAddr, from: Option<IpAddr>) -> Result<TcpStream, Failure> {
    let stream = match from {
        Some(client) => {
            let socket = transparent(client).map_err(Failure::NotTransparent)?;
            TcpSocket::from_std_stream(socket.into()).connect(address).await
        }
        None => TcpStream::connect(address).await,
    };
    let stream = stream.map_err(Failure::Connection)?;
    stream.set_nodelay(true).map_err(Failure::Connection)?;
    Ok(stream)
}

/// A socket at the client's address; the port is any, for the client's own may still be in use from its last session.
fn transparent(client: IpAddr) -> io::Result<Socket> {
    let at = SocketAddr::new(client, 0);
    let socket = Socket::new(Domain::for_address(at), Type::STREAM.nonblocking(), Some(Protocol::TCP))?;
    match client {
        IpAddr::V4(_) => socket.set_ip_transparent_v4(true)?,
        IpAddr::V6(_) => socket.set_ip_transparent_v6(true)?,
    }
    socket.bind(&at.into())?;
    Ok(socket)
}
