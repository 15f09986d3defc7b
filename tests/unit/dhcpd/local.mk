if HAVE_CHECK
check_PROGRAMS += tests/unit/dhcpd/test_dhcpd
TESTS += tests/unit/dhcpd/test_dhcpd
tests_unit_dhcpd_test_dhcpd_SOURCES = \
	tests/unit/dhcpd/main.c tests/unit/dhcpd/suites.h \
	tests/support/dhcp_lab.c tests/support/dhcp_lab.h \
	tests/support/dhcp_memory_store.c tests/support/dhcp_memory_store.h \
	tests/unit/dhcpd/test_bitmap.c \
	tests/unit/dhcpd/test_client_index.c \
	tests/unit/dhcpd/test_config.c \
	tests/unit/dhcpd/test_durable.c \
	tests/unit/dhcpd/test_edit.c \
	tests/unit/dhcpd/test_engine.c \
	tests/unit/dhcpd/test_filter.c \
	tests/unit/dhcpd/test_import.c \
	tests/unit/dhcpd/test_ddns.c \
	tests/unit/dhcpd/test_admit.c \
	tests/unit/dhcpd/test_event.c \
	tests/unit/dhcpd/test_hook.c \
	tests/unit/dhcpd/test_probe.c \
	tests/unit/dhcpd/test_fqdn.c \
	tests/unit/dhcpd/test_expression.c \
	tests/unit/dhcpd/test_lease.c \
	tests/unit/dhcpd/test_leasequery.c \
	tests/unit/dhcpd/test_limit.c \
	tests/unit/dhcpd/test_message.c \
	tests/unit/dhcpd/test_offer.c \
	tests/unit/dhcpd/test_option.c \
	tests/unit/dhcpd/test_policy.c \
	tests/unit/dhcpd/test_pool.c \
	tests/unit/dhcpd/test_relay.c \
	tests/unit/dhcpd/test_reply.c \
	tests/unit/dhcpd/test_settings.c \
	tests/unit/dhcpd/test_state.c
tests_unit_dhcpd_test_dhcpd_CFLAGS = $(AM_CFLAGS) $(CHECK_CFLAGS)
tests_unit_dhcpd_test_dhcpd_LDADD = dhcpd/libdhcpd.la $(UNIT_LIBS)
endif
