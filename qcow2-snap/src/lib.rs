#![doc = include_str!("../README.md")]
//!
//! # Where to begin
//!
//! | module | question it answers |
//! |---|---|
//! | [`image`] | What does a qcow2 image say about itself, and which of its bytes make up one state of the disk? |
//! | [`domain`] | Which disks has a domain, and what are they on? |
//! | [`definition`] | How is a definition changed for another place, or for a rehearsal? |
//! | [`plan`] | What happens to each disk? |
//! | [`external`] | How is a running domain put on overlays, and brought back? |
//! | [`internal`] | How does every image of a domain get a snapshot inside? |
//! | [`virsh`], [`qemu_img`] | The tools that do it. |
//!
//! Deciding is pure: [`plan::plan`], the reading of XML and images, and what a commit does next
//! are functions from values to values. Tools are started through [`tool_command`] only, and
//! libvirt's XML, not a tool's exit status, says whether something worked.

mod commas;
pub mod definition;
pub mod domain;
mod error;
pub mod external;
pub mod image;
pub mod internal;
pub mod plan;
pub mod qemu_img;
pub mod virsh;
mod xml_text;

pub use error::Error;
