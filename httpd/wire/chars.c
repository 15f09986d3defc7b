#include "httpd/wire/chars.h"

#define T HTTP_CHAR_TOKEN
#define V HTTP_CHAR_VALUE
#define U HTTP_CHAR_TARGET
#define H HTTP_CHAR_HOST

const uint8_t http_chars[256] = {
    ['\t'] = V,
    [' '] = V,
    ['!'] = T | V | U | H,
    ['"'] = V | U,
    ['#'] = T | V,
    ['$' ... '\''] = T | V | U | H,
    ['(' ... ')'] = V | U | H,
    ['*' ... '+'] = T | V | U | H,
    [','] = V | U | H,
    ['-' ... '.'] = T | V | U | H,
    ['/'] = V | U,
    ['0' ... '9'] = T | V | U | H,
    [':'] = V | U,
    [';'] = V | U | H,
    ['<'] = V | U,
    ['='] = V | U | H,
    ['>' ... '@'] = V | U,
    ['A' ... 'Z'] = T | V | U | H,
    ['[' ... ']'] = V | U,
    ['^'] = T | V | U,
    ['_'] = T | V | U | H,
    ['`'] = T | V | U,
    ['a' ... 'z'] = T | V | U | H,
    ['{'] = V | U,
    ['|'] = T | V | U,
    ['}'] = V | U,
    ['~'] = T | V | U | H,
    [0x80 ... 0xff] = V,
};

bool http_list_next(struct keel_str *list, struct keel_str *element)
{
    while (keel_str_split(list, ',', element)) {
        *element = keel_str_trim(*element);
        if (element->n > 0)
            return true;
    }
    return false;
}
