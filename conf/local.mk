# Example configurations, each loaded by a test, and what ./run starts.
QUICKSTART_FILES = conf/quickstart/dnsd.conf conf/quickstart/dhcpd.conf conf/quickstart/httpd.conf \
	conf/quickstart/example.org.zone conf/quickstart/www/index.html
EXTRA_DIST += $(QUICKSTART_FILES)
