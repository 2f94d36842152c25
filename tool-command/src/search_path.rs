use std::ffi::OsStr;
use std::path::PathBuf;
use std::time::Duration;

use rustix::fs::{Access, access};

use crate::{CommandError, Tool};

/// Where tools are looked for after `PATH`: cron's `PATH` is `/usr/bin:/bin`, and `gluster`,
/// `glusterfs` and `mount.glusterfs` lie in the others.
const SYSTEM_DIRECTORIES: [&str; 5] = ["/usr/sbin", "/usr/local/sbin", "/sbin", "/usr/bin", "/bin"];

/// The directories in which tools are looked for, in order.
#[derive(Debug, Clone)]
pub struct SearchPath {
    directories: Vec<PathBuf>,
    longest: Option<Duration>,
}

impl SearchPath {
    /// Takes the directories of `path` (the value of `PATH`), then the system's own.
    ///
    /// Relative directories are left out: a tool must be the same one wherever it is called from.
    pub fn new(path: Option<&OsStr>) -> Self {
        let given = path.map(std::env::split_paths).into_iter().flatten();
        let directories = given
            .chain(SYSTEM_DIRECTORIES.map(PathBuf::from))
            .filter(|directory| directory.is_absolute())
            .collect();
        Self { directories, longest: None }
    }

    /// The same directories; no command of a tool found there may run for longer than `longest`, nor
    /// than an earlier limit.
    #[must_use]
    pub fn limited_to(self, longest: Duration) -> Self {
        let longest = self.longest.map_or(longest, |earlier| earlier.min(longest));
        Self { longest: Some(longest), ..self }
    }

    /// Finds the first executable file called `name`.
    ///
    /// # Errors
    /// [`CommandError::NotFound`] names the tool and every directory searched.
    pub fn find(&self, name: &str) -> Result<Tool, CommandError> {
        self.directories
            .iter()
            .map(|directory| directory.join(name))
            .find(|file| file.is_file() && access(file, Access::EXEC_OK).is_ok())
            .map(|file| match self.longest {
                Some(longest) => Tool::at(file).limited_to(longest),
                None => Tool::at(file),
            })
            .ok_or_else(|| CommandError::NotFound {
                tool: name.to_owned(),
                searched: self.directories.clone(),
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_file_that_cannot_be_executed_is_passed_over() {
        let first = tempfile::tempdir().unwrap();
        let second = tempfile::tempdir().unwrap();
        std::fs::write(first.path().join("tool"), "").unwrap();
        let wanted = second.path().join("tool");
        std::fs::write(&wanted, "").unwrap();
        std::fs::set_permissions(&wanted, PermissionsExt::from_mode(0o755)).unwrap();

        let path = std::env::join_paths([first.path(), second.path()]).unwrap();
        let tool = SearchPath::new(Some(&path)).find("tool").unwrap();
        assert_eq!(tool.path(), wanted);
    }

    #[test]
    fn the_system_directories_are_searched_where_path_is_empty() {
        assert!(SearchPath::new(None).find("sh").is_ok());
    }

    #[test]
    fn a_missing_tool_is_named_with_where_it_was_looked_for() {
        let error = SearchPath::new(Some("/nowhere:relative".as_ref())).find("gluster-x");
        let text = error.unwrap_err().to_string();
        assert!(text.contains("`gluster-x`") && text.contains("/nowhere"), "{text}");
        assert!(!text.contains("relative"), "{text}");
    }
}
