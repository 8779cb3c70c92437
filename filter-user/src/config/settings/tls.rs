//! Settings: TLS towards clients.

use super::{HOUR, MOMENT, time};
use crate::config::TlsVersion;
use crate::config::kind::{Certificate, CertificateName, Choice, File, Time};
use crate::config::setting::DefaultValue::{Is, Nothing};

settings! { "TLS":
    TLS_CERTIFICATE: Certificate = "tls-certificate" many, Nothing, Certificate,
        "A certificate with its key, for STARTTLS and TLS; without any there is none. Of several, the one is shown that has the name that the client asks for, else the first. Read again at SIGHUP.";
    TLS_MINIMUM_VERSION: Choice<TlsVersion> = "tls-minimum-version", Is("1.2"),
        Choice { placeholder: "VERSION", words: &["1.2", "1.3"], values: &[TlsVersion::Tls12, TlsVersion::Tls13] },
        "The oldest version of TLS that is spoken with clients.";
    TLS_CLIENT_CA: File = "tls-client-ca", Nothing, File,
        "Restriction client certificates: a PEM file of authorities; clients are asked for a certificate, and who has one that they signed may relay. Read again at SIGHUP.";
    TLS_CLIENT_NAME: CertificateName = "tls-client-name" many, Nothing, CertificateName,
        "Restriction client certificates: only one with this name lets its client relay; a host name, a mail address or the common name. Without any, each does.";
    TLS_HANDSHAKE_TIMEOUT: Time = "tls-handshake-timeout", Is("30s"), time(MOMENT, HOUR),
        "How long a client may take for the TLS handshake.";
}
