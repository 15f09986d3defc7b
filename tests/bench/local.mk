# `make bench`: CPU per request beside the floor and the peers. Not a part of `make check`.
EXTRA_PROGRAMS += tests/bench/dhcp_leases tests/bench/dhcp_load tests/bench/dns_engine tests/bench/dns_load tests/bench/floor_http tests/bench/http_idle tests/bench/stream_floor
tests_bench_dhcp_leases_SOURCES = tests/bench/dhcp_leases.c
tests_bench_dhcp_leases_LDADD = dhcpd/libdhcpd.la common/libkeel.la
tests_bench_dhcp_load_SOURCES = tests/bench/dhcp_load.c
tests_bench_dns_engine_SOURCES = tests/bench/dns_engine.c
tests_bench_dns_engine_LDADD = dnsd/libdnsd.la common/libkeel.la
tests_bench_dns_load_SOURCES = tests/bench/dns_load.c
tests_bench_dns_load_LDADD = dnsd/libdnsd.la common/libkeel.la
tests_bench_floor_http_SOURCES = tests/bench/floor_http.c
EXTRA_PROGRAMS += tests/bench/http_route
tests_bench_http_route_SOURCES = tests/bench/http_route.c
tests_bench_http_route_LDADD = httpd/libhttpd.la common/libkeel.la
tests_bench_http_idle_SOURCES = tests/bench/http_idle.c
tests_bench_http_idle_LDADD = $(SSL_LIBS)
tests_bench_stream_floor_SOURCES = tests/bench/stream_floor.c
tests_bench_stream_floor_LDADD = common/libkeel.la $(EVENT_LIBS)
EXTRA_PROGRAMS += tests/bench/dns_ask tests/bench/floor_dhcp tests/bench/floor_dns
tests_bench_dns_ask_SOURCES = tests/bench/dns_ask.c
tests_bench_floor_dhcp_SOURCES = tests/bench/floor_dhcp.c tests/bench/floor_udp.c tests/bench/floor_udp.h
tests_bench_floor_dns_SOURCES = tests/bench/floor_dns.c tests/bench/floor_udp.c tests/bench/floor_udp.h
EXTRA_DIST += tests/bench/bench_dhcp.py tests/bench/bench_dns.py tests/bench/bench_http.py tests/bench/bench_instructions.py tests/bench/http_peers.py tests/bench/measure.py tests/bench/packages.sh
EXTRA_LTLIBRARIES = tests/bench/openat2.la
tests_bench_openat2_la_SOURCES = tests/bench/openat2.c
tests_bench_openat2_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -rpath /nowhere
BENCHES = tests/bench/bench_http.py tests/bench/bench_dns.py
CLEANFILES += $(EXTRA_PROGRAMS)

bench: all $(EXTRA_PROGRAMS) tests/bench/openat2.la
	KEEL_TOP='$(abs_top_srcdir)' $(SHELL) $(srcdir)/tests/bench/packages.sh
	@$(AM_TESTS_ENVIRONMENT) for bench in $(BENCHES); do \
		$(PYTHON3) $(srcdir)/$$bench $(BENCHFLAGS) || exit 1; \
	done
.PHONY: bench
# One of them: make bench-dns BENCHFLAGS='--only delegations'
bench-http bench-dns bench-dhcp bench-instructions:
	$(MAKE) $(AM_MAKEFLAGS) bench BENCHES=tests/bench/$(subst -,_,$@).py
.PHONY: bench-http bench-dns bench-dhcp bench-instructions
