# Installs what the benches compare with; KEEL_TOP is the source tree.
. "$KEEL_TOP/tests/support/packages.sh"
keel_packages_install test peers
