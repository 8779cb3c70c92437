//! A session turns out to be another client's than who connected: a load balancer says so by a PROXY header, a listed
//! host by XCLIENT. From then on everything that goes by an address goes by that client's: seat, sanctions, strikes,
//! grants, and what the backend is told.

use std::io;
use std::net::SocketAddr;

use rustix::net::{RecvFlags, recv};
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::acceptor::refusal_of;
use super::away::AwaySession;
use super::driver::{Driver, End};
use super::listener::send_now;
use super::proxy_header::{self, HeaderFault, Introduced};
use super::worker::Worker;
use crate::judge::Whose;
use crate::peers::Admission;
use crate::policy::Login;
use crate::smtp::{Answer, Hello, Reply, TlsOffer, Told, XclientCommand};
use crate::telemetry::label::SessionRefusal;

/// Octets of a header that are looked at at once.
const LOOK: usize = 512;

/// What a listed host has said of its client, where that is not what the client says itself.
#[derive(Debug, Default)]
pub(super) struct Introduction {
    told: Told,
    /// Whether HELO or EHLO has followed.
    greeted: bool,
    helo: Option<String>,
    extended: Option<bool>,
    login: Option<Login>,
}

impl Introduction {
    /// As whom the client has authenticated at the host.
    pub(super) fn login(&self) -> Option<&Login> {
        self.login.as_ref()
    }

    /// Whether it says which client this is: then a host shakes hands, and not the client.
    pub(super) fn names_client(&self) -> bool {
        self.told.address
    }

    /// What counts of it under TLS: which client this is. The session stays that client's, whoever shakes hands.
    pub(super) fn under_tls(&self) -> Option<Self> {
        let told = Told { login: false, ..self.told };
        self.names_client().then(|| Self { told, greeted: self.greeted, ..Self::default() })
    }
}

impl Driver {
    /// HELO or EHLO: how the client introduced itself, where no host has said so in its place.
    pub(super) fn introduce(&mut self, worker: &Worker, hello: &Hello<'_>) {
        if let Some(said) = &mut self.introduction {
            said.greeted = true;
            if self.kind.speaks_for_others && said.told.address {
                // What comes from here on may be the client's own words, which its host passes on.
                self.kind.speaks_for_others = false;
                self.service = worker.service(self.kind);
            }
        }
        let said = self.introduction.as_deref();
        let hello = Hello {
            extended: said.and_then(|said| said.extended).unwrap_or(hello.extended),
            name: said.and_then(|said| said.helo.as_deref()).unwrap_or(hello.name),
        };
        let envelope = self.envelope.get_or_insert_with(|| worker.envelope());
        if let Some(delivery) = self.delivery.as_mut().filter(|_| !envelope.is_introduced_as(&hello)) {
            delivery.retire();
        }
        envelope.introduce(&hello);
    }

    /// The session is this client's from now on, if it may have one; else says what it is told.
    fn become_of(
        &mut self,
        worker: &Worker,
        client: SocketAddr,
        local: Option<SocketAddr>,
    ) -> Result<(), Reply> {
        let register = &worker.shared.judge.register;
        let whose = Whose { address: client.ip(), peer: register.key(client.ip()) };
        let place = match register.admit(client.ip(), worker.clock.timestamp()) {
            Admission::Blocked => Err(SessionRefusal::Blocked),
            Admission::Limited => Err(SessionRefusal::Limited),
            Admission::Admitted => self.seat.move_to(client.ip(), whose.peer),
        };
        if let Err(why) = place {
            worker.report.not_served(whose, why);
            return Err(refusal_of(why));
        }
        (self.client, self.local, self.peer) = (client, local, whose.peer);
        if let Some(tls) = &mut self.tls {
            // It was not this client that has shown it.
            tls.certificate = None;
        }
        Ok(())
    }

    /// XCLIENT of a host that is listed: the session starts over, as its client's.
    pub(super) fn speak_for(&mut self, worker: &Worker, said: &XclientCommand<'_>) -> Answer<'static> {
        if let Some(address) = said.address {
            let client = SocketAddr::new(address, said.port.unwrap_or(0));
            // The client did not connect to where its host did: unless that is said, it is not known.
            let local = said.local_address.map(|local| SocketAddr::new(local, said.local_port.unwrap_or(0)));
            if let Err(refusal) = self.become_of(worker, client, local) {
                return Answer::Refuse(refusal);
            }
        }
        // Who has authenticated was the host's client before, if anybody's.
        self.auth = None;
        // What the backend was told is not true any more.
        self.leave_delivery();
        let so_far =
            self.introduction.take().filter(|so_far| !so_far.greeted && !so_far.told.is_of_another(said));
        let mut introduction = so_far.unwrap_or_default();
        introduction.told = introduction.told.and(said);
        introduction.extended = said.extended.or(introduction.extended);
        if let Some(helo) = said.helo {
            introduction.helo = Some(helo.text().into_owned());
        }
        if let Some(login) = said.login {
            introduction.login = Some(Login::proven(&login.text()));
        }
        self.introduction = Some(introduction);
        self.grant_anew(worker);
        Answer::Accept
    }
}

impl AwaySession<'_> {
    /// A balancer has connected: finds out for whom, and begins that client's session.
    pub(super) async fn proxy_header(&mut self, driver: &mut Driver) -> Option<End> {
        let within = self.worker.shared.settings.true_address.header_timeout;
        let Some(heard) = self.unless_blocked(timeout(within, read_header(&self.stream))).await else {
            return Some(End::Blocked);
        };
        let fault = match heard {
            Ok(Ok(Some(introduced))) => {
                self.worker.clock.read();
                return self.begin(driver, introduced).await;
            }
            // A look whether we are there.
            Ok(Ok(None)) => return Some(End::HungUp),
            Ok(Err(fault)) => fault,
            Err(_) => HeaderFault::TimedOut,
        };
        self.worker.report.no_header(driver.whose(), &fault);
        Some(End::NoHeader)
    }

    async fn begin(&mut self, driver: &mut Driver, introduced: Introduced) -> Option<End> {
        if let Introduced::Client { address, local } = introduced {
            if let Err(refusal) = driver.become_of(self.worker, address, Some(local)) {
                // Not by a reset, which the balancer would take for a fault of ours.
                if driver.kind.tls != TlsOffer::InUse {
                    let _ = send_now(&self.stream, refusal.line.as_bytes());
                }
                return Some(End::TurnedAway);
            }
            self.worker.sessions.borrow_mut().is_of(self.place, driver.peer);
            // What the balancer may, its client may not.
            driver.kind.speaks_for_others = self.worker.shared.settings.true_address.may_speak(address.ip());
        } else {
            // Not even the balancer's own health check needs more, and whoever else it is shall not have it.
            driver.unnamed = true;
            driver.kind.speaks_for_others = false;
        }
        driver.grant_anew(self.worker);
        if driver.kind.tls == TlsOffer::InUse {
            return driver.begin_tls(self.worker).err();
        }
        self.banner(driver).await
    }
}

/// Reads a header and not an octet more; nothing where the balancer ends without a word.
async fn read_header(stream: &TcpStream) -> Result<Option<Introduced>, HeaderFault> {
    let mut header = Vec::new();
    let mut next = [0; LOOK];
    loop {
        // However the connection ends, it has ended.
        let came = receive(stream, &mut next, RecvFlags::PEEK).await.unwrap_or(0);
        if came == 0 {
            return if header.is_empty() {
                Ok(None)
            } else {
                Err(HeaderFault::Truncated { octets: header.len() })
            };
        }
        let belongs = proxy_header::belongs(&header, &next[..came])?;
        let taken = receive(stream, &mut next[..belongs], RecvFlags::empty()).await.unwrap_or(0);
        header.extend_from_slice(&next[..taken]);
        if proxy_header::is_whole(&header)? {
            return proxy_header::read(&header).map(Some);
        }
    }
}

async fn receive(stream: &TcpStream, into: &mut [u8], how: RecvFlags) -> io::Result<usize> {
    stream.async_io(Interest::READABLE, || Ok(recv(stream, &mut *into, how)?.0)).await
}
