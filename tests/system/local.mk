# System tests: the real daemons, driven from outside. tests/system/keel.py is their harness.
check_PROGRAMS += tests/support/load
tests_support_load_SOURCES = tests/support/load.c
tests_support_load_CPPFLAGS = -D_GNU_SOURCE $(AM_CPPFLAGS)

SYSTEM_TESTS = tests/system/test_conf.py \
	tests/system/test_install.py \
	tests/system/test_keel.py \
	tests/system/test_layers.py
TESTS += $(SYSTEM_TESTS)
EXTRA_DIST += $(SYSTEM_TESTS) tests/support/tap.py tests/system/keel.py tests/system/fake_daemon.py
