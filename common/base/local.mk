nobase_keelinclude_HEADERS += \
	common/base/addr.h \
	common/base/buf.h \
	common/base/clock.h \
	common/base/digest.h \
	common/base/err.h \
	common/base/clients.h \
	common/base/hash.h \
	common/base/list.h \
	common/base/mem.h \
	common/base/rand.h \
	common/base/str.h \
	common/base/wire.h
common_libkeel_la_SOURCES += \
	common/base/addr.c \
	common/base/buf.c \
	common/base/clock.c \
	common/base/digest.c \
	common/base/err.c \
	common/base/clients.c \
	common/base/hash.c \
	common/base/mem.c \
	common/base/rand.c \
	common/base/str.c
