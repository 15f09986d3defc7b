#include "httpd/wire/path.h"

#include "httpd/wire/chars.h"

bool http_path_is_normal(struct keel_str raw)
{
    if (raw.n == 0 || raw.p[0] != '/')
        return false;
    const uint8_t *p = (const uint8_t *)raw.p, *end = p + raw.n;
    while (p < end) { /* at the slash before a segment */
        p++;
        if (p < end && (*p == '/' || *p == '.'))
            return false;
        p = http_skip(p, end, HTTP_CHAR_PLAIN);
        if (p < end && *p != '/')
            return false;
    }
    return true;
}

/* The segment start..n of out is complete: drops it when it is "." or "..", with its parent.
 * Returns the new length; KEEL_EINVAL above the root. out[start - 1] is a slash. */
static int end_segment(const char *out, size_t start, size_t n)
{
    if (n - start == 1 && out[start] == '.')
        return (int)start;
    if (n - start != 2 || out[start] != '.' || out[start + 1] != '.')
        return (int)n;
    if (start == 1)
        return KEEL_EINVAL;
    for (start--; out[start - 1] != '/'; start--)
        ;
    return (int)start;
}

int http_path_normalise(struct keel_str raw, char *out)
{
    if (raw.n == 0 || raw.p[0] != '/' || raw.n > INT32_MAX)
        return KEEL_EINVAL;
    size_t n = 1, segment = 1;
    out[0] = '/';
    for (size_t i = 1; i <= raw.n; i++) {
        if (i == raw.n || raw.p[i] == '/') {
            int length = end_segment(out, segment, n);
            if (length < 0)
                return length;
            n = (size_t)length;
            if (i < raw.n && out[n - 1] != '/')
                out[n++] = '/';
            segment = n;
            continue;
        }
        char c = raw.p[i];
        if (c == '%') {
            int high = i + 2 < raw.n ? keel_hex_digit((uint8_t)raw.p[i + 1]) : -1;
            int low = i + 2 < raw.n ? keel_hex_digit((uint8_t)raw.p[i + 2]) : -1;
            if (high < 0 || low < 0)
                return KEEL_EINVAL;
            c = (char)(high << 4 | low);
            i += 2;
            if (c == '/')
                return KEEL_EINVAL;
        }
        if (c == '\0')
            return KEEL_EINVAL;
        out[n++] = c;
    }
    out[n] = '\0';
    return (int)n;
}

bool http_path_has_dots(struct keel_str path)
{
    struct keel_str segment;
    while (keel_str_split(&path, '/', &segment))
        if (keel_str_equal(segment, KEEL_STR(".")) || keel_str_equal(segment, KEEL_STR("..")))
            return true;
    return false;
}

bool http_path_is_hidden(struct keel_str path)
{
    struct keel_str known = KEEL_STR("/.well-known");
    for (size_t i = 0; i + 1 < path.n; i++) {
        if (path.p[i] != '/' || path.p[i + 1] != '.')
            continue;
        bool well_known = i == 0 && path.n >= known.n && memcmp(path.p, known.p, known.n) == 0 &&
                          (path.n == known.n || path.p[known.n] == '/');
        if (!well_known)
            return true;
    }
    return false;
}

/* Letters, digits and what is in `plain` stay. */
static int encode(struct keel_buf *out, struct keel_str text, const char *plain)
{
    static const char digits[] = "0123456789ABCDEF";
    int err = 0;
    for (size_t i = 0; i < text.n && err == 0; i++) {
        uint8_t c = (uint8_t)text.p[i];
        bool stays = keel_is_digit(c) || (keel_to_lower(c) >= 'a' && keel_to_lower(c) <= 'z') ||
                     (c != 0 && strchr(plain, c));
        char escape[3] = {'%', digits[c >> 4], digits[c & 15]};
        err = stays ? keel_buf_append(out, &text.p[i], 1) : keel_buf_append(out, escape, 3);
    }
    return err;
}

int http_path_encode(struct keel_buf *out, struct keel_str path)
{
    return encode(out, path, "-._~/!$&'()*+,;=@");
}

int http_query_encode(struct keel_buf *out, struct keel_str value)
{
    return encode(out, value, "-._~/");
}
