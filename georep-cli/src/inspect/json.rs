//! Images for programs: an array, one object an image, with the names and values that
//! `qemu-img info --output=json` gives, and with the verdict.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use qcow2_snap::image::{Backing, Header, Image, Problem, Snapshot, Verdict};
use serde::Serialize;

use super::Inspected;

/// What is not known is left out, as qemu-img does.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Document<'a> {
    filename: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    actual_size: Option<u64>,
    #[serde(flatten)]
    info: Option<Info>,
    #[serde(skip_serializing_if = "Option::is_none")]
    verdict: Option<Verdict>,
    problems: &'a [Problem],
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Info {
    format: &'static str,
    virtual_size: u64,
    cluster_size: u64,
    dirty_flag: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    encrypted: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    backing_filename: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    full_backing_filename: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    backing_filename_format: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    snapshots: Vec<SnapshotInfo>,
    format_specific: FormatSpecific,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct SnapshotInfo {
    id: String,
    name: String,
    vm_state_size: i64,
    date_sec: u32,
    date_nsec: u32,
    vm_clock_sec: u64,
    vm_clock_nsec: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    icount: Option<i64>,
}

#[derive(Serialize)]
struct FormatSpecific {
    #[serde(rename = "type")]
    kind: &'static str,
    data: Data,
}

/// The last four are there in version 3 only.
#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Data {
    compat: &'static str,
    compression_type: &'static str,
    refcount_bits: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    data_file_raw: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lazy_refcounts: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    corrupt: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    extended_l2: Option<bool>,
}

/// The document, and a line end.
pub(super) fn document(inspected: &[Inspected<'_>]) -> String {
    let documents: Vec<_> = inspected.iter().map(image).collect();
    // Strings, numbers and options of them always can be written.
    serde_json::to_string_pretty(&documents).unwrap_or_default() + "\n"
}

fn image<'a>(inspected: &'a Inspected<'_>) -> Document<'a> {
    let filename = inspected.path.display().to_string();
    match &inspected.result {
        Ok((metadata, inspection)) => Document {
            filename,
            actual_size: Some(metadata.blocks() * 512),
            info: inspection.image.as_ref().map(|image| info(inspected.path, image)),
            verdict: Some(inspection.verdict()),
            problems: &inspection.problems,
            error: None,
        },
        Err(error) => Document {
            filename,
            actual_size: None,
            info: None,
            verdict: None,
            problems: &[],
            error: Some(error.to_string()),
        },
    }
}

fn info(path: &Path, image: &Image) -> Info {
    let header = &image.header;
    let backing = header.backing.as_ref();
    // Where the data is in another file qemu-img shows no snapshots, whatever the table holds.
    let snapshots = image.snapshots.iter().filter(|_| !header.has_data_file());
    Info {
        format: "qcow2",
        // Whole sectors, as qemu-img shows it.
        virtual_size: header.virtual_size / 512 * 512,
        cluster_size: header.cluster_size(),
        dirty_flag: header.is_dirty(),
        encrypted: header.encryption != 0,
        backing_filename: backing.map(|backing| backing.file.clone()),
        full_backing_filename: backing.map(|backing| full_name(path, backing)),
        backing_filename_format: backing.and_then(|backing| backing.format.clone()),
        snapshots: snapshots.map(snapshot).collect(),
        format_specific: FormatSpecific { kind: "qcow2", data: data(header) },
    }
}

/// A name with a protocol stands for itself, else it is relative to the image.
fn full_name(path: &Path, backing: &Backing) -> String {
    let has_protocol = backing.file.split('/').next().is_some_and(|first| first.contains(':'));
    if has_protocol {
        return backing.file.clone();
    }
    let directory = path.parent().unwrap_or(path);
    directory.join(&backing.file).display().to_string()
}

fn snapshot(snapshot: &Snapshot) -> SnapshotInfo {
    SnapshotInfo {
        id: snapshot.id_text(),
        name: snapshot.name_text(),
        // qemu-img takes it for a signed number.
        vm_state_size: snapshot.vm_state_size.cast_signed(),
        date_sec: snapshot.date_sec,
        date_nsec: snapshot.date_nsec,
        vm_clock_sec: snapshot.vm_clock_nsec / 1_000_000_000,
        vm_clock_nsec: snapshot.vm_clock_nsec % 1_000_000_000,
        icount: snapshot.icount.map(u64::cast_signed),
    }
}

fn data(header: &Header) -> Data {
    let only_v3 = |flag: bool| (header.version == 3).then_some(flag);
    Data {
        compat: if header.version == 3 { "1.1" } else { "0.10" },
        compression_type: if header.compression_type == 1 { "zstd" } else { "zlib" },
        refcount_bits: header.refcount_bits(),
        data_file: header.extensions.data_file.clone().filter(|_| header.has_data_file()),
        data_file_raw: header.has_data_file().then_some(header.has_raw_data_file()),
        lazy_refcounts: only_v3(header.has_lazy_refcounts()),
        corrupt: only_v3(header.is_corrupt()),
        extended_l2: only_v3(header.has_extended_l2()),
    }
}
