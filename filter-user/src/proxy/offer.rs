//! What sessions are offered, given what the backend can do: a service for each kind of session, made when the first of
//! its kind comes and shared by all of it; all made anew when the backend's word changes.

use std::rc::Rc;
use std::sync::Arc;

use super::capabilities::Capabilities;
use super::shared::ProxySettings;
use crate::config::Profile;
use crate::smtp::{Limits, Offered, Service, TlsOffer};

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
}

/// The services of one worker.
#[derive(Debug)]
pub(super) struct Offer {
    /// What the backend could do when this was made.
    pub(super) capabilities: Arc<Capabilities>,
    /// Few: looked through from the first, which is the commonest.
    services: Vec<(Kind, Rc<Service>)>,
}

impl Offer {
    /// Offers what we and the backend both can.
    pub(super) fn new(capabilities: Arc<Capabilities>) -> Self {
        Self { capabilities, services: Vec::new() }
    }

    /// The service of a kind of session.
    pub(super) fn service(&mut self, kind: Kind, settings: &ProxySettings) -> Rc<Service> {
        if let Some((_, service)) = self.services.iter().find(|(of, _)| *of == kind) {
            return Rc::clone(service);
        }
        let service = Rc::new(self.make(kind, settings));
        self.services.push((kind, Rc::clone(&service)));
        service
    }

    fn make(&self, kind: Kind, settings: &ProxySettings) -> Service {
        let capabilities = &self.capabilities;
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
            auth_first: kind.profile == Profile::Submission,
            xclient: kind.speaks_for_others,
            ..Offered::default()
        };
        Service::new(&settings.hostname, limits, settings.deadlines, offered)
    }
}
