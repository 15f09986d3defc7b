#include "dhcpd/lease/import.h"

#include <arpa/inet.h>

#define COLUMNS 24

int dhcp_import_format_by_name(struct keel_str name, enum dhcp_import_format *out)
{
    static const char *const names[] = {"kea", "isc", "dnsmasq", "csv"};
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (keel_str_equal(name, keel_str(names[i]))) {
            *out = (enum dhcp_import_format)i;
            return 0;
        }
    }
    return KEEL_EINVAL;
}

/* --- a lease ---------------------------------------------------------------------------------- */

void dhcp_import_lease_init(struct dhcp_import_lease *l)
{
    l->lease = (struct dhcp_lease){.state = DHCP_LEASE_ACTIVE, .htype = 1};
}

int dhcp_import_address(struct dhcp_import_lease *l, struct keel_str text)
{
    char copy[16] = "";
    struct in_addr a;
    if (text.n >= sizeof copy)
        return KEEL_EINVAL;
    memcpy(copy, text.p, text.n);
    if (inet_pton(AF_INET, copy, &a) != 1)
        return KEEL_EINVAL;
    l->lease.address = ntohl(a.s_addr);
    return 0;
}

int dhcp_import_hardware(struct dhcp_import_lease *l, struct keel_str text)
{
    if (text.n == 0 || keel_str_equal(text, KEEL_STR("*")))
        return 0;
    int n = keel_parse_hex(text, l->lease.chaddr, sizeof l->lease.chaddr);
    l->lease.hlen = (uint8_t)(n > 0 ? n : 0);
    return n > 0 ? 0 : KEEL_EINVAL;
}

int dhcp_import_client(struct dhcp_import_lease *l, const uint8_t *id, size_t n)
{
    if (n > sizeof l->identity - 1)
        return KEEL_EINVAL;
    if (n == 0)
        return 0;
    l->identity[0] = 1;
    memcpy(l->identity + 1, id, n);
    l->lease.client.identity = (struct dhcp_bytes){l->identity, (uint16_t)(n + 1)};
    return 0;
}

int dhcp_import_client_hex(struct dhcp_import_lease *l, struct keel_str text)
{
    uint8_t id[DHCP_IDENTITY_MAX];
    if (text.n == 0 || keel_str_equal(text, KEEL_STR("*")))
        return 0;
    int n = keel_parse_hex(text, id, sizeof id);
    return n < 0 ? n : dhcp_import_client(l, id, (size_t)n);
}

int dhcp_import_hostname(struct dhcp_import_lease *l, struct keel_str text)
{
    if (text.n == 0 || keel_str_equal(text, KEEL_STR("*")))
        return 0;
    if (text.n > sizeof l->hostname)
        return KEEL_EINVAL;
    memcpy(l->hostname, text.p, text.n);
    l->lease.hostname = (struct dhcp_bytes){l->hostname, (uint16_t)text.n};
    return 0;
}

int dhcp_import_give(struct dhcp_import *import, unsigned line, struct dhcp_import_lease *l)
{
    struct dhcp_lease *lease = &l->lease;
    if (lease->client.identity.n == 0 && lease->hlen > 0) {
        l->identity[0] = 0;
        l->identity[1] = lease->htype;
        memcpy(l->identity + 2, lease->chaddr, lease->hlen);
        lease->client.identity = (struct dhcp_bytes){l->identity, (uint16_t)(lease->hlen + 2)};
    }
    if (lease->state == DHCP_LEASE_DECLINED) /* nobody's */
        lease->client.identity.n = lease->hostname.n = 0;
    else if (lease->state && lease->client.identity.n == 0) {
        dhcp_import_fault(import, line, "neither a hardware address nor a client identifier");
        return 0;
    }
    return import->on_lease(import, line, lease);
}

void dhcp_import_fault(struct dhcp_import *import, unsigned line, const char *why)
{
    if (import->on_fault)
        import->on_fault(import, line, why);
}

/* --- lines ------------------------------------------------------------------------------------ */

/* Cuts a line off, without its end. */
static bool next_line(struct keel_str *rest, struct keel_str *line)
{
    if (!keel_str_split(rest, '\n', line))
        return false;
    if (line->n > 0 && line->p[line->n - 1] == '\r')
        line->n--;
    return true;
}

/* A field of CSV (RFC 4180), without its quotes; "" in it stands for one. Uses `space`, of the
 * line's size, for those. */
static bool next_field(struct keel_str *rest, struct keel_str *field, char *space)
{
    if (!rest->p || rest->n == 0 || rest->p[0] != '"')
        return keel_str_split(rest, ',', field);
    size_t n = 0, i = 1;
    for (; i < rest->n && !(rest->p[i] == '"' && (i + 1 == rest->n || rest->p[i + 1] != '"'));
         i++) {
        i += rest->p[i] == '"';
        space[n++] = rest->p[i];
    }
    if (i >= rest->n) /* it does not end */
        return false;
    *field = (struct keel_str){space, n};
    rest->p += i + 1;
    rest->n -= i + 1;
    struct keel_str between;
    return keel_str_split(rest, ',', &between) && between.n == 0;
}

/* Which column of a line has which of the wanted names; -1: none. */
struct columns {
    const char *const *names;
    unsigned count;
    int at[COLUMNS];
};

static void read_header(struct columns *c, struct keel_str line)
{
    struct keel_str name;
    for (unsigned i = 0; i < c->count; i++)
        c->at[i] = -1;
    for (int column = 0; keel_str_split(&line, ',', &name); column++)
        for (unsigned i = 0; i < c->count; i++)
            if (c->at[i] < 0 && keel_str_equal(keel_str_trim(name), keel_str(c->names[i])))
                c->at[i] = column;
}

#define LINE_MAX_CSV 4096
/* The wanted fields of a line into out[]; "" for what is not there. False: not a line of CSV. */
static bool read_columns(const struct columns *c, struct keel_str line, struct keel_str *out,
                         char *space)
{
    struct keel_str field;
    for (unsigned i = 0; i < c->count; i++)
        out[i] = (struct keel_str){"", 0};
    if (line.n > LINE_MAX_CSV)
        return false;
    for (int column = 0; line.p; column++) {
        char *mine = space + (line.n ? LINE_MAX_CSV - line.n : 0);
        if (!next_field(&line, &field, mine))
            return false;
        for (unsigned i = 0; i < c->count; i++)
            if (c->at[i] == column)
                out[i] = field;
    }
    return true;
}

/* --- Kea -------------------------------------------------------------------------------------- */

enum { KEA_ADDRESS, KEA_HARDWARE, KEA_CLIENT, KEA_LIFETIME, KEA_EXPIRE, KEA_HOSTNAME, KEA_STATE };
static const char *const kea_names[] = {"address", "hwaddr",   "client_id", "valid_lifetime",
                                        "expire",  "hostname", "state"};

/* A comma stands as &#x2c in a field. */
static struct keel_str kea_unescape(struct keel_str text, char *out, size_t size)
{
    size_t n = 0;
    for (size_t i = 0; i < text.n && n < size; i++, n++) {
        bool escaped = text.n - i >= 5 && memcmp(text.p + i, "&#x2c", 5) == 0;
        out[n] = escaped ? ',' : text.p[i];
        i += escaped ? 4 : 0;
    }
    return (struct keel_str){out, n};
}

static const char *kea_line(struct dhcp_import_lease *l, const struct keel_str *f)
{
    uint64_t lifetime, expire, state = 0;
    char name[256];
    dhcp_import_lease_init(l);
    if (dhcp_import_address(l, f[KEA_ADDRESS]) != 0)
        return "no IPv4 address";
    if (keel_parse_u64(f[KEA_LIFETIME], UINT32_MAX, &lifetime) != 0 ||
        keel_parse_u64(f[KEA_EXPIRE], UINT64_MAX / 2, &expire) != 0)
        return "valid_lifetime or expire is no number";
    if (f[KEA_STATE].n > 0 && keel_parse_u64(f[KEA_STATE], UINT32_MAX, &state) != 0)
        return "state is no number";
    if (dhcp_import_hardware(l, f[KEA_HARDWARE]) != 0)
        return "hwaddr is no hardware address";
    if (dhcp_import_client_hex(l, f[KEA_CLIENT]) != 0)
        return "client_id is not hexadecimal";
    if (dhcp_import_hostname(l, kea_unescape(f[KEA_HOSTNAME], name, sizeof name)) != 0)
        return "the host name is too long";
    static const enum dhcp_lease_state states[] = {DHCP_LEASE_ACTIVE, DHCP_LEASE_DECLINED,
                                                   DHCP_LEASE_EXPIRED, DHCP_LEASE_RELEASED};
    if (state >= sizeof states / sizeof states[0])
        return "a state that is not known";
    /* a lease that Kea deleted is written once more with no lifetime */
    l->lease.state = lifetime == 0 ? (enum dhcp_lease_state)0 : states[state];
    l->lease.expires = expire;
    l->lease.granted = expire > lifetime ? expire - lifetime : 0;
    return NULL;
}

/* --- dnsmasq ---------------------------------------------------------------------------------- */

/* "1700003600 02:00:00:00:00:01 192.0.2.7 box 01:02:00:00:00:00:01" */
static const char *dnsmasq_line(struct dhcp_import_lease *l, struct keel_str line)
{
    struct keel_str f[5];
    uint64_t expires;
    for (unsigned i = 0; i < 5; i++)
        if (!keel_str_split(&line, ' ', &f[i]))
            return "five words expected: time, hardware address, address, name, client";
    dhcp_import_lease_init(l);
    if (keel_parse_u64(f[0], UINT64_MAX / 2, &expires) != 0)
        return "the time is no number";
    if (dhcp_import_address(l, f[2]) != 0)
        return "no IPv4 address";
    /* another kind of hardware stands before its address: "06-..." */
    if (f[1].n > 3 && f[1].p[2] == '-') {
        uint8_t htype[1];
        if (keel_parse_hex((struct keel_str){f[1].p, 2}, htype, 1) != 1)
            return "no hardware address";
        l->lease.htype = htype[0];
        f[1] = (struct keel_str){f[1].p + 3, f[1].n - 3};
    }
    if (dhcp_import_hardware(l, f[1]) != 0)
        return "no hardware address";
    if (dhcp_import_hostname(l, f[3]) != 0)
        return "the host name is too long";
    if (dhcp_import_client_hex(l, f[4]) != 0)
        return "the client identifier is not hexadecimal";
    l->lease.expires = expires ? expires : UINT32_MAX; /* 0: for ever */
    return NULL;
}

/* --- our own ---------------------------------------------------------------------------------- */

enum { CSV_ADDRESS, CSV_STATE, CSV_HARDWARE, CSV_CLIENT, CSV_HOSTNAME, CSV_GRANTED, CSV_EXPIRES };
static const char *const csv_names[] = {"address",  "state",   "hardware", "client-id",
                                        "hostname", "granted", "expires"};

/* Backwards what keel_escape writes. */
static struct keel_str unescape(struct keel_str text, char *out, size_t size)
{
    size_t n = 0;
    for (size_t i = 0; i < text.n && n < size; i++, n++) {
        uint8_t byte;
        out[n] = text.p[i];
        if (text.p[i] != '\\' || i + 1 == text.n)
            continue;
        char c = text.p[++i];
        out[n] = c == 'n' ? '\n' : c == 't' ? '\t' : c;
        if (c == 'x' && text.n - i >= 3 &&
            keel_parse_hex((struct keel_str){text.p + i + 1, 2}, &byte, 1) == 1) {
            out[n] = (char)byte;
            i += 2;
        }
    }
    return (struct keel_str){out, n};
}

static const char *csv_line(struct dhcp_import_lease *l, const struct keel_str *f)
{
    char name[256];
    dhcp_import_lease_init(l);
    if (dhcp_import_address(l, f[CSV_ADDRESS]) != 0)
        return "no IPv4 address";
    l->lease.state = (enum dhcp_lease_state)0;
    for (unsigned s = DHCP_LEASE_ACTIVE; s <= DHCP_LEASE_EXPIRED; s++)
        if (keel_str_equal(f[CSV_STATE], keel_str(dhcp_lease_state_name((enum dhcp_lease_state)s))))
            l->lease.state = (enum dhcp_lease_state)s;
    if (!l->lease.state)
        return "a state that is not known";
    if (dhcp_import_hardware(l, f[CSV_HARDWARE]) != 0)
        return "no hardware address";
    if (dhcp_import_client_hex(l, f[CSV_CLIENT]) != 0)
        return "client-id is not hexadecimal";
    if (dhcp_import_hostname(l, unescape(f[CSV_HOSTNAME], name, sizeof name)) != 0)
        return "the host name is too long";
    if (keel_parse_u64(f[CSV_GRANTED], UINT64_MAX / 2, &l->lease.granted) != 0 ||
        keel_parse_u64(f[CSV_EXPIRES], UINT64_MAX / 2, &l->lease.expires) != 0)
        return "granted or expires is no number";
    return NULL;
}

/* --- files ------------------------------------------------------------------------------------ */

static int read_csv(struct dhcp_import *import, struct columns *c, struct keel_str text,
                    const char *(*read_line)(struct dhcp_import_lease *l, const struct keel_str *f))
{
    struct dhcp_import_lease l;
    struct keel_str line, fields[COLUMNS];
    char space[LINE_MAX_CSV];
    int err = 0;
    if (!next_line(&text, &line))
        line = (struct keel_str){"", 0};
    read_header(c, line);
    if (c->at[0] != 0) {
        dhcp_import_fault(import, 1, "the first line does not name the columns, \"address\" first");
        return KEEL_EINVAL;
    }
    for (unsigned n = 2; !err && next_line(&text, &line); n++) {
        if (line.n == 0)
            continue;
        const char *why =
            read_columns(c, line, fields, space) ? read_line(&l, fields) : "this is no line of CSV";
        if (why)
            dhcp_import_fault(import, n, why);
        else
            err = dhcp_import_give(import, n, &l);
    }
    return err;
}

static int read_dnsmasq(struct dhcp_import *import, struct keel_str text)
{
    struct dhcp_import_lease l;
    struct keel_str line;
    int err = 0;
    for (unsigned n = 1; !err && next_line(&text, &line); n++) {
        if (line.n == 0)
            continue;
        if (line.n > 5 && memcmp(line.p, "duid ", 5) == 0)
            break; /* what follows is DHCPv6 */
        const char *why = dnsmasq_line(&l, line);
        if (why)
            dhcp_import_fault(import, n, why);
        else
            err = dhcp_import_give(import, n, &l);
    }
    return err;
}

int dhcp_import_read(struct dhcp_import *import, enum dhcp_import_format format,
                     struct keel_str text)
{
    struct columns kea = {kea_names, sizeof kea_names / sizeof kea_names[0], {0}};
    struct columns own = {csv_names, sizeof csv_names / sizeof csv_names[0], {0}};
    switch (format) {
    case DHCP_IMPORT_KEA:
        return read_csv(import, &kea, text, kea_line);
    case DHCP_IMPORT_CSV:
        return read_csv(import, &own, text, csv_line);
    case DHCP_IMPORT_DNSMASQ:
        return read_dnsmasq(import, text);
    case DHCP_IMPORT_ISC:
        return dhcp_import_isc(import, text);
    }
    return KEEL_EINVAL;
}
