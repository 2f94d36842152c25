//! Which domains take part in a run.

use qcow2_snap::plan;
use qcow2_snap::virsh::Virsh;

use super::{PlannedDomain, of_domain};
use crate::args::BackupArgs;
use crate::error::CliError;
use crate::pool::Pool;
use crate::suggest;

/// Plans a run over every domain asked for that has a disk in the pool.
///
/// # Errors
/// Where libvirt cannot be asked, a domain was named that does not exist or has no disk in the
/// pool, a disk cannot be handled, or no domain is left.
pub(crate) fn choose(
    connections: &[Virsh],
    pool: &Pool,
    args: &BackupArgs,
) -> Result<Vec<PlannedDomain>, CliError> {
    let names = all_names(connections)?;
    let is_known = |name: &&String| names.iter().any(|(_, known)| known == *name);
    if let Some(unknown) = args.domain.iter().chain(&args.exclude).find(|name| !is_known(name)) {
        let known = names.iter().map(|(_, known)| known.as_str());
        let error = CliError::failed(format!("there is no domain `{unknown}`"));
        return Err(suggest::hint(unknown, known).into_iter().fold(error, CliError::hint));
    }
    let asked_for = |name: &String| {
        (args.domain.is_empty() || args.domain.contains(name)) && !args.exclude.contains(name)
    };
    let pool_name = pool.directory().display();
    let mut all: Vec<PlannedDomain> = Vec::new();
    for (virsh, name) in names.iter().filter(|(_, name)| asked_for(name)) {
        let planned = of_domain(virsh, pool, args.method, name)?;
        // Two ways to one libvirt show the same domains.
        if all.iter().any(|other| other.domain.uuid == planned.domain.uuid) {
            continue;
        }
        if let Some(refused) = planned.refused() {
            return Err(refused);
        }
        if planned.copied().next().is_some() {
            all.push(planned);
        } else if args.domain.contains(name) {
            let text = format!("domain `{name}` has no disk in the pool `{pool_name}`");
            return Err(CliError::failed(text));
        }
    }
    if all.is_empty() {
        return Err(CliError::failed(format!("no domain has a disk in the pool `{pool_name}`")));
    }
    match all.iter().find_map(|planned| {
        let reason = plan::unfit(&planned.domain, args.method.into())?;
        Some(CliError::failed(format!("domain `{}`: {reason}", planned.domain.name)))
    }) {
        Some(unfit) => Err(unfit),
        None => Ok(all),
    }
}

fn all_names(connections: &[Virsh]) -> Result<Vec<(&Virsh, String)>, CliError> {
    let mut all = Vec::new();
    for virsh in connections {
        all.extend(virsh.domain_names()?.into_iter().map(|name| (virsh, name)));
    }
    Ok(all)
}
