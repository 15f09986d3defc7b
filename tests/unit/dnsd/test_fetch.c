#include "dnsd/transfer/fetch.h"

#include "common/base/mem.h"
#include "dnsd/wire/type.h"
#include "suites.h"
#include "support.h"
#include "tests/support/allocfail.h"

#include <ldns/ldns.h>
#include <stdio.h>
#include <stdlib.h>

#define NOW 1000
#define SOA(serial) "@ 3600 SOA ns.example.org. admin.example.org. " serial " 7200 900 86400 300\n"
#define BODY "@ 3600 NS ns\nns 3600 A 192.0.2.1\nwww 60 A 192.0.2.2\n"

static struct dns_tsig_keys keys;
static const struct dns_tsig_key *key;

static void setup(void)
{
    struct dns_name name = support_name("k");
    dns_tsig_keys_init(&keys, (struct keel_hash_key){5, 6});
    ck_assert_int_eq(dns_tsig_keys_add(&keys, &name, DNS_HMAC_SHA256, "secret", 6, 0), 0);
    key = dns_tsig_keys_find(&keys, &name);
}

static void teardown(void)
{
    dns_tsig_keys_fini(&keys);
}

/* --- a primary: messages from text ------------------------------------------------------------ */

/* Appends a message with its length. records: lines of a zone file, NULL for none. The question is
 * the request's. */
struct said {
    const char *records;
    unsigned rcode;
    unsigned clear, set; /* flags */
    bool no_question, unsigned_;
    int expire; /* an option; 0: no OPT */
};

static void add_records(ldns_pkt *pkt, const char *records)
{
    ldns_rdf *origin = ldns_dname_new_frm_str("example.org."), *previous = NULL;
    char *copy = strdup(records), *save = NULL;
    for (char *line = strtok_r(copy, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
        ldns_rr *rr = NULL;
        ldns_status status = ldns_rr_new_frm_str(&rr, line, 0, origin, &previous);
        ck_assert_msg(status == LDNS_STATUS_OK, "%s: %s", line, ldns_get_errorstr_by_id(status));
        ldns_pkt_push_rr(pkt, LDNS_SECTION_ANSWER, rr);
    }
    free(copy);
    ldns_rdf_deep_free(previous);
    ldns_rdf_deep_free(origin);
}

static void put_message(struct keel_buf *out, const uint8_t *request, const struct said *said,
                        struct dns_tsig_session *server)
{
    uint8_t bytes[UINT16_MAX], *wire;
    struct keel_writer w;
    struct dns_name name;
    struct keel_reader r;
    size_t size;

    ldns_pkt *pkt = ldns_pkt_new();
    ldns_pkt_set_id(pkt, keel_get_u16(request));
    ldns_pkt_set_qr(pkt, true);
    ldns_pkt_set_aa(pkt, true);
    ldns_pkt_set_rcode(pkt, (uint8_t)said->rcode);
    keel_reader_init(&r, request + DNS_HEADER_SIZE, 300);
    ck_assert_int_eq(dns_name_parse(&name, &r), 0);
    if (!said->no_question) {
        ldns_rr *question = ldns_rr_new();
        ldns_rr_set_question(question, true);
        ldns_rr_set_owner(question, ldns_dname_new_frm_str("example.org."));
        ldns_rr_set_type(question, (ldns_rr_type)keel_read_u16(&r));
        ldns_rr_set_class(question, LDNS_RR_CLASS_IN);
        ldns_pkt_push_rr(pkt, LDNS_SECTION_QUESTION, question);
    }
    if (said->records)
        add_records(pkt, said->records);
    ck_assert_int_eq(ldns_pkt2wire(&wire, pkt, &size), LDNS_STATUS_OK);
    ldns_pkt_free(pkt);
    keel_writer_init(&w, bytes, sizeof bytes);
    keel_write_bytes(&w, wire, size);
    free(wire);
    if (said->expire) {
        uint8_t seconds[4];
        size_t at = keel_writer_offset(&w);
        keel_put_u32(seconds, (uint32_t)said->expire);
        dns_edns_build(&w, &(struct dns_edns){.udp_size = 1232});
        dns_edns_option(&w, DNS_OPTION_EXPIRE, seconds, 4);
        dns_edns_end(&w, at);
        bytes[11]++;
    }
    keel_put_u16(bytes + 2, (uint16_t)((keel_get_u16(bytes + 2) & ~said->clear) | said->set));
    if (server && !said->unsigned_)
        ck_assert_int_eq(dns_tsig_sign(server, &w, NOW), 0);
    ck_assert(!w.bad);
    uint8_t length[2];
    keel_put_u16(length, (uint16_t)keel_writer_offset(&w));
    keel_buf_append(out, length, 2);
    keel_buf_append(out, bytes, keel_writer_offset(&w));
}

/* --- what came of it -------------------------------------------------------------------------- */

static char shown[65536];

static void show_part(char sign, const struct keel_buf *part)
{
    struct dns_diff_record record;
    size_t offset = 0;
    while (dns_diff_next(keel_buf_bytes(part), keel_buf_size(part), &offset, &record) == 0) {
        char name[DNS_NAME_TEXT], type[DNS_TYPE_TEXT];
        dns_name_to_text(name, record.owner);
        dns_type_format(type, record.type);
        struct dns_soa soa = {0};
        if (record.type == DNS_TYPE_SOA)
            dns_soa_parse(&soa, record.rdata, record.rdata_size);
        sprintf(shown + strlen(shown), "%c%s %s %u;", sign, name, type,
                record.type == DNS_TYPE_SOA ? soa.serial : record.ttl);
    }
}

/* "ZONE 5 records=4" or "STEPS 1>2 -... +..." or "CURRENT 5" or "FAILED ..." */
static const char *show(struct dns_fetch *f)
{
    struct dns_image *image;
    struct keel_diag diag;

    shown[0] = '\0';
    switch (f->outcome) {
    case DNS_FETCH_MORE:
        sprintf(shown, "MORE");
        break;
    case DNS_FETCH_NEWER:
        sprintf(shown, "NEWER %u", f->soa.serial);
        break;
    case DNS_FETCH_CURRENT:
        sprintf(shown, "CURRENT %u", f->soa.serial);
        break;
    case DNS_FETCH_FAILED:
        sprintf(shown, "FAILED %s%s", f->diag.text, f->try_whole ? " (whole?)" : "");
        break;
    case DNS_FETCH_ZONE:
        if (dns_compiler_finish(f->compiler, &image, &diag) == 0) {
            sprintf(shown, "ZONE %u records=%u", image->serial, image->records);
            keel_free(image);
        } else {
            sprintf(shown, "NO ZONE %s", diag.text);
        }
        break;
    case DNS_FETCH_STEPS:
        strcpy(shown, "STEPS");
        for (unsigned i = 0; i < f->step_count; i++) {
            sprintf(shown + strlen(shown), " %u>%u ", f->steps[i].from, f->steps[i].to);
            show_part('-', &f->steps[i].deleted);
            show_part('+', &f->steps[i].added);
        }
        break;
    }
    if (f->skipped)
        sprintf(shown + strlen(shown), " skipped=%u", f->skipped);
    return shown;
}

struct talk {
    struct dns_fetch_options options;
    struct said said[8];  /* ends with one that is all zero */
    unsigned requests[8]; /* said[i] is in answer to the request of this number */
    size_t chunk;         /* bytes at a time; 0: all */
    unsigned requests_made;
};

static struct dns_fetch_options options_of(bool incremental, uint32_t serial)
{
    return (struct dns_fetch_options){.apex = support_name("example.org"),
                                      .incremental = incremental,
                                      .have = serial > 0,
                                      .serial = serial,
                                      .hash = {1, 2},
                                      .limit = 1 << 20,
                                      .seed = 7};
}

static bool is_last(const struct said *said)
{
    static const struct said none;
    return memcmp(said, &none, sizeof none) == 0;
}

/* Plays the primary's part. 0 or KEEL_ENOMEM; the caller has fini to call. */
static int play(struct talk *talk, struct dns_fetch *f)
{
    enum dns_fetch_outcome outcome = DNS_FETCH_MORE;
    struct dns_tsig_session server = {0};
    struct keel_buf stream = {0};
    uint8_t request[1024] = {0};
    unsigned number = 0, next = 0;

    if (dns_fetch_start(f, &talk->options, NOW) != 0)
        return KEEL_ENOMEM;
    while (outcome == DNS_FETCH_MORE && keel_buf_size(&f->out) > 0) {
        const uint8_t *out = keel_buf_bytes(&f->out);
        size_t size = keel_get_u16(out), at;
        ck_assert_uint_eq(size + 2, keel_buf_size(&f->out));
        memcpy(request, out + 2, size);
        keel_buf_consume(&f->out, size + 2);
        if (talk->options.key) {
            ck_assert_int_eq(dns_tsig_find(request, size, &at), 0);
            ck_assert_int_eq(dns_tsig_accept(&server, &keys, request, size, at, NOW), 0);
        }
        number++;
        for (; !is_last(&talk->said[next]) && talk->requests[next] <= number - 1; next++)
            put_message(&stream, request, &talk->said[next], talk->options.key ? &server : NULL);
        while (outcome == DNS_FETCH_MORE && keel_buf_size(&stream) > 0) {
            size_t all = keel_buf_size(&stream), used;
            size_t give = talk->chunk == 0 || talk->chunk > all ? all : talk->chunk;
            for (;;) { /* more and more, until something is used */
                uint8_t *exact = malloc(give ? give : 1);
                memcpy(exact, keel_buf_bytes(&stream), give);
                outcome = dns_fetch_data(f, exact, give, &used, NOW);
                free(exact);
                if (used > 0 || give == all || outcome != DNS_FETCH_MORE)
                    break;
                give++;
            }
            if (used == 0)
                break;
            keel_buf_consume(&stream, used);
            if (keel_buf_size(&f->out) > 0)
                break;
        }
        keel_buf_clear(&stream);
    }
    talk->requests_made = number;
    keel_buf_fini(&stream);
    return f->out_of_memory ? KEEL_ENOMEM : 0;
}

static const char *result(struct talk *talk)
{
    struct dns_fetch f;
    ck_assert_int_eq(play(talk, &f), 0);
    if (f.outcome != DNS_FETCH_MORE) /* over is over */
        ck_assert_int_eq(f.outcome, dns_fetch_message(&f, NULL, 0, NOW));
    show(&f);
    dns_fetch_fini(&f);
    return shown;
}

/* --- whole zones ------------------------------------------------------------------------------ */

START_TEST(a_zone_in_one_message)
{
    struct talk talk = {.options = options_of(false, 0),
                        .said = {{.records = SOA("5") BODY SOA("5")}}};
    ck_assert_str_eq(result(&talk), "ZONE 5 records=4");
    talk.options.have = true; /* the whole zone, whatever we have */
    talk.options.serial = 9;
    ck_assert_str_eq(result(&talk), "ZONE 5 records=4");
}
END_TEST

START_TEST(a_zone_in_many_messages)
{
    struct talk talk = {
        .options = options_of(false, 0),
        .said = {{.records = SOA("5")},
                 {.records = "@ 3600 NS ns\nns 3600 A 192.0.2.1\n", .no_question = true},
                 {.records = "www 60 A 192.0.2.2\n"},
                 {.records = SOA("5"), .no_question = true}}};
    ck_assert_str_eq(result(&talk), "ZONE 5 records=4");
}
END_TEST

START_TEST(whole_zones_that_are_none)
{
    static const struct {
        struct said said[4];
        const char *says;
    } cases[] = {
        {{{.records = BODY SOA("5")}}, "FAILED the first record is no SOA"},
        {{{.records = SOA("5") BODY SOA("6")}},
         "FAILED it begins with serial 5 and ends with another SOA, of serial 6"},
        {{{.records = SOA("5") BODY SOA("5") BODY}}, "FAILED a record behind the last one"},
        {{{.records = SOA("5") "www 1 CH TXT x\n"}}, "FAILED a record of type 16 and class 3"},
        {{{.records = "a.example.org. 1 SOA a. b. 1 2 3 4 5\n"}}, "FAILED an SOA of another name"},
        {{{.records = SOA("5") "a 1 SOA a. b. 1 2 3 4 5\n"}}, "FAILED an SOA of another name"},
        {{{.rcode = 5}}, "FAILED the server said REFUSED"},
        {{{.rcode = 9}}, "FAILED the server said NOTAUTH"},
        {{{.records = SOA("5") BODY}, {.rcode = 2}}, "FAILED the server said SERVFAIL"},
        {{{.records = SOA("5") BODY, .no_question = true}}, "FAILED it answers another question"},
        {{{.records = SOA("5"), .set = DNS_FLAG_TC}}, "FAILED the answer is cut"},
        {{{.records = SOA("5"), .clear = DNS_FLAG_QR}}, "FAILED what came is no answer"},
        {{{.records = SOA("5"), .set = DNS_OPCODE_NOTIFY << DNS_OPCODE_SHIFT}},
         "FAILED what came is no answer"},
        {{{.records = SOA("5") BODY}, {.set = DNS_FLAG_AA}}, "FAILED a message without a record"},
        {{{.records = SOA("5") "* 1 NS a.\n"}}, "FAILED NS at a wildcard"},
        {{{.records = SOA("5") BODY}}, "MORE"}, /* the connection ends there */
        {{{.records = SOA("5") "www 1 A 192.0.2.1\n" SOA("5")}},
         "NO ZONE transfer:1: zone "
         "example.org. has no NS record"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct talk talk = {.options = options_of(false, 0)};
        memcpy(talk.said, cases[i].said, sizeof cases[i].said);
        const char *text = result(&talk);
        if (strncmp(cases[i].says, "NO ZONE", 7) == 0)
            ck_assert_msg(strncmp(text, "NO ZONE", 7) == 0, "%zu: %s", i, text);
        else
            ck_assert_msg(strcmp(text, cases[i].says) == 0, "%zu: %s", i, text);
    }
}
END_TEST

START_TEST(what_is_not_of_the_zone_is_left_out)
{
    struct talk talk = {
        .options = options_of(false, 0),
        .said = {{.records = SOA("5") BODY "ns.example.net. 1 A 192.0.2.9\n" SOA("5")}}};
    ck_assert_str_eq(result(&talk), "ZONE 5 records=4 skipped=1");
}
END_TEST

START_TEST(more_than_the_limit)
{
    struct talk talk = {
        .options = options_of(false, 0),
        .said = {{.records = SOA("5") BODY}, {.records = BODY}, {.records = SOA("5")}}};
    talk.options.limit = 150;
    ck_assert_str_eq(result(&talk), "FAILED it is larger than 150 bytes");
}
END_TEST

/* --- differences ------------------------------------------------------------------------------ */

#define STEP_5_6 SOA("5") "www 60 A 192.0.2.2\n" SOA("6") "www 60 A 192.0.2.3\nx 60 A 192.0.2.4\n"
#define STEP_6_7 SOA("6") SOA("7") "y 60 MX 10 mail.example.org.\n"
#define SHOWN_5_6                                                                                  \
    " 5>6 -example.org. SOA 5;-www.example.org. A 60;+example.org. SOA 6;+www.example.org. A 60;"  \
    "+x.example.org. A 60;"
#define SHOWN_6_7 " 6>7 -example.org. SOA 6;+example.org. SOA 7;+y.example.org. MX 60;"

START_TEST(differences)
{
    struct talk talk = {.options = options_of(true, 5),
                        .said = {{.records = SOA("7") STEP_5_6 STEP_6_7 SOA("7")}}};
    ck_assert_str_eq(result(&talk), "STEPS" SHOWN_5_6 SHOWN_6_7);
    struct talk many = {.options = options_of(true, 5),
                        .said = {{.records = SOA("7")},
                                 {.records = SOA("5") "www 60 A 192.0.2.2\n"},
                                 {.records = SOA("6") "www 60 A 192.0.2.3\n"},
                                 {.records = "x 60 A 192.0.2.4\n" SOA("6"), .no_question = true},
                                 {.records = SOA("7") "y 60 MX 10 mail.example.org.\n"},
                                 {.records = SOA("7")}}};
    ck_assert_str_eq(result(&many), "STEPS" SHOWN_5_6 SHOWN_6_7);
}
END_TEST

START_TEST(no_news)
{
    struct talk talk = {.options = options_of(true, 5), .said = {{.records = SOA("5")}}};
    ck_assert_str_eq(result(&talk), "CURRENT 5");
    talk.said[0].records = SOA("4");
    ck_assert_str_eq(result(&talk), "CURRENT 4");
    talk.said[0].records = SOA("6"); /* and what is new? it will come */
    ck_assert_str_eq(result(&talk), "MORE");
}
END_TEST

START_TEST(a_whole_zone_for_an_ixfr)
{
    struct talk talk = {.options = options_of(true, 5),
                        .said = {{.records = SOA("7") BODY SOA("7")}}};
    ck_assert_str_eq(result(&talk), "ZONE 7 records=4");
    struct talk many = {.options = options_of(true, 5),
                        .said = {{.records = SOA("7")},
                                 {.records = "www 60 A 192.0.2.2\n"},
                                 {.records = BODY SOA("7")}}};
    ck_assert_str_eq(result(&many), "ZONE 7 records=4");
}
END_TEST

START_TEST(an_ixfr_that_is_refused)
{
    for (unsigned rcode = 1; rcode <= 5; rcode++) {
        struct talk talk = {.options = options_of(true, 5),
                            .said = {{.rcode = rcode}, {.records = SOA("7") BODY SOA("7")}},
                            .requests = {0, 1}};
        ck_assert_str_eq(result(&talk), "ZONE 7 records=4");
        ck_assert_uint_eq(talk.requests_made, 2);
        struct talk never = {.options = options_of(true, 5),
                             .said = {{.rcode = rcode}, {.rcode = 5}},
                             .requests = {0, 1}};
        ck_assert_str_eq(result(&never), "FAILED the server said REFUSED");
    }
}
END_TEST

START_TEST(differences_that_do_not_fit)
{
    static const struct {
        const char *records, *says;
    } cases[] = {
        {SOA("7") SOA("4") SOA("7") SOA("7"),
         "FAILED the differences begin at serial 4, ours is 5 (whole?)"},
        {SOA("7") SOA("7"), "FAILED the differences begin at serial 7, ours is 5 (whole?)"},
        {SOA("7") SOA("5") SOA("4"), "FAILED a difference leads from serial 5 to 4 (whole?)"},
        {SOA("7") STEP_5_6 SOA("5"), "FAILED a difference that ends at serial 6 is followed by one "
                                     "from 5 (whole?)"},
        {SOA("7") STEP_5_6 STEP_6_7 SOA("7") BODY, "FAILED a record behind the last one (whole?)"},
        {BODY, "FAILED the first record is no SOA (whole?)"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct talk talk = {.options = options_of(true, 5),
                            .said = {{.records = cases[i].records}}};
        const char *text = result(&talk);
        ck_assert_msg(strcmp(text, cases[i].says) == 0, "%zu: %s", i, text);
    }
}
END_TEST

START_TEST(serials_that_wrap)
{
    struct talk talk = {.options = options_of(true, 0xFFFFFFFF),
                        .said = {{.records = SOA("1") SOA("4294967295") SOA("1") SOA("1")}}};
    ck_assert_str_eq(result(&talk),
                     "STEPS 4294967295>1 -example.org. SOA 4294967295;+example.org. SOA 1;");
}
END_TEST

/* --- is there news ---------------------------------------------------------------------------- */

START_TEST(an_soa_first)
{
    struct talk talk = {
        .options = options_of(true, 5),
        .said = {{.records = SOA("7")}, {.records = SOA("7") STEP_5_6 STEP_6_7 SOA("7")}},
        .requests = {0, 1}};
    talk.options.ask_soa = true;
    ck_assert_str_eq(result(&talk), "STEPS" SHOWN_5_6 SHOWN_6_7);
    talk.said[0].records = SOA("5");
    ck_assert_str_eq(result(&talk), "CURRENT 5");
    talk.said[0].records = "www 1 A 192.0.2.1\n";
    ck_assert_str_eq(result(&talk), "FAILED the answer has no SOA (whole?)");
    talk.said[0].records = SOA("7");
    talk.said[0].clear = DNS_FLAG_AA;
    ck_assert_str_eq(result(&talk), "FAILED the answer is not authoritative (whole?)");
    talk.said[0] = (struct said){.rcode = 5};
    ck_assert_str_eq(result(&talk), "FAILED the server said REFUSED (whole?)");
}
END_TEST

START_TEST(only_an_soa_over_udp)
{
    struct dns_fetch f;
    struct dns_fetch_options options = options_of(false, 5);
    struct dns_tsig_session server;
    struct keel_buf answer = {0};
    uint8_t request[512] = {0};
    size_t at;

    options.udp = options.only_soa = options.ask_soa = true;
    options.key = key;
    ck_assert_int_eq(dns_fetch_start(&f, &options, NOW), 0);
    size_t size = keel_buf_size(&f.out);
    memcpy(request, keel_buf_bytes(&f.out), size);
    ck_assert_int_eq(dns_tsig_find(request, size, &at), 0);
    ck_assert_int_eq(dns_tsig_accept(&server, &keys, request, size, at, NOW), 0);
    struct said said = {.records = SOA("6"), .expire = 77};
    put_message(&answer, request, &said, &server);
    uint8_t *message = keel_buf_bytes(&answer) + 2;
    size = keel_buf_size(&answer) - 2;
    message[0] ^= 1; /* somebody else's, or a guess */
    ck_assert_int_eq(dns_fetch_message(&f, message, size, NOW), DNS_FETCH_MORE);
    message[0] ^= 1;
    ck_assert_int_eq(dns_fetch_message(&f, message, 5, NOW), DNS_FETCH_MORE);
    ck_assert_int_eq(dns_fetch_message(&f, message, size, NOW), DNS_FETCH_NEWER);
    ck_assert_uint_eq(f.soa.serial, 6);
    ck_assert_uint_eq(f.soa.refresh, 7200);
    ck_assert(f.expire_known);
    ck_assert_uint_eq(f.expire, 77);
    dns_fetch_fini(&f);
    keel_buf_fini(&answer);
}
END_TEST

/* --- signatures ------------------------------------------------------------------------------- */

START_TEST(signed_all_or_some)
{
    for (unsigned unsigned_ = 0; unsigned_ < 16; unsigned_++) {
        struct talk talk = {.options = options_of(false, 0),
                            .said = {{.records = SOA("5"), .unsigned_ = unsigned_ & 1},
                                     {.records = "@ 1 NS ns\n", .unsigned_ = unsigned_ & 2},
                                     {.records = "ns 1 A 192.0.2.1\n", .unsigned_ = unsigned_ & 4},
                                     {.records = SOA("5"), .unsigned_ = unsigned_ & 8}}};
        talk.options.key = key;
        const char *text = result(&talk);
        if (unsigned_ & 1)
            ck_assert_str_eq(text, "FAILED the answer is not signed (another rcode)");
        else if (unsigned_ == 0)
            ck_assert_str_eq(text, "ZONE 5 records=3");
        else if (unsigned_ == 8 || unsigned_ == 8 + 4 || unsigned_ == 8 + 4 + 2)
            ck_assert_str_eq(text, "FAILED the last message is not signed");
        else /* our own server signs each for itself alone */
            ck_assert_str_eq(text, "FAILED the signature is not good: BADSIG");
    }
}
END_TEST

/* A stream in which the first, every `every`-th and the last message are signed. */
static enum dns_fetch_outcome sparse(unsigned messages, unsigned every, int spoil)
{
    struct dns_fetch_options options = options_of(false, 0);
    struct dns_tsig_session server;
    struct dns_fetch f;
    uint8_t request[1024] = {0}, bytes[512];
    struct keel_buf between = {0};
    struct keel_writer w;
    size_t at;

    options.key = key;
    ck_assert_int_eq(dns_fetch_start(&f, &options, NOW), 0);
    size_t size = keel_buf_size(&f.out) - 2;
    memcpy(request, keel_buf_bytes(&f.out) + 2, size);
    ck_assert_int_eq(dns_tsig_find(request, size, &at), 0);
    ck_assert_int_eq(dns_tsig_accept(&server, &keys, request, size, at, NOW), 0);
    for (unsigned i = 0; i < messages; i++) {
        char text[64];
        struct keel_buf one = {0};
        snprintf(text, sizeof text, "h%u 60 A 192.0.2.1\n", i);
        struct said said = {.records = i == 0 || i + 1 == messages ? SOA("5") : text};
        if (i == 1)
            said.records = "@ 60 NS ns\n";
        put_message(&one, request, &said, NULL);
        size = keel_buf_size(&one) - 2;
        memcpy(bytes, keel_buf_bytes(&one) + 2, size);
        keel_buf_fini(&one);
        bool last = i + 1 == messages;
        if (i == 0 || last || i % every == 0) {
            /* the MAC covers what went before: compute it over both, as RFC 8945 says */
            struct keel_buf all = {0};
            uint8_t mac[KEEL_DIGEST_MAX], count[2];
            keel_hmac_begin(key->hmac);
            keel_put_u16(count, server.last_size);
            keel_hmac_update(key->hmac, count, 2);
            keel_hmac_update(key->hmac, server.last, server.last_size);
            keel_hmac_update(key->hmac, keel_buf_bytes(&between), keel_buf_size(&between));
            keel_hmac_update(key->hmac, bytes, size);
            if (i == 0) {
                keel_hmac_update(key->hmac, "\1k\0", 3);
                keel_hmac_update(key->hmac, "\0\377\0\0\0\0", 6);
                keel_hmac_update(key->hmac, "\013hmac-sha256", 13);
            }
            keel_hmac_update(key->hmac, "\0\0\0\0\3\350\1\54", 8); /* NOW, the fudge */
            if (i == 0)
                keel_hmac_update(key->hmac, "\0\0\0\0", 4);
            ck_assert_int_eq(keel_hmac_final(key->hmac, mac), 0);
            keel_writer_init(&w, bytes, sizeof bytes);
            keel_write_skip(&w, size);
            keel_write_bytes(&w, "\1k\0\0\372\0\377\0\0\0\0\0\75\013hmac-sha256", 26);
            keel_write_bytes(&w, "\0\0\0\0\3\350\1\54\0\40", 10);
            keel_write_bytes(&w, mac, 32);
            keel_write_bytes(&w, request, 2);
            keel_write_bytes(&w, "\0\0\0\0", 4);
            keel_put_u16(bytes + 10, 1);
            ck_assert(!w.bad);
            size = keel_writer_offset(&w);
            memcpy(server.last, mac, 32);
            server.last_size = 32;
            keel_buf_clear(&between);
            keel_buf_fini(&all);
        } else {
            keel_buf_append(&between, bytes, size);
        }
        if ((int)i == spoil)
            bytes[size - 1 - (i == 0 || last ? 40 : 0)] ^= 1;
        if (dns_fetch_message(&f, bytes, size, NOW) != DNS_FETCH_MORE)
            break;
    }
    enum dns_fetch_outcome outcome = f.outcome;
    if (outcome == DNS_FETCH_FAILED)
        snprintf(shown, sizeof shown, "%s", f.diag.text);
    dns_fetch_fini(&f);
    keel_buf_fini(&between);
    return outcome;
}

START_TEST(signed_now_and_then)
{
    ck_assert_int_eq(sparse(10, 3, -1), DNS_FETCH_ZONE);
    ck_assert_int_eq(sparse(250, 100, -1), DNS_FETCH_ZONE);
    ck_assert_int_eq(sparse(101, 1000, -1), DNS_FETCH_ZONE); /* 99 between */
    ck_assert_int_eq(sparse(102, 1000, -1), DNS_FETCH_FAILED);
    ck_assert_str_eq(shown, "100 messages without a signature");
    ck_assert_int_eq(sparse(10, 3, 2), DNS_FETCH_FAILED); /* an unsigned one was changed */
    ck_assert_str_eq(shown, "the signature is not good: BADSIG");
    ck_assert_int_eq(sparse(10, 3, 9), DNS_FETCH_FAILED);
}
END_TEST

START_TEST(nobody_asked_for_a_signature)
{
    struct talk talk = {.options = options_of(false, 0),
                        .said = {{.records = SOA("5") BODY SOA("5")}}};
    struct dns_tsig_session server;
    struct dns_fetch f;
    struct keel_buf answer = {0};
    uint8_t request[512] = {0};
    dns_tsig_open(&server, key);
    ck_assert_int_eq(dns_fetch_start(&f, &talk.options, NOW), 0);
    memcpy(request, keel_buf_bytes(&f.out) + 2, keel_buf_size(&f.out) - 2);
    put_message(&answer, request, &talk.said[0], &server);
    ck_assert_int_eq(
        dns_fetch_message(&f, keel_buf_bytes(&answer) + 2, keel_buf_size(&answer) - 2, NOW),
        DNS_FETCH_FAILED);
    dns_fetch_fini(&f);
    keel_buf_fini(&answer);
}
END_TEST

/* --- every cut, every failure ----------------------------------------------------------------- */

START_TEST(in_pieces_of_any_size)
{
    struct talk talk = {.options = options_of(true, 5),
                        .said = {{.records = SOA("7")},
                                 {.records = SOA("7") STEP_5_6},
                                 {.records = STEP_6_7},
                                 {.records = SOA("7")}},
                        .requests = {0, 1, 1, 1}};
    talk.options.ask_soa = true;
    talk.options.key = key;
    for (size_t chunk = 1; chunk < 700; chunk++) {
        talk.chunk = chunk;
        ck_assert_str_eq(result(&talk), "STEPS" SHOWN_5_6 SHOWN_6_7);
    }
}
END_TEST

START_TEST(messages_that_are_cut)
{
    struct talk talk = {.options = options_of(false, 0),
                        .said = {{.records = SOA("5") BODY SOA("5")}}};
    for (size_t cut = 1;; cut++) {
        struct dns_fetch f;
        struct keel_buf answer = {0};
        uint8_t request[512] = {0};
        ck_assert_int_eq(dns_fetch_start(&f, &talk.options, NOW), 0);
        memcpy(request, keel_buf_bytes(&f.out) + 2, keel_buf_size(&f.out) - 2);
        put_message(&answer, request, &talk.said[0], NULL);
        size_t size = keel_buf_size(&answer) - 2;
        if (cut > size) {
            keel_buf_fini(&answer);
            dns_fetch_fini(&f);
            break;
        }
        uint8_t *exact = malloc(size - cut + 1);
        memcpy(exact, keel_buf_bytes(&answer) + 2, size - cut);
        ck_assert_int_eq(dns_fetch_message(&f, exact, size - cut, NOW), DNS_FETCH_FAILED);
        free(exact);
        keel_buf_fini(&answer);
        dns_fetch_fini(&f);
    }
}
END_TEST

static int play_and_forget(void *arg)
{
    struct talk *talk = arg;
    struct dns_fetch f;
    int err = play(talk, &f);
    dns_fetch_fini(&f);
    return err;
}

START_TEST(every_allocation_may_fail)
{
    struct talk steps = {.options = options_of(true, 5),
                         .said = {{.records = SOA("7") STEP_5_6 STEP_6_7 SOA("7")}}};
    struct talk zone = {.options = options_of(true, 5),
                        .said = {{.rcode = 4}, {.records = SOA("7") BODY}, {.records = SOA("7")}},
                        .requests = {0, 1, 1}};
    steps.options.ask_soa = false;
    allocfail_sweep(play_and_forget, &steps);
    allocfail_sweep(play_and_forget, &zone);
}
END_TEST

Suite *fetch_suite(void)
{
    Suite *suite = suite_create("fetch");
    TCase *tc = tcase_create("fetch");
    tcase_set_timeout(tc, 60);
    tcase_add_checked_fixture(tc, setup, teardown);
    tcase_add_test(tc, a_zone_in_one_message);
    tcase_add_test(tc, a_zone_in_many_messages);
    tcase_add_test(tc, whole_zones_that_are_none);
    tcase_add_test(tc, what_is_not_of_the_zone_is_left_out);
    tcase_add_test(tc, more_than_the_limit);
    tcase_add_test(tc, differences);
    tcase_add_test(tc, no_news);
    tcase_add_test(tc, a_whole_zone_for_an_ixfr);
    tcase_add_test(tc, an_ixfr_that_is_refused);
    tcase_add_test(tc, differences_that_do_not_fit);
    tcase_add_test(tc, serials_that_wrap);
    tcase_add_test(tc, an_soa_first);
    tcase_add_test(tc, only_an_soa_over_udp);
    tcase_add_test(tc, signed_all_or_some);
    tcase_add_test(tc, signed_now_and_then);
    tcase_add_test(tc, nobody_asked_for_a_signature);
    tcase_add_test(tc, in_pieces_of_any_size);
    tcase_add_test(tc, messages_that_are_cut);
    tcase_add_test(tc, every_allocation_may_fail);
    suite_add_tcase(suite, tc);
    return suite;
}
