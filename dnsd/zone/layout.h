/*
 * Writes the names of a tree (dnsd/zone/tree.h) as a block: what dnsd/zone/image.h shows without
 * the tables that deny. Of a whole image, and of a delta behind one.
 */
#ifndef DNSD_ZONE_LAYOUT_H
#define DNSD_ZONE_LAYOUT_H

#include "common/base/buf.h"
#include "common/base/err.h"
#include "dnsd/zone/set.h"
#include "dnsd/zone/tree.h"

struct dns_layout {
    const struct dns_tree *tree; /* sorted, with flags; borrowed */
    uint32_t origin;             /* where the block will stand: added to every offset in it */
    struct keel_diag *diag;
    /* As in struct dns_set_source. */
    uint32_t (*find_addresses)(void *arg, const uint8_t *name, size_t size);
    void *arg;
    /* Sees every node just before it is written, when all that belongs to it is at hand. May be
     * NULL. */
    void (*look)(struct dns_layout *layout, const struct dns_tree_node *node);
    struct keel_buf out;
    struct dns_tree_record **sorted; /* of one node */
    struct dns_rdata *rdata;
    uint32_t records, nodes_at, slots_at;
};

/* Writes the block to layout->out, with all of its header but the size. The caller has set the
 * first six fields; all else is zero. KEEL_EINVAL (`file:line: what` in diag: a name whose records
 * cannot stand together, a set that is too long), KEEL_ENOMEM. */
int dns_layout_write(struct dns_layout *layout);
void dns_layout_fini(struct dns_layout *layout);
/* The block's header, until something is appended. */
static inline struct dns_image *dns_layout_header(const struct dns_layout *layout)
{
    return (struct dns_image *)keel_buf_bytes(&layout->out);
}
/* Appends size bytes, 8-aligned and cleared, and borrows them until the next append; where they
 * begin in *at, with the origin. NULL: memory is out, or 32 bits are. */
void *dns_layout_table(struct dns_layout *layout, size_t size, uint32_t *at);
/* diag `file:line: name: what`; returns KEEL_EINVAL. */
int dns_layout_fail(const struct dns_layout *layout, const struct dns_tree_record *record,
                    const struct dns_tree_node *node, const char *what);

#endif
