check_PROGRAMS += tests/unit/dnsd/dnsd
TESTS += tests/unit/dnsd/dnsd
DNSD_TEST_FILES = \
	tests/unit/dnsd/data/example.org.answers \
	tests/unit/dnsd/data/example.org.zone \
	tests/unit/dnsd/data/odd.answers \
	tests/unit/dnsd/data/odd.zone \
	tests/unit/dnsd/data/signed.zone
EXTRA_DIST += $(DNSD_TEST_FILES)
tests_unit_dnsd_dnsd_SOURCES = \
	tests/support/allocfail.h \
	tests/support/unit.h \
	tests/unit/dnsd/fake_keeper.c \
	tests/unit/dnsd/fake_keeper.h \
	tests/unit/dnsd/main.c \
	tests/unit/dnsd/suites.h \
	tests/unit/dnsd/support.c \
	tests/unit/dnsd/support.h \
	tests/unit/dnsd/test_acl.c \
	tests/unit/dnsd/test_axfr.c \
	tests/unit/dnsd/test_check.c \
	tests/unit/dnsd/test_compile.c \
	tests/unit/dnsd/test_cookie.c \
	tests/unit/dnsd/test_delta.c \
	tests/unit/dnsd/test_denial.c \
	tests/unit/dnsd/test_diff.c \
	tests/unit/dnsd/test_edit.c \
	tests/unit/dnsd/test_edns.c \
	tests/unit/dnsd/test_update.c \
	tests/unit/dnsd/test_updates.c \
	tests/unit/dnsd/test_fetch.c \
	tests/unit/dnsd/test_generate.c \
	tests/unit/dnsd/test_image.c \
	tests/unit/dnsd/test_image_file.c \
	tests/unit/dnsd/test_images.c \
	tests/unit/dnsd/test_ixfr.c \
	tests/unit/dnsd/test_journal.c \
	tests/unit/dnsd/test_message.c \
	tests/unit/dnsd/test_name.c \
	tests/unit/dnsd/test_notify.c \
	tests/unit/dnsd/test_opt.c \
	tests/unit/dnsd/test_print.c \
	tests/unit/dnsd/test_query.c \
	tests/unit/dnsd/test_rdata.c \
	tests/unit/dnsd/test_rdata_text.c \
	tests/unit/dnsd/test_refresh.c \
	tests/unit/dnsd/test_reply.c \
	tests/unit/dnsd/test_requests.c \
	tests/unit/dnsd/test_resolve.c \
	tests/unit/dnsd/test_rrl.c \
	tests/unit/dnsd/test_top.c \
	tests/unit/dnsd/test_scan.c \
	tests/unit/dnsd/test_set.c \
	tests/unit/dnsd/test_signed.c \
	tests/unit/dnsd/test_svcb_text.c \
	tests/unit/dnsd/test_tcp.c \
	tests/unit/dnsd/test_token.c \
	tests/unit/dnsd/test_tsig.c \
	tests/unit/dnsd/test_type.c \
	tests/unit/dnsd/test_zones.c
tests_unit_dnsd_dnsd_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_dnsd_dnsd_LDADD = dnsd/libdnsd.la $(UNIT_LIBS) $(LDNS_LIBS) $(JANSSON_LIBS)
