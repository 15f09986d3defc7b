# Unit tests: one program an area, one Check suite a source file; TAP on stdout.
UNIT_LIBS = common/libkeel.la $(CHECK_LIBS)

# The order of the layers, from the #include lines.
TESTS += tests/layers.sh
EXTRA_DIST += tests/layers.sh

include tests/unit/base/local.mk
include tests/unit/runtime/local.mk
include tests/unit/service/local.mk
include tests/unit/store/local.mk
include tests/unit/dnsd/local.mk
include tests/unit/dhcpd/local.mk
include tests/unit/httpd/local.mk
include tests/scenario/local.mk
include tests/durability/local.mk
include tests/fuzz/local.mk
include tests/system/local.mk
include tests/vm/local.mk
include tests/bench/local.mk

# What the build with sanitizers runs: the unit tests and the replay of the fuzz corpora.
check-unit:
	$(MAKE) $(AM_MAKEFLAGS) check TESTS='$(filter tests/unit/% tests/fuzz/%,$(TESTS))'
.PHONY: check-unit

EXTRA_DIST += tests/support/packages.sh tests/support/build.sh tests/support/dhcp_client.py
