//! The file that a killed run leaves, which somebody may have edited.
//!
//! A note that is accepted is the same when it is written and read again.
#![no_main]

use std::fs;
use std::sync::LazyLock;

use gluster_georep::{Error, Note};
use libfuzzer_sys::fuzz_target;
use tempfile::TempDir;

static DIRECTORY: LazyLock<TempDir> = LazyLock::new(|| tempfile::tempdir().expect("a directory"));

fuzz_target!(|json: &[u8]| {
    match read(json) {
        Ok(note) => {
            let written = serde_json::to_vec(&note).expect("a note can be written");
            assert_eq!(read(&written).ok(), Some(note));
        }
        Err(error) => assert!(error.to_string().contains("note.json"), "{error}"),
    }
});

fn read(json: &[u8]) -> Result<Note, Error> {
    let path = DIRECTORY.path().join("note.json");
    fs::write(&path, json).expect("a file in a temporary directory");
    let note = Note::read(&path);
    // Never overwritten: then ext4 would put each of thousands a second on the disk.
    fs::remove_file(&path).expect("a file in a temporary directory");
    note.map(|note| note.expect("the file is there"))
}
