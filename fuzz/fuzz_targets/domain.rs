//! What `virsh dumpxml` may print: every disk has its disposition, and none is copied that cannot be.

#![no_main]

use libfuzzer_sys::fuzz_target;
use qcow2_snap::domain::{Domain, Source};
use qcow2_snap::plan::{Disposition, Format, Method, Place, plan, unfit};

fuzz_target!(|text: &str| {
    let Ok(domain) = Domain::parse(text) else { return };
    let place = |source: &Source| match source.file() {
        Some(file) if file.starts_with("/vm") => Place::Pool,
        Some(_) => Place::Elsewhere,
        None => Place::Volume,
    };
    for method in [Method::External, Method::Internal] {
        let disks = plan(&domain, method, &place);
        assert_eq!(disks.len(), domain.disks.len());
        let copied = |format| Disposition::Snapshot(format);
        for disk in disks {
            let is_copied = matches!(disk.disposition, Disposition::Snapshot(_));
            if is_copied {
                let file = disk.disk.source.file().expect("only files are copied");
                assert!(file.starts_with("/vm") && !disk.disk.read_only && !disk.disk.shareable);
                assert!(disk.disk.mirror.is_none() && !disk.disk.transient);
            }
            assert!(method == Method::External || disk.disposition != copied(Format::Raw));
        }
        let _ = unfit(&domain, method);
    }
    for disk in &domain.disks {
        if let Some(file) = disk.source.file() {
            assert!(domain.mentions(file));
        }
    }
});
