/*
 * Tokens of presentation format (RFC 1035, 5.1): words and quoted strings, with parentheses and
 * comments taken out; an entry ends where the line does outside of parentheses.
 */
#ifndef DNSD_ZONE_TOKEN_H
#define DNSD_ZONE_TOKEN_H

#include "common/base/err.h"
#include "common/base/str.h"

/* A word as it stands in the text: quotes and escapes are still in it. */
struct dns_token {
    struct keel_str text;
    bool quoted; /* begins with a quote */
};

struct dns_lexer {
    const char *next, *end;
    uint32_t line;       /* of `next`, from 1 */
    uint32_t entry_line; /* where the entry began */
    unsigned depth;      /* open parentheses */
    bool blank_start;    /* the entry began with a blank: the owner is the last one */
    bool at_end;         /* the entry's end was seen */
    bool peeked;
    struct dns_token peek;
    const char *what; /* after an error: what is wrong */
};

/* Borrows text. */
void dns_lexer_init(struct dns_lexer *lexer, struct keel_str text, uint32_t line);
/* Moves to the next entry that is not empty, over what is left of this one. 1, 0 at the end of the
 * text, or KEEL_EINVAL with `what`. */
int dns_lexer_entry(struct dns_lexer *lexer);
/* The next token of the entry: 1, 0 at its end, or KEEL_EINVAL. */
int dns_lexer_next(struct dns_lexer *lexer, struct dns_token *token);
/* The same without taking it. */
int dns_lexer_peek(struct dns_lexer *lexer, struct dns_token *token);

/* The bytes of a token: unescaped, quotes removed. Returns the count, KEEL_EINVAL (bad escape) or
 * KEEL_ENOSPC. */
int dns_token_bytes(struct keel_str text, uint8_t *out, size_t room);
/* "3600", "1h", "2h15m" (units w d h m s, any case): seconds. 0, KEEL_EINVAL or KEEL_ERANGE. */
int dns_parse_seconds(struct keel_str text, uint32_t max, uint32_t *out);

#endif
