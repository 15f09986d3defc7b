# The tables of the three daemons' options are read by libconfuse too: it is the oracle of the syntax.
if HAVE_CHECK
check_PROGRAMS += tests/unit/service/service
TESTS += tests/unit/service/service
tests_unit_service_service_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_unit_service_service_LDADD = $(UNIT_LIBS) $(CONFUSE_LIBS) $(JANSSON_LIBS) $(CAP_LIBS)
tests_unit_service_service_SOURCES = \
	tests/support/conf_rows.h \
	tests/unit/service/main.c \
	tests/unit/service/test_conf.c \
	tests/unit/service/test_log.c \
	tests/unit/service/test_sandbox.c
endif
