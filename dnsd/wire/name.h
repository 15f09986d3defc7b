/*
 * Domain names on the wire (RFC 1035, 3.1): parse, compare, order, and text to and from.
 *
 * A name is flat here: labels with their length bytes, the root's zero last, no pointers. Names
 * that are compared or hashed are lower-cased first; names that are sent keep their case.
 */
#ifndef DNSD_WIRE_NAME_H
#define DNSD_WIRE_NAME_H

#include "common/base/err.h"
#include "common/base/str.h"
#include "common/base/wire.h"

#define DNS_NAME_MAX 255     /* bytes, the root's zero included */
#define DNS_LABEL_MAX 63     /* bytes, without the length byte */
#define DNS_LABELS_MAX 127   /* labels, without the root */
#define DNS_POINTER_LEAST 12 /* first offset that a name can stand at: behind the header */
/* Longest text: every byte as \DDD, the dots, a NUL. */
#define DNS_NAME_TEXT (4 * DNS_NAME_MAX + 1)

struct dns_name {
    uint8_t size;                        /* bytes in use, 1 (the root) .. 255 */
    uint8_t labels;                      /* without the root */
    uint8_t offsets[DNS_LABELS_MAX + 1]; /* of label i, leftmost first; [labels] is the root's */
    uint8_t bytes[DNS_NAME_MAX + 1];
};

/* ASCII lower case of any byte; other bytes stay (RFC 4343). */
extern const uint8_t dns_lower[256];

/* Reads a flat name; a pointer is an error. Keeps the case. 0, KEEL_EINVAL or KEEL_ETRUNC. */
int dns_name_parse(struct dns_name *name, struct keel_reader *r);
/* The same, lower-casing on the way. */
int dns_name_parse_lower(struct dns_name *name, struct keel_reader *r);
/* Reads a name that may be compressed at *offset of a message and moves *offset behind it. Every
 * pointer must point before the name or label run that it stands in, so that it always ends, and
 * behind the header, whose bytes are no name. */
int dns_name_parse_compressed(struct dns_name *name, const uint8_t *message, size_t size,
                              size_t *offset);
/* Bytes of the flat name at the front of p[0..n), or KEEL_EINVAL, KEEL_ETRUNC. */
int dns_name_scan(const uint8_t *p, size_t n);
void dns_name_set_root(struct dns_name *name);
/* From flat bytes known to be good (an image's); fills the offsets. */
void dns_name_set(struct dns_name *name, const uint8_t *flat);
void dns_name_lower(struct dns_name *name);
/* Puts the first `labels` labels of front before flat name back. KEEL_ERANGE: over 255 bytes. */
int dns_name_join(struct dns_name *out, const struct dns_name *front, unsigned labels,
                  const uint8_t *back, size_t back_size);

/* Case does not count. Flat names. */
bool dns_name_equal(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size);
/* True when name is parent or below it. Case does not count. */
bool dns_name_in(const struct dns_name *name, const struct dns_name *parent);
/* Canonical order (RFC 4034, 6.1): <0, 0, >0. Case does not count. */
int dns_name_compare(const struct dns_name *a, const struct dns_name *b);

/* Bytes whose memcmp order, the shorter of two equal beginnings first, is the canonical order: for
 * sorting many. name is lower-cased; key has DNS_NAME_KEY_MAX bytes. Returns how many are used. */
#define DNS_NAME_KEY_MAX (2 * DNS_NAME_MAX)
size_t dns_name_sort_key(const struct dns_name *name, uint8_t *key);

/* One byte of presentation format with its escape (\DDD, \X) undone; moves *i behind it. -1: a
 * bad escape. */
int dns_text_byte(struct keel_str text, size_t *i);
/* Presentation format (RFC 1035, 5.1): \DDD and \X escapes; relative to origin unless it ends with
 * a dot; "@" is origin. origin NULL: text must be absolute, but a missing last dot is forgiven.
 * 0, KEEL_EINVAL (empty label, label over 63, bad escape) or KEEL_ERANGE (over 255). */
int dns_name_from_text(struct dns_name *name, struct keel_str text, const struct dns_name *origin);
/* With a last dot, special bytes escaped; NUL-terminated. out has DNS_NAME_TEXT bytes. Returns the
 * length. */
size_t dns_name_to_text(char *out, const uint8_t *flat);

#endif
