//! `georep man`: a manual page a command, from what `--help` says.

mod help_text;
mod page;

use std::fs;
use std::path::Path;

use clap::{Command, CommandFactory};

use crate::args::{Cli, ManArgs};
use crate::error::CliError;
use crate::exit_code::Exit;
use crate::stdout;

/// Runs `georep man`.
///
/// # Errors
/// Where a page cannot be written.
pub(crate) fn run(args: &ManArgs) -> Result<Exit, CliError> {
    match &args.dir {
        Some(directory) => write_all(directory)?,
        None => stdout::print(page::of(&georep(), &titles(&georep()))).map(drop)?,
    }
    Ok(Exit::Done)
}

fn write_all(directory: &Path) -> Result<(), CliError> {
    let unusable = |source| CliError::io("write manual pages into", directory, source);
    fs::create_dir_all(directory).map_err(unusable)?;
    for (name, page) in pages() {
        let path = directory.join(name);
        fs::write(&path, page).map_err(|error| CliError::io("write", &path, error))?;
    }
    Ok(())
}

/// Every page, with the name of its file.
fn pages() -> Vec<(String, Vec<u8>)> {
    let georep = georep();
    let titles = titles(&georep);
    let page = |command| (format!("{}.1", title(command)), page::of(command, &titles));
    commands(&georep).into_iter().map(page).collect()
}

fn titles(georep: &Command) -> Vec<String> {
    commands(georep).into_iter().map(title).collect()
}

fn georep() -> Command {
    // What `--help` would be wrapped to has no meaning here.
    let mut georep = Cli::command().disable_help_subcommand(true).term_width(0);
    georep.build();
    georep
}

/// The command itself first, then those below it.
fn commands(command: &Command) -> Vec<&Command> {
    std::iter::once(command).chain(command.get_subcommands().flat_map(commands)).collect()
}

/// What the page is called, as in `man georep-backup`.
fn title(command: &Command) -> String {
    command.get_display_name().unwrap_or(command.get_name()).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page_with_its_examples_and_exit_codes() {
        let pages = pages();
        let names: Vec<_> = pages.iter().map(|(name, _)| name.as_str()).collect();
        assert!(pages.len() > georep().get_subcommands().count(), "{names:?}");
        assert!(names.contains(&"georep-runs-show.1"), "{names:?}");
        for (name, page) in pages {
            let page = String::from_utf8(page).unwrap();
            for section in ["NAME", "SYNOPSIS", "EXAMPLES", "EXIT STATUS", "FILES", "SEE ALSO"] {
                let heading = format!(".SH \"{section}\"");
                let bare = format!(".SH {section}\n");
                assert!(page.contains(&heading) || page.contains(&bare), "{name}: {section}");
            }
        }
    }
}
