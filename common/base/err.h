/*
 * Errors: one enum, one text table, one place for the sentence that a person reads.
 *
 * A function that can fail returns 0 (or a count) or one of these negative codes. What went
 * wrong in particular is written once, where it is known, into a keel_diag that the caller lends.
 */
#ifndef KEEL_BASE_ERR_H
#define KEEL_BASE_ERR_H

enum keel_err {
    KEEL_OK = 0,
    KEEL_ENOMEM = -1,     /* no memory */
    KEEL_EINVAL = -2,     /* malformed input */
    KEEL_ERANGE = -3,     /* a number outside its range */
    KEEL_ETRUNC = -4,     /* the input ends too early */
    KEEL_ENOSPC = -5,     /* the output does not fit */
    KEEL_EAGAIN = -6,     /* not now; try again when told */
    KEEL_EOF = -7,        /* the peer closed */
    KEEL_ETIMEDOUT = -8,  /* the deadline passed */
    KEEL_ENOENT = -9,     /* no such thing */
    KEEL_EEXIST = -10,    /* exists already */
    KEEL_EACCES = -11,    /* not permitted */
    KEEL_EBUSY = -12,     /* in use by another */
    KEEL_ESYS = -13,      /* a system call failed: errno says how */
    KEEL_EPROTO = -14,    /* the peer broke the protocol */
    KEEL_ELIMIT = -15,    /* a configured limit is reached */
    KEEL_ECANCELED = -16, /* stopped by its owner */
    KEEL_ENOTSUP = -17,   /* not supported here */
    KEEL_ECONF = -18,     /* the configuration is wrong: the diag says file, line and what */
    KEEL_ETLS = -19,      /* TLS failed: the diag or log says how */
};

/* The sentence for a code; never NULL. Static storage. */
const char *keel_strerror(int err);

/* What went wrong this time, for a person. The caller lends it; the callee fills it in, and only
 * when it fails. */
struct keel_diag {
    char text[1024];
};

/* Formats into diag, which may be NULL, and cuts what does not fit. diag->text may be an argument,
 * so that a caller can put where before what. Returns err, so that a failure is one line: `return
 * keel_diag_set(diag, KEEL_EINVAL, "...", ...);` */
int keel_diag_set(struct keel_diag *diag, int err, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));
/* Memory is out. Returns KEEL_ENOMEM. */
int keel_diag_memory(struct keel_diag *diag);

/* For a promise that only our own code can break: prints the message and a backtrace to stderr and
 * aborts, in release builds too. The master then restarts the process. */
#define KEEL_ASSERT(cond, message)                                                                 \
    ((cond) ? (void)0 : keel_panic(__FILE__, __LINE__, __func__, #cond, message))
void keel_panic(const char *file, int line, const char *func, const char *cond, const char *message)
    __attribute__((noreturn, cold));

#endif
