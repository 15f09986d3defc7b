
nobase_keelinclude_HEADERS += \
	common/service/channel.h \
	common/service/conf.h \
	common/service/control.h \
	common/service/daemon.h \
	common/service/log.h \
	common/service/metric.h \
	common/service/module.h \
	common/service/rows.h \
	common/service/trace.h
common_libkeel_la_SOURCES += common/service/metric.c common/service/board.c common/service/module.c
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
common_libkeel_la_SOURCES += \
	common/service/balance.c \
	common/service/certificates.c \
	common/service/certificates.h \
	common/service/channel.c \
	common/service/connections.c \
	common/service/connections.h \
	common/service/control.c \
	common/service/control_ask.c \
	common/service/control_request.c \
	common/service/control_server.h \
	common/service/crash.c \
	common/service/crash.h \
	common/service/daemon.c \
	common/service/generation.c \
	common/service/host.c \
	common/service/host.h \
	common/service/manifest.c \
	common/service/manifest.h \
	common/service/master.c \
	common/service/master.h \
	common/service/master_command.c \
	common/service/notify.c \
	common/service/notify.h \
	common/service/options.c \
	common/service/options.h \
	common/service/paths.c \
	common/service/paths.h \
	common/service/peers.c \
	common/service/peers.h \
	common/service/process.c \
	common/service/renew.c \
	common/service/rows.c \
	common/service/segment.c \
	common/service/segment.h \
	common/service/sockets.c \
	common/service/sockets.h \
	common/service/supervise.c \
	common/service/tickets.c \
	common/service/totals.c \
	common/service/trace.c \
	common/service/upgrade.c \
	common/service/worker.c \
	common/service/worker.h \
	common/service/worker_command.c \
	common/service/worker_command.h \
	common/service/sandbox.c \
	common/service/sandbox.h \
	common/service/sandbox_landlock.c \
	common/service/sandbox_level.h \
	common/service/sandbox_seccomp.c
