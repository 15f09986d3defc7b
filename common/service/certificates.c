#include "common/service/certificates.h"

#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/base/str.h"
#include "common/service/metric.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- collecting --- */

/* A text as JSON has it, null when there is none or it is not UTF-8. */
static json_t *text(const char *p)
{
    json_t *value = p && *p ? json_string(p) : NULL;
    return value ? value : json_null();
}

static json_t *split_names(const char *names)
{
    struct keel_str rest = keel_str(names), part;
    json_t *list = json_array();
    for (bool more = rest.n > 0; more;) {
        more = keel_str_split(&rest, ',', &part);
        if (!more)
            part = rest;
        json_t *name = json_stringn(part.p, part.n);
        if (name)
            json_array_append_new(list, name);
    }
    return list;
}

static json_t *row_of(const struct keel_tls_certificate_info *info)
{
    return json_pack("{s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:o, s:I, s:I, s:o, s:o, s:I}", "name",
                     text(info->name), "names", split_names(info->names), "key", text(info->key),
                     "subject", text(info->subject), "issuer", text(info->issuer), "serial",
                     text(info->serial), "sha256", text(info->sha256), "file", text(info->file),
                     "not_before", (json_int_t)info->not_before, "not_after",
                     (json_int_t)info->not_after, "staple_file", text(info->ocsp), "staple_fault",
                     text(info->ocsp_fault), "staple_until", (json_int_t)info->ocsp_until);
}

int keel_certificates_add(json_t **list, const struct keel_tls_context *context)
{
    struct keel_tls_certificate_info *info = keel_malloc(sizeof *info);
    int err = info ? 0 : KEEL_ENOMEM;
    if (!*list)
        *list = json_object();
    for (unsigned i = 0; !err && keel_tls_context_certificate(context, i, info); i++) {
        char key[sizeof info->sha256 + 512];
        snprintf(key, sizeof key, "%s %s %s", info->sha256, info->name ? info->name : "",
                 info->file);
        if (!json_object_get(*list, key) && json_object_set_new(*list, key, row_of(info)) != 0)
            err = KEEL_ENOMEM;
    }
    keel_free(info);
    return *list ? err : KEEL_ENOMEM;
}

/* --- telling --- */

static int64_t number_of(const json_t *row, const char *key)
{
    return (int64_t)json_integer_value(json_object_get(row, key));
}

static json_t *time_of(const json_t *row, const char *key)
{
    char out[KEEL_TIME_TEXT];
    int64_t at = number_of(row, key);
    if (at < 0 || at > INT64_C(253402300799)) /* of the year 9999 */
        return json_null();
    return json_string(keel_time_text(out, (uint64_t)at * KEEL_NS_PER_S));
}

/* What clients get: "good", or nothing: "none" was asked for, it has "expired", or it was "refused"
 * when it was read. */
static const char *staple_of(const json_t *row, int64_t now)
{
    if (json_is_null(json_object_get(row, "staple_file")))
        return "none";
    int64_t until = number_of(row, "staple_until"); /* 0: it was not even read so far */
    if (until > 0 && until < now)
        return "expired";
    return json_is_null(json_object_get(row, "staple_fault")) ? "good" : "refused";
}

static json_t *show(const json_t *row, int64_t now)
{
    bool stapled = strcmp(staple_of(row, now), "none") != 0;
    json_t *out =
        json_pack("{s:O, s:O, s:o, s:f, s:s, s:O}", "name", json_object_get(row, "name"), "key",
                  json_object_get(row, "key"), "not_after", time_of(row, "not_after"), "days_left",
                  (double)(number_of(row, "not_after") - now) / 86400, "staple",
                  staple_of(row, now), "file", json_object_get(row, "file"));
    static const char *const same[] = {"names",  "subject",     "issuer",      "serial",
                                       "sha256", "staple_file", "staple_fault"};
    json_object_set_new(out, "not_before", time_of(row, "not_before"));
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        json_object_set(out, same[i], json_object_get(row, same[i]));
    json_object_set_new(out, "staple_until", stapled ? time_of(row, "staple_until") : json_null());
    return out;
}

static int compare(const void *a, const void *b)
{
    const json_t *x = *(const json_t *const *)a, *y = *(const json_t *const *)b;
    int64_t p = number_of(x, "not_after"), q = number_of(y, "not_after");
    return (p > q) - (p < q);
}

static const char *const detail[] = {"names",        "subject",    "issuer",      "serial",
                                     "sha256",       "not_before", "staple_file", "staple_fault",
                                     "staple_until", NULL};

int keel_certificates_list(const json_t *list, json_t *args, uint64_t realtime_ns, json_t **result,
                           struct keel_diag *diag)
{
    size_t count = json_object_size(list), n = 0;
    const char *key;
    json_t *row;
    int64_t now = (int64_t)(realtime_ns / KEEL_NS_PER_S);
    struct keel_rows rows;
    int err = keel_rows_init(&rows, args, diag);
    const json_t **sorted = keel_calloc(count + 1, sizeof *sorted);
    if (!sorted && !err)
        err = keel_diag_memory(diag);
    json_object_foreach((json_t *)(sorted ? list : NULL), key, row) sorted[n++] = row;
    if (!err)
        qsort(sorted, count, sizeof *sorted, compare);
    for (size_t i = 0; i < count && !err && keel_rows_wants(&rows, NULL); i++)
        err = keel_rows_add(&rows, show(sorted[i], now), diag);
    if (!err)
        *result = keel_rows_end(&rows, json_pack("{s:O}", "certificates", rows.list), detail);
    keel_free(sorted);
    keel_rows_fini(&rows);
    return err;
}

/* --- metrics --- */

static void put_head(struct keel_buf *out, const char *name, const char *help)
{
    keel_buf_printf(out, "# HELP %s %s\n# TYPE %s gauge\n", name, help, name);
}

static void put_value(struct keel_buf *out, const char *name, const json_t *row, int64_t value)
{
    const char *label = json_string_value(json_object_get(row, "name"));
    const char *file = json_string_value(json_object_get(row, "file"));
    keel_buf_printf(out, "%s{name=\"", name);
    keel_metric_put_label(out, label ? label : "");
    keel_buf_puts(out, "\",file=\"");
    keel_metric_put_label(out, file ? file : "");
    keel_buf_printf(out, "\"} %lld\n", (long long)value);
}

int keel_certificates_print(const json_t *list, uint64_t realtime_ns, struct keel_buf *out)
{
    static const char ends[] = "keel_certificate_expires_seconds";
    static const char good[] = "keel_staple_good";
    static const char staple_ends[] = "keel_staple_expires_seconds";
    int64_t now = (int64_t)(realtime_ns / KEEL_NS_PER_S);
    const char *key;
    json_t *row;
    if (json_object_size(list) == 0)
        return 0;
    put_head(out, ends, "Seconds until a certificate ends; negative when it has.");
    json_object_foreach((json_t *)list, key, row)
        put_value(out, ends, row, number_of(row, "not_after") - now);
    put_head(out, good, "Of a certificate with an OCSP response: 1 when that is stapled.");
    json_object_foreach((json_t *)list, key, row)
    {
        if (strcmp(staple_of(row, now), "none") != 0)
            put_value(out, good, row, strcmp(staple_of(row, now), "good") == 0);
    }
    put_head(out, staple_ends, "Seconds until an OCSP response ends; negative when it has.");
    json_object_foreach((json_t *)list, key, row)
    {
        if (strcmp(staple_of(row, now), "none") != 0 &&
            number_of(row, "staple_until") != INT64_MAX && number_of(row, "staple_until") > 0)
            put_value(out, staple_ends, row, number_of(row, "staple_until") - now);
    }
    return out->failed;
}
