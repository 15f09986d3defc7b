if HAVE_CHECK
check_PROGRAMS += tests/unit/store/test_store
TESTS += tests/unit/store/test_store
tests_unit_store_test_store_SOURCES = tests/unit/store/main.c tests/unit/store/test_store.c
tests_unit_store_test_store_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_store_test_store_LDADD = $(UNIT_LIBS)
endif
