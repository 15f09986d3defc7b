/*
 * Socket addresses and prefixes, as values.
 */
#ifndef KEEL_BASE_ADDR_H
#define KEEL_BASE_ADDR_H

#include "common/base/err.h"
#include "common/base/str.h"

#include <netinet/in.h>
#include <sys/socket.h>

/* An IPv4 or IPv6 address with its port, in 28 bytes where sockaddr_storage takes 128. The family
 * AF_UNSPEC, as in an all-zero struct, means no address. */
struct keel_addr {
    union {
        struct sockaddr sa;
        struct sockaddr_in in4;
        struct sockaddr_in6 in6;
    };
};
/* Room for any text of one: "[ffff:...%4294967295]:65535" and its NUL. */
#define KEEL_ADDR_TEXT 72

static inline sa_family_t keel_addr_family(const struct keel_addr *a)
{
    return a->sa.sa_family;
}
/* The size that connect and bind want; 0 without an address. */
socklen_t keel_addr_size(const struct keel_addr *a);
/* The wildcard address of AF_INET or AF_INET6; the port is in host order, here and below. */
void keel_addr_any(struct keel_addr *a, sa_family_t family, uint16_t port);
void keel_addr_set4(struct keel_addr *a, uint32_t host_order, uint16_t port);
/* 0, KEEL_EINVAL (size too small for the family) or KEEL_ENOTSUP (another family). After an error
 * *a is no address. */
int keel_addr_from_sockaddr(struct keel_addr *a, const struct sockaddr *sa, socklen_t size);
uint16_t keel_addr_port(const struct keel_addr *a);
void keel_addr_set_port(struct keel_addr *a, uint16_t port);
/* The same address and zone, with the same port; with any port. */
bool keel_addr_equal(const struct keel_addr *a, const struct keel_addr *b);
bool keel_addr_equal_host(const struct keel_addr *a, const struct keel_addr *b);
bool keel_addr_is_any(const struct keel_addr *a);
/* "192.0.2.1:53", "[::1]:53", "[fe80::1%eth0]:53", "*:53" (the IPv6 wildcard); and without a port,
 * as "192.0.2.1", "[::1]" or "::1", where default_port is not 0. Numbers only: no resolver is
 * asked. Returns 0, KEEL_EINVAL, KEEL_ERANGE (the port) or KEEL_ENOENT (no such interface); *a is
 * set only with 0. diag may be NULL. */
int keel_addr_parse(struct keel_addr *a, struct keel_str text, uint16_t default_port,
                    struct keel_diag *diag);
/* "192.0.2.1:53", "[fe80::1%2]:53"; without the port, and then without brackets; "-" for no
 * address. A zone is shown as the index of its interface, because asking for its name is a system
 * call. Cut and counted as by the formatters of str.h. */
size_t keel_addr_format(char *out, size_t size, const struct keel_addr *a);
size_t keel_addr_format_host(char *out, size_t size, const struct keel_addr *a);

/* The first `length` bits of an address. */
struct keel_prefix {
    sa_family_t family;
    uint8_t length;    /* bits */
    uint8_t bytes[16]; /* in network order, IPv4 in the first 4; bits behind `length` are 0 */
};
/* "192.0.2.0/24", "2001:db8::/32"; an address alone is a prefix of its full length. Returns 0 or
 * KEEL_EINVAL, also when bits behind the length are set; *p is set only with 0. diag may be NULL.
 */
int keel_prefix_parse(struct keel_prefix *p, struct keel_str text, struct keel_diag *diag);
size_t keel_prefix_format(char *out, size_t size, const struct keel_prefix *p);
/* The IPv4 address that an IPv4-mapped IPv6 one means, in *space; any other as it is. */
const struct keel_addr *keel_addr_unmapped(const struct keel_addr *a, struct keel_addr *space);
/* False for an address of another family; an IPv4-mapped address is an IPv6 one. */
bool keel_prefix_contains(const struct keel_prefix *p, const struct keel_addr *a);

#endif
