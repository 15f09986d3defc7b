#include "dnsd/answer/reply.h"

#include "dnsd/wire/type.h"

#define POINTER(offset) ((uint16_t)(0xC000 | (offset)))

/* Where the bytes of a set of this node would begin as the answer to its own name. */
static size_t home_of(const struct dns_node *node)
{
    return DNS_HEADER_SIZE + node->name_size + 4u;
}

/* Writes node's own labels and a pointer to the apex in the question; the whole name when the
 * apex is the root. */
static void write_owner(struct dns_reply *reply, const struct dns_node *node)
{
    const uint8_t *name = dns_node_name(reply->view.base, node);
    size_t apex_size = dns_image_apex(reply->view.base)->name_size;
    keel_write_bytes(&reply->out, name, node->name_size - apex_size);
    if (apex_size > 1)
        keel_write_u16(&reply->out, POINTER(DNS_HEADER_SIZE + reply->qname_size - apex_size));
    else
        keel_write_u8(&reply->out, 0);
}

/* Every record's owner becomes a pointer; the first two bytes of a record are its owner's. */
static void point_owners(uint8_t *bytes, const struct dns_set *set, size_t first, size_t owner)
{
    size_t at = 0;
    for (unsigned i = 0; i < set->count; i++) {
        if (i >= first)
            keel_put_u16(bytes + at, POINTER(owner));
        at += 12u + keel_get_u16(bytes + at + 10);
    }
}

/* Copies a set whose pointers can all move: its sizes stay. start is where bytes[0] is, or would be
 * if the first owner were a pointer. */
static void move_pointers(struct dns_reply *reply, const struct dns_node *node,
                          const struct dns_set *set, uint8_t *bytes, size_t start)
{
    const struct dns_fix *fixes = dns_set_fixes(set);
    for (unsigned i = 0; i < set->fixes; i++) {
        size_t old = keel_get_u16(set->bytes + fixes[i].offset) & DNS_POINTER_MAX;
        size_t moved = fixes[i].kind == DNS_FIX_APEX ? old + reply->qname_size - node->name_size
                                                     : old + start - home_of(node);
        keel_put_u16(bytes + fixes[i].offset, POINTER(moved));
    }
}

/* The rest of a name whose pointers lead into its own set, written without them. */
static void write_expanded(struct dns_reply *reply, const struct dns_node *node,
                           const struct dns_set *set, size_t at)
{
    size_t apex_end = DNS_HEADER_SIZE + node->name_size;
    for (;;) {
        uint8_t n = set->bytes[at];
        if (n >= 0xC0) {
            size_t target = keel_get_u16(set->bytes + at) & DNS_POINTER_MAX;
            if (target < apex_end) {
                keel_write_u16(&reply->out, POINTER(target + reply->qname_size - node->name_size));
                return;
            }
            at = target - home_of(node);
            continue;
        }
        keel_write_bytes(&reply->out, set->bytes + at, n + 1u);
        if (n == 0)
            return;
        at += n + 1u;
    }
}

/* Copies one record whose pointers into its set are written out, and moves the cursor behind it. */
static void copy_record(struct dns_reply *reply, const struct dns_node *node,
                        const struct dns_set *set, size_t owner, struct dns_set_cursor *cursor)
{
    const struct dns_fix *fixes = dns_set_fixes(set);
    size_t at = cursor->at, end = at + 12u + keel_get_u16(set->bytes + at + 10);

    if (owner == DNS_OWNER_NONE || owner > DNS_POINTER_MAX)
        write_owner(reply, node);
    else
        keel_write_u16(&reply->out, POINTER(owner));
    keel_write_bytes(&reply->out, set->bytes + at + 2, 8);
    uint8_t *size = keel_write_skip(&reply->out, 2);
    at += 12;
    for (; cursor->fix < set->fixes && fixes[cursor->fix].offset < end; cursor->fix++) {
        uint16_t pointer = fixes[cursor->fix].offset;
        keel_write_bytes(&reply->out, set->bytes + at, pointer - at);
        write_expanded(reply, node, set, pointer);
        at = pointer + 2u;
    }
    keel_write_bytes(&reply->out, set->bytes + at, end - at);
    if (size)
        keel_put_u16(size, (uint16_t)(reply->out.next - size - 2));
    cursor->at = (uint32_t)end;
    cursor->count++;
}

/* Copies a set behind the last offset that a pointer can name. Rare (a large message over TCP), so
 * record by record. */
static void copy_expanded(struct dns_reply *reply, const struct dns_node *node,
                          const struct dns_set *set, size_t owner)
{
    struct dns_set_cursor cursor = {0};
    while (cursor.count < set->count)
        copy_record(reply, node, set, owner, &cursor);
}

/* The usual copy: one memcpy, then the pointers. */
static size_t copy_moved(struct dns_reply *reply, const struct dns_node *node,
                         const struct dns_set *set, size_t owner)
{
    size_t start = keel_writer_offset(&reply->out), skip = 0;
    bool written = owner == DNS_OWNER_NONE;

    if (written) { /* the first owner in full, the others point to it */
        owner = start;
        write_owner(reply, node);
        start = keel_writer_offset(&reply->out) - 2;
        skip = 2;
    }
    keel_write_bytes(&reply->out, set->bytes + skip, set->size - skip);
    if (reply->out.bad)
        return 0;
    uint8_t *bytes = reply->out.start + start;
    if (owner != DNS_OWNER_QUESTION) {
        uint8_t keep[2] = {bytes[0], bytes[1]};
        point_owners(bytes, set, written ? 1 : 0, owner);
        if (written)
            memcpy(bytes, keep, 2);
    }
    if (set->fixes && (start != home_of(node) || reply->qname_size != node->name_size))
        move_pointers(reply, node, set, bytes, start);
    return start;
}

/* True when the set's own pointers stay valid at `start`: at home they always do. */
static bool can_move(const struct dns_reply *reply, const struct dns_node *node,
                     const struct dns_set *set, size_t start)
{
    return (start == home_of(node) && reply->qname_size == node->name_size) ||
           start + set->size + DNS_NAME_MAX <= DNS_POINTER_MAX;
}

/* One RRset. Leaves out.bad when it does not fit. */
static size_t put_set(struct dns_reply *reply, const struct dns_node *node,
                      const struct dns_set *set, size_t owner)
{
    size_t start = keel_writer_offset(&reply->out);
    if (can_move(reply, node, set, start))
        return copy_moved(reply, node, set, owner);
    copy_expanded(reply, node, set, owner);
    return start;
}

size_t dns_reply_set(struct dns_reply *reply, enum dns_section section, const struct dns_node *node,
                     const struct dns_set *set, size_t owner)
{
    struct keel_writer before = reply->out;
    unsigned count = set->count;
    size_t start = put_set(reply, node, set, owner);

    if (reply->dnssec && set->flags & DNS_SET_SIGNED) {
        const struct dns_set *signatures = dns_set_signatures(set);
        if (owner == DNS_OWNER_NONE) /* it stands now before the first record */
            owner = keel_writer_offset(&before);
        put_set(reply, node, signatures, owner);
        count += signatures->count;
    }
    if (reply->out.bad) {
        reply->out = before;
        return 0;
    }
    reply->counts[section] += (uint16_t)count;
    return start;
}

void dns_reply_records(struct dns_reply *reply, enum dns_section section,
                       const struct dns_node *node, const struct dns_set *set,
                       struct dns_set_cursor *cursor)
{
    while (cursor->count < set->count) {
        struct keel_writer before = reply->out;
        struct dns_set_cursor here = *cursor;
        copy_record(reply, node, set, DNS_OWNER_NONE, &here);
        if (reply->out.bad) {
            reply->out = before;
            return;
        }
        *cursor = here;
        reply->counts[section]++;
    }
}

size_t dns_reply_name_record(struct dns_reply *reply, enum dns_section section, size_t owner,
                             uint16_t type, uint32_t ttl, const struct dns_name *name)
{
    struct keel_writer before = reply->out;
    keel_write_u16(&reply->out, POINTER(owner));
    keel_write_u16(&reply->out, type);
    keel_write_u16(&reply->out, DNS_CLASS_IN);
    keel_write_u32(&reply->out, ttl);
    keel_write_u16(&reply->out, name->size);
    size_t at = keel_writer_offset(&reply->out);
    keel_write_bytes(&reply->out, name->bytes, name->size);
    if (reply->out.bad) {
        reply->out = before;
        return 0;
    }
    reply->counts[section]++;
    return at;
}

/* The addresses of a name in a set. owner: where the name stands, or DNS_OWNER_NONE. False when
 * they do not fit. */
static bool put_addresses(struct dns_reply *reply, const struct dns_node *host, size_t owner,
                          bool required)
{
    static const uint16_t types[] = {DNS_TYPE_A, DNS_TYPE_AAAA};
    for (unsigned k = 0; k < 2; k++) {
        const struct dns_set *addresses = dns_node_set(reply->view.base, host, types[k]);
        if (addresses && !dns_reply_set(reply, DNS_ADDITIONAL, host, addresses, owner)) {
            if (required)
                reply->truncated = true;
            return false;
        }
    }
    return true;
}

/* Where the name that leads on stands in the record at `at`; 0: the owner. Its type has one. */
static size_t linked_name(const struct dns_set *set, size_t at)
{
    static const uint8_t root = 0;
    size_t rdata = at + 12;
    switch (set->type) {
    case DNS_TYPE_NS:
        return rdata;
    case DNS_TYPE_SRV:
        return rdata + 6;
    case DNS_TYPE_MX:
        return rdata + 2;
    default: /* SVCB, HTTPS: "." is the owner (RFC 9460, 2.5.2) */
        return set->bytes[rdata + 2] == root && keel_get_u16(set->bytes + rdata) > 0 ? 0
                                                                                     : rdata + 2;
    }
}

/* The name at `at` of a set's bytes, lower-cased and flat; returns its size, 0: too long. */
static size_t read_name(const struct dns_reply *reply, const struct dns_node *node,
                        const struct dns_set *set, size_t at, uint8_t out[DNS_NAME_MAX])
{
    const uint8_t *owner = dns_node_name(reply->view.base, node), *p = set->bytes;
    size_t size = 0;
    if (at == 0) {
        memcpy(out, owner, node->name_size);
        return node->name_size;
    }
    for (;;) {
        unsigned n = p[at];
        if (n >= 0xC0) {
            size_t target = keel_get_u16(p + at) & DNS_POINTER_MAX;
            bool own = target >= home_of(node);
            p = own ? set->bytes : owner;
            at = own ? target - home_of(node) : target - DNS_HEADER_SIZE;
            continue;
        }
        if (size + n + 1 > DNS_NAME_MAX)
            return 0;
        for (unsigned i = 0; i <= n; i++)
            out[size++] = dns_lower[p[at + i]];
        if (n == 0)
            return size;
        at += n + 1;
    }
}

/* A set of the base whose names may have got addresses since: they are looked up. */
static void put_open_links(struct dns_reply *reply, const struct dns_node *node,
                           const struct dns_set *set, size_t at, bool known, bool required)
{
    const struct dns_node *seen[256];
    unsigned count = 0, i;
    size_t record = 0;
    uint8_t name[DNS_NAME_MAX];

    for (unsigned k = 0; k < set->count && count < sizeof seen / sizeof seen[0]; k++) {
        size_t offset = linked_name(set, record);
        size_t size = read_name(reply, node, set, offset, name);
        uint64_t hash = dns_image_hash(reply->view.base, name, size);
        const struct dns_node *host = dns_view_find(&reply->view, hash, name, size);
        record += 12u + keel_get_u16(set->bytes + record + 10);
        for (i = 0; i < count && seen[i] != host; i++)
            ;
        if (!host || i < count)
            continue;
        seen[count++] = host;
        size_t owner = known && at + offset <= DNS_POINTER_MAX ? at + offset : DNS_OWNER_NONE;
        if (!put_addresses(reply, host, owner, required))
            return;
    }
}

void dns_reply_links(struct dns_reply *reply, const struct dns_node *node,
                     const struct dns_set *set, size_t at, bool required)
{
    const struct dns_link *links = dns_set_links(set);
    /* expanded sets are longer than the links know */
    bool known = can_move(reply, node, set, at);

    if (set->flags & DNS_SET_OPEN && reply->view.delta && !dns_view_in_delta(&reply->view, set)) {
        put_open_links(reply, node, set, at, known, required);
        return;
    }
    for (unsigned i = 0; i < set->links; i++) {
        const struct dns_node *host = dns_view_node(&reply->view, links[i].node);
        size_t owner = at + links[i].offset;
        if (!known || owner > DNS_POINTER_MAX)
            owner = DNS_OWNER_NONE;
        if (!put_addresses(reply, host, owner, required))
            return;
    }
}
