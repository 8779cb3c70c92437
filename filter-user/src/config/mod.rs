//! Settings: one table for flags, file and environment; parsed once into [`Config`], which cannot be wrong.

pub mod auth;
pub mod backend;
pub mod checked;
pub mod clients;
mod control;
pub mod delegation;
pub mod directories;
pub mod error;
pub mod given;
pub mod kernel;
pub mod kind;
mod load;
pub mod relaying;
pub mod routing;
pub mod setting;
pub mod settings;
pub mod source;
pub mod standing;
pub mod stream_address;
mod tls;

pub use auth::{AuthBackend, AuthSettings};
pub use backend::{BackendAddress, BackendSettings, ClientAddress};
pub use checked::Config;
pub use clients::{Listen, ListenTls, Profile, TrueAddress};
pub use control::ControlSettings;
pub use delegation::DelegationSettings;
pub use directories::{
    DirectoryItem, DirectorySettings, DirectorySource, LdapSource, RemoteServer, RemoteSource, Template,
};
pub use error::ConfigError;
pub use given::{Effective, Origin};
pub use kernel::{BlockAction, Hook, KernelLog, KernelPart};
pub use relaying::RelaySettings;
pub use routing::{Destination, HostPort, Hosts, RouteAnswer, Routing};
pub use setting::AnySetting;
pub use settings::TABLE;
pub use source::arguments;
pub use standing::Standing;
pub use stream_address::StreamAddress;
pub use tls::{BackendTls, CertificateFiles, TlsLevel, TlsSettings, TlsVersion};
