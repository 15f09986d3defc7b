/*
 * Text: counted strings, numbers, units, escaping. Nothing here allocates.
 */
#ifndef KEEL_BASE_STR_H
#define KEEL_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* A counted piece of somebody else's bytes (borrows). */
struct keel_str {
    const char *p;
    size_t n;
};
#define KEEL_STR(literal) ((struct keel_str){"" literal, sizeof(literal) - 1})
static inline struct keel_str keel_str(const char *s)
{
    return (struct keel_str){s, s ? strlen(s) : 0};
}
bool keel_str_equal(struct keel_str a, struct keel_str b);
bool keel_str_equal_nocase(struct keel_str a, struct keel_str b); /* ASCII */
struct keel_str keel_str_trim(struct keel_str s);                 /* blanks and tabs */
/* Cuts the part before the first `sep` off *rest; the last part leaves rest->p NULL, and the next
 * call gives false. "a,," has three parts, "" has one. */
bool keel_str_split(struct keel_str *rest, char sep, struct keel_str *part);

/* ASCII only, whatever the locale. */
static inline bool keel_is_digit(int c)
{
    return c >= '0' && c <= '9';
}
static inline int keel_to_lower(int c)
{
    return c >= 'A' && c <= 'Z' ? c + 32 : c;
}
int keel_hex_digit(int c); /* 0..15, or -1 */

/* Whole text must be the number: 0, or KEEL_EINVAL, or KEEL_ERANGE. */
int keel_parse_u64(struct keel_str s, uint64_t max, uint64_t *out);
int keel_parse_i64(struct keel_str s, int64_t *out);
/* "90s", "500ms", "12h", "2h15m", "7d", "1w", "30us"; a bare number is seconds. Units w d h m s ms
 * us ns, each at most once, larger ones first. The result is in nanoseconds. KEEL_EINVAL,
 * KEEL_ERANGE. */
int keel_parse_duration(struct keel_str s, uint64_t *ns);
/* "64k", "4g", "10m", "1t" (powers of 1024, either case); a bare number is bytes. KEEL_EINVAL,
 * KEEL_ERANGE. */
int keel_parse_size(struct keel_str s, uint64_t *bytes);
/* true false yes no on off 1 0, in any case. 0 or KEEL_EINVAL. */
int keel_parse_bool(struct keel_str s, bool *out);

/* Exact, in the largest units, as parsing takes it (90 s: "1m30s"; 65536 bytes: "64k"). Always
 * NUL-terminated, cut where it does not fit; returns the length of what stands there. 64 bytes hold
 * any. */
size_t keel_format_duration(char *out, size_t size, uint64_t ns);
size_t keel_format_size(char *out, size_t size, uint64_t bytes);

/* Copies untrusted bytes as printable ASCII: \" \\ \n \t \xNN; cut with "..." when it does not
 * fit. Always NUL-terminated; returns the length. */
size_t keel_escape(char *out, size_t size, const void *bytes, size_t n);
/* Hexadecimal text of bytes ("0a1b"), with an optional separator (0: none). */
size_t keel_format_hex(char *out, size_t size, const void *bytes, size_t n, char sep);
/* Bytes of hexadecimal text, separators : - . and blanks allowed between bytes.
 * Returns the count, KEEL_EINVAL or KEEL_ENOSPC. */
int keel_parse_hex(struct keel_str s, uint8_t *out, size_t size);
/* Base64 (RFC 4648, 4), with its padding and nothing between. Returns the count, KEEL_EINVAL or
 * KEEL_ENOSPC. */
int keel_parse_base64(struct keel_str s, uint8_t *out, size_t size);
/* Returns the length without the NUL, or KEEL_ENOSPC. */
int keel_format_base64(char *out, size_t size, const void *bytes, size_t n);
/* Bytes of the UTF-8 character at the front (RFC 3629), 1 to 4; 0 when there is no valid one. */
size_t keel_utf8_length(const void *bytes, size_t n);
/* JSON string with quotes (RFC 8259, 7); bytes that are not UTF-8 as \u00NN. Returns the length
 * that the whole needs, as snprintf does; cut between characters, always NUL-terminated. */
size_t keel_format_json_string(char *out, size_t size, const void *bytes, size_t n);

#endif
