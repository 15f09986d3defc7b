# What needs a kernel of its own: VLANs, and disks that fail. Under emulation, some five minutes; for
# the packages "vm" of packages.txt. VMFLAGS='--cuts 500 --seconds 120 --failures 50'
check-vm: all $(check_PROGRAMS)
	$(AM_TESTS_ENVIRONMENT) $(PYTHON3) $(srcdir)/tests/vm/check.py $(VMFLAGS)
.PHONY: check-vm

EXTRA_DIST += tests/vm/check.py tests/vm/disk_log.py tests/vm/failing.py tests/vm/load.py \
	tests/vm/machine.py
