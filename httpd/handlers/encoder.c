#include "httpd/handlers/encoder.h"

#include <brotli/encode.h>
#include <zlib.h>
#include <zstd.h>

#include "common/base/err.h"
#include "common/base/mem.h"

#define GZIP_LEVEL 5
#define GZIP_MEMORY 8 /* 256 KiB with the window */
#define BROTLI_LEVEL 4
#define ZSTD_LEVEL 3
#define WINDOW 18 /* bits, of brotli and zstd */
#define ROOM 4096 /* lent to the library at a time */

struct http_encoder {
    enum http_coding coding;
    bool started; /* with the first bytes: many answers end without any */
    z_stream gzip;
    BrotliEncoderState *brotli;
    ZSTD_CStream *zstd;
};

static void *zlib_alloc(void *opaque, unsigned count, unsigned size)
{
    return keel_calloc(count, size);
}

static void zlib_free(void *opaque, void *p)
{
    keel_free(p);
}

static bool start(struct http_encoder *e)
{
    switch (e->coding) {
    case HTTP_GZIP:
        e->gzip.zalloc = zlib_alloc;
        e->gzip.zfree = zlib_free;
        return deflateInit2(&e->gzip, GZIP_LEVEL, Z_DEFLATED, 15 + 16, GZIP_MEMORY,
                            Z_DEFAULT_STRATEGY) == Z_OK;
    case HTTP_BR:
        /* its own allocator: it ends the process when there is no memory, whatever ours says */
        e->brotli = BrotliEncoderCreateInstance(NULL, NULL, NULL);
        return e->brotli &&
               BrotliEncoderSetParameter(e->brotli, BROTLI_PARAM_QUALITY, BROTLI_LEVEL) &&
               BrotliEncoderSetParameter(e->brotli, BROTLI_PARAM_LGWIN, WINDOW);
    default:
        e->zstd = ZSTD_createCStream();
        return e->zstd &&
               !ZSTD_isError(
                   ZSTD_CCtx_setParameter(e->zstd, ZSTD_c_compressionLevel, ZSTD_LEVEL)) &&
               !ZSTD_isError(ZSTD_CCtx_setParameter(e->zstd, ZSTD_c_windowLog, WINDOW));
    }
}

struct http_encoder *http_encoder_new(enum http_coding coding)
{
    struct http_encoder *e = keel_calloc(1, sizeof *e);
    if (e)
        e->coding = coding;
    return e;
}

void http_encoder_free(struct http_encoder *e)
{
    if (e->coding == HTTP_GZIP && e->started)
        deflateEnd(&e->gzip);
    if (e->brotli)
        BrotliEncoderDestroyInstance(e->brotli);
    ZSTD_freeCStream(e->zstd);
    keel_free(e);
}

static int put_gzip(struct http_encoder *e, const void *bytes, size_t n, enum http_piece piece,
                    struct keel_buf *out)
{
    static const int how[] = {Z_NO_FLUSH, Z_SYNC_FLUSH, Z_FINISH};
    e->gzip.next_in = (void *)(uintptr_t)bytes;
    e->gzip.avail_in = (uInt)n;
    do {
        e->gzip.next_out = keel_buf_reserve(out, ROOM);
        e->gzip.avail_out = ROOM;
        if (!e->gzip.next_out || deflate(&e->gzip, how[piece]) == Z_STREAM_ERROR)
            return KEEL_ENOMEM;
        keel_buf_commit(out, ROOM - e->gzip.avail_out);
    } while (e->gzip.avail_out == 0);
    return 0;
}

static int put_brotli(struct http_encoder *e, const void *bytes, size_t n, enum http_piece piece,
                      struct keel_buf *out)
{
    static const BrotliEncoderOperation how[] = {BROTLI_OPERATION_PROCESS, BROTLI_OPERATION_FLUSH,
                                                 BROTLI_OPERATION_FINISH};
    const uint8_t *in = bytes;
    do {
        size_t room = ROOM;
        uint8_t *p = keel_buf_reserve(out, ROOM);
        if (!p || !BrotliEncoderCompressStream(e->brotli, how[piece], &n, &in, &room, &p, NULL))
            return KEEL_ENOMEM;
        keel_buf_commit(out, ROOM - room);
    } while (n > 0 || BrotliEncoderHasMoreOutput(e->brotli));
    return 0;
}

static int put_zstd(struct http_encoder *e, const void *bytes, size_t n, enum http_piece piece,
                    struct keel_buf *out)
{
    static const ZSTD_EndDirective how[] = {ZSTD_e_continue, ZSTD_e_flush, ZSTD_e_end};
    ZSTD_inBuffer in = {bytes, n, 0};
    size_t left;
    do {
        ZSTD_outBuffer to = {keel_buf_reserve(out, ROOM), ROOM, 0};
        left = to.dst ? ZSTD_compressStream2(e->zstd, &to, &in, how[piece]) : 0;
        if (!to.dst || ZSTD_isError(left))
            return KEEL_ENOMEM;
        keel_buf_commit(out, to.pos);
    } while (piece == HTTP_PIECE_MORE ? in.pos < n : left > 0);
    return 0;
}

int http_encoder_put(struct http_encoder *e, const void *bytes, size_t n, enum http_piece piece,
                     struct keel_buf *out)
{
    if (!e->started && !start(e))
        return KEEL_ENOMEM;
    e->started = true;
    switch (e->coding) {
    case HTTP_GZIP:
        return put_gzip(e, bytes, n, piece, out);
    case HTTP_BR:
        return put_brotli(e, bytes, n, piece, out);
    default:
        return put_zstd(e, bytes, n, piece, out);
    }
}
