/*
 * Inside of an edit: the owners that were touched, with their records. Private to edit*.c.
 */
#ifndef DNSD_ZONE_EDIT_NAMES_H
#define DNSD_ZONE_EDIT_NAMES_H

#include "common/base/hash.h"
#include "common/base/list.h"
#include "dnsd/zone/edit.h"

struct edit_record {
    struct edit_record *next;
    uint32_t ttl;
    uint16_t type, size;
    uint8_t rdata[];
};

struct edit_name {
    struct keel_list node; /* in edit.names */
    struct keel_list step; /* in edit.step while the open step has touched it */
    struct edit_record *records;
    struct edit_record *before; /* as they were when the step began */
    bool fresh;                 /* the step was the first to touch it */
    uint8_t size;
    uint8_t owner[];
};

struct dns_edit {
    const struct dns_image *base;
    struct keel_table table;
    struct keel_list names, step;
    bool open;
    size_t weight; /* bytes of records and names */
};

/* NULL: untouched. */
struct edit_name *edit_find(const struct dns_edit *edit, const uint8_t *owner, size_t size);
/* The owner, touched by the open step; NULL: no memory. */
struct edit_name *edit_touch(struct dns_edit *edit, const uint8_t *owner, size_t size);
/* Takes a name out and frees it. */
void edit_drop(struct dns_edit *edit, struct edit_name *name);
void edit_records_free(struct dns_edit *edit, struct edit_record *records);
/* A copy of a list. 0 or KEEL_ENOMEM. */
int edit_records_copy(struct dns_edit *edit, const struct edit_record *records,
                      struct edit_record **out);
/* Appends a copy of a record. */
int edit_records_append(struct dns_edit *edit, struct edit_record **records,
                        const struct dns_diff_record *record);
/* Same rdata of a type, names whatever their case. */
bool edit_same_rdata(const struct edit_record *a, uint16_t type, const uint8_t *rdata,
                     uint16_t size);
/* The two lists have the same records with the same TTLs, in whatever order. */
bool edit_records_equal(const struct edit_record *a, const struct edit_record *b);
/* edit_check.c: the step leaves a zone. KEEL_EINVAL with diag. */
int edit_check(const struct dns_edit *edit, struct keel_diag *diag);
static inline struct dns_diff_record edit_view(const struct edit_name *name,
                                               const struct edit_record *record)
{
    return (struct dns_diff_record){.owner = name->owner,
                                    .owner_size = name->size,
                                    .type = record->type,
                                    .ttl = record->ttl,
                                    .rdata = record->rdata,
                                    .rdata_size = record->size};
}

#endif
