# Sourced by ./run and ./check: builds the tree out of place, doing only what is needed.
#
#   keel_build DIR CONFIGURE-OPTION...    0, or 1 after showing what the build said

say() {
    printf '%s  %s\n' "$(date +%T)" "$*"
}

keel_build() {
    local dir=$1 log
    shift
    if [ -f config.status ]; then
        echo "the source folder itself is configured; run \`make distclean\` in it first" >&2
        return 1
    fi
    mkdir -p "$dir"
    log=$dir/build.out
    # Once there is a Makefile, its own rules follow every change of the build files.
    if { [ -x configure ] && [ -f Makefile.in ] && [ -f config.h.in ] || autoreconf -fi; } \
        >"$log" 2>&1 </dev/null &&
        { [ -f "$dir/Makefile" ] || (cd "$dir" && "$OLDPWD/configure" -q "$@"); } \
            >>"$log" 2>&1 </dev/null &&
        make -C "$dir" --no-print-directory -j"$(nproc)" >>"$log" 2>&1 </dev/null; then
        return 0
    fi
    tail -n 60 "$log" >&2
    return 1
}
