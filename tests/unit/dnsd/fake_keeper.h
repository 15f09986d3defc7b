/*
 * The keeper's end of a worker's channel, in the hands of a test.
 */
#ifndef KEEL_TESTS_DNSD_FAKE_KEEPER_H
#define KEEL_TESTS_DNSD_FAKE_KEEPER_H

#include "common/service/host.h"

struct fake_keeper {
    int fd; /* -1: it is not there */
    struct keel_loop *loop;
};

/* The host hears that it is there; and that it is not any more. */
void fake_keeper_join(struct fake_keeper *keeper, struct keel_host *host, struct keel_loop *loop);
void fake_keeper_die(struct fake_keeper *keeper);
/* The same, but the host does not hear of it before its loop turns. */
void fake_keeper_fini(struct fake_keeper *keeper);
/* The next UPDATE that it was sent: fills bytes (UINT16_MAX of them) and *size, and returns its
 * number. 0 and no bytes: there is none. */
uint32_t fake_keeper_get(struct fake_keeper *keeper, uint8_t *bytes, size_t *size);
void fake_keeper_reply(struct fake_keeper *keeper, uint32_t number, unsigned rcode);

#endif
