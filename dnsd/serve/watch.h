/*
 * What an operator sees of single questions: `trace` follows those that fit a filter, live; `top`
 * counts for some seconds which clients, names, zones or types are the most frequent ones.
 */
#ifndef DNSD_SERVE_WATCH_H
#define DNSD_SERVE_WATCH_H

#include "common/service/module.h"
#include "common/service/trace.h"
#include "dnsd/answer/query.h"

enum dns_top_subject { DNS_TOP_CLIENT, DNS_TOP_NAME, DNS_TOP_ZONE, DNS_TOP_TYPE };

struct dns_watch {
    struct keel_trace trace;
    struct dns_top *top; /* NULL: nothing is counted */
    enum dns_top_subject subject;
    unsigned rows, seconds;
    struct keel_timer end;
    struct keel_deferred *owed; /* the reply to `top` */
};

void dns_watch_init(struct dns_watch *watch, struct keel_loop *loop);
void dns_watch_fini(struct dns_watch *watch);
static inline bool dns_watch_on(const struct dns_watch *watch)
{
    return keel_trace_on(&watch->trace) || watch->top;
}
/* A question that has been answered with `size` bytes (0: not at all). `what`: "udp", "tcp",
 * "tls". Only while it is on. */
void dns_watch_query(struct dns_watch *watch, const struct dns_query *query, const char *what,
                     const uint8_t *reply, size_t size);

/* `run` of the commands, but for the watch. */
int dns_watch_trace(struct dns_watch *watch, json_t *args, json_t **result, struct keel_diag *diag);
int dns_watch_top(struct dns_watch *watch, struct keel_instance *instance, json_t *args,
                  struct keel_diag *diag);
#define DNS_TRACE_USAGE "[client=PREFIX] [name=NAME] [type=TYPE] [rcode=CODE]"
#define DNS_TOP_USAGE "client|name|zone|type [SECONDS [ROWS]]"

#endif
