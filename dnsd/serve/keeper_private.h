/*
 * The keeper's insides, for the files that it is made of.
 */
#ifndef DNSD_SERVE_KEEPER_PRIVATE_H
#define DNSD_SERVE_KEEPER_PRIVATE_H

#include "dnsd/serve/keeper.h"
#include "dnsd/serve/notifier.h"
#include "dnsd/serve/publish.h"
#include "dnsd/serve/settings.h"

/* Who may write the state. One keeper of all generations is the owner. */
enum keeper_state {
    KEEPER_WAITING = 1, /* an older one is: requests are queued */
    KEEPER_OWNER,
    KEEPER_RETIRING, /* a newer one will be, once our workers have stopped asking */
    KEEPER_RETIRED,  /* only what is served already is handed out */
};

struct keeper_zone {
    struct dns_kept kept;
    struct dns_published published;
    struct keel_list news; /* in dns_keeper.news, in the order of news_in */
    uint32_t news_in;      /* others are told of the version when this publication is confirmed */
};

struct dns_keeper {
    struct keel_instance *instance;
    enum keeper_state state;
    struct dns_publisher *publisher;
    struct keeper_zone **zones; /* by dns_kept.index; NULL: free */
    unsigned count;
    struct keel_table by_apex;
    struct keel_hash_key key;
    struct dns_notifying *notifying;
    struct keel_list news;
    struct keel_list queue; /* requests that wait until it is the owner */
    size_t queue_bytes;
    bool *left; /* workers that ask no more */
    struct keel_timer retire;
};

/* The zone with this apex (flat, lower-cased), or NULL. */
struct keeper_zone *dns_keeper_find(const struct dns_keeper *keeper, const uint8_t *apex,
                                    size_t size);

/* Reads a zone's file; returns new in *image. KEEL_ECONF with diag `zone "NAME": FILE:LINE: what`,
 * or KEEL_ENOMEM. */
int dns_keeper_load(const struct dns_zone *zone, struct dns_image **image, struct keel_diag *diag);
/* The image at `offset` of the file is the zone from now on. 0 or KEEL_ENOMEM. */
int dns_keeper_serve(struct keeper_zone *zone, struct dns_shared *file, uint64_t offset);

/* --- keeper_requests.c --- */

/* A message of a worker that is a request; it is carried out, queued or refused. */
void dns_keeper_request(struct dns_keeper *keeper, unsigned worker, struct keel_message *message);
/* Carries out what was queued; or refuses it all. */
void dns_keeper_run_queue(struct dns_keeper *keeper, bool refuse);

#endif
