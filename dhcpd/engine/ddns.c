#include "dhcpd/engine/ddns.h"

#include "common/base/digest.h"
#include "dnsd/wire/message.h"
#include "dnsd/wire/type.h"

#define RECORD_VERSION 1
#define TYPE_DHCID 49
#define DIGEST_SHA256 1
/* Kinds of identifiers (RFC 4701, 3.3). */
enum { ID_HARDWARE = 0, ID_CLIENT = 1, ID_DUID = 2 };
#define CLIENT_ID_DUID 0xff /* RFC 4361, 6.1: type, IAID, DUID */
#define IAID_SIZE 4
/* Answers beside those of a query (RFC 2136, 2.2). */
enum { YXRRSET = 7, NXRRSET = 8, NOTZONE = 10 };

int dhcp_dhcid(struct dhcp_bytes identity, const struct dns_name *name,
               uint8_t out[DHCP_DHCID_SIZE])
{
    uint8_t bytes[DHCP_IDENTITY_MAX + DNS_NAME_MAX];
    KEEL_ASSERT(identity.n > 0 && identity.n <= DHCP_IDENTITY_MAX, "a client has an identity");
    const uint8_t *id = identity.p + 1;
    size_t n = identity.n - 1u;
    unsigned kind = ID_HARDWARE;
    if (identity.p[0] == 1) {
        kind = ID_CLIENT;
        if (n > 1 + IAID_SIZE && id[0] == CLIENT_ID_DUID) {
            kind = ID_DUID;
            id += 1 + IAID_SIZE;
            n -= 1 + IAID_SIZE;
        }
    }
    struct dns_name lower = *name;
    dns_name_lower(&lower);
    memcpy(bytes, id, n);
    memcpy(bytes + n, lower.bytes, lower.size);
    keel_put_u16(out, (uint16_t)kind);
    out[2] = DIGEST_SHA256;
    return keel_digest(KEEL_SHA256, bytes, n + lower.size, out + 3);
}

size_t dhcp_ddns_encode(const struct dhcp_ddns_op *op, uint8_t *out)
{
    struct keel_writer w;
    keel_writer_init(&w, out, DHCP_DDNS_RECORD_MAX);
    keel_write_u8(&w, RECORD_VERSION);
    keel_write_u8(&w, (uint8_t)op->kind);
    keel_write_u8(&w, op->forward);
    keel_write_u8(&w, op->reverse);
    keel_write_u32(&w, op->address);
    keel_write_u32(&w, op->ttl);
    keel_write_u64(&w, op->queued);
    keel_write_bytes(&w, op->dhcid, DHCP_DHCID_SIZE);
    keel_write_bytes(&w, op->name.bytes, op->name.size);
    KEEL_ASSERT(!w.bad, "a record fits its largest size");
    return keel_writer_offset(&w);
}

int dhcp_ddns_decode(struct dhcp_ddns_op *op, const void *record, size_t size)
{
    struct keel_reader r;
    keel_reader_init(&r, record, size);
    uint8_t version = keel_read_u8(&r);
    uint8_t kind = keel_read_u8(&r);
    uint8_t forward = keel_read_u8(&r);
    uint8_t reverse = keel_read_u8(&r);
    op->kind = (enum dhcp_ddns_kind)kind;
    op->forward = forward;
    op->reverse = reverse;
    op->address = keel_read_u32(&r);
    op->ttl = keel_read_u32(&r);
    op->queued = keel_read_u64(&r);
    const uint8_t *dhcid = keel_read_bytes(&r, DHCP_DHCID_SIZE);
    if (r.bad || version != RECORD_VERSION || kind < DHCP_DDNS_ADD || kind > DHCP_DDNS_REMOVE ||
        forward > 1 || reverse > 1 || dns_name_parse(&op->name, &r) != 0 ||
        keel_reader_left(&r) > 0)
        return KEEL_EINVAL;
    memcpy(op->dhcid, dhcid, DHCP_DHCID_SIZE);
    return 0;
}

/* --- steps ------------------------------------------------------------------------------------ */

const char *dhcp_ddns_step_name(enum dhcp_ddns_step step)
{
    switch (step) {
    case DHCP_DDNS_DONE:
        return "done";
    case DHCP_DDNS_CONFLICT:
        return "conflict";
    case DHCP_DDNS_FAILED:
        return "failed";
    default:
        return "under way";
    }
}

static enum dhcp_ddns_step pointer_step(const struct dhcp_ddns_op *op)
{
    if (!op->reverse)
        return DHCP_DDNS_DONE;
    return op->kind == DHCP_DDNS_ADD ? DHCP_DDNS_ADD_POINTER : DHCP_DDNS_DEL_POINTER;
}

enum dhcp_ddns_step dhcp_ddns_first(const struct dhcp_ddns_op *op)
{
    if (!op->forward)
        return pointer_step(op);
    return op->kind == DHCP_DDNS_ADD ? DHCP_DDNS_ADD_NEW : DHCP_DDNS_DEL_ADDRESS;
}

/* The prerequisites of the step did not hold, or it was done. */
static enum dhcp_ddns_step after(const struct dhcp_ddns_op *op, enum dhcp_ddns_step step,
                                 unsigned rcode)
{
    bool done = rcode == DNS_NOERROR;
    switch (step) {
    case DHCP_DDNS_ADD_NEW:
        return done ? pointer_step(op) : DHCP_DDNS_ADD_OWN;
    case DHCP_DDNS_ADD_OWN:
        /* it went away since the first try: then it can be entered anew (RFC 4703, 5.3.2) */
        return done                    ? pointer_step(op)
               : rcode == DNS_NXDOMAIN ? DHCP_DDNS_ADD_NEW
                                       : DHCP_DDNS_CONFLICT;
    case DHCP_DDNS_DEL_ADDRESS:
        return done ? DHCP_DDNS_DEL_NAME : pointer_step(op);
    case DHCP_DDNS_DEL_NAME:
        return pointer_step(op);
    default:
        return DHCP_DDNS_DONE;
    }
}

enum dhcp_ddns_step dhcp_ddns_next(const struct dhcp_ddns_op *op, enum dhcp_ddns_step step,
                                   unsigned rcode, int *err)
{
    *err = 0;
    switch (rcode) {
    case DNS_NOERROR:
    case DNS_NXDOMAIN:
    case DNS_YXDOMAIN:
    case YXRRSET:
    case NXRRSET:
        return after(op, step, rcode);
    case DNS_SERVFAIL:
    case DNS_REFUSED: /* its configuration, or ours: somebody will mend it */
    case DNS_NOTAUTH:
    case DNS_NOTIMP:
        *err = KEEL_EAGAIN;
        return step;
    default: /* FORMERR, NOTZONE: it would be the same again */
        return DHCP_DDNS_FAILED;
    }
}

/* --- messages (RFC 2136) ---------------------------------------------------------------------- */

struct update {
    struct keel_writer *w;
    uint8_t *counts; /* zone, prerequisites, updates, additional: 16 bits each */
};
enum section { PREREQUISITE = 1, UPDATE = 2 };

static void put_record(struct update *u, enum section section, const struct dns_name *owner,
                       unsigned type, unsigned class, uint32_t ttl, const void *rdata, size_t n)
{
    keel_write_bytes(u->w, owner->bytes, owner->size);
    keel_write_u16(u->w, (uint16_t)type);
    keel_write_u16(u->w, (uint16_t) class);
    keel_write_u32(u->w, ttl);
    keel_write_u16(u->w, (uint16_t)n);
    keel_write_bytes(u->w, rdata, n);
    uint8_t *count = u->counts + 2 * section;
    keel_put_u16(count, (uint16_t)(keel_get_u16(count) + 1));
}
static void no_rrset(struct update *u, const struct dns_name *name, unsigned type)
{
    put_record(u, PREREQUISITE, name, type, DNS_CLASS_NONE, 0, NULL, 0);
}
static void has_record(struct update *u, const struct dns_name *name, unsigned type,
                       const void *rdata, size_t n)
{
    put_record(u, PREREQUISITE, name, type, DNS_CLASS_IN, 0, rdata, n);
}
static void delete_rrset(struct update *u, const struct dns_name *name, unsigned type)
{
    put_record(u, UPDATE, name, type, DNS_CLASS_ANY, 0, NULL, 0);
}

static void put_step(struct update *u, const struct dhcp_ddns_op *op, enum dhcp_ddns_step step)
{
    const struct dns_name *name = &op->name;
    struct dns_name reverse;
    uint8_t address[4];
    keel_put_u32(address, op->address);
    switch (step) {
    case DHCP_DDNS_ADD_NEW:
        no_rrset(u, name, DNS_TYPE_ANY); /* the name is not in use (RFC 2136, 2.4.5) */
        put_record(u, UPDATE, name, DNS_TYPE_A, DNS_CLASS_IN, op->ttl, address, 4);
        put_record(u, UPDATE, name, TYPE_DHCID, DNS_CLASS_IN, op->ttl, op->dhcid, DHCP_DHCID_SIZE);
        return;
    case DHCP_DDNS_ADD_OWN:
        /* the name is in use, and by this client */
        put_record(u, PREREQUISITE, name, DNS_TYPE_ANY, DNS_CLASS_ANY, 0, NULL, 0);
        has_record(u, name, TYPE_DHCID, op->dhcid, DHCP_DHCID_SIZE);
        delete_rrset(u, name, DNS_TYPE_A);
        put_record(u, UPDATE, name, DNS_TYPE_A, DNS_CLASS_IN, op->ttl, address, 4);
        return;
    case DHCP_DDNS_DEL_ADDRESS:
        has_record(u, name, TYPE_DHCID, op->dhcid, DHCP_DHCID_SIZE);
        put_record(u, UPDATE, name, DNS_TYPE_A, DNS_CLASS_NONE, 0, address, 4);
        return;
    case DHCP_DDNS_DEL_NAME:
        has_record(u, name, TYPE_DHCID, op->dhcid, DHCP_DHCID_SIZE);
        no_rrset(u, name, DNS_TYPE_A);
        no_rrset(u, name, DNS_TYPE_AAAA);
        delete_rrset(u, name, DNS_TYPE_ANY);
        return;
    case DHCP_DDNS_ADD_POINTER:
        /* who has the address has its name, whoever was there before (RFC 4703, 5.4) */
        dhcp_reverse_name(op->address, &reverse);
        delete_rrset(u, &reverse, DNS_TYPE_PTR);
        delete_rrset(u, &reverse, TYPE_DHCID);
        put_record(u, UPDATE, &reverse, DNS_TYPE_PTR, DNS_CLASS_IN, op->ttl, name->bytes,
                   name->size);
        put_record(u, UPDATE, &reverse, TYPE_DHCID, DNS_CLASS_IN, op->ttl, op->dhcid,
                   DHCP_DHCID_SIZE);
        return;
    case DHCP_DDNS_DEL_POINTER:
        dhcp_reverse_name(op->address, &reverse);
        has_record(u, &reverse, DNS_TYPE_PTR, name->bytes, name->size);
        delete_rrset(u, &reverse, DNS_TYPE_ANY);
        return;
    default:
        KEEL_ASSERT(false, "only steps under way are sent");
    }
}

int dhcp_ddns_build(const struct dhcp_ddns_op *op, enum dhcp_ddns_step step,
                    const struct dhcp_naming *rules, uint16_t id, struct keel_writer *w)
{
    bool pointer = step == DHCP_DDNS_ADD_POINTER || step == DHCP_DDNS_DEL_POINTER;
    const struct dns_name *zone = pointer ? dhcp_reverse_zone(rules, op->address) : &rules->forward;
    if (!zone || (!pointer && !dns_name_in(&op->name, zone)))
        return KEEL_ENOENT;
    keel_write_u16(w, id);
    keel_write_u16(w, DNS_OPCODE_UPDATE << DNS_OPCODE_SHIFT);
    struct update u = {w, keel_write_skip(w, 8)};
    if (!u.counts)
        return KEEL_ENOSPC;
    memset(u.counts, 0, 8);
    keel_put_u16(u.counts, 1);
    keel_write_bytes(w, zone->bytes, zone->size);
    keel_write_u16(w, DNS_TYPE_SOA);
    keel_write_u16(w, DNS_CLASS_IN);
    put_step(&u, op, step);
    return w->bad ? KEEL_ENOSPC : 0;
}
