#include "httpd/wire/etag.h"

static const char *skip_blanks(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\t'))
        p++;
    return p;
}

/* The end of the tag at p (its closing quote included), NULL when it is none. */
static const char *tag_end(const char *p, const char *end)
{
    if (p == end || *p != '"')
        return NULL;
    for (p++; p < end && *p != '"'; p++)
        if ((uint8_t)*p <= ' ' || *p == 0x7f)
            return NULL;
    return p < end ? p + 1 : NULL;
}

int http_etag_list_has(struct keel_str list, struct keel_str etag, bool weak)
{
    const char *p = skip_blanks(list.p, list.p + list.n), *end = list.p + list.n;
    if (p < end && *p == '*')
        return skip_blanks(p + 1, end) == end ? 1 : KEEL_EINVAL;
    int found = 0;
    unsigned count = 0;
    while (p < end) {
        if (*p == ',') {
            p = skip_blanks(p + 1, end);
            continue;
        }
        bool is_weak = end - p >= 2 && p[0] == 'W' && p[1] == '/';
        const char *tag = is_weak ? p + 2 : p;
        p = tag_end(tag, end);
        if (!p)
            return KEEL_EINVAL;
        count++;
        if ((size_t)(p - tag) == etag.n && memcmp(tag, etag.p, etag.n) == 0 && (weak || !is_weak))
            found = 1;
        p = skip_blanks(p, end);
        if (p < end && *p != ',')
            return KEEL_EINVAL;
    }
    return count > 0 ? found : KEEL_EINVAL;
}
