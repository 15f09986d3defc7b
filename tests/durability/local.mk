# What clients were told is in the store, whatever happens to process, power and disk.
check_PROGRAMS += tests/durability/dhcp_durability
TESTS += tests/durability/dhcp_durability
tests_durability_dhcp_durability_SOURCES = tests/durability/dhcp_durability.c \
	tests/durability/cut_disk.c tests/durability/cut_disk.h \
	tests/support/dhcp_lab.c tests/support/dhcp_lab.h \
	tests/support/dhcp_memory_store.c tests/support/dhcp_memory_store.h
tests_durability_dhcp_durability_LDADD = dhcpd/libdhcpd.la common/libkeel.la

# The long form; TRIALS and SEED say how long and which.
dhcp-durability: tests/durability/dhcp_durability$(EXEEXT)
	tests/durability/dhcp_durability$(EXEEXT) $${TRIALS:-20000} $$SEED
.PHONY: dhcp-durability
