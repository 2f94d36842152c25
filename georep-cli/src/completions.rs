//! `georep completions`: what a shell needs to complete commands and options.

use clap::CommandFactory;
use clap_complete::generate;

use crate::args::{Cli, CompletionsArgs, Shell};
use crate::error::CliError;
use crate::exit_code::Exit;
use crate::stdout;

/// Runs `georep completions`.
///
/// # Errors
/// Where the text cannot be written.
pub(crate) fn run(args: &CompletionsArgs) -> Result<Exit, CliError> {
    stdout::print(script(args.shell))?;
    Ok(Exit::Done)
}

fn script(shell: Shell) -> Vec<u8> {
    let mut command = Cli::command();
    let name = command.get_name().to_owned();
    let mut script = Vec::new();
    let shell = match shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
    };
    generate(shell, &mut command, name, &mut script);
    script
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shell_completes_every_command() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let script = String::from_utf8(script(shell)).unwrap();
            for command in Cli::command().get_subcommands() {
                assert!(script.contains(command.get_name()), "{shell:?}: {}", command.get_name());
            }
            assert!(script.contains("overlay-dir"), "{shell:?}");
        }
    }
}
