/*
 * The words of an expression. Private to engine/.
 */
#ifndef DHCPD_ENGINE_EXPRESSION_SCAN_H
#define DHCPD_ENGINE_EXPRESSION_SCAN_H

#include "common/base/err.h"
#include "common/base/str.h"

#define DHCP_CONSTANT_MAX 255

enum dhcp_token_kind {
    DHCP_TOKEN_END,
    DHCP_TOKEN_WORD,   /* a name: option, substring, and */
    DHCP_TOKEN_TEXT,   /* octets: 'text', 0x0a, 0a:0b, 192.0.2.1 */
    DHCP_TOKEN_NUMBER, /* decimal, may be negative */
    DHCP_TOKEN_EQUAL,
    DHCP_TOKEN_UNEQUAL,
    DHCP_TOKEN_MARK, /* one of ( ) [ ] , . */
};
struct dhcp_token {
    enum dhcp_token_kind kind;
    const char *at; /* its first character */
    struct keel_str word;
    char mark;
    int64_t number;
    uint8_t octets[DHCP_CONSTANT_MAX];
    size_t octet_count;
};

struct dhcp_scanner {
    const char *start, *next, *end;
    struct dhcp_token token; /* the one at hand */
    struct keel_diag *diag;
};

/* Borrows the text. Nothing is at hand yet. */
void dhcp_scan_init(struct dhcp_scanner *s, struct keel_str text, struct keel_diag *diag);
/* Takes the next token. 0 or KEEL_EINVAL with diag. */
int dhcp_scan_next(struct dhcp_scanner *s);
/* The name right behind a dot that is at hand, which may look like a number (6rd), and where it
 * stands; then the next token. */
int dhcp_scan_name(struct dhcp_scanner *s, struct keel_str *name);
/* Says what is wrong at a place of the text, with its column; KEEL_EINVAL. */
int dhcp_scan_wrong(struct dhcp_scanner *s, const char *at, const char *fmt, ...)
    __attribute__((format(printf, 3, 4)));

#endif
