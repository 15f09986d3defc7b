/*
 * A growing byte buffer with a read position: appended at the end, consumed at the front.
 */
#ifndef KEEL_BASE_BUF_H
#define KEEL_BASE_BUF_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

struct keel_buf {
    uint8_t *data; /* heap, NULL while nothing was appended */
    size_t start;  /* first byte not consumed */
    size_t end;    /* one behind the last byte */
    size_t capacity;
    int failed;   /* sticky KEEL_ENOMEM or KEEL_ELIMIT: later appends do nothing */
    size_t limit; /* most bytes held; 0 = no limit */
};

/* An all-zero struct is an empty buffer too. */
void keel_buf_init(struct keel_buf *buf, size_t limit);
void keel_buf_fini(struct keel_buf *buf);
/* Empties; keeps the memory. */
void keel_buf_clear(struct keel_buf *buf);
static inline size_t keel_buf_size(const struct keel_buf *buf)
{
    return buf->end - buf->start;
}
static inline uint8_t *keel_buf_bytes(const struct keel_buf *buf)
{
    return buf->data ? buf->data + buf->start : NULL;
}
/* Makes room for n more bytes at the end and returns it; NULL when it cannot. */
uint8_t *keel_buf_reserve(struct keel_buf *buf, size_t n);
/* After filling n reserved bytes. */
void keel_buf_commit(struct keel_buf *buf, size_t n);
int keel_buf_append(struct keel_buf *buf, const void *p, size_t n);
int keel_buf_puts(struct keel_buf *buf, const char *s);
int keel_buf_printf(struct keel_buf *buf, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
int keel_buf_vprintf(struct keel_buf *buf, const char *fmt, va_list ap);
/* Drops n bytes at the front; frees the memory when the buffer becomes empty and is over 64 KiB. */
void keel_buf_consume(struct keel_buf *buf, size_t n);
/* Adds a NUL (not counted) and lends the text, until the next append; NULL after a failure. */
const char *keel_buf_text(struct keel_buf *buf);

#endif
