//! Answers of `findmnt --json`.
//!
//! A place in a volume is relative to its root, whatever the source of the mount looks like.
#![no_main]

use gluster_georep::Mount;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|json: &str| {
    let mount = match Mount::parse(json) {
        Ok(mount) => mount,
        Err(error) => {
            assert!(!error.is_transient(), "{error}");
            return;
        }
    };
    let path = mount.target.join("images/web");
    let volume = mount.source.rsplit_once(':').map_or("", |(_, path)| path.trim_matches('/'));
    let volume = volume.split('/').next().unwrap_or_default();
    if let Some(place) = mount.path_in_volume(volume, &path) {
        assert!(place.is_relative() && place.ends_with("images/web"), "{}", place.display());
    }
});
