/*
 * Rows that a control command lists, and which of them an operator wants: arguments KEY=VALUE.
 *
 *     client=PREFIX   those of an address
 *     limit=N         at most so many (500), of each worker
 *     FIELD=VALUE     those whose field is that: a text whatever its case, "/app*" one that begins
 *                     so, yes or no, a number, or a range of numbers "0.5..", "..10", "1..2"
 *
 * All must fit.
 */
#ifndef KEEL_SERVICE_ROWS_H
#define KEEL_SERVICE_ROWS_H

#include "common/base/addr.h"
#include "common/service/control.h"

#include <stdbool.h>

#define KEEL_ROWS_USAGE "[client=PREFIX] [FIELD=VALUE] [limit=N]"
#define KEEL_ROWS_LIMIT 500
#define KEEL_ROWS_LIMIT_MAX 5000

struct keel_rows {
    json_t *list;    /* those that fit; the caller's once it is done */
    json_t *args;    /* borrowed */
    unsigned limit;  /* of the list */
    bool more;       /* there were more */
    bool has_client; /* then: */
    struct keel_prefix client;
};

/* Borrows args. 0, KEEL_ENOMEM, or KEEL_EINVAL with diag. keel_rows_fini in any case. */
int keel_rows_init(struct keel_rows *rows, json_t *args, struct keel_diag *diag);
void keel_rows_fini(struct keel_rows *rows);
/* What can be told before the row is made: no room, or another client. peer NULL: rows have none.
 */
static inline bool keel_rows_wants(struct keel_rows *rows, const struct keel_addr *peer)
{
    struct keel_addr space;
    if (rows->has_client && peer &&
        !keel_prefix_contains(&rows->client, keel_addr_unmapped(peer, &space)))
        return false;
    rows->more = rows->more || json_array_size(rows->list) >= rows->limit;
    return !rows->more;
}
/* Takes a row like those that will come, with all their fields: a field that it lacks is an error
 * though no row should come. As keel_rows_add. */
int keel_rows_check(const struct keel_rows *rows, json_t *sample, struct keel_diag *diag);
/* Takes the row, and adds it if it fits. 0, KEEL_ENOMEM (row NULL), or KEEL_EINVAL with diag: rows
 * have no such field. */
int keel_rows_add(struct keel_rows *rows, json_t *row, struct keel_diag *diag);
/* Ends a result: adds "more", and "detail": what tables leave out (fields: their names, NULL at the
 * end), with "more" when there is no more. Takes result and returns it; NULL stays NULL. */
json_t *keel_rows_end(const struct keel_rows *rows, json_t *result, const char *const *fields);
/* The rows in falling order of a field of numbers. 0 or KEEL_ENOMEM. */
int keel_rows_sort(struct keel_rows *rows, const char *field, struct keel_diag *diag);

#endif
