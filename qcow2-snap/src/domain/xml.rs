//! The shapes of libvirt's XML, and what of it is a domain.

use serde::Deserialize;

use super::{BackingStore, Mirror, Source};

#[derive(Deserialize)]
pub(super) struct Domain {
    #[serde(rename = "@id")]
    id: Option<String>,
    name: String,
    uuid: String,
    os: Option<Os>,
    #[serde(default)]
    devices: Devices,
}

#[derive(Deserialize)]
struct Os {
    nvram: Option<Nvram>,
}

/// The path is text, or since libvirt 8.5 a source as disks have it.
#[derive(Deserialize)]
struct Nvram {
    #[serde(rename = "@type", default)]
    kind: String,
    #[serde(rename = "@format")]
    format: Option<String>,
    #[serde(rename = "$text")]
    path: Option<String>,
    source: Option<Location>,
}

#[derive(Deserialize, Default)]
struct Devices {
    #[serde(default, rename = "disk")]
    disks: Vec<Disk>,
}

#[derive(Deserialize)]
struct Disk {
    #[serde(rename = "@type", default)]
    kind: String,
    driver: Option<Format>,
    source: Option<Location>,
    target: Target,
    readonly: Option<Present>,
    shareable: Option<Present>,
    transient: Option<Present>,
    #[serde(rename = "backingStore")]
    backing_store: Option<Box<Backing>>,
    mirror: Option<Job>,
}

/// An element that only has to be there.
#[derive(Deserialize)]
struct Present {}

#[derive(Deserialize)]
struct Target {
    #[serde(rename = "@dev")]
    dev: String,
}

#[derive(Deserialize)]
struct Format {
    #[serde(rename = "@type")]
    kind: Option<String>,
}

#[derive(Deserialize)]
struct Location {
    #[serde(rename = "@file")]
    file: Option<String>,
    #[serde(rename = "@dev")]
    dev: Option<String>,
    #[serde(rename = "@protocol")]
    protocol: Option<String>,
    #[serde(rename = "@name")]
    name: Option<String>,
    #[serde(rename = "@pool")]
    pool: Option<String>,
    #[serde(rename = "@volume")]
    volume: Option<String>,
}

#[derive(Deserialize)]
struct Backing {
    #[serde(rename = "@type", default)]
    kind: String,
    format: Option<Format>,
    source: Option<Location>,
    #[serde(rename = "backingStore")]
    backing_store: Option<Box<Self>>,
}

#[derive(Deserialize)]
struct Job {
    #[serde(rename = "@type", default)]
    kind: String,
    #[serde(rename = "@job", default)]
    job: String,
    #[serde(rename = "@ready")]
    ready: Option<String>,
    source: Option<Location>,
}

impl From<Domain> for super::Domain {
    fn from(xml: Domain) -> Self {
        let disks = xml.devices.disks.into_iter().map(Into::into).collect();
        let nvram = xml.os.and_then(|os| os.nvram).map(Into::into);
        Self { name: xml.name, uuid: xml.uuid, id: xml.id, disks, nvram }
    }
}

impl From<Nvram> for super::Nvram {
    fn from(xml: Nvram) -> Self {
        let path = xml.path.map(|path| path.trim().to_owned()).filter(|path| !path.is_empty());
        let source = match path {
            Some(path) => Source::File(path.into()),
            None => source(&xml.kind, xml.source),
        };
        Self { source, format: xml.format }
    }
}

impl From<Disk> for super::Disk {
    fn from(xml: Disk) -> Self {
        Self {
            target: xml.target.dev,
            source: source(&xml.kind, xml.source),
            format: xml.driver.and_then(|driver| driver.kind),
            read_only: xml.readonly.is_some(),
            shareable: xml.shareable.is_some(),
            transient: xml.transient.is_some(),
            backing: chain(xml.backing_store),
            mirror: xml.mirror.map(|job| Mirror {
                source: source(&job.kind, job.source),
                job: job.job,
                ready: job.ready.as_deref() == Some("yes"),
            }),
        }
    }
}

/// libvirt nests the chain; an empty element ends it.
fn chain(mut next: Option<Box<Backing>>) -> Vec<BackingStore> {
    let mut chain = Vec::new();
    while let Some(backing) = next {
        let Backing { kind, format, source: location, backing_store } = *backing;
        let source = source(&kind, location);
        if source != Source::Empty {
            chain.push(BackingStore { source, format: format.and_then(|f| f.kind) });
        }
        next = backing_store;
    }
    chain
}

fn source(kind: &str, location: Option<Location>) -> Source {
    let Some(location) = location else {
        return Source::Empty;
    };
    let text = Option::unwrap_or_default;
    match kind {
        "file" => location.file.map_or(Source::Empty, |file| Source::File(file.into())),
        "block" => location.dev.map_or(Source::Empty, |device| Source::Block(device.into())),
        "network" => {
            Source::Network { protocol: text(location.protocol), name: text(location.name) }
        }
        "volume" => Source::Volume { pool: text(location.pool), volume: text(location.volume) },
        other => Source::Other(other.to_owned()),
    }
}
