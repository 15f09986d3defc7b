# Scenarios: text files that are played into an engine with a fake clock and a store in memory.
SCENARIOS_DHCPD = discover selecting reboot renewing decline-release-inform policy reservations \
	relays shared boot times limits netboot matrix
check_PROGRAMS += tests/scenario/dhcpd/play
TESTS += tests/scenario/dhcpd/play
tests_scenario_dhcpd_play_SOURCES = tests/scenario/dhcpd/play.c \
	tests/scenario/dhcpd/message.c tests/scenario/dhcpd/player.h \
	tests/support/dhcp_memory_store.c tests/support/dhcp_memory_store.h
tests_scenario_dhcpd_play_LDADD = dhcpd/libdhcpd.la
EXTRA_DIST += $(SCENARIOS_DHCPD:%=tests/scenario/dhcpd/%.txt)
