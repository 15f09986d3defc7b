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
#define HTTP_CHAR_PLAIN 16 /* what a path has as it is and that ends no segment: no '%', no '/' */

extern const uint8_t http_chars[256];

static inline bool http_is(uint8_t c, unsigned classes)
{
    return http_chars[c] & classes;
}
/* Bytes at the front of p..end that are all of the class. */
static inline const uint8_t *http_skip(const uint8_t *p, const uint8_t *end, unsigned classes)
{
    for (; end - p >= 4; p += 4) {
        if (!http_is(p[0], classes))
            return p;
        if (!http_is(p[1], classes))
            return p + 1;
        if (!http_is(p[2], classes))
            return p + 2;
        if (!http_is(p[3], classes))
            return p + 3;
    }
    while (p < end && http_is(*p, classes))
        p++;
    return p;
}
/* The same for HTTP_CHAR_VALUE, which most of a head is. */
const uint8_t *http_skip_value(const uint8_t *p, const uint8_t *end);
/* Empty text is, too. */
static inline bool http_is_all(struct keel_str text, unsigned classes)
{
    const uint8_t *p = (const uint8_t *)text.p;
    return text.n == 0 || http_skip(p, p + text.n, classes) == p + text.n;
}
/* Compares a token without regard to case; `lower` has letters, digits and '-' only, for which
 * setting bit 5 folds the case and maps no other token character onto them. */
bool http_token_is(struct keel_str token, struct keel_str lower);
/* Cuts the next element off a comma-separated list (RFC 9110, 5.6.1), blanks trimmed; empty
 * elements are skipped. False at the end. */
bool http_list_next(struct keel_str *list, struct keel_str *element);

#endif
