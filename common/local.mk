lib_LTLIBRARIES += common/libkeel.la
common_libkeel_la_SOURCES =
common_libkeel_la_LIBADD = $(EVENT_LIBS) $(SSL_LIBS) $(LMDB_LIBS) \
	$(JANSSON_LIBS) $(SECCOMP_LIBS) $(CAP_LIBS) -ldl -lpthread
common_libkeel_la_LDFLAGS = $(AM_LDFLAGS) -version-info 0:0:0
pkgconfig_DATA = common/libkeel.pc
nobase_keelinclude_HEADERS += common/keel.h

include common/base/local.mk
include common/runtime/local.mk
include common/service/local.mk
include common/store/local.mk
include common/keelctl/local.mk
include common/keeld/local.mk
