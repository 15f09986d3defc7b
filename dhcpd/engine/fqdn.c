#include "dhcpd/engine/fqdn.h"

#include <stdio.h>

/* Flags of option 81 (RFC 4702, 2.1). */
enum {
    FLAG_S = 1, /* the server enters the address */
    FLAG_O = 2, /* it does not do what the client asked for */
    FLAG_E = 4, /* the name is in labels, not in ASCII */
    FLAG_N = 8, /* the server enters nothing */
};
#define OPTION_FIXED 3   /* flags and two octets that mean nothing any more */
#define RCODE_UNUSED 255 /* what a server sends in those (RFC 4702, 2.2) */

/* A name as somebody wrote it: pieces of their bytes. */
struct labels {
    struct keel_str items[DNS_LABELS_MAX];
    unsigned count;
};

static bool add_label(struct labels *l, const void *p, size_t n)
{
    if (n == 0 || n > DNS_LABEL_MAX || l->count == DNS_LABELS_MAX)
        return false;
    l->items[l->count++] = (struct keel_str){p, n};
    return true;
}

/* "box" or "box.lan.example", perhaps with a last dot or a NUL. */
static bool split_text(struct labels *l, struct dhcp_bytes text)
{
    struct keel_str rest = {(const char *)text.p, text.n}, part;
    while (rest.n > 0 && (rest.p[rest.n - 1] == '\0' || rest.p[rest.n - 1] == '.'))
        rest.n--;
    if (rest.n == 0)
        return false;
    while (keel_str_split(&rest, '.', &part))
        if (!add_label(l, part.p, part.n))
            return false;
    return true;
}

/* Labels with their lengths; the root may be missing, then the name is not a whole one. */
static bool split_wire(struct labels *l, struct dhcp_bytes wire)
{
    size_t at = 0;
    while (at < wire.n && wire.p[at] != 0) {
        size_t n = wire.p[at++];
        if (n > wire.n - at || !add_label(l, wire.p + at, n))
            return false;
        at += n;
    }
    return l->count > 0;
}

/* What may stand in a host name stays (RFC 952, RFC 1123); the rest becomes a hyphen, none at an
 * end. Returns the size, 0: nothing is left. */
static size_t clean_label(struct keel_str label, uint8_t *out)
{
    size_t n = 0;
    for (size_t i = 0; i < label.n; i++) {
        uint8_t c = dns_lower[(uint8_t)label.p[i]];
        if (!keel_is_digit(c) && !(c >= 'a' && c <= 'z'))
            c = '-';
        if (c != '-' || n > 0)
            out[n++] = c;
    }
    while (n > 0 && out[n - 1] == '-')
        n--;
    return n;
}

/* How many labels are kept before the zone: those that stand before it already (none: it is the
 * zone itself), else the first alone. */
static unsigned labels_of_ours(const struct labels *l, const struct dns_name *zone)
{
    if (l->count < zone->labels)
        return 1;
    unsigned own = l->count - zone->labels;
    for (unsigned i = 0; i < zone->labels; i++) {
        const uint8_t *p = zone->bytes + zone->offsets[i];
        struct keel_str label = {(const char *)p + 1, p[0]};
        if (!keel_str_equal_nocase(l->items[own + i], label))
            return 1;
    }
    return own;
}

/* Puts the client's labels before the zone. */
static bool make_name(const struct dhcp_naming *rules, const struct labels *l,
                      struct dhcp_fqdn *out)
{
    const struct dns_name *zone = &rules->forward;
    unsigned own = labels_of_ours(l, zone);
    size_t at = 0;
    for (unsigned i = 0; i < own; i++) {
        uint8_t label[DNS_LABEL_MAX];
        size_t n = clean_label(l->items[i], label);
        if (n == 0 || at + 1 + n + zone->size > DNS_NAME_MAX)
            return false;
        out->name[at++] = (uint8_t)n;
        memcpy(out->name + at, label, n);
        at += n;
    }
    if (own == 0)
        return false;
    memcpy(out->name + at, zone->bytes, zone->size);
    out->size = (uint8_t)(at + zone->size);
    return true;
}

static bool name_from_client(const struct dhcp_naming *rules, const struct dhcp_message *m,
                             struct dhcp_bytes fqdn, struct dhcp_fqdn *out)
{
    struct labels l = {.count = 0};
    struct dhcp_bytes name = {NULL, 0};
    if (fqdn.n > OPTION_FIXED)
        name = (struct dhcp_bytes){fqdn.p + OPTION_FIXED, (uint16_t)(fqdn.n - OPTION_FIXED)};
    if (name.n > 0 && (fqdn.p[0] & FLAG_E ? split_wire(&l, name) : split_text(&l, name)) &&
        make_name(rules, &l, out))
        return true;
    l.count = 0;
    return split_text(&l, dhcp_message_option(m, DHCP_OPTION_HOST_NAME)) &&
           make_name(rules, &l, out);
}

static bool generate_name(const struct dhcp_naming *rules, uint32_t address, struct dhcp_fqdn *out)
{
    char text[DNS_LABEL_MAX + 1];
    struct labels l = {.count = 0};
    int n = snprintf(text, sizeof text, "%s-%u-%u-%u-%u", rules->generate, address >> 24,
                     address >> 16 & 255, address >> 8 & 255, address & 255);
    return n > 0 && (size_t)n < sizeof text && add_label(&l, text, (size_t)n) &&
           make_name(rules, &l, out);
}

static bool find_name(const struct dhcp_naming *rules, const struct dhcp_message *m,
                      const struct dhcp_reservation *reservation, struct dhcp_bytes fqdn,
                      uint32_t address, struct dhcp_fqdn *out)
{
    struct labels l = {.count = 0};
    if (reservation && split_text(&l, reservation->hostname) && make_name(rules, &l, out))
        return true;
    if (rules->client_names && name_from_client(rules, m, fqdn, out))
        return true;
    return rules->generate && generate_name(rules, address, out);
}

/* Who enters what (RFC 4702, 4). */
static void share_work(const struct dhcp_naming *rules, struct dhcp_fqdn *out, uint8_t wants)
{
    bool none = (wants & FLAG_N) && !rules->override_no_updates;
    bool theirs = !(wants & (FLAG_N | FLAG_S)) && out->asked && rules->client_updates;
    bool named = out->size > 0;
    out->reverse = named && !none && out->reverse;
    out->forward = named && !none && !theirs;
    out->flags = wants & FLAG_E;
    if (out->forward)
        out->flags |= FLAG_S;
    if (!out->forward && !out->reverse)
        out->flags |= FLAG_N;
    if ((out->flags ^ wants) & FLAG_S)
        out->flags |= FLAG_O;
}

void dhcp_fqdn_decide(const struct dhcp_naming *rules, const struct dhcp_message *request,
                      const struct dhcp_reservation *reservation, uint32_t address,
                      struct dhcp_fqdn *out)
{
    struct dhcp_bytes fqdn = {NULL, 0};
    out->forward = out->reverse = out->asked = false;
    out->size = 0;
    if (!rules)
        return;
    if (dhcp_message_option(request, DHCP_OPTION_FQDN).n >= OPTION_FIXED) {
        fqdn = dhcp_message_option(request, DHCP_OPTION_FQDN);
        out->asked = true;
    }
    find_name(rules, request, reservation, fqdn, address, out);
    out->reverse = dhcp_reverse_zone(rules, address) != NULL;
    share_work(rules, out, out->asked ? fqdn.p[0] : FLAG_S);
}

size_t dhcp_fqdn_option(const struct dhcp_fqdn *fqdn, uint8_t *out)
{
    if (!fqdn->asked)
        return 0;
    out[0] = fqdn->flags;
    out[1] = out[2] = RCODE_UNUSED;
    if (fqdn->size == 0)
        return OPTION_FIXED;
    if (fqdn->flags & FLAG_E) {
        memcpy(out + OPTION_FIXED, fqdn->name, fqdn->size);
        return OPTION_FIXED + (size_t)fqdn->size;
    }
    char text[DNS_NAME_TEXT];
    size_t n = dns_name_to_text(text, fqdn->name) - 1; /* without the last dot */
    memcpy(out + OPTION_FIXED, text, n);
    return OPTION_FIXED + n;
}

void dhcp_reverse_name(uint32_t address, struct dns_name *name)
{
    char text[48];
    int n = snprintf(text, sizeof text, "%u.%u.%u.%u.in-addr.arpa.", address & 255,
                     address >> 8 & 255, address >> 16 & 255, address >> 24);
    int err = dns_name_from_text(name, (struct keel_str){text, (size_t)n}, NULL);
    KEEL_ASSERT(err == 0, "an address has a name");
}

const struct dns_name *dhcp_reverse_zone(const struct dhcp_naming *rules, uint32_t address)
{
    const struct dns_name *best = NULL;
    struct dns_name name;
    if (rules->reverse_count == 0)
        return NULL;
    dhcp_reverse_name(address, &name);
    for (unsigned i = 0; i < rules->reverse_count; i++)
        if (dns_name_in(&name, &rules->reverse[i]) &&
            (!best || rules->reverse[i].labels > best->labels))
            best = &rules->reverse[i];
    return best;
}
