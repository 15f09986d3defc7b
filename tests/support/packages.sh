# Sourced by ./run and ./check: installs the Debian packages of packages.txt that are missing.
#
#   keel_packages GROUP...          prints the package names of these groups
#   keel_packages_install GROUP...  installs those that are missing; 0 when all are there then
#
# Nothing is asked and no service is started: while apt works, a policy-rc.d that says no is in
# place (unless the machine has one of its own), and units that came with a package are disabled,
# so that they do not start with the next boot either.

keel_packages() {
    local group
    for group in "$@"; do
        awk -v group="$group" '$1 == group { for (i = 2; i <= NF; i++) print $i }' \
            "$KEEL_TOP/packages.txt"
    done
}

keel_packages_missing() {
    local name
    for name in $(keel_packages "$@"); do
        case $(dpkg-query -W -f '${db:Status-Status}' "$name" 2>/dev/null) in
        installed) ;;
        *) echo "$name" ;;
        esac
    done
}

# Runs a command as root. Without a terminal sudo must not ask for a password.
keel_as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif [ -t 0 ]; then
        sudo "$@"
    else
        sudo -n "$@"
    fi
}

# The units and init scripts of packages that were not there before.
keel_packages_disable_services() {
    local path
    for path in $(dpkg-query -L "$@" 2>/dev/null | sort -u); do
        case $path in
        /lib/systemd/system/*@.service | /usr/lib/systemd/system/*@.service) ;;
        /lib/systemd/system/*.service | /lib/systemd/system/*.timer | \
            /usr/lib/systemd/system/*.service | /usr/lib/systemd/system/*.timer)
            command -v systemctl >/dev/null &&
                keel_as_root systemctl disable --quiet "${path##*/}" >/dev/null 2>&1 ;;
        /etc/init.d/*)
            command -v systemctl >/dev/null || [ ! -x /usr/sbin/update-rc.d ] ||
                keel_as_root /usr/sbin/update-rc.d "${path##*/}" disable >/dev/null 2>&1 ;;
        esac
    done
    return 0
}

keel_packages_install() (
    command -v dpkg-query >/dev/null && command -v apt-get >/dev/null || {
        echo "no dpkg here: taking it that these are installed: $(keel_packages "$@" | xargs)" >&2
        exit 0
    }
    missing=$(keel_packages_missing "$@")
    [ -n "$missing" ] || exit 0
    if [ "$(id -u)" != 0 ] && ! command -v sudo >/dev/null; then
        echo "packages are missing, and this is neither root nor is there sudo. As root, run" >&2
        echo "  apt-get install --no-install-recommends" $missing >&2
        exit 1
    fi
    echo "installing:" $missing
    policy=/usr/sbin/policy-rc.d
    log=$(mktemp)
    trap 'rm -f "$log"; [ -z "$placed" ] || keel_as_root rm -f "$policy"' EXIT
    trap 'exit 130' INT TERM HUP
    placed=
    if [ ! -e "$policy" ]; then
        placed=yes
        printf '#!/bin/sh\nexit 101\n' | keel_as_root tee "$policy" >/dev/null &&
            keel_as_root chmod 755 "$policy" || exit 1
    fi
    if ! { keel_as_root apt-get -q update && keel_as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get -q -y -o DPkg::Lock::Timeout=120 -o Dpkg::Use-Pty=0 \
        install --no-install-recommends $missing; } >"$log" 2>&1 </dev/null; then
        tail -n 20 "$log" >&2
        echo "apt-get could not install:" $(keel_packages_missing "$@") >&2
        exit 1
    fi
    keel_packages_disable_services $missing
)
