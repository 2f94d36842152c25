//! From the text of a job file to the arguments of a backup.
//!
//! There is one definition of every option: that of `georep backup`. The file becomes a command
//! line, clap parses it, and what clap complains about is told in the file's words.

use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, ArgAction, Args, Command, FromArgMatches};
use toml::{Table, Value};

use super::error::{JobError, Key};
use crate::args::BackupArgs;

/// An option that would make every backup succeed without making it.
const ONLY_ON_THE_COMMAND_LINE: &str = "dry-run";

/// What a file with this text asks for.
///
/// # Errors
/// What is not understood, with its key.
pub(super) fn of(text: &str) -> Result<BackupArgs, JobError> {
    let table: Table = text.parse().map_err(|error| not_toml(text, &error))?;
    let command = Command::new("job").no_binary_name(true).disable_help_flag(true);
    let mut command = BackupArgs::augment_args(command);
    command.build();
    let line = command_line(&command, &table)?;
    let parsed = command.clone().try_get_matches_from(line);
    let parsed = parsed.and_then(|mut matches| BackupArgs::from_arg_matches_mut(&mut matches));
    parsed.map_err(|error| complaint(&command, &table, &error))
}

fn not_toml(text: &str, error: &toml::de::Error) -> JobError {
    let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
    let reason = error.message().lines().collect::<Vec<_>>().join(", ");
    JobError::NotToml { line: before.matches('\n').count() + 1, reason }
}

/// The command line that says the same, options first.
fn command_line(command: &Command, table: &Table) -> Result<Vec<OsString>, JobError> {
    for key in table.keys() {
        if key == ONLY_ON_THE_COMMAND_LINE {
            return Err(JobError::NotInAFile { key: ONLY_ON_THE_COMMAND_LINE });
        }
        if !command.get_arguments().any(|arg| name(arg) == key) {
            return Err(JobError::UnknownKey { key: key.clone(), known: known(command) });
        }
    }
    let (mut options, mut operands) = (Vec::new(), vec!["--".into()]);
    for arg in command.get_arguments() {
        let Some(value) = table.get(name(arg)) else {
            if arg.is_required_set() {
                return Err(JobError::Missing(Key::of(arg)));
            }
            continue;
        };
        let texts = texts(arg, value)?;
        match arg.get_long() {
            Some(long) if takes_value(arg) => {
                options.extend(texts.iter().map(|text| format!("--{long}={text}").into()));
            }
            Some(long) => options.extend(texts.iter().map(|_| format!("--{long}").into())),
            None => operands.extend(texts.into_iter().map(OsString::from)),
        }
    }
    options.append(&mut operands);
    Ok(options)
}

/// A key is called as the option is, or as the operand is in the program.
fn name(arg: &Arg) -> &str {
    arg.get_long().unwrap_or(arg.get_id().as_str())
}

fn known(command: &Command) -> Vec<String> {
    let names = command.get_arguments().map(name);
    names.filter(|name| *name != ONLY_ON_THE_COMMAND_LINE).map(str::to_owned).collect()
}

fn takes_value(arg: &Arg) -> bool {
    arg.get_action().takes_values()
}

/// The value as the command line would have it: once, several times, or not at all.
fn texts(arg: &Arg, value: &Value) -> Result<Vec<String>, JobError> {
    let can_repeat = matches!(arg.get_action(), ArgAction::Append);
    let wrong = |given: &Value, expected| JobError::WrongType {
        key: Key::of(arg),
        given: kind(given),
        expected,
    };
    match value {
        Value::Boolean(true) if !takes_value(arg) => Ok(vec![String::new()]),
        Value::Boolean(false) if !takes_value(arg) => Ok(Vec::new()),
        other if !takes_value(arg) => Err(wrong(other, "true or false")),
        Value::Array(values) if can_repeat => {
            let one = |value| text(value).ok_or_else(|| wrong(value, "a list of texts"));
            values.iter().map(one).collect()
        }
        one => match text(one) {
            Some(text) => Ok(vec![text]),
            None if can_repeat => Err(wrong(one, "a text or a list of texts")),
            None => Err(wrong(one, "a text or a number")),
        },
    }
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        _ => None,
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "a text",
        Value::Integer(_) => "a number",
        Value::Float(_) => "a number with a fraction",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a date",
        Value::Array(_) => "a list",
        Value::Table(_) => "a table",
    }
}

/// What clap says of the command line, said of the file.
fn complaint(command: &Command, table: &Table, error: &clap::Error) -> JobError {
    let text = |kind| match error.get(kind) {
        Some(ContextValue::String(text)) => Some(text.clone()),
        _ => None,
    };
    let invalid = text(ContextKind::InvalidArg);
    let arg = command.get_arguments().find(|arg| Some(arg.to_string()) == invalid);
    match (error.kind(), arg) {
        (ErrorKind::MissingRequiredArgument, Some(arg)) => JobError::Missing(Key::of(arg)),
        (ErrorKind::InvalidValue | ErrorKind::ValueValidation, Some(arg)) => {
            let key = Key::of(arg);
            let given = text(ContextKind::InvalidValue).unwrap_or_default();
            let reason = std::error::Error::source(error).map(ToString::to_string);
            JobError::WrongValue {
                given: as_written(&given, table.get(name(arg))),
                reason: reason.unwrap_or_else(|| must_be(&key.words)),
                key,
            }
        }
        _ => {
            let said = error.to_string();
            let first = said.lines().next().unwrap_or_default();
            JobError::Together(first.trim_start_matches("error: ").to_owned())
        }
    }
}

/// A text has quotes in the file.
fn as_written(given: &str, value: Option<&Value>) -> String {
    match value {
        Some(Value::Integer(number)) => number.to_string(),
        _ => format!("\"{given}\""),
    }
}

fn must_be(words: &[String]) -> String {
    match words {
        [] => "there must be a value".to_owned(),
        words => format!("must be one of {}", words.join(", ")),
    }
}

#[cfg(test)]
mod tests;
