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

# Debian 13's gsyncd 11.1 calls what its Python 3.13 no longer has, so that no session can be created
# (gluster/glusterfs#4403). 11.2 calls the successor, which every Python 3 has.
mend_gsyncd() { sed -i 's/\.readfp(/.read_file(/' "$1"/usr/lib/*/glusterfs/python/syncdaemon/gsyncdconfig.py; }

# gsyncd lets an rsync in over ssh only below a process called `sshd`. From OpenSSH 9.8 on, in Debian 13 and later, that one
# is called `sshd-session`, and every worker turns Faulty, unless it goes by the old name.
mend_sshd() {
    local root=$1 session=/usr/lib/openssh/sshd-session named=/usr/lib/gluster-sshd/sshd
    [[ -e $root$session ]] || return 0
    mkdir -p "$root${named%/*}"
    ln -s "$session" "$root$named"
    echo "SshdSessionPath $named" >"$root/etc/ssh/sshd_config.d/gluster.conf"
}
