/*
 * Which NSEC or NSEC3 records an answer needs: proofs that a name or a type is not there (RFC 4035,
 * 3.1.3; RFC 5155, 7.2). They are collected first and written last, behind all answers.
 */
#ifndef DNSD_ANSWER_PROOF_H
#define DNSD_ANSWER_PROOF_H

#include "dnsd/zone/denial.h"

/* One for each wildcard of a chain of names (dnsd/answer/resolve.c), and three for its end. */
#define DNS_PROOFS_MAX 20
struct dns_proofs {
    unsigned count;
    struct {
        const struct dns_node *node;
        const struct dns_set *set;
    } items[DNS_PROOFS_MAX];
};

/* Each adds what is not there yet; nothing where the zone has no chain. Names are lower-cased. */

/* The node exists, and has no RRset of the type that was asked for (or, at a cut, no DS). */
void dns_prove_no_type(struct dns_proofs *proofs, const struct dns_view *view,
                       const struct dns_node *node);
/* The name does not exist below its closest encloser, and no wildcard stands in for it. */
void dns_prove_no_name(struct dns_proofs *proofs, const struct dns_view *view,
                       const struct dns_name *name, const struct dns_node *encloser);
/* The answer came from the wildcard below encloser: no closer name exists. */
void dns_prove_expansion(struct dns_proofs *proofs, const struct dns_view *view,
                         const struct dns_name *name, const struct dns_node *encloser);
/* The wildcard below encloser stands in for the name, but has not the type. */
void dns_prove_no_wildcard_type(struct dns_proofs *proofs, const struct dns_view *view,
                                const struct dns_name *name, const struct dns_node *encloser);

#endif
