# `make bench`: CPU per request beside the floor and the peers. Not a part of `make check`.
EXTRA_PROGRAMS += tests/bench/dns_engine tests/bench/dns_load tests/bench/floor_http tests/bench/stream_floor
tests_bench_dns_engine_SOURCES = tests/bench/dns_engine.c
tests_bench_dns_engine_LDADD = dnsd/libdnsd.la common/libkeel.la
tests_bench_dns_load_SOURCES = tests/bench/dns_load.c
tests_bench_dns_load_LDADD = dnsd/libdnsd.la common/libkeel.la
tests_bench_floor_http_SOURCES = tests/bench/floor_http.c
tests_bench_stream_floor_SOURCES = tests/bench/stream_floor.c
tests_bench_stream_floor_LDADD = common/libkeel.la $(EVENT_LIBS)
EXTRA_DIST += tests/bench/bench_http.py tests/bench/packages.sh
BENCHES = tests/bench/bench_http.py
CLEANFILES += $(EXTRA_PROGRAMS)

bench: all $(EXTRA_PROGRAMS)
	KEEL_TOP='$(abs_top_srcdir)' $(SHELL) $(srcdir)/tests/bench/packages.sh
	@$(AM_TESTS_ENVIRONMENT) for bench in $(BENCHES); do \
		$(PYTHON3) $(srcdir)/$$bench $(BENCHFLAGS) || exit 1; \
	done
.PHONY: bench
