/*
 * Socket addresses and prefixes, as values.
 */
#ifndef KEEL_BASE_ADDR_H
#define KEEL_BASE_ADDR_H

#include "common/base/err.h"
#include "common/base/str.h"

#include <netinet/in.h>
#include <sys/socket.h>

/* 28 bytes instead of the 128 of sockaddr_storage: IPv4 and IPv6. Family AF_UNSPEC: no address,
 * which is what an all-zero struct is. */
struct keel_addr {
    union {
        struct sockaddr sa;
        struct sockaddr_in in4;
        struct sockaddr_in6 in6;
    };
};
/* Longest text: "[ffff:...%4294967295]:65535" */
#define KEEL_ADDR_TEXT 72

static inline sa_family_t keel_addr_family(const struct keel_addr *a)
{
    return a->sa.sa_family;
}
/* For connect and bind; 0 without an address. */
socklen_t keel_addr_size(const struct keel_addr *a);
void keel_addr_any(struct keel_addr *a, sa_family_t family, uint16_t port);
void keel_addr_set4(struct keel_addr *a, uint32_t host_order, uint16_t port);
/* 0, KEEL_EINVAL (shorter than its family), KEEL_ENOTSUP (another family); *a is AF_UNSPEC then. */
int keel_addr_from_sockaddr(struct keel_addr *a, const struct sockaddr *sa, socklen_t size);
uint16_t keel_addr_port(const struct keel_addr *a);
void keel_addr_set_port(struct keel_addr *a, uint16_t port);
bool keel_addr_equal(const struct keel_addr *a, const struct keel_addr *b);      /* with port */
bool keel_addr_equal_host(const struct keel_addr *a, const struct keel_addr *b); /* without */
bool keel_addr_is_any(const struct keel_addr *a);
/* "192.0.2.1:53", "[::1]:53", "[fe80::1%eth0]:53", "*:53" (IPv6 any), "192.0.2.1" and "::1" when
 * default_port is not 0. Never asks a resolver. 0; KEEL_EINVAL; KEEL_ERANGE (port); KEEL_ENOENT (no
 * such interface). diag may be NULL. */
int keel_addr_parse(struct keel_addr *a, struct keel_str text, uint16_t default_port,
                    struct keel_diag *diag);
/* With port ("192.0.2.1:53"); without ("192.0.2.1"); "-" for none. A zone is an index. Always
 * NUL-terminated, cut where it does not fit; returns the length of what stands there. */
size_t keel_addr_format(char *out, size_t size, const struct keel_addr *a);
size_t keel_addr_format_host(char *out, size_t size, const struct keel_addr *a);

/* 16 address bytes (IPv4 in the first 4), network order, host bits zero. */
struct keel_prefix {
    sa_family_t family;
    uint8_t length; /* bits */
    uint8_t bytes[16];
};
/* "192.0.2.0/24", "2001:db8::/32"; a bare address is a full-length prefix. KEEL_EINVAL when host
 * bits are set. */
int keel_prefix_parse(struct keel_prefix *p, struct keel_str text, struct keel_diag *diag);
size_t keel_prefix_format(char *out, size_t size, const struct keel_prefix *p);
bool keel_prefix_contains(const struct keel_prefix *p, const struct keel_addr *a);

#endif
