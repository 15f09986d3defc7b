#include "tests/support/unit.h"

Suite *head_suite(void);
Suite *body_suite(void);
Suite *path_suite(void);
Suite *values_suite(void);
Suite *request_suite(void);
Suite *h1_suite(void);
Suite *h2_head_suite(void);
Suite *h2_fields_suite(void);
Suite *h2_suite(void);
Suite *route_suite(void);
Suite *access_suite(void);
Suite *file_suite(void);
Suite *http_watch_suite(void);
Suite *log_suite(void);
Suite *headers_suite(void);
Suite *credentials_suite(void);
Suite *rewrite_suite(void);
Suite *settings_suite(void);
Suite *serve_suite(void);
Suite *corpus_suite(void);
Suite *exchange_suite(void);
Suite *encode_suite(void);
Suite *filter_suite(void);

int main(void)
{
    Suite *(*const suites[])(void) = {
        head_suite,
        body_suite,
        path_suite,
        values_suite,
        request_suite,
        h1_suite,
        h2_head_suite,
        h2_fields_suite,
        h2_suite,
        route_suite,
        access_suite,
        file_suite,
        http_watch_suite,
        log_suite,
        headers_suite,
        credentials_suite,
        rewrite_suite,
        settings_suite,
        serve_suite,
        corpus_suite,
        exchange_suite,
        encode_suite,
        filter_suite,
    };
    return unit_main(suites, sizeof suites / sizeof *suites);
}
