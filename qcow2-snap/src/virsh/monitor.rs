use serde::Deserialize;
use serde_json::Value;

use super::{Virsh, run};
use crate::Error;

/// QEMU's answer.
#[derive(Deserialize)]
#[serde(untagged)]
enum Answer<T> {
    Done {
        #[serde(rename = "return")]
        value: T,
    },
    Refused {
        error: Refusal,
    },
}

/// Why QEMU does not do what it is asked.
#[derive(Deserialize)]
struct Refusal {
    desc: String,
}

impl Virsh {
    /// Asks the QEMU of a domain that runs, past libvirt. Returns its answer, or why it refuses.
    pub(crate) fn monitor<T: for<'de> Deserialize<'de>>(
        &self,
        domain: &str,
        command: &Value,
    ) -> Result<Result<T, String>, Error> {
        let asked = self.on_domain("qemu-monitor-command", domain);
        let asked = asked.arg("--cmd").arg(command.to_string());
        let output = run(&asked)?;
        match serde_json::from_slice(&output.stdout) {
            Ok(Answer::Done { value }) => Ok(Ok(value)),
            Ok(Answer::Refused { error }) => Ok(Err(error.desc)),
            Err(source) => Err(Error::Json { of: asked.to_string(), source }),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn qemu_answers_or_refuses() {
        let directory = tempfile::tempdir().unwrap();
        let ask = |said: &str| {
            let tool =
                tool_command::script(&directory.path().join("virsh"), &format!("echo '{said}'"));
            Virsh::new(tool, None).monitor::<Vec<u32>>("n", &json!({ "execute": "query" }))
        };
        assert_eq!(ask(r#"{"return":[7],"id":"libvirt-4"}"#).unwrap(), Ok(vec![7]));
        let refused = ask(r#"{"id":"libvirt-4","error":{"class":"GenericError","desc":"no"}}"#);
        assert_eq!(refused.unwrap(), Err("no".to_owned()));
        assert!(matches!(ask("VM status: running"), Err(Error::Json { .. })));
    }
}
