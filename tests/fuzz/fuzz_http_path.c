/*
 * Request paths: a normalised path has no way up, no empty segment, no NUL; normalising what
 * encoding it gives leads back to it.
 */
#include <stdlib.h>

#include "httpd/wire/path.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void check(const char *path, size_t n)
{
    KEEL_ASSERT(n > 0 && path[0] == '/' && strlen(path) == n, "not a path");
    KEEL_ASSERT(!strstr(path, "//"), "an empty segment");
    for (const char *p = strstr(path, "/."); p; p = strstr(p + 1, "/.")) {
        size_t dots = strcspn(p + 1, "/");
        KEEL_ASSERT(strncmp(p + 1, ".", dots) != 0 && strncmp(p + 1, "..", dots) != 0,
                    "a dot segment is left");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    char *raw = malloc(size ? size : 1), *out = malloc(size + 1);
    if (size > 0)
        memcpy(raw, bytes, size);
    struct keel_str text = {raw, size};
    int n = http_path_normalise(text, out);
    if (n >= 0)
        check(out, (size_t)n);
    if (http_path_is_normal(text) && !memchr(raw, 0, size))
        KEEL_ASSERT((size_t)n == size && memcmp(out, raw, size) == 0, "normal, but changed");
    struct keel_buf encoded = {0};
    if (n >= 0 && http_path_encode(&encoded, (struct keel_str){out, (size_t)n}) == 0) {
        struct keel_str again = {(char *)keel_buf_bytes(&encoded), keel_buf_size(&encoded)};
        char *back = malloc(again.n + 1);
        int m = http_path_normalise(again, back);
        KEEL_ASSERT(m == n && memcmp(back, out, (size_t)n) == 0, "encoding is not undone");
        free(back);
    }
    keel_buf_fini(&encoded);
    http_path_is_hidden(text);
    free(out);
    free(raw);
    return 0;
}
