
nobase_keelinclude_HEADERS += \
	common/service/conf.h \
	common/service/control.h \
	common/service/daemon.h \
	common/service/log.h \
	common/service/metric.h \
	common/service/module.h
common_libkeel_la_SOURCES += common/service/metric.c common/service/module.c
common_libkeel_la_SOURCES += \
	common/service/conf.c \
	common/service/conf_guess.c \
	common/service/conf_parse.c \
	common/service/conf_print.c \
	common/service/conf_scan.c \
	common/service/conf_scan.h \
	common/service/conf_tree.c \
	common/service/conf_tree.h \
	common/service/conf_value.c
common_libkeel_la_SOURCES += \
	common/service/log.c \
	common/service/log_fields.c \
	common/service/log_line.h \
	common/service/log_render.c \
	common/service/log_target.c \
	common/service/log_target.h
