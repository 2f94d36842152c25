//! Names of volumes, hosts and users, as people and other tools write them.
//!
//! What is accepted is one word of a command line that is no option, and is read again as itself.
#![no_main]

use gluster_georep::{Secondary, Session};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    check(text.parse());

    // The same as parts, one a line.
    let mut lines = text.split('\n');
    let mut next = || lines.next().unwrap_or_default();
    let (host, volume, primary, user) = (next(), next(), next(), next());
    check(Secondary::new(Some(user).filter(|user| !user.is_empty()), host, volume));
    if let Ok(session) = Secondary::new(None, host, volume).and_then(|s| Session::new(primary, s)) {
        let shown = session.to_string();
        let (primary, secondary) = shown.split_once(" → ").expect("a session is shown as a pair");
        assert_eq!((primary, secondary.parse().ok()), (&*session.primary, Some(session.secondary)));
    }
});

fn check(secondary: Result<Secondary, gluster_georep::Error>) {
    match secondary {
        Ok(secondary) => {
            let word = secondary.to_string();
            assert!(!word.starts_with('-') && !word.contains(char::is_whitespace), "{word}");
            assert_eq!(word.parse().ok(), Some(secondary), "{word}");
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
