sbin_PROGRAMS += common/keeld/keeld
common_keeld_keeld_SOURCES = common/keeld/keeld.c
common_keeld_keeld_LDADD = common/libkeel.la
