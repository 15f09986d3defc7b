#include "dnsd/transfer/notify.h"

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "dnsd/answer/reply.h"
#include "dnsd/wire/type.h"

void dns_notifier_init(struct dns_notifier *n, struct keel_hash_key hash)
{
    *n = (struct dns_notifier){.hash = hash};
    keel_table_init(&n->by_target);
    keel_table_init(&n->by_zone);
    keel_list_init(&n->ready);
    for (unsigned i = 0; i < DNS_NOTIFY_TRIES; i++)
        keel_list_init(&n->waiting[i]);
}

void dns_notifier_fini(struct dns_notifier *n)
{
    for (unsigned i = 0; i < n->count; i++)
        keel_free(n->items[i]);
    keel_free(n->items);
    keel_table_fini(&n->by_target);
    keel_table_fini(&n->by_zone);
}

/* --- by zone and address --- */

struct target_key {
    const struct dns_name *zone; /* lower-cased */
    const struct keel_addr *addr;
};

static uint64_t target_hash(const struct dns_notifier *n, const struct target_key *key)
{
    uint8_t bytes[DNS_NAME_MAX + KEEL_ADDR_TEXT];
    memcpy(bytes, key->zone->bytes, key->zone->size);
    size_t text = keel_addr_format((char *)bytes + key->zone->size, KEEL_ADDR_TEXT, key->addr);
    return keel_hash(&n->hash, bytes, key->zone->size + text);
}

static int target_equal(const void *value, const void *key, size_t size)
{
    const struct dns_notice *notice = value;
    const struct target_key *wanted = key;
    const struct dns_name *apex = &notice->target.zone->apex;
    return apex->size == wanted->zone->size &&
           memcmp(apex->bytes, wanted->zone->bytes, apex->size) == 0 &&
           keel_addr_equal(&notice->target.addr, wanted->addr);
}

static struct dns_notice *find(const struct dns_notifier *n, const struct dns_name *zone,
                               const struct keel_addr *addr)
{
    struct target_key key = {zone, addr};
    return keel_table_find(&n->by_target, target_hash(n, &key), &key, sizeof key, target_equal);
}

static uint64_t zone_hash(const struct dns_notifier *n, const struct dns_zone *zone)
{
    return keel_hash(&n->hash, &zone, sizeof(const struct dns_zone *));
}

static int zone_equal(const void *value, const void *key, size_t size)
{
    return ((const struct dns_notice *)value)->target.zone == key;
}

static struct dns_notice *first_of(const struct dns_notifier *n, const struct dns_zone *zone)
{
    return keel_table_find(&n->by_zone, zone_hash(n, zone), zone, 0, zone_equal);
}

/* Behind the first of its zone, or as the first. */
static int join_zone(struct dns_notifier *n, struct dns_notice *notice)
{
    struct dns_notice *first = first_of(n, notice->target.zone);
    if (!first)
        return keel_table_add(&n->by_zone, zone_hash(n, notice->target.zone), notice);
    notice->next_of_zone = first->next_of_zone;
    first->next_of_zone = notice;
    return 0;
}

static void remove_target(struct dns_notifier *n, struct dns_notice *notice)
{
    struct target_key key = {&notice->target.zone->apex, &notice->target.addr};
    keel_table_remove(&n->by_target, target_hash(n, &key), notice);
}

void dns_notifier_forget(struct dns_notifier *n, const struct dns_zone *zone)
{
    struct dns_notice *notice = first_of(n, zone), *next;
    if (notice)
        keel_table_remove(&n->by_zone, zone_hash(n, zone), notice);
    for (; notice; notice = next) {
        next = notice->next_of_zone;
        remove_target(n, notice);
        keel_list_remove(&notice->node);
        n->items[notice->index] = n->items[--n->count];
        n->items[notice->index]->index = notice->index;
        keel_free(notice);
        n->changed = true;
    }
}

int dns_notifier_add(struct dns_notifier *n, const struct dns_notify_target *target)
{
    struct target_key key = {&target->zone->apex, &target->addr};
    if (find(n, key.zone, key.addr))
        return KEEL_EEXIST;
    struct dns_notice **items =
        keel_realloc(n->items, (n->count + 1) * sizeof(struct dns_notice *));
    if (!items)
        return KEEL_ENOMEM;
    n->items = items;
    struct dns_notice *notice = keel_calloc(1, sizeof *notice);
    if (!notice)
        return KEEL_ENOMEM;
    notice->target = *target;
    keel_list_init(&notice->node);
    if (keel_table_add(&n->by_target, target_hash(n, &key), notice) != 0) {
        keel_free(notice);
        return KEEL_ENOMEM;
    }
    if (join_zone(n, notice) != 0) {
        remove_target(n, notice);
        keel_free(notice);
        return KEEL_ENOMEM;
    }
    notice->index = n->count;
    n->items[n->count++] = notice;
    return 0;
}

/* --- what was told, on disk --- */

static void load_line(struct dns_notifier *n, struct keel_str line)
{
    struct keel_str zone, address;
    struct keel_addr addr;
    struct dns_name name;
    uint64_t serial;

    if (!keel_str_split(&line, ' ', &zone) || !keel_str_split(&line, ' ', &address) || !line.p ||
        dns_name_from_text(&name, zone, NULL) != 0 ||
        keel_addr_parse(&addr, address, 0, NULL) != 0 ||
        keel_parse_u64(line, UINT32_MAX, &serial) != 0)
        return;
    dns_name_lower(&name);
    struct dns_notice *notice = find(n, &name, &addr);
    if (!notice)
        return;
    notice->told = true;
    notice->serial = (uint32_t)serial;
}

void dns_notifier_load(struct dns_notifier *n, struct keel_str text)
{
    struct keel_str line;
    while (keel_str_split(&text, '\n', &line))
        load_line(n, line);
}

int dns_notifier_save(struct dns_notifier *n, struct keel_buf *out)
{
    char name[DNS_NAME_TEXT], addr[KEEL_ADDR_TEXT];
    for (unsigned i = 0; i < n->count; i++) {
        const struct dns_notice *notice = n->items[i];
        if (!notice->told)
            continue;
        dns_name_to_text(name, notice->target.zone->apex.bytes);
        keel_addr_format(addr, sizeof addr, &notice->target.addr);
        keel_buf_printf(out, "%s %s %u\n", name, addr, notice->serial);
    }
    n->changed = false;
    return out->failed;
}

/* --- sending --- */

static bool knows(const struct dns_notice *notice)
{
    const struct dns_image *image = dns_zone_newest(notice->target.zone);
    return !image || (notice->told && notice->serial == image->serial);
}

static void make_ready(struct dns_notifier *n, struct dns_notice *notice)
{
    notice->tries = 0;
    keel_list_remove(&notice->node);
    keel_list_push_back(&n->ready, &notice->node);
}

void dns_notifier_begin(struct dns_notifier *n)
{
    for (unsigned i = 0; i < n->count; i++)
        if (!knows(n->items[i]))
            make_ready(n, n->items[i]);
}

void dns_notifier_zone(struct dns_notifier *n, const struct dns_zone *zone)
{
    for (struct dns_notice *notice = first_of(n, zone); notice; notice = notice->next_of_zone)
        if (!notice->waiting && !knows(notice))
            make_ready(n, notice);
}

static size_t build(struct dns_notice *notice, uint16_t id, uint64_t now, uint8_t *out)
{
    const struct dns_zone *zone = notice->target.zone;
    const struct dns_view view = dns_zone_view(zone);
    const struct dns_node *apex = dns_view_apex(&view);
    struct dns_reply message = {.view = view, .qname_size = apex->name_size};

    if (notice->target.key)
        dns_tsig_open(&notice->tsig, notice->target.key);
    else
        dns_tsig_none(&notice->tsig);
    keel_writer_init(&message.out, out, DNS_NOTIFY_SIZE);
    keel_write_u16(&message.out, id);
    keel_write_u16(&message.out, DNS_OPCODE_NOTIFY << DNS_OPCODE_SHIFT | DNS_FLAG_AA);
    keel_write_u16(&message.out, 1);
    keel_write_u16(&message.out, 1);
    keel_write_u32(&message.out, 0);
    keel_write_bytes(&message.out, zone->apex.bytes, zone->apex.size);
    keel_write_u16(&message.out, DNS_TYPE_SOA);
    keel_write_u16(&message.out, DNS_CLASS_IN);
    /* a hint of what is new (RFC 1996, 3.7) */
    dns_reply_set(&message, DNS_ANSWER, apex,
                  dns_image_at(view.base, dns_view_newest(&view)->soa_at), DNS_OWNER_QUESTION);
    if (dns_tsig_sign(&notice->tsig, &message.out, now) != 0)
        return 0;
    return keel_writer_offset(&message.out);
}

/* The next that is due, taken out of its queue; NULL: none. */
static struct dns_notice *take_due(struct dns_notifier *n, uint64_t now_ns)
{
    struct keel_list *node = NULL;
    if (!keel_list_empty(&n->ready))
        node = n->ready.next;
    for (unsigned i = 0; !node && i < DNS_NOTIFY_TRIES; i++) {
        struct keel_list *first = n->waiting[i].next;
        if (first != &n->waiting[i] &&
            KEEL_CONTAINER(first, struct dns_notice, node)->due_ns <= now_ns)
            node = first;
    }
    if (!node)
        return NULL;
    keel_list_remove(node);
    return KEEL_CONTAINER(node, struct dns_notice, node);
}

enum dns_notify_action dns_notifier_next(struct dns_notifier *n, uint64_t now_ns, uint64_t now,
                                         uint16_t id, uint8_t *out, size_t *size,
                                         const struct dns_notice **which)
{
    struct dns_notice *notice = take_due(n, now_ns);
    while (notice && !notice->target.zone->image) { /* it has expired meanwhile */
        notice->waiting = false;
        notice = take_due(n, now_ns);
    }
    if (!notice)
        return DNS_NOTIFY_NOTHING;
    *which = notice;
    if (notice->tries == DNS_NOTIFY_TRIES) {
        notice->waiting = false;
        return DNS_NOTIFY_GIVE_UP;
    }
    notice->waiting = true;
    notice->sent = dns_zone_newest(notice->target.zone)->serial;
    notice->id = id;
    notice->due_ns = now_ns + (KEEL_NS_PER_S << notice->tries);
    keel_list_push_back(&n->waiting[notice->tries++], &notice->node);
    *size = build(notice, id, now, out);
    return DNS_NOTIFY_SEND;
}

uint64_t dns_notifier_due(const struct dns_notifier *n)
{
    uint64_t due = UINT64_MAX;
    if (!keel_list_empty(&n->ready))
        return 0;
    for (unsigned i = 0; i < DNS_NOTIFY_TRIES; i++) {
        const struct keel_list *first = n->waiting[i].next;
        if (first != &n->waiting[i] && KEEL_CONTAINER(first, struct dns_notice, node)->due_ns < due)
            due = KEEL_CONTAINER(first, struct dns_notice, node)->due_ns;
    }
    return due;
}

/* --- answers --- */

/* Whose answer this is; NULL: nobody's. */
static struct dns_notice *match(const struct dns_notifier *n, const struct keel_addr *peer,
                                const uint8_t *bytes, size_t size)
{
    struct dns_name zone;
    struct keel_reader r;

    if (size < DNS_HEADER_SIZE || keel_get_u16(bytes + 4) != 1)
        return NULL;
    unsigned flags = keel_get_u16(bytes + 2);
    if (!(flags & DNS_FLAG_QR) || (flags & DNS_OPCODE_MASK) != DNS_OPCODE_NOTIFY
                                                                   << DNS_OPCODE_SHIFT)
        return NULL;
    keel_reader_init(&r, bytes + DNS_HEADER_SIZE, size - DNS_HEADER_SIZE);
    if (dns_name_parse_lower(&zone, &r) != 0)
        return NULL;
    struct dns_notice *notice = find(n, &zone, peer);
    return notice && notice->waiting && notice->id == keel_get_u16(bytes) ? notice : NULL;
}

enum dns_notify_answer dns_notifier_answer(struct dns_notifier *n, const struct keel_addr *peer,
                                           const uint8_t *bytes, size_t size, uint64_t now,
                                           const struct dns_notice **which, unsigned *rcode)
{
    struct dns_notice *notice = match(n, peer, bytes, size);
    if (!notice)
        return DNS_NOTIFY_STRANGE;
    /* an unsigned answer to a signed message proves nothing, whatever it says */
    if (notice->target.key && dns_tsig_verify(&notice->tsig, bytes, size, now, NULL) != 0)
        return DNS_NOTIFY_STRANGE;
    *which = notice;
    *rcode = keel_get_u16(bytes + 2) & DNS_RCODE_MASK;
    notice->waiting = false;
    keel_list_remove(&notice->node);
    if (*rcode != DNS_NOERROR)
        return DNS_NOTIFY_REJECTED;
    notice->told = true;
    notice->serial = notice->sent;
    n->changed = true;
    if (!knows(notice)) /* the zone has changed since */
        make_ready(n, notice);
    return DNS_NOTIFY_HEARD;
}
