/*
 * Dynamic updates: what is to be entered in or removed from the DNS for a lease, as a record that
 * waits in the store; the messages for it (RFC 2136), and what their answers mean. Who owns a name
 * is told by its DHCID record (RFC 4701, 4703): a name of somebody else is left alone.
 */
#ifndef DHCPD_ENGINE_DDNS_H
#define DHCPD_ENGINE_DDNS_H

#include "dhcpd/engine/fqdn.h"
#include "dhcpd/lease/lease.h"

#define DHCP_DHCID_SIZE 35 /* code of the identifier, code of the digest, SHA-256 */

enum dhcp_ddns_kind { DHCP_DDNS_ADD = 1, DHCP_DDNS_REMOVE };

/* One piece of work. */
struct dhcp_ddns_op {
    enum dhcp_ddns_kind kind;
    bool forward, reverse;
    uint32_t address, ttl;
    uint64_t queued; /* seconds since 1970 */
    uint8_t dhcid[DHCP_DHCID_SIZE];
    struct dns_name name;
};

/* The rdata for a client and a name (RFC 4701, 3). identity: as in a lease. 0, or KEEL_ENOTSUP when
 * libcrypto fails. */
int dhcp_dhcid(struct dhcp_bytes identity, const struct dns_name *name,
               uint8_t out[DHCP_DHCID_SIZE]);

#define DHCP_DDNS_RECORD_MAX (20 + DHCP_DHCID_SIZE + DNS_NAME_MAX)
size_t dhcp_ddns_encode(const struct dhcp_ddns_op *op, uint8_t *out);
/* KEEL_EINVAL when it is none of ours. */
int dhcp_ddns_decode(struct dhcp_ddns_op *op, const void *record, size_t size);

/* The messages of a piece of work, one after the other. */
enum dhcp_ddns_step {
    DHCP_DDNS_ADD_NEW,     /* the name is nobody's: address and DHCID */
    DHCP_DDNS_ADD_OWN,     /* the name is this client's: the address in place of the old one */
    DHCP_DDNS_ADD_POINTER, /* the name for the address */
    DHCP_DDNS_DEL_ADDRESS, /* the address of this client's name */
    DHCP_DDNS_DEL_NAME,    /* the name, when no address is left */
    DHCP_DDNS_DEL_POINTER, /* the name for the address, when it is this one */
    DHCP_DDNS_DONE,
    DHCP_DDNS_CONFLICT, /* over: the name is somebody else's */
    DHCP_DDNS_FAILED,   /* over: the server will never take it */
};
/* "done", "conflict", "failed"; "under way" for the others. Static. */
const char *dhcp_ddns_step_name(enum dhcp_ddns_step step);
static inline bool dhcp_ddns_is_over(enum dhcp_ddns_step step)
{
    return step >= DHCP_DDNS_DONE;
}
/* The first. An op with nothing to do is done. */
enum dhcp_ddns_step dhcp_ddns_first(const struct dhcp_ddns_op *op);
/* What follows an answer to this step. KEEL_EAGAIN in *err: the same once more, later: the server
 * cannot or does not want to now; else 0. */
enum dhcp_ddns_step dhcp_ddns_next(const struct dhcp_ddns_op *op, enum dhcp_ddns_step step,
                                   unsigned rcode, int *err);
/* Writes the UPDATE message for a step; no TSIG yet. KEEL_ENOENT: no zone of ours has the name (any
 * more); KEEL_ENOSPC. */
#define DHCP_DDNS_MESSAGE_MAX 2048
int dhcp_ddns_build(const struct dhcp_ddns_op *op, enum dhcp_ddns_step step,
                    const struct dhcp_naming *rules, uint16_t id, struct keel_writer *w);

#endif
