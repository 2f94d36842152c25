//! What the whole-program tests share.

pub mod program;
pub mod simulated;
pub mod testbed;
