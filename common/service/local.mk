
nobase_keelinclude_HEADERS += \
	common/service/conf.h \
	common/service/control.h \
	common/service/daemon.h \
	common/service/log.h \
	common/service/metric.h \
	common/service/module.h
