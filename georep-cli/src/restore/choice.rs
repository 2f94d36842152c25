//! Which run, and which of its domains: from the manifest, believed no further than it has to be.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use qcow2_snap::domain::Domain;

use crate::error::CliError;
use crate::exit_code::Exit;
use crate::manifest::{DomainRecord, ImageRecord, Manifest};
use crate::run_name::RunName;
use crate::suggest;

/// A run at the other site, with the domains of it that are wanted.
#[derive(Debug)]
pub(crate) struct Choice {
    /// The directory that holds the images, absolute and free of symbolic links.
    pub pool: PathBuf,
    /// The manifest, without the domains that are not wanted.
    pub manifest: Manifest,
}

impl Choice {
    /// Reads the manifest of `run`, else of the newest, in `pool`, and keeps the domains that
    /// `names` names, else all.
    ///
    /// # Errors
    /// Where there is no such run or domain, or a domain's record contradicts itself.
    pub(crate) fn make(pool: &Path, run: Option<&str>, names: &[String]) -> Result<Self, CliError> {
        if let Some(other) = run.filter(|run| !RunName::is_one(run)) {
            let text =
                format!("`{other}` is not the name of a run, such as georep-20261123T064512Z");
            return Err(CliError::new(Exit::Usage, text));
        }
        let pool = crate::pool::find(pool)?;
        let mut manifest = Manifest::load(&pool, run)?;
        manifest.domains = chosen(manifest.domains, names)?;
        for domain in &manifest.domains {
            check(domain, &manifest.images).map_err(|reason| {
                let text = format!("the manifest of {}: {reason}", manifest.run);
                CliError::new(Exit::Mismatch, text)
            })?;
        }
        Ok(Self { pool, manifest })
    }

    /// Whether the copy is a snapshot inside the images, and not the images themselves.
    pub(crate) fn is_internal(&self) -> bool {
        self.manifest.method == "internal"
    }
}

fn chosen(domains: Vec<DomainRecord>, names: &[String]) -> Result<Vec<DomainRecord>, CliError> {
    let there = || domains.iter().map(|domain| domain.name.as_str()).collect::<Vec<_>>();
    if let Some(unknown) = names.iter().find(|name| !there().contains(&name.as_str())) {
        let error = CliError::failed(format!("the run has no domain `{unknown}`"));
        return Err(suggest::hint(unknown, there()).into_iter().fold(error, CliError::hint));
    }
    if domains.is_empty() {
        return Err(CliError::failed("the run has no domains"));
    }
    let wanted = |domain: &DomainRecord| names.is_empty() || names.contains(&domain.name);
    Ok(domains.into_iter().filter(wanted).collect())
}

/// A manifest that has been through the world says the same thing twice; both must agree.
fn check(record: &DomainRecord, images: &[ImageRecord]) -> Result<(), String> {
    let DomainRecord { name, disks, .. } = record;
    let domain = Domain::parse(&record.xml).map_err(|error| format!("domain `{name}`: {error}"))?;
    if (&domain.name, &domain.uuid) != (name, &record.uuid) {
        return Err(format!("the definition of domain `{name}` is another domain's"));
    }
    if disks.is_empty() {
        return Err(format!("domain `{name}` has no disks"));
    }
    let mut targets = BTreeSet::new();
    for disk in disks {
        let there = domain.disk(&disk.target).and_then(|disk| disk.source.file());
        if !targets.insert(&disk.target) || there.is_none() {
            return Err(format!("domain `{name}` has no one disk `{}`", disk.target));
        }
        if !images.iter().any(|image| image.path == disk.image) {
            let image = disk.image.display();
            return Err(format!("the image `{image}` of domain `{name}` is not recorded"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manifest::DiskRecord;

    fn record(name: &str) -> DomainRecord {
        DomainRecord {
            name: name.to_owned(),
            uuid: "u".to_owned(),
            state: "running".to_owned(),
            disks: vec![DiskRecord { target: "vda".to_owned(), image: "web.img".into() }],
            xml: format!(
                "<domain><name>{name}</name><uuid>u</uuid><devices><disk type='file'>\
                 <source file='/vm/web.img'/><target dev='vda'/></disk></devices></domain>"
            ),
        }
    }

    #[test]
    fn all_domains_are_chosen_unless_some_are_named_and_an_unknown_one_is_told_what_there_is() {
        let names = |wanted: &[&str]| {
            let wanted: Vec<_> = wanted.iter().map(ToString::to_string).collect();
            let domains = chosen(vec![record("web"), record("db")], &wanted)?;
            Ok::<_, CliError>(domains.into_iter().map(|d| d.name).collect::<Vec<_>>())
        };
        assert_eq!(names(&[]).unwrap(), ["web", "db"]);
        assert_eq!(names(&["db"]).unwrap(), ["db"]);
        let error = names(&["db", "mail"]).unwrap_err();
        assert!(error.to_string().contains("`mail`"), "{error}");
        assert_eq!(error.hints(), ["there are: `web`, `db`"]);
        assert_eq!(names(&["wbe"]).unwrap_err().hints(), ["did you mean `web`?"]);
    }

    #[test]
    fn a_record_that_contradicts_itself_is_refused() {
        let images = [ImageRecord::of_one_byte("web.img")];
        assert_eq!(check(&record("web"), &images), Ok(()));
        let other_name = DomainRecord { name: "db".into(), ..record("web") };
        let other_uuid = DomainRecord { uuid: "v".into(), ..record("web") };
        let no_disk = DomainRecord { disks: Vec::new(), ..record("web") };
        let no_xml = DomainRecord { xml: "<domain>".into(), ..record("web") };
        let mut twice = record("web");
        twice.disks.extend(twice.disks.clone());
        let mut not_there = record("web");
        not_there.disks[0].target = "vdb".into();
        for bad in [other_name, other_uuid, no_disk, no_xml, twice, not_there] {
            assert!(check(&bad, &images).is_err(), "{bad:?}");
        }
        assert!(check(&record("web"), &[ImageRecord::of_one_byte("other.img")]).is_err());
    }

    #[test]
    fn what_is_no_run_is_a_usage_error() {
        let error = Choice::make(Path::new("/"), Some("../../etc/x"), &[]).unwrap_err();
        assert_eq!(error.exit(), Exit::Usage);
    }
}
