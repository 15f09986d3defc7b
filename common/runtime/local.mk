common_libkeel_la_SOURCES += \
	common/runtime/dgram.c \
	common/runtime/loop.c \
	common/runtime/loop_private.h \
	common/runtime/sock.c \
	common/runtime/stream.c \
	common/runtime/stream_input.c \
	common/runtime/stream_output.c \
	common/runtime/stream_private.h \
	common/runtime/stream_queue.c \
	common/runtime/stream_tls.c \
	common/runtime/timer.c \
	common/runtime/tls.c \
	common/runtime/tls_names.c \
	common/runtime/tls_private.h \
	common/runtime/tls_staple.c \
	common/runtime/tls_ticket.c
nobase_keelinclude_HEADERS += \
	common/runtime/dgram.h \
	common/runtime/loop.h \
	common/runtime/sock.h \
	common/runtime/stream.h \
	common/runtime/timer.h \
	common/runtime/tls.h
nobase_keelinclude_HEADERS += \
	common/runtime/child.h \
	common/runtime/offload.h \
	common/runtime/packet.h \
	common/runtime/probe.h
common_libkeel_la_SOURCES += \
	common/runtime/child.c \
	common/runtime/probe.c \
	common/runtime/child_launch.c \
	common/runtime/child_private.h \
	common/runtime/child_run.c \
	common/runtime/link.c \
	common/runtime/offload.c \
	common/runtime/packet.c
nobase_keelinclude_HEADERS += common/runtime/accept.h
common_libkeel_la_SOURCES += common/runtime/accept.c
nobase_keelinclude_HEADERS += common/runtime/watch.h
common_libkeel_la_SOURCES += common/runtime/watch.c
