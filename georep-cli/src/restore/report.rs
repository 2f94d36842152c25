//! How a restore ended: for a person, and as a JSON document.

use std::path::PathBuf;

use serde::Serialize;

use super::plan::Plan;
use crate::compare::{Mismatch, files, tell};
use crate::error::CliError;
use crate::exit_code::Exit;
use crate::say::{Say, bytes, count};
use crate::stdout;

/// What has been copied, image by image.
#[derive(Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(super) struct RestoredImage {
    /// The copy.
    pub file: PathBuf,
    /// Bytes that were read for it; 0 where it is a clone.
    pub read: u64,
}

/// Why nothing was restored.
#[derive(Debug)]
pub(super) enum Stopped {
    /// The copy on the secondary is not as recorded.
    Mismatch(Vec<Mismatch>),
    /// Anything else.
    Error(CliError),
}

impl<E: Into<CliError>> From<E> for Stopped {
    fn from(error: E) -> Self {
        Self::Error(error.into())
    }
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Document<'a> {
    run: &'a str,
    method: &'a str,
    exit_code: u8,
    domains: Vec<RestoredDomain<'a>>,
    images: &'a [RestoredImage],
    mismatches: &'a [Mismatch],
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct RestoredDomain<'a> {
    name: &'a str,
    uuid: &'a str,
    defined: bool,
    warnings: &'a [String],
}

/// Tells the end of a restore, and returns its exit code or its error.
///
/// # Errors
/// What stopped it.
pub(super) fn report(
    plan: &Plan<'_>,
    say: &Say,
    json: bool,
    result: Result<Vec<RestoredImage>, Stopped>,
) -> Result<Exit, CliError> {
    let (images, mismatches, failed) = match result {
        Ok(images) => (images, Vec::new(), None),
        Err(Stopped::Error(error)) => (Vec::new(), Vec::new(), Some(error)),
        Err(Stopped::Mismatch(mismatches)) => {
            let error = differs(plan, &mismatches);
            (Vec::new(), mismatches, Some(error))
        }
    };
    tell(say, &mismatches);
    if json {
        print_document(plan, &images, &mismatches, failed.as_ref())?;
    }
    if let Some(error) = failed {
        return Err(error);
    }
    let names: Vec<_> = plan.domains.iter().map(|domain| domain.record.name.as_str()).collect();
    let names = names.join(", ");
    if plan.is_in_place() {
        let images = count(plan.images.len(), "image");
        say.step("done", format_args!("{names} defined on {images} of the pool; not started"));
    } else {
        let read = bytes(images.iter().map(|image| image.read).sum());
        let images = count(images.len(), "image");
        say.step("done", format_args!("{names} restored on {images} ({read} read); not started"));
    }
    Ok(Exit::Done)
}

fn print_document(
    plan: &Plan<'_>,
    images: &[RestoredImage],
    mismatches: &[Mismatch],
    failed: Option<&CliError>,
) -> Result<(), CliError> {
    let manifest = &plan.choice.manifest;
    let domains = plan.domains.iter().map(|domain| RestoredDomain {
        name: &domain.record.name,
        uuid: &domain.record.uuid,
        defined: failed.is_none(),
        warnings: &domain.warnings,
    });
    let document = Document {
        run: &manifest.run,
        method: &manifest.method,
        exit_code: failed.map_or(Exit::Done, CliError::exit) as u8,
        domains: domains.collect(),
        images,
        mismatches,
        error: failed.map(ToString::to_string),
    };
    stdout::json(&document)
}

fn differs(plan: &Plan<'_>, mismatches: &[Mismatch]) -> CliError {
    let manifest = &plan.choice.manifest;
    let text = format!(
        "these files are not as {} recorded them, and nothing was defined: {}",
        manifest.run,
        files(mismatches)
    );
    let error = CliError::new(Exit::Mismatch, text);
    if plan.choice.is_internal() {
        error
    } else {
        error.hint(
            "of the external method the secondary holds the newest run only; or geo-replication is \
             at work: a copy is whole once its run has ended",
        )
    }
}
