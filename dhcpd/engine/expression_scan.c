#include "dhcpd/engine/expression_scan.h"

#include <stdarg.h>
#include <stdio.h>

void dhcp_scan_init(struct dhcp_scanner *s, struct keel_str text, struct keel_diag *diag)
{
    *s = (struct dhcp_scanner){.diag = diag};
    s->start = s->next = text.p ? text.p : "";
    s->end = s->start + text.n;
}

int dhcp_scan_wrong(struct dhcp_scanner *s, const char *at, const char *fmt, ...)
{
    char what[256];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(what, sizeof what, fmt, ap);
    va_end(ap);
    return keel_diag_set(s->diag, KEEL_EINVAL, "column %u: %s", (unsigned)(at - s->start) + 1,
                         what);
}

static bool is_name(char c)
{
    return keel_is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '-' ||
           c == '_';
}

static int set_octets(struct dhcp_scanner *s, struct keel_str hex, const char *example)
{
    int n = keel_parse_hex(hex, s->token.octets, sizeof s->token.octets);
    s->token.kind = DHCP_TOKEN_TEXT;
    s->token.octet_count = n > 0 ? (size_t)n : 0;
    if (n > 0)
        return 0;
    if (n == KEEL_ENOSPC)
        return dhcp_scan_wrong(s, s->token.at, "a constant has at most %d octets",
                               DHCP_CONSTANT_MAX);
    return dhcp_scan_wrong(s, s->token.at, "hexadecimal octets have two digits each, as in %s",
                           example);
}

/* 192.0.2.1, or a decimal number. */
static int scan_number(struct dhcp_scanner *s)
{
    struct dhcp_token *t = &s->token;
    struct keel_str all = t->word, rest = all, part;
    t->kind = DHCP_TOKEN_NUMBER;
    if (!memchr(all.p, '.', all.n)) {
        if (keel_parse_i64(all, &t->number) != 0)
            return dhcp_scan_wrong(s, t->at, "\"%.*s\" is not a number", (int)all.n, all.p);
        return 0;
    }
    t->kind = DHCP_TOKEN_TEXT;
    t->octet_count = 0;
    while (keel_str_split(&rest, '.', &part)) {
        uint64_t octet;
        if (t->octet_count == 4 || keel_parse_u64(part, 255, &octet) != 0)
            return dhcp_scan_wrong(s, t->at, "\"%.*s\" is not an IPv4 address", (int)all.n, all.p);
        t->octets[t->octet_count++] = (uint8_t)octet;
    }
    if (t->octet_count != 4)
        return dhcp_scan_wrong(s, t->at, "\"%.*s\" is not an IPv4 address", (int)all.n, all.p);
    return 0;
}

static int scan_text(struct dhcp_scanner *s)
{
    struct dhcp_token *t = &s->token;
    char quote = *s->next++;
    const char *close = memchr(s->next, quote, (size_t)(s->end - s->next));
    if (!close)
        return dhcp_scan_wrong(s, t->at, "the text does not end: a %c is missing", quote);
    t->octet_count = (size_t)(close - s->next);
    if (t->octet_count > DHCP_CONSTANT_MAX)
        return dhcp_scan_wrong(s, t->at, "a constant has at most %d octets", DHCP_CONSTANT_MAX);
    memcpy(t->octets, s->next, t->octet_count);
    t->word = (struct keel_str){s->next, t->octet_count};
    t->kind = DHCP_TOKEN_TEXT;
    s->next = close + 1;
    return 0;
}

/* Names, numbers and hexadecimal octets all look like words at first. */
static int scan_word(struct dhcp_scanner *s)
{
    struct dhcp_token *t = &s->token;
    const char *q = s->next + 1;
    bool colons = false, digits = keel_is_digit(*s->next) || *s->next == '-';
    for (const char *d = s->next; digits && d < s->end && (keel_is_digit(*d) || *d == '.'); d++)
        q = d + 1;
    while (q < s->end && (is_name(*q) || (*q == ':' && q + 1 < s->end))) {
        colons = colons || *q == ':';
        q++;
    }
    t->word = (struct keel_str){s->next, (size_t)(q - s->next)};
    s->next = q;
    if (colons)
        return set_octets(s, t->word, "02:00:0a");
    if (t->word.n > 2 && t->word.p[0] == '0' && (t->word.p[1] == 'x' || t->word.p[1] == 'X'))
        return set_octets(s, (struct keel_str){t->word.p + 2, t->word.n - 2}, "0x020a");
    if (digits)
        return scan_number(s);
    t->kind = DHCP_TOKEN_WORD;
    return 0;
}

int dhcp_scan_next(struct dhcp_scanner *s)
{
    while (s->next < s->end && memchr(" \t\r\n", *s->next, 4))
        s->next++;
    struct dhcp_token *t = &s->token;
    t->at = s->next;
    t->word = (struct keel_str){s->next, 0};
    if (s->next == s->end) {
        t->kind = DHCP_TOKEN_END;
        return 0;
    }
    char c = *s->next, second = s->next + 1 < s->end ? s->next[1] : '\0';
    t->word.n = 1;
    if (c == '\'' || c == '"')
        return scan_text(s);
    if (is_name(c))
        return scan_word(s);
    if ((c == '=' || c == '!') && second == '=') {
        t->kind = c == '=' ? DHCP_TOKEN_EQUAL : DHCP_TOKEN_UNEQUAL;
        t->word.n = 2;
        s->next += 2;
        return 0;
    }
    if (c == '=')
        return dhcp_scan_wrong(s, t->at, "write == to compare");
    if (c == '!' || c == '&' || c == '|')
        return dhcp_scan_wrong(s, t->at, "write %s", c == '!' ? "not" : c == '&' ? "and" : "or");
    if (!memchr("()[],.", c, 6))
        return dhcp_scan_wrong(s, t->at, "this character has no meaning here");
    t->kind = DHCP_TOKEN_MARK;
    t->mark = c;
    s->next++;
    return 0;
}

int dhcp_scan_name(struct dhcp_scanner *s, struct keel_str *name)
{
    const char *q = s->next;
    while (q < s->end && is_name(*q))
        q++;
    *name = (struct keel_str){s->next, (size_t)(q - s->next)};
    if (name->n == 0)
        return dhcp_scan_wrong(s, s->next, "a name expected behind the dot");
    s->next = q;
    return dhcp_scan_next(s);
}
