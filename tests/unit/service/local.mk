# The tables of the three daemons' options are read by libconfuse too: it is the oracle of the syntax.
if HAVE_CHECK
check_PROGRAMS += tests/unit/service/service
TESTS += tests/unit/service/service
tests_unit_service_service_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_unit_service_service_LDADD = $(UNIT_LIBS) $(CONFUSE_LIBS) $(JANSSON_LIBS) $(CAP_LIBS)
tests_unit_service_service_SOURCES = \
	tests/support/conf_rows.h \
	tests/unit/service/main.c \
	tests/unit/service/test_channel.c \
	tests/unit/service/test_conf.c \
	tests/unit/service/test_host.c \
	tests/unit/service/test_log.c \
	tests/unit/service/test_manifest.c \
	tests/unit/service/test_board.c \
	tests/unit/service/test_metric.c \
	tests/unit/service/test_module.c \
	tests/unit/service/test_peers.c \
	tests/unit/service/test_rows.c \
	tests/unit/service/test_sandbox.c \
	tests/unit/service/test_sockets.c

# Modules for test_module: shared objects, which needs an -rpath though nobody installs them.
check_LTLIBRARIES += \
	tests/unit/service/modules/empty.la \
	tests/unit/service/modules/good.la \
	tests/unit/service/modules/major.la \
	tests/unit/service/modules/small.la
MODULE_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -rpath /nowhere
tests_unit_service_modules_empty_la_SOURCES = tests/unit/service/modules/empty.c
tests_unit_service_modules_empty_la_LDFLAGS = $(MODULE_LDFLAGS)
tests_unit_service_modules_good_la_SOURCES = tests/unit/service/modules/good.c
tests_unit_service_modules_good_la_LDFLAGS = $(MODULE_LDFLAGS)
tests_unit_service_modules_major_la_SOURCES = tests/unit/service/modules/major.c
tests_unit_service_modules_major_la_LDFLAGS = $(MODULE_LDFLAGS)
tests_unit_service_modules_small_la_SOURCES = tests/unit/service/modules/small.c
tests_unit_service_modules_small_la_LDFLAGS = $(MODULE_LDFLAGS)
endif
