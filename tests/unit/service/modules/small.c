#define RECORD_SIZE 64
#include "tests/unit/service/modules/good.c"
