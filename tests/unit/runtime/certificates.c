#include "harness.h"

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>

static FILE *open_file(const char *dir, const char *name, const char *suffix, const char *mode)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s.%s", dir, name, suffix);
    FILE *f = fopen(path, mode);
    ck_assert_ptr_nonnull(f);
    return f;
}

static void add_extension(X509 *x, int nid, const char *value)
{
    X509_EXTENSION *e = X509V3_EXT_conf_nid(NULL, NULL, nid, value);
    ck_assert_ptr_nonnull(e);
    X509_add_ext(x, e, -1);
    X509_EXTENSION_free(e);
}

static void add_names(X509 *x, const char *const *names)
{
    char text[512] = "";
    for (size_t n = 0; *names; names++)
        n += (size_t)snprintf(text + n, sizeof text - n, "%s%s:%s", n ? "," : "",
                              (*names)[0] >= '0' && (*names)[0] <= '9' ? "IP" : "DNS", *names);
    add_extension(x, NID_subject_alt_name, text);
}

static X509_NAME *make_name(const char *common)
{
    X509_NAME *name = X509_NAME_new();
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)common, -1, -1, 0);
    return name;
}

void certificate_make(const char *dir, const char *name, const char *const *dns_names,
                      const char *issuer)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    EVP_PKEY *signer = key;
    X509 *x = X509_new();
    X509_NAME *subject = make_name(name), *by = make_name(issuer ? issuer : name);
    if (issuer) {
        FILE *f = open_file(dir, issuer, "key", "r");
        signer = PEM_read_PrivateKey(f, NULL, NULL, NULL);
        fclose(f);
    }
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1 + (long)strlen(name));
    X509_gmtime_adj(X509_getm_notBefore(x), -3600);
    X509_gmtime_adj(X509_getm_notAfter(x), 86400);
    X509_set_pubkey(x, key);
    X509_set_subject_name(x, subject);
    X509_set_issuer_name(x, by);
    if (!issuer)
        add_extension(x, NID_basic_constraints, "critical,CA:TRUE");
    if (dns_names)
        add_names(x, dns_names);
    ck_assert_int_gt(X509_sign(x, signer, EVP_sha256()), 0);
    FILE *f = open_file(dir, name, "crt", "w");
    PEM_write_X509(f, x);
    fclose(f);
    f = open_file(dir, name, "key", "w");
    PEM_write_PrivateKey(f, key, NULL, NULL, 0, NULL, NULL);
    fclose(f);
    X509_NAME_free(subject);
    X509_NAME_free(by);
    X509_free(x);
    if (signer != key)
        EVP_PKEY_free(signer);
    EVP_PKEY_free(key);
}
