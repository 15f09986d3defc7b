#include "common/base/buf.h"

#include "common/base/err.h"
#include "common/base/mem.h"

#include <stdio.h>
#include <string.h>

enum { BUF_FIRST = 256, BUF_KEEP = 65536 };

void keel_buf_init(struct keel_buf *buf, size_t limit)
{
    *buf = (struct keel_buf){.limit = limit};
}

void keel_buf_fini(struct keel_buf *buf)
{
    keel_free(buf->data);
    *buf = (struct keel_buf){.limit = buf->limit};
}

void keel_buf_clear(struct keel_buf *buf)
{
    buf->start = buf->end = 0;
    buf->failed = 0;
}

/* Capacity for n more bytes and one spare, which keel_buf_text and vsnprintf use for their NUL. */
static int buf_make_room(struct keel_buf *buf, size_t n)
{
    size_t held = keel_buf_size(buf);
    if (buf->data && n < buf->capacity - buf->end)
        return 0;
    if (n > SIZE_MAX / 4 || held > SIZE_MAX / 4)
        return KEEL_ENOMEM;
    size_t needed = held + n + 1;
    /* moving at most half keeps appends linear over the life of the buffer */
    if (needed <= buf->capacity && held <= buf->capacity / 2) {
        memmove(buf->data, buf->data + buf->start, held);
        buf->start = 0;
        buf->end = held;
        return 0;
    }
    size_t capacity = buf->capacity > 0 ? buf->capacity : BUF_FIRST;
    while (capacity < needed)
        capacity *= 2;
    if (capacity == buf->capacity)
        capacity *= 2;
    uint8_t *data = keel_malloc(capacity);
    if (!data)
        return KEEL_ENOMEM;
    if (held > 0)
        memcpy(data, buf->data + buf->start, held);
    keel_free(buf->data);
    buf->data = data;
    buf->start = 0;
    buf->end = held;
    buf->capacity = capacity;
    return 0;
}

uint8_t *keel_buf_grow(struct keel_buf *buf, size_t n)
{
    if (buf->failed)
        return NULL;
    size_t held = keel_buf_size(buf);
    if (buf->limit > 0 && (held > buf->limit || n > buf->limit - held))
        buf->failed = KEEL_ELIMIT;
    else
        buf->failed = buf_make_room(buf, n);
    return buf->failed ? NULL : buf->data + buf->end;
}

void keel_buf_commit(struct keel_buf *buf, size_t n)
{
    KEEL_ASSERT(n == 0 || n < buf->capacity - buf->end, "more committed than was reserved");
    buf->end += n;
}

int keel_buf_append(struct keel_buf *buf, const void *p, size_t n)
{
    if (n == 0)
        return buf->failed;
    uint8_t *room = keel_buf_reserve(buf, n);
    if (!room)
        return buf->failed;
    memcpy(room, p, n);
    buf->end += n;
    return 0;
}

int keel_buf_puts(struct keel_buf *buf, const char *s)
{
    return keel_buf_append(buf, s, strlen(s));
}

int keel_buf_vprintf(struct keel_buf *buf, const char *fmt, va_list ap)
{
    if (buf->failed)
        return buf->failed;
    /* first into what room there is: most texts fit, and are formatted once */
    size_t room = buf->data ? buf->capacity - buf->end : 0;
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(room > 0 ? (char *)buf->data + buf->end : NULL, room, fmt, ap);
    if (n < 0) {
        buf->failed = KEEL_EINVAL;
    } else if (keel_buf_reserve(buf, (size_t)n)) {
        if ((size_t)n >= room)
            vsnprintf((char *)buf->data + buf->end, (size_t)n + 1, fmt, again);
        buf->end += (size_t)n;
    }
    va_end(again);
    return buf->failed;
}

int keel_buf_printf(struct keel_buf *buf, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int err = keel_buf_vprintf(buf, fmt, ap);
    va_end(ap);
    return err;
}

uint8_t *keel_buf_take(struct keel_buf *buf)
{
    size_t held = keel_buf_size(buf);
    uint8_t *data = buf->data;
    if (held == 0)
        data = NULL;
    else if (buf->start > 0)
        data = keel_memdup(buf->data + buf->start, held);
    else
        data = keel_realloc(buf->data, held);
    if (data && buf->start == 0)
        buf->data = NULL; /* it is the caller's, or became another */
    keel_buf_fini(buf);
    return data;
}

void keel_buf_consume(struct keel_buf *buf, size_t n)
{
    KEEL_ASSERT(n <= keel_buf_size(buf), "more consumed than the buffer holds");
    buf->start += n;
    if (buf->start < buf->end)
        return;
    buf->start = buf->end = 0;
    if (buf->capacity > BUF_KEEP) {
        keel_free(buf->data);
        buf->data = NULL;
        buf->capacity = 0;
    }
}

const char *keel_buf_text(struct keel_buf *buf)
{
    if (!keel_buf_reserve(buf, 0))
        return NULL;
    buf->data[buf->end] = '\0';
    return (const char *)buf->data + buf->start;
}
