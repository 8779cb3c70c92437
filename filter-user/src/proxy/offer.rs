//! What sessions are offered, given what the backend can do: a service for each kind of session, made when the first of
//! its kind comes and shared by all of it; all made anew when the backend's word changes.

use std::rc::Rc;
use std::sync::Arc;

use super::authentication::{AuthWay, mechanisms};
use super::capabilities::Capabilities;
use super::shared::Shared;
use crate::config::Profile;
use crate::smtp::{AuthOffer, Limits, Offered, Service, TlsOffer};

/// What a session is, as far as it decides what it is offered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kind {
    /// Whom its listener is for.
    pub(super) profile: Profile,
    /// It has a grant.
    pub(super) granted: bool,
    /// Who connected may say who the client is.
    pub(super) speaks_for_others: bool,
    /// Whether it can have TLS, or has it.
    pub(super) tls: TlsOffer,
    /// Whether and how it may authenticate.
    pub(super) auth: AuthWay,
}

/// The services of one worker.
#[derive(Debug)]
pub(super) struct Offer {
    /// What the backend could do when this was made.
    capabilities: Arc<Capabilities>,
    /// Which change of those who know logins this was made after.
    auth_changes: u64,
    /// Few: looked through from the first, which is the commonest.
    services: Vec<(Kind, Rc<Service>)>,
}

impl Offer {
    /// Offers what we and the backend both can.
    pub(super) fn new(shared: &Shared) -> Self {
        let (capabilities, auth_changes) = (shared.destinations.offered().load(), auth_changes(shared));
        Self { capabilities, auth_changes, services: Vec::new() }
    }

    /// Whether nothing has changed since it was made.
    pub(super) fn is_current(&self, shared: &Shared) -> bool {
        shared.destinations.offered().is_current(&self.capabilities)
            && self.auth_changes == auth_changes(shared)
    }

    /// The service of a kind of session.
    pub(super) fn service(&mut self, kind: Kind, shared: &Shared) -> Rc<Service> {
        if let Some((_, service)) = self.services.iter().find(|(of, _)| *of == kind) {
            return Rc::clone(service);
        }
        let service = Rc::new(self.make(kind, shared));
        self.services.push((kind, Rc::clone(&service)));
        service
    }

    fn make(&self, kind: Kind, shared: &Shared) -> Service {
        let (settings, capabilities) = (&shared.settings, &self.capabilities);
        let backend_bound = capabilities.size.flatten().unwrap_or(u64::MAX);
        let limits =
            Limits { message_size: settings.limits.message_size.min(backend_bound), ..settings.limits };
        let offered = Offered {
            eight_bit_mime: capabilities.eight_bit_mime,
            smtputf8: capabilities.smtputf8,
            // A stranger who may ask for delivery notifications may have them sent to a forged address.
            dsn: kind.granted && capabilities.dsn,
            require_tls: kind.tls == TlsOffer::InUse && capabilities.require_tls,
            tls: kind.tls,
            auth: match kind.auth {
                AuthWay::Never => AuthOffer::Never,
                AuthWay::OverTls => AuthOffer::OverTls,
                AuthWay::Now { bound } => mechanisms(shared, &capabilities.auth, bound)
                    .map_or(AuthOffer::Unavailable, AuthOffer::By),
            },
            auth_first: kind.profile == Profile::Submission,
            xclient: kind.speaks_for_others,
        };
        Service::new(&settings.hostname, limits, settings.deadlines, offered)
    }
}

fn auth_changes(shared: &Shared) -> u64 {
    shared.authenticator.as_ref().map_or(0, |known| known.changes())
}
