check_PROGRAMS += tests/unit/runtime/runtime
TESTS += tests/unit/runtime/runtime
tests_unit_runtime_runtime_SOURCES = \
	tests/support/allocfail.h \
	tests/support/unit.h \
	tests/unit/runtime/certificates.c \
	tests/unit/runtime/harness.c \
	tests/unit/runtime/harness.h \
	tests/unit/runtime/main.c \
	tests/unit/runtime/suites.h \
	tests/unit/runtime/test_accept.c \
	tests/unit/runtime/test_child.c \
	tests/unit/runtime/test_dgram.c \
	tests/unit/runtime/test_file.c \
	tests/unit/runtime/test_file_watch.c \
	tests/unit/runtime/test_loop.c \
	tests/unit/runtime/test_offload.c \
	tests/unit/runtime/test_packet.c \
	tests/unit/runtime/test_probe.c \
	tests/unit/runtime/test_sock.c \
	tests/unit/runtime/test_stream.c \
	tests/unit/runtime/test_stream_end.c \
	tests/unit/runtime/test_stream_file.c \
	tests/unit/runtime/test_timer.c \
	tests/unit/runtime/test_tls.c \
	tests/unit/runtime/test_watch.c
tests_unit_runtime_runtime_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_runtime_runtime_LDADD = $(UNIT_LIBS) $(EVENT_LIBS) $(SSL_LIBS)
