check_PROGRAMS += tests/unit/base/base
TESTS += tests/unit/base/base
tests_unit_base_base_SOURCES = \
	tests/support/allocfail.h \
	tests/support/unit.h \
	tests/unit/base/main.c \
	tests/unit/base/suites.h \
	tests/unit/base/test_addr.c \
	tests/unit/base/test_buf.c \
	tests/unit/base/test_clients.c \
	tests/unit/base/test_clock.c \
	tests/unit/base/test_digest.c \
	tests/unit/base/test_err.c \
	tests/unit/base/test_hash.c \
	tests/unit/base/test_list.c \
	tests/unit/base/test_mem.c \
	tests/unit/base/test_rand.c \
	tests/unit/base/test_str.c \
	tests/unit/base/test_text.c \
	tests/unit/base/test_wire.c
tests_unit_base_base_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_base_base_LDADD = $(UNIT_LIBS)
