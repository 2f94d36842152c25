//! Definitions of domains, changed for another place: pure functions from text to text.
//!
//! [`relocated`] makes a definition fit images that lie elsewhere and changes nothing else;
//! [`rehearsal`] makes one that can be started beside the domain itself and reaches nothing but
//! its own throw-away disks.

mod inside;
mod rehearse;
mod relocate;
mod stage;

use std::path::Path;

use crate::Error;
use crate::domain::Domain;
use crate::xml_text::Element;

pub use rehearse::{Part, Rehearsal, rehearsal};
pub use relocate::{Moved, relocated};
pub use stage::Stage;

/// The agent's channel, by the name that libvirt and the agent know it by.
const AGENT: &str = "org.qemu.guest_agent.0";

/// The description in a definition, where it has one.
pub fn description(xml: &str) -> Option<String> {
    Element::parse(xml)?.child("description")?.text(xml)
}

/// Why `domain` cannot be changed.
fn unfit(domain: &Domain, reason: impl Into<String>) -> Error {
    Error::Unfit { domain: domain.name.clone(), reason: reason.into() }
}

/// The text of a definition, with its places and its meaning.
fn read(xml: &str) -> Result<(Element, Domain), Error> {
    let domain = Domain::parse(xml)?;
    let root = Element::parse(xml).filter(|root| root.name == "domain");
    let root = root.ok_or_else(|| unfit(&domain, "its definition is not well-formed"))?;
    Ok((root, domain))
}

/// The text of a path; libvirt's definitions are UTF-8.
fn text_of<'a>(domain: &Domain, path: &'a Path) -> Result<&'a str, Error> {
    let text = path.to_str().filter(|text| !text.contains(char::is_control));
    text.ok_or_else(|| {
        unfit(domain, format!("the path `{}` cannot stand in a definition", path.display()))
    })
}

/// The target of a disk's element.
fn target(disk: &Element) -> Option<&str> {
    disk.child("target")?.attribute("dev")
}
