#define RECORD_MAJOR (KEEL_ABI_MAJOR + 1)
#include "tests/unit/service/modules/good.c"
