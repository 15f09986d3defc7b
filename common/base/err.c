#include "common/base/err.h"

#include <stdarg.h>
#include <stdio.h>

int keel_diag_set(struct keel_diag *diag, int err, const char *fmt, ...)
{
    if (diag) {
        va_list ap;
        va_start(ap, fmt);
        vsnprintf(diag->text, sizeof diag->text, fmt, ap);
        va_end(ap);
    }
    return err;
}
