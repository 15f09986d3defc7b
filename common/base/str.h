/*
 * Text: counted strings, numbers, units, escaping. Nothing here allocates.
 */
#ifndef KEEL_BASE_STR_H
#define KEEL_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* A counted piece of somebody else's bytes: it borrows them. No NUL ends it, and it may hold some.
 */
struct keel_str {
    const char *p;
    size_t n;
};
/* Of a string literal, NULs inside it included; of a C string (NULL: no bytes). */
#define KEEL_STR(literal) ((struct keel_str){"" literal, sizeof(literal) - 1})
static inline struct keel_str keel_str(const char *s)
{
    return (struct keel_str){s, s ? strlen(s) : 0};
}
bool keel_str_equal(struct keel_str a, struct keel_str b);
bool keel_str_equal_nocase(struct keel_str a, struct keel_str b); /* ASCII */
bool keel_str_begins(struct keel_str s, struct keel_str prefix);
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
int keel_hex_digit(int c); /* 0 to 15, or -1 */

/* The parsers below want the whole text to be the value. They return 0, KEEL_EINVAL or KEEL_ERANGE,
 * and set the result only with 0. */
/* Decimal digits; for i64 with a '-' before them. u64: at most max. */
int keel_parse_u64(struct keel_str s, uint64_t max, uint64_t *out);
int keel_parse_i64(struct keel_str s, int64_t *out);
/* "90s", "500ms", "12h", "2h15m", "7d": units w d h m s ms us ns, each at most once, larger ones
 * first; a bare number is seconds. The result is in nanoseconds. */
int keel_parse_duration(struct keel_str s, uint64_t *ns);
/* "64k", "10m", "4g", "1t" (powers of 1024, in either case); a bare number is bytes. */
int keel_parse_size(struct keel_str s, uint64_t *bytes);
/* true false yes no on off 1 0, in any case. */
int keel_parse_bool(struct keel_str s, bool *out);

/* A decimal number for hot paths: a tenth of what printf takes. No NUL; returns the end. */
#define KEEL_DECIMAL 20 /* bytes that any number fits into */
char *keel_put_decimal(char *out, uint64_t n);

/* Formatters end their text with a NUL, cut what does not fit, and return the length of the text
 * that stands in out, without the NUL. With size 0 they touch nothing. */
/* Exact, in the largest units, as the parsers take it: 90 s as "1m30s", 65536 bytes as "64k". 64
 * bytes hold any. */
size_t keel_format_duration(char *out, size_t size, uint64_t ns);
size_t keel_format_size(char *out, size_t size, uint64_t bytes);

/* Untrusted bytes as printable ASCII: \" \\ \n \t, and \xNN for the rest. "..." shows a cut. */
size_t keel_escape(char *out, size_t size, const void *bytes, size_t n);
/* "0a1b", or "0a:1b" with a separator (0: none); cut between bytes. */
size_t keel_format_hex(char *out, size_t size, const void *bytes, size_t n, char sep);
/* The bytes of hexadecimal text, in which one of : - . or blanks may stand between two bytes.
 * Returns the count, KEEL_EINVAL or KEEL_ENOSPC. */
int keel_parse_hex(struct keel_str s, uint8_t *out, size_t size);
/* Base64 (RFC 4648, 4), with its padding and nothing between. Returns the count, KEEL_EINVAL or
 * KEEL_ENOSPC. */
int keel_parse_base64(struct keel_str s, uint8_t *out, size_t size);
/* Whole or not at all: returns the length without the NUL, or KEEL_ENOSPC. */
int keel_format_base64(char *out, size_t size, const void *bytes, size_t n);
/* The length of the UTF-8 character at the front, 1 to 4 bytes; 0 where none is valid (RFC 3629,
 * 4). */
size_t keel_utf8_length(const void *bytes, size_t n);
/* A JSON string with its quotes (RFC 8259, 7); bytes that are no UTF-8 become \u00NN. Unlike the
 * others it returns the length that the whole needs, as snprintf does; cut between characters. */
size_t keel_format_json_string(char *out, size_t size, const void *bytes, size_t n);

#endif
