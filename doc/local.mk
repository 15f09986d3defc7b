dist_man_MANS += doc/keelctl.1
noinst_PROGRAMS += doc/examples/echod
doc_examples_echod_SOURCES = doc/examples/echod.c
doc_examples_echod_LDADD = common/libkeel.la $(JANSSON_LIBS)
EXTRA_DIST += doc/examples/echod.c
dist_doc_DATA += doc/configuration.md
