//! What the whole-program tests share.

pub mod documents;
pub mod fresh;
pub mod golden;
pub mod images;
pub mod output;
pub mod package;
pub mod program;
pub mod qcow2;
pub mod secondary;
pub mod simulated;
pub mod terminal;
pub mod testbed;
