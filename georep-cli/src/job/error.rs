//! Why a job file is not understood.

use clap::Arg;
use clap::builder::StyledStr;

use crate::suggest;

/// Why a job file is not understood.
#[derive(Debug, thiserror::Error)]
pub(super) enum JobError {
    /// It is not TOML.
    #[error("line {line}: {reason}")]
    NotToml {
        /// The line, from 1.
        line: usize,
        /// What the parser says.
        reason: String,
    },

    /// It has a key that `georep backup` has no option for.
    #[error("there is no key `{key}`")]
    UnknownKey {
        /// The key.
        key: String,
        /// All that there are.
        known: Vec<String>,
    },

    /// It has a key that belongs on the command line.
    #[error("`{key}` does not belong in a job file: no backup would ever be made")]
    NotInAFile {
        /// The key.
        key: &'static str,
    },

    /// It lacks a key.
    #[error("`{}` is missing", .0.name)]
    Missing(Box<Key>),

    /// The value is of another type.
    #[error("`{}` is {given}, but must be {expected}", .key.name)]
    WrongType {
        /// The key.
        key: Box<Key>,
        /// The type of what is there.
        given: &'static str,
        /// What is expected.
        expected: &'static str,
    },

    /// The value cannot be one.
    #[error("`{} = {given}`: {reason}", .key.name)]
    WrongValue {
        /// The key.
        key: Box<Key>,
        /// The value.
        given: String,
        /// Why it cannot be.
        reason: String,
    },

    /// The keys do not go together.
    #[error("{0}")]
    Together(String),
}

/// A key, and what the command line's help says of it.
#[derive(Debug, Clone)]
pub(super) struct Key {
    /// The key.
    pub name: String,
    /// What stands for its value.
    value: String,
    /// What it is for.
    help: String,
    /// What the value can be, where it is one of some words.
    pub words: Vec<String>,
}

impl Key {
    /// The key of an option or operand of `georep backup`.
    pub(super) fn of(arg: &Arg) -> Box<Self> {
        let words = arg.get_possible_values();
        Box::new(Self {
            name: arg.get_long().unwrap_or(arg.get_id().as_str()).to_owned(),
            value: arg.get_value_names().unwrap_or_default().join(" "),
            help: arg.get_help().map(StyledStr::to_string).unwrap_or_default(),
            words: words.iter().map(|word| word.get_name().to_owned()).collect(),
        })
    }

    fn hint(&self) -> String {
        let Self { name, value, help, .. } = self;
        let value = if value.is_empty() { "true" } else { value };
        format!("`{name} = {value}`: {help}")
    }
}

impl JobError {
    /// What can be done about it.
    pub(super) fn hints(&self) -> Vec<String> {
        match self {
            Self::NotToml { .. } => vec![
                "lines are `key = \"text\"`, `key = 120`, `key = true` \
                 or `key = [\"one\", \"two\"]`"
                    .to_owned(),
            ],
            Self::UnknownKey { key, known } => {
                suggest::hint(key, known.iter().map(String::as_str)).into_iter().collect()
            }
            Self::NotInAFile { key } => {
                vec![format!("take it out, and call `georep job FILE --{key}`")]
            }
            Self::Missing(key) => vec![format!("add {}", key.hint())],
            Self::WrongType { key, .. } => vec![key.hint()],
            Self::WrongValue { key, given, .. } => {
                let known = key.words.iter().map(String::as_str);
                let suggested = suggest::hint(given.trim_matches('"'), known);
                vec![suggested.unwrap_or_else(|| key.hint())]
            }
            Self::Together(_) => vec!["`georep backup --help` says what goes together".to_owned()],
        }
    }
}
