# Example configurations, each loaded by a test; what ./run starts; what systemd needs.
EXAMPLE_CONFS = conf/dnsd.conf conf/dhcpd.conf conf/dhcpd-netboot.conf conf/httpd.conf
QUICKSTART_FILES = conf/quickstart/dnsd.conf conf/quickstart/dhcpd.conf conf/quickstart/httpd.conf \
	conf/quickstart/example.org.zone conf/quickstart/www/index.html
nobase_dist_doc_DATA += $(EXAMPLE_CONFS) $(QUICKSTART_FILES)

# /usr/lib and /usr/local/lib are both read by systemd, whatever libdir is.
systemdunitdir = $(prefix)/lib/systemd/system
systemdunit_DATA = conf/systemd/dnsd.service conf/systemd/dhcpd.service conf/systemd/httpd.service
tmpfilesdir = $(prefix)/lib/tmpfiles.d
sysusersdir = $(prefix)/lib/sysusers.d
EXTRA_DIST += $(systemdunit_DATA:=.in) conf/systemd/keel.tmpfiles conf/systemd/keel.sysusers
CLEANFILES += $(systemdunit_DATA)

.service.in.service:
	$(AM_V_GEN)$(MKDIR_P) $(@D) && sed -e 's|@sbindir[@]|$(sbindir)|g' \
		-e 's|@sysconfdir[@]|$(sysconfdir)|g' $< >$@.tmp && mv $@.tmp $@
SUFFIXES = .service .service.in

install-data-hook:
	$(MKDIR_P) '$(DESTDIR)$(tmpfilesdir)' '$(DESTDIR)$(sysusersdir)'
	$(INSTALL_DATA) $(top_srcdir)/conf/systemd/keel.tmpfiles '$(DESTDIR)$(tmpfilesdir)/keel.conf'
	$(INSTALL_DATA) $(top_srcdir)/conf/systemd/keel.sysusers '$(DESTDIR)$(sysusersdir)/keel.conf'

uninstall-hook:
	rm -f '$(DESTDIR)$(tmpfilesdir)/keel.conf' '$(DESTDIR)$(sysusersdir)/keel.conf'
