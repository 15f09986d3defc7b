/*
 * What a worker asks the keeper for: an UPDATE to be carried out, a NOTIFY to be heard, differences
 * for an IXFR. Each request gets exactly one reply, at the latest when the keeper is gone. While
 * there is none, as when it is being restarted, requests are held for a little while.
 */
#ifndef DNSD_SERVE_REQUESTS_H
#define DNSD_SERVE_REQUESTS_H

#include "common/base/hash.h"
#include "common/runtime/timer.h"
#include "common/service/module.h"
#include "dnsd/serve/messages.h"

/* Most that wait for a reply at a time, in one worker; and most that are held, and their bytes. */
#define DNS_REQUESTS_MAX 4096
#define DNS_REQUESTS_HELD_BYTES ((size_t)8 << 20)

struct dns_requests {
    struct keel_instance *instance;
    struct keel_hash_key key;
    struct keel_table waiting; /* by number */
    uint32_t next;
    struct keel_list held; /* oldest first */
    size_t held_bytes;
    struct keel_timer give_up; /* of what is held */
};

/* Embedded by who waits. */
struct dns_request {
    uint32_t number; /* 0: nothing waits */
    bool held;       /* private: it was not sent yet */
    /* rcode: enum dns_rcode; SERVFAIL also when there is no keeper (any more). message: the reply,
     * whose descriptors may be taken; NULL when there is none. The request may be freed. */
    void (*on_reply)(struct dns_request *request, unsigned rcode, struct keel_message *message);
};

void dns_requests_init(struct dns_requests *requests, struct keel_instance *instance);
void dns_requests_fini(struct dns_requests *requests); /* calls on_reply of those that wait */

/* request: who waits for the reply; NULL: nobody. 0: on_reply will be called, later. KEEL_ELIMIT:
 * too many wait; KEEL_ENOMEM. */
int dns_requests_send(struct dns_requests *requests, struct dns_request *request, uint32_t type,
                      const struct dns_name *apex, const struct keel_addr *peer, const void *bytes,
                      size_t size);
/* Nobody waits for it any more: on_reply is not called. What was asked for happens all the same. */
void dns_requests_cancel(struct dns_requests *requests, struct dns_request *request);
unsigned dns_requests_waiting(const struct dns_requests *requests);

/* A DNS_MSG_REPLY. */
void dns_requests_message(struct dns_requests *requests, struct keel_message *message);
/* The end of the keeper: what was sent to it gets SERVFAIL, for it may have happened or not. And
 * the next one: it gets what was held. */
void dns_requests_down(struct dns_requests *requests);
void dns_requests_up(struct dns_requests *requests);

#endif
