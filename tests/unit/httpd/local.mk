if HAVE_CHECK
check_PROGRAMS += tests/unit/httpd/test_httpd
TESTS += tests/unit/httpd/test_httpd
tests_unit_httpd_test_httpd_SOURCES = \
	tests/unit/httpd/test_httpd.c \
	tests/unit/httpd/test_head.c \
	tests/unit/httpd/head_cases.h \
	tests/unit/httpd/test_body.c \
	tests/unit/httpd/test_path.c \
	tests/unit/httpd/test_values.c \
	tests/unit/httpd/test_request.c \
	tests/unit/httpd/test_h1.c \
	tests/unit/httpd/test_h2_fields.c \
	tests/unit/httpd/test_h2_head.c \
	tests/unit/httpd/test_h2.c \
	tests/support/h2_client.c \
	tests/support/h2_client.h \
	tests/support/http_server.c \
	tests/support/http_server.h \
	tests/support/script_module.c \
	tests/support/script_module.h \
	tests/unit/httpd/test_exchange.c \
	tests/unit/httpd/test_encode.c \
	tests/unit/httpd/test_filter.c \
	tests/unit/httpd/files.c \
	tests/unit/httpd/files.h \
	tests/unit/httpd/test_file.c \
	tests/unit/httpd/test_watch.c \
	tests/unit/httpd/test_access.c \
	tests/unit/httpd/test_log.c \
	tests/unit/httpd/test_serve.c \
	tests/unit/httpd/test_corpus.c \
	tests/support/http_corpus.c \
	tests/support/http_corpus.h \
	tests/unit/httpd/test_headers.c \
	tests/unit/httpd/test_credentials.c \
	tests/unit/httpd/test_rewrite.c \
	tests/unit/httpd/test_route.c \
	tests/unit/httpd/test_settings.c
tests_unit_httpd_test_httpd_CPPFLAGS = $(AM_CPPFLAGS) $(CHECK_CFLAGS)
tests_unit_httpd_test_httpd_LDADD = httpd/libhttpd.la $(UNIT_LIBS) $(NGHTTP2_LIBS) $(ZLIB_LIBS) \
	$(BROTLI_LIBS) $(ZSTD_LIBS)
endif
