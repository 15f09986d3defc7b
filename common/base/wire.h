/*
 * Wire cursors: read and write big-endian protocol bytes without ever leaving the buffer.
 *
 * The error is sticky: after the first overrun every later call does nothing (reads give zeros),
 * so that a parser checks once at its end. Neither kind owns the bytes.
 */
#ifndef KEEL_BASE_WIRE_H
#define KEEL_BASE_WIRE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct keel_reader {
    const uint8_t *start, *next, *end;
    bool bad; /* an overrun happened */
};

static inline void keel_reader_init(struct keel_reader *r, const void *bytes, size_t size)
{
    /* an empty input may be NULL, on which C allows no arithmetic: any other address will do */
    r->start = r->next = bytes ? bytes : (const uint8_t *)r;
    r->end = r->start + size;
    r->bad = false;
}
static inline size_t keel_reader_left(const struct keel_reader *r)
{
    return (size_t)(r->end - r->next);
}
static inline size_t keel_reader_offset(const struct keel_reader *r)
{
    return (size_t)(r->next - r->start);
}
/* True when n more bytes can be read; else the cursor is bad from here on. */
static inline bool keel_reader_need(struct keel_reader *r, size_t n)
{
    if (r->bad || keel_reader_left(r) < n) {
        r->bad = true;
        return false;
    }
    return true;
}
static inline uint8_t keel_read_u8(struct keel_reader *r)
{
    return keel_reader_need(r, 1) ? *r->next++ : 0;
}
static inline uint16_t keel_read_u16(struct keel_reader *r)
{
    if (!keel_reader_need(r, 2))
        return 0;
    uint16_t v = (uint16_t)(r->next[0] << 8 | r->next[1]);
    r->next += 2;
    return v;
}
static inline uint32_t keel_read_u32(struct keel_reader *r)
{
    if (!keel_reader_need(r, 4))
        return 0;
    uint32_t v = (uint32_t)r->next[0] << 24 | (uint32_t)r->next[1] << 16 |
                 (uint32_t)r->next[2] << 8 | r->next[3];
    r->next += 4;
    return v;
}
static inline uint64_t keel_read_u48(struct keel_reader *r)
{
    uint64_t high = keel_read_u16(r);
    return high << 32 | keel_read_u32(r);
}
static inline uint64_t keel_read_u64(struct keel_reader *r)
{
    uint64_t high = keel_read_u32(r);
    return high << 32 | keel_read_u32(r);
}
/* Borrows n bytes of the input; NULL (and bad) when there are fewer. */
static inline const uint8_t *keel_read_bytes(struct keel_reader *r, size_t n)
{
    if (!keel_reader_need(r, n))
        return NULL;
    const uint8_t *p = r->next;
    r->next += n;
    return p;
}

struct keel_writer {
    uint8_t *start, *next, *end;
    bool bad; /* something did not fit; what was written before stands */
};

static inline void keel_writer_init(struct keel_writer *w, void *bytes, size_t size)
{
    w->start = w->next = bytes ? bytes : (uint8_t *)w; /* as in keel_reader_init */
    w->end = w->start + size;
    w->bad = false;
}
static inline size_t keel_writer_left(const struct keel_writer *w)
{
    return (size_t)(w->end - w->next);
}
static inline size_t keel_writer_offset(const struct keel_writer *w)
{
    return (size_t)(w->next - w->start);
}
static inline bool keel_writer_need(struct keel_writer *w, size_t n)
{
    if (w->bad || keel_writer_left(w) < n) {
        w->bad = true;
        return false;
    }
    return true;
}
static inline void keel_write_u8(struct keel_writer *w, uint8_t v)
{
    if (keel_writer_need(w, 1))
        *w->next++ = v;
}
static inline void keel_write_u16(struct keel_writer *w, uint16_t v)
{
    if (!keel_writer_need(w, 2))
        return;
    w->next[0] = (uint8_t)(v >> 8);
    w->next[1] = (uint8_t)v;
    w->next += 2;
}
static inline void keel_write_u32(struct keel_writer *w, uint32_t v)
{
    if (!keel_writer_need(w, 4))
        return;
    w->next[0] = (uint8_t)(v >> 24);
    w->next[1] = (uint8_t)(v >> 16);
    w->next[2] = (uint8_t)(v >> 8);
    w->next[3] = (uint8_t)v;
    w->next += 4;
}
static inline void keel_write_u48(struct keel_writer *w, uint64_t v)
{
    if (!keel_writer_need(w, 6))
        return;
    keel_write_u16(w, (uint16_t)(v >> 32));
    keel_write_u32(w, (uint32_t)v);
}
static inline void keel_write_u64(struct keel_writer *w, uint64_t v)
{
    if (!keel_writer_need(w, 8))
        return;
    keel_write_u32(w, (uint32_t)(v >> 32));
    keel_write_u32(w, (uint32_t)v);
}
static inline void keel_write_bytes(struct keel_writer *w, const void *p, size_t n)
{
    if (!keel_writer_need(w, n))
        return;
    if (n > 0)
        memcpy(w->next, p, n);
    w->next += n;
}
/* Leaves room for n bytes to be filled later; NULL (and bad) when they do not fit. */
static inline uint8_t *keel_write_skip(struct keel_writer *w, size_t n)
{
    if (!keel_writer_need(w, n))
        return NULL;
    uint8_t *p = w->next;
    w->next += n;
    return p;
}
static inline void keel_put_u16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}
static inline void keel_put_u32(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 24);
    p[1] = (uint8_t)(v >> 16);
    p[2] = (uint8_t)(v >> 8);
    p[3] = (uint8_t)v;
}
static inline uint16_t keel_get_u16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}
static inline uint32_t keel_get_u32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

#endif
