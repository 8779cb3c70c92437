//! Everything that needs the outside: one binary, a module per subject.

<<<<<<< HEAD
mod decisions;
=======
mod packets;
>>>>>>> kernel
