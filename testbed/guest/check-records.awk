# Proves a file of records: numbers from 1 without a gap, each with its checksum.
# Prints `OK records=M` or `BAD line L: TEXT`. With -v want=good it prints `M BYTES` instead: the whole records before
# anything broken, and how long they are.
#
# Only the very last line may be broken: a crash can tear it, and no ACK was given for it.
# Every awk must agree with the guest's shell on the checksum, so it stays below 2^53, where doubles are exact.

function valid() {
    return NF == 3 && $0 ~ /^[0-9]+ [0-9]+ [0-9]+$/ && $1 == good + 1 &&
        $3 == ($1 * 69069 + $2 * 1664525 + 1013904223) % 2147483647
}

broken { exit }
valid() { good++; bytes += length($0) + 1; next }
{ broken = NR; text = substr($0, 1, 60) }

END {
    if (want == "good") { printf "%d %d\n", good, bytes; exit }
    if (broken && NR > broken) { printf "BAD line %d: %s\n", broken, text; exit 1 }
    printf "OK records=%d\n", good
}
