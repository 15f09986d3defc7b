# The protocol as a library, so that the tests link what the daemon runs.
noinst_LTLIBRARIES += dhcpd/libdhcpd.la
dhcpd_libdhcpd_la_SOURCES = \
	dhcpd/wire/message.c dhcpd/wire/message.h \
	dhcpd/wire/option.c dhcpd/wire/option.h dhcpd/wire/option_encode.c \
	dhcpd/wire/relay.c dhcpd/wire/relay.h \
	dhcpd/lease/bitmap.c dhcpd/lease/bitmap.h \
	dhcpd/lease/client_index.c dhcpd/lease/client_index.h \
	dhcpd/lease/filter.c dhcpd/lease/filter.h \
	dhcpd/lease/import.c dhcpd/lease/import.h dhcpd/lease/import_isc.c \
	dhcpd/lease/lease.c dhcpd/lease/lease.h \
	dhcpd/lease/offer.c dhcpd/lease/offer.h \
	dhcpd/lease/pool.c dhcpd/lease/pool.h \
	dhcpd/lease/store.h \
	dhcpd/engine/admit.c dhcpd/engine/admit.h \
	dhcpd/engine/claim.c dhcpd/engine/exchange.h dhcpd/engine/grant.c \
	dhcpd/engine/config.c dhcpd/engine/config.h \
	dhcpd/engine/ddns.c dhcpd/engine/ddns.h \
	dhcpd/engine/ddns_window.c dhcpd/engine/ddns_window.h \
	dhcpd/engine/edit.c dhcpd/engine/edit.h \
	dhcpd/engine/engine.c dhcpd/engine/engine.h \
	dhcpd/engine/event.c dhcpd/engine/event.h dhcpd/engine/settle.c \
	dhcpd/engine/fqdn.c dhcpd/engine/fqdn.h \
	dhcpd/engine/expression.c dhcpd/engine/expression.h dhcpd/engine/expression_parse.c \
	dhcpd/engine/expression_scan.c dhcpd/engine/expression_scan.h \
	dhcpd/engine/leasequery.c dhcpd/engine/leasequery.h \
	dhcpd/engine/limit.c dhcpd/engine/limit.h \
	dhcpd/engine/policy.c dhcpd/engine/policy.h \
	dhcpd/engine/probe.c \
	dhcpd/engine/quota.c dhcpd/engine/quota.h \
	dhcpd/engine/reply.c dhcpd/engine/reply.h \
	dhcpd/engine/state.c dhcpd/engine/state.h \
	dhcpd/serve/backlog.c dhcpd/serve/backlog.h \
	dhcpd/serve/durable.c dhcpd/serve/durable.h \
	dhcpd/serve/follow.c dhcpd/serve/follow.h \
	dhcpd/serve/group.c dhcpd/serve/group.h \
	dhcpd/serve/hook.c dhcpd/serve/hook.h dhcpd/serve/hook_helper.c \
	dhcpd/serve/import.c dhcpd/serve/import.h dhcpd/serve/import_main.c \
	dhcpd/serve/leases.c dhcpd/serve/leases.h \
	dhcpd/serve/link.c dhcpd/serve/link.h \
	dhcpd/serve/probe.c dhcpd/serve/probe.h \
	dhcpd/serve/registry.c dhcpd/serve/registry.h \
	dhcpd/serve/pools.c dhcpd/serve/pools.h \
	dhcpd/serve/serve.c dhcpd/serve/serve.h \
	dhcpd/serve/settings.c dhcpd/serve/settings.h dhcpd/serve/settings_read.h \
	dhcpd/serve/settings_ddns.c dhcpd/serve/settings_hook.c dhcpd/serve/settings_policy.c dhcpd/serve/settings_subnet.c \
	dhcpd/serve/status.c dhcpd/serve/status.h \
	dhcpd/serve/updater.c dhcpd/serve/updater.h \
	dhcpd/options.c dhcpd/options.h dhcpd/options_ddns.c dhcpd/options_hook.c \
	dnsd/wire/edns.c dnsd/wire/edns.h dnsd/wire/message.c dnsd/wire/message.h \
	dnsd/wire/name.c dnsd/wire/name.h dnsd/wire/tsig.c dnsd/wire/tsig.h \
	dnsd/wire/type.c dnsd/wire/type.h
dhcpd_libdhcpd_la_LIBADD = common/libkeel.la $(JANSSON_LIBS)

nobase_keelinclude_HEADERS += dhcpd/modules/lease_module.h

sbin_PROGRAMS += dhcpd/dhcpd
dhcpd_dhcpd_SOURCES = dhcpd/main.c
dhcpd_dhcpd_LDADD = dhcpd/libdhcpd.la

# The manual: its part about options comes from the rows.
man_MANS += doc/dhcpd.8
EXTRA_DIST += doc/dhcpd.8.in
CLEANFILES += doc/dhcpd.8
doc/dhcpd.8: doc/dhcpd.8.in dhcpd/dhcpd$(EXEEXT)
	$(AM_V_GEN)$(MKDIR_P) $(@D) && dhcpd/dhcpd$(EXEEXT) --print-man >$@.options && \
		sed -e '/^\.so_options$$/{r $@.options' -e 'd;}' $(srcdir)/doc/dhcpd.8.in >$@.tmp && \
		rm $@.options && mv $@.tmp $@
