
nobase_keelinclude_HEADERS += \
	common/store/store.h
common_libkeel_la_SOURCES += common/store/store.c
