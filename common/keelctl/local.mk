bin_PROGRAMS += common/keelctl/keelctl
common_keelctl_keelctl_SOURCES = \
	common/keelctl/client.c \
	common/keelctl/client.h \
	common/keelctl/console.c \
	common/keelctl/console.h \
	common/keelctl/main.c \
	common/keelctl/print.c \
	common/keelctl/print.h \
	common/keelctl/watch.c \
	common/keelctl/watch.h
common_keelctl_keelctl_CPPFLAGS = $(AM_CPPFLAGS) $(EDIT_CFLAGS)
common_keelctl_keelctl_LDADD = common/libkeel.la $(JANSSON_LIBS) $(EDIT_LIBS)
