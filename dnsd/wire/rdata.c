#include "dnsd/wire/rdata.h"

#include "common/base/str.h"
#include "dnsd/wire/name.h"
#include "dnsd/wire/type.h"

static bool check_tag(struct keel_reader *r)
{
    uint8_t n = keel_read_u8(r);
    const uint8_t *p = keel_read_bytes(r, n);
    if (!p || n == 0)
        return false;
    for (unsigned i = 0; i < n; i++) /* RFC 8659, 4.1 */
        if (!keel_is_digit(p[i]) && (dns_lower[p[i]] < 'a' || dns_lower[p[i]] > 'z'))
            return false;
    return true;
}

static bool check_strings(struct keel_reader *r)
{
    do
        keel_read_bytes(r, keel_read_u8(r));
    while (!r->bad && keel_reader_left(r) > 0);
    return !r->bad;
}

/* Skips one field of any kind; false when it is malformed. */
static bool skip_field(char field, struct keel_reader *r)
{
    switch (field) {
    case 'a':
    case 'w':
    case 't':
        keel_read_bytes(r, 4);
        break;
    case 'q':
        keel_read_bytes(r, 16);
        break;
    case 'b':
        keel_read_bytes(r, 1);
        break;
    case 'h':
        keel_read_bytes(r, 2);
        break;
    case 's':
        keel_read_bytes(r, keel_read_u8(r));
        break;
    case 'S':
        return check_strings(r);
    case 'g':
        return check_tag(r);
    case 'n':
    case 'N': {
        int n = dns_name_scan(r->next, keel_reader_left(r));
        if (n < 0)
            return false;
        keel_read_bytes(r, (size_t)n);
        break;
    }
    case 'p':
        if (dns_svcb_check(r->next, keel_reader_left(r)) != 0)
            return false;
        /* fall through */
    default: /* v, x: the rest */
        keel_read_bytes(r, keel_reader_left(r));
    }
    return !r->bad;
}

/* What the answers of signed zones rely on: types whose text ldns reads (RFC 4034, 5155). */
static const char *layout_of_signed(uint16_t type)
{
    switch (type) {
    case DNS_TYPE_RRSIG:
        return "hbbwwwhNv";
    case DNS_TYPE_NSEC:
        return "Nv";
    case DNS_TYPE_NSEC3:
        return "bbhssv";
    case DNS_TYPE_NSEC3PARAM:
        return "bbhs";
    default:
        return NULL;
    }
}

int dns_rdata_check(uint16_t type, const uint8_t *rdata, size_t size)
{
    const char *layout = dns_type_layout(type);
    struct keel_reader r;

    if (size > UINT16_MAX)
        return KEEL_EINVAL;
    if (!layout && !(layout = layout_of_signed(type)))
        return 0;
    keel_reader_init(&r, rdata, size);
    for (; *layout; layout++)
        if (!skip_field(*layout, &r))
            return KEEL_EINVAL;
    return keel_reader_left(&r) == 0 ? 0 : KEEL_EINVAL;
}

/* The types whose names a sender may have compressed: those of RFC 1035, and of those that came
 * later the ones that a receiver is to put up with (RFC 3597, 4). */
static bool may_be_compressed(char field, uint16_t type)
{
    return field == 'n' || type == DNS_TYPE_RP || type == DNS_TYPE_AFSDB || type == DNS_TYPE_RT ||
           type == DNS_TYPE_SRV;
}

/* Copies one field; a name with its pointers followed. */
static bool flatten_field(char field, uint16_t type, const uint8_t *message, struct keel_reader *r,
                          struct keel_writer *w)
{
    const uint8_t *start = r->next;
    struct dns_name name;

    if ((field == 'n' || field == 'N') && may_be_compressed(field, type)) {
        size_t at = (size_t)(r->next - message);
        /* pointers lead backwards only, so that nothing behind the rdata is read */
        if (dns_name_parse_compressed(&name, message, (size_t)(r->end - message), &at) != 0)
            return false;
        r->next = message + at;
        keel_write_bytes(w, name.bytes, name.size);
        return true;
    }
    if (!skip_field(field, r))
        return false;
    keel_write_bytes(w, start, (size_t)(r->next - start));
    return true;
}

int dns_rdata_parse(uint16_t type, const uint8_t *message, const uint8_t *rdata, size_t size,
                    uint8_t *out, size_t *out_size)
{
    const char *layout = dns_type_layout(type);
    struct keel_reader r;
    struct keel_writer w;

    if (!layout) {
        *out_size = size;
        if (dns_rdata_check(type, rdata, size) != 0)
            return KEEL_EINVAL;
        if (size > 0)
            memcpy(out, rdata, size);
        return 0;
    }
    keel_reader_init(&r, rdata, size);
    keel_writer_init(&w, out, UINT16_MAX);
    for (; *layout; layout++)
        if (!flatten_field(*layout, type, message, &r, &w))
            return KEEL_EINVAL;
    *out_size = keel_writer_offset(&w);
    return keel_reader_left(&r) == 0 && !w.bad ? 0 : KEEL_EINVAL;
}

unsigned dns_rdata_names(uint16_t type, const uint8_t *rdata, size_t size,
                         struct dns_rdata_name names[DNS_RDATA_NAMES])
{
    const char *layout = dns_type_layout(type);
    unsigned count = 0;
    struct keel_reader r;

    keel_reader_init(&r, rdata, size);
    for (; layout && *layout && count < DNS_RDATA_NAMES; layout++) {
        size_t offset = keel_reader_offset(&r);
        if (!skip_field(*layout, &r))
            break;
        if (*layout == 'n' || *layout == 'N')
            names[count++] = (struct dns_rdata_name){
                (uint16_t)offset, (uint16_t)(keel_reader_offset(&r) - offset), *layout == 'n'};
    }
    return count;
}

void dns_rdata_lower(uint16_t type, uint8_t *rdata, size_t size)
{
    struct dns_rdata_name names[DNS_RDATA_NAMES];
    unsigned count = dns_rdata_names(type, rdata, size, names);
    for (unsigned i = 0; i < count; i++)
        for (size_t k = names[i].offset; k < (size_t)names[i].offset + names[i].size; k++)
            rdata[k] = dns_lower[rdata[k]];
}

bool dns_rdata_equal(uint16_t type, const uint8_t *a, size_t a_size, const uint8_t *b,
                     size_t b_size)
{
    struct dns_rdata_name names[DNS_RDATA_NAMES];
    size_t at = 0;
    if (a_size != b_size)
        return false;
    if (a_size == 0 || memcmp(a, b, a_size) == 0)
        return true;
    unsigned count = dns_rdata_names(type, a, a_size, names);
    for (unsigned i = 0; i < count; i++) { /* the length of a label has no case */
        if (memcmp(a + at, b + at, names[i].offset - at) != 0)
            return false;
        for (at = names[i].offset; at < (size_t)names[i].offset + names[i].size; at++)
            if (dns_lower[a[at]] != dns_lower[b[at]])
                return false;
    }
    return memcmp(a + at, b + at, a_size - at) == 0;
}

/* The list of protocol names in alpn: at least one, none empty (RFC 9460, 7.1). */
static bool check_alpn(const uint8_t *p, size_t n)
{
    size_t at = 0;
    while (at < n) {
        if (p[at] == 0 || n - at <= p[at])
            return false;
        at += p[at] + 1u;
    }
    return n > 0;
}

static bool check_value(uint16_t key, const uint8_t *p, size_t n)
{
    switch (key) {
    case DNS_SVCB_MANDATORY:
        return n > 0 && n % 2 == 0;
    case DNS_SVCB_ALPN:
        return check_alpn(p, n);
    case DNS_SVCB_NO_DEFAULT_ALPN:
    case DNS_SVCB_OHTTP:
        return n == 0;
    case DNS_SVCB_PORT:
        return n == 2;
    case DNS_SVCB_IPV4HINT:
        return n > 0 && n % 4 == 0;
    case DNS_SVCB_IPV6HINT:
        return n > 0 && n % 16 == 0;
    case UINT16_MAX: /* reserved: never used (RFC 9460, 14.3.2) */
        return false;
    default:
        return true;
    }
}

static bool has_key(const uint8_t *params, size_t size, uint16_t wanted)
{
    struct keel_reader r;
    keel_reader_init(&r, params, size);
    while (!r.bad && keel_reader_left(&r) > 0) {
        uint16_t key = keel_read_u16(&r);
        keel_read_bytes(&r, keel_read_u16(&r));
        if (key == wanted)
            return true;
    }
    return false;
}

/* Every mandatory key is there, is not "mandatory", and they ascend (RFC 9460, 8). */
static bool check_mandatory(const uint8_t *params, size_t size, const uint8_t *list, size_t n)
{
    int last = DNS_SVCB_MANDATORY;
    for (size_t i = 0; i < n; i += 2) {
        uint16_t key = keel_get_u16(list + i);
        if (key <= last || !has_key(params, size, key))
            return false;
        last = key;
    }
    return true;
}

int dns_svcb_check(const uint8_t *params, size_t size)
{
    struct keel_reader r;
    int last = -1;

    keel_reader_init(&r, params, size);
    while (keel_reader_left(&r) > 0) {
        uint16_t key = keel_read_u16(&r), n = keel_read_u16(&r);
        const uint8_t *p = keel_read_bytes(&r, n);
        if (!p || key <= last || !check_value(key, p, n))
            return KEEL_EINVAL;
        if (key == DNS_SVCB_MANDATORY && !check_mandatory(params, size, p, n))
            return KEEL_EINVAL;
        last = key;
    }
    if (has_key(params, size, DNS_SVCB_NO_DEFAULT_ALPN) && !has_key(params, size, DNS_SVCB_ALPN))
        return KEEL_EINVAL;
    return 0;
}
