//! Answers of `gluster volume info --xml`.
//!
//! Every set has bricks, all sets together are the volume, and the rollover time can be waited for.
#![no_main]

use std::time::Duration;

use gluster_georep::{Brick, Error, Patience, VolumeInfo};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|xml: &str| {
    let volumes = match VolumeInfo::parse_all(xml) {
        Ok(volumes) => volumes,
        Err(error) => {
            let passes = matches!(error, Error::CutShort { .. } | Error::Refused { .. });
            assert!(passes || !error.is_transient(), "{error}");
            return;
        }
    };
    for volume in volumes {
        assert!(!volume.sets.is_empty() && volume.sets.iter().all(|set| !set.bricks.is_empty()));
        let of_sets: Vec<&Brick> = volume.sets.iter().flat_map(|set| &set.bricks).collect();
        assert_eq!(of_sets, volume.bricks.iter().collect::<Vec<_>>());
        for brick in &volume.bricks {
            assert!(brick.path.starts_with('/'), "{brick}");
        }
        Patience::new(Duration::from_secs(10), volume.rollover_time());
    }
});
