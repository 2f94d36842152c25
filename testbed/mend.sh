# shellcheck shell=bash
# What a suite's packages need before its geo-replication works at all. Sourced by root.sh.

mend_root() {
    mend_rsync "$1"
    mend_gsyncd "$1"
    mend_sshd "$1"
}

# Debian 13 and later have an rsync that breaks geo-replication. The one that takes its place is told to ignore what it
# depends on: the names of packages differ between suites, and whether it runs is tried.
mend_rsync() {
    local root=$1 deb
    sound_rsync "$(chroot "$root" dpkg-query -f '${Version}' -W rsync)" && return
    deb=$(rsync_deb "$GOOD_RSYNC")
    cp "$deb" "$root/tmp/rsync.deb"
    chroot "$root" dpkg --install --force-depends /tmp/rsync.deb >&2
    rm "$root/tmp/rsync.deb"
    [[ $(chroot "$root" rsync --version) == *"version $GOOD_RSYNC "* ]] || die "rsync $GOOD_RSYNC does not run in $SUITE"
}

# Two releases of Debian have a gsyncd that calls what their Python no longer has. Debian 11's 9.2 then has no worker that
# starts (gluster/glusterfs#2440), Debian 13's 11.1 no session that can be created (#4403). The names that take their places
# are those of every Python 3.
mend_gsyncd() {
    sed -i 's/\.isAlive()/.is_alive()/; s/\.readfp(/.read_file(/' "$1"/usr/lib/*/glusterfs/python/syncdaemon/*.py
}

# gsyncd lets an rsync in over ssh only below a process called `sshd`. From OpenSSH 9.8 on, in Debian 13 and later, that one
# is called `sshd-session`, and every worker turns Faulty, unless it goes by the old name.
mend_sshd() {
    local root=$1 session=/usr/lib/openssh/sshd-session named=/usr/lib/gluster-sshd/sshd
    [[ -e $root$session ]] || return 0
    mkdir -p "$root${named%/*}"
    ln -s "$session" "$root$named"
    echo "SshdSessionPath $named" >"$root/etc/ssh/sshd_config.d/gluster.conf"
}
