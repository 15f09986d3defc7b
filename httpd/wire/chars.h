/*
 * Character classes of HTTP text, as bits in one table.
 */
#ifndef HTTPD_WIRE_CHARS_H
#define HTTPD_WIRE_CHARS_H

#include "common/base/str.h"

#define HTTP_CHAR_TOKEN 1  /* tchar: RFC 9110, 5.6.2 */
#define HTTP_CHAR_VALUE 2  /* field-vchar, obs-text, blank and tab: RFC 9110, 5.5 */
#define HTTP_CHAR_TARGET 4 /* printable ASCII but '#': a fragment is never sent (RFC 9112, 3.2) */
#define HTTP_CHAR_HOST 8   /* reg-name: RFC 3986, 3.2.2 */

extern const uint8_t http_chars[256];

static inline bool http_is(uint8_t c, unsigned classes)
{
    return http_chars[c] & classes;
}
/* Bytes at the front of p..end that are all of the class. */
static inline const uint8_t *http_skip(const uint8_t *p, const uint8_t *end, unsigned classes)
{
    while (p < end && http_is(*p, classes))
        p++;
    return p;
}
/* Empty text is, too. */
static inline bool http_is_all(struct keel_str text, unsigned classes)
{
    const uint8_t *p = (const uint8_t *)text.p;
    return text.n == 0 || http_skip(p, p + text.n, classes) == p + text.n;
}
/* Compares a token without regard to case; `lower` has letters, digits and '-' only, for which
 * setting bit 5 folds the case and maps no other token character onto them. */
static inline bool http_token_is(struct keel_str token, struct keel_str lower)
{
    if (token.n != lower.n)
        return false;
    for (size_t i = 0; i < token.n; i++)
        if (((uint8_t)token.p[i] | 0x20) != (uint8_t)lower.p[i])
            return false;
    return true;
}
/* Cuts the next element off a comma-separated list (RFC 9110, 5.6.1), blanks trimmed; empty
 * elements are skipped. False at the end. */
bool http_list_next(struct keel_str *list, struct keel_str *element);

#endif
