//! Which session is meant: a primary volume and its secondary.

use std::fmt;
use std::str::FromStr;

use crate::Error;

/// The other side of a session, as `[user@]host::volume`: the form in which gluster takes it, in
/// which it is shown, and from which it can be parsed.
///
/// ```
/// use gluster_georep::Secondary;
///
/// let secondary: Secondary = "geo@dr.example.org::gv2".parse()?;
/// assert_eq!(secondary, Secondary::new(Some("geo"), "dr.example.org", "gv2")?);
/// assert_eq!(secondary.to_string(), "geo@dr.example.org::gv2");
/// assert!("dr.example.org:gv2".parse::<Secondary>().is_err());
/// # Ok::<(), gluster_georep::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Secondary {
    /// The user of the ssh connection; `None` is root, whom gluster does not name.
    pub user: Option<String>,
    /// Name or address of a node of the secondary cluster, IPv6 without brackets.
    pub host: String,
    /// Name of the secondary volume.
    pub volume: String,
}

impl Secondary {
    /// Names a secondary. Whether there is one is not asked.
    ///
    /// # Errors
    /// [`Error::InvalidName`] where a part is empty or could be taken for something else on a
    /// command line: it starts with `-`, holds white space or `/`, or would be read as two parts.
    pub fn new(user: Option<&str>, host: &str, volume: &str) -> Result<Self, Error> {
        if let Some(user) = user {
            check_name("secondary user", user)?;
        }
        check_name("secondary host", host)?;
        if host.contains('@') {
            return Err(invalid("secondary host", host, "it contains `@`"));
        }
        check_volume("secondary volume", volume)?;
        Ok(Self {
            // gluster's own command line drops `root@`, and its answers never show it.
            user: user.filter(|&user| user != "root").map(str::to_owned),
            host: host.to_owned(),
            volume: volume.to_owned(),
        })
    }
}

impl FromStr for Secondary {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        // An IPv6 address holds `::` too; a volume's name never does.
        let (host, volume) = text
            .rsplit_once("::")
            .ok_or_else(|| invalid("secondary", text, "expected `[user@]host::volume`"))?;
        match host.rsplit_once('@') {
            Some((user, host)) => Self::new(Some(user), host, volume),
            None => Self::new(None, host, volume),
        }
    }
}

impl fmt::Display for Secondary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(user) = &self.user {
            write!(f, "{user}@")?;
        }
        write!(f, "{}::{}", self.host, self.volume)
    }
}

/// A geo-replication session: a primary volume and its secondary. Shown as
/// `primary → [user@]host::volume`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Session {
    /// Name of the primary volume.
    pub primary: String,
    /// The volume it is copied to.
    pub secondary: Secondary,
}

impl Session {
    /// Names a session. Whether there is one is not asked; [`Gluster::status`] does.
    ///
    /// # Errors
    /// [`Error::InvalidName`] where `primary` cannot be a volume's name, as [`Secondary::new`].
    ///
    /// [`Gluster::status`]: crate::Gluster::status
    pub fn new(primary: &str, secondary: Secondary) -> Result<Self, Error> {
        check_volume("primary volume", primary)?;
        Ok(Self { primary: primary.to_owned(), secondary })
    }
}

impl fmt::Display for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} → {}", self.primary, self.secondary)
    }
}

/// Names become words of gluster's command line, where `-x` is an option, and parts of paths.
fn check_name(what: &'static str, name: &str) -> Result<(), Error> {
    let reason = if name.is_empty() {
        "it is empty"
    } else if name.starts_with('-') {
        "it starts with `-`"
    } else if name.contains(|c: char| c.is_whitespace() || c.is_control() || c == '/') {
        "it contains white space or `/`"
    } else {
        return Ok(());
    };
    Err(invalid(what, name, reason))
}

/// A colon ends the host before a volume's name, and the name before its UUID.
fn check_volume(what: &'static str, name: &str) -> Result<(), Error> {
    check_name(what, name)?;
    if name.contains(':') { Err(invalid(what, name, "it contains `:`")) } else { Ok(()) }
}

fn invalid(what: &'static str, given: &str, reason: &'static str) -> Error {
    Error::InvalidName { what, given: given.to_owned(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> String {
        text.parse::<Secondary>().map_or_else(|error| error.to_string(), |s| s.to_string())
    }

    #[test]
    fn a_secondary_is_written_as_gluster_writes_it() {
        for text in ["dr::gv2", "geo@dr.example.org::gv2", "fd00::1::gv2", "a@b@dr::gv2"] {
            assert_eq!(parsed(text), text);
        }
    }

    #[test]
    fn root_is_the_user_that_is_not_named() {
        assert_eq!(parsed("root@dr::gv2"), "dr::gv2");
    }

    #[test]
    fn a_name_that_could_be_taken_for_something_else_is_refused() {
        for text in
            ["dr", "dr:gv2", "::gv2", "dr::", "-oProxy::gv2", "dr::--xml", "d r::gv2", "@dr::v"]
        {
            assert!(text.parse::<Secondary>().is_err(), "{text}");
        }
        for primary in ["../gv1", "gv1:"] {
            assert!(Session::new(primary, "dr::gv2".parse().unwrap()).is_err(), "{primary}");
        }
    }

    /// Else gluster would be given another secondary than the one that was named.
    #[test]
    fn parts_that_would_be_read_again_as_others_are_refused() {
        for (user, host, volume) in [
            (None, "geo@dr", "gv2"),
            (None, "dr", ":gv2"),
            (None, "dr", "a::b"),
            (Some("a"), "b@dr", "v"),
        ] {
            assert!(Secondary::new(user, host, volume).is_err(), "{user:?} {host} {volume}");
        }
    }
}
