//! Deletes an overlay that is not used any more, and nothing else.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::{Committed, Overlay};
use crate::Error;
use crate::image;
use crate::virsh::{Definition, Virsh, VirshFailure};

/// Deletes the file of an overlay that was committed. Where it is not there, that is all the same.
///
/// # Errors
/// [`Error::NotRemoved`] where a description of the domain names it anywhere, or another file has
/// its name: with another inode number, or an image on another base. [`Error::Io`] where the base
/// is not there either, as on a file system that is not mounted. Other errors where virsh or the
/// system fails. The file is still there then.
pub fn remove_overlay(virsh: &Virsh, committed: Committed) -> Result<(), Error> {
    let overlay = committed.overlay;
    let not_removed = |reason: &str| Error::NotRemoved {
        overlay: Box::new(overlay.clone()),
        reason: reason.to_owned(),
    };
    let inode = match fs::symlink_metadata(&overlay.overlay) {
        Err(error) if error.kind() == io::ErrorKind::NotFound && overlay.base.exists() => {
            return Ok(());
        }
        metadata => metadata.map_err(|source| failed("look at", &overlay.overlay, source))?.ino(),
    };
    if is_named(virsh, &overlay)? {
        return Err(not_removed("a domain names it"));
    }
    if overlay.inode.is_some_and(|made| made != inode) {
        return Err(not_removed("it is not the file that was made"));
    }
    if !is_on(&overlay.base, &overlay.overlay)? {
        return Err(not_removed("it is no overlay of this base"));
    }
    fs::remove_file(&overlay.overlay)
        .map_err(|source| failed("delete the overlay", &overlay.overlay, source))
}

/// Whether a domain still names the overlay: its own, or, where that is gone, any.
fn is_named(virsh: &Virsh, overlay: &Overlay) -> Result<bool, Error> {
    let named = |which| {
        virsh.domain(&overlay.domain, which).map(|domain| domain.mentions(&overlay.overlay))
    };
    match named(Definition::Live) {
        Ok(live) => Ok(live || named(Definition::Persistent)?),
        Err(error) if error.virsh_failure() == Some(VirshFailure::NoSuchDomain) => {
            Ok(virsh.all_domains()?.iter().any(|domain| domain.mentions(&overlay.overlay)))
        }
        Err(error) => Err(error),
    }
}

/// Whether the file is an overlay of `base`. One that libvirt has only just begun to make is still
/// empty, or names no base yet.
fn is_on(base: &Path, file: &Path) -> Result<bool, Error> {
    let read = || -> io::Result<bool> {
        let open = File::open(file)?;
        if open.metadata()?.len() == 0 {
            return Ok(true);
        }
        let directory = file.parent().unwrap_or(file);
        let image = image::inspect(open)?.image;
        Ok(image.is_some_and(|image| {
            let backing = image.header.backing;
            backing.is_none_or(|backing| directory.join(backing.file) == base)
        }))
    };
    read().map_err(|source| failed("read the overlay", file, source))
}

fn failed(tried: &'static str, path: &Path, source: io::Error) -> Error {
    Error::Io { tried, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The header of an image of version 2 with this backing file, and nothing else.
    fn image(backing: &str) -> Vec<u8> {
        let mut bytes = vec![0; 65536];
        bytes[..4].copy_from_slice(b"QFI\xfb");
        bytes[7] = 2;
        if !backing.is_empty() {
            bytes[14..16].copy_from_slice(&200_u16.to_be_bytes());
            bytes[19] = u8::try_from(backing.len()).unwrap();
            bytes[200..200 + backing.len()].copy_from_slice(backing.as_bytes());
        }
        bytes[23] = 16;
        bytes[42..44].copy_from_slice(&1_u16.to_be_bytes());
        bytes[53] = 2;
        bytes[59] = 1;
        bytes.resize(0x30000, 0);
        bytes
    }

    #[test]
    fn a_file_is_an_overlay_by_the_base_that_it_names() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("o.qcow2");
        let is_on = |bytes: &[u8]| {
            fs::write(&file, bytes).unwrap();
            is_on(&directory.path().join("base.qcow2"), &file).unwrap()
        };
        assert!(is_on(b""), "it was only just begun");
        assert!(is_on(&image("")), "it names no base yet");
        assert!(is_on(&image("base.qcow2")));
        assert!(!is_on(&image("other.qcow2")));
        assert!(!is_on(&image("/vm/base.qcow2")));
        assert!(!is_on(b"a letter to a friend"));
    }

    /// A libvirt whose one domain is on this file.
    fn virsh(directory: &Path, source: &Path) -> Virsh {
        let xml = format!(
            "<domain><name>n</name><uuid>u</uuid><devices><disk type=\"file\">\
             <source file=\"{}\"/><target dev=\"vda\"/></disk></devices></domain>",
            source.display()
        );
        Virsh::new(tool_command::script(&directory.join("virsh"), &format!("echo '{xml}'")), None)
    }

    #[test]
    fn only_the_file_that_was_made_is_deleted_and_only_when_no_domain_names_it() {
        let directory = tempfile::tempdir().unwrap();
        let (base, file) = (directory.path().join("base.qcow2"), directory.path().join("o.qcow2"));
        fs::write(&file, image("base.qcow2")).unwrap();
        fs::write(&base, "").unwrap();
        let inode = fs::metadata(&file).unwrap().ino();
        let remove = |source: &Path, inode| {
            let overlay = Overlay {
                domain: "u".into(),
                target: "vda".into(),
                base: base.clone(),
                overlay: file.clone(),
                inode,
                merge_begun: true,
            };
            remove_overlay(&virsh(directory.path(), source), Committed { overlay })
        };
        assert!(matches!(remove(&file, Some(inode)), Err(Error::NotRemoved { .. })), "in use");
        assert!(matches!(remove(&base, Some(inode + 1)), Err(Error::NotRemoved { .. })), "another");
        assert!(file.exists());
        remove(&base, None).unwrap();
        assert!(!file.exists());
        remove(&base, Some(inode)).unwrap();
        fs::remove_file(&base).unwrap();
        assert!(matches!(remove(&base, None), Err(Error::Io { .. })), "is it mounted?");
    }
}
