//! Paths in lists whose parts are divided by commas.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

/// libvirt's and QEMU's way of writing a comma that divides nothing: twice.
pub(crate) fn double_commas(path: &Path) -> OsString {
    let bytes = path.as_os_str().as_bytes();
    let doubled =
        bytes.iter().flat_map(|&byte| std::iter::repeat_n(byte, if byte == b',' { 2 } else { 1 }));
    OsString::from_vec(doubled.collect())
}
