//! What this process may do beyond an ordinary one: which capabilities it has, and how it gives them up for good, once
//! all is open that needs them. Knows no other module; what must be kept, and why, is decided by who calls.

mod error;
mod give_up;
mod identity;
mod thread_status;

pub use error::PrivilegeError;
pub use give_up::{as_spoken, effective, give_up};
pub use identity::Identity;
pub use rustix::thread::CapabilitySet;
pub use thread_status::ThreadStatus;
