# Unit tests: one program an area, one Check suite a source file; TAP on stdout.
UNIT_LIBS = common/libkeel.la $(CHECK_LIBS)

include tests/unit/base/local.mk
include tests/unit/runtime/local.mk
include tests/unit/service/local.mk
include tests/unit/store/local.mk
include tests/unit/dnsd/local.mk
include tests/unit/dhcpd/local.mk
include tests/unit/httpd/local.mk
include tests/fuzz/local.mk
include tests/system/local.mk
include tests/bench/local.mk
