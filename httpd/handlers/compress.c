#include "httpd/handlers/compress.h"

#include <brotli/encode.h>
#include <zlib.h>
#include <zstd.h>

#include "common/base/mem.h"

#define GZIP_LEVEL 9
#define BROTLI_LEVEL 9 /* 10 and 11 take ten times as long for a twentieth less */
#define ZSTD_LEVEL 15

static size_t gzip(const void *bytes, size_t n, uint8_t *out, size_t room)
{
    z_stream z = {.next_in = (void *)(uintptr_t)bytes,
                  .avail_in = (uInt)n,
                  .next_out = out,
                  .avail_out = (uInt)room};
    if (deflateInit2(&z, GZIP_LEVEL, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY) != Z_OK)
        return 0;
    int end = deflate(&z, Z_FINISH);
    size_t size = end == Z_STREAM_END ? z.total_out : 0;
    deflateEnd(&z);
    return size;
}

static size_t brotli(const void *bytes, size_t n, uint8_t *out, size_t room)
{
    size_t size = room;
    return BrotliEncoderCompress(BROTLI_LEVEL, BROTLI_DEFAULT_WINDOW, BROTLI_MODE_GENERIC, n, bytes,
                                 &size, out)
               ? size
               : 0;
}

static size_t zstd(const void *bytes, size_t n, uint8_t *out, size_t room)
{
    size_t size = ZSTD_compress(out, room, bytes, n, ZSTD_LEVEL);
    return ZSTD_isError(size) ? 0 : size;
}

uint8_t *http_compress(enum http_coding coding, const void *bytes, size_t n, size_t *size)
{
    uint8_t *out = n > 0 && n <= INT32_MAX ? keel_malloc(n) : NULL;
    if (!out)
        return NULL;
    switch (coding) {
    case HTTP_GZIP:
        *size = gzip(bytes, n, out, n - 1);
        break;
    case HTTP_BR:
        *size = brotli(bytes, n, out, n - 1);
        break;
    default:
        *size = zstd(bytes, n, out, n - 1);
    }
    if (*size > 0)
        return out;
    keel_free(out);
    return NULL;
}
