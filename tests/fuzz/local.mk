# A target is a file fuzz_X.c with an LLVMFuzzerTestOneInput and a folder corpus/X with seeds and with
# every input that ever crashed it. Four lines a target, as for fuzz_addr below; every target is then
# built and replayed by `make check`, and fuzzes in a build with --enable-fuzz:
#     tests/fuzz/fuzz_addr -max_total_time=60 NEW-FOLDER .../tests/fuzz/corpus/addr
if FUZZ
FUZZ_MAIN =
else
FUZZ_MAIN = tests/fuzz/replay.c
endif
FUZZ_LINK = $(AM_LDFLAGS) $(KEEL_FUZZ_LDFLAGS)
FUZZ_LIBS = common/libkeel.la

FUZZ_TARGETS += tests/fuzz/fuzz_addr
tests_fuzz_fuzz_addr_SOURCES = tests/fuzz/fuzz_addr.c $(FUZZ_MAIN)
tests_fuzz_fuzz_addr_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_addr_LDADD = $(FUZZ_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz_frame
tests_fuzz_fuzz_frame_SOURCES = tests/fuzz/fuzz_frame.c $(FUZZ_MAIN)
tests_fuzz_fuzz_frame_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_frame_LDADD = $(FUZZ_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz_reply
tests_fuzz_fuzz_reply_SOURCES = tests/fuzz/fuzz_reply.c common/keelctl/print.c \
	common/keelctl/print.h $(FUZZ_MAIN)
tests_fuzz_fuzz_reply_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_reply_LDADD = $(FUZZ_LIBS) $(JANSSON_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz_http_head
tests_fuzz_fuzz_http_head_SOURCES = tests/fuzz/fuzz_http_head.c $(FUZZ_MAIN)
tests_fuzz_fuzz_http_head_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_http_head_LDADD = httpd/libhttpd.la $(FUZZ_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz_http_h2
tests_fuzz_fuzz_http_h2_SOURCES = tests/fuzz/fuzz_http_h2.c $(FUZZ_MAIN)
tests_fuzz_fuzz_http_h2_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_http_h2_LDADD = httpd/libhttpd.la $(FUZZ_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz_http_conn
tests_fuzz_fuzz_http_conn_SOURCES = tests/fuzz/fuzz_http_conn.c tests/support/http_server.c \
	tests/support/http_server.h tests/support/script_module.c tests/support/script_module.h \
	tests/support/h2_client.c tests/support/h2_client.h \
	tests/support/virtual_time.c tests/support/virtual_time.h $(FUZZ_MAIN)
tests_fuzz_fuzz_http_conn_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_http_conn_LDADD = httpd/libhttpd.la $(FUZZ_LIBS) $(NGHTTP2_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz_http_chunked
tests_fuzz_fuzz_http_chunked_SOURCES = tests/fuzz/fuzz_http_chunked.c $(FUZZ_MAIN)
tests_fuzz_fuzz_http_chunked_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_http_chunked_LDADD = httpd/libhttpd.la $(FUZZ_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz_http_condition
tests_fuzz_fuzz_http_condition_SOURCES = tests/fuzz/fuzz_http_condition.c $(FUZZ_MAIN)
tests_fuzz_fuzz_http_condition_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_http_condition_LDADD = httpd/libhttpd.la $(FUZZ_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz_http_path
tests_fuzz_fuzz_http_path_SOURCES = tests/fuzz/fuzz_http_path.c $(FUZZ_MAIN)
tests_fuzz_fuzz_http_path_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_http_path_LDADD = httpd/libhttpd.la $(FUZZ_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz_http_values
tests_fuzz_fuzz_http_values_SOURCES = tests/fuzz/fuzz_http_values.c $(FUZZ_MAIN)
tests_fuzz_fuzz_http_values_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_http_values_LDADD = httpd/libhttpd.la $(FUZZ_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz_http_auth
tests_fuzz_fuzz_http_auth_SOURCES = tests/fuzz/fuzz_http_auth.c $(FUZZ_MAIN)
tests_fuzz_fuzz_http_auth_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_http_auth_LDADD = httpd/libhttpd.la $(FUZZ_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz_http_rewrite
tests_fuzz_fuzz_http_rewrite_SOURCES = tests/fuzz/fuzz_http_rewrite.c $(FUZZ_MAIN)
tests_fuzz_fuzz_http_rewrite_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_http_rewrite_LDADD = httpd/libhttpd.la $(FUZZ_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz_http_log
tests_fuzz_fuzz_http_log_SOURCES = tests/fuzz/fuzz_http_log.c $(FUZZ_MAIN)
tests_fuzz_fuzz_http_log_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_http_log_LDADD = httpd/libhttpd.la $(FUZZ_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz_conf
tests_fuzz_fuzz_conf_SOURCES = tests/fuzz/fuzz_conf.c tests/support/conf_rows.h $(FUZZ_MAIN)
tests_fuzz_fuzz_conf_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_conf_LDADD = $(FUZZ_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz_dns_message
tests_fuzz_fuzz_dns_message_SOURCES = tests/fuzz/fuzz_dns_message.c $(FUZZ_MAIN)
tests_fuzz_fuzz_dns_message_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_dns_message_LDADD = dnsd/libdnsd.la $(FUZZ_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz_dns_fetch
tests_fuzz_fuzz_dns_fetch_SOURCES = tests/fuzz/fuzz_dns_fetch.c $(FUZZ_MAIN)
tests_fuzz_fuzz_dns_fetch_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_dns_fetch_LDADD = dnsd/libdnsd.la $(FUZZ_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz_dns_query
tests_fuzz_fuzz_dns_query_SOURCES = tests/fuzz/fuzz_dns_query.c $(FUZZ_MAIN)
tests_fuzz_fuzz_dns_query_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_dns_query_LDADD = dnsd/libdnsd.la $(FUZZ_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz_dns_update
tests_fuzz_fuzz_dns_update_SOURCES = tests/fuzz/fuzz_dns_update.c $(FUZZ_MAIN)
tests_fuzz_fuzz_dns_update_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_dns_update_LDADD = dnsd/libdnsd.la $(FUZZ_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz_dns_diff
tests_fuzz_fuzz_dns_diff_SOURCES = tests/fuzz/fuzz_dns_diff.c $(FUZZ_MAIN)
tests_fuzz_fuzz_dns_diff_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_dns_diff_LDADD = dnsd/libdnsd.la $(FUZZ_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz_dns_tsig
tests_fuzz_fuzz_dns_tsig_SOURCES = tests/fuzz/fuzz_dns_tsig.c $(FUZZ_MAIN)
tests_fuzz_fuzz_dns_tsig_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_dns_tsig_LDADD = dnsd/libdnsd.la $(FUZZ_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz_dns_zone
tests_fuzz_fuzz_dns_zone_SOURCES = tests/fuzz/fuzz_dns_zone.c $(FUZZ_MAIN)
tests_fuzz_fuzz_dns_zone_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_dns_zone_LDADD = dnsd/libdnsd.la $(FUZZ_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz_dhcp_expression
tests_fuzz_fuzz_dhcp_expression_SOURCES = tests/fuzz/fuzz_dhcp_expression.c $(FUZZ_MAIN)
tests_fuzz_fuzz_dhcp_expression_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_dhcp_expression_LDADD = dhcpd/libdhcpd.la $(FUZZ_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz_dns_image
tests_fuzz_fuzz_dns_image_SOURCES = tests/fuzz/fuzz_dns_image.c $(FUZZ_MAIN)
tests_fuzz_fuzz_dns_image_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_dns_image_LDADD = dnsd/libdnsd.la $(FUZZ_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz_dns_print
tests_fuzz_fuzz_dns_print_SOURCES = tests/fuzz/fuzz_dns_print.c $(FUZZ_MAIN)
tests_fuzz_fuzz_dns_print_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_dns_print_LDADD = dnsd/libdnsd.la $(FUZZ_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz_dhcp_import
tests_fuzz_fuzz_dhcp_import_SOURCES = tests/fuzz/fuzz_dhcp_import.c $(FUZZ_MAIN)
tests_fuzz_fuzz_dhcp_import_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_dhcp_import_LDADD = dhcpd/libdhcpd.la $(FUZZ_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz_dhcp_option
tests_fuzz_fuzz_dhcp_option_SOURCES = tests/fuzz/fuzz_dhcp_option.c $(FUZZ_MAIN)
tests_fuzz_fuzz_dhcp_option_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_dhcp_option_LDADD = dhcpd/libdhcpd.la $(FUZZ_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz_dhcp_message
tests_fuzz_fuzz_dhcp_message_SOURCES = tests/fuzz/fuzz_dhcp_message.c $(FUZZ_MAIN) \
	tests/support/dhcp_lab.c tests/support/dhcp_lab.h \
	tests/support/dhcp_memory_store.c tests/support/dhcp_memory_store.h
tests_fuzz_fuzz_dhcp_message_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_dhcp_message_LDADD = dhcpd/libdhcpd.la $(FUZZ_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz_dhcp_sequence
tests_fuzz_fuzz_dhcp_sequence_SOURCES = tests/fuzz/fuzz_dhcp_sequence.c $(FUZZ_MAIN) \
	tests/support/dhcp_lab.c tests/support/dhcp_lab.h \
	tests/support/dhcp_memory_store.c tests/support/dhcp_memory_store.h
tests_fuzz_fuzz_dhcp_sequence_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_dhcp_sequence_LDADD = dhcpd/libdhcpd.la $(FUZZ_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz_manifest
tests_fuzz_fuzz_manifest_SOURCES = tests/fuzz/fuzz_manifest.c $(FUZZ_MAIN)
tests_fuzz_fuzz_manifest_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_manifest_LDADD = $(FUZZ_LIBS) $(JANSSON_LIBS)

FUZZ_TARGETS += tests/fuzz/fuzz_control
tests_fuzz_fuzz_control_SOURCES = tests/fuzz/fuzz_control.c $(FUZZ_MAIN)
tests_fuzz_fuzz_control_LDFLAGS = $(FUZZ_LINK)
tests_fuzz_fuzz_control_LDADD = $(FUZZ_LIBS) $(JANSSON_LIBS)

check_PROGRAMS += $(FUZZ_TARGETS)
TESTS += tests/fuzz/run-replay.sh
EXTRA_DIST += tests/fuzz/run-replay.sh tests/fuzz/corpus
