dist_man_MANS += doc/keelctl.1
noinst_PROGRAMS += doc/examples/echod
doc_examples_echod_SOURCES = doc/examples/echod.c
doc_examples_echod_LDADD = common/libkeel.la $(JANSSON_LIBS)

# The same source as a module, which keeld runs: tests/system/test_module.py.
noinst_LTLIBRARIES += doc/examples/echo_module.la
doc_examples_echo_module_la_SOURCES = doc/examples/echod.c
doc_examples_echo_module_la_CFLAGS = $(AM_CFLAGS)
doc_examples_echo_module_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -rpath /nowhere
doc_examples_echo_module_la_LIBADD = common/libkeel.la $(JANSSON_LIBS)

examplesdir = $(docdir)/examples
# A module for dhcpd: tests/system/test_dhcp_hook.py loads it.
noinst_LTLIBRARIES += doc/examples/lease_module.la
doc_examples_lease_module_la_SOURCES = doc/examples/lease_module.c
doc_examples_lease_module_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -rpath /nowhere
# Two for httpd: tests/system/test_httpd_handler.py and test_httpd_websocket.py load them.
noinst_LTLIBRARIES += doc/examples/hello_module.la doc/examples/websocket_module.la
doc_examples_hello_module_la_SOURCES = doc/examples/hello_module.c
doc_examples_hello_module_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -rpath /nowhere
doc_examples_websocket_module_la_SOURCES = doc/examples/websocket_module.c
doc_examples_websocket_module_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -rpath /nowhere
# A filter: tests/system/test_httpd_filter.py loads it.
noinst_LTLIBRARIES += doc/examples/footer_module.la
doc_examples_footer_module_la_SOURCES = doc/examples/footer_module.c
doc_examples_footer_module_la_LDFLAGS = $(AM_LDFLAGS) -module -avoid-version -rpath /nowhere
dist_examples_DATA = doc/examples/echod.c doc/examples/lease_module.c doc/examples/hello_module.c \
	doc/examples/websocket_module.c doc/examples/footer_module.c
dist_man_MANS += doc/keeld.8
dist_doc_DATA += doc/configuration.md doc/core.md doc/dnsd-differences.md doc/echod.md doc/moving-to-dhcpd.md doc/operations.md
