/*
 * The text parsers of base: addresses, prefixes, numbers, durations, sizes, hexadecimal, base64;
 * and the formatters beside them. What is accepted must come back the same through its own
 * formatter, and no output may exceed the room that was lent.
 */
#include "common/base/addr.h"
#include "common/base/err.h"
#include "common/base/str.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void try_addr(struct keel_str s)
{
    struct keel_addr a, again;
    struct keel_diag diag;
    char text[KEEL_ADDR_TEXT];
    if (keel_addr_parse(&a, s, 53, &diag) != 0)
        return;
    size_t n = keel_addr_format(text, sizeof text, &a);
    KEEL_ASSERT(n < sizeof text - 1, "the longest address fits");
    KEEL_ASSERT(keel_addr_parse(&again, (struct keel_str){text, n}, 0, &diag) == 0 &&
                    keel_addr_equal(&a, &again),
                "an address survives its text");
}

static void try_prefix(struct keel_str s)
{
    struct keel_prefix p, again;
    struct keel_diag diag;
    char text[KEEL_ADDR_TEXT];
    if (keel_prefix_parse(&p, s, &diag) != 0)
        return;
    size_t n = keel_prefix_format(text, sizeof text, &p);
    KEEL_ASSERT(keel_prefix_parse(&again, (struct keel_str){text, n}, &diag) == 0 &&
                    p.family == again.family && p.length == again.length &&
                    memcmp(p.bytes, again.bytes, sizeof p.bytes) == 0,
                "a prefix survives its text");
    struct keel_addr a;
    keel_addr_any(&a, p.family, 0);
    memcpy(p.family == AF_INET ? (void *)&a.in4.sin_addr : (void *)&a.in6.sin6_addr, p.bytes,
           p.family == AF_INET ? 4 : 16);
    KEEL_ASSERT(keel_prefix_contains(&p, &a), "a prefix contains its first address");
}

static void try_numbers(struct keel_str s)
{
    uint64_t u, again;
    int64_t i;
    bool truth;
    char text[64];
    keel_parse_u64(s, 65535, &u);
    keel_parse_u64(s, UINT64_MAX, &u);
    keel_parse_i64(s, &i);
    keel_parse_bool(s, &truth);
    if (keel_parse_duration(s, &u) == 0) {
        size_t n = keel_format_duration(text, sizeof text, u);
        KEEL_ASSERT(keel_parse_duration((struct keel_str){text, n}, &again) == 0 && u == again,
                    "a duration survives its text");
    }
    if (keel_parse_size(s, &u) == 0) {
        size_t n = keel_format_size(text, sizeof text, u);
        KEEL_ASSERT(keel_parse_size((struct keel_str){text, n}, &again) == 0 && u == again,
                    "a size survives its text");
    }
}

/* `room` is exactly sized heap memory, so that the sanitizer sees a byte too many. */
static void try_bytes(struct keel_str s, uint8_t *room, size_t size)
{
    uint8_t back[512];
    int n = keel_parse_hex(s, room, size);
    if (n >= 0 && (size_t)n <= sizeof back) {
        char text[2 * sizeof back + 1];
        size_t length = keel_format_hex(text, sizeof text, room, (size_t)n, 0);
        KEEL_ASSERT(keel_parse_hex((struct keel_str){text, length}, back, sizeof back) == n &&
                        memcmp(room, back, (size_t)n) == 0,
                    "bytes survive hexadecimal");
    }
    n = keel_parse_base64(s, room, size);
    if (n >= 0 && (size_t)n <= sizeof back) {
        char text[sizeof back * 2];
        int length = keel_format_base64(text, sizeof text, room, (size_t)n);
        KEEL_ASSERT(length == (int)s.n && memcmp(text, s.p, s.n) == 0, "base64 has one spelling");
    }
}

static void try_escapes(struct keel_str s, char *room, size_t size)
{
    size_t n = keel_escape(room, size, s.p, s.n);
    for (size_t i = 0; i < n; i++)
        KEEL_ASSERT(room[i] >= ' ' && room[i] < 0x7f, "escaped text is printable");
    size_t wanted = keel_format_json_string(room, size, s.p, s.n);
    KEEL_ASSERT(size == 0 || strlen(room) == (wanted < size ? wanted : strlen(room)),
                "JSON text has the length it says");
}

static void try_parts(struct keel_str s)
{
    struct keel_str part;
    size_t total = 0, parts = 0;
    for (struct keel_str rest = s; keel_str_split(&rest, ',', &part); parts++)
        total += keel_str_trim(part).n <= part.n ? part.n : 0;
    KEEL_ASSERT(total + (parts > 0 ? parts - 1 : 0) == s.n, "parts and separators are the whole");
}

/* The first byte is the room lent to formatters and decoders; the rest is the text. */
int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    if (size == 0)
        return 0;
    struct keel_str s = {(const char *)bytes + 1, size - 1};
    void *room = malloc(bytes[0] > 0 ? bytes[0] : 1);
    if (!room)
        return 0;
    try_addr(s);
    try_prefix(s);
    try_numbers(s);
    try_bytes(s, room, bytes[0]);
    try_escapes(s, room, bytes[0]);
    try_parts(s);
    free(room);
    return 0;
}
