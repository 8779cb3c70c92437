//! What sessions are offered, given what the backend can do: made anew when that changes, shared by all sessions.

use std::sync::Arc;

use super::capabilities::Capabilities;
use super::shared::ProxySettings;
use crate::smtp::{Limits, Offered, Service};

/// The services of one worker.
#[derive(Debug)]
pub(super) struct Offer {
    /// What the backend could do when this was made.
    pub(super) capabilities: Arc<Capabilities>,
    stranger: Service,
    granted: Service,
}

impl Offer {
    /// Offers what we and the backend both can.
    pub(super) fn new(settings: &ProxySettings, capabilities: Arc<Capabilities>) -> Self {
        let backend_bound = capabilities.size.flatten().unwrap_or(u64::MAX);
        let limits =
            Limits { message_size: settings.limits.message_size.min(backend_bound), ..settings.limits };
        let service = |dsn| {
            let offered = Offered {
                eight_bit_mime: capabilities.eight_bit_mime,
                smtputf8: capabilities.smtputf8,
                dsn: dsn && capabilities.dsn,
                ..Offered::default()
            };
            Service::new(&settings.hostname, limits, settings.deadlines, offered)
        };
        // A stranger who may ask for delivery notifications may have them sent to a forged address.
        let (stranger, granted) = (service(false), service(true));
        Self { capabilities, stranger, granted }
    }

    /// The service of a session.
    pub(super) fn service(&self, granted: bool) -> &Service {
        if granted { &self.granted } else { &self.stranger }
    }
}
