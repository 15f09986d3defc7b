#include "common/base/addr.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>

socklen_t keel_addr_size(const struct keel_addr *a)
{
    switch (a->sa.sa_family) {
    case AF_INET:
        return sizeof a->in4;
    case AF_INET6:
        return sizeof a->in6;
    default:
        return 0;
    }
}

void keel_addr_any(struct keel_addr *a, sa_family_t family, uint16_t port)
{
    memset(a, 0, sizeof *a);
    a->sa.sa_family = family;
    keel_addr_set_port(a, port);
}

void keel_addr_set4(struct keel_addr *a, uint32_t host_order, uint16_t port)
{
    keel_addr_any(a, AF_INET, port);
    a->in4.sin_addr.s_addr = htonl(host_order);
}

int keel_addr_from_sockaddr(struct keel_addr *a, const struct sockaddr *sa, socklen_t size)
{
    memset(a, 0, sizeof *a);
    if (size < sizeof(sa_family_t))
        return KEEL_EINVAL;
    if (sa->sa_family != AF_INET && sa->sa_family != AF_INET6)
        return KEEL_ENOTSUP;
    size_t needed = sa->sa_family == AF_INET ? sizeof a->in4 : sizeof a->in6;
    if (size < needed)
        return KEEL_EINVAL;
    memcpy(a, sa, needed);
    return 0;
}

uint16_t keel_addr_port(const struct keel_addr *a)
{
    switch (a->sa.sa_family) {
    case AF_INET:
        return ntohs(a->in4.sin_port);
    case AF_INET6:
        return ntohs(a->in6.sin6_port);
    default:
        return 0;
    }
}

void keel_addr_set_port(struct keel_addr *a, uint16_t port)
{
    if (a->sa.sa_family == AF_INET)
        a->in4.sin_port = htons(port);
    else if (a->sa.sa_family == AF_INET6)
        a->in6.sin6_port = htons(port);
}

bool keel_addr_equal_host(const struct keel_addr *a, const struct keel_addr *b)
{
    if (a->sa.sa_family != b->sa.sa_family)
        return false;
    switch (a->sa.sa_family) {
    case AF_INET:
        return a->in4.sin_addr.s_addr == b->in4.sin_addr.s_addr;
    case AF_INET6:
        return a->in6.sin6_scope_id == b->in6.sin6_scope_id &&
               memcmp(&a->in6.sin6_addr, &b->in6.sin6_addr, 16) == 0;
    default:
        return true;
    }
}

bool keel_addr_equal(const struct keel_addr *a, const struct keel_addr *b)
{
    return keel_addr_port(a) == keel_addr_port(b) && keel_addr_equal_host(a, b);
}

bool keel_addr_is_any(const struct keel_addr *a)
{
    switch (a->sa.sa_family) {
    case AF_INET:
        return a->in4.sin_addr.s_addr == htonl(INADDR_ANY);
    case AF_INET6:
        return IN6_IS_ADDR_UNSPECIFIED(&a->in6.sin6_addr);
    default:
        return false;
    }
}

/* inet_pton on a counted string. True if the whole of s is an address of this family. */
static bool parse_numeric(int family, struct keel_str s, void *out)
{
    char text[INET6_ADDRSTRLEN];
    if (s.n == 0 || s.n >= sizeof text || memchr(s.p, '\0', s.n))
        return false;
    memcpy(text, s.p, s.n);
    text[s.n] = '\0';
    return inet_pton(family, text, out) == 1;
}

/* The zone of a scoped address (RFC 4007, 11.2): an interface's index or its name. 0: no such. */
static uint32_t parse_zone(struct keel_str s)
{
    uint64_t index;
    if (keel_parse_u64(s, UINT32_MAX, &index) == 0)
        return (uint32_t)index;
    char name[IF_NAMESIZE];
    if (s.n == 0 || s.n >= sizeof name || memchr(s.p, '\0', s.n))
        return 0;
    memcpy(name, s.p, s.n);
    name[s.n] = '\0';
    return if_nametoindex(name);
}

/* "in address TEXT: what", with the text escaped: it may come from anywhere. */
static int addr_error(struct keel_diag *diag, int err, struct keel_str text, const char *what)
{
    char quoted[128];
    keel_escape(quoted, sizeof quoted, text.p, text.n);
    return keel_diag_set(diag, err, "\"%s\": %s", quoted, what);
}

/* Cuts text into host and port. A colon ends the host only if it is the only one or follows a
 * bracket: "::1" has none. port.p NULL: there is none. */
static bool split_port(struct keel_str text, struct keel_str *host, struct keel_str *port)
{
    *port = (struct keel_str){NULL, 0};
    *host = text;
    if (text.n > 0 && text.p[0] == '[') {
        const char *close = memchr(text.p, ']', text.n);
        if (!close)
            return false;
        *host = (struct keel_str){text.p + 1, (size_t)(close - text.p) - 1};
        size_t rest = text.n - host->n - 2;
        if (rest == 0)
            return true;
        if (close[1] != ':')
            return false;
        *port = (struct keel_str){close + 2, rest - 1};
        return true;
    }
    const char *colon = text.n > 0 ? memchr(text.p, ':', text.n) : NULL;
    if (!colon)
        return true;
    size_t behind = text.n - (size_t)(colon - text.p) - 1;
    if (memchr(colon + 1, ':', behind))
        return true;
    host->n = (size_t)(colon - text.p);
    *port = (struct keel_str){colon + 1, behind};
    return true;
}

static int parse_host(struct keel_addr *a, struct keel_str host, bool bracketed,
                      struct keel_str text, struct keel_diag *diag)
{
    struct keel_str bare = host, zone = host;
    keel_str_split(&zone, '%', &bare); /* leaves zone.p NULL when there is no % */
    if (!bracketed && keel_str_equal(host, KEEL_STR("*"))) {
        keel_addr_any(a, AF_INET6, 0);
        return 0;
    }
    keel_addr_any(a, AF_INET, 0);
    if (!bracketed && parse_numeric(AF_INET, host, &a->in4.sin_addr))
        return 0;
    keel_addr_any(a, AF_INET6, 0);
    if (!parse_numeric(AF_INET6, bare, &a->in6.sin6_addr))
        return addr_error(diag, KEEL_EINVAL, text, "not an IPv4 or IPv6 address");
    if (zone.p) {
        a->in6.sin6_scope_id = parse_zone(zone);
        if (a->in6.sin6_scope_id == 0)
            return addr_error(diag, KEEL_ENOENT, text, "no such interface");
    }
    return 0;
}

int keel_addr_parse(struct keel_addr *a, struct keel_str text, uint16_t default_port,
                    struct keel_diag *diag)
{
    struct keel_str host, port;
    struct keel_addr parsed;
    uint64_t number = default_port;
    if (!split_port(text, &host, &port))
        return addr_error(diag, KEEL_EINVAL, text, "expected [ADDRESS]:PORT");
    int err = parse_host(&parsed, host, text.n > 0 && text.p[0] == '[', text, diag);
    if (err)
        return err;
    if (!port.p && default_port == 0)
        return addr_error(diag, KEEL_EINVAL, text, "a port is missing");
    if (port.p) {
        err = keel_parse_u64(port, UINT16_MAX, &number);
        if (err)
            return addr_error(diag, err, text, "the port must be a number from 0 to 65535");
    }
    keel_addr_set_port(&parsed, (uint16_t)number);
    *a = parsed;
    return 0;
}

static size_t copy_text(char *out, size_t size, const char *text, size_t n)
{
    if (size == 0)
        return 0;
    if (n >= size)
        n = size - 1;
    memcpy(out, text, n);
    out[n] = '\0';
    return n;
}

/* The host behind p, which has room for KEEL_ADDR_TEXT; returns the end. No NUL. */
static char *put_host(char *p, const struct keel_addr *a)
{
    if (a->sa.sa_family == AF_INET) {
        const uint8_t *bytes = (const uint8_t *)&a->in4.sin_addr;
        for (int i = 0; i < 4; i++) {
            p = keel_put_decimal(p, bytes[i]);
            *p++ = '.';
        }
        return p - 1;
    }
    if (a->sa.sa_family == AF_INET6) {
        inet_ntop(AF_INET6, &a->in6.sin6_addr, p, INET6_ADDRSTRLEN);
        p += strlen(p);
        if (a->in6.sin6_scope_id != 0) {
            *p++ = '%';
            p = keel_put_decimal(p, a->in6.sin6_scope_id);
        }
        return p;
    }
    *p = '-';
    return p + 1;
}

size_t keel_addr_format_host(char *out, size_t size, const struct keel_addr *a)
{
    char text[KEEL_ADDR_TEXT];
    return copy_text(out, size, text, (size_t)(put_host(text, a) - text));
}

size_t keel_addr_format(char *out, size_t size, const struct keel_addr *a)
{
    char text[KEEL_ADDR_TEXT + sizeof "[]:65535"], *p = text;
    if (a->sa.sa_family == AF_INET6)
        *p++ = '[';
    p = put_host(p, a);
    if (a->sa.sa_family == AF_INET6)
        *p++ = ']';
    if (keel_addr_size(a) > 0) {
        *p++ = ':';
        p = keel_put_decimal(p, keel_addr_port(a));
    }
    return copy_text(out, size, text, (size_t)(p - text));
}

/* The mask of the byte in which a prefix of so many bits ends. */
static uint8_t last_mask(unsigned bits)
{
    return (uint8_t)(0xff00 >> bits % 8);
}

static bool host_bits_set(const struct keel_prefix *p)
{
    for (unsigned i = p->length / 8; i < sizeof p->bytes; i++) {
        uint8_t mask = i == p->length / 8 ? last_mask(p->length) : 0;
        if (p->bytes[i] & ~mask)
            return true;
    }
    return false;
}

int keel_prefix_parse(struct keel_prefix *p, struct keel_str text, struct keel_diag *diag)
{
    struct keel_prefix parsed = {0};
    struct keel_str host, length = text;
    uint64_t bits;
    if (!keel_str_split(&length, '/', &host))
        host = text;
    if (parse_numeric(AF_INET, host, parsed.bytes))
        parsed.family = AF_INET;
    else if (parse_numeric(AF_INET6, host, parsed.bytes))
        parsed.family = AF_INET6;
    else
        return addr_error(diag, KEEL_EINVAL, text, "not an IPv4 or IPv6 prefix");
    const unsigned whole = parsed.family == AF_INET ? 32 : 128;
    bits = whole;
    if (length.p && keel_parse_u64(length, whole, &bits) != 0)
        return addr_error(diag, KEEL_EINVAL, text,
                          whole == 32 ? "the prefix length must be a number from 0 to 32"
                                      : "the prefix length must be a number from 0 to 128");
    parsed.length = (uint8_t)bits;
    if (host_bits_set(&parsed))
        return addr_error(diag, KEEL_EINVAL, text, "bits behind the prefix length are set");
    *p = parsed;
    return 0;
}

size_t keel_prefix_format(char *out, size_t size, const struct keel_prefix *p)
{
    char host[INET6_ADDRSTRLEN] = "-", text[INET6_ADDRSTRLEN + sizeof "/128"];
    if (p->family == AF_INET || p->family == AF_INET6)
        inet_ntop(p->family, p->bytes, host, sizeof host);
    int n = snprintf(text, sizeof text, "%s/%u", host, p->length);
    return copy_text(out, size, text, (size_t)n);
}

bool keel_prefix_contains(const struct keel_prefix *p, const struct keel_addr *a)
{
    const uint8_t *bytes = a->sa.sa_family == AF_INET ? (const uint8_t *)&a->in4.sin_addr
                                                      : (const uint8_t *)&a->in6.sin6_addr;
    const unsigned whole = p->family == AF_INET ? 32 : 128, full = p->length / 8;
    if (p->family != a->sa.sa_family || p->family == AF_UNSPEC || p->length > whole)
        return false;
    if (memcmp(p->bytes, bytes, full) != 0)
        return false;
    return p->length % 8 == 0 || ((p->bytes[full] ^ bytes[full]) & last_mask(p->length)) == 0;
}

const struct keel_addr *keel_addr_unmapped(const struct keel_addr *a, struct keel_addr *space)
{
    if (keel_addr_family(a) != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&a->in6.sin6_addr))
        return a;
    uint32_t host;
    memcpy(&host, a->in6.sin6_addr.s6_addr + 12, sizeof host);
    keel_addr_set4(space, ntohl(host), keel_addr_port(a));
    return space;
}
