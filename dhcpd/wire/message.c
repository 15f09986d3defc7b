#include "dhcpd/wire/message.h"

#define SNAME_AT 44
#define FILE_AT 108

const char *dhcp_type_name(enum dhcp_type type)
{
    static const char *const names[DHCP_TYPES] = {
        "none",         "discover",   "offer",  "request",    "decline",    "ack",
        "nak",          "release",    "inform", "forcerenew", "leasequery", "leaseunassigned",
        "leaseunknown", "leaseactive"};
    return type < DHCP_TYPES ? names[type] : "unknown";
}

/* The areas that hold options, in the order in which their pieces join (RFC 3396, 5). */
struct areas {
    struct dhcp_bytes list[3];
    unsigned count;
};

static void mark(uint64_t *bits, uint8_t code)
{
    bits[code >> 6] |= 1ull << (code & 63);
}

/* Calls for each option of one area; stops at END. KEEL_ETRUNC when one runs over the edge. */
static int walk(struct dhcp_message *m, struct dhcp_bytes area, uint64_t *split)
{
    const uint8_t *p = area.p, *end = p + area.n;
    while (p < end) {
        uint8_t code = *p++;
        if (code == DHCP_OPTION_PAD)
            continue;
        if (code == DHCP_OPTION_END)
            break;
        if (p == end || p[0] > end - p - 1)
            return KEEL_ETRUNC;
        if (dhcp_message_has(m, code)) {
            mark(split, code);
        } else {
            mark(m->present, code);
            m->values[code] = (struct dhcp_bytes){p + 1, p[0]};
        }
        p += 1 + p[0];
    }
    return 0;
}

/* Joins the pieces of one split option in the order of the areas. The bounds were walked before,
 * and all pieces of all options together are shorter than the message that held them. */
static void join(struct dhcp_message *m, const struct areas *areas, uint8_t wanted)
{
    uint8_t *start = m->joined + m->joined_size, *to = start;
    for (unsigned a = 0; a < areas->count; a++) {
        const uint8_t *p = areas->list[a].p, *end = p + areas->list[a].n;
        while (p < end && *p != DHCP_OPTION_END) {
            uint8_t code = *p++;
            if (code == DHCP_OPTION_PAD)
                continue;
            uint8_t n = *p++;
            if (code == wanted) {
                memcpy(to, p, n);
                to += n;
            }
            p += n;
        }
    }
    m->values[wanted] = (struct dhcp_bytes){start, (uint16_t)(to - start)};
    m->joined_size = (uint16_t)(to - m->joined);
}

static int parse_options(struct dhcp_message *m, const uint8_t *bytes, size_t size)
{
    uint64_t split[4] = {0};
    struct areas areas = {.count = 1};
    areas.list[0] =
        (struct dhcp_bytes){bytes + DHCP_OPTIONS_AT, (uint16_t)(size - DHCP_OPTIONS_AT)};
    int err = walk(m, areas.list[0], split);
    if (err)
        return err;
    unsigned overload = 0;
    if (dhcp_message_has(m, DHCP_OPTION_OVERLOAD)) {
        struct dhcp_bytes v = m->values[DHCP_OPTION_OVERLOAD];
        if (v.n != 1 || v.p[0] < 1 || v.p[0] > 3)
            return KEEL_EINVAL;
        overload = v.p[0];
    }
    if (overload & 1) {
        m->file.n = 0;
        areas.list[areas.count++] = (struct dhcp_bytes){bytes + FILE_AT, DHCP_FILE_SIZE};
    }
    if (overload & 2) {
        m->sname.n = 0;
        areas.list[areas.count++] = (struct dhcp_bytes){bytes + SNAME_AT, DHCP_SNAME_SIZE};
    }
    for (unsigned a = 1; a < areas.count; a++)
        if ((err = walk(m, areas.list[a], split)) != 0)
            return err;
    for (unsigned word = 0; word < 4; word++)
        for (uint64_t bits = split[word]; bits; bits &= bits - 1)
            join(m, &areas, (uint8_t)(word * 64 + (unsigned)__builtin_ctzll(bits)));
    return 0;
}

/* Sizes of what the server reads. A fixed one that came twice has joined to a wrong size, so a
 * contradiction is never guessed at. */
static int check_options(const struct dhcp_message *m)
{
    static const struct {
        uint8_t code;
        uint16_t min, max;
    } sizes[] = {
        {DHCP_OPTION_REQUESTED_ADDRESS, 4, 4},
        {DHCP_OPTION_LEASE_TIME, 4, 4},
        {DHCP_OPTION_OVERLOAD, 1, 1},
        {DHCP_OPTION_MESSAGE_TYPE, 1, 1},
        {DHCP_OPTION_SERVER_ID, 4, 4},
        {DHCP_OPTION_PARAMETER_LIST, 1, 255},
        {DHCP_OPTION_MAX_SIZE, 2, 2},
        {DHCP_OPTION_CLIENT_ID, 2, 254}, /* with its kind 255: one octet counts a lease's */
        {DHCP_OPTION_RELAY_INFO, 2, 255},
        {DHCP_OPTION_HOST_NAME, 1, 255},
        {DHCP_OPTION_SUBNET_SELECTION, 4, 4},
    };
    for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct dhcp_bytes v = dhcp_message_option(m, sizes[i].code);
        if (v.p && (v.n < sizes[i].min || v.n > sizes[i].max))
            return KEEL_EINVAL;
    }
    return 0;
}

static struct dhcp_bytes text_field(const uint8_t *p, size_t size)
{
    const uint8_t *nul = memchr(p, 0, size);
    return (struct dhcp_bytes){p, (uint16_t)(nul ? (size_t)(nul - p) : size)};
}

int dhcp_message_parse(struct dhcp_message *m, const void *bytes, size_t size)
{
    if (size > DHCP_MESSAGE_MAX)
        return KEEL_EINVAL;
    if (size < DHCP_OPTIONS_AT)
        return KEEL_ETRUNC;
    struct keel_reader r;
    keel_reader_init(&r, bytes, size);
    m->op = keel_read_u8(&r);
    m->htype = keel_read_u8(&r);
    m->hlen = keel_read_u8(&r);
    m->hops = keel_read_u8(&r);
    m->xid = keel_read_u32(&r);
    m->secs = keel_read_u16(&r);
    m->flags = keel_read_u16(&r);
    m->ciaddr = keel_read_u32(&r);
    m->yiaddr = keel_read_u32(&r);
    m->siaddr = keel_read_u32(&r);
    m->giaddr = keel_read_u32(&r);
    const uint8_t *chaddr = keel_read_bytes(&r, 16);
    const uint8_t *sname = keel_read_bytes(&r, DHCP_SNAME_SIZE);
    const uint8_t *file = keel_read_bytes(&r, DHCP_FILE_SIZE);
    uint32_t magic = keel_read_u32(&r);
    if (r.bad || (m->op != DHCP_REQUEST_OP && m->op != DHCP_REPLY_OP) || m->hlen > 16)
        return KEEL_EINVAL;
    memset(m->chaddr, 0, sizeof m->chaddr);
    memcpy(m->chaddr, chaddr, m->hlen);
    m->sname = text_field(sname, DHCP_SNAME_SIZE);
    m->file = text_field(file, DHCP_FILE_SIZE);
    memset(m->present, 0, sizeof m->present);
    m->joined_size = 0;
    m->type = DHCP_NONE;
    if (magic != DHCP_MAGIC)
        return KEEL_ENOTSUP;
    int err = parse_options(m, bytes, size);
    if (!err)
        err = check_options(m);
    if (err)
        return err;
    struct dhcp_bytes type = dhcp_message_option(m, DHCP_OPTION_MESSAGE_TYPE);
    if (!type.p)
        return KEEL_ENOTSUP;
    if (type.p[0] == DHCP_NONE || type.p[0] >= DHCP_TYPES)
        return KEEL_EINVAL;
    m->type = (enum dhcp_type)type.p[0];
    return 0;
}

struct dhcp_bytes dhcp_message_option(const struct dhcp_message *m, uint8_t code)
{
    return dhcp_message_has(m, code) ? m->values[code] : (struct dhcp_bytes){NULL, 0};
}

uint32_t dhcp_message_u32(const struct dhcp_message *m, uint8_t code)
{
    struct dhcp_bytes v = dhcp_message_option(m, code);
    return v.n == 4 ? keel_get_u32(v.p) : 0;
}

static void area_init(struct dhcp_area *area, uint8_t *start, size_t size)
{
    area->start = area->next = start;
    area->end = start + size;
}

/* A field of text ends with a NUL and has no room for options. */
static void field_init(struct dhcp_area *area, uint8_t *start, size_t size, struct dhcp_bytes text)
{
    KEEL_ASSERT(text.n < size, "the text fits its field");
    if (text.n > 0)
        memcpy(start, text.p, text.n);
    area_init(area, start, text.n ? 0 : size);
}

void dhcp_builder_init(struct dhcp_builder *b, void *bytes, size_t size,
                       const struct dhcp_header *header, size_t last)
{
    KEEL_ASSERT(size >= DHCP_MESSAGE_MIN, "room for the shortest message");
    struct keel_writer w;
    keel_writer_init(&w, bytes, size);
    keel_write_u8(&w, header->op);
    keel_write_u8(&w, header->htype);
    keel_write_u8(&w, header->hlen);
    keel_write_u8(&w, header->hops);
    keel_write_u32(&w, header->xid);
    keel_write_u16(&w, header->secs);
    keel_write_u16(&w, header->flags);
    keel_write_u32(&w, header->ciaddr);
    keel_write_u32(&w, header->yiaddr);
    keel_write_u32(&w, header->siaddr);
    keel_write_u32(&w, header->giaddr);
    keel_write_bytes(&w, header->chaddr, 16);
    memset(w.next, 0, DHCP_SNAME_SIZE + DHCP_FILE_SIZE);
    w.next += DHCP_SNAME_SIZE + DHCP_FILE_SIZE;
    keel_write_u32(&w, DHCP_MAGIC);
    b->bytes = bytes;
    area_init(&b->options, w.next, size - DHCP_OPTIONS_AT);
    field_init(&b->file, b->bytes + FILE_AT, DHCP_FILE_SIZE, header->file);
    field_init(&b->sname, b->bytes + SNAME_AT, DHCP_SNAME_SIZE, header->sname);
    /* END, the overload option, and what stands last */
    b->reserved = 1 + 3 + (last ? 2 + last : 0);
}

/* Pieces of at most 255 octets, all in one area (RFC 3396, 6: a client joins them). */
static bool area_add(struct dhcp_area *area, size_t reserved, uint8_t code, const uint8_t *value,
                     size_t n)
{
    size_t pieces = n ? (n + 254) / 255 : 1, room = (size_t)(area->end - area->next);
    if (room < reserved || room - reserved < n + 2 * pieces)
        return false;
    do {
        size_t piece = n > 255 ? 255 : n;
        *area->next++ = code;
        *area->next++ = (uint8_t)piece;
        if (piece) { /* an empty value may be NULL, on which C allows no arithmetic */
            memcpy(area->next, value, piece);
            value += piece;
        }
        area->next += piece;
        n -= piece;
    } while (n > 0);
    return true;
}

bool dhcp_builder_add(struct dhcp_builder *b, uint8_t code, const void *value, size_t n)
{
    return area_add(&b->options, b->reserved, code, value, n) ||
           area_add(&b->file, 1, code, value, n) || area_add(&b->sname, 1, code, value, n);
}

bool dhcp_builder_u8(struct dhcp_builder *b, uint8_t code, uint8_t value)
{
    return dhcp_builder_add(b, code, &value, 1);
}

bool dhcp_builder_u32(struct dhcp_builder *b, uint8_t code, uint32_t value)
{
    uint8_t bytes[4];
    keel_put_u32(bytes, value);
    return dhcp_builder_add(b, code, bytes, 4);
}

/* An overloaded field ends with END; the rest of it is zero already, which is padding. */
static unsigned area_close(struct dhcp_area *area, unsigned bit)
{
    if (area->next == area->start)
        return 0;
    *area->next++ = DHCP_OPTION_END;
    return bit;
}

size_t dhcp_builder_finish(struct dhcp_builder *b, const void *relay, size_t n)
{
    uint8_t overload = (uint8_t)(area_close(&b->file, 1) | area_close(&b->sname, 2));
    b->reserved = 0;
    if (overload)
        area_add(&b->options, 0, DHCP_OPTION_OVERLOAD, &overload, 1);
    if (n > 0)
        area_add(&b->options, 1, DHCP_OPTION_RELAY_INFO, relay, n);
    *b->options.next++ = DHCP_OPTION_END;
    size_t size = (size_t)(b->options.next - b->bytes);
    if (size < DHCP_MESSAGE_MIN) {
        memset(b->options.next, 0, DHCP_MESSAGE_MIN - size);
        size = DHCP_MESSAGE_MIN;
    }
    return size;
}
