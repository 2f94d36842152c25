//! The envelope around every answer of `gluster … --xml`.
//!
//! Shape, since 3.4: `<cliOutput><opRet/><opErrno/><opErrstr/>` and then the payload.

use serde::Deserialize;
use serde::de::DeserializeOwned;

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

/// Reads an answer whose payload elements are the fields of `T`.
///
/// # Errors
/// Says what is wrong with XML that is cut short, or is no answer of gluster.
pub(crate) fn parse<T: DeserializeOwned>(xml: &str) -> Result<Answer<T>, String> {
    let xml = xml.trim();
    if !xml.ends_with("</cliOutput>") {
        return Err(match xml.chars().next() {
            None => "nothing at all".to_owned(),
            Some('<') => "the XML is cut short".to_owned(),
            Some(_) => format!("no XML, but: {}", xml.lines().next().unwrap_or_default()),
        });
    }
    let envelope: Envelope = quick_xml::de::from_str(xml).map_err(|error| error.to_string())?;
    if envelope.ret != 0 {
        return Ok(Answer::Refused {
            errno: envelope.errno,
            reason: envelope.errstr,
        });
    }
    quick_xml::de::from_str(xml)
        .map(Answer::Done)
        .map_err(|error| error.to_string())
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
        assert_eq!(
            parse(&answer(0, "<opErrstr/>")),
            Ok(Answer::Done(Nothing {}))
        );
    }

    #[test]
    fn a_refusal_keeps_number_and_reason() {
        let xml = answer(
            -1,
            "<opErrstr>Another transaction is in progress for gv1</opErrstr>",
        );
        let reason = "Another transaction is in progress for gv1".to_owned();
        assert_eq!(
            parse::<Nothing>(&xml),
            Ok(Answer::Refused {
                errno: 30802,
                reason
            })
        );
    }

    #[test]
    fn every_way_to_cut_an_answer_is_an_error() {
        let xml = answer(0, "<opErrstr/>");
        for end in 0..xml.trim_end().len() {
            assert!(parse::<Nothing>(&xml[..end]).is_err(), "{:?}", &xml[..end]);
        }
        let text = parse::<Nothing>("geo-replication command failed\n").unwrap_err();
        assert_eq!(text, "no XML, but: geo-replication command failed");
    }
}
