/*
 * A reply under construction: sections filled with whole RRsets from an image, pointers moved to
 * where they belong.
 *
 * The question's name ends in the zone's apex, so that every name of the zone can be written as
 * its own labels and a pointer into the question.
 */
#ifndef DNSD_ANSWER_REPLY_H
#define DNSD_ANSWER_REPLY_H

#include "common/base/wire.h"
#include "dnsd/wire/message.h"
#include "dnsd/zone/view.h"

enum dns_section { DNS_ANSWER, DNS_AUTHORITY, DNS_ADDITIONAL };

struct dns_reply {
    struct keel_writer out; /* ends where the room does, an OPT's bytes held back */
    struct dns_view view;   /* what names and sets belong to */
    unsigned qname_size;    /* of the question */
    uint16_t counts[3];     /* records in each section */
    bool truncated;
    /* The node that answered or refers, before any alias was followed; DNS_NO_NODE: none did. */
    uint32_t subject;
    bool dnssec; /* the client wants signatures (RFC 4035, 3.1) */
};

/* Where a set's owner is written already, as an offset in the message. */
#define DNS_OWNER_QUESTION DNS_HEADER_SIZE
#define DNS_OWNER_NONE 0 /* nowhere: write it out */

/* Appends a whole RRset of node with its owner at `owner`, and its signatures when they are wanted.
 * Returns the offset of its bytes in the message (less two when the owner was written out); 0 when
 * it does not fit: nothing is written then. */
size_t dns_reply_set(struct dns_reply *reply, enum dns_section section, const struct dns_node *node,
                     const struct dns_set *set, size_t owner);
/* Stands before a record of a set. All zero: the first. */
struct dns_set_cursor {
    uint32_t at, fix;
    uint32_t count; /* records behind it */
};
/* Appends as many records of a set as fit, each with its owner written out, and moves the cursor
 * behind them. */
void dns_reply_records(struct dns_reply *reply, enum dns_section section,
                       const struct dns_node *node, const struct dns_set *set,
                       struct dns_set_cursor *cursor);
/* Appends one record with an uncompressed name as rdata (a CNAME that a DNAME made). Returns the
 * offset of that name, or 0. */
size_t dns_reply_name_record(struct dns_reply *reply, enum dns_section section, size_t owner,
                             uint16_t type, uint32_t ttl, const struct dns_name *name);
/* Appends the addresses that a set's names lead to. at: what dns_reply_set returned for it. With
 * `required` (referral glue, RFC 9471) what does not fit truncates the reply, else it is left
 * out. */
void dns_reply_links(struct dns_reply *reply, const struct dns_node *node,
                     const struct dns_set *set, size_t at, bool required);

#endif
