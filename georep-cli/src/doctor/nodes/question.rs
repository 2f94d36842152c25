//! What a node is asked, and how: others than this one over ssh, as whoever runs this logs in there.

use jiff::Timestamp;
use tool_command::{Command, SearchPath, Tool};

/// What a node is asked: a line `NAME=VALUE` each. The shell that ssh starts there may be any; this
/// is for sh, and holds no single quote.
const QUESTIONS: &str = "PATH=$PATH:/usr/sbin:/sbin; echo \"date=$(date +%s.%N)\"; \
    echo \"rsync=$(rsync --version 2>&1 | head -n 1)\"; \
    echo \"gluster=$(gluster --version 2>&1 | head -n 1)\"; \
    echo \"python=$(python3 --version 2>&1)\"; \
    echo \"gsyncd=$(grep -ohE \"[.](isAlive|readfp)[(]\" /usr/lib*/glusterfs/python/syncdaemon/*.py \
    /usr/lib*/*/glusterfs/python/syncdaemon/*.py 2>/dev/null | sort -u | tr -d \"\\n\")\"; \
    sshd=$(command -v sshd) && echo \"session=$($sshd -T 2>/dev/null | grep -i ^sshdsessionpath)\"; \
    true";

/// What a node says.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Answer {
    /// The first line of `rsync --version`.
    pub rsync: String,
    /// The first line of `gluster --version`.
    pub gluster: String,
    /// What `python3 --version` says.
    pub python: String,
    /// The calls of gsyncd that newer Pythons do not know.
    pub gsyncd: String,
    /// What sshd starts for each login, where it says so.
    pub session: String,
    /// How far its clock is before this node's, in seconds, less what the question may have taken.
    pub skew: f64,
}

/// What asks `host`, which may be this node.
pub(super) fn command(path: &SearchPath, host: &str, is_here: bool) -> Result<Command, String> {
    if is_here {
        let sh = path.find("sh").map_err(|error| error.to_string())?;
        return Ok(sh.command(["-c", QUESTIONS]));
    }
    let ssh = path.find("ssh").map_err(|error| error.to_string())?;
    Ok(over_ssh(&ssh, host))
}

/// Whether a host that is not known yet is trusted, the caller's own configuration says.
fn over_ssh(ssh: &Tool, host: &str) -> Command {
    let options = ["-o", "BatchMode=yes", "-o", "ConnectTimeout=5", "-o", "LogLevel=ERROR"];
    ssh.command(options).args(["--", host]).arg(format!("sh -c '{QUESTIONS}'"))
}

/// Asks. The reason why there is no answer is for the reader.
pub(super) fn ask(command: &Command) -> Result<Answer, String> {
    let asked = Timestamp::now();
    let output = command.run().map_err(|error| match error.stderr().trim() {
        "" => error.to_string(),
        // The line holds the whole question, and the reason is enough.
        reason => reason.to_owned(),
    })?;
    let answered = Timestamp::now();
    let seconds = |time: Timestamp| time.as_duration().as_secs_f64();
    let said = output.stdout_lossy();
    read(&said, seconds(asked), seconds(answered))
        .ok_or_else(|| format!("`{command}` said what is not understood: {}", said.trim()))
}

/// Reads an answer to a question that was asked and answered at these times of this node's clock.
fn read(said: &str, asked: f64, answered: f64) -> Option<Answer> {
    let value = |name: &str| {
        let line = said.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        line.map(|line| line.trim().to_owned())
    };
    let there: f64 = value("date")?.parse().ok()?;
    let skew = if there > answered {
        there - answered
    } else if there < asked {
        there - asked
    } else {
        0.0
    };
    Some(Answer {
        rsync: value("rsync")?,
        gluster: value("gluster")?,
        python: value("python").unwrap_or_default(),
        gsyncd: value("gsyncd").unwrap_or_default(),
        session: value("session").unwrap_or_default(),
        skew,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_question_took_is_no_skew() {
        let said = |date: f64| format!("date={date}\nrsync=rsync 3.2.7\ngluster=glusterfs 10.3\n");
        let skew = |date| read(&said(date), 100.0, 104.0).unwrap().skew;
        assert_eq!([99.0, 100.0, 102.0, 104.0, 107.5].map(skew), [-1.0, 0.0, 0.0, 0.0, 3.5]);
        assert_eq!(read("Welcome to p2\n", 0.0, 0.0), None);
    }
}
