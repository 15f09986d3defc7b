# dnsd: everything but main(), so that the tests and fuzzers link it too.
noinst_LTLIBRARIES += dnsd/libdnsd.la
dnsd_libdnsd_la_SOURCES = \
	dnsd/wire/cookie.c dnsd/wire/cookie.h \
	dnsd/wire/edns.c dnsd/wire/edns.h \
	dnsd/wire/message.c dnsd/wire/message.h \
	dnsd/wire/name.c dnsd/wire/name.h \
	dnsd/wire/rcode.c dnsd/wire/rcode.h \
	dnsd/wire/rdata.c dnsd/wire/rdata.h \
	dnsd/wire/soa.c dnsd/wire/soa.h \
	dnsd/wire/tsig.c dnsd/wire/tsig.h \
	dnsd/wire/type.c dnsd/wire/type.h \
	dnsd/zone/check.c dnsd/zone/check.h \
	dnsd/zone/compile.c dnsd/zone/compile.h \
	dnsd/zone/delta.c dnsd/zone/delta.h \
	dnsd/zone/delta_denial.c \
	dnsd/zone/denial.c dnsd/zone/denial.h \
	dnsd/zone/denial_build.c dnsd/zone/denial_build.h \
	dnsd/zone/diff.c dnsd/zone/diff.h \
	dnsd/zone/edit.c dnsd/zone/edit.h \
	dnsd/zone/edit_build.c \
	dnsd/zone/edit_check.c \
	dnsd/zone/edit_names.c dnsd/zone/edit_names.h \
	dnsd/zone/generate.c dnsd/zone/generate.h \
	dnsd/zone/image.c dnsd/zone/image.h \
	dnsd/zone/image_check.c dnsd/zone/image_check.h \
	dnsd/zone/image_file.c dnsd/zone/image_file.h \
	dnsd/zone/print.c dnsd/zone/print.h \
	dnsd/zone/rdata_print.c dnsd/zone/rdata_print.h \
	dnsd/zone/layout.c dnsd/zone/layout.h \
	dnsd/zone/rdata_text.c dnsd/zone/rdata_text.h \
	dnsd/zone/records.c dnsd/zone/records.h \
	dnsd/zone/scan.c dnsd/zone/scan.h \
	dnsd/zone/set.c dnsd/zone/set.h \
	dnsd/zone/set_read.c dnsd/zone/set_read.h \
	dnsd/zone/svcb_text.c dnsd/zone/svcb_text.h \
	dnsd/zone/token.c dnsd/zone/token.h \
	dnsd/zone/tree.c dnsd/zone/tree.h \
	dnsd/zone/view.c dnsd/zone/view.h \
	dnsd/zone/zones.c dnsd/zone/zones.h \
	dnsd/answer/acl.c dnsd/answer/acl.h \
	dnsd/answer/chaos.c dnsd/answer/chaos.h \
	dnsd/answer/opt.c dnsd/answer/opt.h \
	dnsd/answer/proof.c dnsd/answer/proof.h \
	dnsd/answer/query.c dnsd/answer/query.h \
	dnsd/answer/reply.c dnsd/answer/reply.h \
	dnsd/answer/resolve.c dnsd/answer/resolve.h \
	dnsd/answer/rrl.c dnsd/answer/rrl.h \
	dnsd/answer/top.c dnsd/answer/top.h \
	dnsd/transfer/axfr.c dnsd/transfer/axfr.h \
	dnsd/transfer/fetch.c dnsd/transfer/fetch.h \
	dnsd/transfer/fetch_records.c dnsd/transfer/fetch_records.h \
	dnsd/transfer/ixfr.c dnsd/transfer/ixfr.h \
	dnsd/transfer/notify.c dnsd/transfer/notify.h \
	dnsd/transfer/refresh.c dnsd/transfer/refresh.h \
	dnsd/transfer/update.c dnsd/transfer/update.h \
	dnsd/serve/fetcher.c dnsd/serve/fetcher.h \
	dnsd/serve/secondary.c dnsd/serve/secondary.h \
	dnsd/serve/taking.c dnsd/serve/taking.h \
	dnsd/serve/journal.c dnsd/serve/journal.h \
	dnsd/serve/primaries.c dnsd/serve/primaries.h \
	dnsd/serve/images.c dnsd/serve/images.h \
	dnsd/serve/dump.c dnsd/serve/dump.h \
	dnsd/serve/keeper_watch.c \
	dnsd/serve/load.c dnsd/serve/load.h \
	dnsd/serve/quota.c dnsd/serve/quota.h \
	dnsd/serve/secret.c dnsd/serve/secret.h \
	dnsd/serve/serve.c dnsd/serve/serve.h \
	dnsd/serve/commands.c dnsd/serve/commands.h \
	dnsd/serve/metrics.c dnsd/serve/metrics.h \
	dnsd/serve/tally.c dnsd/serve/tally.h \
	dnsd/serve/pending.h \
	dnsd/serve/notifier.c dnsd/serve/notifier.h \
	dnsd/serve/keeper.c dnsd/serve/keeper.h dnsd/serve/keeper_private.h \
	dnsd/serve/added.c dnsd/serve/added.h \
	dnsd/serve/keeper_commands.c dnsd/serve/keeper_commands.h \
	dnsd/serve/keeper_dump.c dnsd/serve/keeper_files.c dnsd/serve/keeper_load.c dnsd/serve/keeper_serve.c \
	dnsd/serve/keeper_state.c dnsd/serve/keeper_zones.c \
	dnsd/serve/keeper_change.c dnsd/serve/keeper_merge.c \
	dnsd/serve/keeper_replace.c dnsd/serve/keeper_version.c \
	dnsd/serve/keeper_secondary.c \
	dnsd/serve/keeper_differences.c \
	dnsd/serve/keeper_requests.c \
	dnsd/serve/messages.h \
	dnsd/serve/requests.c dnsd/serve/requests.h \
	dnsd/serve/publish.c dnsd/serve/publish.h \
	dnsd/serve/versions.c dnsd/serve/versions.h \
	dnsd/serve/settings.c dnsd/serve/settings.h \
	dnsd/serve/tcp.c dnsd/serve/tcp.h \
	dnsd/serve/tools.c dnsd/serve/tools.h \
	dnsd/serve/transfer.c dnsd/serve/transfer.h \
	dnsd/serve/updater.c dnsd/serve/updater.h \
	dnsd/serve/updates.c dnsd/serve/updates.h \
	dnsd/serve/types.h \
	dnsd/serve/udp.c dnsd/serve/udp.h \
	dnsd/serve/watch.c dnsd/serve/watch.h \
	dnsd/serve/zone_counts.c dnsd/serve/zone_counts.h \
	dnsd/options.c dnsd/options.h
dnsd_libdnsd_la_LIBADD = $(LDNS_LIBS) $(JANSSON_LIBS) common/libkeel.la

sbin_PROGRAMS += dnsd/dnsd
dnsd_dnsd_SOURCES = dnsd/main.c
dnsd_dnsd_LDADD = dnsd/libdnsd.la common/libkeel.la

# The manual: its part about options comes from the rows.
man_MANS += doc/dnsd.8
EXTRA_DIST += doc/dnsd.8.in
CLEANFILES += doc/dnsd.8
doc/dnsd.8: doc/dnsd.8.in dnsd/dnsd$(EXEEXT)
	$(AM_V_GEN)$(MKDIR_P) $(@D) && dnsd/dnsd$(EXEEXT) --print-man >$@.options && \
		sed -e '/^\.so_options$$/{r $@.options' -e 'd;}' $(srcdir)/doc/dnsd.8.in >$@.tmp && \
		rm $@.options && mv $@.tmp $@
