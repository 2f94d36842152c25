# shellcheck shell=bash
# What befalls a node besides the death of georep. Sourced by `crash`, after cluster.sh and vms.sh.

restart_libvirtd() {
    in_node p1 sh -c "pkill -$1 -x libvirtd; while pgrep -x libvirtd; do sleep 0.1; done; libvirtd -d" >/dev/null
    wait_for 30 "libvirtd" in_node p1 virsh list
}

kill_qemu() { in_node p1 pkill -KILL -f "^[^ ]*qemu-system-x86_64 -name guest=$1," || true; }

destroy_vm() { in_node p1 virsh -q destroy "$1" >/dev/null 2>&1 || true; }

# The guest is asked to, and takes its time; where its agent or its power key is frozen it does not hear it, and is destroyed.
shut_down_vm() {
    in_node p1 virsh -q shutdown "$1" --mode acpi >/dev/null 2>&1 || true
    in_node p1 sh -c 'for try in $(seq 40); do virsh domstate "$0" | grep -q "shut off" && exit; sleep 0.5; done' "$1"
    destroy_vm "$1"
}

# Power fails on the node that runs the VMs, and everything that boots with it is up again; VMs are off.
reboot_node() {
    in_node p1 "$GUEST/power-cycle"
    wait_for 60 "glusterd" gluster_in p1 pool list
    wait_for 60 "the bricks" in_node p1 sh -c "gluster volume status $PRIMARY | grep -c '^Brick.* Y ' | grep -qx 4"
    wait_for 60 "the pool" mount_pool
    start_libvirt >/dev/null
}

# befall WHAT VM
befall() {
    case $1 in
        none) ;;
        libvirtd-term) restart_libvirtd TERM ;;
        libvirtd-kill) restart_libvirtd KILL ;;
        qemu) kill_qemu "$2" ;;
        destroy) destroy_vm "$2" ;;
        shutdown) shut_down_vm "$2" ;;
        reboot) reboot_node ;;
        # VMs that start with the host are there before georep is.
        reboot-autostart)
            reboot_node
            start_all
            ;;
    esac
}

start_all() {
    local vm
    for vm in "${VMS[@]}"; do in_node p1 virsh -q start "$vm" >/dev/null 2>&1 || true; done
}
