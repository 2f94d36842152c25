# shellcheck shell=bash disable=SC2034 # what is set here is used elsewhere
# What the testbed's scripts share: where things lie, which versions, how to talk to a node. Sourced, never run.

TESTBED=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
STATE=${GEOREP_TESTBED_DIR:-/var/lib/georep-testbed}

# Everything comes from one Debian suite, so that gluster, libvirt and QEMU are a set that was released together.
# Plain suites, without their security archives: bookworm's has an rsync that breaks geo-replication (see rsync.sh).
# Each suite is a testbed of its own; several run side by side.
SUITE=${GEOREP_TESTBED_SUITE:-bookworm}
PACKAGES=(
    glusterfs-server rsync openssh-server openssh-client      # a storage node
    libvirt-daemon libvirt-daemon-driver-qemu libvirt-clients # a hypervisor
    qemu-system-x86 qemu-utils
    busybox-static cpio kmod xz-utils e2fsprogs qemu-guest-agent # what the guest is made of
    mount iproute2 procps psmisc attr python3 tini                  # what the scripts here run inside a node
)
KERNEL=linux-image-cloud-amd64 # only unpacked: its postinst would want an initramfs and a boot loader

NODES=(p1 p2 dr) # p1 and p2 hold the primary volume, p1 runs the VMs, dr is the other site
declare -A ADDRESS=([p1]=10.99.0.1 [p2]=10.99.0.2 [dr]=10.99.0.3)
PRIMARY=gv1
SECONDARY=gv2
POOL=/vm # where p1 mounts the primary volume
VMS=(vm1)

say() { printf 'testbed: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

# Namespaces, mounts and devices need root; a plain user gets there through sudo, with the same settings.
become_root() {
    ((EUID == 0)) || exec sudo --preserve-env=GEOREP_TESTBED_DIR,GEOREP_TESTBED_SUITE -- "$0" "$@"
}

# step WHAT COMMAND...: run it and say how long it took.
step() {
    local what=$1 start=${EPOCHREALTIME/[.,]/} took
    shift
    "$@"
    took=$(((${EPOCHREALTIME/[.,]/} - start) / 100000))
    say "$what: $((took / 10)).$((took % 10)) s"
}

# wait_for SECONDS WHAT COMMAND...: until the command succeeds; its output is of no interest.
wait_for() {
    local end=$((SECONDS + $1)) what=$2
    shift 2
    until "$@" >/dev/null 2>&1; do
        ((SECONDS < end)) || die "waited in vain for $what"
        sleep 0.3
    done
}

node_dir() { printf '%s/nodes/%s/%s\n' "$STATE" "$SUITE" "$1"; }

# A node is its first process, which is called this. The name guards against a PID that was used again.
node_title() { printf 'georep-testbed %s\n' "$(node_dir "$1")"; }

node_pid() {
    local pid
    pid=$(cat "$(node_dir "$1")/pid" 2>/dev/null) || return 1
    grep -qa "^$(node_title "$1")" "/proc/$pid/cmdline" 2>/dev/null && printf '%s\n' "$pid"
}

# in_node NODE COMMAND...: the environment is the node's, not the caller's; glusterd hands it on to gsyncd.
in_node() {
    local pid
    pid=$(node_pid "$1") || die "node $1 is not running"
    shift
    nsenter --target "$pid" --mount --uts --ipc --net --pid --root --wdns=/ -- \
        /usr/bin/env -i HOME=/root LC_ALL=C.UTF-8 TERM="${TERM:-dumb}" \
        PATH=/usr/sbin:/usr/bin:/sbin:/bin:/usr/local/bin "$@"
}

# put_in NODE SOURCE DEST: /proc/PID/root is the node's file system as seen from outside.
put_in() {
    local pid
    pid=$(node_pid "$1") || die "node $1 is not running"
    install -D --mode="$(stat -c %a "$2")" "$2" "/proc/$pid/root/$3"
}

# last_ack VM: the last record that the guest said was safe on both disks.
last_ack() { in_node p1 tail -n 20 "/var/log/$1-console.log" 2>/dev/null | grep -ao 'ACK [0-9]*' | tail -n 1 | cut -d' ' -f2; }

rsync_version() { in_node "$1" dpkg-query -f '${Version}' -W rsync; }
