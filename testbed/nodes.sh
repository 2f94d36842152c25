# shellcheck shell=bash
# The nodes: namespaces with an overlay of the Debian root, joined by one switch. Sourced by `up`.

nodes_alive() {
    local node
    for node in "${NODES[@]}" switch; do node_pid "$node" >/dev/null || return 1; done
}

at_switch() { nsenter --target "$(node_pid switch)" --net -- "$@"; }

# All cables end in a network namespace of its own: nothing of them is seen in the machine's network, and the testbeds of
# several suites do not meet.
start_switch() {
    local dir
    dir=$(node_dir switch)
    mkdir -p "$dir"
    # shellcheck disable=SC2016 # expanded by the switch
    setsid unshare --net bash -c 'echo $$ >"$0/pid"; exec -a "$1" sleep infinity' "$dir" "$(node_title switch)" \
        </dev/null >"$dir/log" 2>&1 &
    wait_for 20 "the switch to start, see $dir/log" node_pid switch
    at_switch ip link add br0 type bridge
    at_switch ip link set br0 up
}

start_node() {
    local node=$1 dir pid
    dir=$(node_dir "$node")
    mkdir -p "$dir"/{upper/etc,work,root,bricks}
    {
        echo '127.0.0.1 localhost'
        for peer in "${NODES[@]}"; do echo "${ADDRESS[$peer]} $peer"; done
    } >"$dir/upper/etc/hosts"
    echo "$node" >"$dir/upper/etc/hostname"

    # Its own session, and nothing of the caller's terminal: the node outlives `up`.
    setsid unshare --mount --uts --ipc --net --pid --fork \
        "$TESTBED/node/init" "$node" "$(root_dir)" "$dir" "$(node_title "$node")" </dev/null >"$dir/log" 2>&1 &
    wait_for 20 "node $node to start, see $dir/log" node_pid "$node"

    # The inner end goes straight into the node's namespace; both ends vanish with it.
    pid=$(node_pid "$node")
    at_switch ip link add "$node" type veth peer name eth0 netns "$pid"
    at_switch ip link set "$node" master br0 up
    in_node "$node" sh -ec "ip link set lo up; ip addr add ${ADDRESS[$node]}/24 dev eth0; ip link set eth0 up"
    in_node "$node" glusterd
}

start_nodes() {
    local node
    start_switch
    for node in "${NODES[@]}"; do start_node "$node"; done
    share_ssh_key
}

# One key for all: geo-replication is set up over ssh from p1, and root may go from any node to any other.
share_ssh_key() {
    local node key
    in_node p1 sh -c 'mkdir -pm700 /root/.ssh && ssh-keygen -q -t ed25519 -N "" -f /root/.ssh/id_ed25519'
    key=$(in_node p1 cat /root/.ssh/id_ed25519)
    for node in "${NODES[@]}"; do
        in_node "$node" sh -ec '
            umask 077
            mkdir -p /root/.ssh
            echo "$0" >/root/.ssh/id_ed25519
            ssh-keygen -y -f /root/.ssh/id_ed25519 >>/root/.ssh/authorized_keys
            echo "StrictHostKeyChecking accept-new" >/root/.ssh/config' "$key"
    done
}
