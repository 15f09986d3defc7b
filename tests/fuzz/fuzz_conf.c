/*
 * Configuration text, and behind a NUL what the command line adds. Whatever loads is printed,
 * loaded again and printed again, and both prints must be the same.
 */
#include "common/base/mem.h"
#include "common/service/conf.h"
#include "tests/support/conf_rows.h"

#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size);

static void print_twice(const struct keel_conf *conf)
{
    struct keel_buf first = {0}, second = {0};
    struct keel_conf *again = NULL;
    struct keel_diag diag;
    if (keel_conf_print(conf, &first) != 0)
        abort();
    struct keel_conf_source source = {.file = "/other/folder.conf", .text = keel_buf_text(&first)};
    if (keel_conf_load(rows, &source, &again, &diag) != 0 || keel_conf_print(again, &second) != 0 ||
        strcmp(keel_buf_text(&first), keel_buf_text(&second)) != 0)
        abort();
    keel_conf_free(again);
    keel_buf_fini(&first);
    keel_buf_fini(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size)
{
    char *text = keel_malloc(size + 1);
    struct keel_conf *conf = NULL;
    struct keel_diag diag = {""};
    if (text) {
        memcpy(text, bytes, size);
        text[size] = '\0';
        size_t n = strlen(text);
        struct keel_conf_source source = {
            .file = "conf/fuzz.conf", .text = text, .overrides = n < size ? text + n + 1 : NULL};
        if (keel_conf_load(rows, &source, &conf, &diag) == 0) {
            print_twice(conf);
            keel_conf_error_at(conf, "index", 1, &diag, "x");
            keel_conf_free(conf);
        } else if (diag.text[0] == '\0' || strchr(diag.text, '\n')) {
            abort(); /* an error is one line that says something */
        }
    }
    keel_free(text);
    return 0;
}
