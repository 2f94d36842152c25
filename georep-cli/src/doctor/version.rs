//! Versions of programs, as the programs print them.

use std::fmt;

/// A version of up to three numbers; one that is missing is 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Version(pub u32, pub u32, pub u32);

impl Version {
    /// The first version in `text`: numbers with dots between, whatever stands before and behind.
    pub(super) fn find(text: &str) -> Option<Self> {
        text.split(|c: char| c.is_whitespace() || "(),_".contains(c)).find_map(Self::read)
    }

    fn read(word: &str) -> Option<Self> {
        let word = word.strip_prefix('v').unwrap_or(word);
        let end = word.find(|c: char| c != '.' && !c.is_ascii_digit()).unwrap_or(word.len());
        let (major, rest) = word.get(..end)?.split_once('.')?;
        let mut rest = rest.split('.');
        let minor = rest.next()?.parse().ok()?;
        let patch = rest.next().and_then(|patch| patch.parse().ok()).unwrap_or(0);
        Some(Self(major.parse().ok()?, minor, patch))
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_found_where_each_program_prints_it() {
        for (text, version) in [
            ("glusterfs 10.3", Version(10, 3, 0)),
            ("rsync  version 3.2.7  protocol version 32", Version(3, 2, 7)),
            ("rsync  version v3.2.3  protocol version 31", Version(3, 2, 3)),
            ("qemu-img version 7.2.22 (Debian 1:7.2+dfsg-7)", Version(7, 2, 22)),
            ("Using library: libvirt 9.0.0", Version(9, 0, 0)),
            ("OpenSSH_9.2p1 Debian-2+deb12u3, OpenSSL 3.0.15", Version(9, 2, 0)),
        ] {
            assert_eq!(Version::find(text), Some(version), "{text}");
        }
        assert_eq!(Version::find("no such program"), None);
        assert_eq!(Version(3, 5, 0).to_string(), "3.5.0");
    }
}
