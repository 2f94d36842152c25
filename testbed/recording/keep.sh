# shellcheck shell=bash
# How a recording is kept. Sourced by `record`.

FIXTURES=$(cd "$TESTBED/.." && pwd)/fixtures

# start_folder NAME: what follows is kept there. The folder takes its place when it is complete: a recording that fails
# half-way leaves the last one.
start_folder() {
    declare -g folder=$FIXTURES/$1.partial
    rm -rf "$folder"
    mkdir -p "$folder"
    cat >"$folder/README.md" <<README
# $1

Recorded by \`testbed/record\` from the real thing. What went to stderr lies beside, as \`.stderr\`.

| file | command | exit status | state |
|---|---|---|---|
README
}

finish_folder() {
    rm -rf "${folder%.partial}"
    mv "$folder" "${folder%.partial}"
}

# keep FILE STATE NODE COMMAND...: run it and keep what it says. It may well fail: that is then what is kept.
keep() {
    local file=$1 state=$2 node=$3 status=0 shown
    shift 3
    in_node "$node" env LC_ALL=C "$@" </dev/null >"$folder/$file" 2>"$folder/$file.stderr" || status=$?
    [[ -s $folder/$file.stderr ]] || rm "$folder/$file.stderr"
    shown=$*
    shown=${shown#env -C /var/tmp/images } # where the images were made says nothing
    printf '| %s | `%s` | %s | %s |\n' "$file" "$shown" "$status" "$state" >>"$folder/README.md"
}

# retry COMMAND...: gluster takes one command a volume at a time, and says so to the others.
retry() {
    local end=$((SECONDS + 30))
    while ((SECONDS < end)); do
        "$@" >/dev/null 2>&1 && return
        sleep 1
    done
    die "failed for half a minute: $*"
}
