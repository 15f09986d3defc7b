#!/bin/sh
# Runs every fuzz target over its corpus, in TAP, one line a file. KEEL_FUZZ_TARGETS names the
# programs, relative to the build tree; arguments do instead.
#
# Each file has a process of its own, so that a crash names its file and hides no other; and because
# libFuzzer's main(), which a build with --enable-fuzz has, speaks no TAP.
corpus=${KEEL_SRCDIR:-.}/tests/fuzz/corpus
build=${KEEL_BUILDDIR:-.}
output=$(mktemp) || exit 99
trap 'rm -f "$output"' EXIT
count=0
failed=0

result() { # STATUS NAME
    count=$((count + 1))
    if [ "$1" -eq 0 ]; then
        echo "ok $count - $2"
    else
        failed=1
        echo "not ok $count - $2: status $1"
        sed 's/^/# /' "$output"
    fi
}

[ $# -gt 0 ] || set -- $KEEL_FUZZ_TARGETS
for target in "$@"; do
    name=${target##*/fuzz_}
    files=0
    for file in "$corpus/$name"/*; do
        [ -f "$file" ] || continue
        files=$((files + 1))
        timeout 60 "$build/$target" "$file" >"$output" 2>&1
        result $? "$name/${file##*/}"
    done
    if [ $files -eq 0 ]; then
        echo "no file in $corpus/$name" >"$output"
        result 1 "$name has a corpus"
    fi
done
echo "1..$count"
exit $failed
