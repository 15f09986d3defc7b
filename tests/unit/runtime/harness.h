/*
 * What the runtime's tests share: a loop, a recording owner of streams, certificates made on the
 * spot.
 */
#ifndef KEEL_TESTS_RUNTIME_HARNESS_H
#define KEEL_TESTS_RUNTIME_HARNESS_H

#include "common/base/buf.h"
#include "common/runtime/dgram.h"
#include "common/runtime/loop.h"
#include "common/runtime/sock.h"
#include "common/runtime/stream.h"
#include "common/runtime/timer.h"
#include "common/runtime/tls.h"

#include <check.h>

/* An owner that records everything. What it does in a callback is set by `in_data` and friends. */
struct owner {
    struct keel_stream s;
    struct keel_buf in;
    int opened, eofs, drained, deadlines, closed, data_calls;
    enum keel_stream_end why;
    size_t largest; /* most bytes offered at once */
    size_t take;    /* most bytes used of an offer; SIZE_MAX: all */
    bool echo;
    void (*in_data)(struct owner *o);
    void (*in_eof)(struct owner *o);
    void (*in_open)(struct owner *o);
    void (*in_drained)(struct owner *o);
    void (*in_deadline)(struct owner *o);
    struct owner *other; /* for tests of two */
    int count;
};
extern const struct keel_stream_ops owner_ops;
extern const struct keel_stream_ops bare_ops; /* on_data and on_close alone */
void owner_init(struct owner *o);
void owner_fini(struct owner *o);
/* A socket pair: the stream on one end, the other end returned (nonblocking). */
int owner_start(struct owner *o, struct keel_loop *loop);

/* Turns until *flag >= value; fails the test after 5 s. */
void turn_until(struct keel_loop *loop, const int *flag, int value);
void turn_for(struct keel_loop *loop, uint64_t ns);

/* Loopback listener on a free port. */
int listen_any(sa_family_t family, struct keel_addr *bound);
/* Accepts one, waiting for it. */
int accept_one(int listener);

/* Writes NAME.crt and NAME.key into dir: an EC certificate for these DNS names (NULL-terminated),
 * signed by `issuer` (a NAME written before) or by itself. Returns the directory in a static
 * buffer. */
void certificate_make(const char *dir, const char *name, const char *const *dns_names,
                      const char *issuer);
char *test_directory(void); /* a new temporary one; heap */
void test_directory_remove(char *dir);

#endif
