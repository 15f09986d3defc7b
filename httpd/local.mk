# The daemon's parts as a library that only the build sees, so that tests link the same objects.
noinst_LTLIBRARIES += httpd/libhttpd.la
httpd_libhttpd_la_SOURCES = \
	httpd/wire/chars.c httpd/wire/chars.h \
	httpd/wire/status.c httpd/wire/status.h \
	httpd/wire/field.c httpd/wire/field.h \
	httpd/wire/head.c httpd/wire/head.h \
	httpd/wire/body.c httpd/wire/body.h \
	httpd/wire/date.c httpd/wire/date.h \
	httpd/wire/etag.c httpd/wire/etag.h \
	httpd/wire/range.c httpd/wire/range.h \
	httpd/wire/path.c httpd/wire/path.h \
	httpd/wire/credentials.c httpd/wire/credentials.h \
	httpd/wire/accept.c httpd/wire/accept.h \
	httpd/wire/mime.c httpd/wire/mime.h \
	httpd/request/condition.c httpd/request/condition.h \
	httpd/request/access.c httpd/request/access.h \
	httpd/request/headers.c httpd/request/headers.h \
	httpd/request/users.c httpd/request/users.h \
	httpd/request/verified.c httpd/request/verified.h \
	httpd/request/expression.c httpd/request/expression.h \
	httpd/request/predicate.c httpd/request/predicate.h \
	httpd/request/rewrite.c httpd/request/rewrite.h \
	httpd/request/route.c httpd/request/route.h \
	httpd/request/request.c httpd/request/request.h \
	httpd/request/handler.h httpd/request/rate.h \
	httpd/request/filter.c httpd/request/filter.h \
	httpd/request/exchange.c httpd/request/exchange.h \
	httpd/request/exchange_private.h httpd/request/exchange_body.c \
	httpd/request/exchange_answer.c httpd/request/exchange_flow.c \
	httpd/conn/h1.c httpd/conn/h1.h \
	httpd/conn/h2_fields.c httpd/conn/h2_fields.h \
	httpd/conn/h2_head.c httpd/conn/h2_head.h \
	httpd/conn/h2_frames.c httpd/conn/h2_frames.h \
	httpd/conn/h2_memory.c httpd/conn/h2_memory.h \
	httpd/conn/h2_private.h httpd/conn/h2_session.c httpd/conn/h2_stream.c \
	httpd/conn/h2_source.c httpd/conn/h2_respond.c \
	httpd/conn/h2.c httpd/conn/h2.h \
	httpd/log/format.c httpd/log/format.h \
	httpd/log/access.c httpd/log/access.h \
	httpd/handlers/listing.c httpd/handlers/listing.h \
	httpd/handlers/mount.c httpd/handlers/mount.h \
	httpd/handlers/watch.c httpd/handlers/watch.h httpd/handlers/watch_private.h \
	httpd/handlers/watch_look.c \
	httpd/handlers/link_owner.c httpd/handlers/link_owner.h \
	httpd/handlers/resource.c httpd/handlers/resource.h \
	httpd/handlers/compress.c httpd/handlers/compress.h \
	httpd/handlers/encoder.c httpd/handlers/encoder.h \
	httpd/handlers/encode.c httpd/handlers/encode.h \
	httpd/handlers/entry.c httpd/handlers/entry.h \
	httpd/handlers/cache.c httpd/handlers/cache.h \
	httpd/handlers/redirect.c httpd/handlers/redirect.h \
	httpd/handlers/parts.c httpd/handlers/parts.h \
	httpd/handlers/file.c httpd/handlers/file.h \
	httpd/handlers/limits.c httpd/handlers/limits.h \
	httpd/handlers/https.c httpd/handlers/https.h \
	httpd/handlers/status.c httpd/handlers/status.h \
	httpd/handlers/respond.c httpd/handlers/respond.h \
	httpd/handlers/auth.c httpd/handlers/auth.h \
	httpd/serve/settings_types.c httpd/serve/settings_types.h \
	httpd/serve/settings_files.c httpd/serve/settings_files.h \
	httpd/serve/pages.c httpd/serve/pages.h \
	httpd/serve/settings_headers.c httpd/serve/settings_headers.h \
	httpd/serve/settings_listen.c httpd/serve/settings_listen.h \
	httpd/serve/settings_log.c httpd/serve/settings_log.h \
	httpd/serve/settings_access.c httpd/serve/settings_access.h \
	httpd/serve/location.c httpd/serve/location.h \
	httpd/serve/settings.c httpd/serve/settings.h \
	httpd/serve/settings_tls.c httpd/serve/settings_tls.h \
	httpd/serve/metrics.h \
	httpd/serve/chain.c httpd/serve/chain.h \
	httpd/serve/modules.c httpd/serve/modules.h \
	httpd/serve/figures.c httpd/serve/figures.h \
	httpd/serve/follow.c httpd/serve/follow.h \
	httpd/serve/worker.c httpd/serve/worker.h \
	httpd/serve/connection.h \
	httpd/serve/describe.c httpd/serve/describe.h \
	httpd/serve/serve_h2.c httpd/serve/serve_h2.h \
	httpd/serve/requests.c httpd/serve/requests.h \
	httpd/serve/serve.c httpd/serve/serve.h \
	httpd/options.c httpd/options.h \
	httpd/protocol.c httpd/protocol.h
httpd_libhttpd_la_LIBADD = common/libkeel.la $(NGHTTP2_LIBS) $(ZLIB_LIBS) $(BROTLI_LIBS) \
	$(ZSTD_LIBS) $(PCRE2_LIBS) $(CRYPT_LIBS)

sbin_PROGRAMS += httpd/httpd
httpd_httpd_SOURCES = httpd/main.c
httpd_httpd_LDADD = httpd/libhttpd.la common/libkeel.la
# Modules call it.
httpd_httpd_LDFLAGS = $(AM_LDFLAGS) -export-dynamic
nobase_keelinclude_HEADERS += httpd/request/handler.h httpd/request/request.h httpd/request/rate.h \
	httpd/request/route.h httpd/request/headers.h httpd/request/rewrite.h \
	httpd/request/predicate.h httpd/request/expression.h httpd/request/access.h \
	httpd/wire/head.h httpd/wire/field.h httpd/wire/date.h httpd/wire/accept.h httpd/wire/mime.h

# The options in the manual are the rows of the program.
man_MANS += doc/httpd.8
EXTRA_DIST += doc/httpd.8.in
CLEANFILES += doc/httpd.8
doc/httpd.8: doc/httpd.8.in httpd/httpd$(EXEEXT)
	$(AM_V_GEN)$(MKDIR_P) $(@D) && httpd/httpd$(EXEEXT) --print-man >$@.options && \
		sed -e '/^\.so_options$$/{r $@.options' -e 'd;}' $(srcdir)/doc/httpd.8.in >$@.tmp && \
		rm $@.options && mv $@.tmp $@
