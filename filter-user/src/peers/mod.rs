//! What peers did and what it earned them: strikes that leak away, the ladder from none to blocked for longer, in
//! bounded memory. Knows no session, no clock and no kernel: sanctions are enforced through [`Enforcer`].

pub mod enforcer;
pub mod local;
pub mod strikes;

pub use enforcer::{Admission, Enforcer, Home};
pub use local::LocalEnforcer;
pub use strikes::Strike;
