//! Whole directories.

use std::fs;
use std::path::Path;

/// Makes the directory `to` hold what `from` holds.
pub fn replace(to: &Path, from: &Path) {
    for entry in fs::read_dir(to).expect("a directory") {
        let path = entry.expect("an entry").path();
        let removed =
            if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
        removed.expect("a writable directory");
    }
    for entry in fs::read_dir(from).expect("a directory") {
        let path = entry.expect("an entry").path();
        let copy = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            fs::create_dir(&copy).expect("a writable directory");
            replace(&copy, &path);
        } else {
            fs::copy(&path, &copy).expect("a writable directory");
        }
    }
}
