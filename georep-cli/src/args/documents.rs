//! What `completions` and `man` take.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// What `completions` takes.
#[derive(Debug, Args)]
#[command(after_help = "\
The package of Debian brings the files for all three shells.

Examples:
  georep completions bash >/etc/bash_completion.d/georep
  georep completions zsh >/usr/local/share/zsh/site-functions/_georep
  georep completions fish >/etc/fish/completions/georep.fish

Exit codes:
  0  done
  1  the text could not be written
  2  the command line was not understood")]
pub(crate) struct CompletionsArgs {
    /// The shell that is to complete commands and options
    #[arg(value_enum)]
    pub shell: Shell,
}

/// A shell.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    /// bash, with bash-completion
    Bash,
    /// zsh
    Zsh,
    /// fish
    Fish,
}

/// What `man` takes.
#[derive(Debug, Args)]
#[command(after_help = "\
Without --dir the page about georep as a whole is printed.

Examples:
  georep man | man -l -
  georep man --dir /usr/local/share/man/man1

Exit codes:
  0  done
  1  a page could not be written
  2  the command line was not understood")]
pub(crate) struct ManArgs {
    /// Write all pages, one a command, into this directory; it is made where it is not there
    #[arg(long, value_name = "DIR")]
    pub dir: Option<PathBuf>,
}
