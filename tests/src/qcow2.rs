//! The snapshot table of a qcow2 image, read and changed without the code under test.
//!
//! Layout: QEMU's `docs/interop/qcow2.rst`, sections "Header" and "Snapshots".

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Where the header has the number of snapshots, and then where their table is.
const COUNT: usize = 60;
const TABLE: usize = 64;

/// Where an entry has the lengths of its id and name, the size of the VM state, the length of its
/// extra data, and the extra data, which begins with the size of the VM state in 64 bits.
const LENGTHS: usize = 12;
const VM_STATE_SIZE: usize = 32;
const EXTRA_LENGTH: usize = 36;
const EXTRA: usize = 40;

/// An internal snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// Unique within the image.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Bytes of memory and device state.
    pub vm_state_size: u64,
}

/// The internal snapshots of the image at `path`.
///
/// # Errors
/// Where it cannot be read, or ends before its table does.
pub fn snapshots(path: &Path) -> io::Result<Vec<Snapshot>> {
    Ok(entries(&fs::read(path)?)?.into_iter().map(|(_, snapshot)| snapshot).collect())
}

/// Makes the snapshot `name` of the image at `path` one that holds `size` bytes of a VM's state, as
/// far as its table says.
///
/// # Errors
/// Where the image cannot be read or written, or has no such snapshot.
pub fn set_vm_state_size(path: &Path, name: &str, size: u32) -> io::Result<()> {
    let entries = entries(&fs::read(path)?)?;
    let found = entries.iter().find(|(_, snapshot)| snapshot.name == name);
    let at = found.ok_or_else(|| io::Error::other(format!("no snapshot `{name}`")))?.0;
    let file = OpenOptions::new().write(true).open(path)?;
    file.write_all_at(&size.to_be_bytes(), (at + VM_STATE_SIZE) as u64)?;
    file.write_all_at(&u64::from(size).to_be_bytes(), (at + EXTRA) as u64)
}

/// Each entry, and where it starts in the file.
fn entries(image: &[u8]) -> io::Result<Vec<(usize, Snapshot)>> {
    let mut at = number(image, TABLE, 8)?;
    let mut entries = Vec::new();
    for _ in 0..number(image, COUNT, 4)? {
        let id_length = number(image, at + LENGTHS, 2)?;
        let name_length = number(image, at + LENGTHS + 2, 2)?;
        let id_at = at + EXTRA + number(image, at + EXTRA_LENGTH, 4)?;
        let name_at = id_at + id_length;
        let snapshot = Snapshot {
            id: text(image, id_at, id_length)?,
            name: text(image, name_at, name_length)?,
            vm_state_size: number(image, at + VM_STATE_SIZE, 4)? as u64,
        };
        entries.push((at, snapshot));
        at = (name_at + name_length).next_multiple_of(8);
    }
    Ok(entries)
}

fn number(image: &[u8], at: usize, length: usize) -> io::Result<usize> {
    let bytes = image.get(at..at + length).ok_or(io::ErrorKind::UnexpectedEof)?;
    Ok(bytes.iter().fold(0, |number, &byte| number << 8 | usize::from(byte)))
}

fn text(image: &[u8], at: usize, length: usize) -> io::Result<String> {
    let bytes = image.get(at..at + length).ok_or(io::ErrorKind::UnexpectedEof)?;
    Ok(String::from_utf8_lossy(bytes).into_owned())
}
