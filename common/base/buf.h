/*
 * A growing byte buffer with a read position: appended at the end, consumed at the front.
 *
 * A failure is sticky: after one, appending does nothing until keel_buf_clear, so that a writer of
 * many pieces looks at `failed` once, at its end.
 */
#ifndef KEEL_BASE_BUF_H
#define KEEL_BASE_BUF_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct keel_buf {
    uint8_t *data; /* on the heap; NULL until something is appended */
    size_t start;  /* the first byte that is not consumed */
    size_t end;    /* one behind the last byte */
    size_t capacity;
    int failed;   /* 0, or the first error: KEEL_ENOMEM, KEEL_ELIMIT */
    size_t limit; /* most bytes held at once; 0: no limit */
};

/* Empty, without memory. An all-zero struct is that too, without a limit. */
void keel_buf_init(struct keel_buf *buf, size_t limit);
/* Frees the memory. The buffer is empty then, and may be used again. */
void keel_buf_fini(struct keel_buf *buf);
/* Empties and forgets a failure; keeps the memory. */
void keel_buf_clear(struct keel_buf *buf);
static inline size_t keel_buf_size(const struct keel_buf *buf)
{
    return buf->end - buf->start;
}
/* Borrowed until the next append; NULL while there is no memory. */
static inline uint8_t *keel_buf_bytes(const struct keel_buf *buf)
{
    return buf->data ? buf->data + buf->start : NULL;
}
/* Makes room for n more bytes at the end and lends it, until the next call; NULL after a failure.
 */
uint8_t *keel_buf_grow(struct keel_buf *buf, size_t n); /* the same, where there is not enough */
static inline uint8_t *keel_buf_reserve(struct keel_buf *buf, size_t n)
{
    bool fits = n < buf->capacity - buf->end && buf->limit == 0 && !buf->failed;
    return fits ? buf->data + buf->end : keel_buf_grow(buf, n);
}
/* Appends the first n bytes of the room that was reserved; n may be less than that. */
void keel_buf_commit(struct keel_buf *buf, size_t n);
/* 0, or the error that `failed` holds; an append that fails adds nothing. */
int keel_buf_append(struct keel_buf *buf, const void *p, size_t n);
int keel_buf_puts(struct keel_buf *buf, const char *s);
int keel_buf_printf(struct keel_buf *buf, const char *fmt, ...)
    __attribute__((format(printf, 2, 3)));
int keel_buf_vprintf(struct keel_buf *buf, const char *fmt, va_list ap);
/* Hands the memory over: returns new what is held (keel_free), NULL when that is nothing or memory
 * is out; the buffer is empty then, without memory. */
uint8_t *keel_buf_take(struct keel_buf *buf);
/* Drops n bytes at the front, at most those held. A buffer that becomes empty keeps its memory only
 * up to 64 KiB. */
void keel_buf_consume(struct keel_buf *buf, size_t n);
/* The bytes with a NUL behind them, which is not counted. Borrowed until the next append; NULL
 * after a failure, so that no cut text is taken for a whole one. */
const char *keel_buf_text(struct keel_buf *buf);

#endif
