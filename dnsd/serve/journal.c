#include "dnsd/serve/journal.h"

#include "common/base/buf.h"
#include "common/base/wire.h"

#define FORMAT 1 /* of the record of a zone */
#define STEP_HEAD 8
#define KEY_MAX (DNS_NAME_MAX + 8)
/* serials, numbers, bytes, times; two counted texts */
#define RECORD_MAX (1 + 8 + 32 + 16 + 1 + DNS_JOURNAL_PRIMARY_MAX + 1 + DNS_JOURNAL_BASE_MAX)

int dns_journal_init(struct dns_journal *journal, struct keel_store *store, struct keel_diag *diag)
{
    int err = keel_store_table(store, "zones", false, &journal->zones, diag);
    return err ? err : keel_store_table(store, "steps", false, &journal->steps, diag);
}

static struct keel_bytes name_key(const struct dns_name *apex)
{
    return (struct keel_bytes){apex->bytes, apex->size};
}

/* --- the record of a zone --- */

static void write_text(struct keel_writer *w, const char *text)
{
    size_t size = strlen(text);
    keel_write_u8(w, (uint8_t)size);
    keel_write_bytes(w, text, size);
}

static int put_zone(const struct dns_journal *journal, const struct dns_name *apex,
                    const struct dns_journal_zone *zone)
{
    uint8_t bytes[RECORD_MAX];
    struct keel_writer w;

    keel_writer_init(&w, bytes, sizeof bytes);
    keel_write_u8(&w, FORMAT);
    keel_write_u32(&w, zone->serial);
    keel_write_u32(&w, zone->base_serial);
    keel_write_u64(&w, zone->base_step);
    keel_write_u64(&w, zone->first);
    keel_write_u64(&w, zone->next);
    keel_write_u64(&w, zone->bytes);
    keel_write_u64(&w, zone->refreshed);
    keel_write_u64(&w, zone->expires);
    write_text(&w, zone->primary);
    write_text(&w, zone->base);
    KEEL_ASSERT(!w.bad, "a zone's record fits");
    return keel_store_put(journal->zones, name_key(apex),
                          (struct keel_bytes){bytes, keel_writer_offset(&w)});
}

static void read_text(struct keel_reader *r, char *out, size_t max)
{
    size_t size = keel_read_u8(r);
    const uint8_t *text = size <= max ? keel_read_bytes(r, size) : NULL;
    if (!text) {
        r->bad = true;
        size = 0;
    }
    if (size > 0)
        memcpy(out, text, size);
    out[size] = '\0';
}

static int parse_zone(struct dns_journal_zone *zone, struct keel_bytes value)
{
    struct keel_reader r;
    keel_reader_init(&r, value.p, value.n);
    if (keel_read_u8(&r) != FORMAT)
        return KEEL_EINVAL;
    zone->serial = keel_read_u32(&r);
    zone->base_serial = keel_read_u32(&r);
    zone->base_step = keel_read_u64(&r);
    zone->first = keel_read_u64(&r);
    zone->next = keel_read_u64(&r);
    zone->bytes = keel_read_u64(&r);
    zone->refreshed = keel_read_u64(&r);
    zone->expires = keel_read_u64(&r);
    read_text(&r, zone->primary, DNS_JOURNAL_PRIMARY_MAX);
    read_text(&r, zone->base, DNS_JOURNAL_BASE_MAX);
    bool ordered = zone->first > 0 && zone->first <= zone->next && zone->base_step < zone->next;
    return r.bad || keel_reader_left(&r) > 0 || !ordered ? KEEL_EINVAL : 0;
}

int dns_journal_find(const struct dns_journal *journal, const struct dns_name *apex,
                     struct dns_journal_zone *zone)
{
    struct keel_bytes value;
    int err = keel_store_get(journal->zones, name_key(apex), &value);
    return err ? err : parse_zone(zone, value);
}

struct each {
    int (*visit)(void *arg, const struct dns_name *apex, const struct dns_journal_zone *zone);
    void *arg;
};

static int visit_zone(void *arg, struct keel_bytes key, struct keel_bytes value)
{
    const struct each *each = arg;
    struct dns_journal_zone zone;
    struct dns_name apex;
    struct keel_reader r;

    keel_reader_init(&r, key.p, key.n);
    if (dns_name_parse(&apex, &r) != 0 || keel_reader_left(&r) > 0 || parse_zone(&zone, value) != 0)
        return KEEL_EINVAL;
    return each->visit(each->arg, &apex, &zone);
}

int dns_journal_each(const struct dns_journal *journal,
                     int (*visit)(void *arg, const struct dns_name *apex,
                                  const struct dns_journal_zone *zone),
                     void *arg)
{
    struct each each = {visit, arg};
    return keel_store_each(journal->zones, NULL, visit_zone, &each);
}

/* --- steps --- */

/* bytes has KEY_MAX. */
static struct keel_bytes step_key(const struct dns_name *apex, uint64_t number, uint8_t *bytes)
{
    memcpy(bytes, apex->bytes, apex->size);
    keel_put_u32(bytes + apex->size, (uint32_t)(number >> 32));
    keel_put_u32(bytes + apex->size + 4, (uint32_t)number);
    return (struct keel_bytes){bytes, apex->size + 8u};
}

static int get_step(const struct dns_journal *journal, const struct dns_name *apex, uint64_t number,
                    struct dns_journal_step *step)
{
    uint8_t key[KEY_MAX];
    struct keel_bytes value;
    int err = keel_store_get(journal->steps, step_key(apex, number, key), &value);
    if (err || value.n < STEP_HEAD)
        return err && err != KEEL_ENOENT ? err : KEEL_EINVAL;
    const uint8_t *bytes = value.p;
    *step = (struct dns_journal_step){.number = number,
                                      .from = keel_get_u32(bytes),
                                      .to = keel_get_u32(bytes + 4),
                                      .encoded = {bytes + STEP_HEAD, value.n - STEP_HEAD}};
    return 0;
}

int dns_journal_steps(const struct dns_journal *journal, const struct dns_name *apex,
                      uint64_t number, int (*visit)(void *arg, const struct dns_journal_step *step),
                      void *arg)
{
    struct dns_journal_step step;
    struct dns_journal_zone zone;
    uint32_t serial = 0;

    int err = dns_journal_find(journal, apex, &zone);
    if (err)
        return err;
    if (number < zone.first)
        return KEEL_EINVAL;
    for (uint64_t i = number; i < zone.next; i++) {
        err = get_step(journal, apex, i, &step);
        if (err == 0 && i > number && step.from != serial)
            err = KEEL_EINVAL;
        if (err == 0 && i + 1 == zone.next && step.to != zone.serial)
            err = KEEL_EINVAL;
        serial = step.to;
        if (err == 0)
            err = visit(arg, &step);
        if (err)
            return err;
    }
    return 0;
}

int dns_journal_since(const struct dns_journal *journal, const struct dns_name *apex,
                      uint32_t serial, uint64_t *number)
{
    struct dns_journal_step step;
    struct dns_journal_zone zone;

    int err = dns_journal_find(journal, apex, &zone);
    if (err)
        return err;
    /* most zones count by one: look there first */
    uint32_t distance = zone.serial - serial;
    if (distance > 0 && distance <= zone.next - zone.first) {
        *number = zone.next - distance;
        if (get_step(journal, apex, *number, &step) == 0 && step.from == serial)
            return 0;
    }
    /* backwards: should a serial have come twice, the newer one is meant */
    for (uint64_t i = zone.next; i > zone.first; i--) {
        err = get_step(journal, apex, i - 1, &step);
        if (err)
            return err;
        *number = i - 1;
        if (step.from == serial)
            return 0;
    }
    return KEEL_ENOENT;
}

/* --- changes --- */

static int drop_first(const struct dns_journal *journal, const struct dns_name *apex,
                      struct dns_journal_zone *zone)
{
    uint8_t key[KEY_MAX];
    struct dns_journal_step step;

    int err = get_step(journal, apex, zone->first, &step);
    if (err)
        return err;
    uint64_t size = step.encoded.n + STEP_HEAD;
    err = keel_store_del(journal->steps, step_key(apex, zone->first, key));
    zone->bytes -= size < zone->bytes ? size : zone->bytes;
    zone->first++;
    return err;
}

static int trim(const struct dns_journal *journal, const struct dns_name *apex,
                struct dns_journal_zone *zone, uint64_t limit)
{
    int err = 0;
    while (err == 0 && zone->bytes > limit && zone->first < zone->next &&
           zone->first <= zone->base_step)
        err = drop_first(journal, apex, zone);
    return err;
}

int dns_journal_base(const struct dns_journal *journal, const struct dns_name *apex,
                     const char *base, uint32_t serial, uint64_t step, uint64_t limit)
{
    struct dns_journal_zone zone = {.first = 1, .next = 1};
    size_t size = strlen(base);

    int err = dns_journal_find(journal, apex, &zone);
    if (err && err != KEEL_ENOENT)
        return err;
    if (size > DNS_JOURNAL_BASE_MAX || step >= zone.next)
        return KEEL_EINVAL;
    memcpy(zone.base, base, size + 1);
    zone.base_serial = serial;
    zone.base_step = step;
    if (step + 1 == zone.next)
        zone.serial = serial;
    err = trim(journal, apex, &zone, limit);
    return err ? err : put_zone(journal, apex, &zone);
}

static int put_step(const struct dns_journal *journal, const struct dns_name *apex, uint64_t number,
                    uint32_t from, uint32_t to, struct keel_bytes encoded)
{
    uint8_t key[KEY_MAX], head[STEP_HEAD];
    struct keel_buf value;

    keel_put_u32(head, from);
    keel_put_u32(head + 4, to);
    keel_buf_init(&value, 0);
    keel_buf_append(&value, head, sizeof head);
    keel_buf_append(&value, encoded.p, encoded.n);
    int err = value.failed;
    if (err == 0)
        err = keel_store_put(journal->steps, step_key(apex, number, key),
                             (struct keel_bytes){keel_buf_bytes(&value), keel_buf_size(&value)});
    keel_buf_fini(&value);
    return err;
}

int dns_journal_append(const struct dns_journal *journal, const struct dns_name *apex,
                       uint32_t from, uint32_t to, struct keel_bytes encoded, uint64_t limit,
                       uint64_t *number)
{
    struct dns_journal_zone zone;
    int err = dns_journal_find(journal, apex, &zone);
    if (err)
        return err;
    if (from != zone.serial)
        return KEEL_ERANGE;
    err = put_step(journal, apex, zone.next, from, to, encoded);
    if (err)
        return err;
    if (number)
        *number = zone.next;
    zone.next++;
    zone.serial = to;
    zone.bytes += encoded.n + STEP_HEAD;
    err = trim(journal, apex, &zone, limit);
    return err ? err : put_zone(journal, apex, &zone);
}

int dns_journal_refreshed(const struct dns_journal *journal, const struct dns_name *apex,
                          uint64_t refreshed, uint64_t expires, const char *primary)
{
    struct dns_journal_zone zone;
    int err = dns_journal_find(journal, apex, &zone);
    if (err)
        return err;
    zone.refreshed = refreshed;
    zone.expires = expires;
    size_t size = strnlen(primary, DNS_JOURNAL_PRIMARY_MAX);
    memcpy(zone.primary, primary, size);
    zone.primary[size] = '\0';
    return put_zone(journal, apex, &zone);
}

struct drop {
    const struct dns_journal *journal;
    const struct dns_name *apex;
};

static int drop_step(void *arg, struct keel_bytes key, struct keel_bytes value)
{
    const struct drop *drop = arg;
    uint8_t copy[KEY_MAX];
    /* a flat name is never the beginning of another */
    if (key.n != drop->apex->size + 8u || memcmp(key.p, drop->apex->bytes, drop->apex->size) != 0)
        return KEEL_EOF;
    memcpy(copy, key.p, key.n);
    return keel_store_del(drop->journal->steps, (struct keel_bytes){copy, key.n});
}

/* Whatever stands there, also what the zone's record knows nothing of. */
static int drop_steps(const struct dns_journal *journal, const struct dns_name *apex)
{
    struct drop drop = {journal, apex};
    uint8_t key[KEY_MAX];
    struct keel_bytes from = step_key(apex, 0, key);
    int err = keel_store_each(journal->steps, &from, drop_step, &drop);
    return err == KEEL_EOF ? 0 : err;
}

int dns_journal_clear(const struct dns_journal *journal, const struct dns_name *apex)
{
    struct dns_journal_zone zone;
    int err = dns_journal_find(journal, apex, &zone);
    if (err == 0)
        err = drop_steps(journal, apex);
    if (err)
        return err;
    zone.first = zone.next;
    zone.base_step = zone.next - 1;
    zone.serial = zone.base_serial;
    zone.bytes = 0;
    return put_zone(journal, apex, &zone);
}

int dns_journal_remove(const struct dns_journal *journal, const struct dns_name *apex)
{
    int err = drop_steps(journal, apex);
    if (err == 0)
        err = keel_store_del(journal->zones, name_key(apex));
    return err == KEEL_ENOENT ? 0 : err;
}
