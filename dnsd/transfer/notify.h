/*
 * NOTIFY out (RFC 1996): which servers have not heard yet of which zone's serial, what to send them
 * now, and what their answers mean. No socket, no clock.
 *
 * A server that has acknowledged the serial that is served is left alone; one that does not answer
 * is told again after 1, 2, 4 ... seconds, then given up until the zone changes or we start anew.
 */
#ifndef DNSD_TRANSFER_NOTIFY_H
#define DNSD_TRANSFER_NOTIFY_H

#include "common/base/addr.h"
#include "common/base/buf.h"
#include "common/base/list.h"
#include "dnsd/wire/tsig.h"
#include "dnsd/zone/zones.h"

#define DNS_NOTIFY_TRIES 10
/* A message is never longer: header, question, SOA, TSIG. */
#define DNS_NOTIFY_SIZE 2048

/* Who wants to hear of a zone. */
struct dns_notify_target {
    const struct dns_zone *zone;
    struct keel_addr addr;
    const struct dns_tsig_key *key; /* NULL: not signed */
};

/* One zone and one server. */
struct dns_notice {
    struct keel_list node; /* in one of the notifier's queues */
    unsigned index;        /* in dns_notifier.items */
    struct dns_notice *next_of_zone;
    struct dns_notify_target target;
    bool told;       /* it has acknowledged */
    uint32_t serial; /* this serial */
    bool waiting;    /* for an answer, or for its turn to be asked again */
    uint32_t sent;   /* the serial that it was told last */
    unsigned tries;
    uint16_t id;
    uint64_t due_ns; /* monotonic */
    struct dns_tsig_session tsig;
};

struct dns_notifier {
    struct dns_notice **items;
    unsigned count;
    struct keel_table by_target;
    struct keel_table by_zone; /* the first of each zone's */
    struct keel_hash_key hash;
    struct keel_list ready;                     /* to be told for the first time */
    struct keel_list waiting[DNS_NOTIFY_TRIES]; /* told so often; each in the order of due_ns */
    bool changed;                               /* there is something new to save */
};

void dns_notifier_init(struct dns_notifier *notifier, struct keel_hash_key hash);
void dns_notifier_fini(struct dns_notifier *notifier);
/* Borrows the zone and the key. KEEL_EEXIST (the same zone and address), KEEL_ENOMEM. */
int dns_notifier_add(struct dns_notifier *notifier, const struct dns_notify_target *target);

/* What was told to whom, as text: a line each, `ZONE ADDRESS SERIAL`. Lines that mean nothing (any
 * more) are passed over. */
void dns_notifier_load(struct dns_notifier *notifier, struct keel_str text);
int dns_notifier_save(struct dns_notifier *notifier, struct keel_buf *out);
/* Queues all who have not acknowledged the serial that is served. */
void dns_notifier_begin(struct dns_notifier *notifier);
/* The same of one zone, which has another serial now. Who has not answered yet is told of it with
 * the next try, or when it has answered. */
void dns_notifier_zone(struct dns_notifier *notifier, const struct dns_zone *zone);
/* The zone is served no more: forgets whom to tell of it. */
void dns_notifier_forget(struct dns_notifier *notifier, const struct dns_zone *zone);

enum dns_notify_action {
    DNS_NOTIFY_NOTHING, /* nothing is due */
    DNS_NOTIFY_SEND,    /* *size bytes in out are for (*notice)->target.addr */
    DNS_NOTIFY_GIVE_UP, /* it never answered */
};
/* What to do now; to be called until there is nothing. out has DNS_NOTIFY_SIZE bytes. now_ns:
 * monotonic; now: seconds since 1970; id: random. */
enum dns_notify_action dns_notifier_next(struct dns_notifier *notifier, uint64_t now_ns,
                                         uint64_t now, uint16_t id, uint8_t *out, size_t *size,
                                         const struct dns_notice **notice);
/* When the next is due, monotonic ns; 0: at once; UINT64_MAX: nothing waits. */
uint64_t dns_notifier_due(const struct dns_notifier *notifier);

enum dns_notify_answer {
    DNS_NOTIFY_STRANGE,  /* no answer to anything that was sent, or not signed as it must be */
    DNS_NOTIFY_HEARD,    /* acknowledged */
    DNS_NOTIFY_REJECTED, /* *rcode says why; it is not told again */
};
/* Takes an answer that came from peer. notice is set unless it is STRANGE. */
enum dns_notify_answer dns_notifier_answer(struct dns_notifier *notifier,
                                           const struct keel_addr *peer, const uint8_t *bytes,
                                           size_t size, uint64_t now,
                                           const struct dns_notice **notice, unsigned *rcode);

#endif
