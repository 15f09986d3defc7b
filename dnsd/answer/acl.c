#include "dnsd/answer/acl.h"

#include "common/base/mem.h"

const struct dns_tsig_key *dns_acl_key(struct keel_str word, const struct dns_tsig_keys *keys,
                                       struct keel_diag *diag)
{
    struct dns_name name;
    if (word.n < 4 || memcmp(word.p, "key:", 4) != 0) {
        keel_diag_set(diag, KEEL_EINVAL, "\"key:NAME.\" expected instead of \"%.*s\"", (int)word.n,
                      word.p);
        return NULL;
    }
    struct keel_str text = {word.p + 4, word.n - 4};
    const struct dns_tsig_key *key = NULL;
    if (dns_name_from_text(&name, text, NULL) == 0) {
        dns_name_lower(&name);
        key = dns_tsig_keys_find(keys, &name);
    }
    if (!key)
        keel_diag_set(diag, KEEL_EINVAL, "there is no key \"%.*s\"", (int)text.n, text.p);
    return key;
}

static int parse(struct dns_acl_entry *entry, struct keel_str text,
                 const struct dns_tsig_keys *keys, struct keel_diag *diag)
{
    struct keel_str rest = keel_str_trim(text), word;

    *entry = (struct dns_acl_entry){0};
    keel_str_split(&rest, ' ', &word);
    if (word.n < 4 || memcmp(word.p, "key:", 4) != 0) {
        int err = keel_str_equal(word, KEEL_STR("any"))
                      ? 0
                      : keel_prefix_parse(&entry->prefix, word, diag);
        if (err || !rest.p)
            return err;
        word = keel_str_trim(rest);
        rest.p = NULL;
    }
    entry->key = dns_acl_key(word, keys, diag);
    if (entry->key && rest.p)
        return keel_diag_set(diag, KEEL_EINVAL, "\"%.*s\" behind the key", (int)rest.n, rest.p);
    return entry->key ? 0 : KEEL_EINVAL;
}

int dns_acl_add(struct dns_acl *acl, struct keel_str text, const struct dns_tsig_keys *keys,
                struct keel_diag *diag)
{
    struct dns_acl_entry entry;
    int err = parse(&entry, text, keys, diag);
    if (err)
        return err;
    if (entry.prefix.family == AF_UNSPEC && !entry.key) {
        acl->any = true;
        return 0;
    }
    struct dns_acl_entry *entries =
        keel_realloc(acl->entries, (acl->count + 1) * sizeof *acl->entries);
    if (!entries)
        return keel_diag_memory(diag);
    acl->entries = entries;
    acl->entries[acl->count++] = entry;
    return 0;
}

void dns_acl_fini(struct dns_acl *acl)
{
    keel_free(acl->entries);
    *acl = (struct dns_acl){0};
}

bool dns_acl_allows(const struct dns_acl *acl, const struct keel_addr *peer,
                    const struct dns_tsig_key *key)
{
    if (acl->any)
        return true;
    for (unsigned i = 0; i < acl->count; i++) {
        const struct dns_acl_entry *entry = &acl->entries[i];
        if (entry->key && entry->key != key)
            continue;
        if (entry->prefix.family == AF_UNSPEC || keel_prefix_contains(&entry->prefix, peer))
            return true;
    }
    return false;
}
