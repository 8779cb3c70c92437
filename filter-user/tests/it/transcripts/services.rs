//! What the session of a transcript is offered, in the clear and over TLS, made of the settings line.

use filter_user::smtp::{AuthOffer, Offered, Service, TlsOffer};

use super::script::Settings;

/// Both services, and which one is in use.
pub(super) struct Services {
    in_the_clear: Service,
    with_tls: Service,
    pub(super) over_tls: bool,
}

impl Services {
    pub(super) fn new(settings: &Settings) -> Self {
        Self { in_the_clear: service(settings, false), with_tls: service(settings, true), over_tls: false }
    }

    /// The service of the session as it is now.
    pub(super) fn now(&self) -> &Service {
        if self.over_tls { &self.with_tls } else { &self.in_the_clear }
    }
}

fn service(settings: &Settings, over_tls: bool) -> Service {
    let offered = |name: &str| settings.offered.contains(name);
    let offered = Offered {
        eight_bit_mime: offered("8bitmime"),
        smtputf8: offered("smtputf8"),
        dsn: offered("dsn"),
        require_tls: over_tls && offered("requiretls"),
        tls: match (over_tls, offered("starttls")) {
            (true, _) => TlsOffer::InUse,
            (false, true) => TlsOffer::StartTls,
            (false, false) => TlsOffer::Never,
        },
        auth: match &settings.auth {
            Some(mechanisms) if over_tls || settings.auth_in_the_clear => AuthOffer::By(mechanisms.clone()),
            Some(_) => AuthOffer::OverTls,
            None => AuthOffer::Never,
        },
        auth_first: offered("auth_first"),
        xclient: offered("xclient"),
    };
    Service::new("mx.example.org", settings.limits, settings.deadlines, offered)
}
