//! Whether geo-replication's own key is let in at the other site, as each worker needs it.

use tool_command::{CommandError, Output, Tool};

use super::cluster::{Cluster, georep_ssh};
use super::finding::Finding;
use crate::side_by_side::side_by_side;

/// How many hosts are tried at the same time.
const AT_ONCE: usize = 8;

/// What is said of each host of the secondary.
pub(super) fn findings(cluster: &Cluster, ssh: &Tool) -> Vec<Finding> {
    let secondary = &cluster.session.secondary;
    let create = format!(
        "is sshd up there? The keys are put there by `gluster volume geo-replication {} {} create \
         push-pem force`, after `gluster system:: execute gsec_create`",
        cluster.session.primary, secondary
    );
    side_by_side(&cluster.secondary_hosts(), AT_ONCE, |host| {
        let command = georep_ssh(ssh, &cluster.settings, secondary, host);
        judge(host, command.args(["gluster", "--version"]).output(), &create)
    })
}

fn judge(host: &str, answer: Result<Output, CommandError>, create: &str) -> Finding {
    let refused = |reason: &str| {
        let what = format!("geo-replication's key is not let in: {reason}");
        Finding::fail("ssh", host, what, create)
    };
    match answer {
        Ok(output) if output.stdout_lossy().starts_with("glusterfs") => {
            let said = output.stdout_lossy();
            let version = said.lines().next().unwrap_or_default().to_owned();
            Finding::ok("ssh", host, format!("geo-replication's key is let in, {version} answers"))
        }
        // Let in, and bound to another command than gsyncd, or to a version that is more strict.
        Ok(output) if output.status.code() != Some(255) => {
            let said = format!("{} {}", output.stderr_lossy(), output.stdout_lossy());
            let reason = format!("the key is let in, but gluster does not answer: {}", said.trim());
            let mend =
                "the key has to be bound to gsyncd in authorized_keys, as create push-pem does";
            Finding::unseen("ssh", host, reason, mend)
        }
        Ok(output) => refused(output.stderr_lossy().trim()),
        Err(error) => refused(&error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Grade;
    use super::*;

    fn told(script: &str) -> Finding {
        judge("dr", Tool::at("/bin/sh").command(["-c", script]).output(), "create push-pem")
    }

    /// What sshd and gsyncd of glusterfs 10.3 answer.
    #[test]
    fn a_key_that_is_refused_is_told_from_one_that_is_bound_to_something_else() {
        assert_eq!(told("echo glusterfs 10.3; echo more").grade, Grade::Ok);
        let refused = told("echo 'root@dr: Permission denied (publickey).' >&2; exit 255");
        assert_eq!(refused.grade, Grade::Fail);
        assert!(refused.what.ends_with("Permission denied (publickey)."), "{refused:?}");
        let words = "invoking gluster in restricted SSH session is not allowed";
        assert_eq!(told(&format!("echo {words} >&2; exit 1")).grade, Grade::Warn);
    }
}
