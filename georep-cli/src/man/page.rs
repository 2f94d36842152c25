//! One manual page.

use clap::Command;
use clap_mangen::Man;
use clap_mangen::roff::{Inline, Roff, bold, roman};

use super::help_text::{Block, HelpText};
use super::title;

/// The files that runs use.
const FILES: &[(&str, &str)] = &[
    ("/etc/georep/NAME.toml", "Backups that georep-backup@NAME.timer runs; see georep-job(1)."),
    ("/var/lib/georep/runs/", "The journal of each run: what it changed, and how it ended."),
    ("/var/lib/georep/", "How a session was before the run that is at work on it."),
    ("/run/lock/georep/", "Locks: one a session and one a domain."),
    ("POOL/.georep/", "The manifest of each run; it travels to the secondary with the images."),
];

/// What a run looks at.
const ENVIRONMENT: &[(&str, &str)] = &[
    ("PATH", "Where gluster, virsh, qemu-img and others are looked for, before the system's own."),
    ("GEOREP_STATE_DIR", "Another directory than /var/lib/georep."),
    (
        "GEOREP_LOCK_DIR",
        "Another directory than /run/lock/georep. Runs with different ones do not see each other.",
    ),
    ("NO_COLOR", "Where it is set, nothing is printed in colours."),
];

/// The tools that do the work.
const TOOLS: &[&str] = &["gluster(8)", "virsh(1)", "qemu-img(1)"];

/// The page of `command`; `pages` are the titles of all pages.
pub(super) fn of(command: &Command, pages: &[String]) -> Vec<u8> {
    let version = command.get_version().unwrap_or_default();
    let man = command.clone().override_usage(usage(command));
    let man = Man::new(man).source(format!("georep {version}")).manual("georep");
    let mut page = Vec::new();
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let help = HelpText::parse(&help);
    // Into memory, where writing does not fail.
    let written = man
        .render_title(&mut page)
        .and_then(|()| man.render_name_section(&mut page))
        .and_then(|()| man.render_synopsis_section(&mut page))
        .and_then(|()| man.render_description_section(&mut page))
        .and_then(|()| blocks(&help.prose).to_writer(&mut page))
        .and_then(|()| man.render_options_section(&mut page))
        .and_then(|()| commands(command).to_writer(&mut page))
        .and_then(|()| end(command, &help, pages).to_writer(&mut page));
    debug_assert!(written.is_ok());
    page
}

/// The command line as `--help` gives it.
fn usage(command: &Command) -> String {
    let usage = command.clone().render_usage().to_string();
    usage.trim_start_matches("Usage: ").to_owned()
}

/// The commands of `georep` itself, with their pages.
fn commands(command: &Command) -> Roff {
    let mut roff = Roff::new();
    if command.has_subcommands() {
        roff.control("SH", ["COMMANDS"]);
        for command in command.get_subcommands() {
            let about = command.get_about().map(ToString::to_string).unwrap_or_default();
            term(&mut roff, &format!("{}(1)", title(command)), &about);
        }
    }
    roff
}

/// What every page ends with.
fn end(command: &Command, help: &HelpText, pages: &[String]) -> Roff {
    let mut roff = Roff::new();
    roff.control("SH", ["EXIT STATUS"]);
    roff.extend([blocks(&help.exit_codes)]);
    roff.control("SH", ["EXAMPLES"]);
    roff.extend([blocks(&help.examples)]);
    for (heading, entries) in [("FILES", FILES), ("ENVIRONMENT", ENVIRONMENT)] {
        roff.control("SH", [heading]);
        entries.iter().for_each(|(name, text)| term(&mut roff, name, text));
    }
    roff.control("SH", ["SEE ALSO"]);
    let others = pages.iter().filter(|page| **page != title(command));
    let others = others.map(|page| format!("{page}(1)"));
    let see: Vec<_> = others.chain(TOOLS.iter().map(ToString::to_string)).collect();
    roff.text([roman(see.join(", "))]);
    roff
}

fn blocks(blocks: &[Block]) -> Roff {
    let mut roff = Roff::new();
    for block in blocks {
        match block {
            Block::Paragraph(text) => {
                roff.control("PP", []);
                roff.text([roman(text)]);
            }
            Block::Terms(terms) => {
                terms.iter().for_each(|(name, text)| term(&mut roff, name, text));
            }
            Block::Lines(lines) => literally(&mut roff, lines),
        }
    }
    roff
}

fn term(roff: &mut Roff, name: &str, text: &str) {
    roff.control("TP", []);
    roff.text([bold(name)]);
    roff.text([roman(text)]);
}

/// Lines without filling, set in.
fn literally(roff: &mut Roff, lines: &[String]) {
    roff.control("PP", []);
    roff.control("RS", ["4"]);
    roff.control("nf", []);
    for line in lines {
        roff.text([Inline::from(line.as_str())]);
    }
    roff.control("fi", []);
    roff.control("RE", []);
}
