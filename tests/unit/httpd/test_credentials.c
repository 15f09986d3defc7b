/* Basic authentication: the field, the lines of htpasswd, and passwords by every kind of hash; the
 * hashes come from htpasswd(1), mkpasswd(1) and openssl passwd. */
#include "httpd/wire/credentials.h"

#include <stdio.h>

#include "httpd/request/users.h"
#include "httpd/request/verified.h"
#include "tests/support/allocfail.h"
#include "tests/support/unit.h"

#define BCRYPT "$2y$04$x09BkrNC3MtSzgqoW2YqeumH6gNJQvjSfaREw69kL7pIr3kyKBoxG"
#define SHA512                                                                                     \
    "$6$quhNngMvrcA8UWTj$xMTuIm0jHfomhWc/uL6RV.XeYBLU6003Q7/1d0fDjrUZB1MBepOGsozrP3Im0Cyfs91Z/"    \
    "fnnFcl7JVzzbourj0"
#define SHA256 "$5$YQVd9TZ9NBcRczOq$zGSou0JanrtQVqrOa17gJSBQ/Ojjyba8BEVG6dwKae2"
#define APR1 "$apr1$EaSev.hT$K89sLIIr9Fsmsirtas2980"
#define SHA1 "{SHA}2oguq15ANCGsJCWKX31fllwpyEk="
#define YESCRYPT "$y$j9T$fXggiECJq/LGMfxPSOmlO0$rIU1pxRw2Vy7Giwi2gqvHDxEpIdhXtPuB8HZpux/w98"
#define MD5 "$1$NT.OC8sR$vnI0qMIqQNx3rGcgWmtCQ0"

START_TEST(test_basic)
{
    static const struct {
        const char *value;
        int err;
        const char *user, *password;
    } rows[] = {
        {"Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", 0, "Aladdin", "open sesame"}, /* RFC 7617, 2 */
        {"Basic dGVzdDoxMjPCow==", 0, "test", "123\302\243"},                /* RFC 7617, 2.1 */
        {"basic   YTo=", 0, "a", ""},
        {"BASIC YTpiOmM=", 0, "a", "b:c"},
        {"Basic", KEEL_EINVAL, NULL, NULL},
        {"Basic ", KEEL_EINVAL, NULL, NULL},
        {"Basic OmI=", KEEL_EINVAL, NULL, NULL},     /* no name */
        {"Basic YWI=", KEEL_EINVAL, NULL, NULL},     /* no colon */
        {"Basic YTpiAGM=", KEEL_EINVAL, NULL, NULL}, /* NUL */
        {"Basic YTpiCg==", KEEL_EINVAL, NULL, NULL}, /* line feed */
        {"Basic YTpi YTpi", KEEL_EINVAL, NULL, NULL},
        {"Basic YTp", KEEL_EINVAL, NULL, NULL},
        {"Basic YTpi=", KEEL_EINVAL, NULL, NULL},
        {"Basic YT_i", KEEL_EINVAL, NULL, NULL},
        {"Bearer abcd", KEEL_ENOTSUP, NULL, NULL},
        {"Basi YTpi", KEEL_ENOTSUP, NULL, NULL},
        {"", KEEL_ENOTSUP, NULL, NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char out[HTTP_BASIC_SIZE];
        struct keel_str user, password;
        int err = http_basic_parse(keel_str(rows[i].value), out, &user, &password);
        ck_assert_msg(err == rows[i].err || (strcmp(rows[i].value, "Basic") == 0 && err), "%s: %d",
                      rows[i].value, err);
        if (err)
            continue;
        ck_assert_str_eq(user.p, rows[i].user);
        ck_assert_str_eq(password.p, rows[i].password);
        ck_assert_uint_eq(user.n, strlen(user.p));
        ck_assert_uint_eq(password.n, strlen(password.p));
    }
}
END_TEST

/* As long as it may be, and one byte longer. */
START_TEST(test_basic_limits)
{
    for (unsigned more = 0; more < 3; more++) {
        char plain[HTTP_BASIC_SIZE + 8], value[2048] = "Basic ", out[HTTP_BASIC_SIZE];
        struct keel_str user, password;
        size_t name = HTTP_USER_MAX + (more == 1), n = name + 1 + HTTP_PASSWORD_MAX + (more == 2);
        memset(plain, 'x', sizeof plain);
        plain[name] = ':';
        ck_assert_int_gt(keel_format_base64(value + 6, sizeof value - 6, plain, n), 0);
        int err = http_basic_parse(keel_str(value), out, &user, &password);
        ck_assert_msg((err == 0) == (more == 0), "%u: %d", more, err);
    }
}
END_TEST

START_TEST(test_lines)
{
    static const struct {
        const char *line;
        int result;
        enum http_hash_kind kind;
        const char *why;
    } rows[] = {
        {"", 1, 0, NULL},
        {"  ", 1, 0, NULL},
        {"# a:b", 1, 0, NULL},
        {"a:" BCRYPT, 0, HTTP_HASH_CRYPT, NULL},
        {"a b\303\274:" SHA512 ":rest:of:it", 0, HTTP_HASH_CRYPT, NULL},
        {"a:" SHA256 "\r", 0, HTTP_HASH_CRYPT, NULL},
        {"a:$5$rounds=5000$YQVd9TZ9NBcRczOq$zGSou0JanrtQVqrOa17gJSBQ/Ojjyba8BEVG6dwKae2", 0,
         HTTP_HASH_CRYPT, NULL},
        {"a:" YESCRYPT, 0, HTTP_HASH_CRYPT, NULL},
        {"a:" MD5, 0, HTTP_HASH_CRYPT, NULL},
        {"a:" APR1, 0, HTTP_HASH_APR1, NULL},
        {"a:" SHA1, 0, HTTP_HASH_SHA1, NULL},
        {"a", KEEL_EINVAL, 0, "\"USER:HASH\""},
        {":" SHA1, KEEL_EINVAL, 0, "user's name"},
        {"a\tb:" SHA1, KEEL_EINVAL, 0, "user's name"},
        {"a:", KEEL_EINVAL, 0, "no hash of a kind"},
        {"a:secret", KEEL_EINVAL, 0, "no hash of a kind"},
        {"a:d2uRA9Tw0JsBI", KEEL_EINVAL, 0, "DES"},
        {"a:{SSHA}2oguq15ANCGsJCWKX31fllwpyEk=", KEEL_EINVAL, 0, "no hash of a kind"},
        {"a:{SHA}2oguq15ANCGsJCWKX31fllwpyE==", KEEL_EINVAL, 0, "cut"},
        {"a:{SHA}", KEEL_EINVAL, 0, "cut"},
        {"a:$2y$", KEEL_EINVAL, 0, "cut"},
        {"a:$2y$03$x09BkrNC3MtSzgqoW2YqeumH6gNJQvjSfaREw69kL7pIr3kyKBoxG", KEEL_EINVAL, 0, "cut"},
        {"a:$2y$32$x09BkrNC3MtSzgqoW2YqeumH6gNJQvjSfaREw69kL7pIr3kyKBoxG", KEEL_EINVAL, 0, "cut"},
        {"a:$2y$4$0x09BkrNC3MtSzgqoW2YqeumH6gNJQvjSfaREw69kL7pIr3kyKBoxG", KEEL_EINVAL, 0, "cut"},
        {"a:" BCRYPT "x", KEEL_EINVAL, 0, "cut"},
        {"a:$6$quhNngMvrcA8UWTj$xMTuIm0jHfomhWc/uL6RV", KEEL_EINVAL, 0, "cut"},
        {"a:$5$rounds=x$YQVd9TZ9NBcRczOq$zGSou0JanrtQVqrOa17gJSBQ/Ojjyba8BEVG6dwKae2", KEEL_EINVAL,
         0, "cut"},
        {"a:$apr1$$K89sLIIr9Fsmsirtas2980", KEEL_EINVAL, 0, "cut"},
        {"a:$apr1$123456789$K89sLIIr9Fsmsirtas2980", KEEL_EINVAL, 0, "cut"},
        {"a:$apr1$12345!78$K89sLIIr9Fsmsirtas2980", KEEL_EINVAL, 0, "cut"},
        {"a:$y$j9T$rIU1pxRw2Vy7Giwi2gqvHDxEpIdhXtPuB8HZpux/w98", KEEL_EINVAL, 0, "cut"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct http_password_line line;
        struct keel_diag diag = {""};
        int result = http_password_line_parse(keel_str(rows[i].line), &line, &diag);
        ck_assert_msg(result == rows[i].result, "%s: %d %s", rows[i].line, result, diag.text);
        ck_assert_msg(result != 0 || line.kind == rows[i].kind, "%s", rows[i].line);
        ck_assert_msg(!rows[i].why || strstr(diag.text, rows[i].why), "%s: %s", rows[i].line,
                      diag.text);
    }
}
END_TEST

START_TEST(test_apr1)
{
    static const struct {
        const char *salt, *password, *digest;
    } rows[] = {
        {"EaSev.hT", "pass word", "K89sLIIr9Fsmsirtas2980"},
        {"abcdefgh", "", "L.PT565ESX4Tp2bqNs7Ie."},
        {"x", "a", "16j9.5e7KiXmuYFAYpPJM/"},
        {"abcdefgh", "this is a password of more than thirty-two bytes", "vri0GRegAg0k0h.kAqV5g1"},
    };
    char out[HTTP_APR1_SIZE];
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        ck_assert_int_eq(http_apr1(keel_str(rows[i].password), keel_str(rows[i].salt), out), 0);
        ck_assert_str_eq(out, rows[i].digest);
    }
    static char longest[HTTP_PASSWORD_MAX + 1];
    struct keel_str most = {longest, HTTP_PASSWORD_MAX}, more = {longest, HTTP_PASSWORD_MAX + 1};
    ck_assert_int_eq(http_apr1(most, KEEL_STR("abcdefgh"), out), 0);
    ck_assert_int_eq(http_apr1(more, KEEL_STR("abcdefgh"), out), KEEL_EINVAL);
    ck_assert_int_eq(http_apr1(most, KEEL_STR("abcdefghi"), out), KEEL_EINVAL);
}
END_TEST

START_TEST(test_passwords)
{
    static const char *const hashes[] = {BCRYPT, SHA512, SHA256, YESCRYPT, MD5, APR1, SHA1};
    for (size_t i = 0; i < sizeof hashes / sizeof *hashes; i++) {
        char text[300];
        struct http_password_line line;
        snprintf(text, sizeof text, "user:%s", hashes[i]);
        ck_assert_int_eq(http_password_line_parse(keel_str(text), &line, NULL), 0);
        ck_assert_msg(http_password_check("pass word", line.hash, line.kind), "%s", text);
        ck_assert_msg(!http_password_check("pass wore", line.hash, line.kind), "%s", text);
        ck_assert_msg(!http_password_check("", line.hash, line.kind), "%s", text);
    }
}
END_TEST

START_TEST(test_users)
{
    static const struct keel_hash_key key = {1, 2};
    static const char text[] = "# users\n\na:" SHA1 "\nb:" BCRYPT "\n\nc:" APR1;
    struct http_users users;
    struct keel_diag diag = {""};
    ck_assert_int_eq(http_users_parse(&users, &key, keel_str(text), &diag), 0);
    ck_assert_uint_eq(users.table.count, 3);
    const struct http_user *b = http_users_find(&users, KEEL_STR("b"));
    ck_assert(b && b->line == 4 && keel_str_equal(b->hash, KEEL_STR(BCRYPT)));
    ck_assert_ptr_null(http_users_find(&users, KEEL_STR("B")));
    http_users_fini(&users);
    ck_assert_int_eq(http_users_parse(&users, &key, KEEL_STR(""), &diag), 0);
    ck_assert_ptr_null(users.last);
    http_users_fini(&users);
    ck_assert_int_eq(http_users_parse(&users, &key, KEEL_STR("a:" SHA1 "\nb:x\n"), &diag),
                     KEEL_EINVAL);
    ck_assert_ptr_nonnull(strstr(diag.text, "2: no hash"));
    ck_assert_int_eq(http_users_parse(&users, &key, KEEL_STR("a:" SHA1 "\n\na:" SHA1 "\n"), &diag),
                     KEEL_EINVAL);
    ck_assert_str_eq(diag.text, "3: user \"a\" stands in line 1, too");
    http_users_fini(&users);
}
END_TEST

START_TEST(test_verified)
{
    struct http_verified v;
    uint8_t a[HTTP_VERIFIED_SIZE], b[HTTP_VERIFIED_SIZE];
    ck_assert_int_eq(http_verified_init(&v), 0);
    ck_assert_int_eq(http_verified_digest(&v, 1, 2, "user", "password", a), 0);
    ck_assert(!http_verified_find(&v, a, 10));
    http_verified_add(&v, a, 20);
    ck_assert(http_verified_find(&v, a, 19));
    ck_assert(!http_verified_find(&v, a, 20));
    /* whatever differs makes another digest */
    static const struct {
        uint32_t file, version;
        const char *name, *password;
    } others[] = {{0, 2, "user", "password"},
                  {1, 3, "user", "password"},
                  {1, 2, "userp", "assword"},
                  {1, 2, "user", "passwor"},
                  {1, 2, "use", "rpassword"}};
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        ck_assert_int_eq(http_verified_digest(&v, others[i].file, others[i].version, others[i].name,
                                              others[i].password, b),
                         0);
        ck_assert(memcmp(a, b, sizeof a) != 0 && !http_verified_find(&v, b, 10));
    }
    /* of a full set the oldest goes */
    for (uint8_t i = 0; i < 4; i++) {
        b[0] = a[0], b[1] = a[1], b[2] = i;
        http_verified_add(&v, b, 100 + i);
    }
    ck_assert(!http_verified_find(&v, a, 10) && http_verified_find(&v, b, 10));
    http_verified_fini(&v);
    /* another process, another key */
    ck_assert_int_eq(http_verified_init(&v), 0);
    ck_assert_int_eq(http_verified_digest(&v, 1, 2, "user", "password", b), 0);
    ck_assert(memcmp(a, b, sizeof a) != 0);
    http_verified_fini(&v);
}
END_TEST

static int run_users(void *arg)
{
    static const struct keel_hash_key key = {1, 2};
    struct http_users users;
    struct http_verified v = {NULL, NULL};
    struct keel_diag diag;
    int err = http_users_parse(&users, &key, KEEL_STR("a:" SHA1 "\nb:" APR1 "\n"), &diag);
    if (!err)
        err = http_verified_init(&v);
    http_users_fini(&users);
    http_verified_fini(&v);
    return err;
}

START_TEST(test_no_memory)
{
    allocfail_sweep(run_users, NULL);
    keel_mem_fail_at(1); /* then nobody is let in */
    ck_assert(!http_password_check("pass word", KEEL_STR(BCRYPT), HTTP_HASH_CRYPT));
    keel_mem_fail_at(0);
}
END_TEST

Suite *credentials_suite(void);
Suite *credentials_suite(void)
{
    Suite *s = suite_create("httpd/credentials");
    TCase *t = tcase_create("credentials");
    tcase_set_timeout(t, 60);
    tcase_add_test(t, test_basic);
    tcase_add_test(t, test_basic_limits);
    tcase_add_test(t, test_lines);
    tcase_add_test(t, test_apr1);
    tcase_add_test(t, test_passwords);
    tcase_add_test(t, test_users);
    tcase_add_test(t, test_verified);
    tcase_add_test(t, test_no_memory);
    suite_add_tcase(s, t);
    return s;
}
