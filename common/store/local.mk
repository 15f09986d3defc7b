
nobase_keelinclude_HEADERS += \
	common/store/store.h
