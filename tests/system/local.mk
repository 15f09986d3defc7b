# System tests: the real daemons, driven from outside. tests/system/keel.py is their harness.
EXTRA_DIST += tests/support/tap.py \
	tests/system/test_layers.py
TESTS += tests/system/test_layers.py
