//! The envelope around every answer of `gluster … --xml`.
//!
//! Shape, since 3.4: `<cliOutput><opRet/><opErrno/><opErrstr/>` and then the payload.

use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::Error;

/// Gluster's answer to one command.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer<T> {
    /// `opRet` 0. A non-empty `opErrstr` means nothing then.
    Done(T),
    /// Any other `opRet`.
    Refused {
        /// `opErrno`.
        errno: i64,
        /// `opErrstr`.
        reason: String,
    },
}

#[derive(Deserialize)]
#[serde(rename = "cliOutput")]
struct Envelope {
    #[serde(rename = "opRet")]
    ret: i64,
    #[serde(rename = "opErrno", default)]
    errno: i64,
    #[serde(rename = "opErrstr", default)]
    errstr: String,
}

/// Why an answer cannot be used.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Unusable {
    /// It is empty, no XML, or ends too early; the next one may be whole.
    CutShort(String),
    /// It is whole, and not what was expected.
    NotUnderstood(String),
}

impl Unusable {
    /// As an error of the command `line` that printed it.
    pub(crate) fn printed_by(self, line: String) -> Error {
        match self {
            Self::CutShort(reason) => Error::CutShort { line, reason },
            Self::NotUnderstood(reason) => Error::NotUnderstood { line, reason },
        }
    }
}

impl<T> Answer<T> {
    /// The payload, or the refusal as an error of the command `line`.
    pub(crate) fn accepted(self, line: String) -> Result<T, Error> {
        match self {
            Self::Done(payload) => Ok(payload),
            Self::Refused { errno, reason } => Err(Error::Refused { line, errno, reason }),
        }
    }

    /// Reads the payload further.
    pub(crate) fn and_then<U>(
        self,
        read: impl FnOnce(T) -> Result<U, String>,
    ) -> Result<Answer<U>, Unusable> {
        match self {
            Self::Done(payload) => read(payload).map(Answer::Done).map_err(Unusable::NotUnderstood),
            Self::Refused { errno, reason } => Ok(Answer::Refused { errno, reason }),
        }
    }
}

/// Reads an answer whose payload elements are the fields of `T`. White space around it is ignored.
///
/// # Errors
/// Says what is wrong with XML that is cut short, or is no answer of gluster.
pub(crate) fn parse<T: DeserializeOwned>(xml: &str) -> Result<Answer<T>, Unusable> {
    let xml = xml.trim();
    if !xml.ends_with("</cliOutput>") {
        return Err(Unusable::CutShort(match xml.chars().next() {
            None => "nothing at all".to_owned(),
            Some('<') => "XML that is cut short".to_owned(),
            Some(_) => format!("no XML, but: {}", xml.lines().next().unwrap_or_default()),
        }));
    }
    let envelope: Envelope = element(xml)?;
    if envelope.ret != 0 {
        return Ok(Answer::Refused { errno: envelope.errno, reason: envelope.errstr });
    }
    element(xml).map(Answer::Done)
}

fn element<T: DeserializeOwned>(xml: &str) -> Result<T, Unusable> {
    quick_xml::de::from_str(xml).map_err(|error| Unusable::NotUnderstood(error.to_string()))
}

/// The payload of an answer of which only success matters.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub(crate) struct Nothing {}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(ret: i64, errstr: &str) -> String {
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\" standalone=\"yes\"?>\n<cliOutput>\n  \
             <opRet>{ret}</opRet>\n  <opErrno>30802</opErrno>\n  {errstr}\n</cliOutput>\n"
        )
    }

    #[test]
    fn an_error_text_beside_success_means_nothing() {
        let xml = answer(0, "<opErrstr>primary not found</opErrstr>");
        assert_eq!(parse(&xml), Ok(Answer::Done(Nothing {})));
        assert_eq!(parse(&answer(0, "<opErrstr/>")), Ok(Answer::Done(Nothing {})));
    }

    #[test]
    fn a_refusal_keeps_number_and_reason() {
        let xml = answer(-1, "<opErrstr>Another transaction is in progress for gv1</opErrstr>");
        let reason = "Another transaction is in progress for gv1".to_owned();
        assert_eq!(parse::<Nothing>(&xml), Ok(Answer::Refused { errno: 30802, reason }));
    }

    #[test]
    fn every_way_to_cut_an_answer_is_an_error() {
        let xml = answer(0, "<opErrstr/>");
        for end in 0..xml.trim_end().len() {
            let cut = parse::<Nothing>(&xml[..end]);
            assert!(matches!(cut, Err(Unusable::CutShort(_))), "{:?}", &xml[..end]);
        }
        let text = parse::<Nothing>("geo-replication command failed\n").unwrap_err();
        let said = "no XML, but: geo-replication command failed".to_owned();
        assert_eq!(text, Unusable::CutShort(said));
    }
}
