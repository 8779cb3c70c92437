//! What peers did and what it earned them: strikes that leak away, the ladder from none to blocked for longer, in
//! bounded memory. Knows no session, no clock and no kernel: sanctions are enforced through [`Enforcer`].

pub mod allow_list;
mod bounded;
pub mod enforcer;
pub mod guesses;
pub mod ladder;
pub mod local;
pub mod open_sessions;
pub mod orders;
pub mod register;
pub mod strikes;

pub use allow_list::{Allowance, Allowed, MAX_ALLOWANCES};
pub use bounded::{SHARDS, Sharding};
pub use enforcer::{Admission, Dropped, Enforcer, Home, NotExempted};
pub use guesses::Guesses;
pub use ladder::Ladder;
pub use local::{Held, LocalEnforcer};
pub use open_sessions::OpenSessions;
pub use orders::{Hand, MAX_ORDERS, Order};
pub use register::{
    Cursor, EditError, Inherited, LONGEST_PAGE, LastStrike, Page, Register, Remembered, RollSettings,
    Sorting, Standing, State, Struck,
};
pub use strikes::{Strike, StrikeLevel, Weights};
