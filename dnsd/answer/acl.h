/*
 * Access lists: who may ask. An entry is an address prefix, a TSIG key, or both together; a list
 * allows what one of its entries allows.
 */
#ifndef DNSD_ANSWER_ACL_H
#define DNSD_ANSWER_ACL_H

#include "common/base/addr.h"
#include "dnsd/wire/tsig.h"

struct dns_acl_entry {
    struct keel_prefix prefix;      /* AF_UNSPEC: any address */
    const struct dns_tsig_key *key; /* NULL: none is needed */
};
/* All zero: nobody. */
struct dns_acl {
    bool any; /* everybody, whatever the entries say */
    unsigned count;
    struct dns_acl_entry *entries;
};

/* Reads "any", "PREFIX", "key:NAME." or "PREFIX key:NAME." and adds it; borrows the key.
 * KEEL_EINVAL with diag, KEEL_ENOMEM. */
int dns_acl_add(struct dns_acl *acl, struct keel_str text, const struct dns_tsig_keys *keys,
                struct keel_diag *diag);
void dns_acl_fini(struct dns_acl *acl);
/* key: the one that signed the request, NULL: none did. An IPv4-mapped peer is given as IPv4. */
bool dns_acl_allows(const struct dns_acl *acl, const struct keel_addr *peer,
                    const struct dns_tsig_key *key);

/* Reads "key:NAME." (what stands in front of it is the caller's): the key, or NULL with diag. */
const struct dns_tsig_key *dns_acl_key(struct keel_str word, const struct dns_tsig_keys *keys,
                                       struct keel_diag *diag);

#endif
