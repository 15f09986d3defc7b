/*
 * One conversation with a primary (dnsd/transfer/fetch.h) over UDP, TCP or TLS.
 */
#ifndef DNSD_SERVE_FETCHER_H
#define DNSD_SERVE_FETCHER_H

#include "common/runtime/stream.h"
#include "dnsd/serve/primaries.h"
#include "dnsd/transfer/fetch.h"

#define DNS_FETCHER_TRIES 3 /* over UDP */

struct dns_fetcher {
    struct dns_fetch fetch; /* its outcome, once on_end was called */
    struct keel_addr peer;
    bool encrypted;
    bool silent; /* UDP: there was no answer */
    uint64_t began_ns;
    /* private: */
    struct keel_loop *loop;
    struct keel_stream stream;
    bool streaming;
    bool abandoned; /* freed when the stream is gone */
    uint64_t idle_ns;
    struct keel_io io; /* UDP */
    int fd;
    unsigned tries;
    struct keel_timer timer;
    void (*on_end)(struct dns_fetcher *fetcher);
    void *arg;
};

/* Begins; options->udp chooses UDP. idle_ns: how long a stream may be silent. on_end is called
 * once, never before this returns, and may free it. Returns new; NULL with errno or memory out. */
struct dns_fetcher *dns_fetcher_new(struct keel_loop *loop, const struct dns_primary *primary,
                                    const struct dns_fetch_options *options, uint64_t idle_ns,
                                    void (*on_end)(struct dns_fetcher *fetcher), void *arg);
/* Breaks off what is under way, without on_end. NULL: nothing. */
void dns_fetcher_free(struct dns_fetcher *fetcher);

#endif
