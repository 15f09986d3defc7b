common_libkeel_la_SOURCES += \
	common/runtime/accept.c \
	common/runtime/child.c \
	common/runtime/child_launch.c \
	common/runtime/child_private.h \
	common/runtime/child_run.c \
	common/runtime/dgram.c \
	common/runtime/file.c \
	common/runtime/file_watch.c \
	common/runtime/link.c \
	common/runtime/loop.c \
	common/runtime/loop_private.h \
	common/runtime/offload.c \
	common/runtime/packet.c \
	common/runtime/probe.c \
	common/runtime/sock.c common/runtime/sock_info.c \
	common/runtime/stream.c \
	common/runtime/stream_file.c \
	common/runtime/stream_input.c \
	common/runtime/stream_output.c \
	common/runtime/stream_private.h \
	common/runtime/stream_queue.c \
	common/runtime/stream_tls.c common/runtime/stream_tls_bio.c \
	common/runtime/stream_tls_info.c common/runtime/stream_tls_private.h common/runtime/tls_info.c \
	common/runtime/timer.c \
	common/runtime/tls.c \
	common/runtime/tls_names.c \
	common/runtime/tls_private.h \
	common/runtime/tls_staple.c \
	common/runtime/tls_ticket.c \
	common/runtime/watch.c
nobase_keelinclude_HEADERS += \
	common/runtime/accept.h \
	common/runtime/child.h \
	common/runtime/dgram.h \
	common/runtime/file.h \
	common/runtime/file_watch.h \
	common/runtime/loop.h \
	common/runtime/offload.h \
	common/runtime/packet.h \
	common/runtime/probe.h \
	common/runtime/sock.h \
	common/runtime/stream.h \
	common/runtime/timer.h \
	common/runtime/tls.h \
	common/runtime/watch.h
