nobase_keelinclude_HEADERS += \
	common/store/store.h
common_libkeel_la_SOURCES += \
	common/store/store.c \
	common/store/store_batch.c \
	common/store/store_private.h \
	common/store/store_read.c
