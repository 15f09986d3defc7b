#include "common/base/err.h"

#include <execinfo.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Indexed by the negated code. */
static const char *const err_texts[] = {
    [-KEEL_OK] = "success",
    [-KEEL_ENOMEM] = "out of memory",
    [-KEEL_EINVAL] = "malformed input",
    [-KEEL_ERANGE] = "number out of range",
    [-KEEL_ETRUNC] = "input ends too early",
    [-KEEL_ENOSPC] = "output does not fit",
    [-KEEL_EAGAIN] = "not ready yet",
    [-KEEL_EOF] = "closed by the peer",
    [-KEEL_ETIMEDOUT] = "deadline passed",
    [-KEEL_ENOENT] = "not found",
    [-KEEL_EEXIST] = "exists already",
    [-KEEL_EACCES] = "not permitted",
    [-KEEL_EBUSY] = "in use",
    [-KEEL_ESYS] = "system call failed",
    [-KEEL_EPROTO] = "protocol violated by the peer",
    [-KEEL_ELIMIT] = "limit reached",
    [-KEEL_ECANCELED] = "canceled",
    [-KEEL_ENOTSUP] = "not supported",
    [-KEEL_ECONF] = "configuration is wrong",
    [-KEEL_ETLS] = "TLS failed",
};

const char *keel_strerror(int err)
{
    const int count = sizeof err_texts / sizeof err_texts[0];
    if (err > 0 || err <= -count)
        return "unknown error";
    return err_texts[-err];
}

int keel_diag_set(struct keel_diag *diag, int err, const char *fmt, ...)
{
    if (diag) {
        struct keel_diag text; /* not in place: an argument may be the text that stands there */
        va_list ap;
        va_start(ap, fmt);
        int n = vsnprintf(text.text, sizeof text.text, fmt, ap);
        va_end(ap);
        if (n < 0)
            n = 0;
        else if ((size_t)n >= sizeof text.text)
            n = sizeof text.text - 1;
        memcpy(diag->text, text.text, (size_t)n);
        diag->text[n] = '\0';
    }
    return err;
}

int keel_diag_memory(struct keel_diag *diag)
{
    return keel_diag_set(diag, KEEL_ENOMEM, "%s", keel_strerror(KEEL_ENOMEM));
}

void keel_panic(const char *file, int line, const char *func, const char *cond, const char *message)
{
    void *frames[64];
    /* dprintf, not stdio: whatever broke may have been holding the lock of stderr */
    dprintf(STDERR_FILENO, "panic: %s:%d: %s: %s (%s)\n", file, line, func, message, cond);
    int depth = backtrace(frames, (int)(sizeof frames / sizeof frames[0]));
    backtrace_symbols_fd(frames, depth, STDERR_FILENO);
    abort();
}
