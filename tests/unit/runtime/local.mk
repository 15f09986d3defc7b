check_PROGRAMS += tests/unit/runtime/runtime
TESTS += tests/unit/runtime/runtime
tests_unit_runtime_runtime_SOURCES = \
	tests/support/unit.h \
	tests/unit/runtime/main.c \
	tests/unit/runtime/suites.h \
	tests/unit/runtime/test_child.c \
	tests/unit/runtime/test_offload.c \
	tests/unit/runtime/test_packet.c
tests_unit_runtime_runtime_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_runtime_runtime_LDADD = $(UNIT_LIBS)
