#include "httpd/wire/chars.h"

#include <endian.h>

#define T HTTP_CHAR_TOKEN
#define V HTTP_CHAR_VALUE
#define U HTTP_CHAR_TARGET
#define H HTTP_CHAR_HOST
#define P HTTP_CHAR_PLAIN

const uint8_t http_chars[256] = {
    ['\t'] = V,
    [' '] = V,
    ['!'] = T | V | U | H | P,
    ['"'] = V | U | P,
    ['#'] = T | V,
    ['$'] = T | V | U | H | P,
    ['%'] = T | V | U | H,
    ['&' ... '\''] = T | V | U | H | P,
    ['(' ... ')'] = V | U | H | P,
    ['*' ... '+'] = T | V | U | H | P,
    [','] = V | U | H | P,
    ['-' ... '.'] = T | V | U | H | P,
    ['/'] = V | U,
    ['0' ... '9'] = T | V | U | H | P,
    [':'] = V | U | P,
    [';'] = V | U | H | P,
    ['<'] = V | U | P,
    ['='] = V | U | H | P,
    ['>' ... '@'] = V | U | P,
    ['A' ... 'Z'] = T | V | U | H | P,
    ['[' ... ']'] = V | U | P,
    ['^'] = T | V | U | P,
    ['_'] = T | V | U | H | P,
    ['`'] = T | V | U | P,
    ['a' ... 'z'] = T | V | U | H | P,
    ['{'] = V | U | P,
    ['|'] = T | V | U | P,
    ['}'] = V | U | P,
    ['~'] = T | V | U | H | P,
    [0x80 ... 0xff] = V,
};

#define EACH(byte) (UINT64_C(0x0101010101010101) * (byte))

/* The high bits of the bytes of a word that are below n (1 to 128). Exact up to the first of them,
 * in the order of the word's bytes from the lowest. */
static uint64_t below(uint64_t word, uint8_t n)
{
    return (word - EACH(n)) & ~word & EACH(0x80);
}

const uint8_t *http_skip_value(const uint8_t *p, const uint8_t *end)
{
    while (end - p >= 8) {
        uint64_t word;
        memcpy(&word, p, 8);
        word = le64toh(word);
        uint64_t stop = below(word, ' ') | below(word ^ EACH(0x7f), 1);
        if (stop == 0) {
            p += 8;
            continue;
        }
        p += __builtin_ctzll(stop) / 8;
        if (*p != '\t')
            return p;
        p++;
    }
    return http_skip(p, end, HTTP_CHAR_VALUE);
}

/* Equal but for bit 5 of the first text's bytes. */
static inline bool folds8(const char *text, const char *lower)
{
    uint64_t a, b;
    memcpy(&a, text, sizeof a);
    memcpy(&b, lower, sizeof b);
    return (a | EACH(0x20)) == b;
}

static inline bool folds4(const char *text, const char *lower)
{
    uint32_t a, b;
    memcpy(&a, text, sizeof a);
    memcpy(&b, lower, sizeof b);
    return (a | (uint32_t)EACH(0x20)) == b;
}

/* The last bytes are compared with some of those before them once more. */
bool http_token_is(struct keel_str token, struct keel_str lower)
{
    size_t n = token.n, i;
    if (n != lower.n)
        return false;
    if (n >= 8) {
        for (i = 0; i + 8 < n; i += 8)
            if (!folds8(token.p + i, lower.p + i))
                return false;
        return folds8(token.p + n - 8, lower.p + n - 8);
    }
    if (n >= 4)
        return folds4(token.p, lower.p) && folds4(token.p + n - 4, lower.p + n - 4);
    for (i = 0; i < n; i++)
        if (((uint8_t)token.p[i] | 0x20) != (uint8_t)lower.p[i])
            return false;
    return true;
}

bool http_list_next(struct keel_str *list, struct keel_str *element)
{
    while (keel_str_split(list, ',', element)) {
        *element = keel_str_trim(*element);
        if (element->n > 0)
            return true;
    }
    return false;
}
