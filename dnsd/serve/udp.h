/*
 * Queries over UDP, a batch at a time.
 */
#ifndef DNSD_SERVE_UDP_H
#define DNSD_SERVE_UDP_H

#include "common/service/module.h"

/* See struct keel_protocol: on_batch and dgram. */
void dns_udp_batch(struct keel_instance *instance, const struct keel_endpoint *endpoint,
                   struct keel_dgram *d, struct keel_datagram *batch, unsigned count);

/* Longer datagrams are no queries. One cache line more than a power of two: 64 buffers a page
 * apart would all want the same few lines of the first cache. */
#define DNS_UDP_RECEIVE (4096 + 64)
#define DNS_UDP_SEND 4096 /* the most that option udp-size can be */

#endif
