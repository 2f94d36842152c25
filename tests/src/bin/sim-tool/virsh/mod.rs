//! `virsh`, with two domains that run. What it says is what libvirt 9.0.0 said where it was
//! recorded.

mod block_job;
mod guest;
mod options;
mod snapshot;
mod xml;

use std::fs;

use georep_tests::simulated::State;
use georep_tests::simulated::libvirt::Domain;

use self::options::Options;
use crate::answer::{Answer, fails, stdout};

const VERSIONS: &str = "Compiled against library: libvirt 9.0.0\nUsing library: libvirt 9.0.0\n\
                        Using API: QEMU 9.0.0\nRunning hypervisor: QEMU 7.2.22\n\n";

/// What `virsh` answers.
pub fn answer(state: &mut State, args: &[String]) -> Option<Answer> {
    let options = Options::of(args);
    let (subcommand, options) = options.subcommand()?;
    match subcommand {
        "list" => return Some(list(state, &options)),
        "define" => return Some(define(state, &options)),
        "version" => return Some(stdout(VERSIONS)),
        "capabilities" => return Some(stdout("<capabilities><host/></capabilities>\n\n")),
        _ => {}
    }
    let name = options.value("--domain")?;
    let found =
        state.domains.iter_mut().find(|domain| [&domain.name, &domain.uuid].contains(&name));
    let Some(domain) = found else {
        return Some(fails(&format!("error: failed to get domain '{name}'")));
    };
    Some(match subcommand {
        "dumpxml" if options.has("--inactive") => {
            stdout(xml::defined(domain, options.has("--security-info")) + "\n")
        }
        "dumpxml" => {
            let xml = xml::live(domain) + "\n";
            for job in domain.disks.iter_mut().filter_map(|disk| disk.job.as_mut()) {
                job.looks += 1;
            }
            stdout(xml)
        }
        "domstate" if options.has("--reason") => stdout("running (booted)\n\n"),
        "domstate" => stdout("running\n\n"),
        "domfsfreeze" => freeze(domain),
        "qemu-agent-command" => stdout("{\"return\":{}}\n\n"),
        "domfsthaw" => thaw(domain),
        "domblkerror" => stdout("No errors found\n"),
        "snapshot-create-as" if options.has("--disk-only") => snapshot::external(domain, &options),
        "snapshot-create-as" => snapshot::internal(domain, &options),
        "snapshot-create" if options.has("--redefine") => snapshot::redefine(domain, &options),
        "snapshot-delete" => snapshot::delete(domain, &options),
        "snapshot-list" => stdout(domain.snapshots.join("\n") + "\n\n"),
        "blockcommit" => block_job::commit(domain, &options),
        "blockjob" => block_job::job(domain, &options),
        _ => return None,
    })
}

fn list(state: &State, options: &Options<'_>) -> Answer {
    let shown = |domain: &Domain| match options.has("--uuid") {
        true => domain.uuid.clone() + "\n",
        false => domain.name.clone() + "\n",
    };
    stdout(state.domains.iter().map(shown).collect::<String>() + "\n")
}

/// Takes over what the definition says of the disks.
fn define(state: &mut State, options: &Options<'_>) -> Answer {
    let file = options.value("--file").or(options.positional()).expect("a file");
    let text = fs::read_to_string(file).expect("a readable definition");
    let Some(definition) = xml::parse(&text) else {
        return fails(
            "error: Failed to define domain\nerror: (domain_definition):1: Start tag expected, '<' not found",
        );
    };
    let found = state.domains.iter_mut().find(|domain| domain.uuid == definition.uuid);
    let Some(domain) = found else { return fails("error: Failed to define domain") };
    for (target, chain) in definition.disks {
        let disk = domain.disks.iter_mut().find(|disk| disk.target == target);
        disk.expect("a disk that was there").defined = chain;
    }
    domain.has_secret = definition.has_secret;
    stdout(format!("Domain '{}' defined from {file}\n\n", domain.name))
}

fn freeze(domain: &mut Domain) -> Answer {
    if domain.frozen {
        return fails(
            "error: Unable to freeze filesystems\nerror: internal error: unable to execute QEMU \
             agent command 'guest-fsfreeze-freeze': The command guest-fsfreeze-freeze has been \
             disabled for this instance",
        );
    }
    domain.frozen = true;
    stdout("Froze 2 filesystem(s)\n\n")
}

fn thaw(domain: &mut Domain) -> Answer {
    let count = if domain.frozen { 2 } else { 0 };
    domain.frozen = false;
    guest::writes(domain);
    stdout(format!("Thawed {count} filesystem(s)\n\n"))
}
