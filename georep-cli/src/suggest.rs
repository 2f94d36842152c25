//! What somebody may have meant who has given a name that is not known.

/// The known name that is most like `given`, where one is like it at all: a slip in every third
/// letter, or in one. Letters that have changed places are one slip.
pub(crate) fn nearest<'a>(
    given: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let letters = given.chars().count();
    let slips = |name: &str| strsim::osa_distance(&given.to_lowercase(), &name.to_lowercase());
    let alike = known.into_iter().map(|name| (slips(name), name));
    let alike = alike.filter(|&(slips, _)| slips <= (letters / 3).max(1) && slips < letters);
    alike.min_by_key(|&(slips, _)| slips).map(|(_, name)| name)
}

/// A hint for somebody who has given a name that is not known: the one that is meant, or all that
/// there are.
pub(crate) fn hint<'a>(
    given: &str,
    known: impl IntoIterator<Item = &'a str> + Clone,
) -> Option<String> {
    if let Some(name) = nearest(given, known.clone()) {
        return Some(format!("did you mean `{name}`?"));
    }
    let all: Vec<_> = known.into_iter().map(|name| format!("`{name}`")).collect();
    (!all.is_empty()).then(|| format!("there are: {}", all.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_is_told_from_another_name() {
        let known = ["web", "db", "mail-01"];
        for (given, meant) in [("wbe", "web"), ("mail-1", "mail-01"), ("Web", "web"), ("bd", "db")]
        {
            assert_eq!(nearest(given, known), Some(meant), "{given}");
        }
        for other in ["proxy", "x", ""] {
            assert_eq!(nearest(other, known), None, "{other}");
        }
        assert_eq!(hint("wbe", known).unwrap(), "did you mean `web`?");
        assert_eq!(hint("proxy", known).unwrap(), "there are: `web`, `db`, `mail-01`");
        assert_eq!(hint("proxy", []), None);
    }
}
