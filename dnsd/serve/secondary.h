/*
 * Being a secondary: the keeper's zones that come from primaries (dnsd/transfer/refresh.h says when
 * to ask, dnsd/transfer/fetch.h what to make of the answers).
 *
 *     due --> fetcher (UDP, TCP, TLS) --> compile in a thread --> dns_keeper_replace --> refreshed
 */
#ifndef DNSD_SERVE_SECONDARY_H
#define DNSD_SERVE_SECONDARY_H

#include "dnsd/serve/keeper.h"
#include "dnsd/serve/settings.h"

struct dns_secondaries;

/* Returns new, without zones; nothing is asked before dns_secondaries_begin. NULL: no memory. */
struct dns_secondaries *dns_secondaries_new(struct keel_instance *instance,
                                            const struct dns_settings *settings);
void dns_secondaries_free(struct dns_secondaries *secondaries); /* NULL: nothing */

/* What the state says of a zone, in seconds since 1970; both 0: nothing. Its data is what
 * kept->zone serves. */
struct dns_secondary_state {
    uint64_t refreshed, expires;
};
/* A zone with primaries; nothing for others. 0 or KEEL_ENOMEM. */
int dns_secondaries_add(struct dns_secondaries *secondaries, struct dns_kept *kept,
                        const struct dns_secondary_state *state);
void dns_secondaries_remove(struct dns_secondaries *secondaries, const struct dns_kept *kept);

/* The zones are ours to change, from now on; and not any more: what is under way is broken off. */
int dns_secondaries_begin(struct dns_secondaries *secondaries);
void dns_secondaries_stop(struct dns_secondaries *secondaries);

/* A NOTIFY came from peer; the worker has answered it, and looked whether it may. */
void dns_secondaries_notified(struct dns_secondaries *secondaries, const struct dns_kept *kept,
                              const struct keel_addr *peer, const uint8_t *message, size_t size);
/* On demand: for news, or all of it anew. KEEL_ENOENT with diag: it has no primaries. */
int dns_secondaries_refresh(struct dns_secondaries *secondaries, const struct dns_kept *kept,
                            bool transfer, struct keel_diag *diag);
/* Adds to a zone's status: state, when it was refreshed and from whom, when it is asked for next
 * and when it expires (RFC 3339 times are left to the reader: seconds since 1970). */
void dns_secondaries_status(const struct dns_secondaries *secondaries, const struct dns_kept *kept,
                            json_t *row);

#endif
