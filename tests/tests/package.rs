//! The package on a fresh Debian 12: installed with apt, upgraded, removed and purged.

use std::path::Path;
use std::process::ExitCode;

use georep_tests::fresh::{self, Fresh};
use georep_tests::output::text;
use georep_tests::package;

const OLD: &str = "0.1.0-1";
const NEW: &str = "99.0.0-1";

/// Where `glusterfs-common` has its script.
const SCRIPTS: &str = "/usr/lib/x86_64-linux-gnu/glusterfs/scripts";

fn main() -> ExitCode {
    fresh::run_all(&[
        ("what_is_installed_can_be_used", what_is_installed_can_be_used),
        ("an_upgrade_leaves_what_the_administrator_has_set", upgrade),
        ("nothing_remains_of_a_removed_package_but_the_administrators_own", remove),
        ("the_script_is_diverted_where_gluster_comes_later_too", gluster_comes_later),
        ("a_shim_that_was_put_by_hand_becomes_the_packages", a_shim_by_hand),
        ("what_a_killed_run_has_left_outlives_a_purge", what_a_killed_run_has_left),
    ])
}

/// Puts the package of this version in, with apt and `options`.
fn install(debian: &Fresh, version: &str, options: &str) {
    debian.put(&package::of_version(version), "/root/georep.deb");
    debian.shell(&format!("apt-get install --quiet --yes {options} /root/georep.deb"));
}

fn installed(version: &str) -> Fresh {
    let debian = Fresh::start();
    install(&debian, version, "");
    debian
}

/// Whose the script is that tools call: `georep`'s, or Gluster's.
#[track_caller]
fn script(debian: &Fresh) -> &'static str {
    let text = debian.shell(&format!("cat {SCRIPTS}/schedule_georep.py"));
    if text.contains("georep schedule") { "georep" } else { "gluster" }
}

#[track_caller]
fn diversions(debian: &Fresh) -> String {
    debian.shell("dpkg-divert --list '*georep*'")
}

/// Files that have to do with georep, but for Gluster's own and dpkg's notes.
#[track_caller]
fn files_of_georep(debian: &Fresh) -> String {
    debian.shell(
        "find / -xdev -name '*georep*' -not -path '/proc/*' -not -name 'gluster-georep*' \
         -not -path /root/georep.deb -not -path '/var/lib/dpkg/info/*' -not -path '*/glusterfs/*' | sort",
    )
}

fn what_is_installed_can_be_used() {
    let debian = installed(OLD);
    for tool in ["gluster", "mount.glusterfs", "virsh", "qemu-img", "findmnt"] {
        debian.shell(&format!("command -v {tool}"));
    }
    let commands =
        debian.shell("georep --help | awk '/^Commands:/,/^$/' | awk '/^  [a-z]/ { print $1 }'");
    assert!(commands.lines().count() > 10, "{commands}");
    for command in commands.lines().filter(|command| *command != "help") {
        debian.shell(&format!("man georep-{command} | grep -q 'EXIT STATUS'"));
    }
    debian.shell("man georep | grep -q georep-backup");
    assert_every_shell_completes(&debian);

    assert_eq!(script(&debian), "georep");
    let shim = debian.shell(&format!("python3 {SCRIPTS}/schedule_georep.py --version"));
    assert_eq!(shim, debian.shell("georep schedule --version"));
    debian.shell(&format!("grep -q geo-replication {SCRIPTS}/schedule_georep.py.distrib"));

    debian.shell(
        "cd /usr/lib/systemd/system && systemd-analyze verify georep-recover.service \
                  georep-backup@gv1.service georep-backup@gv1.timer",
    );
    assert_eq!(debian.shell("systemctl is-enabled georep-recover.service"), "enabled");
    assert_eq!(
        debian.shell("ls /etc/systemd/system/timers.target.wants | grep georep || true"),
        ""
    );

    // The example is understood: it is gluster that does not answer here.
    debian.shell("cp /usr/share/doc/georep/examples/gv1.toml /etc/georep/");
    let job = debian.output("georep job /etc/georep/gv1.toml --dry-run");
    assert_eq!(job.status.code(), Some(1), "{}", text(&job));
}

/// Each in its own way is asked what `georep back` may become.
#[track_caller]
fn assert_every_shell_completes(debian: &Fresh) {
    debian.shell("apt-get install --quiet --yes --no-install-recommends fish zsh");
    let bash = "bash -c '. /usr/share/bash-completion/completions/georep
        COMP_WORDS=(georep back) COMP_CWORD=1
        $(complete -p georep | grep -o \"\\-F [^ ]*\" | cut -c4-) georep back georep
        echo ${COMPREPLY[@]}'";
    assert_eq!(debian.shell(bash), "backup");
    let fish = debian.shell("fish --command 'complete --do-complete \"georep back\"'");
    assert_eq!(fish.split_whitespace().next(), Some("backup"), "{fish}");
    // Types it at a prompt, and presses the tab key.
    let zsh = "zsh -f -c 'zmodload zsh/zpty; zpty shell zsh -f -i
        zpty -w shell \"PS1=; autoload -U compinit; compinit -u; cd /\"
        zpty -w -n shell \"georep back\t --metho\t\"
        zpty -r -m shell seen \"*georep backup *--method*\"; echo $seen'";
    let seen = debian.shell(&format!("timeout 60 {zsh}"));
    assert!(seen.contains("--method"), "{seen}");
}

fn upgrade() {
    let debian = installed(OLD);
    debian.shell("sed 's/^timeout.*/timeout = 77/' /usr/share/doc/georep/examples/gv1.toml >/etc/georep/gv1.toml");
    debian.shell(
        "systemctl enable georep-backup@gv1.timer; systemctl disable georep-recover.service",
    );
    let before = debian.shell("sha256sum /etc/georep/gv1.toml");
    install(&debian, NEW, "");
    assert_eq!(debian.shell("dpkg-query -f '${Version}' -W georep"), NEW);
    assert_eq!(debian.shell("sha256sum /etc/georep/gv1.toml"), before);
    assert_eq!(debian.shell("systemctl is-enabled georep-backup@gv1.timer"), "enabled");
    assert_eq!(debian.shell("systemctl is-enabled georep-recover.service || true"), "disabled");
    assert_eq!(script(&debian), "georep");
    assert_eq!(diversions(&debian).lines().count(), 1, "{}", diversions(&debian));
}

fn remove() {
    let debian = installed(OLD);
    debian.shell(
        "echo 'primary = \"gv1\"' >/etc/georep/gv1.toml; systemctl enable georep-backup@gv1.timer",
    );
    debian.shell("mkdir -p /var/lib/georep/runs && echo '{\"ended\":{}}' >/var/lib/georep/runs/georep-1.json");
    debian.shell("apt-get remove --quiet --yes georep");
    assert_eq!(script(&debian), "gluster");
    assert_eq!(diversions(&debian), "");
    let history = "/var/lib/georep\n/var/lib/georep/runs/georep-1.json";
    let own = "/etc/georep\n/etc/systemd/system/timers.target.wants/georep-backup@gv1.timer";
    assert_eq!(files_of_georep(&debian), format!("{own}\n{history}"));

    debian.shell("apt-get purge --quiet --yes georep");
    assert_eq!(files_of_georep(&debian), "/etc/georep");
    assert_eq!(debian.shell("cat /etc/georep/gv1.toml"), "primary = \"gv1\"");
}

fn gluster_comes_later() {
    let debian = Fresh::start();
    install(&debian, OLD, "--no-install-recommends");
    debian.shell("! command -v gluster");
    assert_eq!(script(&debian), "georep");
    debian.shell(
        "apt-get install --quiet --yes --no-install-recommends glusterfs-cli glusterfs-common",
    );
    assert_eq!(script(&debian), "georep");
    debian.shell("apt-get install --quiet --yes --reinstall glusterfs-common");
    assert_eq!(script(&debian), "georep");
    debian.shell("apt-get purge --quiet --yes georep");
    assert_eq!(script(&debian), "gluster");
    assert_eq!(files_of_georep(&debian), "");
    // Gluster's own directory goes with Gluster, and nothing of georep is in the way.
    install(&debian, OLD, "--no-install-recommends");
    debian.shell("apt-get purge --quiet --yes glusterfs-common");
    assert_eq!(script(&debian), "georep");
    debian.shell("apt-get purge --quiet --yes georep");
    debian.shell("test ! -e /usr/lib/x86_64-linux-gnu/glusterfs");
}

fn a_shim_by_hand() {
    let debian = Fresh::start();
    debian.shell("apt-get install --quiet --yes --no-install-recommends glusterfs-common");
    let shim = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../shim"));
    for file in ["install", "schedule_georep.py"] {
        debian.put(&shim.join(file), &format!("/root/shim/{file}"));
    }
    debian.shell("/root/shim/install");
    assert_eq!(script(&debian), "georep");
    install(&debian, OLD, "--no-install-recommends");
    assert_eq!(script(&debian), "georep");
    assert!(diversions(&debian).ends_with("by georep"), "{}", diversions(&debian));
    debian.shell("apt-get remove --quiet --yes georep");
    assert_eq!(script(&debian), "gluster");
    assert_eq!(diversions(&debian), "");
}

fn what_a_killed_run_has_left() {
    let debian = Fresh::start();
    install(&debian, OLD, "--no-install-recommends");
    debian.shell("mkdir -p /var/lib/georep/runs && echo '{\"phase\":\"copying\"}' >/var/lib/georep/runs/georep-1.json");
    let removed = debian.output("apt-get remove --quiet --yes georep");
    assert!(removed.status.success(), "{}", text(&removed));
    assert!(text(&removed).contains("/var/lib/georep/runs/georep-1.json"), "{}", text(&removed));
    let purged = debian.output("apt-get purge --quiet --yes georep");
    assert!(purged.status.success(), "{}", text(&purged));
    assert!(text(&purged).contains("/var/lib/georep is kept"), "{}", text(&purged));
    debian.shell("test -s /var/lib/georep/runs/georep-1.json");
}
