/*
 * The engine: one message in; out come a reply, where it goes, and changes in the store. It knows
 * RFC 2131 and no socket: clock, randomness and store are arguments.
 */
#ifndef DHCPD_ENGINE_ENGINE_H
#define DHCPD_ENGINE_ENGINE_H

#include "common/base/clock.h"
#include "common/base/rand.h"
#include "dhcpd/engine/config.h"
#include "dhcpd/engine/event.h"
#include "dhcpd/lease/store.h"

struct dhcp_engine;

/* What it works with; all borrowed for its life. */
struct dhcp_env {
    const struct dhcp_config *config;
    const struct keel_clock *clock;
    struct keel_prng *prng;
    struct dhcp_store *store;
    /* Where events go, with room for DHCP_EVENTS_PER_MESSAGE before each message; NULL: nobody
     * listens. */
    struct dhcp_events *events;
};

/* A datagram and how it came. Addresses in host order. */
struct dhcp_input {
    const uint8_t *bytes;
    size_t size;
    uint32_t peer;
    uint16_t peer_port;
    uint32_t local; /* the address of ours that the sender reached, or may reach us by */
    uint16_t local_port;
    bool broadcast;        /* it was not sent to us alone: the sender is on the link */
    const char *interface; /* the link it came from directly; "": a port for relays */
    bool may_probe;        /* the sender can wait while an address is probed */
    uint32_t silent;       /* an address that was probed for it: nobody is there; 0: none */
};

/* Where a reply goes (RFC 2131, 4.1). */
enum dhcp_target {
    DHCP_TO_ADDRESS,  /* to a relay, or to a client that has the address already */
    DHCP_TO_LINK,     /* broadcast */
    DHCP_TO_HARDWARE, /* to a client that does not have `address` yet, by its hardware address */
};

/* What came of a message. */
enum dhcp_outcome {
    DHCP_REPLIED,
    DHCP_DONE,         /* nothing to say: RELEASE, DECLINE */
    DHCP_PROBING,      /* `lease` is to be probed first; then the message comes again */
    DHCP_MALFORMED,    /* no DHCP message, or one that contradicts itself */
    DHCP_NO_SUBNET,    /* from a link that the configuration does not know */
    DHCP_NO_ADDRESS,   /* every address is in use */
    DHCP_OTHER_SERVER, /* the client chose another server */
    DHCP_NOT_KNOWN,    /* a client never seen, and not for us to refuse */
    DHCP_NO_SERVER_ID, /* no address of ours is known on that link */
    DHCP_STORE_FAILED,
    DHCP_LIMITED, /* its circuit or hardware address has all the leases that it may have */
    DHCP_IGNORED, /* in a class that is not answered */
    DHCP_OUTCOMES
};
/* "replied", "no-address"; static. */
const char *dhcp_outcome_name(enum dhcp_outcome outcome);

#define DHCP_CHANGES_MAX 4
struct dhcp_decision {
    enum dhcp_outcome outcome;
    enum dhcp_type received, sent; /* DHCP_NONE: unreadable, or no reply */
    enum dhcp_target target;
    uint32_t address; /* where to, host order */
    uint16_t port;
    size_t size;                     /* of the reply */
    uint8_t htype, hlen, chaddr[16]; /* of the client */
    uint32_t lease;                  /* the address talked about; 0: none */
    /* Addresses whose records changed. When there are any, the reply must not leave before they
     * are durable. */
    uint32_t changed[DHCP_CHANGES_MAX];
    unsigned changes;
};

/* Returns new. The store's leases are walked once to fill the pools; it must be readable now.
 * KEEL_ENOMEM or an error of the store. */
int dhcp_engine_new(const struct dhcp_env *env, struct dhcp_engine **out);
void dhcp_engine_free(struct dhcp_engine *engine);

/* Decides. reply has room >= DHCP_MESSAGE_MIN octets. A batch of the store must be open. */
void dhcp_engine_process(struct dhcp_engine *engine, const struct dhcp_input *input, uint8_t *reply,
                         size_t room, struct dhcp_decision *decision);
/* Somebody answered at an address that was probed: it rests, as after a DECLINE. A batch of the
 * store must be open. 0 or an error of the store. */
int dhcp_engine_quarantine(struct dhcp_engine *engine, uint32_t address);
/* Lets offers lapse and leases expire; to be called before a batch and from time to time. */
void dhcp_engine_tick(struct dhcp_engine *engine);
/* Leases have expired that nobody was told of yet. */
bool dhcp_engine_unsettled(const struct dhcp_engine *engine);
/* Tells of them, as far as there is room for events. A batch of the store must be open: they are
 * marked there. all: looks also at leases outside of the pools; for a timer. 0 or an error of
 * the store; when the batch is not committed, the addresses of the events are to be resynced. */
int dhcp_engine_settle(struct dhcp_engine *engine, bool all);
/* After a batch that was not committed: brings memory back in step with the store for an address
 * in `changed`. The store must be readable. */
void dhcp_engine_resync(struct dhcp_engine *engine, uint32_t address);

/* What the walk at the start found. */
struct dhcp_engine_load {
    uint64_t leases;     /* of addresses in pools */
    uint64_t outside;    /* in no pool: reservations, or pools of an older configuration */
    uint64_t unreadable; /* records that cannot be read: their addresses are given to nobody */
};
const struct dhcp_engine_load *dhcp_engine_loaded(const struct dhcp_engine *engine);

/* Messages of the clients of a subnet, or about the addresses of a pool, since the start. */
struct dhcp_counters {
    uint64_t discovers, offers, acks, naks, releases, declines;
    uint64_t exhausted; /* clients for whom no address was left; of subnets only */
};

/* Pools, for a person to see. */
struct dhcp_pool_view {
    const struct dhcp_subnet *subnet;
    uint32_t first, last, size;
    uint32_t bound;   /* leased or resting after a DECLINE */
    uint32_t expired; /* kept for their last owner while others are free */
    uint32_t free;
    const struct dhcp_counters *counters;
};
unsigned dhcp_engine_pool_count(const struct dhcp_engine *engine);
void dhcp_engine_pool(const struct dhcp_engine *engine, unsigned i, struct dhcp_pool_view *view);
/* Of the subnet with this index in the configuration. */
const struct dhcp_counters *dhcp_engine_subnet_counters(const struct dhcp_engine *engine,
                                                        unsigned subnet);
unsigned dhcp_engine_offers(const struct dhcp_engine *engine);

#endif
