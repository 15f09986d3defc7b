
nobase_keelinclude_HEADERS += \
	common/service/conf.h \
	common/service/control.h \
	common/service/daemon.h \
	common/service/log.h \
	common/service/metric.h \
	common/service/module.h
common_libkeel_la_SOURCES += common/service/metric.c common/service/module.c
