# System tests: the real daemons, driven from outside. tests/system/keel.py is their harness.
check_PROGRAMS += tests/support/load tests/support/triald
tests_support_triald_SOURCES = tests/support/triald.c
tests_support_triald_LDADD = common/libkeel.la $(JANSSON_LIBS)
tests_support_load_SOURCES = tests/support/load.c
tests_support_load_CPPFLAGS = -D_GNU_SOURCE $(AM_CPPFLAGS)
check_PROGRAMS += tests/support/h2_ask
tests_support_h2_ask_SOURCES = tests/support/h2_ask.c tests/support/h2_client.c \
	tests/support/h2_client.h
tests_support_h2_ask_LDADD = $(NGHTTP2_LIBS)
check_PROGRAMS += tests/support/teller
tests_support_teller_SOURCES = tests/support/teller.c
tests_support_teller_LDADD = common/libkeel.la $(JANSSON_LIBS)

check_PROGRAMS += tests/support/dns_compare
tests_support_dns_compare_SOURCES = tests/support/dns_compare.c tests/support/dns_answer.c \
	tests/support/dns_answer.h

SYSTEM_TESTS = tests/system/test_abuse.py \
	tests/system/test_balance.py \
	tests/system/test_conf.py \
	tests/system/test_dhcp_ddns.py \
	tests/system/test_dhcp_hook.py \
	tests/system/test_dhcp_leases.py \
	tests/system/test_dhcp_leasequery.py \
	tests/system/test_dhcp_overload.py \
	tests/system/test_dhcp_probe.py \
	tests/system/test_dhcpd.py \
	tests/system/test_dhcpd_clients.py \
	tests/system/test_dns_differential.py \
	tests/system/test_dns_edns.py \
	tests/system/test_dnsd.py \
	tests/system/test_dnsd_file_watch.py \
	tests/system/test_dnsd_ixfr.py \
	tests/system/test_dnsd_delta.py \
	tests/system/test_dnsd_keeper.py \
	tests/system/test_dnsd_kill.py \
	tests/system/test_dnsd_refresh.py \
	tests/system/test_dnsd_secondary.py \
	tests/system/test_dnsd_tools.py \
	tests/system/test_dnsd_transfer.py \
	tests/system/test_dnsd_update.py \
	tests/system/test_dnsd_watch.py \
	tests/system/test_dnssec.py \
	tests/system/test_hang.py \
	tests/system/test_helper.py \
	tests/system/test_httpd.py \
	tests/system/test_httpd_attack.py \
	tests/system/test_httpd_auth.py \
	tests/system/test_httpd_changing.py \
	tests/system/test_httpd_clients.py \
	tests/system/test_httpd_compress.py \
	tests/system/test_httpd_corpus.py \
	tests/system/test_httpd_frames.py \
	tests/system/test_httpd_status.py \
	tests/system/test_httpd_h2.py \
	tests/system/test_httpd_handler.py \
	tests/system/test_httpd_filter.py \
	tests/system/test_httpd_files.py \
	tests/system/test_httpd_routes.py \
	tests/system/test_httpd_views.py \
	tests/system/test_httpd_watch.py \
	tests/system/test_httpd_tls.py \
	tests/system/test_httpd_tls_scan.py \
	tests/system/test_httpd_unread.py \
	tests/system/test_httpd_websocket.py \
	tests/system/test_install.py \
	tests/system/test_keel.py \
	tests/system/test_keelctl.py \
	tests/system/test_master.py \
	tests/system/test_kill.py \
	tests/system/test_manual.py \
	tests/system/test_module.py \
	tests/system/test_quickstart.py \
	tests/system/test_reload.py \
	tests/system/test_service.py \
	tests/system/test_upgrade.py
TESTS += $(SYSTEM_TESTS)
EXTRA_DIST += $(SYSTEM_TESTS) tests/support/tap.py tests/system/keel.py tests/system/core.py tests/system/dns.py \
	tests/system/dns_peers.py tests/system/http2.py tests/system/http_corpus.py tests/corpus tests/system/dns_questions.py tests/system/dns_rules.py \
	tests/system/dns_transfers.py \
	tests/system/fake_daemon.py tests/system/slow_fs.py tests/system/tls.py tests/system/soak

# Ten minutes of kills, reloads and upgrades.
soak: all $(check_PROGRAMS)
	$(AM_TESTS_ENVIRONMENT) $(PYTHON3) $(srcdir)/tests/system/soak
.PHONY: soak

# 200,000 questions to dnsd and its peers: doc/dnsd-differences.md.
dns-differential: all $(check_PROGRAMS)
	$(AM_TESTS_ENVIRONMENT) $(PYTHON3) $(srcdir)/tests/system/test_dns_differential.py \
		--count 200000 --seed random $(DIFFFLAGS)
.PHONY: dns-differential

# Slow clients by the ten thousand, and floods of HTTP/2; prints how long others waited.
http-attack: all $(check_PROGRAMS)
	$(AM_TESTS_ENVIRONMENT) $(PYTHON3) $(srcdir)/tests/system/test_httpd_attack.py \
		--connections $${CONNECTIONS:-10000}
.PHONY: http-attack

# The scripted handler of the unit tests as a module of httpd: test_httpd_handler.py.
check_LTLIBRARIES += tests/support/script_module.la
tests_support_script_module_la_SOURCES = tests/support/script_module.c
tests_support_script_module_la_CFLAGS = $(AM_CFLAGS)
tests_support_script_module_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -rpath /nowhere
