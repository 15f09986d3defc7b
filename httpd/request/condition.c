#include "httpd/request/condition.h"

#include "httpd/wire/date.h"
#include "httpd/wire/etag.h"

/* Is etag in the list of any field line of this name? A malformed list has no match. */
static bool listed(const struct http_head *head, enum http_field_id id, struct keel_str etag,
                   bool weak)
{
    for (unsigned i = 0; i < head->count; i++)
        if (head->fields[i].id == id &&
            http_etag_list_has(http_span_str(head, head->fields[i].value), etag, weak) == 1)
            return true;
    return false;
}

/* The date of a field; false when it is not there or not a date, which means: ignore it. */
static bool date_of(const struct http_head *head, enum http_field_id id, int64_t now,
                    int64_t *seconds)
{
    return http_head_has(head, id) && http_date_parse(http_head_value(head, id), now, seconds) == 0;
}

enum http_condition http_condition_check(const struct http_head *head, struct keel_str etag,
                                         int64_t modified, int64_t now)
{
    int64_t date;
    bool read = head->method == HTTP_GET || head->method == HTTP_HEAD;
    if (http_head_has(head, HTTP_FIELD_IF_MATCH)) {
        if (!listed(head, HTTP_FIELD_IF_MATCH, etag, false))
            return HTTP_FAILED;
    } else if (date_of(head, HTTP_FIELD_IF_UNMODIFIED_SINCE, now, &date) && modified > date) {
        return HTTP_FAILED;
    }
    if (http_head_has(head, HTTP_FIELD_IF_NONE_MATCH)) {
        if (listed(head, HTTP_FIELD_IF_NONE_MATCH, etag, true))
            return read ? HTTP_NOT_MODIFIED : HTTP_FAILED;
    } else if (read && modified != HTTP_NO_DATE &&
               date_of(head, HTTP_FIELD_IF_MODIFIED_SINCE, now, &date) && modified <= date) {
        return HTTP_NOT_MODIFIED;
    }
    return HTTP_PROCEED;
}

bool http_condition_range(const struct http_head *head, struct keel_str etag, int64_t modified,
                          int64_t now)
{
    if (!http_head_has(head, HTTP_FIELD_IF_RANGE))
        return true;
    struct keel_str value = http_head_value(head, HTTP_FIELD_IF_RANGE);
    if (value.n > 0 && value.p[0] == '"')
        return value.n == etag.n && memcmp(value.p, etag.p, etag.n) == 0;
    int64_t date; /* a weak tag is no date and matches nothing: RFC 9110, 13.1.5 */
    /* within that second the file may have changed again: a date is strong a second later only
     * (8.8.2.2), and no answer that gave it can be that old yet */
    return http_date_parse(value, now, &date) == 0 && date == modified && modified < now;
}
