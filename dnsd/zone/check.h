/*
 * What is odd in a zone, but no reason to refuse it: told with file and line. (What is a reason is
 * said where it stands in the way: dnsd/zone/compile.h, layout.h.)
 */
#ifndef DNSD_ZONE_CHECK_H
#define DNSD_ZONE_CHECK_H

#include "dnsd/zone/denial_build.h"
#include "dnsd/zone/tree.h"

enum dns_check {
    DNS_CHECK_TTL,            /* the TTLs of an RRset differ (RFC 2181, 5.2) */
    DNS_CHECK_SOA_TIMES,      /* a zone expires before a refresh was tried twice (RFC 1912, 2.2) */
    DNS_CHECK_NS_ADDRESS,     /* a name server of this zone, or below its own delegation, without
                                 address (RFC 9471, 2.1) */
    DNS_CHECK_NS_CNAME,       /* it is an alias (RFC 2181, 10.3) */
    DNS_CHECK_TARGET_CNAME,   /* the same of an MX or SRV record */
    DNS_CHECK_TARGET_MISSING, /* it points to a name of this zone that does not exist */
    DNS_CHECK_HIDDEN,         /* a record that a delegation hides */
    DNS_CHECK_DS,             /* DS without a delegation (RFC 4034, 5) */
    DNS_CHECK_CNAME_CHAIN,    /* longer than an answer follows, or a loop */
    DNS_CHECKS
};
#define DNS_CHECK_CHAIN 16 /* aliases behind each other that are followed */
#define DNS_CHECK_TOLD 10  /* of each kind; of more only the number is told */

struct dns_checks {
    const struct dns_tree *tree; /* sorted, with flags */
    dns_zone_warning warn;
    void *arg;
    unsigned counts[DNS_CHECKS];
};

/* Looks at one node and its records; in any order. */
void dns_check_node(struct dns_checks *checks, const struct dns_tree_node *node);
/* How many there were beyond those that were told. */
void dns_check_end(const struct dns_checks *checks);

#endif
