//! Runs external tools the way a program must that nobody watches.
//!
//! A [`Tool`] is a program found once, by its absolute path. [`Tool::command`] starts a
//! [`Command`] line for it; [`Command::run`] executes it and returns its [`Output`]. Each run has
//!
//! - **no shell**: arguments are passed as they are, whatever spaces or quotes they hold;
//! - **`LC_ALL=C`**, so that messages are the ones their callers know;
//! - **no standard input**, so that nothing ever waits for an answer;
//! - **a time limit**, after which the tool *and every process it started* are killed;
//! - **a [`Stop`]**, where it was given one, by which somebody can end it before that;
//! - **its own process group**, so that a Ctrl-C meant for the caller does not cut the tool in
//!   the middle of a change;
//! - **stdout and stderr kept apart**.
//!
//! A [`CommandError`] says which line was run, in a form that can be pasted into a shell, how it
//! ended, and what it wrote.
//!
//! ```
//! use tool_command::SearchPath;
//!
//! let path = SearchPath::new(std::env::var_os("PATH").as_deref());
//! let echo = path.find("echo")?;
//! let output = echo.command(["two words"]).run()?;
//! assert_eq!(output.stdout_lossy(), "two words\n");
//! # Ok::<(), tool_command::CommandError>(())
//! ```

mod command;
mod error;
#[cfg(feature = "test-util")]
mod script;
mod search_path;
mod stop;

pub use command::{Command, DEFAULT_TIME_LIMIT, Output, Tool};
pub use error::CommandError;
#[cfg(feature = "test-util")]
pub use script::script;
pub use search_path::SearchPath;
pub use stop::Stop;
