//! What peers did and what it earned them: strikes that leak away, the ladder from none to blocked for longer, in
//! bounded memory. Knows no session, no clock and no kernel: sanctions are enforced through [`Enforcer`].

mod bounded;
pub mod enforcer;
pub mod guesses;
pub mod ladder;
pub mod local;
pub mod open_sessions;
pub mod register;
pub mod strikes;

pub use bounded::SHARDS;
pub use enforcer::{Admission, Enforcer, Home};
pub use guesses::Guesses;
pub use ladder::Ladder;
pub use local::{Held, LocalEnforcer};
pub use open_sessions::OpenSessions;
pub use register::{Register, Remembered, Struck};
pub use strikes::{Strike, StrikeLevel, Weights};
