
nobase_keelinclude_HEADERS += \
	common/runtime/dgram.h \
	common/runtime/loop.h \
	common/runtime/stream.h \
	common/runtime/timer.h
nobase_keelinclude_HEADERS += \
	common/runtime/child.h \
	common/runtime/offload.h \
	common/runtime/packet.h
